"""What runs cost, and which budget is used up."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from dispatcher.core import events as e
from dispatcher.core.causes import BlockCause, render_why
from dispatcher.core.model import Command, Hold, HoldKind, Stage
from dispatcher.core.money import (
    Spent,
    add_up,
    day_began_at,
    day_budget_reached,
    day_ends_at,
    price_of,
    render_usd,
    task_budget_reached,
    with_cost,
)
from dispatcher.core.policy import (
    Situation,
    limit_reached,
    says_agents_work,
    usd_left,
    used_since_granted,
    why_no_agent,
    why_no_slot,
    why_waiting,
)
from dispatcher.core.rules import AgentConfig, Caps, Limits, Price, RepoRules
from dispatcher.core.usage import Usage
from tests.core.situations import ANNA, ASK, BOT, NOW, task_in
from tests.core.test_agents import AGENTS, RULES, held

PRICE = Price(input_usd=3.0, cached_usd=0.3, output_usd=15.0)
MILLIONS = Usage(2_000_000, 10_000_000, 1_000_000)


def test_tokens_become_money_by_the_price_of_a_million():
    assert with_cost(MILLIONS, PRICE).cost_usd == pytest.approx(6 + 3 + 15)


def test_what_the_program_says_itself_counts_and_without_a_price_nothing_is_made_up():
    told = Usage(1000, 0, 10, 0.25)
    assert with_cost(told, PRICE) == told
    assert with_cost(MILLIONS, None).cost_usd is None
    assert with_cost(Usage(), PRICE).cost_usd is None, "nothing was reported at all"


def test_a_price_is_named_by_the_agent_before_the_model():
    codex = AgentConfig("codex", "codex", model="gpt-5")
    other = Price(1, 1, 1)
    assert price_of(codex, {"gpt-5": PRICE}) == PRICE
    assert price_of(codex, {"gpt-5": PRICE, "codex": other}) == other
    assert price_of(codex, {"claude": other}) is None


def test_sums_leave_out_only_what_nobody_knows():
    assert add_up([Usage(1, 2, 3, 0.5), Usage(1, 0, 0), Usage(0, 0, 1, 0.25)]) == Usage(2, 2, 4, 0.75)
    assert add_up([Usage(1), Usage(2)]).cost_usd is None
    assert add_up([]) == Usage()


def test_days_begin_at_midnight_utc():
    late = datetime(2026, 11, 21, 23, 59, tzinfo=UTC)
    assert day_began_at(late) == datetime(2026, 11, 21, tzinfo=UTC)
    assert day_ends_at(late) == late + timedelta(minutes=1)


@pytest.mark.parametrize(
    ("spent", "limits", "said"),
    [
        (Spent(), Limits(), None),
        (Spent(run=Usage(cost_usd=1.2)), Limits(usd_per_run=1.0), "usd_per_run: $1.20 of $1.00 used"),
        (Spent(run=Usage(cost_usd=0.9)), Limits(usd_per_run=1.0), None),
        (Spent(run=Usage(cost_usd=99)), Limits(usd_per_run=0), None),
        (
            Spent(run=Usage(900, 90, 10)),
            Limits(tokens_per_run=1000),
            "tokens_per_run: 1,000 of 1,000 tokens used",
        ),
        (Spent(task=Usage(cost_usd=5.0)), Limits(), "usd_per_task: $5.00 of $5.00 used"),
        (Spent(task=Usage(7)), Limits(tokens_per_task=5), "tokens_per_task: 7 of 5 tokens used"),
        (Spent(run=Usage(cost_usd=None)), Limits(usd_per_run=0.01), None),
    ],
)
def test_the_budgets_of_a_run_and_a_task(spent, limits, said):
    reached = task_budget_reached(spent, limits)
    assert (str(reached) if reached else None) == said


@pytest.mark.parametrize(
    ("spent", "rules", "caps", "said"),
    [
        (Spent(today=Usage(cost_usd=100)), {}, Caps(), "usd_per_day: $100.00 of $100.00 used"),
        (Spent(today=Usage(cost_usd=99)), {}, Caps(), None),
        (Spent(today=Usage(5)), {}, Caps(tokens_per_day=4), "tokens_per_day: 5 of 4 tokens used"),
        (
            Spent(repo_today=Usage(cost_usd=3), today=Usage(cost_usd=300)),
            {"usd_per_day": 2.0},
            Caps(),
            "usd_per_day of acme/shop: $3.00 of $2.00 used",
        ),
    ],
)
def test_the_budgets_of_a_day_come_back_by_themselves(spent, rules, caps, said):
    reached = day_budget_reached(spent, RepoRules("shop", "acme", "shop", **rules), caps, NOW)
    assert (str(reached) if reached else None) == said
    assert reached is None or reached.until == day_ends_at(NOW)


def test_a_repository_that_is_not_configured_any_more_has_only_the_budget_of_all():
    assert day_budget_reached(Spent(repo_today=Usage(cost_usd=9)), None, Caps(), NOW) is None


def test_small_amounts_do_not_read_as_nothing():
    assert [render_usd(amount) for amount in (0.0, 0.0004, 0.42, 12.345)] == [
        "$0.00",
        "$0.0004",
        "$0.42",
        "$12.35",
    ]


# ---------------------------------------------------------------- policy


WAITS = task_in(Stage.QUEUED, hold=Hold(HoldKind.AGENTS_ON_HOLD, "the login"))
ASKED_ABOUT_AGENTS = task_in(Stage.BLOCKED, blocked_why=render_why(BlockCause.NO_AGENT, "claude: 401"))
ASKED_ELSE = task_in(Stage.BLOCKED, blocked_why=render_why(BlockCause.CANNOT, "hard"))
RETRY, STOP = e.CommandGiven(Command.RETRY, ANNA), e.CommandGiven(Command.STOP, ANNA)
ANSWER = e.Mentioned(ASK, "@shop-bot it is mended")


@pytest.mark.parametrize(
    ("task", "event", "frees"),
    [
        (WAITS, RETRY, True),
        (WAITS, STOP, False),
        (WAITS, ANSWER, False),
        (ASKED_ABOUT_AGENTS, RETRY, True),
        (ASKED_ABOUT_AGENTS, STOP, False),
        (ASKED_ABOUT_AGENTS, ANSWER, True),
        (ASKED_ABOUT_AGENTS, e.Labelled(ANNA), True),
        (ASKED_ABOUT_AGENTS, e.Merged(), False),
        (ASKED_ELSE, RETRY, False),
        (ASKED_ELSE, ANSWER, False),
        (task_in(Stage.QUEUED), RETRY, False),
        (replace(WAITS, hold=Hold(HoldKind.COOLDOWN, "time")), RETRY, False),
        (replace(WAITS, stage=Stage.WORKING), RETRY, False),
    ],
)
def test_a_person_who_wants_it_tried_again_lets_the_agents_work_again(task, event, frees):
    assert says_agents_work(task, event) is frees


def situation(**changes: object) -> Situation:
    return Situation(Caps(), {"acme/shop": RULES}, BOT, agents=AGENTS, **changes)


def test_a_task_whose_budget_is_used_up_waits_for_a_person_with_what_was_spent():
    task = task_in(Stage.QUEUED, cost_usd=5.4)
    reached = limit_reached(task)
    assert reached is not None
    assert (reached.cause, reached.detail) == (BlockCause.BUDGET, "usd_per_task: $5.40 of $5.00 used")


def test_what_a_person_granted_again_is_not_counted_twice():
    task = task_in(Stage.QUEUED, cost_usd=5.4, tokens=1000, granted_at_usd=5.0, granted_at_tokens=400)
    assert limit_reached(task) is None
    used = used_since_granted(task)
    assert (used.tokens, used.cost_usd) == (600, pytest.approx(0.4))


@pytest.mark.parametrize(
    ("limits", "left"),
    [
        ({"usd_per_run": 0.0, "usd_per_task": 0.0}, 0.0),
        ({"usd_per_run": 2.0, "usd_per_task": 0.0}, 2.0),
        ({"usd_per_run": 0.0, "usd_per_task": 5.0}, 4.0),
        ({"usd_per_run": 2.0, "usd_per_task": 5.0}, 2.0),
        ({"usd_per_run": 9.0, "usd_per_task": 5.0}, 4.0),
        ({"usd_per_run": 9.0, "usd_per_task": 0.5}, 0.01),
    ],
)
def test_a_run_is_told_the_nearest_of_its_budgets(limits, left):
    task = task_in(Stage.QUEUED, cost_usd=6.0, granted_at_usd=5.0, limits=Limits(**limits))
    assert usd_left(task) == pytest.approx(left)


def test_a_day_without_budget_is_a_hold_until_the_next_one():
    spent = situation(used_today={"": Usage(cost_usd=101.0), "acme/shop": Usage(cost_usd=1.0)})
    hold = why_no_slot(task_in(Stage.QUEUED), spent, NOW)
    assert hold is not None
    assert (hold.kind, hold.until) == (HoldKind.BUDGET, day_ends_at(NOW))
    assert "usd_per_day: $101.00 of $100.00 used" in hold.ends_with


def test_waiting_for_an_agent_is_a_hold_of_its_own():
    holds = {name: held(name, 5) for name in ("claude", "codex")}
    hold = why_waiting(task_in(Stage.QUEUED), situation(agent_holds=holds), NOW)
    assert hold is not None
    assert hold.kind is HoldKind.AGENTS_ON_HOLD
    assert (
        why_no_agent(task_in(Stage.QUEUED), situation(agent_holds={"claude": held("claude", 5)}), NOW) is None
    )
