"""A journal that cannot be used says which file, what is wrong and what to do; it never keeps half a change."""

import os
import resource
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy import event

from dispatcher.core.errors import JournalUnusable, NeedsPerson
from dispatcher.journal.store import SqlJournal
from tests.journal.stories import NOON, a_run, a_task, decided, dispatched, shown

HUGE = "x" * 2_000_000


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal.sqlite3"


@pytest.fixture
def filled(path):
    with SqlJournal(path) as journal:
        for number in range(1, 60):
            journal.commit(dispatched(a_task(number, title="t" * 500), a_run(f"run-{number}")))
    return path


@contextmanager
def refused(path: Path, *words: str) -> Iterator[None]:
    with pytest.raises(JournalUnusable) as caught:
        yield
    said = str(caught.value)
    assert isinstance(caught.value, NeedsPerson)
    assert said.startswith(f"{path}: ")
    assert caught.value.cure
    for word in words:
        assert word in said


@contextmanager
def disk_of_pages(count: int) -> Iterator[None]:
    """SQLite's own limit stands in for a disk that is full: the same error, at the same places."""

    def limit(connection: sqlite3.Connection, _: object) -> None:
        connection.execute(f"PRAGMA max_page_count = {count}").fetchone()

    event.listen(sa.Engine, "connect", limit)
    try:
        yield
    finally:
        event.remove(sa.Engine, "connect", limit)


def test_locked_for_longer_than_the_busy_timeout(filled):
    with SqlJournal(filled, busy_timeout_s=0.02) as journal, closing(sqlite3.connect(filled)) as other:
        other.execute("BEGIN IMMEDIATE")
        with refused(filled, "locked by another process", "try again"):
            journal.commit(decided(a_task(100)))
        assert len(journal.load_tasks()) == 59  # readers go on
        other.rollback()
        journal.commit(decided(a_task(100)))
        assert journal.load_task(a_task(100).key) == a_task(100)


def test_disk_full_in_the_middle_of_a_commit(path):
    with SqlJournal(path) as journal:
        journal.commit(decided(a_task(1)))
    with disk_of_pages(40), SqlJournal(path) as journal:
        with refused(path, "the disk is full", "Free some space"):
            journal.commit(
                decided(a_task(2), shown(a_task(2, title=HUGE), "x"), event=None, at=NOON, before=HUGE)
            )
        assert journal.load_tasks() == (a_task(1),)
        assert journal.load_effects() == ()
        journal.note(None, "small things still fit", NOON)
    with SqlJournal(path) as journal:
        assert journal.check() == ()
        journal.commit(decided(a_task(2, title=HUGE)))


def test_a_disk_that_refuses_to_write_in_the_middle_of_a_commit(path):
    """A real refusal by the operating system, in a process of its own: the size limit cannot be taken back."""
    SqlJournal(path).close()
    story = f"""
import os
import resource
from pathlib import Path
from dispatcher.core.errors import JournalUnusable
from dispatcher.journal.store import SqlJournal
from tests.journal.stories import a_task, decided, NOON
with SqlJournal(Path({str(path)!r})) as journal:
    journal.commit(decided(a_task(1)))
    resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))
    try:
        journal.commit(decided(a_task(2, title="x" * 2_000_000)))
    except JournalUnusable as error:
        print(error)
    print([task.key.number for task in journal.load_tasks()])
"""
    told = subprocess.run(
        [sys.executable, "-W", "error", "-c", story],
        capture_output=True,
        text=True,
        cwd=Path.cwd(),
        timeout=60,
        check=False,
    )
    assert told.stderr == ""
    assert "the disk is failing, or a size limit was reached" in told.stdout
    assert told.stdout.endswith("[1]\n")
    with SqlJournal(path) as journal:
        assert journal.check() == ()
        assert journal.load_tasks() == (a_task(1),)


def test_a_reader_cannot_write(filled):
    with SqlJournal(filled, read_only=True) as journal:
        with refused(filled, "it is read-only"):
            journal.note(None, "no", NOON)
        assert len(journal.load_tasks()) == 59


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write anything")
def test_a_file_that_this_user_may_not_write(filled):
    filled.chmod(0o400)
    with SqlJournal(filled) as journal, refused(filled, "it is read-only", "writable for this user"):
        journal.note(None, "no", NOON)


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read anything")
def test_a_file_that_this_user_may_not_read(filled):
    filled.chmod(0o000)
    with refused(filled, "cannot be opened"):
        SqlJournal(filled, read_only=True)


def test_no_journal_yet(path):
    with refused(path, "cannot be opened"):
        SqlJournal(path, read_only=True)
    assert not path.exists()


def test_no_folder(tmp_path):
    path = tmp_path / "absent" / "journal.sqlite3"
    with refused(path, "cannot be opened", "a folder that exists"):
        SqlJournal(path)


def test_a_folder_in_place_of_the_file(path):
    path.mkdir()
    with refused(path, "cannot be opened"):
        SqlJournal(path)


def test_a_name_with_strange_characters(tmp_path):
    path = tmp_path / "50% #1 ?mode=ro.sqlite3"
    with SqlJournal(path) as journal:
        journal.note(None, "fine", NOON)
    assert path.exists()


@pytest.mark.parametrize("read_only", [False, True])
def test_not_a_database(path, read_only):
    path.write_bytes(b"dear diary, " * 500)
    with refused(path, "is not a database", "move the file away"):
        SqlJournal(path, read_only=read_only)
    assert path.read_bytes() == b"dear diary, " * 500


@pytest.mark.parametrize("kept", [0.9, 0.5, 0.1])
def test_cut_off(filled, kept):
    whole = filled.read_bytes()
    filled.write_bytes(whole[: int(len(whole) * kept)])
    with refused(filled, "is damaged", "backup"):
        SqlJournal(filled)


def test_an_empty_file_is_a_new_journal(path):
    path.touch()
    with SqlJournal(path) as journal:
        assert journal.load_tasks(with_over=True) == ()


def test_scribbled_over(filled):
    """The schema is still there, so opening works: reading on says that it is damaged, and so does the check."""
    with closing(sqlite3.connect(filled)) as connection:
        ((page_bytes,),) = connection.execute("PRAGMA page_size").fetchall()
        ((root,),) = connection.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = 'effects'"
        ).fetchall()
    content = bytearray(filled.read_bytes())
    content[(root - 1) * page_bytes : root * page_bytes] = b"\xa5" * page_bytes
    filled.write_bytes(content)
    with SqlJournal(filled) as journal:
        with refused(filled, "is damaged"):
            journal.load_effects()
        assert journal.check() != ()
        assert len(journal.load_tasks()) == 59


def test_another_programs_database(path):
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE bookmarks (url TEXT)")
    with refused(path, "not a dispatcher's journal", "bookmarks", "another state folder"):
        SqlJournal(path)


def test_a_journal_without_its_version(filled):
    with closing(sqlite3.connect(filled)) as connection, connection:
        connection.execute("DELETE FROM schema_version")
    with refused(filled, "not a dispatcher's journal"):
        SqlJournal(filled)


def test_a_table_that_was_dropped(filled):
    with closing(sqlite3.connect(filled)) as connection:
        connection.execute("DROP TABLE orders")
    with SqlJournal(filled) as journal, refused(filled, "no such table: orders"):
        journal.take_orders()


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (
            """UPDATE tasks SET body = replace(body, '"working"', '"juggling"')""",
            ("Task cannot be read", "stage"),
        ),
        ("UPDATE tasks SET body = substr(body, 1, 40)", ("Task cannot be read",)),
        ("UPDATE effects SET kind = 'MakeCoffee'", ("`MakeCoffee` is not known to this version",)),
        ("UPDATE runs SET body = '{}'", ("LiveRun cannot be read", "Field required")),
    ],
)
def test_a_value_of_another_version(filled, damage, words):
    with closing(sqlite3.connect(filled)) as connection, connection:
        connection.execute(damage)
    with SqlJournal(filled) as journal, refused(filled, *words, "backup"):
        for _ in (journal.load_tasks(), journal.load_effects(), journal.load_runs()):
            pass


def test_a_reference_to_nothing_is_found_by_the_check(filled):
    with closing(sqlite3.connect(filled)) as connection, connection:
        connection.execute("DELETE FROM tasks WHERE number = 7")
    with SqlJournal(filled) as journal:
        assert any(problem.startswith("runs: row ") for problem in journal.check())


def test_the_file_is_private(filled):
    with SqlJournal(filled) as journal:
        journal.note(None, "x", NOON)
        journal.backup(filled.with_name("copy.sqlite3"))
        assert {entry.stat().st_mode & 0o777 for entry in filled.parent.iterdir()} == {0o600}


# ---------------------------------------------------------------- backup


def test_a_backup_is_a_whole_journal(filled, tmp_path):
    copy = tmp_path / "copy.sqlite3"
    copy.write_text("an older backup")
    with SqlJournal(filled) as journal:
        journal.backup(copy)
        journal.commit(decided(a_task(100)))
    with SqlJournal(copy) as restored:
        assert restored.check() == ()
        assert len(restored.load_tasks()) == 59
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["copy.sqlite3", "journal.sqlite3"]


def test_a_backup_that_cannot_be_written(filled, tmp_path):
    target = tmp_path / "absent" / "copy.sqlite3"
    with SqlJournal(filled) as journal, refused(target):
        journal.backup(target)


def test_size_limits_of_this_process_are_untouched():
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY
