"""`dispatcher journal`: check, backup, rebuild."""

import os
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dispatcher.core.errors import JournalUnusable, NeedsPerson
from dispatcher.surfaces.exits import ExitCode, UsageProblem
from dispatcher.surfaces.options import AsJson, ConfigPath, load_to_look, now, parts_of, screen_for

if TYPE_CHECKING:
    from dispatcher.config import Settings
    from dispatcher.surfaces.parts import Parts

journal_app = typer.Typer(
    no_args_is_help=True, help="Check the journal, copy it, begin it anew.", rich_markup_mode=None
)
_WHAT_IS_LOST = "stages come back from the labels, only history and spend are lost."
_BESIDE = ("-wal", "-shm", "")
"""SQLite's files beside the journal, and itself last: while it is there, the journal counts as the old one."""


@dataclass(frozen=True, slots=True)
class Health:
    """What a check found. `problems` () means sound; then the counts are there."""

    file: Path
    size_bytes: int
    problems: tuple[str, ...]
    tasks: Mapping[str, int]
    live_runs: tuple[str, ...] = ()
    pending_effects: int = 0


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """Where the old journal went (None: there was none), and which runs were live in it."""

    file: Path
    old: Path | None
    live_runs: tuple[str, ...]


# ---------------------------------------------------------------- commands


@journal_app.command("check")
def journal_check(ctx: typer.Context, *, config: ConfigPath = None, as_json: AsJson = False) -> None:
    """Read all of the journal and say whether it is sound, and what is in it. Exit code 3 when it is not."""
    screen, settings = screen_for(as_json), load_to_look(config)
    _refuse_missing(settings.journal_path)
    with screen.progress("Reading the journal ..."):
        health = check_journal(parts_of(ctx), settings)
    screen.show_json(health)
    screen.show(*render_health(health))
    if health.problems:
        raise typer.Exit(ExitCode.PERSON)


@journal_app.command("backup")
def journal_backup(
    ctx: typer.Context,
    *,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where the copy goes.")],
    force: Annotated[bool, typer.Option("--force", help="Replace FILE if it is there.")] = False,
    config: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """Copy the journal to FILE, whole or not at all; the dispatcher may go on working."""
    from dispatcher.core.housekeeping import render_bytes

    screen, settings = screen_for(as_json), load_to_look(config)
    _refuse_missing(settings.journal_path)
    with screen.progress("Copying the journal ..."):
        size_bytes = back_up(parts_of(ctx), settings, file.absolute(), force=force)
    screen.show_json({"file": file.absolute(), "size_bytes": size_bytes})
    screen.show(f"{settings.journal_path} is copied to {file.absolute()} ({render_bytes(size_bytes)}).")


@journal_app.command("rebuild")
def journal_rebuild(ctx: typer.Context, *, config: ConfigPath = None, as_json: AsJson = False) -> None:
    """Put the journal aside and begin a new one: the next start takes the stages from the labels on the forge."""
    screen, settings = screen_for(as_json), load_to_look(config)
    done = rebuild(parts_of(ctx), settings, now())
    screen.show_json(done)
    screen.show(*render_rebuilt(done))


# ---------------------------------------------------------------- check


def check_journal(parts: "Parts", settings: "Settings") -> Health:
    """Look at the file's pages and references, then count. Raises JournalUnusable when it cannot even be opened."""
    path = settings.journal_path
    with closing(parts.open_journal(settings, read_only=True)) as journal:
        problems = journal.check()
        if problems:
            return Health(path, path.stat().st_size, problems, {})
        return Health(
            file=path,
            size_bytes=path.stat().st_size,
            problems=(),
            tasks={str(stage): count for stage, count in sorted(journal.count_tasks().items())},
            live_runs=tuple(record.run.id for record in journal.load_live_runs()),
            pending_effects=len(journal.load_effects()),
        )


def render_health(health: Health) -> tuple[str, ...]:
    """What the check found, in words."""
    if health.problems:
        return (
            f"{health.file} is damaged: {len(health.problems)} problem(s).",
            *(f"  {problem}" for problem in health.problems[:20]),
            f"Put a backup back, or `dispatcher journal rebuild`: {_WHAT_IS_LOST}",
        )
    from dispatcher.core.housekeeping import render_bytes

    stages = ", ".join(f"{count} {stage}" for stage, count in health.tasks.items()) or "none"
    return (
        f"{health.file} is sound ({render_bytes(health.size_bytes)}).",
        f"Tasks: {stages}. Live runs: {len(health.live_runs)}. Still to be done: {health.pending_effects}.",
    )


# ---------------------------------------------------------------- backup


def back_up(parts: "Parts", settings: "Settings", file: Path, *, force: bool) -> int:
    """Copy the journal; returns the copy's size in bytes. Raises UsageProblem when `file` must not be written."""
    ours = {settings.journal_path.with_name(settings.journal_path.name + end) for end in _BESIDE}
    if file.resolve() in {path.resolve() for path in ours}:
        raise UsageProblem(f"{file} is the journal itself; name another file.")
    if file.is_dir():
        raise UsageProblem(f"{file} is a folder; name a file in it, such as {file / 'journal.backup'}.")
    if os.path.lexists(file) and not force:
        raise UsageProblem(f"{file} is there already; --force replaces it.")
    with closing(parts.open_journal(settings, read_only=True)) as journal:
        journal.backup(file)
    return file.stat().st_size


# ---------------------------------------------------------------- rebuild


def rebuild(parts: "Parts", settings: "Settings", at: datetime) -> Rebuilt:
    """Move the journal aside under a name with the date, and make an empty one. Raises AlreadyRunning, NeedsPerson."""
    from dispatcher.state import hold_state_dir

    with hold_state_dir(settings.state_dir, at):
        live = _live_runs(parts, settings)
        old = _put_aside(settings.journal_path, at)
        with closing(parts.open_journal(settings)) as journal:
            if old is not None:
                journal.note(None, f"this journal begins anew; the one before is {old}", at)
    return Rebuilt(settings.journal_path, old, live)


def render_rebuilt(done: Rebuilt) -> tuple[str, ...]:
    """What became of the old journal, and what follows."""
    if done.old is None:
        return (f"There was no journal; {done.file} is a new one.",)
    lines = [
        f"{done.file} is a new journal; the old one is {done.old}.",
        "The next start takes the stages from the labels. History and spend stay in the old one.",
    ]
    if done.live_runs:
        count = len(done.live_runs)
        lines.append(f"{count} run(s) were live: the next start ends them, and their steps begin again.")
    return tuple(lines)


def _live_runs(parts: "Parts", settings: "Settings") -> tuple[str, ...]:
    """As far as the old journal can still tell; it is not touched."""
    if not settings.journal_path.exists():
        return ()
    with suppress(JournalUnusable), closing(parts.open_journal(settings, read_only=True)) as journal:
        return tuple(record.run.id for record in journal.load_live_runs())
    return ()


def _put_aside(path: Path, at: datetime) -> Path | None:
    """Move the file and what SQLite keeps beside it into a folder of their own; nothing is ever deleted."""
    if not os.path.lexists(path):
        return None
    folder = path.with_name(f"journal-{at:%Y%m%dT%H%M%SZ}")
    try:
        folder.mkdir(mode=0o700)
        for end in _BESIDE:
            file = path.with_name(path.name + end)
            if os.path.lexists(file):
                file.rename(folder / file.name)
    except OSError as error:
        raise NeedsPerson(
            f"{path} cannot be put aside: {error}.",
            "Make the state folder writable, or move the file yourself.",
        ) from error
    return folder / path.name


def _refuse_missing(path: Path) -> None:
    if not os.path.lexists(path):
        raise UsageProblem(f"There is no journal at {path}: nothing was ever dispatched from there.")
