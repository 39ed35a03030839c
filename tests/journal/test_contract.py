"""What every journal keeps, whatever it is made of: to hold another one to it, add its factory to JOURNALS."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import timedelta, timezone
from pathlib import Path

import pytest

from dispatcher.core.agents import AgentHold
from dispatcher.core.effects import ShowStage
from dispatcher.core.errors import ClaimLost
from dispatcher.core.events import (
    ClaimRefused,
    Closed,
    Mentioned,
    Merged,
    OutcomeMalformed,
    RunCancelled,
    RunDied,
    WorkDelivered,
)
from dispatcher.core.faults import FaultKind
from dispatcher.core.model import Ask, Hold, HoldKind, ItemKey, Stage
from dispatcher.core.usage import Usage
from dispatcher.journal.store import SqlJournal
from dispatcher.ports import Journal
from tests.journal.stories import ANNA, DEPOT, NOON, SHOP, a_run, a_task, decided, dispatched, later, shown
from tests.simulation.memory_journal import MemoryJournal


def sql_journal(folder: Path) -> AbstractContextManager[Journal]:
    return SqlJournal(folder / "journal.sqlite3")


def memory_journal(_folder: Path) -> AbstractContextManager[Journal]:
    return MemoryJournal()


JOURNALS: list[Callable[[Path], AbstractContextManager[Journal]]] = [sql_journal, memory_journal]


@pytest.fixture(params=JOURNALS, ids=lambda factory: factory.__name__)
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Journal]:
    with request.param(tmp_path) as opened:
        yield opened


# ---------------------------------------------------------------- tasks


def test_a_task_comes_back_as_it_was_committed(journal):
    task = a_task(
        title="Sort the list \0 \u2028 {{ x }}",
        requester=ANNA,
        labels=frozenset({"bot", "bug"}),
        told=("line 3 is wrong",),
        hold=Hold(HoldKind.COOLDOWN, ends_with="time", until=later(30)),
        ask=Ask(comment_id=5, by=ANNA, at=NOON),
        cooldown_until=later(30),
        cost_usd=0.42,
        resume_stage=Stage.WORKING,
    )
    journal.commit(decided(task))
    assert journal.load_task(task.key) == task
    assert journal.load_tasks() == (task,)


def test_an_unknown_item_has_no_task(journal):
    assert journal.load_task(ItemKey(SHOP, 7)) is None


def test_a_task_is_found_by_its_pull_request_too(journal):
    task = a_task(7, pull=12)
    journal.commit(decided(task))
    assert journal.load_task(ItemKey(SHOP, 12)) == task
    assert journal.load_task(ItemKey(SHOP, 8)) is None


def test_of_two_tasks_on_one_pull_request_the_one_that_goes_on_is_found(journal):
    journal.commit(decided(a_task(12, pull=12, began_as_pull=True, stage=Stage.DROPPED)))
    journal.commit(decided(a_task(7, pull=12)))
    assert journal.load_task(ItemKey(SHOP, 12)) == a_task(7, pull=12)


def test_two_repos_with_the_same_issue_number_never_mix(journal):
    ours, theirs = a_task(7, SHOP), a_task(7, DEPOT)
    journal.commit(dispatched(ours, a_run("run-shop")))
    journal.commit(dispatched(theirs, a_run("run-depot")))
    journal.note(theirs.key, "only the depot", NOON)
    journal.mark_heard(["comment:1:0"], theirs.key, NOON)

    journal.cancel_effects(ours.key, "stopped")

    assert {stored.task for stored in journal.load_effects()} == {theirs.key}
    assert [record.run.id for record in journal.load_runs(ours.key)] == ["run-shop"]
    assert journal.load_task(theirs.key).repo == "acme/depot"
    assert len(journal.load_decisions(ours.key)) == 1
    assert journal.load_notes(ours.key) == ()
    assert journal.load_unheard(["comment:1:0"], ours.key) == ("comment:1:0",)
    assert journal.count_dispatches_since(NOON, "acme/shop") == 1
    assert journal.count_dispatches_since(NOON) == 2


def test_done_and_dropped_tasks_are_left_out_unless_asked_for(journal):
    journal.commit(decided(a_task(1)))
    journal.commit(decided(a_task(2, stage=Stage.DONE), event=Merged()))
    journal.commit(decided(a_task(3, stage=Stage.DROPPED)))
    assert [task.key.number for task in journal.load_tasks()] == [1]
    assert {task.key.number for task in journal.load_tasks(with_over=True)} == {1, 2, 3}


def test_tasks_come_in_the_order_in_which_they_last_moved(journal):
    for number in (1, 2, 3):
        journal.commit(decided(a_task(number), at=later(number)))
    journal.commit(decided(a_task(1, stage=Stage.WORKING), before=Stage.QUEUED, at=later(10)))
    mention = Mentioned(ask=Ask(comment_id=5, by=ANNA, at=NOON), text="how is it going?")
    journal.commit(decided(a_task(2), before=Stage.QUEUED, event=mention, at=later(11)))  # stays in its place
    assert [task.key.number for task in journal.load_tasks()] == [2, 3, 1]


def test_saved_facts_replace_the_task_without_a_decision(journal):
    journal.commit(decided(a_task(1), at=later(1)))
    journal.commit(decided(a_task(2), at=later(2)))
    waiting = a_task(1, hold=Hold(HoldKind.CAP, ends_with="a run ends"), seen_at=later(5))
    journal.save_task(waiting)
    assert journal.load_tasks() == (waiting, a_task(2))
    assert len(journal.load_decisions(waiting.key)) == 1


def test_facts_can_be_saved_about_a_new_task(journal):
    journal.save_task(a_task(1))
    assert journal.load_tasks() == (a_task(1),)


def test_times_come_back_as_utc_whatever_zone_they_were_given_in(journal):
    tokyo = timezone(timedelta(hours=9))
    journal.note(None, "sayonara", NOON.astimezone(tokyo))
    ((at, _),) = journal.load_notes()
    assert at == NOON
    assert at.utcoffset() == timedelta(0)


def test_a_time_without_a_zone_is_refused(journal):
    with pytest.raises(Exception, match="without a zone"):
        journal.note(None, "when?", NOON.replace(tzinfo=None))


# ---------------------------------------------------------------- decisions and notes


def test_decisions_are_told_newest_first(journal):
    task = a_task()
    journal.commit(decided(task, at=later(0)))
    journal.commit(dispatched(task, a_run(), at=later(1)))
    newest, oldest = journal.load_decisions(task.key)
    assert (oldest.event, oldest.stage_before, oldest.stage_after) == ("Labelled", Stage.NEW, Stage.QUEUED)
    assert (newest.event, newest.stage_before, newest.stage_after) == (
        "Dispatched",
        Stage.QUEUED,
        Stage.WORKING,
    )
    assert (newest.at, newest.verdict, newest.reason) == (later(1), "moved", "anna asked for it")
    assert journal.load_decisions(task.key, limit=1) == (newest,)


def test_notes_are_told_newest_first_for_one_task_or_for_all(journal):
    journal.note(None, "the configuration has a mistake", later(0))
    journal.note(a_task().key, "bob may not ask", later(1))
    journal.note(None, "it is fine again", later(2))
    assert [what for _, what in journal.load_notes(limit=2)] == ["it is fine again", "bob may not ask"]
    assert journal.load_notes(a_task().key) == ((later(1), "bob may not ask"),)


def test_text_that_no_database_takes_is_kept_as_far_as_possible(journal):
    task = a_task(title="half a pair: \ud83d")
    journal.commit(decided(task, event=RunDied(run_id="r", why="\udcff")))
    journal.note(task.key, "nul \0, half a pair \ud83d, whole \U0001f600", NOON)
    assert journal.load_task(task.key).title == "half a pair: \ufffd"
    assert journal.load_notes(task.key)[0][1] == "nul \ufffd, half a pair \ufffd, whole \U0001f600"


# ---------------------------------------------------------------- effects


def test_effects_are_pending_in_the_order_of_the_decision_until_they_are_applied(journal):
    decision = dispatched(a_task(), a_run())
    journal.commit(decision)
    claim, start = journal.load_effects()
    assert (claim.effect, start.effect) == decision.effects
    assert (claim.task, claim.tries, claim.retry_at, claim.sent_at, claim.error) == (
        a_task().key,
        0,
        None,
        None,
        "",
    )

    journal.mark_sent(claim.id, later(1))
    assert journal.load_effects()[0].sent_at == later(1)
    journal.mark_applied(claim.id, later(2))
    assert [stored.effect for stored in journal.load_effects()] == [start.effect]


def test_an_effect_whose_key_is_known_is_left_as_it_is(journal):
    """Spec invariant 8: the same cause is never written twice, however often it is decided."""
    task = a_task()
    first = shown(task, "labelled")
    journal.commit(decided(task, first))
    (stored,) = journal.load_effects()
    journal.mark_applied(stored.id, NOON)

    again = replace(first, stage=Stage.BLOCKED)
    journal.commit(decided(task, again, shown(task, "other"), shown(task, "other")))

    assert [stored.effect for stored in journal.load_effects()] == [shown(task, "other")]


def test_a_failing_effect_is_counted_and_given_up_in_the_end(journal):
    task = a_task()
    journal.commit(decided(task, shown(task, "x")))
    (stored,) = journal.load_effects()
    assert journal.mark_failed(stored.id, "502 from the forge", later(1)) == 1
    assert journal.mark_failed(stored.id, "502 again", later(5)) == 2
    (stored,) = journal.load_effects()
    assert (stored.tries, stored.error, stored.retry_at) == (2, "502 again", later(5))
    assert journal.mark_failed(stored.id, "422", None) == 3
    assert journal.load_effects() == ()


def test_a_cancelled_effect_that_fails_late_does_not_come_back(journal):
    task = a_task()
    journal.commit(decided(task, shown(task, "x")))
    (stored,) = journal.load_effects()
    journal.cancel_effects(task.key, "a person took over")
    journal.mark_failed(stored.id, "502", later(1))
    assert journal.load_effects() == ()


def test_an_effect_that_was_never_committed_cannot_be_crossed_off(journal):
    with pytest.raises(LookupError):
        journal.mark_applied(99, NOON)
    with pytest.raises(LookupError):
        journal.mark_failed(99, "?", None)


# ---------------------------------------------------------------- runs


def test_a_run_is_reserved_with_its_dispatch_then_starts_then_ends(journal):
    task, run = a_task(), a_run()
    journal.commit(dispatched(task, run))
    (record,) = journal.load_live_runs()
    assert (record.run, record.task, record.repo, record.state) == (run, task.key, "acme/shop", "reserved")

    journal.mark_run_started(run.id, later(1))
    assert journal.load_run(run.id).state == "running"

    done = WorkDelivered(run_id=run.id, title="t", body="b", tested="yes")
    journal.commit(decided(a_task(stage=Stage.WORKING), event=done, at=later(9), run_ended=run.id))
    record = journal.load_run(run.id)
    assert (record.state, record.ended_at, record.result) == ("ended", later(9), "WorkDelivered")
    assert journal.load_live_runs() == ()


@pytest.mark.parametrize(
    "event",
    [
        ClaimRefused("run-1", "a person has it"),
        RunCancelled("run-1", "stop"),
    ],
)
def test_a_run_that_the_dispatcher_let_go_is_cancelled(journal, event):
    journal.commit(dispatched(a_task(), a_run()))
    journal.commit(decided(a_task(), event=event, before=Stage.WORKING, run_ended="run-1"))
    assert journal.load_run("run-1").state == "cancelled"
    assert journal.load_live_runs() == ()


def test_invariant_1_a_second_live_run_of_a_task_is_refused_with_everything_decided_beside_it(journal):
    task = a_task()
    journal.commit(dispatched(task, a_run("run-1")))
    before = (journal.load_task(task.key), journal.load_effects(), journal.load_decisions(task.key))
    with pytest.raises(ClaimLost, match="acme/shop#7"):
        journal.commit(dispatched(a_task(title="changed"), a_run("run-2")))
    assert (journal.load_task(task.key), journal.load_effects(), journal.load_decisions(task.key)) == before
    assert [record.run.id for record in journal.load_runs()] == ["run-1"]


def test_a_repair_run_takes_the_slot_that_its_run_leaves_in_one_decision(journal):
    journal.commit(dispatched(a_task(), a_run("run-1")))
    repair = a_run("run-2", at=later(9), is_repair=True)
    malformed = OutcomeMalformed(run_id="run-1", error="no outcome file")
    decision = decided(a_task(stage=Stage.WORKING), event=malformed, before=Stage.WORKING, run_ended="run-1")
    journal.commit(replace(decision, run_reserved=repair))
    assert [record.run for record in journal.load_live_runs()] == [repair]
    assert [record.run.id for record in journal.load_runs()] == ["run-2", "run-1"]


def test_what_a_run_cost_is_kept_whether_it_is_told_before_or_after_its_end(journal):
    journal.commit(dispatched(a_task(1), a_run("early")))
    journal.commit(dispatched(a_task(2), a_run("late")))
    journal.mark_run_ended("early", later(5), "exited", Usage(10, 20, 3, 0.25))
    journal.mark_run_ended("early", later(6), "collected")
    died = RunDied(run_id="late", why="lost")
    journal.commit(decided(a_task(2), event=died, at=later(5), run_ended="late"))
    journal.mark_run_ended("late", later(6), "lost", Usage(cost_usd=0.5))
    early, late = journal.load_run("early"), journal.load_run("late")
    assert (early.state, early.ended_at, early.result, early.cost_usd) == (
        "ended",
        later(5),
        "collected",
        0.25,
    )
    assert early.usage == Usage(10, 20, 3, 0.25), "the second word said nothing of it"
    assert (late.state, late.ended_at, late.result, late.cost_usd) == ("ended", later(5), "lost", 0.5)


def test_what_runs_use_is_summed_by_task_and_by_repository_live_ones_included(journal):
    used = {"run-1": Usage(1, 2, 3, 0.5), "run-2": Usage(10, 0, 0, 0.25), "run-3": Usage(7)}
    for number, (run_id, usage) in enumerate(used.items(), start=1):
        where = DEPOT if run_id == "run-3" else SHOP
        journal.commit(dispatched(a_task(number, where), a_run(run_id, at=later(number))))
        journal.note_usage(run_id, usage)
    journal.mark_run_ended("run-1", later(9), "exited", Usage())
    journal.commit(dispatched(a_task(1), a_run("run-4", at=later(10))))
    journal.note_usage("run-4", Usage(1, 0, 1, 0.125), "abc")

    assert journal.sum_usage(ItemKey(SHOP, 1)) == Usage(2, 2, 4, 0.625)
    assert journal.sum_usage(ItemKey(SHOP, 99)) == Usage()
    assert journal.sum_usage_since(later(0)) == {"acme/shop": Usage(12, 2, 4, 0.875), "acme/depot": Usage(7)}
    assert journal.sum_usage_since(later(10)) == {"acme/shop": Usage(1, 0, 1, 0.125)}
    assert [record.run.id for record in journal.load_runs_since(later(2))] == ["run-2", "run-3", "run-4"]
    assert journal.load_run("run-4").prompt_digest == "abc"


def test_a_later_report_takes_the_place_of_an_earlier_one_and_an_empty_one_of_none(journal):
    journal.commit(dispatched(a_task(), a_run()))
    journal.note_usage("run-1", Usage(1, 2, 3, 0.5), "abc")
    journal.note_usage("run-1", Usage(cost_usd=0.75))
    assert journal.load_run("run-1").usage == Usage(1, 2, 3, 0.75)
    journal.note_usage("run-1", Usage(5, 5, 5))
    journal.note_usage("run-1", Usage())
    assert journal.load_run("run-1").usage == Usage(5, 5, 5, 0.75)
    assert journal.load_run("run-1").prompt_digest == "abc"


def test_agents_go_on_hold_and_come_back_with_a_decision(journal):
    quota = AgentHold("claude", FaultKind.QUOTA, "usage limit \0", NOON, later(30), 2, ItemKey(SHOP, 7))
    login = AgentHold("codex", FaultKind.LOGIN, "401", NOON)
    journal.commit(replace(decided(a_task()), agents_held=(login, quota)))
    clean = replace(quota, why="usage limit \ufffd")
    assert [hold.agent for hold in journal.load_agent_holds()] == ["claude", "codex"]
    assert journal.load_agent_holds()[0] in {quota, clean}
    journal.commit(
        replace(decided(a_task()), agents_held=(replace(login, times=2),), agents_freed=("claude",))
    )
    assert journal.load_agent_holds() == (replace(login, times=2),)
    journal.free_agents(["codex", "nobody"])
    assert journal.load_agent_holds() == ()


def test_a_run_that_is_over_does_not_start_again(journal):
    journal.commit(dispatched(a_task(), a_run()))
    journal.mark_run_ended("run-1", later(1), "exited")
    journal.mark_run_started("run-1", later(2))
    assert journal.load_run("run-1").state == "ended"


def test_dispatches_are_counted_from_a_moment_on(journal):
    for number in (1, 2, 3):
        journal.commit(dispatched(a_task(number), a_run(f"run-{number}", at=later(number))))
    assert journal.count_dispatches_since(later(2)) == 2
    assert journal.count_dispatches_since(later(4)) == 0
    assert journal.count_dispatches_since(later(0), "acme/depot") == 0
    assert [record.run.id for record in journal.load_runs(limit=2)] == ["run-3", "run-2"]
    assert journal.load_run("run-9") is None


# ---------------------------------------------------------------- comments, cursors, orders


def test_a_comment_is_new_once_and_again_when_it_is_edited(journal):
    key = a_task().key
    said = ["comment:1:10", "comment:2:11", "comment:1:10"]
    assert journal.load_unheard(said, key) == ("comment:1:10", "comment:2:11")
    journal.mark_heard(said, key, NOON)
    journal.mark_heard(said, key, NOON)
    assert journal.load_unheard(["comment:1:10", "comment:1:99"], key) == ("comment:1:99",)
    assert journal.load_unheard([], key) == ()


def test_a_thread_of_thousands_of_comments_is_heard_at_once(journal):
    versions = [f"comment:{number}:0" for number in range(3_000)]
    assert journal.load_unheard(versions, a_task().key) == tuple(versions)
    journal.mark_heard(versions, a_task().key, NOON)
    assert journal.load_unheard(versions, a_task().key) == ()


def test_a_postponed_effect_waits_and_nothing_is_counted(journal):
    journal.commit(dispatched(a_task(), a_run("run-1")))
    first = journal.load_effects()[0]

    journal.postpone(first.id, "GitHub is down", later(60))

    again = journal.load_effects()[0]
    assert (again.tries, again.retry_at, again.error) == (0, later(60), "GitHub is down")
    journal.cancel_effects(a_task().key, "a person took over")
    journal.postpone(first.id, "GitHub is still down", later(90))
    assert journal.load_effects() == ()


def test_a_decision_that_supersedes_the_others_crosses_their_effects_off(journal):
    journal.commit(dispatched(a_task(), a_run("run-1")))
    decision = dispatched(a_task(), a_run("run-1"))

    journal.commit(
        replace(decision, event=Closed(), effects=(ShowStage("show:x", Stage.DROPPED),), cancels_pending=True)
    )

    assert [stored.effect.key for stored in journal.load_effects()] == ["show:x"]


def test_cursors_keep_the_last_value(journal):
    assert journal.load_cursor("issues.etag") is None
    journal.save_cursor("issues.etag", 'W/"1"')
    journal.save_cursor("issues.etag", 'W/"2"')
    journal.save_cursor("issues.since", "")
    assert journal.load_cursor("issues.etag") == 'W/"2"'
    assert journal.load_cursor("issues.since") == ""


def test_orders_are_handed_out_until_they_are_finished(journal):
    journal.give_order("retry", "acme/shop#7", later(0))
    journal.give_order("drain", "", later(1))
    first, second = journal.take_orders()
    assert (first.name, first.argument, first.at, second.name) == ("retry", "acme/shop#7", later(0), "drain")
    assert journal.take_orders() == (first, second)
    journal.finish_order(first.id)
    journal.finish_order(first.id)
    assert journal.take_orders() == (second,)
