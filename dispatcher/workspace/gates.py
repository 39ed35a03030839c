"""What must not leave the machine. Each gate reads our own staging repository and returns what it refuses, in words."""

import posixpath
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dispatcher.core.rules import RepoRules
from dispatcher.core.secrecy import know_secrets
from dispatcher.workspace import changes
from dispatcher.workspace.changes import Change, Commit
from dispatcher.workspace.git import Git
from dispatcher.workspace.paths import is_protected, shadows_protected
from dispatcher.workspace.process import Call
from dispatcher.workspace.redact import printable
from dispatcher.workspace.secret_scan import PRIVATE_KEY, Suspicion, describe, scan, scan_text

_SHOWN: Final = 20
_LONGEST_LINK: Final = 4096
_EXECUTABLE: Final = "100755"


@dataclass(frozen=True, slots=True)
class Offer:
    """What a run wants to publish. `base` and `expected` are commits that the forge shows; `expected` may be ""."""

    place: Path
    head: str
    base: str
    expected: str
    branch: str = ""


@dataclass(frozen=True, slots=True)
class Judge:
    """The gates with their settings. `secrets` gives the values that this machine holds."""

    git: Git
    rules: RepoRules
    secrets: Callable[[], tuple[str, ...]]

    def refusals(self, offer: Offer, commits: tuple[Commit, ...]) -> tuple[str, ...]:
        """Everything that speaks against publishing these commits; empty when nothing does."""
        rewritten = tuple(self._history(offer))
        most = self.rules.harvest.commits
        if rewritten or len(commits) > most:
            return rewritten or (f"{len(commits)} commits, but at most {most} may be added at once",)
        changed = changes.list_changes(self.git, offer.place, commits)
        found = (
            *self._protected(offer, changed),
            *self._links(offer, changed),
            *self._executables(changed),
            *self._sizes(offer, changed),
        )
        # Patches of oversized content are not worth reading: it is refused already.
        found = found or tuple(self._secrets(offer, commits))
        # The name of a file can be a secret.
        shown = (know_secrets(self.secrets()).redact(printable(one)).replace("\n", " ") for one in found)
        return _shortened(tuple(dict.fromkeys(shown)))

    def _history(self, offer: Offer) -> Iterator[str]:
        git, place = self.git, offer.place
        if offer.expected and not changes.is_ancestor(git, place, offer.expected, offer.head):
            yield f"history was rewritten: {offer.expected[:12]}, which is on the branch already, is not part of it any more"
        elif not changes.merge_base(git, place, offer.base, offer.head):
            yield "the commits share no history with the base branch"

    def _protected(self, offer: Offer, changed: tuple[Change, ...]) -> Iterator[str]:
        for change in changed:
            if is_protected(change.path, self.rules.protected_paths):
                yield f"{change.path} is protected (commit {change.commit[:12]} changes it)"
        # A merge can take back what the base has without changing a file that differs from all its parents.
        root = changes.merge_base(self.git, offer.place, offer.base, offer.head)
        total = changes.list_total(self.git, offer.place, root, offer.head)
        named = {change.path for change in changed}
        ours = [
            one
            for one in total
            if one.path not in named and is_protected(one.path, self.rules.protected_paths)
        ]
        if ours and offer.expected:
            moved = {
                one.path for one in changes.list_total(self.git, offer.place, offer.expected, offer.head)
            }
            ours = [change for change in ours if change.path in moved]
        yield from (f"{change.path} is protected (the result differs from the base)" for change in ours)

    def _links(self, offer: Offer, changed: tuple[Change, ...]) -> Iterator[str]:
        for change in changed:
            if (
                changes.SUBMODULE in {change.mode, change.old_mode}
                or posixpath.basename(change.path) == ".gitmodules"
            ):
                yield f"{change.path} adds, changes or removes a submodule"
            elif change.mode == changes.SYMLINK:
                yield from self._symlink(offer, change)

    def _symlink(self, offer: Offer, change: Change) -> Iterator[str]:
        if shadows_protected(change.path, self.rules.protected_paths):
            yield f"{change.path} is a link where a protected folder belongs"
        size = changes.read_sizes(self.git, offer.place, frozenset({change.blob})).get(change.blob, 0)
        target = changes.read_blob(self.git, offer.place, change.blob) if size <= _LONGEST_LINK else "/"
        reached = posixpath.normpath(posixpath.join(posixpath.dirname(change.path), target))
        parts = reached.split("/")
        if target.startswith("/") or parts[0] == ".." or ".git" in (part.lower() for part in parts):
            yield f"{change.path} is a link that leaves the repository"

    def _executables(self, changed: tuple[Change, ...]) -> Iterator[str]:
        for change in changed:
            is_new = change.mode == _EXECUTABLE and change.old_mode != _EXECUTABLE
            if is_new and is_protected(change.path, self.rules.ci_paths):
                yield f"{change.path} is a new executable in a folder of CI (commit {change.commit[:12]})"

    def _sizes(self, offer: Offer, changed: tuple[Change, ...]) -> Iterator[str]:
        limits = self.rules.harvest
        paths = {change.path for change in changed}
        if len(paths) > limits.files:
            yield f"{len(paths)} files changed, but at most {limits.files} may be"
        added = {
            one.blob: one.path for one in changed if not one.is_deletion and one.mode != changes.SUBMODULE
        }
        sizes = changes.read_sizes(self.git, offer.place, frozenset(added))
        for blob, size in sizes.items():
            if size > limits.file_bytes:
                yield f"{added[blob]} has {size:,} bytes, but a file may have at most {limits.file_bytes:,}"
        if sum(sizes.values()) > limits.total_bytes:
            yield f"{sum(sizes.values()):,} bytes added, but at most {limits.total_bytes:,} may be"

    def _secrets(self, offer: Offer, commits: tuple[Commit, ...]) -> Iterator[str]:
        for one in scan_text("the branch's name", offer.branch, self.secrets()):
            yield describe(one)
        patches = changes.read_patches(self.git, offer.place, commits)
        for one in scan(patches, self.secrets()):
            if not self._is_public_already(offer, one):
                yield f"{describe(one)} (commit {one.commit[:12]})"

    def _is_public_already(self, offer: Offer, one: Suspicion) -> bool:
        if one.kind == PRIVATE_KEY:  # only its first line is known, and that is the same for all of them
            return False
        # A test's dummy token that moves from file to file is no news. The value goes in by stdin, never in argv.
        call = Call(stdin=f"{one.value}\n".encode(errors="surrogateescape"))
        words = (
            "grep",
            "--quiet",
            "--text",
            "--fixed-strings",
            "--no-recurse-submodules",
            "-f",
            "-",
            offer.base,
        )
        return self.git.attempt(offer.place, *words, call=call).code == 0


def _shortened(found: tuple[str, ...]) -> tuple[str, ...]:
    if len(found) <= _SHOWN:
        return found
    return (*found[:_SHOWN], f"and {len(found) - _SHOWN} more")
