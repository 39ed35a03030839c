"""From version to version: everything or nothing, with a copy of the old file beside it."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from dispatcher.core.errors import JournalUnusable
from dispatcher.core.model import ItemKey, Stage
from dispatcher.journal.migrations import MIGRATIONS, NEWEST, Migration, backup_path, migrate
from dispatcher.journal.sqlite_only import open_engine
from dispatcher.journal.store import SqlJournal
from tests.journal.stories import NOON, SHOP, a_task, decided
from tests.journal.version_1 import make_version_1


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal.sqlite3"


def run_migrations(path: Path, *added: Migration) -> None:
    engine = open_engine(path, read_only=False, busy_timeout_s=1).execution_options(writes=True)
    try:
        migrate(engine, path, (*MIGRATIONS, *added))
    finally:
        engine.dispose()


def ask(path: Path, sql: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(sql).fetchall()


def layout(path: Path) -> dict[str, object]:
    """Columns of every table, and what every index covers: the schema without its spelling."""
    tables = [str(name) for (name,) in ask(path, "SELECT name FROM sqlite_master WHERE type = 'table'")]
    columns = {name: ask(path, f"SELECT * FROM pragma_table_info('{name}')") for name in tables}
    indexes = {
        str(name): ask(path, f"SELECT name FROM pragma_index_info('{name}')") + ask_partial(path, str(name))
        for (name,) in ask(path, "SELECT name FROM sqlite_master WHERE type = 'index'")
    }
    return {"columns": columns, "indexes": indexes}


def ask_partial(path: Path, index: str) -> list[tuple[object, ...]]:
    ((sql,),) = ask(path, f"SELECT sql FROM sqlite_master WHERE name = '{index}'")
    return [(str(sql).partition("WHERE")[2].strip(), "UNIQUE" in str(sql))]


def add_colour(connection: sa.Connection) -> None:
    connection.exec_driver_sql("ALTER TABLE tasks ADD COLUMN colour TEXT NOT NULL DEFAULT 'grey'")
    connection.exec_driver_sql("UPDATE tasks SET colour = 'blue'")


def stumble(connection: sa.Connection) -> None:
    connection.exec_driver_sql("UPDATE tasks SET colour = 'red'")
    connection.exec_driver_sql("INSERT INTO nowhere VALUES (1)")


COLOUR = Migration(to_version=NEWEST + 1, what="tasks have a colour", apply=add_colour)
STUMBLE = Migration(to_version=NEWEST + 2, what="fails half-way", apply=stumble)


def test_a_new_file_gets_the_newest_schema_and_no_backup(path, tmp_path):
    SqlJournal(path).close()
    assert ask(path, "SELECT version FROM schema_version") == [(NEWEST,)]
    assert [entry.name for entry in tmp_path.iterdir()] == ["journal.sqlite3"]


def test_a_journal_of_version_1_is_read_by_this_version(path):
    make_version_1(path)
    with SqlJournal(path) as journal:
        assert journal.load_task(ItemKey(SHOP, 12)).stage is Stage.QUEUED
        assert journal.load_cursor("issues.etag") == 'W/"1"'
        assert journal.data_version() == 41
        journal.commit(decided(a_task(8)))
        assert journal.check() == ()


def test_version_1_brought_up_to_date_has_the_schema_of_a_new_file(path, tmp_path):
    """Fails when `schema` is changed without a migration."""
    make_version_1(path)
    SqlJournal(path).close()
    SqlJournal(tmp_path / "new.sqlite3").close()
    assert layout(path) == layout(tmp_path / "new.sqlite3")


def test_migrations_are_numbered_without_a_gap():
    assert [migration.to_version for migration in MIGRATIONS] == list(range(2, NEWEST + 1))


def test_a_migration_keeps_what_was_there_and_a_copy_of_the_old_file(path):
    make_version_1(path)
    run_migrations(path)
    run_migrations(path, COLOUR)
    assert ask(path, "SELECT version FROM schema_version") == [(NEWEST + 1,)]
    assert ask(path, "SELECT number, colour FROM tasks") == [(7, "blue")]
    copy = backup_path(path, NEWEST)
    assert ask(copy, "SELECT version FROM schema_version") == [(NEWEST,)]
    assert "colour" not in str(layout(copy))


def test_a_migration_that_fails_leaves_the_old_version_whole(path):
    with SqlJournal(path) as journal:
        journal.commit(decided(a_task()))
    with pytest.raises(sa.exc.OperationalError, match="nowhere"):
        run_migrations(path, COLOUR, STUMBLE)
    assert "colour" not in str(layout(path))
    with SqlJournal(path) as journal:
        assert journal.load_tasks() == (a_task(),)
    assert backup_path(path, NEWEST).exists()


def test_a_migration_is_not_run_twice(path):
    run_migrations(path, COLOUR)
    backup_path(path, NEWEST).unlink(missing_ok=True)
    run_migrations(path, COLOUR)
    assert not backup_path(path, NEWEST).exists()


@pytest.mark.parametrize("read_only", [False, True])
def test_a_journal_of_a_newer_version_is_refused_and_left_alone(path, read_only):
    with SqlJournal(path) as journal:
        journal.note(None, "from the future", NOON)
    run_migrations(path, COLOUR, Migration(NEWEST + 2, "nothing", lambda _: None))
    before = path.read_bytes()
    with pytest.raises(JournalUnusable) as refused:
        SqlJournal(path, read_only=read_only)
    assert f"{path}: the journal has version {NEWEST + 2}" in str(refused.value)
    assert f"version-{NEWEST}.backup" in refused.value.cure
    assert path.read_bytes() == before


def test_a_reader_asks_for_the_writer_to_migrate(path):
    make_version_1(path)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE schema_version SET version = 0")
    with pytest.raises(JournalUnusable, match="dispatcher run"):
        SqlJournal(path, read_only=True)


def test_several_that_open_a_new_file_at_once_make_one_journal(path):
    def begin(number: int) -> None:
        with SqlJournal(path) as journal:
            journal.save_cursor(f"cursor {number}", "there")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(begin, range(8)))
    assert ask(path, "SELECT count(*) FROM cursors") == [(8,)]
    assert ask(path, "SELECT version FROM schema_version") == [(NEWEST,)]
