"""Nothing runs away: left alone by people, a task comes to its end after a bounded number of paid runs."""

from hypothesis import given, settings
from hypothesis import strategies as st

from dispatcher.core import events as e
from dispatcher.core.machine import decide
from dispatcher.core.model import LiveRun, Role, Stage, Task
from dispatcher.core.policy import ROLE_OF, limit_reached
from tests.core.situations import NOW, task_in

MOST_RUNS = 36
"""Five rounds and a last one, each with at most three attempts of a worker and three of a reviewer."""

FATES = st.lists(st.integers(0, 9), min_size=400, max_size=400)


def what_happens(task: Task, fate: int, number: int) -> e.Event:
    """The next thing that agents, CI or git do. People are away; `fate` chooses how it goes."""
    run, head = task.run, task.head
    if run is None:
        return (e.GatesPassed(head), e.CiTurnedRed(head, "unit"), e.RebaseFailed(head, "shop.py"))[fate % 3]
    failed = (e.RunDied(run.id, "signal 9"), e.RunTimedOut(run.id, 3600), e.RunStalled(run.id, 600))
    if run.role is Role.REVIEWER:
        verdicts = (e.ReviewApproved(run.id, head, "good"), e.ReviewRejected(run.id, head, "no"))
        return (*verdicts, *verdicts, *failed)[fate % 7]
    commit = f"{number:040x}"
    checked = (
        e.CheckPassed(commit, run_id=run.id),
        e.CheckFailed(commit, "1 failed", f"failure {number}", run.id),
        e.NothingNew(run.id),
    )
    return (*checked, checked[0], checked[0], *failed, e.OutcomeMalformed(run.id, "not JSON"))[fate % 9]


def live_alone(fates: list[int]) -> tuple[Task, int]:
    """The task when a person is needed, and how many runs were started and paid until then."""
    task, runs = task_in(Stage.QUEUED), 0
    for number, fate in enumerate(fates, start=1):
        if task.stage in {Stage.BLOCKED, Stage.MERGE_READY}:
            break
        event: e.Event
        if task.stage not in ROLE_OF or (task.stage is Stage.NEEDS_REVIEW and fate == 9):
            event = what_happens(task, fate, number)
        elif reached := limit_reached(task):
            event = reached
        else:
            runs += 1
            event = e.Dispatched(LiveRun(f"run-{number}", ROLE_OF[task.stage], "claude", task.head, NOW))
        task = decide(task, event, NOW).task
        if task.stage is Stage.NEEDS_REVIEW and task.pull is None:
            task = decide(task, e.PullOpened(8, task.head), NOW).task
    return task, runs


@settings(max_examples=60)
@given(fates=FATES)
def test_whatever_goes_wrong_a_person_is_asked_before_the_money_is_gone(fates):
    task, runs = live_alone(fates)
    assert task.stage in {Stage.BLOCKED, Stage.MERGE_READY}
    assert runs <= MOST_RUNS


def test_a_ci_that_is_red_after_every_approval_ends_with_the_rounds():
    """Worker delivers, reviewer approves, CI is red: again and again."""
    delivers, approves, red = 0, 0, 1
    task, runs = live_alone([0, delivers, 0, approves, red] * 80)
    assert task.stage is Stage.BLOCKED
    assert task.blocked_why == "rounds: 5 of 5 rounds used"
    assert runs == 10
