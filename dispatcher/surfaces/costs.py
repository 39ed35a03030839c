"""`dispatcher costs`: what runs used, by task, run, repository, day, agent, kind of agent or role."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from dispatcher.config import Settings
from dispatcher.core.money import add_up, day_began_at, render_usd
from dispatcher.core.usage import Usage
from dispatcher.ports import RunRecord
from dispatcher.surfaces.looking import looking_into_journal
from dispatcher.surfaces.parts import Parts
from dispatcher.surfaces.screen import one_line

if TYPE_CHECKING:
    from rich.console import RenderableType


class CostsBy(StrEnum):
    """What the runs are put together by."""

    TASK = "task"
    RUN = "run"
    REPO = "repo"
    DAY = "day"
    AGENT = "agent"
    KIND = "kind"
    ROLE = "role"


@dataclass(frozen=True, slots=True)
class CostLine:
    """What the runs of one group used. `cost_usd` is None where no run told a cost; `runs_without_cost` did not."""

    name: str
    runs: int
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    cost_usd: float | None
    runs_without_cost: int


@dataclass(frozen=True, slots=True)
class Costs:
    """Lines, dearest first (days in their order), and their sum."""

    by: CostsBy
    since: datetime
    lines: tuple[CostLine, ...]
    total: CostLine


def load_costs(parts: Parts, settings: Settings, by: CostsBy, days: int, now: datetime) -> Costs:
    """What the runs of the last `days` days (UTC, today included) used."""
    since = day_began_at(now) - timedelta(days=days - 1)
    with looking_into_journal(parts, settings) as journal:
        records = journal.load_runs_since(since) if journal else ()
    kinds = {name: agent.kind for name, agent in settings.agents.items()}
    return sum_costs(records, by, since, kinds)


def sum_costs(
    records: Iterable[RunRecord], by: CostsBy, since: datetime, kinds: Mapping[str, str] | None = None
) -> Costs:
    """The runs put together; `kinds` are those of the agents by name. A run that never started used nothing and is left out."""
    every = [record for record in records if record.state != "cancelled" or record.usage != Usage()]
    groups: dict[str, list[RunRecord]] = {}
    for record in every:
        groups.setdefault(_group(record, by, kinds or {}), []).append(record)
    lines = [_line(name, group) for name, group in groups.items()]
    lines.sort(key=lambda line: (line.name,) if by is CostsBy.DAY else (-(line.cost_usd or 0.0), line.name))
    return Costs(by, since, tuple(lines), _line("all", every))


def render_costs(costs: Costs) -> "tuple[RenderableType, ...]":
    """The table, and what is not in its sums."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    if not costs.lines:
        return (Text(f"No run since {costs.since:%Y-%m-%d}."),)
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_footer=True)
    headings = (str(costs.by), "runs", "input", "cached", "output", "cost")
    for heading, foot in zip(headings, _cells(costs.total), strict=True):
        table.add_column(heading, foot, justify="left" if heading == costs.by else "right", overflow="fold")
    for line in costs.lines:
        table.add_row(*(Text(cell) for cell in _cells(line)))
    return (table, *_missing(costs.total))


def _group(record: RunRecord, by: CostsBy, kinds: Mapping[str, str]) -> str:
    match by:
        case CostsBy.TASK:
            return f"{record.repo}#{record.task.number}"
        case CostsBy.RUN:
            return record.run.id
        case CostsBy.REPO:
            return record.repo
        case CostsBy.DAY:
            return f"{record.run.dispatched_at:%Y-%m-%d}"
        case CostsBy.AGENT:
            model = f" ({record.run.model})" if record.run.model else ""
            return f"{record.run.agent}{model}"
        case CostsBy.KIND:
            # A run outlives its agent's table: the journal has the name alone.
            return kinds.get(record.run.agent, f"{record.run.agent} (not configured any more)")
        case CostsBy.ROLE:
            return str(record.run.role)


def _line(name: str, records: Sequence[RunRecord]) -> CostLine:
    used = add_up(record.usage for record in records)
    without = sum(record.cost_usd is None for record in records)
    return CostLine(
        name,
        len(records),
        used.input_tokens,
        used.cached_tokens,
        used.output_tokens,
        used.cost_usd,
        without,
    )


def _cells(line: CostLine) -> tuple[str, ...]:
    cost = "unknown" if line.cost_usd is None else render_usd(line.cost_usd)
    mark = "+" if line.cost_usd is not None and line.runs_without_cost else ""
    counts = (line.runs, line.input_tokens, line.cached_tokens, line.output_tokens)
    return (one_line(line.name), *(f"{count:,}" for count in counts), cost + mark)


def _missing(total: CostLine) -> tuple[str, ...]:
    if not total.runs_without_cost:
        return ()
    count = total.runs_without_cost
    return (
        f"{count} of {total.runs} runs told no cost: where a program reports tokens only, a [price.<agent>] table prices them.",
    )
