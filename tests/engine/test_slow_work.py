"""Work beside the loop: begun once, collected once, and asked about again before a run begins (spec sections 6 and 7)."""

from dataclasses import replace

import pytest

from dispatcher.core.effects import CheckHead, Claim, Harvest, KeepResult, StartRun, StopRun
from dispatcher.core.errors import NeedsPerson
from dispatcher.core.events import CheckPassed, Dispatched
from dispatcher.core.model import Stage
from dispatcher.ports import Kept, RunReport

HOURS = 3600


def claimed(room):
    """A task whose run is reserved and whose claim was written: the start comes next."""
    run, task = room.run(), room.task()
    working = replace(task, stage=Stage.WORKING, run=run, claimed_at=room.now())
    room.wants(working, Claim("claim", task.key, run), event=Dispatched(run))
    room.act()
    room.wants(room.known(task), StartRun("start", run))
    return working


def report(state):
    return lambda run_id: RunReport(run_id, state)


def test_slow_work_is_begun_once_and_noted_as_sent_once(room):
    task = room.task(Stage.REVIEWING, pull=2, head="a" * 40)
    room.wants(task, CheckHead("check", "a" * 40))
    room.git.instead["check_head"] = lambda *_: CheckPassed("a" * 40)
    began = room.now()
    for _ in range(3):
        room.act()
        room.passes(5)
    assert (len(room.jobs), room.git.asked["check_head"]) == (1, 0)
    assert [stored.sent_at for stored in room.pending()] == [began]

    room.works()
    assert (room.git.asked["check_head"], room.left()) == (1, [])
    assert room.events(task)[-1] == "CheckPassed"


def test_what_slow_work_found_is_there_though_a_retry_was_not_due(room):
    """Its result counts as soon as it is there."""
    task = room.task(Stage.REVIEWING, pull=2, head="a" * 40)
    room.wants(task, CheckHead("check", "a" * 40))
    room.git.instead["check_head"] = lambda *_: CheckPassed("a" * 40)
    room.act()
    (stored,) = room.pending()
    room.journal.postpone(stored.id, "busy", room.now().replace(year=2040))
    room.jobs.settle(0)
    room.act()
    assert room.left() == []


def test_a_start_is_prepared_once_though_its_claim_runs_out_while_it_is_under_way(room):
    """The clone takes its time; whether the claim still covers the run is asked again at its end, not in between."""
    task = claimed(room)
    room.act()
    room.passes(3 * HOURS)
    room.act()
    assert (room.stage(task), len(room.jobs)) == (Stage.WORKING, 1)
    room.works()
    assert (room.stage(task), room.runs.asked["start"]) == (Stage.QUEUED, 0)


def test_a_start_that_comes_in_time_starts(room):
    task = claimed(room)
    room.works()
    assert (room.stage(task), room.left(), room.runs.asked["start"]) == (Stage.WORKING, [], 1)


def test_a_start_that_comes_too_late_lets_go_and_nothing_of_it_counts(room):
    task = claimed(room)
    room.passes(3 * HOURS)
    room.works()
    assert (room.stage(task), room.runs.asked["prepare"]) == (Stage.QUEUED, 0)
    assert room.events(task)[-1] == "ClaimRefused"
    assert room.journal.load_live_runs() == ()
    assert room.desk.look_alarms[task.key] == room.now()


def test_a_run_that_began_before_a_death_is_not_let_go_because_its_effect_is_late(room):
    """It was started, the note of it was lost with the dispatcher, and that one came back hours later."""
    task = claimed(room)
    room.works()
    room.wants(task, StartRun("again", task.run))
    room.passes(3 * HOURS)
    room.runs.instead["report"] = report("running")
    room.works()
    assert room.stage(task) is Stage.WORKING
    assert len(room.journal.load_live_runs()) == 1


# ---------------------------------------------------------------- stopping, harvesting, keeping


def test_a_stop_is_done_when_nothing_of_the_run_is_left(room):
    task = room.task(Stage.BLOCKED)
    room.wants(task, StopRun("stop", "run-1", "the label was removed"), room.comment(task))
    room.runs.instead["report"] = report("running")
    room.act()
    assert room.left() == ["StopRun", "PostComment"]
    room.runs.instead["report"] = report("ended")
    room.act()
    assert room.left() == []


def test_before_what_a_worker_did_counts_its_issue_is_looked_at(room):
    """A person closed it while the check ran, and no list has said so yet."""
    task = claimed(room)
    room.works()
    room.wants(room.known(task), Harvest("harvest", "run-1"))
    room.git.instead["harvest"] = lambda *_: CheckPassed("a" * 40, run_id="run-1")
    room.act()
    room.alice.close("acme/shop", task.key.number)
    room.works()
    assert "OpenPull" not in room.left()
    assert room.stage(task) is Stage.DROPPED


@pytest.mark.parametrize(
    ("facts", "start"),
    [
        ({"head": "a" * 40}, "a" * 40),
        ({"head": "a" * 40, "draft_head": "b" * 40}, "b" * 40),
        ({"head": "a" * 40, "draft_head": "b" * 40, "draft_is_unfinished": True}, "a" * 40),
    ],
    ids=["a head", "a draft that was judged", "a draft that never was"],
)
def test_what_is_harvested_begins_where_something_was_judged_last(room, facts, start):
    task = room.task(Stage.REWORKING, run=room.run(), branch="bot/1-total", pull=2, **facts)
    orders = []
    room.git.instead["harvest"] = lambda order: orders.append(order) or CheckPassed("c" * 40, run_id="run-1")
    room.wants(task, Harvest("harvest", "run-1"))
    room.works()
    assert [(order.start, order.expected) for order in orders] == [(start, "a" * 40)]


def test_a_head_that_was_checked_without_a_run_needs_no_look(room):
    task = room.task(Stage.REVIEWING, pull=2, head="a" * 40)
    room.wants(task, CheckHead("check", "a" * 40))
    room.git.instead["check_head"] = lambda *_: CheckPassed("a" * 40)
    room.works()
    assert room.forge.asked["fetch_snapshot"] == 0


@pytest.fixture
def superseded(room):
    """A run that a person's push overtook; its work is to be kept."""
    task = room.task(Stage.QUEUED, branch="bot/1-total")
    room.wants(task, KeepResult("keep", "run-1", "alice pushed"))
    (room.root / "run-1" / "checkout").mkdir(parents=True)
    room.git.instead["keep"] = lambda *_: Kept("bot/kept/run-1", "a" * 40)
    return task


def test_what_a_superseded_run_did_is_kept_once_it_is_gone(room, superseded):
    room.runs.instead["report"] = report("running")
    room.works()
    assert (room.left(), room.git.asked["keep"]) == (["KeepResult"], 0)
    room.runs.instead["report"] = report("ended")
    room.works()
    assert room.git.asked["keep"] == 1
    assert room.events(superseded)[-1] == "ResultKept"


def test_what_was_kept_is_where_the_next_worker_goes_on_if_the_decision_said_so(room):
    task = room.task(Stage.QUEUED, branch="bot/1-total")
    (room.root / "run-1" / "checkout").mkdir(parents=True)
    room.git.instead["keep"] = lambda *_: Kept("bot/kept/run-1", "a" * 40)
    room.wants(task, KeepResult("keep", "run-1", "its budget is spent", continues=""))
    room.works()
    assert room.known(task).draft_head == "a" * 40

    other = room.task(Stage.QUEUED, branch="bot/2-total")
    room.wants(other, KeepResult("keep another", "run-1", "alice pushed"))
    room.works()
    assert room.known(other).draft_head == ""


def test_of_a_run_that_did_nothing_there_is_nothing_to_keep(room, superseded):
    room.git.instead["keep"] = lambda *_: None
    room.works()
    assert room.left() == []
    assert "ResultKept" not in room.events(superseded)


def test_a_run_without_a_checkout_has_nothing_to_keep(room, superseded):
    (room.root / "run-1" / "checkout").rmdir()
    room.works()
    assert (room.left(), room.git.asked["keep"]) == ([], 0)


def test_what_cannot_be_kept_is_told_and_stays_where_it_is(room, superseded):
    room.git.fails("keep", NeedsPerson("no access", "give it"))
    room.works()
    assert room.left() == []
    ((_, told),) = room.journal.load_notes(superseded.key)
    assert "stays in its folder only" in told
