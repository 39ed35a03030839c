"""What a play came to, as one value and as a page."""

import re
import shlex
import textwrap
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.console import RenderableType
from rich.text import Text

from dispatcher.core.intake import clean_text
from dispatcher.core.model import Stage
from dispatcher.ports import RunRecord
from dispatcher.surfaces.screen import one_line
from dispatcher.surfaces.stage.play import Moment, Play, Told
from dispatcher.surfaces.stage.sight import Change, ShownReview, Traffic, count_traffic, read_change

_LABEL_WIDTH = 10
_BAR_WIDTH = 30
_COUNT_WIDTH = 8
_DIFF_LINES = 200


@dataclass(frozen=True, slots=True)
class Counts:
    """What it took. Requests that were answered with 304 cost nothing on GitHub and are counted apart."""

    seconds: float
    runs: int
    workers: int
    reviewers: int
    api_requests: int
    api_requests_unchanged: int
    cost_usd: float


@dataclass(frozen=True, slots=True)
class Ending:
    """What a play came to. `why` says what a person is asked when it did not come to `merge-ready`."""

    reached_merge_ready: bool
    stage: Stage
    repo: str
    issue: int
    title: str
    pull: int | None
    change: Change | None
    reviews: tuple[ShownReview, ...]
    counts: Counts
    why: str
    kept_in: str
    steps: tuple[Told, ...]


def end(play: Play, last: Moment, *, kept: bool) -> Ending:
    """Read everything off at the end of a play."""
    task, runs = last.task, play.journal.load_runs(play.key)
    shown = last.sight.item(task.pull)
    reached = task.stage is Stage.MERGE_READY
    return Ending(
        reached_merge_ready=reached,
        stage=task.stage,
        repo=play.scenario.repo,
        issue=task.key.number,
        title=shown.title if shown else task.title,
        pull=task.pull,
        change=read_change(play.box, play.scenario.repo),
        reviews=last.sight.reviews,
        counts=_count(play, runs, count_traffic(play.box)),
        why="" if reached else _why(last),
        kept_in=str(play.folder) if kept else "",
        steps=tuple(play.steps),
    )


def _count(play: Play, runs: tuple[RunRecord, ...], traffic: Traffic) -> Counts:
    roles = Counter(str(record.run.role) for record in runs)
    return Counts(
        seconds=round(play.elapsed_s, 1),
        runs=len(runs),
        workers=roles["worker"],
        reviewers=roles["reviewer"],
        api_requests=traffic.counted,
        api_requests_unchanged=traffic.unchanged,
        cost_usd=round(sum(record.cost_usd or 0.0 for record in runs), 4),
    )


def _why(last: Moment) -> str:
    if last.sight.said:
        return last.sight.said[-1]
    hold = last.task.hold
    return last.task.blocked_why or (
        f"it waits: {hold.kind}, until {hold.ends_with}" if hold else last.present
    )


# ---------------------------------------------------------------- the page


def render_ending(ending: Ending, width: int) -> Iterator[RenderableType]:
    """The summary: what came out, what it took."""
    yield Text()
    if ending.reached_merge_ready:
        yield Text(f"Merge-ready after {ending.counts.seconds:.1f} s.", style="bold green")
    else:
        yield Text(f"Not merge-ready: {ending.repo}#{ending.issue} is {ending.stage}.", style="bold red")
    yield Text()
    for label, lines in _facts(ending, width - _LABEL_WIDTH - 2):
        for number, line in enumerate(lines):
            name = Text(f"  {label if number == 0 else '':<{_LABEL_WIDTH}}", style="dim")
            yield name + line


def _facts(ending: Ending, width: int) -> Iterator[tuple[str, list[Text]]]:
    if ending.pull is not None:
        yield "PR", [Text(line) for line in textwrap.wrap(f"#{ending.pull} {one_line(ending.title)}", width)]
    if ending.change is not None and ending.change.files:
        yield "changes", _render_files(ending.change, width)
    if ending.reviews:
        yield "review", [Text(line) for line in textwrap.wrap(_render_review(ending.reviews[-1]), width)]
    if ending.why:
        yield "why", [Text(line) for line in _wrap_all(ending.why, width)]
    yield "took", [Text(line) for line in textwrap.wrap(_render_counts(ending.counts), width)]


def _render_files(change: Change, width: int) -> list[Text]:
    """A diffstat: names aligned, bars scaled down when they would be long."""
    bar_width = min(_BAR_WIDTH, width // 3)
    longest = width - bar_width - _COUNT_WIDTH
    widest = min(longest, max(len(file.path) for file in change.files))
    largest = max(file.additions + file.deletions for file in change.files)
    # Each kind is rounded up to one character at least.
    scale = min(1.0, (bar_width - 1) / max(largest, 1))
    lines = []
    for file in change.files:
        path = one_line(file.path, longest)
        bar = Text(f"{path:<{widest}}  {file.additions + file.deletions:>4} ")
        bar.append("+" * _bar(file.additions, scale), "green")
        bar.append("-" * _bar(file.deletions, scale), "red")
        bar.rstrip()
        lines.append(bar)
    return lines


def _bar(lines: int, scale: float) -> int:
    return max(1, round(lines * scale)) if lines else 0


def _render_review(review: ShownReview) -> str:
    return re.sub(r"\*\*(.+?)\*\*", r"\1", one_line(review.body, 1000))


def _render_counts(counts: Counts) -> str:
    parts = [
        f"{counts.runs} agent runs ({counts.workers} as worker, {counts.reviewers} as reviewer)",
        f"{counts.api_requests} API requests",
        f"{counts.seconds:.1f} s",
    ]
    if counts.cost_usd:
        parts.insert(2, f"${counts.cost_usd:.2f}")
    return ", ".join(parts)


def render_diff(change: Change) -> Iterator[RenderableType]:
    """The whole diff with its colours, cut after 200 lines."""
    lines = clean_text(change.diff, 1_000_000).splitlines()
    yield Text()
    for line in lines[:_DIFF_LINES]:
        yield Text(line, style=_diff_style(line))
    if len(lines) > _DIFF_LINES:
        yield Text(f"... and {len(lines) - _DIFF_LINES} more lines: see all of it with --keep.", style="dim")


def _diff_style(line: str) -> str:
    if line.startswith(("diff ", "index ", "--- ", "+++ ")):
        return "bold"
    return {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], "")


def render_reviews(reviews: tuple[ShownReview, ...], width: int) -> Iterator[RenderableType]:
    """Every review with its remarks, oldest first."""
    for number, review in enumerate(reviews, start=1):
        yield Text()
        yield Text(f"Review {number} of {len(reviews)}", style="bold")
        texts = [review.body]
        texts += [f"{remark.path}:{remark.line or 'all'} {remark.text}" for remark in review.remarks]
        for text in texts:
            yield from (Text(f"  {line}".rstrip()) for line in _wrap_all(text.replace("**", ""), width - 2))


def _wrap_all(text: str, width: int) -> list[str]:
    """Paragraph by paragraph, without the blank lines at both ends."""
    lines: list[str] = []
    for paragraph in clean_text(text, 20_000).strip().splitlines():
        lines += textwrap.wrap(paragraph, width) or [""]
    return lines


def render_kept(ending: Ending, play: Play, take_over: Path | None = None) -> Iterator[RenderableType]:
    """Where everything lies, and how to look at it; `take_over` is a repository into which the branch can be fetched."""
    branch = ending.change.branch if ending.change else ""
    config = play.folder / "config.toml"
    yield Text()
    yield Text(f"Everything is kept in {play.folder}", style="bold")
    if take_over is None:
        yield Text(f"  git clone {f'--branch {branch} ' if branch else ''}{play.bare_repo}")
    elif branch:
        yield Text(f"  git -C {shlex.quote(str(take_over))} fetch {play.bare_repo} {branch}:{branch}")
    yield Text(f"  dispatcher status --config {config}")
    yield Text(f"  dispatcher explain --config {config} {ending.repo}#{ending.issue}")
    yield Text(f"  ls {play.folder / 'state' / 'runs'}    one folder per run: prompt, log, outcome")
    yield Text(f"  rm -r {play.folder}    when you have seen enough")
