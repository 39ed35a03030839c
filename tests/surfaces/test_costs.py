"""What `dispatcher costs` adds up, and what it says is missing from its sums."""

from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from dispatcher.core.model import ItemKey, LiveRun, Role
from dispatcher.core.rules import AgentConfig
from dispatcher.core.usage import Usage
from dispatcher.ports import RunRecord
from dispatcher.surfaces.costs import CostsBy, load_costs, render_costs, sum_costs

MONDAY = datetime(2026, 3, 2, 9, tzinfo=UTC)


def a_run(
    number: int,
    usage: Usage,
    *,
    role: Role = Role.WORKER,
    agent: str = "claude",
    model: str = "",
    days: int = 0,
    state: str = "ended",
) -> RunRecord:
    repo = "acme/shop" if number < 10 else "acme/depot"
    began_at = MONDAY + timedelta(days=days)
    run = LiveRun(f"{role}-{agent}-{number}-{days}", role, agent, "", began_at, model=model)
    return RunRecord(run, ItemKey(1 if number < 10 else 2, number), repo, state, usage=usage)


RUNS = (
    a_run(7, Usage(100, 1000, 10, 0.50)),
    a_run(7, Usage(200, 2000, 20, None), role=Role.REVIEWER, agent="codex", days=1),
    a_run(8, Usage(300, 3000, 30, 0.75), model="haiku", days=1),
    a_run(12, Usage(400, 4000, 40, None), agent="codex"),
)


@pytest.mark.parametrize(
    ("by", "lines"),
    [
        (CostsBy.TASK, {"acme/shop#8": 0.75, "acme/shop#7": 0.50, "acme/depot#12": None}),
        (CostsBy.REPO, {"acme/shop": 1.25, "acme/depot": None}),
        (CostsBy.DAY, {"2026-03-02": 0.50, "2026-03-03": 0.75}),
        (CostsBy.AGENT, {"claude (haiku)": 0.75, "claude": 0.50, "codex": None}),
        (CostsBy.KIND, {"claude": 1.25, "codex (not configured any more)": None}),
        (CostsBy.ROLE, {"worker": 1.25, "reviewer": None}),
        (
            CostsBy.RUN,
            {
                "worker-claude-8-1": 0.75,
                "worker-claude-7-0": 0.50,
                "reviewer-codex-7-1": None,
                "worker-codex-12-0": None,
            },
        ),
    ],
)
def test_runs_are_put_together_dearest_first_and_days_in_their_order(by, lines):
    costs = sum_costs(RUNS, by, MONDAY, {"claude": "claude"})
    assert [(line.name, line.cost_usd) for line in costs.lines] == list(lines.items())
    assert sum(line.runs for line in costs.lines) == costs.total.runs == 4


def test_agents_of_one_kind_are_one_line_whatever_their_names():
    runs = (a_run(7, Usage(1, 0, 0, 0.50)), a_run(8, Usage(2, 0, 0, 0.25), agent="cheap"))
    (line,) = sum_costs(runs, CostsBy.KIND, MONDAY, {"claude": "claude", "cheap": "claude"}).lines
    assert (line.name, line.runs, line.cost_usd) == ("claude", 2, 0.75)


def test_the_sum_has_every_token_and_says_whose_cost_it_lacks():
    total = sum_costs(RUNS, CostsBy.TASK, MONDAY).total
    assert (total.input_tokens, total.cached_tokens, total.output_tokens) == (1000, 10_000, 100)
    assert (total.cost_usd, total.runs_without_cost) == (1.25, 2)


def test_a_run_that_never_started_is_left_out_and_one_that_was_stopped_is_not():
    nothing = a_run(7, Usage(), state="cancelled")
    stopped = a_run(7, Usage(5, 0, 0, 0.01), state="cancelled", days=2)
    assert sum_costs((nothing, stopped), CostsBy.TASK, MONDAY).total.runs == 1


def printed(costs) -> str:
    screen = Console(width=100, file=StringIO())
    screen.print(*render_costs(costs), sep="\n")
    return screen.file.getvalue()


def test_the_table_marks_a_sum_that_is_not_all_and_an_amount_that_nobody_knows():
    lines = printed(sum_costs(RUNS, CostsBy.TASK, MONDAY)).splitlines()
    seven = next(line for line in lines if "acme/shop#7" in line)
    assert seven.split() == ["acme/shop#7", "2", "300", "3,000", "30", "$0.50+"]
    assert next(line for line in lines if "acme/depot#12" in line).split()[-1] == "unknown"
    assert next(line for line in lines if line.strip().startswith("all")).split()[-1] == "$1.25+"
    assert "2 of 4 runs told no cost" in " ".join(lines)


def test_nothing_is_said_of_missing_costs_where_all_are_known():
    assert "told no cost" not in printed(sum_costs(RUNS[:1], CostsBy.TASK, MONDAY))


def test_without_a_run_the_day_is_named_from_which_on_it_was_looked():
    assert "No run since 2026-03-02." in printed(sum_costs((), CostsBy.DAY, MONDAY))


def test_days_are_those_of_utc_and_today_is_one_of_them():
    asked = []

    class Journal:
        def load_runs_since(self, since):
            asked.append(since)
            return (a_run(7, Usage(1), agent="cheap"),)

        def close(self):
            pass

    class Parts:
        def open_journal(self, settings, *, read_only):
            assert read_only
            return Journal()

    settings = SimpleNamespace(journal_path=Path(__file__), agents={"cheap": AgentConfig("cheap", "claude")})
    costs = load_costs(Parts(), settings, CostsBy.KIND, 7, datetime(2026, 3, 8, 23, 59, tzinfo=UTC))
    assert asked == [datetime(2026, 3, 2, tzinfo=UTC)]
    assert [line.name for line in costs.lines] == ["claude"], "the configuration knows the kind of each agent"
