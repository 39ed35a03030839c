"""`ports.Journal` on one database file: transactions and the way from rows to values. The SQL is in `queries`."""

from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar, cast

import sqlalchemy as sa

from dispatcher.core.agents import AgentHold
from dispatcher.core.errors import ClaimLost, JournalUnusable
from dispatcher.core.events import ClaimRefused, RunCancelled
from dispatcher.core.model import ItemKey, Stage, Task
from dispatcher.core.usage import Usage
from dispatcher.journal import codec, queries, rows
from dispatcher.journal.migrations import NEWEST, load_version, migrate, refuse_newer, refuse_older
from dispatcher.journal.schema import EPOCH
from dispatcher.journal.sqlite_only import (
    Watch,
    copy_database,
    integrity_problems,
    named_errors,
    open_engine,
)
from dispatcher.ports import Decided, DecisionRecord, Order, RunRecord, StoredEffect

_Answer = TypeVar("_Answer")
_MOST_KNOWN: Final = 100
_AT_ONCE: Final = 500  # bound values per query; SQLite takes 32,766, other databases less
_NEVER_RAN: Final = (ClaimRefused, RunCancelled)


class SqlJournal:
    """The journal in one file. Threads may share it; other processes may open the same file beside it.

    Every method raises JournalUnusable, naming the file and the cure, when the file is locked for longer than
    `busy_timeout_s`, full, read-only, damaged, or of a newer version; then nothing of the change was kept. A missing file
    is created, unless `read_only`; a file of an older version is migrated, with a backup beside it.
    """

    def __init__(self, path: Path, *, read_only: bool = False, busy_timeout_s: float = 5.0) -> None:
        self.path: Final = path
        self._reader: Final = open_engine(path, read_only=read_only, busy_timeout_s=busy_timeout_s)
        self._writer: Final = self._reader.execution_options(writes=True)
        self._watch: Final = Watch(path)
        self._known: Final[dict[Hashable, tuple[int, object]]] = {}
        try:
            self._settle_version(read_only=read_only)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file. Closing twice is fine."""
        self._watch.close()
        self._reader.dispose()

    def _settle_version(self, *, read_only: bool) -> None:
        with self._reading() as connection:
            version = load_version(connection, self.path)
        refuse_newer(version, self.path)
        if read_only:
            refuse_older(version, self.path)
        elif version < NEWEST:
            with named_errors(self.path):
                migrate(self._writer, self.path)

    # ------------------------------------------------------------ transactions

    @contextmanager
    def _reading(self) -> Iterator[sa.Connection]:
        with self._naming_errors(), self._reader.connect() as connection:
            yield connection

    @contextmanager
    def _writing(self, *, counts: bool = True) -> Iterator[sa.Connection]:
        with self._naming_errors(), self._writer.begin() as connection:
            yield connection
            if counts:
                connection.execute(queries.count_change())

    def _unless_known(self, question: Hashable, load: Callable[[], _Answer]) -> _Answer:
        """What is asked in every tick is read once per change of the file. The version comes first: a later change is noticed later."""
        version = self._watch.version()
        known = self._known.get(question)
        if known is not None and known[0] == version:
            return cast("_Answer", known[1])
        answer = load()
        if version is not None:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            self._known[question] = (version, answer)
        return answer

    @contextmanager
    def _naming_errors(self) -> Iterator[None]:
        with named_errors(self.path):
            try:
                yield
            except codec.Unreadable as error:
                cure = "Install the version that wrote it, put a backup back, or move the file away and start again."
                raise JournalUnusable(f"{self.path}: {error}.", cure) from error

    # ------------------------------------------------------------ tasks and decisions

    def load_task(self, key: ItemKey) -> Task | None:
        """The task that began with this item, or whose pull request it is; one that is not over comes first."""
        with self._reading() as connection:
            body = connection.execute(queries.task_of(), queries.of(key)).scalar()
            return None if body is None else codec.parse_task(str(body))

    def load_tasks(self, *, with_over: bool = False) -> tuple[Task, ...]:
        """Every task that is not over (done, dropped), or all; in the order in which they last moved."""
        return self._tasks(queries.all_tasks() if with_over else queries.open_tasks())

    def load_due(
        self, now: datetime, stages: Collection[Stage] = queries.DISPATCHERS_TURN
    ) -> tuple[Task, ...]:
        """Tasks worth a look now, in the order in which they last moved: costs what it finds, not what is open.

        They are in one of `stages` with no cooldown ahead, or their `look_again_at` has come. The default stages are
        those in which spec section 3 says that it is the dispatcher's turn.
        """
        return self._tasks(queries.due_tasks(now, stages))

    def _tasks(self, found: sa.Select[*tuple[Any, ...]]) -> tuple[Task, ...]:
        with self._reading() as connection:
            return tuple(codec.parse_task(body) for (body,) in connection.execute(found))

    def count_tasks(self) -> Mapping[Stage, int]:
        """How many tasks each stage has; stages without a task are left out."""
        with self._reading() as connection:
            return {Stage(stage): int(count) for stage, count in connection.execute(queries.tasks_by_stage())}

    def data_version(self) -> int:
        """Grows with every change, by any process, to anything but cursors: the same number, nothing new."""
        with self._reading() as connection:
            return int(connection.execute(queries.change_count()).scalar_one())

    def commit(self, decided: Decided) -> None:
        """Store the task, the decision, its effects and its run, in one transaction.

        An effect whose key is there already is left as it is. Raises ClaimLost when the decision reserves a run
        and the task already has a live one (spec invariant 1); then nothing is stored.
        """
        reserved = queries.reserved_run(decided)
        effects = queries.effect_rows(decided)
        with self._writing() as connection:
            _store_task(
                connection, decided.task, decided.at, has_moved=decided.stage_before != decided.task.stage
            )
            connection.execute(queries.insert_decision(decided))
            if decided.effect_done is not None:
                done: queries.Row = {"state": "applied", "applied_at": decided.at, "error": ""}
                connection.execute(queries.change_effect(decided.effect_done, done))
            if decided.cancels_pending:
                why = f"superseded by {codec.kind_of(decided.event)}"
                connection.execute(queries.cancel_pending(decided.task.key, why))
            if effects:
                connection.execute(queries.insert_effects(), effects)
            if decided.run_ended:
                state = "cancelled" if isinstance(decided.event, _NEVER_RAN) else "ended"
                result = codec.kind_of(decided.event)
                connection.execute(queries.end_run(decided.run_ended, state, decided.at, result))
            _hold_agents(connection, decided)
            if reserved is not None:
                _reserve(connection, decided.task, queries.insert_run(decided.task, reserved))

    def save_task(self, task: Task) -> None:
        """Store facts about a task that no event carries (what was seen, its hold)."""
        first_moved_at = task.step_started_at or task.seen_at or EPOCH
        with self._writing() as connection:
            _store_task(connection, task, first_moved_at, has_moved=False)

    def load_decisions(self, task: ItemKey, limit: int = 20) -> tuple[DecisionRecord, ...]:
        """Decisions on a task, newest first."""
        with self._reading() as connection:
            return tuple(map(rows.decision_record, connection.execute(queries.decisions_on(task, limit))))

    def note(self, task: ItemKey | None, what: str, at: datetime) -> None:
        """Record something that is worth telling (a refusal, a mismatch, a bad edit of the config)."""
        with self._writing() as connection:
            connection.execute(queries.insert_note(task, what, at))

    def load_notes(self, task: ItemKey | None = None, limit: int = 50) -> tuple[tuple[datetime, str], ...]:
        """Notes, newest first."""
        with self._reading() as connection:
            return tuple((row.at, row.what) for row in connection.execute(queries.notes_on(task, limit)))

    # ------------------------------------------------------------ effects

    def load_effects(self) -> tuple[StoredEffect, ...]:
        """Every effect that is neither applied, given up nor cancelled, oldest first."""
        return self._unless_known("effects", self._load_effects)

    def _load_effects(self) -> tuple[StoredEffect, ...]:
        with self._reading() as connection:
            return tuple(map(rows.stored_effect, connection.execute(queries.pending_effects())))

    def mark_sent(self, effect_id: int, at: datetime) -> None:
        """The request is about to leave. Raises LookupError for an effect that was never committed."""
        self._change_effect(effect_id, {"sent_at": at})

    def mark_applied(self, effect_id: int, at: datetime) -> None:
        """The outside world shows it; the effect is crossed off. Raises LookupError as `mark_sent` does."""
        self._change_effect(effect_id, {"state": "applied", "applied_at": at, "error": ""})

    def _change_effect(self, effect_id: int, row: queries.Row) -> None:
        with self._writing() as connection:
            if connection.execute(queries.change_effect(effect_id, row)).rowcount == 0:
                raise LookupError(f"{self.path}: there is no effect {effect_id}")

    def mark_failed(self, effect_id: int, error: str, retry_at: datetime | None) -> int:
        """Count a failure; returns the number of tries so far. `retry_at` None: given up."""
        with self._writing() as connection:
            connection.execute(queries.count_failure(effect_id, error, retry_at))
            tries = connection.execute(queries.tries_of(effect_id)).scalar()
            if tries is None:
                raise LookupError(f"{self.path}: there is no effect {effect_id}")
            return int(tries)

    def postpone(self, effect_id: int, why: str, retry_at: datetime) -> None:
        """Try again later without counting a failure (an outage, a spent quota)."""
        self._change_effect(effect_id, {"error": why, "retry_at": retry_at})

    def cancel_effects(self, task: ItemKey, why: str) -> None:
        """Cross off everything that the task still has pending."""
        with self._writing() as connection:
            connection.execute(queries.cancel_pending(task, why))

    # ------------------------------------------------------------ runs

    def load_live_runs(self) -> tuple[RunRecord, ...]:
        """Runs that are reserved or running, oldest first."""
        return self._unless_known("live runs", self._load_live_runs)

    def _load_live_runs(self) -> tuple[RunRecord, ...]:
        return tuple(sorted(self._runs(queries.live_runs()), key=lambda record: record.run.dispatched_at))

    def load_run(self, run_id: str) -> RunRecord | None:
        """One run."""
        return next(iter(self._runs(queries.run_by_id(run_id))), None)

    def load_runs(self, task: ItemKey | None = None, limit: int = 100) -> tuple[RunRecord, ...]:
        """Runs, newest first."""
        return self._runs(queries.newest_runs(task, limit))

    def _runs(self, found: sa.Select[*tuple[Any, ...]]) -> tuple[RunRecord, ...]:
        with self._reading() as connection:
            return tuple(map(rows.run_record, connection.execute(found)))

    def count_dispatches_since(self, since: datetime, repo: str | None = None) -> int:
        """How many runs were reserved since then; `repo` is `owner/name` as it was at the time."""
        with self._reading() as connection:
            return int(connection.execute(queries.dispatches_since(since, repo)).scalar_one())

    def mark_run_started(self, run_id: str, at: datetime) -> None:
        """The supervisor has the run; without effect on a run that is running or over."""
        with self._writing() as connection:
            connection.execute(queries.start_run(run_id, at))

    def mark_run_ended(self, run_id: str, at: datetime, result: str, usage: Usage | None = None) -> None:
        """The run is over; its slot is free. On a run that is over already only result and usage are added."""
        with self._writing() as connection:
            connection.execute(queries.end_run(run_id, "ended", at, result))
            connection.execute(queries.tell_run(run_id, result))
            _tell_usage(connection, run_id, usage or Usage())

    def note_usage(self, run_id: str, usage: Usage, prompt_digest: str = "") -> None:
        """What the run used up to now; what is known already is not forgotten for an empty report."""
        with self._writing() as connection:
            _tell_usage(connection, run_id, usage, prompt_digest)

    def sum_usage(self, task: ItemKey) -> Usage:
        """What all runs of a task used, live ones included."""
        with self._reading() as connection:
            return rows.usage(connection.execute(queries.usage_of(task)).one())

    def sum_usage_since(self, since: datetime) -> Mapping[str, Usage]:
        """What the runs reserved since then used, by repository (`owner/name` as it was at the time)."""
        return self._unless_known(("usage", since), lambda: self._load_usage_since(since))

    def _load_usage_since(self, since: datetime) -> Mapping[str, Usage]:
        with self._reading() as connection:
            found = connection.execute(queries.usage_since(since)).all()
            return {str(row.repo): rows.usage(row) for row in found}

    def load_runs_since(self, since: datetime) -> tuple[RunRecord, ...]:
        """The runs reserved since then, oldest first."""
        return self._runs(queries.runs_since(since))

    # ------------------------------------------------------------ agents on hold

    def load_agent_holds(self) -> tuple[AgentHold, ...]:
        """Every hold of an agent, those included that are over; by the agents' names."""
        return self._unless_known("agent holds", self._load_agent_holds)

    def _load_agent_holds(self) -> tuple[AgentHold, ...]:
        with self._reading() as connection:
            return tuple(map(rows.agent_hold, connection.execute(queries.every_agent_hold())))

    def free_agents(self, names: Sequence[str]) -> None:
        """Forget the holds of these agents."""
        with self._writing() as connection:
            connection.execute(queries.forget_agent_holds(names))

    # ------------------------------------------------------------ comments heard, cursors, orders

    def load_unheard(self, versions: Sequence[str], task: ItemKey) -> tuple[str, ...]:
        """Those of the comment versions that were not marked as heard, each once, in the order given."""
        wanted = tuple(dict.fromkeys(versions))
        with self._reading() as connection:
            known = _heard_among(connection, task, wanted)
        return tuple(version for version in wanted if version not in known)

    def mark_heard(self, versions: Sequence[str], task: ItemKey, at: datetime) -> None:
        """Remember these comment versions: what they asked for is in the journal. Twice is as good as once."""
        wanted = tuple(dict.fromkeys(versions))
        if not wanted:
            return
        with self._writing(counts=False) as connection:
            known = _heard_among(connection, task, wanted)
            new = [version for version in wanted if version not in known]
            if new:
                connection.execute(queries.insert_heard(), queries.heard_rows(task, new, at))

    def load_cursor(self, name: str) -> str | None:
        """The stored value, or None."""
        with self._reading() as connection:
            value = connection.execute(queries.cursor_value(name)).scalar()
            return None if value is None else str(value)

    def save_cursor(self, name: str, value: str) -> None:
        """Store a value."""
        with self._writing(counts=False) as connection:
            if connection.execute(queries.change_cursor(name, value)).rowcount == 0:
                connection.execute(queries.insert_cursor(name, value))

    def give_order(self, name: str, argument: str, at: datetime) -> None:
        """Leave an order for the daemon (`retry`, `stop`, `drain`, ...)."""
        with self._writing() as connection:
            connection.execute(queries.insert_order(name, argument, at))

    def take_orders(self) -> tuple[Order, ...]:
        """Orders that wait, oldest first; each is handed out until `finish_order`."""
        return self._unless_known("orders", self._load_orders)

    def _load_orders(self) -> tuple[Order, ...]:
        with self._reading() as connection:
            return tuple(map(rows.order, connection.execute(queries.waiting_orders())))

    def finish_order(self, order_id: int) -> None:
        """The order was carried out."""
        with self._writing() as connection:
            connection.execute(queries.finish_order(order_id))

    # ------------------------------------------------------------ keeping the file well

    def prune(self, before: datetime) -> int:
        """Forget decisions, notes and finished orders older than this, and comments heard on tasks that are over.

        Returns how many rows went. Runs and effects stay: they are the spend, and the keys that make a replay harmless.
        """
        with self._writing() as connection:
            return sum(connection.execute(pruning).rowcount for pruning in queries.prunings(before))

    def backup(self, path: Path) -> None:
        """Copy the committed state to `path`, which appears whole or not at all; other processes may go on writing."""
        copy_database(self._reader, path)

    def check(self) -> tuple[str, ...]:
        """What is wrong inside the file, () when it is sound; reads all of it, so not for every tick."""
        with self._reading() as connection:
            return integrity_problems(connection)


def _heard_among(connection: sa.Connection, task: ItemKey, versions: Sequence[str]) -> set[str]:
    """Those of the versions that are marked as heard, asked in portions: a statement takes so many parameters only."""
    portions = (versions[start : start + _AT_ONCE] for start in range(0, len(versions), _AT_ONCE))
    found = (connection.execute(queries.heard_among(task, portion)) for portion in portions)
    return {version for result in found for (version,) in result}


def _store_task(connection: sa.Connection, task: Task, at: datetime, *, has_moved: bool) -> None:
    row = queries.task_row(task)
    moved = {"moved_at": at} if has_moved else {}
    if connection.execute(queries.change_task(), {**queries.of(task.key), **row, **moved}).rowcount == 0:
        connection.execute(queries.insert_task(task, at))


def _hold_agents(connection: sa.Connection, decided: Decided) -> None:
    if decided.agents_freed:
        connection.execute(queries.forget_agent_holds(decided.agents_freed))
    for hold in decided.agents_held:
        if connection.execute(queries.change_agent_hold(hold)).rowcount == 0:
            connection.execute(queries.insert_agent_hold(hold))


def _tell_usage(connection: sa.Connection, run_id: str, usage: Usage, prompt_digest: str = "") -> None:
    statement = queries.tell_usage(run_id, usage, prompt_digest)
    if statement is not None:
        connection.execute(statement)


def _reserve(connection: sa.Connection, task: Task, insert_run: sa.Executable) -> None:
    try:
        connection.execute(insert_run)
    except sa.exc.IntegrityError as error:
        raise ClaimLost(f"{task.name} already has a live run, or this run was reserved before") from error
