"""Who may ask, who is next, and every named reason to wait, with what ends it."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.core.causes import BlockCause
from dispatcher.core.model import Ask, Hold, HoldKind, ItemKey, LiveRun, Permission, Person, Role, Stage, Task
from dispatcher.core.policy import (
    ROLE_OF,
    LiveCount,
    Situation,
    choose_next,
    claim_covers_run,
    claim_lasts,
    is_named,
    limit_reached,
    may_ask,
    teams_of,
    wall_limit_s,
    why_no_slot,
    why_waiting,
)
from dispatcher.core.rules import Caps, Limits, RepoRules
from tests.core.situations import ALIEN, ANNA, BEN, BOT, EARLIER, KEY, NOW, approved, task_in

SHOP = RepoRules(
    "shop",
    "acme",
    "shop",
    agents=tuple((role, ("claude", "codex")) for role in ("worker", "reviewer", "responder")),
)
CALM = Situation(Caps(), {"acme/shop": SHOP}, BOT)
SOON = NOW + timedelta(minutes=5)


# ---------------------------------------------------------------- who may ask


@pytest.mark.parametrize(
    ("person", "users", "bots", "named"),
    [
        (Person(1, "Anna"), ("anna", "@acme/core"), (), True),
        (Person(1, "anna"), ("ben",), ("anna",), False),
        (Person(7, "helper[bot]", is_bot=True), (), ("Helper",), True),
        (Person(7, "helper[bot]", is_bot=True), ("helper",), (), False),
    ],
)
def test_people_and_bots_are_named_in_lists_of_their_own(person, users, bots, named):
    assert is_named(person, replace(SHOP, allowed_users=users, allowed_bots=bots)) is named


@pytest.mark.parametrize(("permission", "may"), [(p, p.allows_write) for p in Permission])
def test_with_nobody_listed_write_access_decides(permission, may):
    assert may_ask(ANNA, SHOP, permission, frozenset(), BOT) is may


@pytest.mark.parametrize(
    ("person", "teams", "may"),
    [
        (ANNA, frozenset(), True),
        (Person(1, "ANNA"), frozenset(), True),
        (BEN, frozenset(), False),
        (BEN, frozenset({"@acme/core"}), True),
        (BEN, frozenset({"@acme/guests"}), False),
    ],
)
def test_with_people_listed_only_they_and_their_teams_may_ask(person, teams, may):
    rules = replace(SHOP, allowed_users=("Anna", "@Acme/Core"))
    assert may_ask(person, rules, Permission.ADMIN, teams, BOT) is may


def test_only_teams_are_looked_up_as_teams():
    assert teams_of(replace(SHOP, allowed_users=("anna", "@acme/core"))) == ("@acme/core",)


def test_the_bot_never_asks_itself_and_other_bots_only_when_named():
    helper = Person(50, "Helper[bot]", is_bot=True)
    rules = replace(SHOP, allowed_bots=("helper[bot]", "shop-bot"))
    assert not may_ask(BOT, rules, Permission.ADMIN, frozenset(), BOT)
    assert may_ask(helper, rules, Permission.NONE, frozenset(), BOT)
    assert not may_ask(helper, SHOP, Permission.ADMIN, frozenset(), BOT)


# ---------------------------------------------------------------- reasons to wait


def live(count: int = 1, repo: str = "acme/other", role: Role = Role.WORKER) -> tuple[LiveCount, ...]:
    return tuple(LiveCount(f"{repo}#{number}", repo, role) for number in range(count))


QUEUED = task_in(Stage.QUEUED)
QUOTA = Hold(HoldKind.QUOTA, "the quota coming back", SOON)


@pytest.mark.parametrize(
    ("task", "situation", "kind", "ends_with", "until"),
    [
        (task_in(Stage.DONE), {}, HoldKind.OVER, "a new label", None),
        (task_in(Stage.NEW), {}, HoldKind.OVER, "mention", None),
        (task_in(Stage.BLOCKED), {}, HoldKind.PERSONS_TURN, "a person", None),
        (task_in(Stage.MERGE_READY), {}, HoldKind.PERSONS_TURN, "a person", None),
        (
            QUEUED,
            {"live": (LiveCount(str(KEY), "acme/shop", Role.WORKER),)},
            HoldKind.RUNNING,
            "the run",
            None,
        ),
        (QUEUED, {"in_flight": frozenset({str(KEY)})}, HoldKind.EFFECTS_PENDING, "carried out", None),
        (approved(look_again_at=SOON), {}, HoldKind.WAITS_FOR_CI, "CI", SOON),
        (task_in(Stage.WORKING), {}, HoldKind.RUNNING, "the run", None),
        (task_in(Stage.REVIEWING), {}, HoldKind.RUNNING, "the run", None),
        (task_in(Stage.BLOCKED, has_two_stages=True), {}, HoldKind.TWO_STAGE_LABELS, "removed", None),
        (approved(has_two_stages=True), {}, HoldKind.TWO_STAGE_LABELS, "removed", None),
        (QUEUED, {"troubles": {"acme/shop": "it is archived"}}, HoldKind.REPO_UNUSABLE, "archived", None),
        (replace(QUEUED, is_open=False), {}, HoldKind.ITEM_CLOSED, "reopened", None),
        (replace(QUEUED, has_two_stages=True), {}, HoldKind.TWO_STAGE_LABELS, "removed", None),
        (replace(QUEUED, assignees=(BOT, BEN)), {}, HoldKind.ASSIGNED_TO_PERSON, "@ben", None),
        (replace(QUEUED, blocked_by=2), {}, HoldKind.BLOCKED_BY_ISSUES, "2 blocking", None),
        (replace(QUEUED, claimed_elsewhere_until=SOON), {}, HoldKind.CLAIMED_ELSEWHERE, "claim", SOON),
        (replace(QUEUED, cooldown_until=SOON), {}, HoldKind.COOLDOWN, "cooldown", SOON),
        (QUEUED, {"is_draining": True}, HoldKind.DRAINING, "started again", None),
        (QUEUED, {"quota": QUOTA}, HoldKind.QUOTA, "coming back", SOON),
        (QUEUED, {"live": live(10)}, HoldKind.CAP, "one of 10 runs ending", None),
        (QUEUED, {"dispatched_last_hour": 60}, HoldKind.RUNS_PER_HOUR, "60", NOW + timedelta(minutes=1)),
        (QUEUED, {"last_dispatch_at": NOW}, HoldKind.BATCH_PAUSE, "pause", NOW + timedelta(seconds=30)),
    ],
)
def test_every_reason_to_wait_has_a_name_and_an_end(task, situation, kind, ends_with, until):
    hold = why_waiting(task, replace(CALM, **situation), NOW)
    assert hold is not None
    assert (hold.kind, hold.until) == (kind, until)
    assert ends_with in hold.ends_with


@pytest.mark.parametrize("stage", ROLE_OF)
def test_nothing_in_the_way_means_go(stage):
    assert why_waiting(task_in(stage), CALM, NOW) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"assignees": (BOT,)},
        {"cooldown_until": NOW},
        {"claimed_elsewhere_until": NOW},
        {"claimed_elsewhere_until": EARLIER},
    ],
)
def test_what_has_ended_holds_nothing_up(changes):
    assert why_waiting(replace(QUEUED, **changes), CALM, NOW) is None


def test_a_question_is_answered_whoever_has_the_item():
    assert why_waiting(task_in(Stage.ASKED, assignees=(BEN,)), CALM, NOW) is None


def test_only_new_work_waits_for_blocking_issues():
    assert why_waiting(task_in(Stage.NEEDS_REWORK, blocked_by=2), CALM, NOW) is None


def test_invariant_5_a_repository_and_a_role_have_caps_of_their_own():
    rules = {"acme/shop": replace(SHOP, live_runs=2)}
    busy_repo = replace(CALM, rules=rules, live=live(2, "acme/shop"))
    hold = why_no_slot(QUEUED, busy_repo, NOW)
    assert hold == Hold(HoldKind.CAP, "one of 2 runs in acme/shop ending")
    busy_role = replace(CALM, caps=Caps(per_role=(("worker", 1),)), live=live(1))
    assert why_no_slot(QUEUED, busy_role, NOW) == Hold(HoldKind.CAP, "one of 1 worker runs ending")
    assert why_no_slot(task_in(Stage.NEEDS_REVIEW), busy_role, NOW) is None
    roomy = replace(CALM, caps=Caps(per_role=(("worker", 2),)), live=live(1))
    assert why_no_slot(QUEUED, roomy, NOW) is None


def test_a_pause_that_is_over_holds_nobody():
    assert why_no_slot(QUEUED, replace(CALM, last_dispatch_at=NOW - timedelta(seconds=30)), NOW) is None


# ---------------------------------------------------------------- who is next


def waiting(number: int, repo: str = "acme/shop", stage: Stage = Stage.QUEUED, **changes: object) -> Task:
    key = ItemKey(sum(map(ord, repo)), number)
    return replace(task_in(stage), key=key, repo=repo, **changes)


def test_nobody_ready_nobody_chosen():
    assert choose_next((), CALM) is None


def test_what_is_begun_is_finished_first_then_who_waited_longest():
    young = waiting(1, step_started_at=NOW)
    old = waiting(2, step_started_at=EARLIER)
    begun = waiting(3, stage=Stage.NEEDS_REVIEW, step_started_at=NOW)
    assert choose_next((young, old, begun), CALM) == begun
    assert choose_next((young, old), CALM) == old
    assert choose_next((young, replace(old, step_started_at=None)), CALM).key.number == 2


def test_a_question_waits_since_it_was_asked():
    begun = waiting(3, stage=Stage.NEEDS_REVIEW, step_started_at=EARLIER)
    asked = waiting(4, stage=Stage.ASKED, ask=Ask(1, ANNA, NOW), step_started_at=None)
    assert choose_next((begun, asked), CALM) == begun
    nobody_knows_since_when = replace(asked, ask=None)
    assert choose_next((begun, nobody_knows_since_when), CALM) == nobody_knows_since_when


def test_other_work_waits_since_its_step_began_whatever_was_said_meanwhile():
    mentioned = waiting(3, step_started_at=EARLIER, ask=Ask(1, ANNA, NOW))
    younger = waiting(4, step_started_at=EARLIER + timedelta(minutes=1))
    assert choose_next((younger, mentioned), CALM) == mentioned


def fill(ready: list[Task], situation: Situation) -> list[Task]:
    """Give out slots as the engine does, until there is none or nobody wants one."""
    chosen: list[Task] = []
    while going := [task for task in ready if why_no_slot(task, situation, NOW) is None]:
        task = choose_next(going, situation)
        assert task is not None
        chosen.append(task)
        ready = [other for other in ready if other is not task]
        count = LiveCount(str(task.key), task.repo, ROLE_OF[task.stage])
        situation = replace(situation, live=(*situation.live, count))
    return chosen


REPOS = ("acme/shop", "acme/bakery", "acme/cellar")
CROWD = st.lists(
    st.tuples(st.sampled_from(REPOS), st.sampled_from(sorted(ROLE_OF)), st.integers(0, 600)), max_size=25
)


@given(crowd=CROWD, slots=st.integers(0, 12))
def test_invariant_5_slots_are_shared_fairly_between_repositories(crowd, slots):
    """Nobody starves: while a repository still waits, no other has two runs more than it."""
    tasks = [
        waiting(number, repo, stage, step_started_at=NOW - timedelta(seconds=age))
        for number, (repo, stage, age) in enumerate(crowd)
    ]
    chosen = fill(tasks, replace(CALM, caps=Caps(live_runs=slots)))
    assert len(chosen) == min(slots, len(tasks))
    got = {repo: sum(task.repo == repo for task in chosen) for repo in REPOS}
    still_waiting = {task.repo for task in tasks if task not in chosen}
    for repo in still_waiting:
        assert got[repo] >= max(got.values()) - 1


@given(arrivals=st.integers(0, 20), older=st.integers(0, 10))
def test_with_one_slot_a_steady_stream_of_new_work_elsewhere_does_not_starve_a_repository(arrivals, older):
    one_slot = replace(CALM, caps=Caps(live_runs=1))
    ready = [waiting(n, step_started_at=NOW - timedelta(hours=2)) for n in range(older)]
    lonely = waiting(99, "acme/bakery", step_started_at=NOW - timedelta(hours=1))
    ready.append(lonely)
    for turn in range(older + 1):
        ready += [waiting(100 + 30 * turn + n, step_started_at=NOW) for n in range(arrivals)]
        (chosen,) = fill(ready, one_slot)
        ready.remove(chosen)
        if chosen is lonely:
            return
    pytest.fail("it never got its turn")


@given(crowd=CROWD)
def test_the_choice_does_not_depend_on_the_order(crowd):
    tasks = [
        waiting(number, repo, stage, step_started_at=NOW - timedelta(seconds=age))
        for number, (repo, stage, age) in enumerate(crowd)
    ]
    assert choose_next(tasks, CALM) == choose_next(reversed(tasks), CALM)


# ---------------------------------------------------------------- limits


@pytest.mark.parametrize(
    ("task", "cause"),
    [
        (task_in(Stage.QUEUED), None),
        (task_in(Stage.QUEUED, attempts=2), None),
        (task_in(Stage.QUEUED, attempts=3), BlockCause.ATTEMPTS),
        (task_in(Stage.ASKED, attempts=3), BlockCause.ATTEMPTS),
        (task_in(Stage.NEEDS_REWORK, rounds=4), None),
        (task_in(Stage.NEEDS_REWORK, rounds=5), BlockCause.ROUNDS),
        (task_in(Stage.NEEDS_REVIEW, rounds=5), None),
        (task_in(Stage.NEEDS_REWORK, can_push=False), BlockCause.FORK),
        (task_in(Stage.NEEDS_REVIEW, can_push=False), None),
        (task_in(Stage.QUEUED, same_check_failures=3, attempts=3), BlockCause.SAME_CHECK_FAILURE),
    ],
)
def test_limits_turn_a_task_into_a_persons_turn(task, cause):
    reached = limit_reached(task)
    assert (reached.cause if reached else None) == cause


def test_limits_are_those_of_the_configuration():
    assert limit_reached(task_in(Stage.QUEUED, attempts=1, limits=Limits(attempts=1))) is not None


def test_every_role_has_its_time():
    task = task_in(Stage.QUEUED, limits=Limits(worker_s=3, reviewer_s=2, responder_s=1), head=ALIEN)
    assert [wall_limit_s(role, task) for role in (Role.WORKER, Role.REVIEWER, Role.RESPONDER)] == [3, 2, 1]


@pytest.mark.parametrize(
    ("late", "covers"),
    [
        (timedelta(minutes=59), True),
        (timedelta(hours=1), True),
        (timedelta(minutes=61), False),
        (timedelta(hours=9), False),
    ],
)
def test_invariant_1_a_run_starts_only_while_its_claim_lasts_until_its_end(late, covers):
    """A start that an outage held up for hours found the item claimed, and at work, by another machine."""
    task = task_in(Stage.WORKING)
    run = LiveRun("r", Role.WORKER, "scripted", "", NOW)
    assert claim_covers_run(run, task, NOW + late) is covers


def test_a_claim_is_never_shorter_than_the_runs_that_it_is_for():
    long_runs = replace(task_in(Stage.WORKING), limits=Limits(worker_s=36_000))
    assert claim_lasts(Role.WORKER, long_runs) == timedelta(hours=20)
    assert claim_lasts(Role.REVIEWER, long_runs) == timedelta(hours=2)
