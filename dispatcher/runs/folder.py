"""The layout of a run's folder, and reading and writing in it. Nothing else knows these names."""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dispatcher.core.errors import DispatcherError
from dispatcher.runs.runlock import is_locked

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,120}")


class UnreadableFile(DispatcherError):
    """A file that an agent left cannot be read as one; the message says why."""


@dataclass(frozen=True, slots=True)
class RunFolder:
    """Where everything of one run lies."""

    path: Path

    @property
    def prompt(self) -> Path:
        """The prompt, as the agent gets it."""
        return self.path / "prompt.md"

    @property
    def context(self) -> Path:
        """The facts behind the prompt."""
        return self.path / "context.json"

    @property
    def schema(self) -> Path:
        """The JSON schema of the outcome."""
        return self.path / "outcome.schema.json"

    @property
    def checkout(self) -> Path:
        """The agent's working copy."""
        return self.path / "checkout"

    @property
    def out(self) -> Path:
        """The folder into which the agent puts its outcome."""
        return self.path / "out"

    @property
    def outcome(self) -> Path:
        """What the agent says that it did."""
        return self.out / "outcome.json"

    @property
    def log(self) -> Path:
        """What the agent printed, under a cap."""
        return self.path / "agent.log"

    @property
    def events(self) -> Path:
        """What the agent's program told, one JSON object per line, in one shape for all programs."""
        return self.path / "events.jsonl"

    @property
    def told(self) -> Path:
        """What the events add up to: usage, session, fault."""
        return self.path / "told.json"

    @property
    def exit(self) -> Path:
        """How the run ended; written once, by the supervisor."""
        return self.path / "exit.json"

    @property
    def order(self) -> Path:
        """What the supervisor was told."""
        return self.path / "run.json"

    @property
    def plan(self) -> Path:
        """What `prepare` settled about the run, before it is started."""
        return self.path / "plan.json"

    @property
    def lock(self) -> Path:
        """Held by the supervisor for as long as it lives."""
        return self.path / "lock"

    @property
    def started(self) -> Path:
        """Written by the supervisor before the agent's first instruction."""
        return self.path / "started.json"

    @property
    def stop(self) -> Path:
        """A request to end the run."""
        return self.path / "stop.json"

    @property
    def progress(self) -> Path:
        """Its time stamp says when the run last gave a sign of life."""
        return self.path / "progress"

    @property
    def home(self) -> Path:
        """The agent's private HOME."""
        return self.path / "home"

    @property
    def tmp(self) -> Path:
        """The agent's private temporary folder."""
        return self.path / "tmp"

    @property
    def net(self) -> Path:
        """Unix sockets that the agent may reach, and nothing else; visible in its sandbox at the same path."""
        return self.path / "net"

    @property
    def net_log(self) -> Path:
        """Every call of the agent through a door, and every host that was refused."""
        return self.path / "net.log"

    @property
    def ignore(self) -> Path:
        """Patterns of files that are never committed on an agent's behalf."""
        return self.path / "ignore"

    @property
    def supervisor_log(self) -> Path:
        """Where a supervisor's own last words go."""
        return self.path / "supervisor.log"

    @property
    def is_prepared(self) -> bool:
        """Whether `prepare` finished."""
        return self.plan.exists()

    def make(self) -> None:
        """Create the folder and those in it, for this user only."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        for inner in (self.out, self.home, self.tmp, self.net):
            inner.mkdir(mode=0o700, exist_ok=True)

    def is_supervised(self) -> bool:
        """Whether a supervisor lives."""
        return is_locked(str(self.lock))


def folder_of(root: Path, run_id: str) -> RunFolder:
    """The folder of a run; raises ValueError for an id that is no plain file name."""
    if not _ID.fullmatch(run_id):
        raise ValueError(
            f"{run_id!r} cannot be a run id: letters, digits, `.`, `_` and `-` only, 121 at most"
        )
    return RunFolder(root / run_id)


def write_text(path: Path, text: str) -> None:
    """Write a file so that a reader sees all of it or none."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    temporary.write_text(text, encoding="utf-8", errors="replace")
    temporary.replace(path)


def write_json(path: Path, fields: Mapping[str, object]) -> None:
    """Write a JSON file so that a reader sees all of it or none."""
    write_text(path, json.dumps(fields, indent=1, default=str, ensure_ascii=False))


def load_json(path: Path) -> dict[str, object] | None:
    """A JSON object of ours; None when the file is not there or is no object."""
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return fields if isinstance(fields, dict) else None


def load_untrusted_text(folder: Path, name: str, limit_bytes: int) -> str | None:
    """Read a file that an agent could have made anything of; None when there is nothing by that name.

    Raises UnreadableFile for what is no regular file, is larger than `limit_bytes`, or is not UTF-8. Follows no link, waits for no
    pipe, and never reads more than the limit.
    """
    try:
        inside = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UnreadableFile(f"{folder.name}/ is not a folder any more") from error
    try:
        return _load_regular(inside, f"{folder.name}/{name}", name, limit_bytes)
    finally:
        os.close(inside)


def _load_regular(inside: int, shown: str, name: str, limit_bytes: int) -> str | None:
    _refuse_odd_kinds(inside, shown, name)
    try:
        handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=inside)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UnreadableFile(f"{shown} cannot be read: {error.strerror}") from error
    with os.fdopen(handle, "rb") as file:
        if not _is_regular(os.fstat(handle).st_mode):
            raise UnreadableFile(f"{shown} is not a regular file")
        raw = file.read(limit_bytes + 1)
        size_bytes = max(len(raw), os.fstat(handle).st_size)
    if size_bytes > limit_bytes:
        raise UnreadableFile(f"{shown} has {size_bytes} bytes, more than the {limit_bytes} allowed")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UnreadableFile(f"{shown} is not UTF-8 text (byte {error.start})") from error


def _refuse_odd_kinds(inside: int, shown: str, name: str) -> None:
    try:
        mode = os.stat(name, dir_fd=inside, follow_symlinks=False).st_mode
    except FileNotFoundError:
        return
    kind = _ODD_KINDS.get(mode & 0o170000)
    if kind:
        raise UnreadableFile(f"{shown} is {kind}, not a regular file")


def _is_regular(mode: int) -> bool:
    return mode & 0o170000 == 0o100000


_ODD_KINDS = {
    0o040000: "a folder",
    0o120000: "a symbolic link",
    0o010000: "a named pipe",
    0o140000: "a socket",
    0o060000: "a block device",
    0o020000: "a character device",
}


def load_tail(path: Path, limit_bytes: int) -> str:
    """The last `limit_bytes` of a log of ours, decoded; "" when there is none."""
    try:
        with path.open("rb") as file:
            size_bytes = file.seek(0, os.SEEK_END)
            file.seek(max(0, size_bytes - limit_bytes))
            return file.read(limit_bytes).decode("utf-8", "replace")
    except OSError:
        return ""
