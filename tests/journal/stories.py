"""What the journal's tests tell about: two shops, their issues, and decisions on them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from dispatcher.core.effects import Claim, Effect, ShowStage, StartRun
from dispatcher.core.events import Dispatched, Event, Labelled
from dispatcher.core.model import ItemKey, LiveRun, Person, Role, Stage, Task
from dispatcher.ports import Decided

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SHOP, DEPOT = 11, 22
ANNA = Person(id=1, login="anna")


def later(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def a_task(number: int = 7, repo_id: int = SHOP, **facts: object) -> Task:
    name = {SHOP: "acme/shop", DEPOT: "acme/depot"}[repo_id]
    return replace(Task(key=ItemKey(repo_id, number), repo=name, stage=Stage.QUEUED), **facts)  # type: ignore[arg-type]


def a_run(run_id: str = "run-1", at: datetime = NOON, **facts: object) -> LiveRun:
    run = LiveRun(id=run_id, role=Role.WORKER, agent="scripted", head="", dispatched_at=at)
    return replace(run, **facts)  # type: ignore[arg-type]


def decided(
    task: Task,
    *effects: Effect,
    event: Event | None = None,
    before: Stage = Stage.NEW,
    at: datetime = NOON,
    run_ended: str = "",
) -> Decided:
    return Decided(
        task=task,
        stage_before=before,
        event=event or Labelled(by=ANNA),
        verdict="moved",
        reason="anna asked for it",
        effects=effects,
        at=at,
        run_ended=run_ended,
    )


def dispatched(task: Task, run: LiveRun, *, at: datetime = NOON) -> Decided:
    """The decision that reserves a run, with the two effects that follow from it."""
    working = replace(task, stage=Stage.WORKING, run=run, attempts=task.attempts + 1)
    claim = Claim(key=f"{task.key}/{run.id}/claim", item=task.key, run=run)
    start = StartRun(key=f"{task.key}/{run.id}/start", run=run)
    return decided(working, claim, start, event=Dispatched(run=run), before=task.stage, at=at)


def shown(task: Task, cause: str) -> ShowStage:
    return ShowStage(key=f"{task.key}/{cause}/show", stage=task.stage)
