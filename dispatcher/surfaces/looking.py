"""Looking at the state folder from outside: settings even when the file is broken, the journal, the daemon."""

import fcntl
import os
import re
import socket
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from dispatcher.config import Settings, find_config, load_settings
from dispatcher.config.places import guess_state_dir
from dispatcher.core.errors import BadConfig
from dispatcher.surfaces.parts import OpenJournal, Parts


@dataclass(frozen=True, slots=True)
class Outlook:
    """Settings to look around with; `problem` says why they are only a guess, or "" ."""

    settings: Settings
    problem: str = ""


def load_outlook(file: Path | None, environ: Mapping[str, str]) -> Outlook:
    """The settings; when the file is broken, as much of them as leads to the state folder. Raises BadConfig for no file."""
    file = file or find_config(environ)
    try:
        return Outlook(load_settings(file, environ))
    except BadConfig as error:
        state_dir = guess_state_dir(file, environ)
        if not file.is_file() or not state_dir.is_dir():
            raise
        return Outlook(Settings(config_file=file, state_dir=state_dir, repos=()), str(error))


@contextmanager
def looking_into_journal(parts: Parts, settings: Settings) -> Iterator[OpenJournal | None]:
    """The journal, to read; None when nothing was ever written. Raises JournalUnusable."""
    if not settings.journal_path.exists():
        yield None
        return
    with closing(parts.open_journal(settings, read_only=True)) as journal:
        yield journal


@dataclass(frozen=True, slots=True)
class Daemon:
    """Whether a dispatcher works in the state folder, and how its lock names it."""

    is_running: bool
    holder: str = ""
    pid: int | None = None


def find_daemon(settings: Settings) -> Daemon:
    """Ask the lock: held means running. Nothing is written and the lock is not taken from anybody."""
    try:
        handle = os.open(settings.lock_path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return Daemon(is_running=False)
    with os.fdopen(handle, encoding="utf-8", errors="replace") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            holder = lock.read(500).strip()
            return Daemon(is_running=True, holder=holder, pid=parse_pid(holder, socket.gethostname()))
        return Daemon(is_running=False)


def parse_pid(holder: str, host: str) -> int | None:
    """The process in a lock's text ("pid 12 on HOST since ..."); None when it is another machine's, or unnamed."""
    found = re.match(r"pid (\d{1,9}) on (\S+)", holder)
    return int(found[1]) if found and found[2] == host else None
