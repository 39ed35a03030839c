"""Two processes on one file: the daemon writes, the command line reads and leaves orders."""

import sqlite3
import threading
from contextlib import closing

import pytest

from dispatcher.journal.store import SqlJournal
from tests.journal.stories import NOON, a_run, a_task, decided, dispatched


@pytest.fixture
def daemon(tmp_path):
    with SqlJournal(tmp_path / "journal.sqlite3") as journal:
        yield journal


@pytest.fixture
def status(daemon):
    with SqlJournal(daemon.path, read_only=True) as journal:
        yield journal


def test_a_reader_sees_what_was_committed(daemon, status):
    assert status.load_tasks() == ()
    daemon.commit(dispatched(a_task(), a_run()))
    assert [record.run.id for record in status.load_live_runs()] == ["run-1"]
    assert status.load_decisions(a_task().key)[0].event == "Dispatched"


def test_the_command_line_leaves_an_order(daemon):
    with SqlJournal(daemon.path) as command_line:
        command_line.give_order("retry", "acme/shop#7", NOON)
    (order,) = daemon.take_orders()
    daemon.finish_order(order.id)
    assert daemon.take_orders() == ()


def test_the_data_version_tells_cheaply_that_nothing_changed(daemon, status):
    seen = status.data_version()
    daemon.load_tasks()
    daemon.save_cursor("issues.etag", "1")
    daemon.mark_heard(["comment:1:0"], a_task().key, NOON)
    assert status.data_version() == seen == daemon.data_version()

    changes = (
        lambda: daemon.commit(decided(a_task())),
        lambda: daemon.save_task(a_task(title="new")),
        lambda: daemon.note(None, "x", NOON),
        lambda: daemon.cancel_effects(a_task().key, "x"),
        lambda: daemon.give_order("stop", "", NOON),
    )
    for change in changes:
        change()
        assert status.data_version() == daemon.data_version() > seen
        seen = status.data_version()


def test_a_refused_change_does_not_count(daemon):
    seen = daemon.data_version()
    with pytest.raises(LookupError):
        daemon.mark_sent(1, NOON)
    assert daemon.data_version() == seen


def test_writers_take_turns(daemon):
    """Threads of one process and a second process's connection, all writing: nobody fails, nothing is lost."""
    failures: list[BaseException] = []

    def write(journal: SqlJournal, first: int) -> None:
        try:
            for number in range(first, first + 20):
                journal.commit(dispatched(a_task(number), a_run(f"run-{number}")))
        except BaseException as error:  # noqa: BLE001
            failures.append(error)

    with SqlJournal(daemon.path) as other:
        writers = [
            threading.Thread(target=write, args=(who, 100 * n))
            for n, who in enumerate((daemon, daemon, other))
        ]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join(timeout=60)
    assert failures == []
    assert len(daemon.load_live_runs()) == 60
    assert daemon.check() == ()


def test_a_reader_in_the_middle_of_reading_does_not_hold_the_writer_up(daemon, status):
    daemon.commit(decided(a_task()))
    with closing(sqlite3.connect(daemon.path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM tasks").fetchone() == (1,)
        daemon.commit(decided(a_task(8)))
        assert reader.execute("SELECT count(*) FROM tasks").fetchone() == (1,)  # its own moment, undisturbed
        reader.execute("COMMIT")
    assert len(status.load_tasks()) == 2
