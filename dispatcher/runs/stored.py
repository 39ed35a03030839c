"""Run folders as things on a disk: how much they take, and their removal. See `engine.stores.StoredRuns`."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex

from dispatcher.core.errors import RetryLater
from dispatcher.core.housekeeping import Footprint
from dispatcher.core.model import Role
from dispatcher.runs.folder import RunFolder, folder_of
from dispatcher.runs.plan import Plan, load_plan
from dispatcher.runs.reaping import kill_leftovers
from dispatcher.runs.reports import report_of

_REMOVED = ".removed"
"""A folder beside the runs, on the same disk: what is in it is no run any more, and goes whatever happens."""

_BLOCK_BYTES = 512  # the unit of st_blocks, whatever the file system's own is
_REMOVAL_S = 600


@dataclass(frozen=True, slots=True)
class StoredFolders:
    """Every run folder below `root`."""

    root: Path

    def folder(self, run_id: str) -> Path:
        """Where the run lives, or lived."""
        return folder_of(self.root, run_id).path

    def stored(self) -> tuple[str, ...]:
        """Ids of every run folder, also of half-made ones, sorted."""
        if not self.root.is_dir():
            return ()
        with os.scandir(self.root) as entries:
            names = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
        return tuple(sorted(name for name in names if _is_id(self.root, name)))

    def weigh(self, run_id: str) -> Footprint:
        """Walk through the folder once. What a run wrote last says when it ended."""
        folder = folder_of(self.root, run_id)
        plan = _plan_of(folder)
        return Footprint(
            size_bytes=sum(_sizes(folder.path)),
            changed_at=_changed_at(folder),
            is_running=folder.is_supervised(),
            leaves_work=(plan is None or plan.role is Role.WORKER) and os.path.lexists(folder.checkout),
        )

    def remove(self, run_id: str) -> None:
        """Remove the folder; a half-removed one is never taken for a run. Raises RetryLater while something of it lives."""
        folder = folder_of(self.root, run_id)
        if report_of(folder, run_id).state == "running":
            raise RetryLater(f"run {run_id} lives: its folder stays")
        plan = _plan_of(folder)
        if plan is not None:
            kill_leftovers(folder, plan.mark)
        aside = self.root / _REMOVED
        with suppress(FileNotFoundError):
            aside.mkdir(mode=0o700, exist_ok=True)
            folder.path.rename(aside / f"{run_id}.{token_hex(4)}")
        self.clear_removed()

    def clear_removed(self) -> None:
        """Finish removals. Raises RetryLater when something cannot be removed."""
        aside = self.root / _REMOVED
        if not aside.is_dir():
            return
        # An agent may have taken permissions away, and made trees deeper than Python can follow.
        for command in (["chmod", "-R", "u+rwX"], ["rm", "-rf", "--one-file-system"]):
            subprocess.run(
                [*command, "--", str(aside)],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_REMOVAL_S,
                check=False,
            )
        if aside.exists():
            raise RetryLater(f"{aside} cannot be removed: look at the owner of what is in it")


def _is_id(root: Path, name: str) -> bool:
    try:
        folder_of(root, name)
    except ValueError:
        return False
    return True


def _plan_of(folder: RunFolder) -> Plan | None:
    try:
        return load_plan(folder)
    except ValueError:
        return None  # a damaged plan: what it was is not known, so its work counts as work


def _sizes(top: Path) -> Iterator[int]:
    """Bytes on the disk of everything below; links are not followed, what vanishes or is locked away is left out."""
    waiting = [str(top)]
    while waiting:
        with suppress(OSError), os.scandir(waiting.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                with suppress(OSError):
                    yield entry.stat(follow_symlinks=False).st_blocks * _BLOCK_BYTES


def _changed_at(folder: RunFolder) -> datetime:
    """When the supervisor wrote last; of a run that never began, when its folder was made."""
    for path in (folder.exit, folder.progress, folder.started, folder.plan, folder.path):
        with suppress(OSError):
            return datetime.fromtimestamp(path.stat().st_mtime, UTC)
    return datetime.fromtimestamp(0, UTC)
