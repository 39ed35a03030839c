"""Ten thousand open tasks: what an idle tick asks costs as much as with ten."""

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable

from dispatcher.core.model import ItemKey, Stage, Task
from dispatcher.journal import queries
from dispatcher.journal.schema import metadata, tasks
from dispatcher.journal.sqlite_only import open_engine
from dispatcher.journal.store import SqlJournal
from tests.journal.stories import DEPOT, NOON, SHOP, a_run, a_task, decided, dispatched, later, shown

Ask = Callable[[SqlJournal], object]
IDLE_TICK: dict[str, Ask] = {
    "data_version": lambda journal: journal.data_version(),
    "take_orders": lambda journal: journal.take_orders(),
    "load_effects": lambda journal: journal.load_effects(),
    "load_live_runs": lambda journal: journal.load_live_runs(),
    "load_due": lambda journal: journal.load_due(NOON),
    "count_dispatches_since": lambda journal: journal.count_dispatches_since(NOON),
    "load_task": lambda journal: journal.load_task(ItemKey(SHOP, 5)),
    "load_task_of_pull": lambda journal: journal.load_task(ItemKey(SHOP, 50_005)),
    "load_decisions": lambda journal: journal.load_decisions(ItemKey(SHOP, 5)),
    "load_cursor": lambda journal: journal.load_cursor("issues.etag"),
}


def waiting_task(number: int) -> Task:
    """Open, and nothing to do about it now: a person's turn, a cooldown, or a look ahead; every third of each."""
    if number % 3 == 0:
        return a_task(number, stage=Stage.MERGE_READY, pull=50_000 + number)
    if number % 3 == 1:
        return a_task(number, stage=Stage.QUEUED, cooldown_until=later(1 + number))
    return a_task(number, stage=Stage.REVIEWING, look_again_at=later(1 + number), pull=50_000 + number)


def office(path: Path, count: int) -> Path:
    SqlJournal(path).close()
    engine = open_engine(path, read_only=False, busy_timeout_s=1).execution_options(writes=True)
    many = [waiting_task(number) for number in range(1, count + 1)]
    rows = [
        {"repo_id": SHOP, "number": task.key.number, "moved_at": NOON, **queries.task_row(task)}
        for task in many
    ]
    with engine.begin() as connection:
        connection.execute(sa.insert(tasks), rows)
    engine.dispose()
    return path


@pytest.fixture(scope="module")
def big(tmp_path_factory):
    return office(tmp_path_factory.mktemp("big") / "journal.sqlite3", 10_000)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return office(tmp_path_factory.mktemp("small") / "journal.sqlite3", 10)


@contextmanager
def counted_steps() -> Iterator[list[int]]:
    """Counts the steps that SQLite's own machine makes: a measure of work without a clock."""
    steps = [0]

    def count() -> int:
        steps[0] += 1
        return 0

    def watch(connection: sqlite3.Connection, _: object) -> None:
        connection.set_progress_handler(count, 1)

    event.listen(sa.Engine, "connect", watch)
    try:
        yield steps
    finally:
        event.remove(sa.Engine, "connect", watch)


@contextmanager
def recorded_statements() -> Iterator[list[tuple[str, tuple[object, ...]]]]:
    statements: list[tuple[str, tuple[object, ...]]] = []

    def record(_connection, _cursor, statement, parameters, *_):
        statements.append((statement, parameters))

    event.listen(sa.Engine, "before_cursor_execute", record)
    try:
        yield statements
    finally:
        event.remove(sa.Engine, "before_cursor_execute", record)


def steps_of(path: Path, ask: Ask) -> int:
    with counted_steps() as steps, SqlJournal(path, read_only=True) as journal:
        ask(journal)
        somebody_writes(path)
        before = steps[0]
        ask(journal)
        return steps[0] - before


def somebody_writes(path: Path) -> None:
    """Another process changes something that no question is about."""
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("UPDATE orders SET argument = argument")
        other.execute("INSERT INTO notes (at, what) VALUES ('2026-01-01 00:00:00', 'nothing')")


@pytest.mark.parametrize("name", IDLE_TICK)
def test_an_idle_tick_works_as_much_for_ten_thousand_tasks_as_for_ten(big, small, name):
    ask = IDLE_TICK[name]
    few, many = steps_of(small, ask), steps_of(big, ask)
    assert few > 0
    assert many <= 1.2 * few


ASKED_EVERY_TICK = {
    "load_effects": lambda journal: journal.load_effects(),
    "load_live_runs": lambda journal: journal.load_live_runs(),
    "load_agent_holds": lambda journal: journal.load_agent_holds(),
    "take_orders": lambda journal: journal.take_orders(),
    "sum_usage_since": lambda journal: journal.sum_usage_since(NOON),
}


@pytest.mark.parametrize("name", ASKED_EVERY_TICK)
def test_what_is_asked_in_every_tick_is_read_once_per_change(tmp_path, name):
    ask, path = ASKED_EVERY_TICK[name], office(tmp_path / "journal.sqlite3", 3)
    with SqlJournal(path) as journal:
        first = ask(journal)
        with recorded_statements() as statements:
            assert ask(journal) == first
            assert statements == []
            somebody_writes(path)
            assert ask(journal) == first
            assert statements != []


def test_what_another_process_changed_is_seen_at_once(tmp_path):
    with SqlJournal(tmp_path / "journal.sqlite3") as daemon, SqlJournal(daemon.path) as person:
        assert (daemon.take_orders(), daemon.load_effects(), daemon.load_live_runs()) == ((), (), ())
        person.give_order("drain", "", NOON)
        assert [order.name for order in daemon.take_orders()] == ["drain"]
        task = a_task()
        daemon.commit(decided(task, shown(task, "begun")))
        daemon.commit(dispatched(task, a_run("run-1")))
        assert len(daemon.load_effects()) >= 1
        assert [record.run.id for record in daemon.load_live_runs()] == ["run-1"]


def test_the_measure_would_notice_a_query_that_reads_every_task(big, small):
    assert steps_of(big, lambda journal: journal.load_tasks()) > 100 * steps_of(
        small, lambda journal: journal.load_tasks()
    )


@pytest.mark.parametrize("name", IDLE_TICK)
def test_no_query_of_an_idle_tick_scans_a_growing_table(big, name):
    with SqlJournal(big, read_only=True) as journal, recorded_statements() as statements:
        IDLE_TICK[name](journal)
    with closing(sqlite3.connect(big)) as connection:
        plans = [
            str(step[3])
            for statement, parameters in statements
            if statement.startswith("SELECT")
            for step in connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
        ]
    assert plans
    partial = (
        "effects_pending",
        "orders_waiting",
        "runs_one_live_per_task",
        "changes",
    )  # short, whatever is open
    scans = [
        step for step in plans if step.startswith("SCAN") and not any(short in step for short in partial)
    ]
    assert scans == []


def test_only_what_is_due_is_read(tmp_path):
    with SqlJournal(tmp_path / "journal.sqlite3") as journal:
        story = {
            "queued": a_task(1),
            "cooling down": a_task(2, cooldown_until=later(5)),
            "cooled down": a_task(3, cooldown_until=later(-5)),
            "at work": a_task(4, stage=Stage.WORKING),
            "look later": a_task(5, stage=Stage.REVIEWING, look_again_at=later(5)),
            "look now": a_task(6, stage=Stage.MERGE_READY, look_again_at=NOON),
            "both": a_task(7, stage=Stage.NEEDS_REWORK, look_again_at=later(-1)),
            "cooling down, look now": a_task(8, cooldown_until=later(5), look_again_at=NOON),
            "over": a_task(9, stage=Stage.DONE, look_again_at=later(-1)),
            "elsewhere": a_task(1, DEPOT, stage=Stage.ASKED),
        }
        for minute, task in enumerate(story.values()):
            journal.commit(decided(task, at=later(minute)))
        names = {task: name for name, task in story.items()}

        due = [names[task] for task in journal.load_due(NOON)]
        assert due == ["queued", "cooled down", "look now", "both", "cooling down, look now", "elsewhere"]
        assert [names[task] for task in journal.load_due(later(-60), {Stage.QUEUED})] == ["queued"]
        assert {names[task] for task in journal.load_due(later(60))} == story.keys() - {"at work", "over"}


def test_counts_by_stage(big):
    with SqlJournal(big, read_only=True) as journal:
        counts = journal.count_tasks()
    assert counts == {Stage.MERGE_READY: 3333, Stage.QUEUED: 3334, Stage.REVIEWING: 3333}


def test_finished_effects_and_runs_do_not_slow_a_tick_down(tmp_path):
    """Years of history behind a daemon: what is pending is found without reading what is done."""
    with SqlJournal(tmp_path / "journal.sqlite3") as journal:
        task = a_task()
        journal.commit(decided(task, *(shown(task, str(cause)) for cause in range(300))))
        for stored in journal.load_effects()[:-1]:
            journal.mark_applied(stored.id, NOON)
        for number in range(100):
            at = NOON + timedelta(hours=number)
            journal.commit(dispatched(task, a_run(f"run-{number}", at=at)))
            journal.mark_run_ended(f"run-{number}", at, "exited")
        journal.cancel_effects(task.key, "clear the table")
    path = journal.path
    assert steps_of(path, lambda journal: journal.load_effects()) < 100
    assert steps_of(path, lambda journal: journal.load_live_runs()) < 100


# ---------------------------------------------------------------- another database


def test_tables_and_indexes_are_understood_by_postgresql():
    dialect = postgresql.dialect()
    spelt = [str(CreateTable(table).compile(dialect=dialect)) for table in metadata.sorted_tables]
    spelt += [
        str(CreateIndex(index).compile(dialect=dialect))
        for table in metadata.sorted_tables
        for index in table.indexes
    ]
    one_live_run = next(text for text in spelt if "runs_one_live_per_task" in text)
    assert one_live_run.startswith("CREATE UNIQUE INDEX")
    assert one_live_run.endswith("WHERE state IN ('reserved', 'running')")


def test_queries_are_understood_by_postgresql():
    """All but one: the insert that skips known keys comes from the module for SQLite alone."""
    task, key = a_task(), a_task().key
    statements = [
        queries.task_of(),
        queries.open_tasks(),
        queries.due_tasks(NOON, queries.DISPATCHERS_TURN),
        queries.tasks_by_stage(),
        queries.change_task().values(**queries.task_row(task)),
        queries.insert_task(task, NOON),
        queries.insert_decision(decided(task)),
        queries.pending_effects(),
        queries.count_failure(1, "x", None),
        queries.cancel_pending(key, "x"),
        queries.insert_run(task, a_run()),
        queries.live_runs(),
        queries.dispatches_since(NOON, "acme/shop"),
        queries.waiting_orders(),
        queries.count_change(),
        *queries.prunings(NOON),
    ]
    for statement in statements:
        assert str(statement.compile(dialect=postgresql.dialect()))


def test_bodies_are_json_that_other_tools_can_read(big):
    with closing(sqlite3.connect(big)) as connection:
        ((body,),) = connection.execute("SELECT body FROM tasks WHERE number = 5").fetchall()
    assert json.loads(body)["key"] == {"repo_id": SHOP, "number": 5}
