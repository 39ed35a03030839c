"""What a run's files and its lock say about it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from dispatcher.core.faults import Fault, FaultKind
from dispatcher.core.usage import Usage
from dispatcher.ports import RunReport
from dispatcher.runs.agents.telling import as_count, as_object, as_price, as_text
from dispatcher.runs.folder import RunFolder, load_json, load_tail

_LAST_WORDS_BYTES = 2000
_AT_ONCE = timedelta(seconds=10)


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
    told = load_json(folder.told) or {}
    lost = state == "lost"
    return RunReport(
        run_id,
        state,
        ended_because="lost" if lost else "",
        started_at=_moment(started.get("at")),
        last_progress_at=_last_progress(folder),
        detail="the supervisor ended without a word" if lost else "",
        usage=_usage_of(as_object(told.get("usage"))),
        session_id=as_text(told.get("session_id")),
        fault=_fault_of(as_object(told.get("fault"))),
    )


def _ended(folder: RunFolder, run_id: str, fields: dict[str, object]) -> RunReport:
    code = fields.get("exit_code")
    told = load_json(folder.told) or {}
    return RunReport(
        run_id,
        "ended",
        ended_because=str(fields.get("because", "lost")),
        exit_code=code if isinstance(code, int) else None,
        started_at=_moment(fields.get("started_at")),
        ended_at=_moment(fields.get("ended_at")),
        last_progress_at=_last_progress(folder),
        detail=_detail_of(folder, fields),
        usage=_usage_of(as_object(told.get("usage"))),
        session_id=as_text(told.get("session_id")),
        fault=_fault_of(as_object(told.get("fault"))) or _fault_of_start(folder, fields, told),
    )


def _detail_of(folder: RunFolder, ended: dict[str, object]) -> str:
    """How it ended; of a program that could not start, or failed at once, also what its sandbox keeps out of sight."""
    detail = str(ended.get("detail", ""))
    if ended.get("because") != "could-not-start" and not _failed_at_once(ended):
        return detail
    left_out = as_text((load_json(folder.order) or {}).get("left_out"))
    return f"{detail or _code_of(ended)}; {left_out}" if left_out else detail


def _failed_at_once(ended: dict[str, object]) -> bool:
    began_at, ended_at = _moment(ended.get("started_at")), _moment(ended.get("ended_at"))
    has_failed = ended.get("because") == "exited" and ended.get("exit_code") not in {0, None}
    return has_failed and began_at is not None and ended_at is not None and ended_at - began_at < _AT_ONCE


def _code_of(ended: dict[str, object]) -> str:
    return f"it ended with code {ended.get('exit_code')}"


def _usage_of(fields: dict[str, object]) -> Usage:
    return Usage(
        as_count(fields.get("input_tokens")),
        as_count(fields.get("cached_tokens")),
        as_count(fields.get("output_tokens")),
        as_price(fields.get("cost_usd")),
    )


def _fault_of(fields: dict[str, object]) -> Fault | None:
    if not fields:
        return None
    try:
        kind = FaultKind(as_text(fields.get("fault")))
    except ValueError:
        kind = FaultKind.OVERLOAD
    return Fault(kind, as_text(fields.get("text")), _moment(fields.get("reset_at")))


def _fault_of_start(folder: RunFolder, ended: dict[str, object], told: dict[str, object]) -> Fault | None:
    """A program that is not there, or that ends with an error before the model answered once."""
    if ended.get("because") == "could-not-start":
        return Fault(FaultKind.SETTINGS, _detail_of(folder, ended))
    has_failed = ended.get("because") == "exited" and ended.get("exit_code") not in {0, None}
    if not has_failed or told.get("has_answer") is not False:
        return None
    said = " ".join(load_tail(folder.log, _LAST_WORDS_BYTES).split())[-300:] or "without a word"
    how = _detail_of(folder, ended) or _code_of(ended)
    return Fault(FaultKind.CRASH, f"{how} before the model answered: {said}")


def _last_progress(folder: RunFolder) -> datetime | None:
    return _modified_at(folder.progress) or _modified_at(folder.started)


def _modified_at(path: Path) -> datetime | None:
    try:
        return datetime.fromtimestamp(path.stat().st_mtime, UTC)
    except OSError:
        return None


def _moment(value: object) -> datetime | None:
    return datetime.fromtimestamp(value, UTC) if isinstance(value, int | float) else None
