"""Agents that cannot work: put on hold, asked about once, and let back when a person says so."""

from collections.abc import Sequence
from dataclasses import replace

from dispatcher.core.agents import AgentHold, candidates, choose_agent, hold_after
from dispatcher.core.causes import BlockCause
from dispatcher.core.events import AgentFaulted, LimitReached
from dispatcher.core.faults import Fault, FaultKind
from dispatcher.core.model import Hold, Task
from dispatcher.core.policy import is_blocked_for_agents
from dispatcher.engine.desk import Desk
from dispatcher.engine.ledger import touch_waiting_for_agents
from dispatcher.ports import RunRecord


def load_holds(desk: Desk) -> dict[str, AgentHold]:
    """The holds by the agents' names; those included that are over."""
    return {hold.agent: hold for hold in desk.journal.load_agent_holds()}


def was_on_hold(desk: Desk, agent: str) -> bool:
    """Whether the agent had a hold that is over: a run that ends well now makes the next pause a short one again."""
    hold = load_holds(desk).get(agent)
    return hold is not None and not hold.holds_at(desk.clock.now())


def fault_event(desk: Desk, record: RunRecord, task: Task, fault: Fault) -> tuple[AgentFaulted, AgentHold]:
    """What a fault means: the agent's hold, and whether the task must wait for an agent now."""
    now, holds, agent = desk.clock.now(), load_holds(desk), record.run.agent
    hold = hold_after(fault, agent, holds.get(agent), now)
    repo = desk.repo_of(task)
    names = candidates(task, record.run.role, repo.rules, desk.settings.agents) if repo else (agent,)
    left = choose_agent(names, {**holds, agent: hold}, now)
    return AgentFaulted(record.run.id, agent, fault, left if isinstance(left, Hold) else None), hold


def ask_about(
    desk: Desk, task: Task, names: Sequence[str]
) -> tuple[LimitReached, tuple[AgentHold, ...]] | None:
    """What makes this task the one on which a person is asked to mend the agents; None when one is asked already."""
    known = load_holds(desk)
    holds = tuple(known[name] for name in names if name in known)
    asked = [desk.journal.load_task(hold.asked_on) for hold in holds if hold.asked_on]
    if any(is_blocked_for_agents(other) for other in asked if other):
        return None
    why = "\n".join(map(str, holds)) or "no agent is configured for it"
    return LimitReached(BlockCause.NO_AGENT, why), tuple(replace(hold, asked_on=task.key) for hold in holds)


def free_agents(desk: Desk, names: Sequence[str]) -> None:
    """Let agents work again, and look at the tasks that wait for one."""
    desk.journal.free_agents(names)
    touch_waiting_for_agents(desk)


def free_after_edit(desk: Desk) -> None:
    """The configuration was edited, or may have been while nobody worked: what was wrong with an agent's settings may be mended."""
    names = [hold.agent for hold in desk.journal.load_agent_holds() if hold.kind is FaultKind.SETTINGS]
    if names:
        free_agents(desk, names)
