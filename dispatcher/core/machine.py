"""Decides what an event means for a task, with `transitions` over the table. Pure: no I/O, no clock."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from functools import cache

from transitions import EventData, Machine

from dispatcher.core.effects import Effect
from dispatcher.core.events import Event
from dispatcher.core.guards import Guard
from dispatcher.core.model import Stage, Task
from dispatcher.core.table import IGNORED, REFUSED, TABLE, Row


class Verdict(StrEnum):
    """What became of an event."""

    TAKEN = "taken"
    IGNORED = "ignored"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Decision:
    """What an event means: the task afterwards, the effects to perform in order, and why."""

    task: Task
    verdict: Verdict
    reason: str
    effects: tuple[Effect, ...] = ()


class _Model:
    """The throw-away model of one decision; `transitions` moves its state and notes the row that was taken."""

    def __init__(self, task: Task, event: Event) -> None:
        self.state = task.stage
        self.task = task
        self.event = event
        self.row: Row | None = None


def decide(task: Task, event: Event, now: datetime) -> Decision:
    """Say what `event` means for `task` at `now`. Never raises for an event in a wrong place: it is ignored or refused."""
    if stale := _why_stale(task, event):
        return Decision(task, Verdict.IGNORED, stale)
    row = _choose_row(task, event)
    if row is None:
        return _without_row(task, event)
    after = replace(row.change(task, event, now), stage=row.dest, moves=task.moves + 1)
    effects = tuple(effect for react in row.then for effect in react(task, after, event))
    return Decision(after, Verdict.TAKEN, _describe(row), effects)


def _why_stale(task: Task, event: Event) -> str:
    """Events of a run that the task no longer waits for mean nothing: the run was superseded."""
    run_id = getattr(event, "run_id", "")
    if not run_id or (task.run is not None and task.run.id == run_id):
        return ""
    return f"the task does not wait for run {run_id}"


def _choose_row(task: Task, event: Event) -> Row | None:
    model = _Model(task, event)
    machine = _machine()
    trigger = type(event).__name__
    if trigger not in machine.get_triggers(task.stage):
        return None
    machine.add_model(model, initial=task.stage)
    try:
        machine.events[trigger].trigger(model)
    finally:
        machine.remove_model(model)
    return model.row


def _without_row(task: Task, event: Event) -> Decision:
    kind = type(event)
    if kind in IGNORED:
        return Decision(task, Verdict.IGNORED, IGNORED[kind])
    return Decision(task, Verdict.REFUSED, f"{kind.__name__} in stage {task.stage}: {REFUSED[kind]}")


def _describe(row: Row) -> str:
    """The reason that `explain` and the journal keep."""
    guard = f" ({(row.when.__doc__ or '').strip().splitlines()[0].rstrip('.')})" if row.when else ""
    return f"{row.event.__name__}: {row.source} -> {row.dest}{guard}"


@cache
def _machine() -> Machine:
    """The one machine; it has no model of its own, so that it can serve every decision."""
    machine = Machine(
        model=None, states=Stage, initial=Stage.NEW, auto_transitions=False, queued=False, send_event=True
    )
    for row in TABLE:
        conditions: list[str | Callable[..., bool | None]] | None = [_guard(row.when)] if row.when else None
        machine.add_transition(row.event.__name__, row.source, row.dest, conditions, before=[_noting(row)])
    return machine


def _guard(when: Guard) -> Callable[[EventData], bool]:
    def holds(data: EventData) -> bool:
        model = data.model
        return isinstance(model, _Model) and when(model.task, model.event)

    return holds


def _noting(row: Row) -> Callable[[EventData], None]:
    def note(data: EventData) -> None:
        assert isinstance(data.model, _Model)
        data.model.row = row

    return note
