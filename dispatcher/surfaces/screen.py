"""Printing: text for people or JSON for programs, never what a forge's text could do to a terminal."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from datetime import datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from dispatcher.core.intake import clean_text

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

_PIPE_COLUMNS = 160
_DAY_S, _HOUR_S, _MINUTE_S = 86_400, 3_600, 60


class Screen:
    """Where a command's answer goes. With `as_json` only `show_json` prints to stdout; progress is then silent."""

    def __init__(self, *, as_json: bool = False) -> None:
        self.as_json = as_json

    def show(self, *parts: "RenderableType") -> None:
        """Print for people; texts are printed as they are, without markup."""
        if not self.as_json:
            console = make_console()
            for part in parts:
                console.print(part, soft_wrap=isinstance(part, str))

    def show_json(self, answer: object) -> None:
        """Print for programs: one document, ASCII only, so that no text in it can move a terminal."""
        if self.as_json:
            sys.stdout.write(json.dumps(to_json(answer), indent=2) + "\n")
            sys.stdout.flush()

    def warn(self, text: str) -> None:
        """Say something beside the answer, on stderr."""
        make_console(to_stderr=True).print(text, soft_wrap=True)

    @contextmanager
    def progress(self, text: str) -> Iterator[None]:
        """Show on stderr that something takes a while."""
        console = None if self.as_json else make_console(to_stderr=True)
        if console is None or not console.is_terminal:
            yield
            return
        with console.status(text):
            yield


def make_console(*, to_stderr: bool = False) -> "Console":
    """A console on the present stdout or stderr; wide when nobody watches, so that a pipe gets whole lines."""
    from rich.console import Console

    stream = sys.stderr if to_stderr else sys.stdout
    width = None if stream.isatty() else _PIPE_COLUMNS
    return Console(stderr=to_stderr, width=width, markup=False, highlight=False, emoji=False)


def one_line(text: str, limit: int = 120) -> str:
    """A text of the forge on one line, without control characters, cut to `limit` characters."""
    flat = " ".join(clean_text(text, 10 * limit).split())
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"


def to_json(value: object) -> object:
    """Frozen values as plain JSON: dataclasses become objects, times ISO 8601, sets sorted lists."""
    if isinstance(value, Enum):
        return value.value
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_json(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, str):
        return value
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, set | frozenset):
        return [to_json(item) for item in sorted(value, key=str)]
    if isinstance(value, Sequence):
        return [to_json(item) for item in value]
    return value


def render_age(since: datetime | None, now: datetime) -> str:
    """How long ago, in the largest unit that fits: 40 s, 12 min, 3 h, 2 d."""
    if since is None:
        return "-"
    return render_span(max(0.0, (now - since).total_seconds()))


def render_span(seconds: float) -> str:
    """A length of time in the largest unit that fits."""
    if seconds >= 2 * _DAY_S:
        return f"{int(seconds // _DAY_S)} d"
    if seconds >= 2 * _HOUR_S:
        return f"{int(seconds // _HOUR_S)} h"
    if seconds >= 2 * _MINUTE_S:
        return f"{int(seconds // _MINUTE_S)} min"
    return f"{int(seconds)} s"


def render_clock(at: datetime, now: datetime) -> str:
    """The time of day on this machine's clock, with the date when it is another day."""
    here, today = at.astimezone(), now.astimezone()
    return here.strftime("%H:%M" if here.date() == today.date() else "%Y-%m-%d %H:%M")
