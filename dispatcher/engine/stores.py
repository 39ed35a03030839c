"""What housekeeping needs of the parts that write to this disk. Calls are slow: they run beside the loop."""

from collections.abc import Collection, Mapping
from datetime import datetime
from pathlib import Path
from typing import Protocol

from dispatcher.core.housekeeping import Footprint, KeepOrder
from dispatcher.ports import Journal


class StoredRuns(Protocol):
    """Run folders as things on a disk."""

    def folder(self, run_id: str) -> Path:
        """Where the run lives, or lived."""
        ...

    def stored(self) -> tuple[str, ...]:
        """Ids of every run folder, also of half-made ones."""
        ...

    def weigh(self, run_id: str) -> Footprint:
        """Walk through the folder once."""
        ...

    def remove(self, run_id: str) -> None:
        """Remove the folder. Raises RetryLater while the run lives, or something of it does."""
        ...

    def clear_removed(self) -> None:
        """Finish removals that were interrupted."""
        ...


class StoredWork(Protocol):
    """Mirrors and unpublished commits as things on a disk."""

    def bundle(self, order: KeepOrder) -> bool:
        """Write what was committed or left uncommitted, and never shown, as a git bundle; False: there is no such work.

        Runs no git in the checkout. Raises NeedsPerson when the work is there and cannot be kept, RetryLater.
        """
        ...

    def forget_checkout(self, checkout: Path) -> None:
        """Drop what was noted about a checkout that is gone."""
        ...

    def stored_repos(self) -> Mapping[int, datetime]:
        """Numeric ids of the repositories that have a mirror here, and when each was last fetched."""
        ...

    def tidy(self, repo_id: int, keep: Collection[str]) -> None:
        """Forget harvested commits except those in `keep`, and join small packs."""
        ...

    def forget_repo(self, repo_id: int, bundle: Path) -> bool:
        """Remove a repository's mirror; True when unpublished commits were first written to `bundle`."""
        ...


class PrunableJournal(Journal, Protocol):
    """A journal that can forget."""

    def prune(self, before: datetime) -> int:
        """Forget decisions, notes and finished orders older than this; returns how many rows went."""
        ...
