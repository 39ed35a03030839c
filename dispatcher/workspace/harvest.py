"""From an agent's checkout to a judged commit in the vault."""

from dataclasses import dataclass
from pathlib import Path

from dispatcher.core.errors import ClaimLost
from dispatcher.core.rules import RepoRules
from dispatcher.workspace import changes
from dispatcher.workspace.changes import Commit
from dispatcher.workspace.checkout import alternates_of
from dispatcher.workspace.gates import Judge, Offer
from dispatcher.workspace.git import Git, TooMuch
from dispatcher.workspace.reading import find_commits
from dispatcher.workspace.refused import Refused
from dispatcher.workspace.staging import Staging, staged
from dispatcher.workspace.store import Store
from dispatcher.workspace.surroundings import Surroundings


@dataclass(frozen=True, slots=True)
class Yield:
    """What is asked for: the result in `checkout`, on `branch` or where HEAD is, that began at `start`.

    `base_head` is the base's commit, `expected` what the forge shows on the branch ("" = nothing).
    """

    checkout: Path
    branch: str
    start: str
    base_head: str
    rules: RepoRules
    expected: str = ""


@dataclass(frozen=True, slots=True)
class Harvester:
    """Takes results over. `scratch` is a folder for what lives only while this works."""

    git: Git
    scratch: Path
    surroundings: Surroundings

    def take(self, store: Store, wanted: Yield) -> str:
        """Fetch, judge and keep the result; returns its commit, "" when there is nothing new.

        Raises Refused, and ClaimLost when the forge's branch is not where the run began.
        """
        for commit in find_commits(wanted.checkout, wanted.branch, alternates_of(store)):
            if commit not in {wanted.start, wanted.base_head, wanted.expected} and self._took(
                store, wanted, commit
            ):
                return commit
        return ""

    def _took(self, store: Store, wanted: Yield, commit: str) -> bool:
        limits = (wanted.rules.harvest.pack_bytes, self.surroundings.confinement)
        try:
            with staged(self.git, store, self.scratch, (wanted.checkout, commit), limits) as staging:
                if is_new := self._is_new(staging, wanted):
                    store.accept(staging.path, commit)
                return is_new
        except TooMuch as much:
            raise Refused(f"the changes are too many to be looked through ({much})") from much

    def _is_new(self, staging: Staging, wanted: Yield) -> bool:
        """Whether there is something to publish, after every gate. Raises Refused, ClaimLost."""
        git = self.git.modest()
        self._refuse_moved_branch(git, staging, wanted)
        known = tuple(sha for sha in (wanted.base_head, wanted.expected, wanted.start) if sha)
        commits = changes.list_commits(git, staging.path, staging.commit, known)
        if not commits:
            return False
        offer = Offer(staging.path, staging.commit, wanted.base_head, wanted.expected, wanted.branch)
        judge = Judge(git, wanted.rules, self.surroundings.held_secrets)
        if refusals := judge.refusals(offer, commits):
            raise Refused(*refusals)
        return self._changes_something(git, staging, wanted, commits)

    def _refuse_moved_branch(self, git: Git, staging: Staging, wanted: Yield) -> None:
        if not wanted.expected or not wanted.start:
            return
        if not changes.is_ancestor(git, staging.path, wanted.expected, wanted.start):
            raise ClaimLost(
                f"`{wanted.branch}` moved to {wanted.expected[:12]} while the run worked on {wanted.start[:12]}"
            )

    def _changes_something(
        self, git: Git, staging: Staging, wanted: Yield, commits: tuple[Commit, ...]
    ) -> bool:
        """Empty commits, and commits that take each other back, are no work; a merge is."""
        if any(len(commit.parents) > 1 for commit in commits):
            return True
        return bool(changes.list_total(git, staging.path, wanted.start or wanted.base_head, staging.commit))
