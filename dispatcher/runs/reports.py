"""What a run's files and its lock say about it."""

from datetime import UTC, datetime
from pathlib import Path

from dispatcher.ports import RunReport
from dispatcher.runs.folder import RunFolder, load_json


def report_of(folder: RunFolder, run_id: str) -> RunReport:
    """Absent, running, ended or lost.

    The order of the questions closes every gap. The lock comes first: while it is held, whatever lies in the folder may be the
    agent's own doing. `exit.json` is written before the lock is let go, so a free lock and no `exit.json` means that the supervisor
    died; and without `started.json` it never began.
    """
    if folder.is_supervised():
        return _unfinished(folder, run_id, "running")
    fields = load_json(folder.exit)
    if fields is not None:
        return _ended(folder, run_id, fields)
    return _unfinished(folder, run_id, "lost" if folder.started.exists() else "absent")


def _unfinished(folder: RunFolder, run_id: str, state: str) -> RunReport:
    started = load_json(folder.started) or {}
    lost = state == "lost"
    return RunReport(
        run_id,
        state,
        ended_because="lost" if lost else "",
        started_at=_moment(started.get("at")),
        last_progress_at=_last_progress(folder),
        detail="the supervisor ended without a word" if lost else "",
    )


def _ended(folder: RunFolder, run_id: str, fields: dict[str, object]) -> RunReport:
    code = fields.get("exit_code")
    return RunReport(
        run_id,
        "ended",
        ended_because=str(fields.get("because", "lost")),
        exit_code=code if isinstance(code, int) else None,
        started_at=_moment(fields.get("started_at")),
        ended_at=_moment(fields.get("ended_at")),
        last_progress_at=_last_progress(folder),
        detail=str(fields.get("detail", "")),
    )


def _last_progress(folder: RunFolder) -> datetime | None:
    return _modified_at(folder.progress) or _modified_at(folder.started)


def _modified_at(path: Path) -> datetime | None:
    try:
        return datetime.fromtimestamp(path.stat().st_mtime, UTC)
    except OSError:
        return None


def _moment(value: object) -> datetime | None:
    return datetime.fromtimestamp(value, UTC) if isinstance(value, int | float) else None
