"""One event log per run: what the agent's program told, in one shape for all programs. Standard library only (the supervisor's part)."""

import codecs
import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

from dispatcher.runs.agents.kind import AgentKind
from dispatcher.runs.agents.telling import ALIVE, FAULT, PRINTED, Story, Told
from dispatcher.runs.errand import Order, write_atomically
from dispatcher.runs.runlog import CappedLog
from dispatcher.runs.sidefiles import SideReader

_LINE_CHARS = 8_000_000  # a longer line is no event of any program
_TEXT_CHARS = 4000
_FLOOD_LINES = 2000  # of one read of 64 KB; a program that prints more of them tells nothing
_SAVE_S = 1.0


class EventLog:
    """Turns output into events as it comes: lines of `events.jsonl`, and `told.json` with what they add up to.

    A fault in understanding a program never harms its run: such a line counts as printed.
    """

    def __init__(self, order: Order, kind: AgentKind, mask: Callable[[bytes], bytes]) -> None:
        self._telling = kind.tell(order.hints)
        self._told_path = order.told_path
        self._mask = mask
        self._log = CappedLog(order.events_path, order.log_bytes)
        self._sides = SideReader(order.home, kind.side_files)
        self._story = Story(kind.name, tells_answers=self._telling.tells_answers)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""
        self._is_too_long = False
        self._has_events = False
        self.is_being_ended = False
        """Whether the run is told to stop: what a program then says of an error is our own doing."""
        self._is_saved = False
        self._saved_s = 0.0

    @property
    def has_stream(self) -> bool:
        """Whether silence is measured on events; until a program told its first one, any output counts."""
        return self._telling.has_stream

    def feed(self, chunk: bytes) -> bool:
        """Take output in; whether it shows progress."""
        lines = (self._rest + self._decoder.decode(chunk)).split("\n")
        self._rest = lines.pop()
        if len(self._rest) > _LINE_CHARS:
            self._rest, self._is_too_long = "", True
        if lines and self._is_too_long:
            lines[0], self._is_too_long = "(a line that is too long to be understood)", False
        if len(lines) > _FLOOD_LINES:
            lines = ["(many lines that were left out)", *lines[-_FLOOD_LINES:]]
        is_progress = self._note(told for line in lines for told in self._read_line(line))
        return is_progress or not (self.has_stream and self._has_events)

    def look_aside(self) -> bool:
        """Read what was added to the files beside the output; whether that shows progress."""
        read = self._telling.read_side_file
        return self._note(
            told for name, text in self._read_aside() for told in _understood(text, partial(read, name, text))
        )

    def _read_aside(self) -> Iterator[tuple[str, str]]:
        """Files beside the output go through no screen: what they hold of our secrets is taken out here."""
        for name, text in self._sides.read_new():
            yield name, self._mask(text.encode(errors="replace")).decode(errors="replace")

    def save(self, now_s: float) -> None:
        """Keep what was told up to now: once per second at most."""
        if not self._is_saved and now_s - self._saved_s >= _SAVE_S:
            self._is_saved, self._saved_s = True, now_s
            write_atomically(self._told_path, self._story.as_fields(), durable=False)

    def close(self) -> None:
        """Finish: nothing is taken in after this."""
        self._note(self._read_line(self._rest))
        self.look_aside()
        write_atomically(self._told_path, self._story.as_fields(), durable=True)
        self._log.close()

    def _read_line(self, line: str) -> Sequence[Told]:
        return _understood(line, partial(self._telling.read_line, line.rstrip("\r")))

    def _note(self, all_told: Iterable[Told]) -> bool:
        is_progress = False
        printed: list[str] = []
        for told in all_told:
            if told.what == PRINTED:
                printed.append(told.text)
                continue
            is_progress, self._has_events = is_progress or told.is_progress, True
            if not (self.is_being_ended and told.what == FAULT):
                self._is_saved = not self._story.hear(told) and self._is_saved
            self._write_printed(printed)
            if told.what != ALIVE:
                self._write(told)
        self._write_printed(printed)
        return is_progress

    def _write_printed(self, lines: list[str]) -> None:
        """Lines without a meaning that came together are one event."""
        if lines:
            self._write(Told(PRINTED, "\n".join(lines)))
            lines.clear()

    def _write(self, told: Told) -> None:
        line = json.dumps({"at": time.time()} | told.as_fields(_TEXT_CHARS))
        self._log.write(f"{line}\n".encode())


def _understood(text: str, read: Callable[[], Sequence[Told]]) -> Sequence[Told]:
    try:
        return read()
    except Exception:  # noqa: BLE001 - whatever a program prints, its run goes on
        return (Told(PRINTED, text),)
