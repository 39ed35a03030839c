"""A journal in memory, for thousands of steps a second; the journal's contract suite holds it to the real one's word."""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from dispatcher.core.agents import AgentHold
from dispatcher.core.effects import AnyEffect
from dispatcher.core.errors import ClaimLost
from dispatcher.core.events import ClaimRefused, Dispatched, RunCancelled
from dispatcher.core.model import ItemKey, LiveRun, Stage, Task
from dispatcher.core.money import add_up
from dispatcher.core.usage import Usage
from dispatcher.journal import codec
from dispatcher.ports import Decided, DecisionRecord, Order, RunRecord, StoredEffect

_LIVE = {"reserved", "running"}
_OVER = {Stage.DONE, Stage.DROPPED}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass
class _Kept:
    task: Task
    moved_at: datetime


@dataclass
class MemoryJournal:
    """`ports.Journal` made of dictionaries; every method is one transaction."""

    _tasks: dict[ItemKey, _Kept] = field(default_factory=dict)
    _by_pull: dict[ItemKey, set[ItemKey]] = field(default_factory=dict)
    _pending: dict[int, StoredEffect] = field(default_factory=dict)
    _tries: dict[int, int] = field(default_factory=dict)
    _keys: set[str] = field(default_factory=set)
    _runs: dict[str, RunRecord] = field(default_factory=dict)
    _live: dict[ItemKey, str] = field(default_factory=dict)
    _dispatched: list[tuple[datetime, str, str]] = field(default_factory=list)
    _decisions: dict[ItemKey, list[DecisionRecord]] = field(default_factory=dict)
    _notes: list[tuple[ItemKey | None, datetime, str]] = field(default_factory=list)
    _heard: set[tuple[ItemKey, str]] = field(default_factory=set)
    _cursors: dict[str, str] = field(default_factory=dict)
    _holds: dict[str, AgentHold] = field(default_factory=dict)
    _orders: dict[int, Order] = field(default_factory=dict)
    _last_order: int = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Nothing to let go of."""

    # ------------------------------------------------------------ tasks and decisions

    def load_task(self, key: ItemKey) -> Task | None:
        keys = {key} | self._by_pull.get(key, set())
        found = [kept for one in keys if (kept := self._tasks.get(one))]
        if len(found) < 2:
            return found[0].task if found else None
        return min(found, key=lambda kept: self._rank(kept, key)).task

    def _rank(self, kept: _Kept, key: ItemKey) -> tuple[bool, bool, float]:
        task = kept.task
        return task.stage in _OVER, task.key.number != key.number, -kept.moved_at.timestamp()

    def load_tasks(self, *, with_over: bool = False) -> tuple[Task, ...]:
        found = [kept for kept in self._tasks.values() if with_over or kept.task.stage not in _OVER]
        return tuple(kept.task for kept in sorted(found, key=lambda kept: (kept.moved_at, kept.task.key)))

    def commit(self, decided: Decided) -> None:
        run = decided.run_reserved
        if run is None and isinstance(decided.event, Dispatched):
            run = decided.event.run
        key, at = decided.task.key, _aware(decided.at)
        if run is not None and (
            run.id in self._runs or self._live.get(key, decided.run_ended) != decided.run_ended
        ):
            raise ClaimLost(f"{decided.task.name} already has a live run, or this run was reserved before")
        self._store(decided.task, at, has_moved=decided.stage_before != decided.task.stage)
        self._decisions.setdefault(key, []).append(_record(decided))
        if decided.effect_done is not None:
            self._pending.pop(decided.effect_done, None)
        if decided.cancels_pending:
            self.cancel_effects(key, "superseded")
        for effect in decided.effects:
            self._add_effect(key, effect)  # type: ignore[arg-type]  # the closed list of effects
        if decided.run_ended:
            never_ran = isinstance(decided.event, ClaimRefused | RunCancelled)
            self._end_run(
                decided.run_ended, "cancelled" if never_ran else "ended", at, type(decided.event).__name__
            )
        self.free_agents(decided.agents_freed)
        self._holds |= {hold.agent: hold for hold in decided.agents_held}
        if run is not None:
            self._reserve(decided.task, run)

    def save_task(self, task: Task) -> None:
        self._store(task, task.step_started_at or task.seen_at or _EPOCH, has_moved=False)

    def _store(self, task: Task, at: datetime, *, has_moved: bool) -> None:
        kept = self._tasks.get(task.key)
        task = task if task.title.isascii() else codec.parse_task(codec.render_body(task))
        if kept is None:
            self._tasks[task.key] = _Kept(task, at)
        else:
            if kept.task.pull is not None and kept.task.pull != task.pull:
                self._by_pull[ItemKey(task.key.repo_id, kept.task.pull)].discard(task.key)
            self._tasks[task.key] = _Kept(task, at if has_moved else kept.moved_at)
        if task.pull is not None:
            self._by_pull.setdefault(ItemKey(task.key.repo_id, task.pull), set()).add(task.key)

    def load_decisions(self, task: ItemKey, limit: int = 20) -> tuple[DecisionRecord, ...]:
        return tuple(self._decisions.get(task, [])[::-1][:limit])

    def note(self, task: ItemKey | None, what: str, at: datetime) -> None:
        clean = what if what.isascii() else what.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        self._notes.append((task, _aware(at), clean.replace("\0", "\ufffd")))

    def load_notes(self, task: ItemKey | None = None, limit: int = 50) -> tuple[tuple[datetime, str], ...]:
        found = [(at, what) for key, at, what in self._notes if task is None or key == task]
        return tuple(found[::-1][:limit])

    # ------------------------------------------------------------ effects

    def _add_effect(self, task: ItemKey, effect: AnyEffect) -> None:
        if effect.key in self._keys:
            return
        self._keys.add(effect.key)
        number = len(self._tries) + 1
        self._tries[number] = 0
        self._pending[number] = StoredEffect(number, task, effect, 0, None, None, "")

    def load_effects(self) -> tuple[StoredEffect, ...]:
        return tuple(self._pending.values())

    def _must_exist(self, effect_id: int) -> None:
        if effect_id not in self._tries:
            raise LookupError(f"there is no effect {effect_id}")

    def mark_sent(self, effect_id: int, at: datetime) -> None:
        self._must_exist(effect_id)
        if effect_id in self._pending:
            self._pending[effect_id] = replace(self._pending[effect_id], sent_at=at)

    def mark_applied(self, effect_id: int, at: datetime) -> None:
        self._must_exist(effect_id)
        self._pending.pop(effect_id, None)

    def mark_failed(self, effect_id: int, error: str, retry_at: datetime | None) -> int:
        self._must_exist(effect_id)
        self._tries[effect_id] += 1
        stored = self._pending.get(effect_id)
        if stored and retry_at is None:
            del self._pending[effect_id]
        elif stored:
            tries = self._tries[effect_id]
            self._pending[effect_id] = replace(stored, tries=tries, error=error, retry_at=retry_at)
        return self._tries[effect_id]

    def postpone(self, effect_id: int, why: str, retry_at: datetime) -> None:
        self._must_exist(effect_id)
        if effect_id in self._pending:
            self._pending[effect_id] = replace(self._pending[effect_id], error=why, retry_at=retry_at)

    def cancel_effects(self, task: ItemKey, why: str) -> None:
        for number in [number for number, stored in self._pending.items() if stored.task == task]:
            del self._pending[number]

    # ------------------------------------------------------------ runs

    def _reserve(self, task: Task, run: LiveRun) -> None:
        self._runs[run.id] = RunRecord(run, task.key, task.repo, "reserved")
        self._live[task.key] = run.id
        self._dispatched.append((run.dispatched_at, run.id, task.repo))
        if len(self._dispatched) > 1 and self._dispatched[-2] > self._dispatched[-1]:
            self._dispatched.sort()

    def _end_run(self, run_id: str, state: str, at: datetime, result: str) -> None:
        record = self._runs.get(run_id)
        if record and record.state in _LIVE:
            self._runs[run_id] = replace(record, state=state, ended_at=at, result=result)
            if self._live.get(record.task) == run_id:
                del self._live[record.task]

    def load_live_runs(self) -> tuple[RunRecord, ...]:
        found = [self._runs[run_id] for run_id in self._live.values()]
        return tuple(sorted(found, key=lambda record: record.run.dispatched_at))

    def load_run(self, run_id: str) -> RunRecord | None:
        return self._runs.get(run_id)

    def load_runs(self, task: ItemKey | None = None, limit: int = 100) -> tuple[RunRecord, ...]:
        found = [record for record in self._runs.values() if task is None or record.task == task]
        newest = sorted(found, key=lambda record: (record.run.dispatched_at, record.run.id), reverse=True)
        return tuple(newest[:limit])

    def count_dispatches_since(self, since: datetime, repo: str | None = None) -> int:
        start = bisect_left(self._dispatched, (since, "", ""))
        return sum(1 for _, _, name in self._dispatched[start:] if repo in {None, name})

    def mark_run_started(self, run_id: str, at: datetime) -> None:
        record = self._runs.get(run_id)
        if record and record.state == "reserved":
            self._runs[run_id] = replace(record, state="running")

    def mark_run_ended(self, run_id: str, at: datetime, result: str, usage: Usage | None = None) -> None:
        self._end_run(run_id, "ended", at, result)
        if record := self._runs.get(run_id):
            self._runs[run_id] = replace(record, result=result)
        self.note_usage(run_id, usage or Usage())

    def note_usage(self, run_id: str, usage: Usage, prompt_digest: str = "") -> None:
        if record := self._runs.get(run_id):
            counted = usage if usage.tokens else replace(record.usage, cost_usd=usage.cost_usd)
            cost = record.cost_usd if usage.cost_usd is None else usage.cost_usd
            digest = prompt_digest or record.prompt_digest
            self._runs[run_id] = replace(record, usage=replace(counted, cost_usd=cost), prompt_digest=digest)

    def sum_usage(self, task: ItemKey) -> Usage:
        return add_up(record.usage for record in self._runs.values() if record.task == task)

    def sum_usage_since(self, since: datetime) -> Mapping[str, Usage]:
        found: dict[str, list[Usage]] = {}
        for record in self.load_runs_since(since):
            found.setdefault(record.repo, []).append(record.usage)
        return {repo: add_up(usages) for repo, usages in found.items()}

    def load_runs_since(self, since: datetime) -> tuple[RunRecord, ...]:
        start = bisect_left(self._dispatched, (since, "", ""))
        return tuple(self._runs[run_id] for _, run_id, _ in self._dispatched[start:])

    # ------------------------------------------------------------ agents on hold

    def load_agent_holds(self) -> tuple[AgentHold, ...]:
        return tuple(self._holds[name] for name in sorted(self._holds))

    def free_agents(self, names: Sequence[str]) -> None:
        for name in names:
            self._holds.pop(name, None)

    # ------------------------------------------------------------ comments heard, cursors, orders

    def load_unheard(self, versions: Sequence[str], task: ItemKey) -> tuple[str, ...]:
        return tuple(one for one in dict.fromkeys(versions) if (task, one) not in self._heard)

    def mark_heard(self, versions: Sequence[str], task: ItemKey, at: datetime) -> None:
        self._heard |= {(task, version) for version in versions}

    def load_cursor(self, name: str) -> str | None:
        return self._cursors.get(name)

    def save_cursor(self, name: str, value: str) -> None:
        self._cursors[name] = value

    def give_order(self, name: str, argument: str, at: datetime) -> None:
        self._last_order += 1
        self._orders[self._last_order] = Order(self._last_order, name, argument, at)

    def take_orders(self) -> tuple[Order, ...]:
        return tuple(self._orders.values())

    def finish_order(self, order_id: int) -> None:
        self._orders.pop(order_id, None)


def _aware(at: datetime) -> datetime:
    if at.tzinfo is None:
        raise ValueError(f"a time without a zone: {at}")
    return at.astimezone(UTC)


def _record(decided: Decided) -> DecisionRecord:
    before, after = decided.stage_before, decided.task.stage
    return DecisionRecord(
        decided.at, type(decided.event).__name__, before, after, decided.verdict, decided.reason
    )
