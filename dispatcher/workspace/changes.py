"""What a range of commits changes, read by plumbing: every commit, not only the sum."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dispatcher.workspace.git import Git
from dispatcher.workspace.process import Call

SYMLINK: Final = "120000"
SUBMODULE: Final = "160000"
_NOTHING: Final = "0"
_DIFF: Final = ("diff-tree", "--stdin", "-r", "--root", "--no-ext-diff", "--no-textconv")


@dataclass(frozen=True, slots=True)
class Change:
    """One path that one commit changed. `mode` and `blob` are the new side; `blob` is zeros when it was deleted."""

    commit: str
    path: str
    old_mode: str
    mode: str
    blob: str

    @property
    def is_deletion(self) -> bool:
        """Whether the path is gone with this commit."""
        return not self.blob.strip(_NOTHING)


@dataclass(frozen=True, slots=True)
class Commit:
    """One new commit and its parents."""

    sha: str
    parents: tuple[str, ...]


def list_commits(git: Git, place: Path, head: str, known: tuple[str, ...]) -> tuple[Commit, ...]:
    """The commits of `head` that are not reachable from `known`, newest first."""
    words = ("rev-list", "--topo-order", "--parents", head, *(f"^{sha}" for sha in known), "--")
    lines = git.text(place, *words).splitlines()
    return tuple(Commit(line.split()[0], tuple(line.split()[1:])) for line in lines)


def list_changes(git: Git, place: Path, commits: tuple[Commit, ...]) -> tuple[Change, ...]:
    """Every path that each commit changes; of a merge those that differ from all its parents."""
    if not commits:
        return ()
    out = git.output(place, *_DIFF, "-m", "--no-renames", "--raw", "-z", "--no-abbrev", call=_each(commits))
    parents = {commit.sha: max(1, len(commit.parents)) for commit in commits}
    seen = _parse_raw(out.decode(errors="surrogateescape").split("\0"))
    times = Counter((change.commit, change.path) for change in seen)
    by_path = {(change.commit, change.path): change for change in seen}
    return tuple(change for where, change in by_path.items() if times[where] >= parents[change.commit])


def list_total(git: Git, place: Path, old: str, new: str) -> tuple[Change, ...]:
    """Every path that differs between two commits."""
    out = git.output(place, "diff-tree", "-r", "--no-renames", "--raw", "-z", "--no-abbrev", old, new, "--")
    return _parse_raw([new, *out.decode(errors="surrogateescape").split("\0")])


def read_patches(git: Git, place: Path, commits: tuple[Commit, ...]) -> str:
    """The commits' patches without context; of a merge only what differs from all its parents. Binary counts as text."""
    if not commits:
        return ""
    out = git.output(
        place, *_DIFF, "--cc", "--text", "-U0", "-M", "--no-color", "--pretty=raw", call=_each(commits)
    )
    return out.decode(errors="replace")


def read_sizes(git: Git, place: Path, blobs: frozenset[str]) -> dict[str, int]:
    """The size in bytes of each of these objects."""
    if not blobs:
        return {}
    asked = "".join(f"{blob}\n" for blob in sorted(blobs)).encode()
    out = git.text(place, "cat-file", "--batch-check=%(objectname) %(objectsize)", call=Call(stdin=asked))
    return {line.split()[0]: int(line.split()[1]) for line in out.splitlines() if line.split()[1].isdigit()}


def read_blob(git: Git, place: Path, blob: str) -> str:
    """The text of one blob."""
    return git.output(place, "cat-file", "blob", blob).decode(errors="surrogateescape")


def merge_base(git: Git, place: Path, one: str, other: str) -> str:
    """The best common ancestor, or ""."""
    done = git.attempt(place, "merge-base", one, other)
    return done.out.decode().strip() if done.code == 0 else ""


def is_ancestor(git: Git, place: Path, older: str, newer: str) -> bool:
    """Whether `newer` contains `older`."""
    return git.attempt(place, "merge-base", "--is-ancestor", older, newer).code == 0


def _each(commits: tuple[Commit, ...]) -> Call:
    return Call(stdin="".join(f"{commit.sha}\n" for commit in commits).encode())


def _parse_raw(words: list[str]) -> tuple[Change, ...]:
    """`-z` output: an object name begins a commit (or a merge's next parent), `:modes names status` is followed by a path."""
    changes: list[Change] = []
    commit = ""
    rest = iter(words)
    for word in rest:
        if word.startswith(":"):
            old_mode, mode, _, blob, _ = word[1:].split(" ")
            changes.append(Change(commit, next(rest), old_mode, mode, blob))
        elif word:
            commit = word.strip()
    return tuple(changes)
