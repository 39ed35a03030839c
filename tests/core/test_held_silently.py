"""An assignment by the bot's own hand whose claim is gone: whose hand it was, and in which stage that matters."""

from dataclasses import replace
from datetime import timedelta

import pytest

from dispatcher.core.claims import held_silently_until
from dispatcher.core.model import AssignEvent, ClaimMarker, Stage
from dispatcher.core.policy import is_blocked_for_agents
from tests.core.situations import BEN, BOT, EARLIER, HEAD, NOW, assigned, item, shows, task_in

OUR_HAND = assigned(BOT, BOT, EARLIER)
ENDS = EARLIER + timedelta(hours=2)


@pytest.mark.parametrize(
    "events",
    [
        (OUR_HAND, assigned(BEN, BOT, NOW - timedelta(minutes=10))),
        (AssignEvent(BOT, BEN, EARLIER, added=False), OUR_HAND),
    ],
    ids=["the bot assigned somebody else later", "a person took the bot off in the same second"],
)
def test_it_began_when_the_bot_assigned_itself(events):
    snapshot = shows(item(7, "bot", (BOT,), assign_events=events))
    assert held_silently_until(task_in(Stage.QUEUED), snapshot, BOT.id, NOW) == ENDS


@pytest.mark.parametrize("stage", [Stage.NEEDS_REVIEW, Stage.NEEDS_REWORK])
def test_an_old_approval_explains_nothing_where_none_waits_for_its_gates(stage):
    snapshot = shows(item(7, "bot", (BOT,), assign_events=(OUR_HAND,)))
    assert held_silently_until(task_in(stage, approved_head=HEAD), snapshot, BOT.id, NOW) == ENDS


@pytest.mark.parametrize(("ago_s", "ours"), [(0, True), (900, True), (901, False)])
def test_an_assignment_a_quarter_of_an_hour_from_our_own_claim_is_ours(ago_s, ours):
    snapshot = shows(item(7, "bot", (BOT,), assign_events=(OUR_HAND,)))
    for claimed_at in (EARLIER - timedelta(seconds=ago_s), EARLIER + timedelta(seconds=ago_s)):
        task = task_in(Stage.QUEUED, claimed_at=claimed_at)
        assert (held_silently_until(task, snapshot, BOT.id, NOW) is None) is ours


@pytest.mark.parametrize(("early_s", "explained"), [(300, True), (301, False)])
def test_a_claim_of_about_then_explains_an_assignment(early_s, explained):
    """The forge wrote both with one clock, but a comment's time is rounded and an edited one's is another."""
    marker = ClaimMarker("there", "run-x", EARLIER, 4, EARLIER - timedelta(seconds=early_s), BOT.id)
    snapshot = replace(shows(item(7, "bot", (BOT,), assign_events=(OUR_HAND,))), markers=(marker,))
    assert (held_silently_until(task_in(Stage.QUEUED), snapshot, BOT.id, NOW) is None) is explained


def test_a_task_that_goes_on_is_not_blocked_for_agents_whatever_blocked_it_before():
    why = "no-agent: claude: the login ran out"
    assert is_blocked_for_agents(task_in(Stage.BLOCKED, blocked_why=why))
    assert not is_blocked_for_agents(task_in(Stage.QUEUED, blocked_why=why))
    assert not is_blocked_for_agents(task_in(Stage.BLOCKED, blocked_why="question: which one?"))
