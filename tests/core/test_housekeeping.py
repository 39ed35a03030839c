"""Which run folders may go: by age, by size, and never what somebody still needs."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.core.housekeeping import (
    DAY_S,
    KeepRules,
    StoredRun,
    choose_removals,
    render_bytes,
    why_it_stays,
)
from dispatcher.core.model import Stage

NOW = datetime(2026, 3, 31, tzinfo=UTC)
RULES = KeepRules(runs_s=14 * DAY_S, runs_bytes=1_000)
OVER = [Stage.DONE, Stage.DROPPED]
OPEN = [stage for stage in Stage if stage not in OVER]


def a_run(run_id="r1", *, days=1.0, size=100, stage=Stage.DONE, is_needed=False):
    return StoredRun(run_id, size, NOW - timedelta(days=days), stage, is_needed)


def gone(*runs, rules=RULES):
    return [removal.run_id for removal in choose_removals(runs, rules, NOW).removals]


@pytest.mark.parametrize("stage", [stage for stage in [*Stage, None] if stage is not Stage.BLOCKED])
def test_what_is_old_goes_whatever_its_task_does(stage):
    assert gone(a_run(days=14, stage=stage)) == ["r1"]
    assert gone(a_run(days=13.9, stage=stage)) == []


def test_what_a_person_may_want_to_see_stays_at_any_age_and_size():
    blocked = a_run(days=400, size=10**9, stage=Stage.BLOCKED)
    assert gone(blocked) == []
    assert why_it_stays(blocked, RULES, NOW) == "its task waits for a person"


@pytest.mark.parametrize("stage", Stage)
def test_what_is_live_stays_at_any_age_and_size(stage):
    live = a_run(days=400, size=10**9, stage=stage, is_needed=True)
    assert gone(live) == []
    assert "live" in why_it_stays(live, RULES, NOW)


def test_a_full_disk_takes_the_oldest_of_finished_tasks_and_no_more_than_needed():
    runs = [a_run(f"r{days}", days=days, size=400) for days in (1, 2, 3, 4)]
    clearing = choose_removals(runs, RULES, NOW)
    assert [removal.run_id for removal in clearing.removals] == ["r4", "r3"]
    assert (clearing.freed_bytes, clearing.kept_bytes, clearing.is_over) == (800, 800, False)
    assert clearing.removals[0].why == "run folders take more than 1 kB, and its task is over"


@pytest.mark.parametrize("stage", [*OPEN, None])
def test_a_full_disk_never_takes_young_runs_of_tasks_that_go_on(stage):
    clearing = choose_removals([a_run(stage=stage, size=5_000)], RULES, NOW)
    assert clearing.removals == ()
    assert clearing.is_over
    assert why_it_stays(a_run(stage=stage), RULES, NOW)


def test_what_went_by_age_counts_before_anything_goes_by_size():
    assert gone(a_run("old", days=20, size=900), a_run("young", size=900)) == ["old"]


STORED = st.builds(
    a_run,
    st.uuids().map(str),
    days=st.floats(0, 60),
    size=st.integers(0, 2_000),
    stage=st.sampled_from([*Stage, None]),
    is_needed=st.booleans(),
)


@given(st.lists(STORED, max_size=12))
def test_nothing_goes_that_must_stay_and_nothing_more_can_be_done_when_it_is_over(runs):
    clearing = choose_removals(runs, RULES, NOW)
    went = {removal.run_id for removal in clearing.removals}
    by_id = {run.run_id: run for run in runs}
    for run_id in went:
        run = by_id[run_id]
        assert not run.is_needed
        assert run.stage is not Stage.BLOCKED
        assert run.stage in OVER or NOW - run.ended_at >= timedelta(days=14)
    assert clearing.kept_bytes == sum(run.size_bytes for run in runs if run.run_id not in went)
    if clearing.is_over:
        assert all(why_it_stays(run, RULES, NOW) for run in runs if run.run_id not in went)


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1_000, "1 kB"),
        (1_234_567, "1.2 MB"),
        (14_000_000, "14 MB"),
        (10_000_000_000, "10 GB"),
    ],
)
def test_sizes_as_people_say_them(size, words):
    assert render_bytes(size) == words
