"""An effect that fails waits alone, is counted where it counts, and at the third time a person must look (spec section 9)."""

from datetime import timedelta

import pytest

from dispatcher.core.effects import CheckHead, Harvest, ShowStage
from dispatcher.core.errors import NeedsPerson, ProgramAbsent, QuotaSpent, RetryLater
from dispatcher.core.model import ItemKey, Stage


def only(room):
    (stored,) = room.pending()
    return stored


def test_what_can_be_done_is_done_once_and_crossed_off(room):
    task = room.task()
    room.wants(task, room.comment(task))
    for _ in range(2):
        room.act()
    assert room.forge.asked["post_comment"] == 1
    assert len(room.said(task)) == 1
    assert room.left() == []


def test_a_failure_is_counted_and_tried_again_when_its_time_has_come_and_no_sooner(room):
    task = room.task()
    room.wants(task, room.comment(task))
    room.forge.fails("post_comment", RetryLater("502"))
    began = room.now()
    room.act()
    assert (only(room).tries, only(room).retry_at, only(room).sent_at) == (
        1,
        began + timedelta(seconds=30),
        began,
    )

    room.passes(29)
    room.act()
    assert room.forge.asked["post_comment"] == 1
    room.passes(1)
    room.act()
    assert (room.forge.asked["post_comment"], only(room).retry_at) == (2, room.now() + timedelta(minutes=2))
    assert only(room).tries == 2
    assert room.events(task) == ["Labelled"]


def test_one_task_waits_and_the_others_do_not(room):
    one, other = room.task(), room.task()
    room.wants(one, room.comment(one), room.comment(one, "later"))
    room.wants(other, room.comment(other))
    room.forge.instead["post_comment"] = _refuses_one(room, one)
    room.act()
    assert [str(stored.task) for stored in room.pending()] == [str(one.key)] * 2
    assert len(room.said(other)) == 1


def _refuses_one(room, task):
    def post(item, *rest):
        if item == task.key:
            raise RetryLater("502")
        return room.forge.part.post_comment(item, *rest)

    return post


@pytest.mark.parametrize(
    ("error", "because"),
    [(RetryLater("502"), "502"), (ValueError("a surprise"), "a surprise")],
    ids=["a fault that passes", "an accident"],
)
def test_the_third_failure_is_a_persons_matter(room, error, because):
    task = room.task()
    room.wants(task, room.comment(task))
    room.forge.fails("post_comment", error)
    for _ in range(2):
        room.act()
        assert room.stage(task) is Stage.QUEUED
        room.passes(601)
    assert only(room).tries == 2
    room.act()
    assert room.stage(task) is Stage.BLOCKED
    assert because in room.known(task).blocked_why
    assert room.events(task)[-1] == "EffectRefused"


def test_what_no_trying_can_mend_is_a_persons_matter_at_once(room):
    task = room.task()
    room.wants(task, room.comment(task))
    room.forge.fails("post_comment", NeedsPerson("no access", "give it"))
    room.act()
    assert room.stage(task) is Stage.BLOCKED
    assert room.known(task).blocked_why.startswith("effect-refused")


def test_a_program_that_is_not_there_is_told_as_what_it_is(room):
    task = room.task(Stage.REVIEWING, pull=2, head="a" * 40)
    room.wants(task, CheckHead("check", "a" * 40))
    room.git.fails("check_head", ProgramAbsent("make is not installed", "install it"))
    room.works()
    assert room.known(task).blocked_why.startswith("check-absent")


def test_during_an_outage_nothing_is_counted_however_often_it_fails(room):
    task = room.task()
    room.wants(task, room.comment(task))
    room.forge.fails("post_comment", RetryLater("no answer"))
    room.desk.forge_reached_at = None
    for _ in range(5):
        room.act()
        room.passes(601, reached=False)
    assert (room.stage(task), only(room).tries, only(room).error) == (Stage.QUEUED, 0, "no answer")

    room.desk.forge_reached_at = room.now()
    room.passes(601, reached=False)
    room.act()
    assert only(room).tries == 0, "ten minutes ago is not lately"


def test_an_outage_behind_two_failures_is_not_the_third(room):
    task = room.task()
    room.wants(task, room.comment(task))
    room.forge.fails("post_comment", RetryLater("502"))
    for _ in range(2):
        room.act()
        room.passes(601)
    room.passes(60, reached=False)
    room.act()
    assert (room.stage(task), only(room).tries) == (Stage.QUEUED, 2)


def test_slow_work_that_failed_was_sent_when_it_began(room):
    task = room.task(Stage.REVIEWING, pull=2, head="a" * 40)
    room.wants(task, CheckHead("check", "a" * 40))
    room.git.fails("check_head", RetryLater("no answer"))
    began = room.now()
    room.act()
    room.passes(5)
    room.works()
    assert (only(room).tries, only(room).sent_at) == (1, began)


@pytest.mark.parametrize(("ago_s", "tries"), [(29.9, 1), (30, 0)])
def test_a_forge_that_answered_within_two_rounds_is_there(room, ago_s, tries):
    task = room.task()
    room.wants(task, room.comment(task))
    room.forge.fails("post_comment", RetryLater("502"))
    room.passes(ago_s, reached=False)
    room.act()
    assert only(room).tries == tries


def test_a_failure_that_names_its_end_is_tried_again_then(room):
    task, until = room.task(), room.now() + timedelta(minutes=7)
    room.wants(task, room.comment(task))
    room.forge.fails("post_comment", RetryLater("in maintenance", until))
    room.act()
    assert (only(room).retry_at, only(room).tries) == (until, 1)


def test_a_spent_quota_is_a_pause_and_no_failure(room):
    task, until = room.task(), room.now() + timedelta(minutes=40)
    room.wants(task, room.comment(task))
    for error, retry_at in ((QuotaSpent("spent", until), until), (QuotaSpent("spent", None), None)):
        room.forge.fails("post_comment", error)
        room.act()
        assert (only(room).tries, only(room).retry_at) == (0, retry_at or room.now() + timedelta(seconds=30))
        room.passes(40 * 60)


def test_what_had_to_wait_is_followed_by_a_look_and_what_did_not_is_not(room):
    """People went on meanwhile: our own late write would pass their change off as seen."""
    prompt, late = room.task(), room.task()
    room.wants(prompt, room.comment(prompt))
    room.act()
    room.wants(late, room.comment(late))
    room.forge.fails("post_comment", RetryLater("502"))
    room.act()
    room.forge.works()
    room.passes(31)
    room.act()
    assert room.left() == []
    assert room.desk.look_alarms == {late.key: room.now()}


# ---------------------------------------------------------------- what is under way


def test_what_is_under_way_is_told_by_task_and_a_task_is_touched_once(room):
    task = room.task()
    room.forge.fails("show_stage", RetryLater("502"))
    room.wants(task, ShowStage("show", task.stage))
    room.act()
    assert room.desk.in_flight == room.desk.writes_in_flight == {str(task.key)}
    assert room.desk.agenda.take_due(room.now(), slot_is_free=False) == (task.key,)
    room.act()
    assert room.desk.agenda.take_due(room.now(), slot_is_free=False) == ()


def test_what_only_reads_is_no_write_under_way(room):
    task = room.task(Stage.WORKING)
    room.wants(task, Harvest("harvest", "run-1"))
    room.act()
    assert (room.desk.in_flight, room.desk.writes_in_flight) == ({str(task.key)}, set())


def test_what_a_repository_that_is_not_watched_any_more_still_had_to_do_stays_and_is_nobodys_failure(room):
    task = room.task(repo_id=999, number=7)
    room.wants(task, room.comment(task))
    for _ in range(3):
        room.act()
        room.passes(601)
    assert (only(room).tries, only(room).error) == (0, "")
    assert room.desk.in_flight == set()
    assert room.desk.accidents == []


def test_an_effect_of_a_task_that_nobody_knows_stays_and_stops_nobody(room):
    task = room.task()
    room.journal._add_effect(ItemKey(room.repo_id, 77), room.comment(task))
    room.act()
    assert len(room.pending()) == 1
    assert room.desk.accidents == []
