"""What the world needs to know from git, whether real repositories or a few dictionaries stand behind it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Signature:
    """Who wrote a commit, and when."""

    name: str
    email: str
    at: datetime


@dataclass(frozen=True, slots=True)
class CommitFacts:
    """What is known of one commit."""

    sha: str
    tree: str
    parents: tuple[str, ...]
    message: str
    author: Signature


@dataclass(frozen=True, slots=True)
class FileChange:
    """One file of a diff; `patch` holds the hunks without the file header, None for binary files."""

    path: str
    status: str
    additions: int
    deletions: int
    patch: str | None
    blob: str = ""
    previous: str | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a folder's listing; kind is `file` or `dir`."""

    path: str
    kind: str
    sha: str
    size: int


@dataclass(frozen=True, slots=True)
class Writing:
    """A new commit to be put on a branch: None as content deletes the file."""

    branch: str
    files: Mapping[str, bytes | None]
    message: str
    author: Signature
    parent: str | None


@dataclass(frozen=True, slots=True)
class Merging:
    """A merge to be done: method is `merge`, `squash` or `rebase`."""

    branch: str
    head_sha: str
    method: str
    message: str
    author: Signature


class MergeConflict(Exception):
    """The two sides cannot be merged without a person."""


class GitStore(Protocol):
    """Repositories by numeric key; shas are 40 hex digits, refs are full names (`refs/heads/main`)."""

    def create(self, key: int, default_branch: str) -> None:
        """Make an empty repository."""

    def fork(self, key: int, source: int) -> None:
        """Make a repository with everything that source has."""

    def delete(self, key: int) -> None:
        """Remove a repository."""

    def refs(self, key: int) -> Mapping[str, str]:
        """Read all refs with the shas they point to."""

    def resolve(self, key: int, name: str) -> str | None:
        """Find the commit of a branch, tag or (shortened) sha; None when there is none."""

    def set_ref(self, key: int, ref: str, sha: str | None) -> None:
        """Move, create or (None) delete a ref."""

    def bring(self, key: int, source: int, sha: str) -> None:
        """Copy a commit with its history from another repository, so that a fork's branch can be compared."""

    def commit(self, key: int, sha: str) -> CommitFacts:
        """Read one commit."""

    def merge_base(self, key: int, one: str, other: str) -> str | None:
        """Find the best common ancestor; None for unrelated histories."""

    def commits(self, key: int, base: str, head: str) -> tuple[CommitFacts, ...]:
        """Read the commits of head that base lacks, oldest first."""

    def changes(self, key: int, base: str, head: str) -> tuple[FileChange, ...]:
        """Compare head with its common ancestor with base."""

    def diff(self, key: int, base: str, head: str) -> str:
        """Render the same comparison as one unified diff."""

    def can_merge(self, key: int, base: str, head: str) -> bool:
        """Say whether git merges head into base without a person."""

    def merge(self, key: int, merging: Merging) -> str:
        """Merge and move the branch; raises MergeConflict."""

    def write(self, key: int, writing: Writing) -> str:
        """Commit files onto a branch, which is created when missing."""

    def read(self, key: int, sha: str, path: str) -> bytes | tuple[Entry, ...] | None:
        """Read a file, list a folder, or None."""
