"""What runs use is counted while they go on, and a budget ends them in time."""

import json

import pytest

from dispatcher.core.model import HoldKind, Stage
from dispatcher.core.rules import Caps, Limits, Price
from tests.story.office import APPROVE, DONE, SHOP, adds, writes
from tests.story.test_agents_that_cannot_work import tells

pytestmark = pytest.mark.long

PRICE = Price(input_usd=10.0, cached_usd=1.0, output_usd=50.0)


def uses(tokens: int, number: int = 1) -> dict[str, object]:
    """Claude tells what one message used; what it costs comes at the end only."""
    message = {
        "id": f"m{number}",
        "usage": {"input_tokens": tokens},
        "content": [{"type": "text", "text": "hm"}],
    }
    return tells(type="assistant", message=message)


def costs(usd: float, tokens: int = 1000) -> dict[str, object]:
    return tells(
        type="result", total_cost_usd=usd, usage={"input_tokens": tokens, "output_tokens": 10}, result="ok"
    )


def limits(**budgets: float) -> Limits:
    return Limits(redispatch_cooldown_s=60, **budgets)


def test_tokens_and_cost_are_counted_per_run_and_task_and_shown(office):
    office.hires("claude", *writes(), costs(0.25))
    office.hires("second", APPROVE, costs(0.17))
    office.configure(agent_of={"worker": "claude", "reviewer": "second"})
    number = office.asks()
    office.settle()

    task = office.task(number)
    assert (task.cost_usd, task.tokens) == (pytest.approx(0.42), 2020)
    assert "$0.42 of $5.00, 2,020 tokens" in office.explained(number)
    assert "| Used | $0.42 of $5.00, 2,020 tokens |" in office.status_text(number)
    told = json.loads(
        office.asked("costs", "--by", "agent", "--days", "3650", "--json").partition("exit code")[0]
    )
    assert {line["name"]: line["cost_usd"] for line in told["lines"]} == {"claude": 0.25, "second": 0.17}
    assert told["total"]["cost_usd"] == pytest.approx(0.42)
    table = office.asked("costs", "--days", "3650")
    assert f"acme/shop#{number}" in table
    assert "$0.42" in table


def test_a_run_that_uses_too_much_is_ended_while_it_goes_on_and_a_person_may_grant_more(office):
    office.hires("claude", uses(60_000), {"write": "shop.py", "text": "x = 1\n"}, {"hang": True}, price=PRICE)
    office.configure(agent_of={"worker": "claude"}, limits=limits(usd_per_run=0.5))
    number = office.asks()
    office.settle()

    assert office.stage(number) is Stage.BLOCKED
    comment, kept = office.said(number)
    assert "the budget was used up" in kept
    assert "usd_per_run: $0.60 of $0.50 used" in comment
    assert "retry`: I may then use as much again" in comment
    (record,) = office.engine.desk.journal.load_runs(office.task(number).key)
    assert record.state == "ended"
    assert record.usage.tokens == 60_000
    assert office.task(number).cost_usd == pytest.approx(0.6)
    assert office.task(number).attempts == 0

    office.hires("claude", *writes(), uses(10_000, 2))
    office.restart()
    office.comments(number, "@shop-bot retry")
    office.settle()
    assert office.stage(number) is Stage.MERGE_READY
    assert "$0.10 of $5.00" in office.explained(number)
    assert "($0.70 in all)" in office.explained(number)


def test_a_task_over_its_budget_starts_no_further_run(office):
    office.hires("claude", *writes(), costs(0.30))
    office.configure(agent_of={"worker": "claude"}, limits=limits(usd_per_task=0.25))
    number = office.asks()
    office.settle()
    assert office.roles() == ["worker"], "the work that was done is kept, its review must wait"
    assert office.task(number).pull is not None
    assert office.stage(number) is Stage.BLOCKED
    assert "usd_per_task: $0.30 of $0.25 used" in office.explained(number)


def test_a_program_that_held_to_its_budget_by_itself_has_not_failed(office):
    spent = {"type": "result", "subtype": "error_max_budget_usd", "is_error": True, "total_cost_usd": 0.26}
    office.hires("claude", *writes()[:-1], tells(**spent), {"crash": 1})
    office.configure(agent_of={"worker": "claude"}, limits=limits(usd_per_task=0.25))
    number = office.asks()
    office.settle()
    assert (office.stage(number), office.task(number).attempts) == (Stage.BLOCKED, 0)
    assert "usd_per_task: $0.26 of $0.25 used" in office.explained(number)
    (record,) = office.engine.desk.journal.load_runs(office.task(number).key)
    order = json.loads((office.engine.desk.runs.folder(record.run.id) / "run.json").read_text())
    assert "--max-budget-usd 0.25" in " ".join(order["argv"])


def test_tokens_are_a_budget_too_where_nobody_knows_a_price(office):
    office.hires("claude", uses(900), uses(200, 2), {"hang": True})
    office.configure(agent_of={"worker": "claude"}, limits=limits(tokens_per_run=1000))
    number = office.asks()
    office.settle()
    assert "tokens_per_run: 1,100 of 1,000 tokens used" in office.explained(number)


def test_a_cost_that_nobody_knows_is_not_shown_as_nothing(office):
    office.hires("claude", *writes(), uses(2000))
    office.configure(agent_of={"worker": "claude"})
    number = office.asks()
    office.settle(until=lambda: office.task(number).pull)
    office.settle()

    assert "cost unknown, " in office.explained(number)
    assert "| Used | cost unknown, " in office.status_text(number)
    assert "$0.00" not in office.explained(number) + office.status_text(number)


def test_the_budget_of_a_day_ends_the_live_run_and_comes_back_at_midnight(office):
    office.hires("claude", uses(60_000), {"hang": True}, price=PRICE)
    office.configure(agent_of={"worker": "claude"}, caps=Caps(batch_pause_s=0, usd_per_day=0.5))
    number, other = office.asks(), office.asks()
    office.settle()

    task = office.task(number)
    assert (task.stage, task.attempts, task.blocked_why) == (Stage.QUEUED, 0, "")
    for waiting in (number, other):
        hold = office.task(waiting).hold
        assert (hold.kind, hold.until.hour, hold.until.day) == (
            HoldKind.BUDGET,
            0,
            office.clock.now().day + 1,
        )
    assert office.said(number) == office.said(other) == [], "it comes back by itself"
    assert "usd_per_day" in office.explained(other)

    office.hires("claude", *writes())
    office.restart()
    office.later(hours=20)
    office.settle()
    assert {office.stage(number), office.stage(other)} == {Stage.MERGE_READY}


def test_the_budget_of_a_repository_holds_no_other_one_up(office):
    office.add_repo("acme/depot")
    office.hires("claude", *writes(), costs(0.3))
    office.configure(
        repos=["acme/shop", "acme/depot"], agent_of={"worker": "claude"}, rules={"usd_per_day": 0.25}
    )
    spent = office.asks()
    office.settle()
    assert office.task(spent).hold.kind is HoldKind.BUDGET
    office.hires("claude", *writes(), costs(0.2))
    elsewhere = office.asks(repo="acme/depot")
    office.settle()
    assert office.task(elsewhere, "acme/depot").pull is not None


def test_what_a_person_interrupts_was_paid_for_all_the_same(office):
    office.hires("claude", uses(60_000), {"wait_for": "never.txt"}, DONE, price=PRICE)
    office.configure(agent_of={"worker": "claude"})
    number = office.asks()
    office.settle(until=lambda: office.task(number).cost_usd)
    office.person().unlabel(SHOP, number, "bot")
    office.sweeps_once()
    office.settle()
    assert office.stage(number) is Stage.DROPPED
    assert office.task(number).cost_usd == pytest.approx(0.6)


BEGINS: list[dict[str, object]] = [
    {"write": "shop.py", "text": "def total(prices):\n    return sum(prices)\n"},
    {"commit": "Change shop.py"},
]
"""A worker that has committed, and has not said that it is done."""


def test_the_next_worker_goes_on_from_the_commits_of_the_one_that_the_budget_ended(office):
    office.hires("claude", *BEGINS, uses(60_000), {"hang": True}, price=PRICE)
    office.configure(agent_of={"worker": "claude"}, limits=limits(usd_per_run=0.5))
    number = office.asks()
    office.settle()
    assert office.stage(number) is Stage.BLOCKED
    kept = next(text for text in office.said(number) if "bot/kept/" in text)
    assert "The next worker goes on from there." in kept

    # Nothing is missing in what was committed: a word is enough, and the check judges all of it.
    office.hires(
        "claude", {"if": {"file:shop.py_has": "sum", "told_has": "go on from there"}, "then": [DONE]}
    )
    office.restart()
    office.comments(number, "@shop-bot retry")
    office.settle()
    assert office.stage(number) is Stage.MERGE_READY
    assert office.decided(number).count("CheckPassed") == 1


def test_after_midnight_a_worker_goes_on_where_the_day_ended_the_last_one(office):
    office.hires("claude", *BEGINS, uses(60_000), {"hang": True}, price=PRICE)
    office.configure(agent_of={"worker": "claude"}, caps=Caps(batch_pause_s=0, usd_per_day=0.5))
    number = office.asks()
    office.settle()
    assert office.stage(number) is Stage.QUEUED

    office.hires("claude", {"if": {"file:shop.py_has": "sum"}, "then": adds()})
    office.restart()
    office.later(hours=20)
    office.settle()
    assert office.stage(number) is Stage.MERGE_READY


def test_a_run_that_has_said_its_last_word_is_finished_when_the_budget_is_seen_to_be_used_up(office):
    office.hires("claude", *BEGINS, DONE, uses(60_000), {"hang": True}, price=PRICE)
    office.configure(agent_of={"worker": "claude"}, limits=limits(usd_per_run=0.5))
    number = office.asks()
    office.settle(until=lambda: office.task(number).cost_usd)
    office.tick()
    assert office.stage(number) is Stage.WORKING, "it may end by itself"

    office.later(minutes=2)
    office.settle(until=lambda: office.task(number).pull)
    assert "BudgetSpent" not in office.decided(number)
    assert not any("bot/kept" in branch for branch in office.branches())


def test_a_reviewers_work_on_a_spent_budget_is_nobodys_to_continue(office):
    office.hires("claude", *writes())
    office.hires("second", *adds()[:-1], uses(60_000), {"hang": True}, price=PRICE)
    office.configure(agent_of={"worker": "claude", "reviewer": "second"}, limits=limits(usd_per_run=0.5))
    number = office.asks()
    office.settle()
    assert office.stage(number) is Stage.BLOCKED
    assert office.task(number).draft_head == ""
