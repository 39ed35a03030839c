"""The table: no pair of stage and event is forgotten, and whatever happens in whatever order, the invariants hold."""

import copy
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatcher.core import events as e
from dispatcher.core.causes import BlockCause, parse_why
from dispatcher.core.effects import Claim, Effect, OpenPull, PostComment, StartRun, StopRun
from dispatcher.core.events import ALL_EVENTS
from dispatcher.core.guards import gates_are_ours
from dispatcher.core.machine import Decision, Verdict, decide
from dispatcher.core.model import Ask, Command, Hold, HoldKind, LiveRun, Role, Stage, Task
from dispatcher.core.policy import ROLE_OF
from dispatcher.core.table import BACK_TO, IGNORED, LIVE, REFUSED, TABLE
from tests.core.situations import (
    ALIEN,
    ANNA,
    BEN,
    HEAD,
    KEY,
    NEXT,
    NOW,
    PULL,
    RUN_OF,
    approved,
    follow,
    kinds,
    sample_event,
    task_in,
)

ALL_PAIRS = [(stage, kind) for stage in Stage for kind in ALL_EVENTS]
ROWS = {pair: [row for row in TABLE if (row.source, row.event) == pair] for pair in ALL_PAIRS}


# ---------------------------------------------------------------- stage x event


@pytest.mark.parametrize("kind", ALL_EVENTS, ids=lambda kind: kind.__name__)
def test_every_stage_knows_what_the_event_means(kind):
    for stage in Stage:
        rows = ROWS[stage, kind]
        is_total = bool(rows) and rows[-1].when is None
        assert is_total or (kind in IGNORED) ^ (kind in REFUSED), f"{kind.__name__} in {stage} is forgotten"


def test_no_event_is_both_ignored_and_refused_and_every_reason_is_said():
    assert not IGNORED.keys() & REFUSED.keys()
    assert all(reason for reason in (*IGNORED.values(), *REFUSED.values()))


def test_no_row_hides_behind_an_unguarded_one():
    hidden = [row for rows in ROWS.values() for early, row in pairwise(rows) if early.when is None]
    assert hidden == []


def test_every_reason_to_ignore_or_refuse_is_needed():
    total = {
        kind for kind in ALL_EVENTS if all(ROWS[s, kind] and ROWS[s, kind][-1].when is None for s in Stage)
    }
    assert total.isdisjoint(IGNORED)
    assert total.isdisjoint(REFUSED)


@pytest.mark.parametrize("stage", Stage)
def test_every_event_is_decided_without_an_accident(stage):
    for kind in ALL_EVENTS:
        task = task_in(stage)
        decision = decide(task, sample_event(kind, task), NOW)
        assert_explained(stage, kind, task, decision)


def assert_explained(stage: Stage, kind: type[e.Event], task: Task, decision: Decision) -> None:
    if decision.verdict is Verdict.TAKEN:
        assert decision.task.stage in {row.dest for row in ROWS[stage, kind]}
    else:
        assert decision.task is task
        assert decision.effects == ()
        stale = "the task does not wait for run"
        assert decision.reason.startswith(stale) or (IGNORED | REFUSED)[kind] in decision.reason


def test_no_stage_is_a_dead_end_and_every_stage_can_be_reached():
    ways = {(row.source, row.dest) for row in TABLE if row.event is not e.StageShown}
    reached = {Stage.NEW}
    while more := {dest for source, dest in ways if source in reached} - reached:
        reached |= more
    assert reached == set(Stage)
    assert {source for source, dest in ways if source is not dest} == set(Stage)


# ---------------------------------------------------------------- invariants by number


def test_invariant_4_merge_ready_has_one_door_and_its_guard_is_the_gate():
    doors = [
        row
        for row in TABLE
        if row.dest is Stage.MERGE_READY
        and row.source is not Stage.MERGE_READY
        and row.event is not e.StageShown
    ]
    assert [(row.source, row.event, row.when) for row in doors] == [
        (Stage.REVIEWING, e.GatesPassed, gates_are_ours)
    ]


@pytest.mark.parametrize(
    "shut",
    [
        {"approved_head": ""},
        {"approved_head": ALIEN},
        {"checked_head": ""},
        {"run": RUN_OF[Stage.REVIEWING]},
        {"ask": Ask(1, ANNA, NOW)},
    ],
    ids=["not approved", "another head approved", "unchecked", "reviewer at work", "asked meanwhile"],
)
def test_invariant_4_the_door_stays_shut(shut):
    assert follow(approved(**shut), e.GatesPassed(HEAD)).task.stage is Stage.REVIEWING


def test_invariant_4_the_approval_of_a_head_that_is_gone_leads_to_a_new_review():
    task = follow(task_in(Stage.REVIEWING), e.ReviewApproved("run-r", ALIEN, "good")).task
    assert task.stage is Stage.NEEDS_REVIEW
    assert task.approved_head == ""


@given(head=st.sampled_from([HEAD, ALIEN, NEXT]), gates=st.sampled_from([HEAD, ALIEN, NEXT]))
def test_invariant_4_only_the_approved_head_goes_through(head, gates):
    task = follow(
        task_in(Stage.REVIEWING), e.ReviewApproved("run-r", head, "good"), e.GatesPassed(gates)
    ).task
    assert (task.stage is Stage.MERGE_READY) == (head == gates == HEAD)


@pytest.mark.parametrize("stage", LIVE)
def test_events_of_a_run_that_nobody_waits_for_mean_nothing(stage):
    for kind in [kind for kind in ALL_EVENTS if "run_id" in kind.__dataclass_fields__]:
        decision = follow(
            task_in(stage), replace(sample_event(kind, task_in(stage)), run_id="run-of-yesterday")
        )
        assert decision.verdict is Verdict.IGNORED, kind
        assert "run-of-yesterday" in decision.reason


@pytest.mark.parametrize("stage", LIVE)
@pytest.mark.parametrize(
    "kind", [e.RunCancelled, e.RunVanished, e.ClaimRefused, e.PersonTookOver], ids=lambda kind: kind.__name__
)
def test_invariant_10_an_end_that_we_caused_gives_the_attempt_back(stage, kind):
    task = task_in(stage, attempts=2)
    after = follow(task, sample_event(kind, task)).task
    assert (after.stage, after.attempts, after.run) == (BACK_TO[stage], 1, None)


@pytest.mark.parametrize("stage", LIVE)
def test_invariant_10_an_agent_that_cannot_work_costs_no_attempt_and_no_pause(stage):
    task = task_in(stage, attempts=2, cooldown_until=NOW + timedelta(minutes=5))
    after = follow(task, sample_event(e.AgentFaulted, task)).task
    assert (after.stage, after.attempts, after.cooldown_until) == (BACK_TO[stage], 1, None)
    assert after.told == task.told, "the next agent need not know"


@pytest.mark.parametrize("stage", LIVE)
def test_invariant_10_a_day_that_has_no_budget_left_counts_against_nobody(stage):
    task, tomorrow = task_in(stage, attempts=2), Hold(HoldKind.BUDGET, "the next day", NOW)
    run_id = task.run.id
    decision = follow(task, e.BudgetSpent(run_id, "usd_per_day: $9.00 of $9.00 used", tomorrow))
    assert (decision.task.stage, decision.task.attempts, decision.task.hold) == (BACK_TO[stage], 1, tomorrow)
    assert kinds(decision) == ["StopRun", "KeepResult", "ShowStage"]


def test_a_budget_that_is_used_up_ends_the_run_and_asks_a_person():
    decision = follow(task_in(Stage.WORKING), e.BudgetSpent("run-w", "usd_per_run: $1.20 of $1.00 used"))
    assert decision.task.blocked_why == "budget: usd_per_run: $1.20 of $1.00 used"
    assert kinds(decision) == ["StopRun", "KeepResult", "ShowStage", "PostComment"]


def test_a_person_who_says_go_on_grants_the_budget_once_more():
    task = task_in(
        Stage.BLOCKED, cost_usd=5.2, tokens=900, blocked_why="budget: usd_per_task: $5.20 of $5.00 used"
    )
    after = follow(task, e.CommandGiven(Command.RETRY)).task
    assert (after.granted_at_usd, after.granted_at_tokens) == (5.2, 900)
    assert (after.cost_usd, after.tokens) == (5.2, 900), "what was spent stays known"


@pytest.mark.parametrize("stage", LIVE)
@pytest.mark.parametrize("kind", [e.RunDied, e.RunStalled, e.RunTimedOut], ids=lambda kind: kind.__name__)
def test_a_run_that_fails_stays_counted_and_the_next_agent_is_told(stage, kind):
    task = task_in(stage, attempts=2, cooldown_until=NOW + timedelta(minutes=5))
    after = follow(task, sample_event(kind, task)).task
    assert (after.stage, after.attempts, after.run) == (BACK_TO[stage], 2, None)
    assert after.cooldown_until == NOW + timedelta(minutes=5), "the cooldown began at the dispatch"
    assert after.told[-1].startswith("The previous run")


@pytest.mark.parametrize(("stage", "role"), ROLE_OF.items())
def test_invariant_6_only_a_dispatch_uses_an_attempt_and_it_starts_the_cooldown(stage, role):
    run = LiveRun("run-x", role, "claude", HEAD, NOW)
    decision = follow(task_in(stage), e.Dispatched(run))
    assert decision.task.attempts == 1
    assert decision.task.cooldown_until == NOW + timedelta(minutes=30)
    assert [type(effect) for effect in decision.effects] == [Claim, StartRun]


@pytest.mark.parametrize("stage", ROLE_OF)
def test_invariant_6_whatever_happens_while_a_task_waits_its_attempts_do_not_grow(stage):
    waiting = task_in(stage, attempts=1)
    for kind in ALL_EVENTS:
        if kind is not e.Dispatched:
            assert decide(waiting, sample_event(kind, waiting), NOW).task.attempts <= 1, kind


# ---------------------------------------------------------------- any order of events

HEADS = st.sampled_from(["present", HEAD, NEXT, ALIEN])


@st.composite
def happenings(draw):
    """An event as a recipe: which kind (mostly one with a row), and how it differs from the one that fits the task."""
    return (
        draw(st.integers(0, 999)),
        draw(HEADS),
        draw(st.sampled_from(Command)),
        draw(st.sampled_from(Stage)),
        draw(st.booleans()),
        draw(st.sampled_from(["ShowStage", "PostComment", "Push", "OpenPull", "StartRun"])),
    )


def make_event(recipe: tuple, task: Task, number: int) -> e.Event:
    choice, head, command, stage, flag, effect = recipe
    fitting = [kind for kind in ALL_EVENTS if ROWS[task.stage, kind]]
    among = ALL_EVENTS if choice % 10 == 0 else fitting
    kind = among[choice // 10 % len(among)]
    event = sample_event(kind, task)
    fields = kind.__dataclass_fields__
    if "head" in fields and head != "present":
        event = replace(event, head=head)
    match event:
        case e.CommandGiven():
            return replace(event, command=command)
        case e.StageShown():
            return replace(event, stage=stage)
        case e.Rebased():
            return replace(event, same_patch=flag)
        case e.EffectRefused():
            return replace(event, effect=effect)
        case e.Mentioned():
            return e.Mentioned(Ask(number, BEN, NOW + timedelta(seconds=number)), "@shop-bot and now?")
        case e.Dispatched():
            role = ROLE_OF.get(task.stage, Role.WORKER)
            return e.Dispatched(LiveRun(f"run-{number}", role, "claude", task.head, NOW))
        case _:
            return event


def play(recipes: list[tuple]) -> list[tuple[Task, e.Event, Decision]]:
    """The whole sequence from a new task on."""
    task, steps = Task(key=KEY, repo="acme/shop", branch="bot/7-x", base="main"), []
    for number, recipe in enumerate(recipes):
        event = make_event(recipe, task, number)
        decision = decide(task, event, NOW)
        steps.append((task, event, decision))
        task = decision.task
    return steps


STORIES = st.lists(happenings(), min_size=5, max_size=40)


@settings(max_examples=120)
@given(recipes=STORIES)
def test_any_sequence_of_events_keeps_the_task_sound(recipes):
    for before, event, decision in play(recipes):
        task = decision.task
        assert task.attempts >= 0
        assert task.rounds >= before.rounds or task.rounds == 0
        assert (decision.verdict is Verdict.TAKEN) == (task.moves == before.moves + 1)
        assert decision.verdict is Verdict.TAKEN or task is before
        assert (task.run is None) or task.stage in LIVE, "a run without a live stage is forgotten"
        assert task.run is not None or task.stage not in set(LIVE) - {Stage.REVIEWING}, "nobody is at work"
        assert task.ask is not None or task.stage not in {Stage.ASKED, Stage.ANSWERING}, "nothing to answer"
        assert (
            task.stage is not Stage.BLOCKED
            or task.blocked_why
            or isinstance(event, e.StageShown)
            or before.stage is Stage.BLOCKED
        )
        assert task.checked_head in {"", task.head} or task.head, "a check belongs to a head"


@settings(max_examples=60)
@given(recipes=STORIES)
def test_invariant_1_a_run_that_is_let_go_ended_by_itself_or_is_stopped(recipes):
    for before, event, decision in play(recipes):
        run, after = before.run, decision.task.run
        if run is not None and (after is None or after.id != run.id):
            ended_by_itself = getattr(event, "run_id", "") == run.id or isinstance(event, e.RunVanished)
            is_stopped = any(
                isinstance(effect, StopRun) and effect.run_id == run.id for effect in decision.effects
            )
            assert ended_by_itself or is_stopped, f"{type(event).__name__} forgets {run.id}"


@settings(max_examples=60)
@given(recipes=STORIES)
def test_invariant_8_one_key_is_never_two_effects(recipes):
    by_key: dict[str, Effect] = {}
    for _, _, decision in play(recipes):
        for effect in decision.effects:
            assert by_key.setdefault(effect.key, effect) == effect
    started = [effect for effect in by_key.values() if isinstance(effect, StartRun)]
    assert len({effect.run.id for effect in started}) == len(started)


@settings(max_examples=60)
@given(recipes=STORIES)
def test_invariant_4_merge_ready_is_reached_approved_and_checked_or_by_a_persons_label(recipes):
    for before, event, decision in play(recipes):
        task = decision.task
        if task.stage is Stage.MERGE_READY and before.stage is not Stage.MERGE_READY:
            assert (
                isinstance(event, e.StageShown) or task.head == task.approved_head == task.checked_head != ""
            )


@settings(max_examples=30)
@given(recipes=STORIES)
def test_deciding_is_pure(recipes):
    for before, event, decision in play(recipes):
        untouched = copy.deepcopy(before)
        assert decide(before, event, NOW) == decision
        assert before == untouched


@settings(max_examples=30)
@given(recipes=STORIES)
def test_invariant_7_nothing_is_written_before_an_allowed_person_asked(recipes):
    asks = (
        e.Labelled,
        e.Mentioned,
        e.AssignedByPerson,
        e.ReviewRequested,
        e.Triggered,
        e.CommandGiven,
        e.StageShown,
        e.StagesContradicted,
    )
    for before, event, decision in play(recipes):
        if before.stage is Stage.NEW and not isinstance(event, asks):
            assert decision.effects == ()
            assert decision.task.stage is Stage.NEW


def test_invariant_2_a_task_with_a_pull_request_never_opens_another():
    task = task_in(Stage.WORKING, pull=PULL, head=HEAD)
    decision = follow(task, e.CheckPassed(NEXT, run_id="run-w"))
    assert "OpenPull" not in [type(effect).__name__ for effect in decision.effects]


@pytest.mark.parametrize("event", [e.EffectRefused("Rebase", "no"), e.StagesContradicted(("a", "b"), BEN)])
def test_invariant_8_what_stays_on_the_forge_has_a_key_that_no_other_journal_makes(event):
    """Deleted and begun again, or a second dispatcher's: both count their decisions from the start."""
    first, again = (
        decide(task_in(Stage.NEEDS_REVIEW, moves=3), event, at).effects[-1]
        for at in (NOW, NOW + timedelta(seconds=1))
    )
    assert isinstance(first, PostComment)
    assert first.key != again.key
    opened = [
        effect.key
        for at in (NOW, NOW + timedelta(seconds=1))
        for effect in decide(task_in(Stage.WORKING), e.CheckPassed(NEXT, run_id="run-w"), at).effects
        if isinstance(effect, OpenPull)
    ]
    assert len(set(opened)) == 2


def test_a_refused_effect_may_name_the_cause_that_a_person_can_mend():
    event = e.EffectRefused("Harvest", "`frob` is not installed", str(BlockCause.CHECK_ABSENT))
    after = decide(task_in(Stage.WORKING), event, NOW).task
    assert parse_why(after.blocked_why) == (BlockCause.CHECK_ABSENT, "`frob` is not installed")


@pytest.mark.parametrize(("pull", "stage"), [(None, Stage.QUEUED), (PULL, Stage.NEEDS_REVIEW)])
def test_retry_on_an_item_that_was_never_asked_for_asks_for_it(pull, stage):
    """It went unanswered: whoever may ask and writes `@bot retry` wants work, label or not."""
    decision = decide(task_in(Stage.NEW, pull=pull), e.CommandGiven(Command.RETRY, BEN), NOW)
    assert (decision.task.stage, decision.task.requester) == (stage, BEN)
