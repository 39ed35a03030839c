"""The journal, as the engine needs it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from dispatcher.core.agents import AgentHold
from dispatcher.core.effects import AnyEffect, Effect
from dispatcher.core.events import Event
from dispatcher.core.model import (
    ItemKey,
    LiveRun,
    Stage,
    Task,
)
from dispatcher.core.usage import Usage


@dataclass(frozen=True, slots=True)
class StoredEffect:
    """An effect as the journal keeps it."""

    id: int
    task: ItemKey
    effect: AnyEffect
    tries: int
    retry_at: datetime | None
    sent_at: datetime | None
    error: str


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A run as the journal keeps it. `state` is reserved, running, ended or cancelled.

    `usage` is what it used up to now; `prompt_digest` names the prompt files that it was started with.
    """

    run: LiveRun
    task: ItemKey
    repo: str
    state: str
    ended_at: datetime | None = None
    result: str = ""
    usage: Usage = field(default_factory=Usage)
    prompt_digest: str = ""

    @property
    def cost_usd(self) -> float | None:
        """What it cost; None when nobody told."""
        return self.usage.cost_usd


@dataclass(frozen=True, slots=True)
class Decided:
    """One decision, to be committed in one transaction with its effects.

    `run_reserved` is inserted as a reserved run; `run_ended` names a run that is over with this decision.
    `cancels_pending`: what earlier decisions on the task still had to do is crossed off first.
    `effect_done` is the effect whose result this event is: it is crossed off with the decision. `agents_held` go on hold,
    `agents_freed` come back.
    """

    task: Task
    stage_before: Stage
    event: Event
    verdict: str
    reason: str
    effects: tuple[Effect, ...]
    at: datetime
    run_ended: str = ""
    run_reserved: LiveRun | None = None
    cancels_pending: bool = False
    effect_done: int | None = None
    agents_held: tuple[AgentHold, ...] = ()
    agents_freed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DecisionRecord:
    """A past decision, for `explain`."""

    at: datetime
    event: str
    stage_before: Stage
    stage_after: Stage
    verdict: str
    reason: str


@dataclass(frozen=True, slots=True)
class Order:
    """Something a person asked for on the command line, waiting for the daemon."""

    id: int
    name: str
    argument: str
    at: datetime


class Cursors(Protocol):
    """Small durable strings: etags, cursors, last sweep. Keys are the owner's business."""

    def load_cursor(self, name: str) -> str | None:
        """The stored value, or None."""
        ...

    def save_cursor(self, name: str, value: str) -> None:
        """Store a value."""
        ...


class Journal(Cursors, Protocol):
    """The local truth about runs, effects, attempts, decisions. Raises JournalUnusable."""

    def load_task(self, key: ItemKey) -> Task | None:
        """The task that began with this item, or whose pull request it is."""
        ...

    def load_tasks(self, *, with_over: bool = False) -> tuple[Task, ...]:
        """Every task that is not over (done, dropped), or all; in the order in which they last moved."""
        ...

    def commit(self, decided: Decided) -> None:
        """Store the task, the decision, its effects and its run, in one transaction."""
        ...

    def save_task(self, task: Task) -> None:
        """Store facts about a task that no event carries (what was seen, its hold)."""
        ...

    def load_effects(self) -> tuple[StoredEffect, ...]:
        """Every effect that is not yet recorded as done, oldest first."""
        ...

    def mark_sent(self, effect_id: int, at: datetime) -> None:
        """The request is about to leave."""
        ...

    def mark_applied(self, effect_id: int, at: datetime) -> None:
        """The outside world shows it; the effect is crossed off."""
        ...

    def mark_failed(self, effect_id: int, error: str, retry_at: datetime | None) -> int:
        """Count a failure; returns the number of tries so far. `retry_at` None: given up."""
        ...

    def postpone(self, effect_id: int, why: str, retry_at: datetime) -> None:
        """Try again later without counting a failure (an outage, a spent quota)."""
        ...

    def cancel_effects(self, task: ItemKey, why: str) -> None:
        """Cross off everything that the task still has pending."""
        ...

    def load_live_runs(self) -> tuple[RunRecord, ...]:
        """Runs that are reserved or running."""
        ...

    def load_run(self, run_id: str) -> RunRecord | None:
        """One run."""
        ...

    def load_runs(self, task: ItemKey | None = None, limit: int = 100) -> tuple[RunRecord, ...]:
        """Runs, newest first."""
        ...

    def count_dispatches_since(self, since: datetime, repo: str | None = None) -> int:
        """How many runs were reserved since then."""
        ...

    def mark_run_started(self, run_id: str, at: datetime) -> None:
        """The supervisor has the run."""
        ...

    def mark_run_ended(self, run_id: str, at: datetime, result: str, usage: Usage | None = None) -> None:
        """The run is over; its slot is free."""
        ...

    def note_usage(self, run_id: str, usage: Usage, prompt_digest: str = "") -> None:
        """What the run used up to now; what is known already is not forgotten for an empty report."""
        ...

    def sum_usage(self, task: ItemKey) -> Usage:
        """What all runs of a task used, live ones included."""
        ...

    def sum_usage_since(self, since: datetime) -> Mapping[str, Usage]:
        """What the runs reserved since then used, by repository (`owner/name` as it was at the time)."""
        ...

    def load_runs_since(self, since: datetime) -> tuple[RunRecord, ...]:
        """The runs reserved since then, oldest first."""
        ...

    def load_agent_holds(self) -> tuple[AgentHold, ...]:
        """Every hold of an agent, those included that are over; by the agents' names."""
        ...

    def free_agents(self, names: Sequence[str]) -> None:
        """Forget the holds of these agents."""
        ...

    def load_unheard(self, versions: Sequence[str], task: ItemKey) -> tuple[str, ...]:
        """Those of the comment versions that were not marked as heard, in the order given."""
        ...

    def mark_heard(self, versions: Sequence[str], task: ItemKey, at: datetime) -> None:
        """Remember these comment versions: what they asked for is in the journal."""
        ...

    def load_decisions(self, task: ItemKey, limit: int = 20) -> tuple[DecisionRecord, ...]:
        """Decisions on a task, newest first."""
        ...

    def note(self, task: ItemKey | None, what: str, at: datetime) -> None:
        """Record something that is worth telling (a refusal, a mismatch, a bad edit of the config)."""
        ...

    def load_notes(self, task: ItemKey | None = None, limit: int = 50) -> tuple[tuple[datetime, str], ...]:
        """Notes, newest first."""
        ...

    def give_order(self, name: str, argument: str, at: datetime) -> None:
        """Leave an order for the daemon (`retry`, `stop`, `drain`, ...)."""
        ...

    def take_orders(self) -> tuple[Order, ...]:
        """Orders that wait, oldest first; each is handed out until `finish_order`."""
        ...

    def finish_order(self, order_id: int) -> None:
        """The order was carried out."""
        ...
