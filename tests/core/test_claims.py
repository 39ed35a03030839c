"""A claim is written, read back, and holds only if nobody was quicker and nothing has changed."""

from dataclasses import replace
from datetime import timedelta

import pytest

from dispatcher.core.claims import CLOCK_SKEW, held_silently_until, rival, why_claim_fails
from dispatcher.core.model import ClaimMarker, LiveRun, Role, Snapshot, Stage
from tests.core.situations import (
    ALIEN,
    BEN,
    BOT,
    EARLIER,
    EYES,
    HEAD,
    NEXT,
    NOW,
    PULL,
    REVIEWER,
    WORKER,
    assigned,
    item,
    pull,
    shows,
    task_in,
)

LATER = NOW + timedelta(hours=2)


def claim(instance: str, comment_id: int, expires_at=LATER, run_id: str = WORKER.id) -> ClaimMarker:
    return ClaimMarker(instance, run_id, expires_at, comment_id, EARLIER, BOT.id)


CLAIMED = shows(item(7, "bot", (BOT,)))


def why(snapshot: Snapshot, run: LiveRun = WORKER, **changes: object) -> str:
    task = task_in(Stage.WORKING if run is WORKER else Stage.REVIEWING, **changes)
    return why_claim_fails(task, run, snapshot, EYES, "here", NOW)


def test_a_claim_that_reads_back_as_written_holds():
    assert why(CLAIMED) == ""
    assert why(replace(CLAIMED, markers=(claim("here", 5),))) == ""


def test_of_two_claims_the_older_comment_wins_on_both_sides():
    both = replace(CLAIMED, markers=(claim("there", 4), claim("here", 5)))
    assert why(both) == "another dispatcher (there) holds it until 14:00 UTC"
    assert why_claim_fails(task_in(Stage.WORKING), WORKER, both, EYES, "there", NOW) == ""


def test_what_an_earlier_run_of_ours_left_behind_claims_nothing():
    """Two runs at once: a claim of ours that had run out passed for the new one, which was never written."""
    left = claim("here", 3, NOW - timedelta(hours=1), run_id="an-older-run")
    assert "another dispatcher" in why(replace(CLAIMED, markers=(left, claim("there", 4))))


def test_a_claim_of_another_counts_when_ours_cannot_be_read_back():
    assert "another dispatcher" in why(replace(CLAIMED, markers=(claim("there", 6),)))


@pytest.mark.parametrize(
    "marker",
    [claim("here", 3), claim("there", 4, NOW - CLOCK_SKEW), claim("there", 4, run_id="")],
    ids=["our own", "expired", "let go"],
)
def test_claims_that_do_not_count(marker):
    assert rival(replace(CLAIMED, markers=(marker,)), "here", NOW) is None


def test_a_slow_clock_elsewhere_is_forgiven():
    just_expired = claim("there", 4, NOW - CLOCK_SKEW + timedelta(seconds=1))
    assert rival(replace(CLAIMED, markers=(just_expired,)), "here", NOW) == just_expired


def test_a_closed_item_is_let_go():
    assert why(shows(item(7, "bot", (BOT,), is_open=False))) == "the item is closed or gone"
    assert why(Snapshot(None, None)) == "the item is closed or gone"


def test_a_person_who_is_assigned_is_never_pushed_out():
    assert why(shows(item(7, "bot", (BOT, BEN)))) == "@ben is assigned"


def test_labels_that_changed_meanwhile_are_respected():
    assert why(shows(item(7, "", (BOT,)))) == "its labels changed meanwhile"
    rework = pull(item=item(PULL, "bot needs-rework", (BOT,)))
    assert why(shows(None, rework), REVIEWER) == "its labels changed meanwhile"


def test_a_head_that_moved_is_respected_but_our_own_push_may_show_late():
    side = item(PULL, "bot needs-review", (BOT,))
    assert why(shows(None, pull(item=side)), REVIEWER) == ""
    assert why(shows(None, pull(item=side, head=ALIEN)), REVIEWER) == "the pull request's head moved"
    assert why(shows(None, pull(item=side)), REVIEWER, head=NEXT, replaced_head=HEAD) == ""


def test_a_head_that_is_known_on_one_side_only_has_not_moved():
    """A branch was found before there is a pull request; a pull request is seen before its head was noted."""
    assert why(CLAIMED, head=HEAD) == ""
    assert why(shows(None, pull(item=item(PULL, "bot needs-review", (BOT,)))), REVIEWER, head="") == ""


def test_a_question_is_answered_whoever_is_assigned_and_whatever_the_labels_say():
    run = LiveRun("run-a", Role.RESPONDER, "claude", HEAD, NOW)
    task = task_in(Stage.ANSWERING)
    assert why_claim_fails(task, run, shows(item(7, "", (BEN,))), EYES, "here", NOW) == ""
    closed = shows(item(7, "", (BEN,), is_open=False))
    assert why_claim_fails(task, run, closed, EYES, "here", NOW) == ""
    rivalled = replace(shows(item(7)), markers=(claim("there", 4),))
    assert "another dispatcher" in why_claim_fails(task, run, rivalled, EYES, "here", NOW)


# ---------------------------------------------------------------- a claim whose comment was deleted

HANDS = (assigned(BOT, BOT, EARLIER),)
LEFT_ALONE = shows(item(7, "bot", (BOT,), assign_events=HANDS))
EARLIER_ENDS = EARLIER + timedelta(hours=2)


def test_an_assignment_by_the_bots_own_hand_counts_as_a_claim_though_its_comment_is_gone():
    """A person deleted the claim of a run that was at work, and a second dispatcher began another."""
    waits = task_in(Stage.QUEUED)
    assert held_silently_until(waits, LEFT_ALONE, BOT.id, NOW) == EARLIER_ENDS


def test_a_deleted_claim_runs_out_as_any_other():
    over = EARLIER_ENDS + CLOCK_SKEW
    assert held_silently_until(task_in(Stage.QUEUED), LEFT_ALONE, BOT.id, over) is None


@pytest.mark.parametrize(
    ("snapshot", "claimed_at"),
    [
        (shows(item(7, "bot", assign_events=HANDS)), None),
        (shows(item(7, "bot", (BOT,))), None),
        (shows(item(7, "bot", (BOT,), assign_events=(*HANDS, assigned(BOT, BEN, NOW)))), None),
        (shows(item(7, "bot", (BOT,), assign_events=(assigned(BOT, None, EARLIER),))), None),
        (LEFT_ALONE, EARLIER - timedelta(minutes=10)),
        (replace(LEFT_ALONE, markers=(claim("there", 4, NOW - timedelta(hours=1)),)), None),
        (Snapshot(None, None), None),
    ],
    ids=[
        "not assigned",
        "nobody knows who",
        "a person did",
        "a ghost did",
        "we did",
        "a claim tells",
        "gone",
    ],
)
def test_what_is_no_deleted_claim_of_another(snapshot, claimed_at):
    waits = task_in(Stage.QUEUED, claimed_at=claimed_at)
    assert held_silently_until(waits, snapshot, BOT.id, NOW) is None


def test_an_approval_that_waits_for_its_gates_is_ours_though_no_claim_goes_with_the_assignment():
    """A hand-over was taken back: we assigned the bot again, and looked away for the two hours of a claim."""
    taken_back = task_in(Stage.REVIEWING, approved_head=HEAD)
    assert held_silently_until(taken_back, LEFT_ALONE, BOT.id, NOW) is None
    assert held_silently_until(task_in(Stage.REVIEWING), LEFT_ALONE, BOT.id, NOW) == EARLIER_ENDS
