"""What may be cleared away: pure answers to "which run folders may go now, and why do the others stay"."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from dispatcher.core.model import Stage

DAY_S = 86_400
OVER = frozenset({Stage.DONE, Stage.DROPPED})


@dataclass(frozen=True, slots=True)
class KeepRules:
    """How long things stay on this disk. Run folders go by age and by size, decisions and notes by age."""

    runs_s: int = 14 * DAY_S
    runs_bytes: int = 10_000_000_000
    decisions_s: int = 90 * DAY_S


@dataclass(frozen=True, slots=True)
class Footprint:
    """What a run's folder takes on the disk, and when it last changed. `leaves_work`: a worker's checkout is in it."""

    size_bytes: int
    changed_at: datetime
    is_running: bool
    leaves_work: bool


@dataclass(frozen=True, slots=True)
class KeepOrder:
    """Work to keep before its checkout goes. `shown` are commits that the forge showed: nothing of them can be lost.

    `repo_id` None: found out from the checkout. `branch` is where the work belongs, beside HEAD; `bundle` is the file to
    write; `ignored` names a file with patterns of what is never kept.
    """

    repo_id: int | None
    run_id: str
    checkout: Path
    branch: str
    shown: tuple[str, ...]
    bundle: Path
    ignored: Path


@dataclass(frozen=True, slots=True)
class StoredRun:
    """A run's folder, and what the journal knows of it.

    `stage` is the stage of its task, None when the journal does not know the run. `is_needed`: the run is live, its
    task waits for it, or an effect that is still to be performed names it.
    """

    run_id: str
    size_bytes: int
    ended_at: datetime
    stage: Stage | None
    is_needed: bool = False


@dataclass(frozen=True, slots=True)
class Removal:
    """A run folder that may go, and why."""

    run_id: str
    size_bytes: int
    why: str


@dataclass(frozen=True, slots=True)
class Cleared:
    """What became of a removal. `bundle` holds what was in the folder alone; with `trouble` the folder is still there."""

    run_id: str
    size_bytes: int
    why: str
    bundle: Path | None = None
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Clearing:
    """Everything that may go now, oldest first. `kept_bytes` is what stays."""

    removals: tuple[Removal, ...]
    kept_bytes: int
    limit_bytes: int

    @property
    def freed_bytes(self) -> int:
        """What the removals free."""
        return sum(removal.size_bytes for removal in self.removals)

    @property
    def is_over(self) -> bool:
        """Whether what has to stay is more than the limit allows."""
        return self.kept_bytes > self.limit_bytes


def why_it_stays(run: StoredRun, rules: KeepRules, now: datetime) -> str:
    """Why this folder must not go, whatever the disk says; "" when its age or a full disk may end it."""
    if run.is_needed:
        return "it is live, or its result is still being worked on"
    if run.stage is Stage.BLOCKED:
        return "its task waits for a person"
    if run.stage not in OVER and _age_s(run, now) < rules.runs_s:
        return "its task is not over" if run.stage else "the journal does not know it, and it is young"
    return ""


def choose_removals(runs: Sequence[StoredRun], rules: KeepRules, now: datetime) -> Clearing:
    """The folders that may go: those that are old enough, then the oldest of finished tasks until the rest fits."""
    total = sum(run.size_bytes for run in runs)
    removals: list[Removal] = []
    for run in sorted(runs, key=lambda one: (one.ended_at, one.run_id)):
        if why_it_stays(run, rules, now):
            continue
        if _age_s(run, now) >= rules.runs_s:
            why = f"older than {rules.runs_s // DAY_S} days"
        elif total > rules.runs_bytes:
            why = f"run folders take more than {render_bytes(rules.runs_bytes)}, and its task is over"
        else:
            continue
        removals.append(Removal(run.run_id, run.size_bytes, why))
        total -= run.size_bytes
    return Clearing(tuple(removals), total, rules.runs_bytes)


def render_bytes(size_bytes: int) -> str:
    """A size as people say it, in powers of ten: 640 kB, 14 MB, 1.2 GB."""
    for unit, name in ((1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "kB")):
        if size_bytes >= unit:
            amount = size_bytes / unit
            return f"{amount:.1f} {name}" if amount < 10 and size_bytes % unit else f"{amount:.0f} {name}"
    return f"{size_bytes} bytes"


def _age_s(run: StoredRun, now: datetime) -> float:
    return (now - run.ended_at).total_seconds()
