"""git at the border: what the engine asks of it, each answer in a few steps. See `ports.Workspaces`."""

from collections.abc import Collection
from pathlib import Path
from typing import Final

from dispatcher.core.errors import ClaimLost, NeedsPerson
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
from dispatcher.workspace.changes import is_ancestor, merge_base
from dispatcher.workspace.check import CheckRunner
from dispatcher.workspace.checking import CommitCheck
from dispatcher.workspace.checkout import Standing, make_checkout, note_name, remove_tree
from dispatcher.workspace.detect import Check
from dispatcher.workspace.git import Git, GitFailed
from dispatcher.workspace.harvest import Harvester, Yield
from dispatcher.workspace.publish import push
from dispatcher.workspace.rebase import Conflict, Rebaser, patch_name
from dispatcher.workspace.refused import Refused
from dispatcher.workspace.store import Store
from dispatcher.workspace.surroundings import Surroundings

RULES_PATH: Final = ".dispatcher/WORKFLOW.md"
"""Where a repository keeps its own rules for agents."""

_LONGEST_RULES: Final = 64_000


class GitWorkspaces:
    """The real `ports.Workspaces`. Everything below `root` is its own; safe to use from several threads.

    Every call may raise RetryLater (network, lock, disk), Gone, BadCredential, NeedsPerson.
    """

    def __init__(self, root: Path, surroundings: Surroundings) -> None:
        self._root = root
        self._with = surroundings
        self._scratch = root / "scratch"
        self._git = Git(surroundings.token)
        self._runner = CheckRunner(surroundings.confinement, surroundings.held_secrets)
        self._checks = CommitCheck(self._git, self._scratch, self._runner, surroundings)
        self._harvester = Harvester(self._git, self._scratch, root / "checkouts", surroundings)
        for folder in (root, self._scratch, root / "checkouts"):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    # ------------------------------------------------------------ before a run

    def make_checkout(self, order: CheckoutOrder) -> str:
        """Fetch the mirror, make the checkout, return the commit that it stands on. Idempotent per destination.

        Raises ProgramAbsent for an order whose commits could not be checked afterwards: better now than after the work.
        """
        if order.will_be_checked:
            self._checks.must_be_possible(order.repo)
        record = self._record(order.destination)
        if record.exists() and (order.destination / ".git").exists():
            return record.read_text()
        store = self._store(order.repo)
        store.refresh()
        base_head = store.base_head(order.base)
        commit = order.head or base_head
        record.write_text(commit)
        standing = Standing(commit, order.branch, order.base, base_head, order.from_base)
        make_checkout(self._git, store, standing, self._with.identity, order.destination)
        return commit

    def find_branch(self, repo: Repo, branch: str) -> str:
        """The head of a branch on the forge, asked for now; "" if there is none."""
        store = self._store(repo)
        store.refresh()
        return store.find(f"refs/heads/{branch}")

    def shared_paths(self, repo: Repo) -> tuple[Path, ...]:
        """What a checkout needs beside itself, read-only: a sandbox mounts these where they are."""
        return (self._store(repo).mirror_objects,)

    def fetch_diff(self, repo: Repo, base: str, head: str, limit_bytes: int) -> str:
        """The diff that a reviewer reads: merge base to head, cut at `limit_bytes`, with a note where it was cut."""
        store = self._ready(repo)
        place = store.ensure(head)
        root = merge_base(self._git, place, store.base_head(base), head)
        return self._diff(place, root, head, limit_bytes)

    def fetch_changes(self, repo: Repo, since: str, head: str, limit_bytes: int) -> str:
        """The diff from one commit to a later one of the same branch; "" where nothing differs or `since` is gone."""
        if since == head or not since:
            return ""
        try:
            return self._diff(self._ready(repo).ensure(head), since, head, limit_bytes)
        except GitFailed:
            return ""

    def _diff(self, place: Path, old: str, new: str, limit_bytes: int) -> str:
        words = ("diff-tree", "-p", "-r", "-M", "--no-color", "--no-ext-diff", "--no-textconv", old, new)
        diff, was_cut = self._git.head_of(place, limit_bytes, *words)
        note = f"\n[the diff is longer; cut at {limit_bytes:,} bytes]\n" if was_cut else ""
        return diff.decode(errors="replace") + note

    def load_repo_rules_text(self, repo: Repo, base: str) -> str:
        """The repository's own rules for agents, from the base branch only; "" if there are none."""
        store = self._ready(repo)
        name = f"{store.base_head(base)}:{RULES_PATH}"
        try:
            text, _ = self._git.head_of(store.mirror, _LONGEST_RULES, "cat-file", "blob", name)
        except GitFailed:
            return ""
        return text.decode(errors="replace")

    # ------------------------------------------------------------ after a run

    def harvest(self, order: HarvestOrder) -> Event:
        """CheckPassed, CheckFailed, HarvestRefused or NothingNew. Raises ClaimLost when the branch moved meanwhile."""
        store = self._ready(order.repo)
        base_head = store.base_head(order.base)
        if order.expected:
            store.ensure(order.expected)
        wanted = Yield(order.checkout, order.branch, order.start, base_head, order.repo.rules, order.expected)
        try:
            commit = self._harvester.take(store, wanted)
        except Refused as refused:
            return HarvestRefused(order.run_id, refused.findings)
        return (
            self._check(order.repo, store, base_head, commit, order.run_id)
            if commit
            else NothingNew(order.run_id)
        )

    def check_head(self, repo: Repo, base: str, head: str) -> Event:
        """CheckPassed or CheckFailed for a commit that is on the remote."""
        store = self._store(repo)
        store.refresh()
        store.ensure(head)
        return self._check(repo, store, store.base_head(base), head, "")

    def explain_check(self, repo: Repo, base: str) -> Check:
        """Which check a commit on this base would get, and why; for people who ask."""
        store = self._ready(repo)
        base_head = store.base_head(base)
        return self._checks.choose(repo, store, base_head, base_head)

    def push(self, repo: Repo, branch: str, head: str, expected: str) -> None:
        """Push a harvested commit with a lease. Raises ClaimLost when the remote branch is elsewhere."""
        if branch == repo.default_branch:
            raise NeedsPerson(f"refused to push to `{branch}`, the default branch of {repo.full_name}.")
        push(self._git, self._ready(repo), branch, head, expected)

    def keep(self, repo: Repo, run_id: str, checkout: Path, base: str) -> Kept | None:
        """Push what a superseded run committed to `bot/kept/<run id>`; None if there was nothing.

        Somebody can go on from it where it stands on what the run began with. The gates hold here too: raises NeedsPerson when the commits may not leave the machine.
        """
        store = self._ready(repo)
        record = self._record(checkout)
        start = record.read_text() if record.exists() else ""
        wanted = Yield(checkout, "", start, store.base_head(base), repo.rules)
        try:
            commit = self._harvester.take(store, wanted)
        except Refused as refused:
            raise NeedsPerson(
                f"the result of run {run_id} cannot be kept on the forge: {refused}."
            ) from refused
        if not commit:
            return None
        self.push(repo, kept_branch(run_id), commit, "")
        stands = not start or is_ancestor(self._git, store.ensure(commit), start, commit)
        return Kept(kept_branch(run_id), commit if stands else "")

    # ------------------------------------------------------------ when the base moved

    def rebase(self, repo: Repo, base: str, branch: str, head: str) -> Event:
        """Rebased (checked and pushed) or RebaseFailed. Raises ClaimLost when the remote branch is not at `head`.

        A rebase that was pushed before, but not noted, is found and reported again.
        """
        store = self._store(repo)
        store.refresh()
        base_head = store.base_head(base)
        now = store.find(f"refs/heads/{branch}")
        if now and now == store.rebased(head):
            return self._rebased(store, base_head, head, now)
        if now != head:
            raise ClaimLost(f"`{branch}` is at {now[:12] or 'nothing'}, not at {head[:12]}")
        if is_ancestor(self._git, store.mirror, base_head, head):
            return Rebased(head, head, same_patch=True)
        try:
            new = self._replay(store, base_head, head)
        except Conflict as conflict:
            return RebaseFailed(head, str(conflict))
        judged = self._check(repo, store, base_head, new, "")
        if isinstance(judged, CheckFailed):
            return RebaseFailed(
                head, f"rebased without a conflict, but the check is red then:\n{judged.tail}"
            )
        self.push(repo, branch, new, head)
        return self._rebased(store, base_head, head, new)

    def _replay(self, store: Store, base_head: str, head: str) -> str:
        with self._checks.clean_checkout(store, Standing(head, "rebase")) as checkout:
            new = Rebaser(self._git, checkout, self._with.identity).onto(base_head, head)
            store.remember_rebase(checkout, head, new)
            return new

    def _rebased(self, store: Store, base_head: str, old: str, new: str) -> Rebased:
        before, after = (patch_name(self._git, store.vault, base_head, sha) for sha in (old, new))
        return Rebased(old, new, same_patch=before == after)

    # ------------------------------------------------------------ life

    def stop(self) -> None:
        """End the checks that run now; whoever waits for one gets RetryLater."""
        self._runner.stop()

    def clear_scratch(self) -> None:
        """Remove what a killed dispatcher left behind. Call it at start, before anything else."""
        for folder in self._scratch.iterdir():
            remove_tree(folder)

    def prune(self, repo: Repo, keep: Collection[str]) -> None:
        """Forget harvested commits except those in `keep` (heads that tasks still name)."""
        self._store(repo).prune(keep)

    # ------------------------------------------------------------ shared steps

    def _check(
        self, repo: Repo, store: Store, base_head: str, commit: str, run_id: str
    ) -> CheckPassed | CheckFailed:
        check = self._checks.choose(repo, store, base_head, commit)
        verdict = self._checks.run(repo, store, check, commit)
        if verdict.is_green:
            return CheckPassed(commit, base_head, run_id, check.note)
        return CheckFailed(commit, verdict.tail, verdict.fingerprint, run_id)

    def _store(self, repo: Repo) -> Store:
        return Store(self._root / "repos" / str(repo.id), repo.clone_url, self._git)

    def _ready(self, repo: Repo) -> Store:
        """The store; fetched first when there is no mirror yet."""
        store = self._store(repo)
        if not store.mirror.exists():
            store.refresh()
        return store

    def _record(self, destination: Path) -> Path:
        """Where we note what a checkout began with: outside of what the agent can write."""
        return self._root / "checkouts" / note_name(destination)
