"""Event in, decision out, committed. The only caller of the machine."""

import logging
from dataclasses import dataclass, replace

from dispatcher.core.agents import AgentHold, candidates
from dispatcher.core.effects import CheckHead, Harvest, StopRun
from dispatcher.core.events import (
    CommandGiven,
    Event,
    Labelled,
    Mentioned,
    PersonApproved,
    ReviewRequested,
    Triggered,
)
from dispatcher.core.machine import Decision, Verdict, decide
from dispatcher.core.model import HoldKind, LiveRun, Task
from dispatcher.core.policy import ROLE_OF, says_agents_work
from dispatcher.engine.desk import Desk
from dispatcher.ports import Decided

TOLD_ONCE = (Labelled, Mentioned, CommandGiven, Triggered, ReviewRequested, PersonApproved)
"""Events that a person would ask about: recorded even when they change nothing. What is seen on every look is not."""

READ_ONLY = (Harvest, CheckHead)
"""Effects that write nothing outside: while they are under way the item can be looked at as usual."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Closing:
    """What is over with an event: a run, the effect whose result it is, or everything that the task still had to do.

    And what it means for agents: who goes on hold, who comes back.
    """

    run_ended: str = ""
    effect_done: int | None = None
    cancels_pending: bool = False
    agents_held: tuple[AgentHold, ...] = ()
    agents_freed: tuple[str, ...] = ()


NOTHING_CLOSES = Closing()


def apply(desk: Desk, task: Task, event: Event, closing: Closing = NOTHING_CLOSES) -> Task:
    """Decide what the event means and commit it: task, decision, effects and runs in one transaction."""
    now = desk.clock.now()
    decision = decide(with_limits(desk, task), event, now)
    freed = closing.agents_freed or _freed_by_person(desk, task, decision.task, event)
    is_idle_talk = decision.verdict is Verdict.IGNORED and not isinstance(event, TOLD_ONCE)
    if is_idle_talk and closing == NOTHING_CLOSES:
        return task
    decided = Decided(
        task=decision.task,
        stage_before=task.stage,
        event=event,
        verdict=decision.verdict,
        reason=decision.reason,
        effects=decision.effects,
        at=now,
        run_ended=closing.run_ended,
        run_reserved=_newly_reserved(task, decision),
        cancels_pending=closing.cancels_pending or any(isinstance(e, StopRun) for e in decision.effects),
        effect_done=closing.effect_done,
        agents_held=closing.agents_held,
        agents_freed=freed,
    )
    desk.journal.commit(decided)
    desk.agenda.touch(task.key)
    if freed:
        touch_waiting_for_agents(desk)
    if decision.effects:
        desk.in_flight.add(str(task.key))
    if any(not isinstance(effect, READ_ONLY) for effect in decision.effects):
        desk.writes_in_flight.add(str(task.key))
    log.info("decided task=%s %s verdict=%s", task.name, decision.reason, decision.verdict)
    return decision.task


def _freed_by_person(desk: Desk, before: Task, after: Task, event: Event) -> tuple[str, ...]:
    """The agents that a person takes to be able to work again, by what they did on this task."""
    repo, role = desk.repo_of(before), ROLE_OF.get(after.stage)
    if repo is None or role is None or not says_agents_work(before, event):
        return ()
    return candidates(after, role, repo.rules, desk.settings.agents)


def touch_waiting_for_agents(desk: Desk) -> None:
    """Look again at every task that waits for an agent: one may be able to work again."""
    for task in desk.journal.load_tasks():
        if task.hold and task.hold.kind is HoldKind.AGENTS_ON_HOLD:
            desk.agenda.touch(task.key)


def _newly_reserved(before: Task, decision: Decision) -> LiveRun | None:
    after = decision.task.run
    is_new = after is not None and (before.run is None or before.run.id != after.id)
    return after if is_new else None


def with_limits(desk: Desk, task: Task) -> Task:
    """The task under the limits of the configuration as it is now, not as it was when the task was stored."""
    repo = desk.repo_of(task)
    return replace(task, limits=repo.rules.limits) if repo else task
