"""What the seeded simulation found before any person did: each with real parts, so that it stays found."""

import os
import signal
from dataclasses import replace

import pytest

from dispatcher.core.model import HoldKind, Stage
from dispatcher.core.rules import Caps
from dispatcher.simulator.faults import Fault, What
from tests.story.office import APPROVE, DONE, SHOP, Office, rejects, says

pytestmark = pytest.mark.long

STUBBORN = [{"ignore": ["INT", "TERM"]}, {"print": "up"}, {"hang": True}]


def test_the_claim_is_released_only_when_nothing_of_the_run_is_left(office: Office) -> None:
    """The stop was crossed off when it was asked for: another machine began while the old agent was still at work."""
    office.worker(STUBBORN)
    number = office.asks()
    office.settle(until=office.has_live_run)
    run = office.run_ids()[0]
    office.person().unlabel(SHOP, number, "bot")

    def is_released() -> bool:
        is_alive = bool(office.processes_of(run))
        released = "@shop-bot" not in office.shown(number)
        assert not (released and is_alive), "somebody else may begin, and the agent still works"
        return released

    office.later(minutes=31)
    office.settle(until=is_released)
    assert office.stage(number) is Stage.DROPPED


def test_a_label_put_on_in_the_second_of_our_own_write_is_seen_by_the_sweep(office: Office) -> None:
    """Whole seconds: the list shows nothing newer than what the dispatcher wrote itself."""
    number = office.opens()
    office.comments(number, "@shop-bot what does total() return?")
    office.settle()
    assert office.stage(number) is Stage.DONE
    issue = office.box.scene.issue(SHOP, number)
    office.clock.moment = issue.updated_at.astimezone(office.clock.moment.tzinfo)
    office.box.scene.person("alice").label(SHOP, number, "bot")
    office.settle()
    assert office.roles() == ["responder"], "no list can tell"

    office.sweeps()

    assert office.roles() == ["responder", "worker", "reviewer"]


def test_a_hand_over_that_was_held_up_looks_again_before_it_is_shown(office: Office) -> None:
    """It was decided, then the forge was out of reach for minutes, CI turned red meanwhile, and `merge-ready` was put on."""
    number = office.asks()
    office.settle(until=lambda: office.roles()[-1:] == ["reviewer"] and office.has_live_run())
    office.box.faults.add(Fault(What.FAIL_BEFORE, body="mutation ShowStage", count=None))
    office.settle(until=lambda: office.stage(number) is Stage.MERGE_READY)
    pull = office.pull(number)
    head = office.task(number).head
    office.later(minutes=3)
    office.box.scene.person("alice").set_status(SHOP, head, "failure")
    office.box.faults.clear()
    office.later(minutes=11)

    office.settle(until=lambda: "CiTurnedRed" in office.decided(number))

    assert office.times_labelled(pull, "merge-ready") == 0


def test_after_a_refused_claim_the_item_is_looked_at_and_not_claimed_again_and_again(office: Office) -> None:
    """What stood against the claim was no news to any list: each minute the item was claimed in vain, for ever."""
    office.configure(caps=Caps(live_runs=0, batch_pause_s=0))
    number = office.asks()
    office.settle()
    assert office.stage(number) is Stage.QUEUED
    issue = office.box.scene.issue(SHOP, number)
    office.clock.moment = issue.updated_at.astimezone(office.clock.moment.tzinfo)
    office.box.scene.person("alice").assign(SHOP, number, "bob")

    desk = office.engine.desk
    desk.settings = replace(desk.settings, caps=Caps(batch_pause_s=0))
    for _ in range(12):
        office.later(seconds=61)
        office.settle()

    assert office.decided(number).count("ClaimRefused") <= 1
    hold = office.task(number).hold
    assert hold is not None
    assert hold.kind is HoldKind.ASSIGNED_TO_PERSON
    assert office.shown(number) == {"bot", "@bob"}


# ---------------------------------------------------------------- the journal is deleted


def test_a_plea_after_the_journal_was_deleted_is_no_repetition_of_an_earlier_one(office: Office) -> None:
    """Decisions are counted anew: the same number made the same key, and the second question was never asked."""
    office.worker(says("question", "Which prices?"))
    number = office.asks()
    office.settle()
    assert len(office.said(number)) == 1

    def hands_back() -> None:
        alice = office.person()
        alice.unlabel(SHOP, number, "needs-human")
        alice.unassign(SHOP, number, "alice")
        alice.label(SHOP, number, "bot")

    office.loses_its_journal(meanwhile=hands_back)
    office.settle()

    assert office.stage(number) is Stage.BLOCKED
    assert len(office.said(number)) == 2
    office.loses_its_journal()
    office.sweeps()
    assert len(office.said(number)) == 2, "and nothing is said twice"


def test_what_was_answered_and_ordered_before_the_journal_was_deleted_is_not_done_again(
    office: Office,
) -> None:
    """Every comment was new to the new journal: answers came twice, and an old `stop` ended the work of today."""
    office.worker(
        [{"wait_for": str(office.root / "go")}, {"write": "a.py", "text": "a\n"}, {"commit": "a"}, DONE]
    )
    number = office.opens()
    office.comments(number, "@shop-bot what does total() return?")
    office.settle()
    office.labels(number)
    office.settle(until=office.has_live_run)
    office.comments(number, "@shop-bot stop")
    office.settle()
    assert office.stage(number) is Stage.DROPPED
    office.labels(number)
    office.settle(until=office.has_live_run)

    office.loses_its_journal()
    (office.root / "go").write_text("")
    office.later(minutes=10)
    office.settle()

    assert len(office.said(number)) <= 2, "one answer, and perhaps where the stopped work is kept"
    assert sum("It is the sum." in text for text in office.said(number)) == 1
    assert office.stage(number) is Stage.MERGE_READY


def test_after_the_journal_was_deleted_nothing_begins_before_the_old_agents_are_gone(office: Office) -> None:
    """They were told to end, and in the same tick the task was claimed anew: for a moment two agents were at it."""
    office.worker(STUBBORN)
    office.asks()
    office.settle(until=lambda: office.has_live_run() and office.supervisor_of(office.run_ids()[0]))
    old = office.run_ids()[0]
    supervisor = office.supervisor_of(old)
    os.kill(supervisor, signal.SIGSTOP)
    try:
        office.loses_its_journal()
        for _ in range(5):
            office.tick()
            office.engine.desk.jobs.settle(10)
        assert office.started() == [old]
        assert f"run {old} is not in the journal, and is being ended" in office.notes()
    finally:
        os.kill(supervisor, signal.SIGCONT)

    def has_begun() -> bool:
        begun = len(office.started()) > 1
        assert not (begun and office.processes_of(old))
        return begun

    office.settle(until=has_begun)


def test_a_second_stage_label_that_a_run_showed_away_holds_nothing_up(office: Office) -> None:
    """The stage was shown with one label, and the journal still knew of two: the task waited for a person who had nothing to do."""
    go = office.root / "go"
    office.reviewer([{"wait_for": str(go)}, *rejects("once more")], [APPROVE])
    number = office.asks()
    office.settle(until=lambda: office.roles()[-1:] == ["reviewer"] and office.has_live_run())
    office.labels(office.pull(number), "merge-ready")
    office.settle(until=lambda: office.task(number).has_two_stages)
    go.write_text("")

    office.settle()

    assert office.roles() == ["worker", "reviewer", "worker", "reviewer"]
    assert office.shown(office.pull(number)) == {"merge-ready", "@alice"}
