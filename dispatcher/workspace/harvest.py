"""From an agent's checkout to a judged commit in the vault."""

from dataclasses import dataclass
from pathlib import Path

from dispatcher.core.errors import ClaimLost
from dispatcher.core.rules import RepoRules
from dispatcher.workspace import changes
from dispatcher.workspace.changes import Commit
from dispatcher.workspace.checkout import alternates_of, note_signed
from dispatcher.workspace.gates import Judge, Offer
from dispatcher.workspace.git import Git, TooMuch
from dispatcher.workspace.reading import find_commits
from dispatcher.workspace.refused import Refused
from dispatcher.workspace.signing import Signer
from dispatcher.workspace.staging import HARVESTED, Staging, staged
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
    """Takes results over. `scratch` is for what lives only while this works, `notes` for what is known of each checkout."""

    git: Git
    scratch: Path
    notes: Path
    surroundings: Surroundings

    def take(self, store: Store, wanted: Yield) -> str:
        """Fetch, judge, sign and keep the result; returns its commit, "" when there is nothing new.

        What is returned has the agent's content under our name: another commit than the agent's, unless it signed as we do.
        Raises Refused, and ClaimLost when the forge's branch is not where the run began.
        """
        for commit in find_commits(wanted.checkout, wanted.branch, alternates_of(store)):
            if commit in {wanted.start, wanted.base_head, wanted.expected}:
                continue
            if taken := self._take(store, wanted, commit):
                return taken
        return ""

    def _take(self, store: Store, wanted: Yield, commit: str) -> str:
        limits = (wanted.rules.harvest.pack_bytes, self.surroundings.confinement)
        try:
            with staged(self.git, store, self.scratch, (wanted.checkout, commit), limits) as staging:
                commits = self._judge(staging, wanted)
                if not commits:
                    return ""
                signed = self._sign(staging, wanted, commits)
                store.accept(staging.path, signed)
                note_signed(self.notes, wanted.checkout, commit, signed)
                return signed
        except TooMuch as much:
            raise Refused(f"the changes are too many to be looked through ({much})") from much

    def _judge(self, staging: Staging, wanted: Yield) -> tuple[Commit, ...]:
        """The commits that are to be published, after every gate; () for none. Raises Refused, ClaimLost."""
        git = self.git.modest()
        self._refuse_moved_branch(git, staging, wanted)
        known = tuple(sha for sha in (wanted.base_head, wanted.expected, wanted.start) if sha)
        commits = changes.list_commits(git, staging.path, staging.commit, known)
        if not commits:
            return ()
        offer = Offer(staging.path, staging.commit, wanted.base_head, wanted.expected, wanted.branch)
        judge = Judge(git, wanted.rules, self.surroundings.held_secrets)
        if refusals := judge.refusals(offer, commits):
            raise Refused(*refusals)
        return commits if self._changes_something(git, staging, wanted, commits) else ()

    def _sign(self, staging: Staging, wanted: Yield, commits: tuple[Commit, ...]) -> str:
        signer = Signer(self.git.modest(), self.surroundings.identity, wanted.rules.agent_text)
        signed = signer.sign(staging.path, staging.commit, commits)
        self.git.output(staging.path, "update-ref", HARVESTED, signed)
        return signed

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
