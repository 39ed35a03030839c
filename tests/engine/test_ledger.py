"""A decision is committed with all that it closes and begins; what everybody saw already is not written down again."""

from dataclasses import replace

import pytest

from dispatcher.core.agents import AgentHold
from dispatcher.core.effects import CheckHead, Harvest
from dispatcher.core.events import (
    CheckPassed,
    ClaimRefused,
    CommandGiven,
    Dispatched,
    HeadMoved,
    HeadUnchecked,
    Labelled,
    PersonApproved,
    WorkDelivered,
)
from dispatcher.core.faults import FaultKind
from dispatcher.core.model import Command, Hold, HoldKind, Person, Role, Stage
from dispatcher.core.rules import Limits
from dispatcher.engine.ledger import Closing, apply, touch_waiting_for_agents, with_limits

ALICE = Person(1, "alice")
NO_AGENT = "no-agent: scripted: the login ran out"


def pending(room, task, effect):
    room.wants(task, effect)
    return next(stored.id for stored in room.pending() if stored.effect == effect)


# ---------------------------------------------------------------- what is written down


def test_what_changes_nothing_and_closes_nothing_is_not_written_down(room):
    task = room.task(Stage.WORKING)
    assert apply(room.desk, task, HeadMoved("a" * 40)) == task
    assert room.events(task) == []


def test_what_a_person_would_ask_about_is_written_down_though_it_changes_nothing(room):
    task = room.task(Stage.WORKING)
    apply(room.desk, task, Labelled(ALICE))
    apply(room.desk, task, PersonApproved(ALICE))
    assert room.events(task) == ["Labelled", "PersonApproved"]


def test_a_result_that_means_nothing_still_crosses_its_effect_off(room):
    task = room.task(Stage.MERGE_READY, pull=2, head="b" * 40)
    done = pending(room, task, CheckHead("check", "a" * 40))
    apply(room.desk, task, CheckPassed("a" * 40), Closing(effect_done=done))
    assert room.left() == []


def test_what_changes_something_is_written_down_once(room):
    task = room.task()
    after = apply(room.desk, task, CommandGiven(Command.STOP, ALICE))
    assert (after.stage, room.events(task)) == (Stage.DROPPED, ["CommandGiven"])


# ---------------------------------------------------------------- what is under way


def test_a_decision_with_effects_is_under_way_at_once(room):
    task = room.task()
    apply(room.desk, task, CommandGiven(Command.STOP, ALICE))
    assert room.desk.in_flight == room.desk.writes_in_flight == {str(task.key)}


def test_a_decision_that_only_reads_is_under_way_but_no_write(room):
    task = room.task(Stage.WORKING, run=room.run())
    apply(room.desk, task, WorkDelivered("run-1", "Sort", "It sorts.", "make check"))
    assert [type(stored.effect) for stored in room.pending()] == [Harvest]
    assert (room.desk.in_flight, room.desk.writes_in_flight) == ({str(task.key)}, set())


def test_a_decision_without_effects_is_nothing_under_way(room):
    task = room.task(Stage.WORKING)
    apply(room.desk, task, Labelled(ALICE))
    assert room.desk.in_flight == room.desk.writes_in_flight == set()


# ---------------------------------------------------------------- runs


def test_a_run_is_reserved_with_the_decision_that_begins_it_and_by_no_other(room):
    task = room.task()
    working = apply(room.desk, task, Dispatched(room.run()))
    assert [record.run.id for record in room.journal.load_live_runs()] == ["run-1"]
    apply(room.desk, working, Labelled(ALICE))
    assert [record.state for record in room.journal.load_runs()] == ["reserved"]


class Taking:
    """A journal that shows which run a decision reserves."""

    def __init__(self, journal):
        self.journal, self.reserved = journal, []

    def commit(self, decided):
        self.reserved.append(decided.run_reserved.id if decided.run_reserved else None)
        self.journal.commit(decided)

    def __getattr__(self, name):
        return getattr(self.journal, name)


def test_only_a_new_run_is_named_as_reserved(room):
    room.desk.journal = taking = Taking(room.journal)
    working = apply(room.desk, room.task(), Dispatched(room.run()))
    waiting = apply(
        room.desk, working, ClaimRefused("run-1", "somebody was quicker"), Closing(run_ended="run-1")
    )
    again = apply(room.desk, waiting, Dispatched(room.run(run_id="run-2")))
    apply(room.desk, again, Labelled(ALICE))
    assert taking.reserved == ["run-1", None, "run-2", None]


def test_the_run_of_the_next_step_is_new_though_one_went_before(room):
    """A decision that replaces one run by another reserves the other."""
    room.desk.journal = taking = Taking(room.journal)
    before = room.task(run=room.run(Role.REVIEWER, "run-0"))
    apply(room.desk, before, Dispatched(room.run()))
    assert taking.reserved == ["run-1"]


# ---------------------------------------------------------------- agents


@pytest.fixture
def on_hold(room):
    """Both agents cannot work; one task is blocked for it, one waits for an agent, one for a slot, one for nothing."""
    for name in ("scripted", "second"):
        room.journal._holds[name] = AgentHold(name, FaultKind.LOGIN, "the login ran out", room.now())
    waits = room.task(hold=Hold(HoldKind.AGENTS_ON_HOLD, "an agent", None))
    others = (room.task(hold=Hold(HoldKind.CAP, "a slot")), room.task())
    blocked = room.task(Stage.BLOCKED, blocked_why=NO_AGENT, resume_stage=Stage.QUEUED)
    for task in (waits, *others, blocked):
        room.journal.save_task(task)
    room.desk.agenda.take_due(room.now(), slot_is_free=True)
    return {"waits": waits, "blocked": blocked}


def held(room):
    return [hold.agent for hold in room.journal.load_agent_holds()]


def touched(room):
    return set(room.desk.agenda.take_due(room.now(), slot_is_free=False))


def test_who_asks_again_says_that_the_agents_work_and_all_who_wait_for_one_are_looked_at(room, on_hold):
    apply(room.desk, on_hold["blocked"], Labelled(ALICE))
    assert held(room) == []
    assert touched(room) == {on_hold["waits"].key, on_hold["blocked"].key}


def test_who_asks_for_something_else_says_nothing_about_agents(room, on_hold):
    task = room.task(Stage.BLOCKED, blocked_why="question: which one?", resume_stage=Stage.QUEUED)
    apply(room.desk, task, Labelled(ALICE))
    assert held(room) == ["scripted", "second"]
    assert touched(room) == {task.key}


def test_a_person_in_a_repository_that_is_not_watched_any_more_frees_nobody(room, on_hold):
    elsewhere = replace(on_hold["blocked"], key=room.task(repo_id=999, number=7).key)
    apply(room.desk, elsewhere, Labelled(ALICE))
    assert held(room) == ["scripted", "second"]


def test_a_task_that_waits_for_an_agent_is_looked_at_and_no_other(room, on_hold):
    touch_waiting_for_agents(room.desk)
    assert touched(room) == {on_hold["waits"].key}


# ---------------------------------------------------------------- limits


def test_the_limits_are_those_of_the_configuration_and_of_the_task_where_there_is_none(room):
    old = Limits(attempts=9)
    assert with_limits(room.desk, room.task(limits=old)).limits == room.limits
    gone = room.task(repo_id=999, number=7, limits=old)
    assert with_limits(room.desk, gone).limits == old


def test_a_head_that_must_be_checked_only_reads(room):
    task = room.task(Stage.REVIEWING, pull=2, head="a" * 40, approved_head="a" * 40)
    apply(room.desk, task, HeadUnchecked("a" * 40))
    assert [type(stored.effect) for stored in room.pending()] == [CheckHead]
    assert room.desk.writes_in_flight == set()
