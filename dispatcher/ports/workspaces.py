"""git at the border, as the engine needs it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from dispatcher.core.events import Event
from dispatcher.ports.forge import Repo


@dataclass(frozen=True, slots=True)
class CheckoutOrder:
    """A fresh checkout. `head` empty: the newest commit of the base; it may be a harvested commit that was never pushed.

    `branch` is the local branch to stand on. `will_be_checked`: what is committed there goes through the check.
    `from_base` are patterns of files that are not to be taken from `head`: they lie
    there as the base has them.
    """

    repo: Repo
    base: str
    head: str
    branch: str
    destination: Path
    will_be_checked: bool = False
    from_base: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HarvestOrder:
    """What to fetch out of a run's checkout and how to judge it. `expected` is the remote branch's present head, or ""."""

    repo: Repo
    run_id: str
    checkout: Path
    base: str
    branch: str
    start: str
    expected: str
    message: str


@dataclass(frozen=True, slots=True)
class Kept:
    """What a superseded run left, on a branch of its own. `head` is its newest commit; "" where nobody can go on from it."""

    branch: str
    head: str


class Workspaces(Protocol):
    """git at the border: mirrors, checkouts, harvests, checks, pushes. Calls are slow and run beside the loop."""

    def make_checkout(self, order: CheckoutOrder) -> str:
        """Fetch the mirror, make the checkout, return the commit that it stands on. Idempotent per destination."""
        ...

    def shared_paths(self, repo: Repo) -> tuple[Path, ...]:
        """What a checkout needs beside itself, read-only: a sandbox shows these where they are."""
        ...

    def find_branch(self, repo: Repo, branch: str) -> str:
        """The head of a branch on the forge, asked for now; "" if there is none."""
        ...

    def harvest(self, order: HarvestOrder) -> Event:
        """CheckPassed, CheckFailed, HarvestRefused or NothingNew."""
        ...

    def check_head(self, repo: Repo, base: str, head: str) -> Event:
        """CheckPassed or CheckFailed for a commit that is on the remote."""
        ...

    def push(self, repo: Repo, branch: str, head: str, expected: str) -> None:
        """Push a harvested commit with a lease. Raises ClaimLost when the remote branch is elsewhere."""
        ...

    def keep(self, repo: Repo, run_id: str, checkout: Path, base: str) -> Kept | None:
        """Push what a superseded run committed to `bot/kept/<run id>`; None if there was nothing."""
        ...

    def rebase(self, repo: Repo, base: str, branch: str, head: str) -> Event:
        """Rebased (checked and pushed) or RebaseFailed."""
        ...

    def fetch_diff(self, repo: Repo, base: str, head: str, limit_bytes: int) -> str:
        """The diff that a reviewer reads: merge base to head, cut at `limit_bytes`."""
        ...

    def fetch_changes(self, repo: Repo, since: str, head: str, limit_bytes: int) -> str:
        """The diff from one commit to a later one of the same branch; "" where nothing differs or `since` is gone."""
        ...

    def load_repo_rules_text(self, repo: Repo, base: str) -> str:
        """The repository's own rules for agents, from the base branch only; "" if there are none."""
        ...
