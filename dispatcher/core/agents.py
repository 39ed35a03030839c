"""Which agent takes a run, and what becomes of one that could not work: a name to go with, or a hold with its end."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from dispatcher.core.faults import Fault, FaultKind
from dispatcher.core.model import Hold, HoldKind, ItemKey, Role, Task
from dispatcher.core.rules import AgentConfig, RepoRules

AGENT_LABEL: Final = "agent:"
"""A label that begins so names the agent that a person wants for the item."""

_PAUSES: Final = {
    FaultKind.QUOTA: (timedelta(minutes=30), timedelta(hours=6)),
    FaultKind.RATE_LIMIT: (timedelta(minutes=2), timedelta(hours=1)),
    FaultKind.OVERLOAD: (timedelta(minutes=2), timedelta(hours=1)),
    FaultKind.CRASH: (timedelta(minutes=5), timedelta(hours=1)),
}
"""The first pause after a fault that waiting may cure, and the longest; each pause is twice the one before."""

_MOST_FAULTS: Final = {FaultKind.CRASH: 3}
_MOST_FAULTS_USUALLY: Final = 8
"""So many faults in a row without a reset time, and waiting is no cure: a person must look."""

_LEAST_PAUSE: Final = timedelta(minutes=1)
"""A reset time that is over already, or about to be, is not believed at once."""

_VENDOR_OF_KIND: Final = {"claude": "anthropic", "codex": "openai", "gemini": "google"}
_VENDOR_OF_MODEL: Final = (
    ("claude", "anthropic"),
    ("gpt", "openai"),
    ("o1", "openai"),
    ("o3", "openai"),
    ("o4", "openai"),
    ("gemini", "google"),
)
"""How the names of well-known models begin."""


@dataclass(frozen=True, slots=True)
class AgentHold:
    """An agent that gets no runs for now. `until` None: until a person acts. `times` counts the faults in a row.

    It is kept when it is over, until a run of the agent ends well: so that the next pause is longer. `asked_on` is the task on
    which a person was asked to mend it.
    """

    agent: str
    kind: FaultKind
    why: str
    since: datetime
    until: datetime | None = None
    times: int = 1
    asked_on: ItemKey | None = None

    def __str__(self) -> str:
        return self.why if self.why.startswith(f"{self.agent}:") else f"{self.agent}: {self.why}"

    def holds_at(self, now: datetime) -> bool:
        """Whether the agent gets no run now."""
        return self.until is None or self.until > now


# ---------------------------------------------------------------- who is tried


def candidates(
    task: Task, role: Role, rules: RepoRules, agents: Mapping[str, AgentConfig]
) -> tuple[str, ...]:
    """The agents that may take the run, in the order in which they are tried.

    The label's wish comes first, if there is such an agent; except for a reviewer: that one is better of another vendor
    than who wrote the code.
    """
    listed = rules.agents_for(role)
    if role is Role.REVIEWER:
        author = agents.get(task.worked_by)
        same = {
            name for name in listed if author and name in agents and _are_of_one_vendor(agents[name], author)
        }
        return tuple(sorted(listed, key=lambda name: name in same))
    wish = (task.agent_wish,) if task.agent_wish in agents else ()
    return tuple(dict.fromkeys((*wish, *listed)))


def with_own_table(agents: Mapping[str, AgentConfig]) -> tuple[str, ...]:
    """Those that a table of the configuration describes: a label may choose them, though no role names them."""
    return tuple(name for name, agent in agents.items() if agent != AgentConfig(name, name))


def _are_of_one_vendor(one: AgentConfig, other: AgentConfig) -> bool:
    return vendor_of(one) == vendor_of(other)


def vendor_of(agent: AgentConfig) -> str:
    """Who makes the model: what the configuration says, else by the kind, else by the model's name, else the kind itself."""
    if agent.vendor:
        return agent.vendor
    if known := _VENDOR_OF_KIND.get(agent.kind):
        return known
    maker, slash, model = agent.model.lower().rpartition("/")
    for beginning, vendor in _VENDOR_OF_MODEL:
        if model.startswith(beginning):
            return vendor
    return maker.partition("/")[0] if slash else agent.kind


def choose_agent(names: Iterable[str], holds: Mapping[str, AgentHold], now: datetime) -> str | Hold:
    """The first agent that is not on hold, else the hold that they all are: it ends when the first of them comes back."""
    held = []
    for name in names:
        hold = holds.get(name)
        if hold is None or not hold.holds_at(now):
            return name
        held.append(hold)
    if not held:
        return Hold(HoldKind.AGENTS_ON_HOLD, "an agent for it being configured")
    ends = [hold.until for hold in held if hold.until]
    why = "; ".join(map(str, held))
    return Hold(
        HoldKind.AGENTS_ON_HOLD, f"an agent being able to work again ({why})", min(ends, default=None)
    )


def read_wish(labels: Iterable[str]) -> str:
    """The agent that the newest of these labels names, or ""; `labels` are oldest first."""
    named = [label.removeprefix(AGENT_LABEL).strip() for label in labels if label.startswith(AGENT_LABEL)]
    return named[-1] if named else ""


# ---------------------------------------------------------------- holds


def hold_after(fault: Fault, agent: str, before: AgentHold | None, now: datetime) -> AgentHold:
    """The hold that a fault puts its agent on. A fault while it is on hold already comes from a run that began before:
    it is the same trouble, and makes no pause longer.
    """
    if before and before.holds_at(now):
        ends_later = (
            before.until and fault.kind is before.kind and fault.reset_at and fault.reset_at > before.until
        )
        if fault.needs_person and before.until:
            return replace(before, kind=fault.kind, why=fault.text, until=None)
        return replace(before, until=fault.reset_at) if ends_later else before
    times = before.times + 1 if before and before.kind is fault.kind else 1
    return AgentHold(agent, fault.kind, fault.text, now, _ends_at(fault, times, now), times)


def _ends_at(fault: Fault, times: int, now: datetime) -> datetime | None:
    if fault.needs_person:
        return None
    if fault.reset_at:
        return max(fault.reset_at, now + _LEAST_PAUSE)
    if times > _MOST_FAULTS.get(fault.kind, _MOST_FAULTS_USUALLY):
        return None
    first, longest = _PAUSES[fault.kind]
    return now + min(first * (1 << (times - 1)), longest)
