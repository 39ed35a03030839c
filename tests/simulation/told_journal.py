"""A journal as the engine uses it, with the weather around every transaction and the watch told of every decision."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from dispatcher.core.agents import AgentHold
from dispatcher.core.events import Dispatched
from dispatcher.core.model import ItemKey, Task
from dispatcher.core.usage import Usage
from dispatcher.ports import Decided, DecisionRecord, Journal, Order, RunRecord, StoredEffect
from tests.simulation.invariants import Watch
from tests.simulation.weather import Weather


@dataclass
class ToldJournal:
    """`ports.Journal` around another one. Reading is free; each write is a moment at which the daemon can die."""

    inner: Journal
    weather: Weather
    watch: Watch
    machine: str

    def commit(self, decided: Decided) -> None:
        def commit() -> None:
            before = self.inner.load_task(decided.task.key)
            if isinstance(decided.event, Dispatched) and decided.verdict == "taken":
                self.watch.dispatched(decided, self.inner.load_agent_holds())
            self.inner.commit(decided)
            same = before if before and before.key == decided.task.key else None
            self.watch.committed(self.machine, same, decided)

        self.weather.use_journal(commit)

    def save_task(self, task: Task) -> None:
        self.weather.use_journal(lambda: self.inner.save_task(task))

    def mark_sent(self, effect_id: int, at: datetime) -> None:
        self.weather.use_journal(lambda: self.inner.mark_sent(effect_id, at))

    def mark_applied(self, effect_id: int, at: datetime) -> None:
        self.weather.use_journal(lambda: self.inner.mark_applied(effect_id, at))

    def mark_failed(self, effect_id: int, error: str, retry_at: datetime | None) -> int:
        return self.weather.use_journal(lambda: self.inner.mark_failed(effect_id, error, retry_at))

    def postpone(self, effect_id: int, why: str, retry_at: datetime) -> None:
        self.weather.use_journal(lambda: self.inner.postpone(effect_id, why, retry_at))

    def cancel_effects(self, task: ItemKey, why: str) -> None:
        self.weather.use_journal(lambda: self.inner.cancel_effects(task, why))

    def mark_run_started(self, run_id: str, at: datetime) -> None:
        self.weather.use_journal(lambda: self.inner.mark_run_started(run_id, at))

    def mark_run_ended(self, run_id: str, at: datetime, result: str, usage: Usage | None = None) -> None:
        self.weather.use_journal(lambda: self.inner.mark_run_ended(run_id, at, result, usage))

    def note_usage(self, run_id: str, usage: Usage, prompt_digest: str = "") -> None:
        self.weather.use_journal(lambda: self.inner.note_usage(run_id, usage, prompt_digest))

    def free_agents(self, names: Sequence[str]) -> None:
        self.weather.use_journal(lambda: self.inner.free_agents(names))

    def mark_heard(self, versions: Sequence[str], task: ItemKey, at: datetime) -> None:
        if versions:
            self.weather.use_journal(lambda: self.inner.mark_heard(versions, task, at))

    def note(self, task: ItemKey | None, what: str, at: datetime) -> None:
        self.weather.use_journal(lambda: self.inner.note(task, what, at))

    def save_cursor(self, name: str, value: str) -> None:
        self.weather.use_journal(lambda: self.inner.save_cursor(name, value))

    def finish_order(self, order_id: int) -> None:
        self.weather.use_journal(lambda: self.inner.finish_order(order_id))

    def give_order(self, name: str, argument: str, at: datetime) -> None:
        self.inner.give_order(name, argument, at)

    # ------------------------------------------------------------ reading

    def load_cursor(self, name: str) -> str | None:
        return self.inner.load_cursor(name)

    def load_task(self, key: ItemKey) -> Task | None:
        return self.inner.load_task(key)

    def load_tasks(self, *, with_over: bool = False) -> tuple[Task, ...]:
        return self.inner.load_tasks(with_over=with_over)

    def load_effects(self) -> tuple[StoredEffect, ...]:
        return self.inner.load_effects()

    def load_live_runs(self) -> tuple[RunRecord, ...]:
        return self.inner.load_live_runs()

    def load_run(self, run_id: str) -> RunRecord | None:
        return self.inner.load_run(run_id)

    def load_runs(self, task: ItemKey | None = None, limit: int = 100) -> tuple[RunRecord, ...]:
        return self.inner.load_runs(task, limit)

    def count_dispatches_since(self, since: datetime, repo: str | None = None) -> int:
        return self.inner.count_dispatches_since(since, repo)

    def sum_usage(self, task: ItemKey) -> Usage:
        return self.inner.sum_usage(task)

    def sum_usage_since(self, since: datetime) -> Mapping[str, Usage]:
        return self.inner.sum_usage_since(since)

    def load_runs_since(self, since: datetime) -> tuple[RunRecord, ...]:
        return self.inner.load_runs_since(since)

    def load_agent_holds(self) -> tuple[AgentHold, ...]:
        return self.inner.load_agent_holds()

    def load_unheard(self, versions: Sequence[str], task: ItemKey) -> tuple[str, ...]:
        return self.inner.load_unheard(versions, task)

    def load_decisions(self, task: ItemKey, limit: int = 20) -> tuple[DecisionRecord, ...]:
        return self.inner.load_decisions(task, limit)

    def load_notes(self, task: ItemKey | None = None, limit: int = 50) -> tuple[tuple[datetime, str], ...]:
        return self.inner.load_notes(task, limit)

    def take_orders(self) -> tuple[Order, ...]:
        return self.inner.take_orders()
