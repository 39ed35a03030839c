"""`dispatcher logs RUN [-f]`: what an agent does, event by event, also while it does it; or all that its program printed."""

import codecs
import json
import os
import re
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from dispatcher.core.intake import clean_text
from dispatcher.ports import Journal
from dispatcher.surfaces.exits import UsageProblem
from dispatcher.surfaces.explain import find_task, parse_item
from dispatcher.surfaces.screen import one_line

FOLLOW_PAUSE_S = 0.3
_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,120}")
_CHUNK_BYTES = 1_000_000
_LINE_CHARACTERS = 20_000


def find_run(runs_dir: Path, wanted: str, journal: Journal | None) -> Path:
    """The folder of a run, by its id, the beginning of its id, or the item that it worked on. Raises UsageProblem."""
    if "#" in wanted or "/" in wanted:
        wanted = _newest_run_of(wanted, journal)
    if not _RUN_ID.fullmatch(wanted):
        raise UsageProblem(
            f'"{one_line(wanted)}" is no run; `dispatcher status` lists them, and owner/repo#n names the newest.'
        )
    if (runs_dir / wanted).is_dir():
        return runs_dir / wanted
    found = sorted(runs_dir.glob(f"{wanted}*")) if runs_dir.is_dir() else []
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(folder.name for folder in found[:5])
        raise UsageProblem(f'"{wanted}" begins the names of {len(found)} runs ({names}); write more of it.')
    raise UsageProblem(f'There is no run "{wanted}" in {runs_dir}.')


def _newest_run_of(item: str, journal: Journal | None) -> str:
    repo, number = parse_item(item)
    task = find_task(journal.load_tasks(with_over=True), repo, number) if journal else None
    runs = journal.load_runs(task.key, 1) if journal and task else ()
    if not runs:
        raise UsageProblem(f"{repo}#{number} has had no run yet.")
    return runs[0].run.id


@dataclass(slots=True)
class LogReader:
    """Reads what was added to a run's log since the last time: `events.jsonl`, or `agent.log` with all that was printed.

    A long log is kept in pieces while the run lives: the beginning under its own name, the newest output in two segments
    that take turns and are put behind the beginning at the end. What a piece holds is known by its inode, not its name.
    """

    folder: Path
    name: str = "events.jsonl"
    _offsets: dict[int, int] = field(default_factory=dict)
    _saw_segments: bool = False
    _decoder: codecs.IncrementalDecoder = field(
        default_factory=lambda: codecs.getincrementaldecoder("utf-8")("replace")
    )
    _rest: str = ""

    @property
    def has_ended(self) -> bool:
        """Whether the run is over: nothing will be added."""
        return (self.folder / "exit.json").exists()

    def read_lines(self, *, is_last: bool) -> Iterator[str]:
        """Whole new lines, cleaned; with `is_last` also one that has no end yet."""
        for chunk in self._chunks():
            lines = (self._rest + self._decoder.decode(chunk)).split("\n")
            self._rest = lines.pop()
            if len(self._rest) > _LINE_CHARACTERS:
                lines.append(self._rest)
                self._rest = ""
            yield from (clean_text(line.rstrip("\r"), _LINE_CHARACTERS) for line in lines)
        if is_last and self._rest:
            yield clean_text(self._rest, _LINE_CHARACTERS)
            self._rest = ""

    def _chunks(self) -> Iterator[bytes]:
        has_segments = (self.folder / f"{self.name}.newer").exists()
        if not self._saw_segments:
            yield from self._new_part(self.name)
        if has_segments:
            self._saw_segments = True
            yield from self._new_part(f"{self.name}.older")
            yield from self._new_part(f"{self.name}.newer")

    def _new_part(self, name: str) -> Iterator[bytes]:
        """What a piece has gained; nothing when it is not there, or is no regular file."""
        try:
            handle = os.open(self.folder / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return
        with os.fdopen(handle, "rb", buffering=0) as piece:
            kind = os.fstat(handle)
            if not stat.S_ISREG(kind.st_mode):
                return
            piece.seek(self._offsets.get(kind.st_ino, 0))
            while chunk := piece.read(_CHUNK_BYTES):
                self._offsets[kind.st_ino] = piece.tell()
                yield chunk


def read_log(reader: LogReader, *, follow: bool, wait: Callable[[float], None]) -> Iterator[str]:
    """The lines of a log: those that are there, and with `follow` those that come until the run ends."""
    while follow and not reader.has_ended:
        yield from reader.read_lines(is_last=False)
        wait(FOLLOW_PAUSE_S)
    yield from reader.read_lines(is_last=True)


def render_event(line: str) -> str:
    """One event of a run for a person: the time of day, what it is, and what it says."""
    event = parse_event_line(line)
    kind, at = str(event.get("type", "")), event.get("at")
    words = _render_numbers(event) if kind == "usage" else str(event.get("text", ""))
    clock = (
        datetime.fromtimestamp(at, UTC).astimezone().strftime("%H:%M:%S")
        if isinstance(at, int | float)
        else ""
    )
    begin = f"{clock:8}  {_SIGNS.get(kind, kind)[:8]:8}  "
    return "\n".join(f"{begin}{part}".rstrip() for part in words.splitlines() or [""])


def parse_event_line(line: str) -> dict[str, object]:
    """The event in a line of `events.jsonl`; a line that is none becomes something printed."""
    try:
        event = json.loads(line)
    except ValueError:
        event = None
    if not isinstance(event, dict):
        return {"type": "printed", "text": line}
    cleaned = "\n".join(
        clean_text(part, _LINE_CHARACTERS) for part in str(event.get("text", "")).splitlines()
    )
    return event | {"text": cleaned} if cleaned else event


def open_log(folder: Path, *, raw: bool, net: bool = False) -> LogReader:
    """The events of a run; with `raw`, and where there are none, all that its program printed; with `net` its ways out."""
    if net:
        return LogReader(folder, "net.log")
    has_events = (folder / "events.jsonl").exists() or not (folder / "agent.log").exists()
    return LogReader(folder, "events.jsonl" if has_events and not raw else "agent.log")


def _render_numbers(event: dict[str, object]) -> str:
    cost = event.get("cost_usd")
    money = f", ${cost:.4f}" if isinstance(cost, int | float) else ""
    read, cached, written = (event.get(f"{name}_tokens", 0) for name in ("input", "cached", "output"))
    return f"{read} tokens read, {cached} from the cache, {written} written{money}"


_SIGNS = {"said": "says", "tool": "does", "result": "gets", "usage": "used", "printed": "prints"}
