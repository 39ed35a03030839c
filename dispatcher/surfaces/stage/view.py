"""Showing a play while it goes on: live on a terminal, as plain lines elsewhere, silently for --json."""

import os
import textwrap
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from dispatcher.surfaces.screen import make_console, one_line
from dispatcher.surfaces.stage.narration import Mood
from dispatcher.surfaces.stage.play import Moment, Told
from dispatcher.surfaces.stage.sight import Shown, Sight

if TYPE_CHECKING:
    from rich.live import Live

WIDEST, NARROWEST = 100, 60
_TIME, _WHO = 10, 11
_INDENT = _TIME + _WHO + 1
_STYLES = {Mood.PLAIN: "", Mood.GOOD: "green", Mood.BAD: "yellow", Mood.END: "bold green"}
_MARKS = {"bot": "magenta", "needs-review": "yellow", "needs-rework": "red", "merge-ready": "green"}


class View(Protocol):
    """Where a play is shown."""

    def show(self, *parts: RenderableType) -> None:
        """Print something that stays."""
        ...

    def follow(self, moment: Moment) -> None:
        """Show what is new, and how things stand."""
        ...

    @property
    def width(self) -> int:
        """Columns to fill."""
        ...


class SilentView:
    """For --json: the answer comes at the end."""

    width = WIDEST

    def show(self, *parts: RenderableType) -> None:
        """Nothing."""

    def follow(self, moment: Moment) -> None:
        """Nothing."""


class PlainView:
    """One line after the other; nothing is ever taken back."""

    def __init__(self, console: Console) -> None:
        self.console = console

    @property
    def width(self) -> int:
        """Columns to fill."""
        return max(NARROWEST, min(WIDEST, self.console.width))

    def show(self, *parts: RenderableType) -> None:
        """Print."""
        for part in parts:
            self.console.print(part, markup=False, highlight=False, soft_wrap=True)

    def follow(self, moment: Moment) -> None:
        """Print the steps."""
        self.show(*render_steps(moment.news, self.width))


class LiveView(PlainView):
    """Steps stay and scroll; below them a few lines are redrawn in place."""

    def __init__(self, console: Console, live: "Live") -> None:
        super().__init__(console)
        self._live = live
        self._spinner = Spinner("dots", style="cyan")

    def follow(self, moment: Moment) -> None:
        """Print the steps, redraw what is below."""
        super().follow(moment)
        self._spinner.update(text=Text(f"{moment.present}  {moment.at_s:.0f} s", style="dim"))
        self._live.update(Group(Text(), self._spinner, render_sight(moment.sight, self.width)))


@contextmanager
def opened_view(*, as_json: bool) -> Iterator[View]:
    """The view that fits: silent for programs, plain without a terminal or with NO_COLOR, else live."""
    if as_json:
        yield SilentView()
        return
    console = make_console()
    if not console.is_terminal or console.is_dumb_terminal or os.environ.get("NO_COLOR"):
        # NO_COLOR alone would leave bold and dim in.
        yield PlainView(Console(force_terminal=False, width=console.width))
        return
    from rich.live import Live

    with Live(console=console, refresh_per_second=10, transient=True) as live:
        yield LiveView(console, live)


def render_steps(steps: Iterable[Told], width: int) -> Iterator[Text]:
    """Steps as lines: seconds, who, what; long texts go on under themselves."""
    for told in steps:
        yield from _render_step(told, width)


def _render_step(told: Told, width: int) -> Iterator[Text]:
    step = told.step
    first, *more = textwrap.wrap(step.what, width - _INDENT) or [""]
    line = Text(f"{told.at_s:>{_TIME - 4}.1f} s  ", style="dim")
    line.append(f"{step.who:<{_WHO}} ", style="cyan")
    line.append(first, style=_STYLES[step.mood])
    yield line
    for text in more:
        yield Text(" " * _INDENT + text, style=_STYLES[step.mood])
    for detail in step.detail:
        wrapped = textwrap.wrap(detail, width - _INDENT)
        yield from (Text(" " * _INDENT + text, style="italic") for text in wrapped)


def render_sight(sight: Sight, width: int) -> Panel:
    """What the forge shows now: one line per issue and pull request."""
    table = Table.grid(padding=(0, 2), expand=True)
    for size in (3, 12, 26):
        table.add_column(width=size, no_wrap=True, overflow="ellipsis")
    table.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    for item in sight.items:
        table.add_row(*_row(item))
    return Panel(table, title="GitHub shows", title_align="left", border_style="dim", width=width)


def _row(item: Shown) -> tuple[Text, Text, Text, Text]:
    labels = Text(" ").join(Text(one_line(name, 24), style=_MARKS.get(name, "")) for name in item.labels)
    people = " ".join(f"@{login}" for login in item.assignees)
    kind = "pull request" if item.is_pull else "issue"
    return (
        Text(f"#{item.number}"),
        Text(kind, style="dim"),
        labels if item.labels else Text("-", style="dim"),
        Text(people or "nobody assigned", style="" if people else "dim"),
    )
