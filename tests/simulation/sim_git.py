"""Workspaces over the simulator's git of dictionaries: mirrors and checkouts are commits, the check looks for a red file."""

from dataclasses import dataclass, field
from pathlib import Path

from dispatcher.core.errors import ClaimLost, NeedsPerson, RetryLater
from dispatcher.core.events import (
    CheckFailed,
    CheckPassed,
    Event,
    HarvestRefused,
    NothingNew,
    Rebased,
    RebaseFailed,
)
from dispatcher.core.naming import kept_branch
from dispatcher.ports import CheckoutOrder, HarvestOrder, Kept, Repo
from dispatcher.simulator import pulls
from dispatcher.simulator.access import Caller
from dispatcher.simulator.git_port import Signature, Writing
from dispatcher.simulator.world import World
from tests.simulation.invariants import Watch
from tests.simulation.weather import Weather

RED = b"red"
"""How a file begins that makes the check fail; the rest is the failure's fingerprint."""


@dataclass
class Checkout:
    """Where a run works: the commit that it stands on, and the one that it began with."""

    repo_id: int
    start: str
    commit: str


@dataclass
class SimGit:
    """git on one machine; what it knows outlives the daemon."""

    world: World
    caller: Caller
    weather: Weather
    watch: Watch
    checkouts: dict[Path, Checkout] = field(default_factory=dict)
    rebased: dict[str, str] = field(default_factory=dict)

    # ------------------------------------------------------------ before and during a run

    def make_checkout(self, order: CheckoutOrder) -> str:
        return self.weather.use_git(lambda: self._make_checkout(order))

    def _make_checkout(self, order: CheckoutOrder) -> str:
        if order.destination not in self.checkouts:
            commit = self.world.git.resolve(order.repo.id, order.head or order.base)
            if commit is None:
                raise NeedsPerson(f"there is no commit {order.head}")
            self.checkouts[order.destination] = Checkout(order.repo.id, commit, commit)
            order.destination.mkdir(parents=True, exist_ok=True)
        return self.checkouts[order.destination].commit

    def commit(self, place: Path, path: str, content: bytes) -> None:
        """The agent commits one file."""
        checkout = self.checkouts[place]
        author = Signature("agent", "agent@invalid", self.world.now())
        writing = Writing(
            f"checkout/{place.parent.name}", {path: content}, "Change it", author, checkout.commit
        )
        checkout.commit = self.world.git.write(checkout.repo_id, writing)
        self.world.git.set_ref(checkout.repo_id, f"refs/heads/{writing.branch}", None)

    def take_over(self, old: Path, new: Path) -> None:
        """The repair run goes on in the broken run's checkout."""
        if old in self.checkouts and new not in self.checkouts:
            self.checkouts[new] = self.checkouts.pop(old)
            old.rmdir()
            new.mkdir(parents=True, exist_ok=True)

    # ------------------------------------------------------------ after a run

    def harvest(self, order: HarvestOrder) -> Event:
        return self.weather.use_git(lambda: self._harvest(order))

    def _harvest(self, order: HarvestOrder) -> Event:
        checkout = self.checkouts.get(order.checkout)
        if checkout is None:
            raise RetryLater("the checkout is not there")
        base_head = self._base_head(order.repo, order.base)
        commit, key = checkout.commit, order.repo.id
        if commit in {order.start, order.expected} or self._is_ancestor(key, commit, base_head):
            return NothingNew(order.run_id)
        if order.expected and order.start and not self._is_ancestor(key, order.expected, order.start):
            raise ClaimLost(f"`{order.branch}` moved while the run worked")
        changed = self._changed(key, base_head, commit)
        if any(path.startswith(".github/workflows/") for path in changed):
            return HarvestRefused(order.run_id, (".github/workflows/ci.yml is protected",))
        return self._check(key, base_head, commit, order.run_id)

    def check_head(self, repo: Repo, base: str, head: str) -> Event:
        return self.weather.use_git(lambda: self._check(repo.id, self._base_head(repo, base), head, ""))

    def _check(self, key: int, base_head: str, commit: str, run_id: str) -> CheckPassed | CheckFailed:
        for path in self._changed(key, base_head, commit):
            content = self.world.git.read(key, commit, path)
            if isinstance(content, bytes) and content.startswith(RED):
                said = content.decode()
                return CheckFailed(commit, f"{path} is red: {said}", said, run_id)
        self.watch.green.add(commit)
        return CheckPassed(commit, base_head, run_id, "make check")

    def push(self, repo: Repo, branch: str, head: str, expected: str) -> None:
        self.weather.use_git(lambda: self._push(repo, branch, head, expected))

    def _push(self, repo: Repo, branch: str, head: str, expected: str) -> None:
        ref = f"refs/heads/{branch}"
        now = self.world.git.refs(repo.id).get(ref, "")
        if now == head:
            return
        if now != expected:
            raise ClaimLost(f"`{branch}` on the forge is not where it was")
        self.world.git.set_ref(repo.id, ref, head)
        pulls.synchronise(self.world, self.world.repos[repo.id], self.caller.account)

    def keep(self, repo: Repo, run_id: str, checkout: Path, base: str) -> Kept | None:
        def keep() -> Kept | None:
            kept = self.checkouts.get(checkout)
            if kept is None or kept.commit == kept.start:
                return None
            changed = self._changed(repo.id, self._base_head(repo, base), kept.commit)
            if any(path.startswith(".github/workflows/") for path in changed):
                raise NeedsPerson("the result cannot be kept: a protected path")
            self._push(repo, kept_branch(run_id), kept.commit, "")
            return Kept(kept_branch(run_id), kept.commit)

        return self.weather.use_git(keep)

    # ------------------------------------------------------------ when the base moved

    def rebase(self, repo: Repo, base: str, branch: str, head: str) -> Event:
        return self.weather.use_git(lambda: self._rebase(repo, base, branch, head))

    def _rebase(self, repo: Repo, base: str, branch: str, head: str) -> Event:
        git, key = self.world.git, repo.id
        base_head = self._base_head(repo, base)
        now = git.refs(key).get(f"refs/heads/{branch}", "")
        if now and now == self.rebased.get(head):
            return Rebased(head, now, same_patch=True)
        if now != head:
            raise ClaimLost(f"`{branch}` is elsewhere")
        if self._is_ancestor(key, base_head, head):
            return Rebased(head, head, same_patch=True)
        fork_point = git.merge_base(key, base_head, head) or base_head
        ours, theirs = self._changed(key, base_head, head), self._changed(key, head, base_head)
        if set(ours) & set(theirs):
            return RebaseFailed(
                head, f"conflicts with the base in: {', '.join(sorted(set(ours) & set(theirs)))}"
            )
        author = Signature("bot", "bot@invalid", self.world.now())
        files = {path: self._content(key, head, path) for path in ours}
        writing = Writing(f"rebase/{fork_point[:8]}", files, "Rebase", author, base_head)
        new = git.write(key, writing)
        git.set_ref(key, f"refs/heads/{writing.branch}", None)
        self.rebased[head] = new
        self.watch.same_patch[new] = head
        judged = self._check(key, base_head, new, "")
        if isinstance(judged, CheckFailed):
            return RebaseFailed(head, f"the check is red then: {judged.tail}")
        self._push(repo, branch, new, head)
        return Rebased(head, new, same_patch=True)

    def _content(self, key: int, commit: str, path: str) -> bytes | None:
        found = self.world.git.read(key, commit, path)
        return found if isinstance(found, bytes) else None

    # ------------------------------------------------------------ reading

    def find_branch(self, repo: Repo, branch: str) -> str:
        return self.weather.use_git(lambda: self.world.git.refs(repo.id).get(f"refs/heads/{branch}", ""))

    def fetch_changes(self, repo: Repo, since: str, head: str, limit_bytes: int) -> str:
        return f"{since}..{head}" if since not in {"", head} else ""

    def fetch_diff(self, repo: Repo, base: str, head: str, limit_bytes: int) -> str:
        return ""

    def shared_paths(self, repo: Repo) -> tuple[Path, ...]:
        return ()

    def load_repo_rules_text(self, repo: Repo, base: str) -> str:
        return ""

    def _base_head(self, repo: Repo, base: str) -> str:
        return self.world.git.refs(repo.id)[f"refs/heads/{base or repo.default_branch}"]

    def _is_ancestor(self, key: int, old: str, new: str) -> bool:
        return self.world.git.merge_base(key, old, new) == old

    def _changed(self, key: int, base: str, head: str) -> tuple[str, ...]:
        """Paths that `head` changes against the common ancestor."""
        return tuple(change.path for change in self.world.git.changes(key, base, head))
