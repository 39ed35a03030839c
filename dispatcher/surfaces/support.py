"""`dispatcher support-bundle`: what a bug report needs, in one archive, with every secret taken out."""

import importlib.metadata
import io
import json
import os
import platform
import sqlite3
import sys
import tarfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from dispatcher.core.errors import DispatcherError
from dispatcher.surfaces.doctor import examine, examine_git
from dispatcher.surfaces.exits import UsageProblem
from dispatcher.surfaces.looking import Outlook, load_outlook, looking_into_journal
from dispatcher.surfaces.screen import to_json
from dispatcher.surfaces.status import load_status

if TYPE_CHECKING:
    from dispatcher.config import Settings
    from dispatcher.core.model import Task
    from dispatcher.surfaces.parts import OpenJournal, Parts
    from dispatcher.surfaces.status import Status

LOG_BYTES = 1_000_000
"""How much of the log's end goes in."""

_PACKAGE = "label-dispatcher"
_DECISIONS = 30
_TASKS = 200
_ABOUT = """\
What `dispatcher support-bundle` packed at {at}.

versions.json   of the program, of Python, git, SQLite and the packages that it uses
config.json     what is in force; values of `env` are left out
doctor.json     what `dispatcher doctor` found
status.json     what `dispatcher status` shows
tasks.json      each task's stage, counts and newest decisions; no titles, no texts of issues, comments or agents
log.txt         the end of the log

Tokens, keys and passwords that the program knows, and whatever looks like one, were replaced by [secret]. Names of
repositories, people and folders are in it: look it through before you hand it to somebody.
"""


@dataclass(frozen=True, slots=True)
class Bundle:
    """An archive that was written: its file, and the size in bytes of each part in it."""

    file: Path
    parts: Mapping[str, int]


def write_bundle(parts: "Parts", config: Path | None, file: Path, now: Callable[[], datetime]) -> Bundle:
    """Gather and write; a part that cannot be gathered says why instead. Raises UsageProblem, BadConfig for no file."""
    if file.exists():
        raise UsageProblem(f"{file} is there already; name another file, or remove it.")
    outlook = load_outlook(config, os.environ)
    settings = outlook.settings
    redact = parts.make_redactor(settings)
    gathered = {name: redact(text).encode() for name, text in _gather(parts, config, outlook, now)}
    _write(file, gathered, now())
    return Bundle(file, {name: len(content) for name, content in gathered.items()})


def _gather(
    parts: "Parts", config: Path | None, outlook: Outlook, now: Callable[[], datetime]
) -> Iterator[tuple[str, str]]:
    at, settings = now(), outlook.settings
    yield "README.txt", _ABOUT.format(at=at.isoformat(timespec="seconds"))
    tellers: dict[str, Callable[[], object]] = {
        "versions.json": load_versions,
        "config.json": lambda: _config_of(settings),
        # With a broken configuration the forge is a guess: nobody is asked.
        "doctor.json": lambda: (
            {"error": outlook.problem} if outlook.problem else list(examine(parts, settings, now))
        ),
        "status.json": lambda: _status_of(load_status(parts, config, os.environ, at)),
        "tasks.json": lambda: _tasks_of(parts, settings),
    }
    for name, tell in tellers.items():
        yield name, json.dumps(to_json(_tried(tell)), indent=1, ensure_ascii=False)
    yield "log.txt", load_log_end(settings.log_path)


def _tried(tell: Callable[[], object]) -> object:
    """A broken part is just what a report is about."""
    try:
        return tell()
    except DispatcherError as error:
        return {"error": str(error)}
    except Exception as error:  # noqa: BLE001 - whatever is broken, the rest is packed
        return {"error": f"{type(error).__name__}: {error}"}


def load_versions() -> dict[str, object]:
    """The program's version and those of everything beneath it."""
    packages = {}
    for line in importlib.metadata.requires(_PACKAGE) or []:
        name = line.split(";")[0].split(">")[0].split("=")[0].split("<")[0].split("[")[0].strip()
        with suppress(importlib.metadata.PackageNotFoundError):
            packages[name] = importlib.metadata.version(name)
    return {
        "dispatcher": importlib.metadata.version(_PACKAGE),
        "python": sys.version,
        "platform": platform.platform(),
        "git": examine_git().found,
        "sqlite": sqlite3.sqlite_version,
        "packages": packages,
    }


def _config_of(settings: "Settings") -> object:
    from dispatcher.config.reference import show_config

    return show_config(settings.config_file, os.environ)


def _status_of(status: "Status") -> object:
    """Without what people wrote."""
    tasks = (replace(task, title="", why_blocked=task.why_blocked.partition(":")[0]) for task in status.tasks)
    return replace(status, tasks=tuple(tasks))


def _tasks_of(parts: "Parts", settings: "Settings") -> object:
    with looking_into_journal(parts, settings) as journal:
        if journal is None:
            return {"error": "nothing was ever dispatched"}
        tasks = journal.load_tasks(with_over=True)[-_TASKS:]
        return {
            "tasks": [_describe(journal, task) for task in tasks],
            "notes": journal.load_notes(limit=200),
            "faults in the file": journal.check(),
        }


def _describe(journal: "OpenJournal", task: "Task") -> dict[str, object]:
    """What a task is, without a word that anybody wrote."""
    return {
        "task": task.name,
        "stage": task.stage,
        "hold": task.hold,
        "branch": task.branch,
        "pull": task.pull,
        "attempts": task.attempts,
        "rounds": task.rounds,
        "cost_usd": task.cost_usd,
        "cooldown_until": task.cooldown_until,
        "is blocked because": task.blocked_why.partition(":")[0],
        "runs": [
            {
                "id": record.run.id,
                "role": record.run.role,
                "agent": record.run.agent,
                "state": record.state,
                "result": record.result.partition(" (")[0],
                "dispatched_at": record.run.dispatched_at,
                "ended_at": record.ended_at,
            }
            for record in journal.load_runs(task.key, _DECISIONS)
        ],
        "decisions": [
            {
                "at": decision.at,
                "event": decision.event,
                "from": decision.stage_before,
                "to": decision.stage_after,
                "verdict": decision.verdict,
            }
            for decision in journal.load_decisions(task.key, _DECISIONS)
        ],
    }


def load_log_end(file: Path) -> str:
    """The last lines of the log, at most `LOG_BYTES`; from its first whole line on."""
    try:
        with file.open("rb") as log:
            size_bytes = log.seek(0, os.SEEK_END)
            log.seek(max(0, size_bytes - LOG_BYTES))
            text = log.read(LOG_BYTES).decode("utf-8", "replace")
    except OSError as error:
        return f"{file}: {error.strerror}\n"
    return text if size_bytes <= LOG_BYTES else text.partition("\n")[2]


def _write(file: Path, parts: Mapping[str, bytes], at: datetime) -> None:
    """Whole or not at all, and readable for its owner only."""
    folder = file.name.removesuffix(".gz").removesuffix(".tar")
    unfinished = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        handle = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "wb") as raw, tarfile.open(fileobj=raw, mode="w:gz") as archive:
            for name, content in parts.items():
                entry = tarfile.TarInfo(f"{folder}/{name}")
                entry.size, entry.mtime, entry.mode = len(content), int(at.timestamp()), 0o600
                archive.addfile(entry, io.BytesIO(content))
        unfinished.replace(file)
    except OSError as error:
        raise UsageProblem(f"{file} cannot be written: {error.strerror}.") from error
    finally:
        unfinished.unlink(missing_ok=True)
