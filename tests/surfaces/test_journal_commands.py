"""`dispatcher journal`: what a person reads about the journal, sound or not, and that nothing of it is ever lost."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from dispatcher import app as parts
from dispatcher.journal.store import SqlJournal
from dispatcher.state import hold_state_dir
from dispatcher.surfaces.cli import app
from tests.journal.stories import a_run, a_task, dispatched

CONFIG = 'repo = "acme/shop"\n[forge]\nbase_url = "http://127.0.0.1:9"\nuse_gh = false\n'


@pytest.fixture(scope="module")
def sixty_tasks(tmp_path_factory):
    """A journal, made once and copied by every story."""
    path = tmp_path_factory.mktemp("made") / "journal.sqlite3"
    with SqlJournal(path) as journal:
        for number in range(1, 61):
            journal.commit(dispatched(a_task(number, title="t" * 300), a_run(f"run-{number}")))
    return path


@pytest.fixture
def state(tmp_path, monkeypatch, sixty_tasks):
    """A state folder with a journal of sixty tasks, and a configuration that leads to it."""
    for name in ("STATE_DIRECTORY", "DISPATCHER_CONFIG", "DISPATCHER_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DISPATCHER_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("GITHUB_TOKEN", "ghp_" + "x" * 36)
    (tmp_path / "config.toml").write_text(CONFIG)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "state").mkdir()
    shutil.copy(sixty_tasks, tmp_path / "state" / "journal.sqlite3")
    return tmp_path / "state"


def dispatcher(*arguments, obj=None):
    return CliRunner().invoke(app, arguments, obj=obj)


def journal_in(state):
    return state / "journal.sqlite3"


def scribble(path):
    with closing(sqlite3.connect(path)) as connection:
        ((size,),) = connection.execute("PRAGMA page_size").fetchall()
        ((root,),) = connection.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = 'effects'"
        ).fetchall()
    content = bytearray(path.read_bytes())
    content[(root - 1) * size : root * size] = b"\xa5" * size
    path.write_bytes(content)


def make_folder(path):
    path.unlink()
    path.mkdir()


def make_newer(path):
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE schema_version SET version = 99")


def make_others(path):
    path.unlink()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE bookmarks (url TEXT)")


DAMAGE = {
    "cut off": (lambda path: path.write_bytes(path.read_bytes()[:9_000]), "is damaged"),
    "no database": (lambda path: path.write_text("dear diary, " * 500), "is not a database"),
    "newer": (make_newer, "has version 99, this dispatcher knows versions up to"),
    "a folder": (make_folder, "cannot be opened"),
    "another program's": (make_others, "not a dispatcher's journal"),
}
COMMANDS = [
    ("status",),
    ("explain", "acme/shop#7"),
    ("retry", "acme/shop#7"),
    ("once",),
    ("run",),
    ("clean",),
    ("journal", "check"),
    ("journal", "backup", "copy"),
]


# ---------------------------------------------------------------- unusable


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("damage", DAMAGE)
def test_an_unusable_journal_is_one_clear_line_and_exit_code_3(state, damage, command):
    spoil, words = DAMAGE[damage]
    spoil(journal_in(state))

    answer = dispatcher(*command)

    assert answer.exit_code == 3, answer.output
    assert answer.stderr.count("\n") == 1, answer.stderr
    assert answer.stderr.startswith(f"{journal_in(state)}: ")
    assert words in answer.stderr
    assert not Path("copy").exists()


def test_for_a_program_it_is_json(state):
    make_newer(journal_in(state))
    told = json.loads(dispatcher("journal", "check", "--json").stdout)
    assert told["exit_code"] == 3
    assert "version 99" in told["error"]


def test_a_journal_that_was_never_brought_up_to_date_says_who_does_that(state):
    journal_in(state).unlink()
    journal_in(state).touch()
    answer = dispatcher("status")
    assert answer.exit_code == 3
    assert "brings the journal up to date" in answer.stderr


def test_a_locked_journal_says_so(state):
    quick = SimpleNamespace(
        open_journal=lambda settings, **_: SqlJournal(settings.journal_path, busy_timeout_s=0.02)
    )
    with closing(sqlite3.connect(journal_in(state))) as other:
        other.execute("BEGIN IMMEDIATE")
        answer = dispatcher("retry", "acme/shop#7", obj=quick)
    assert answer.exit_code == 3
    assert answer.stderr.count("\n") == 1
    assert "is locked by another process" in answer.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write anything")
def test_a_read_only_journal_says_so(state):
    journal_in(state).chmod(0o400)
    answer = dispatcher("retry", "acme/shop#7")
    assert answer.exit_code == 3
    assert "read-only" in answer.stderr


# ---------------------------------------------------------------- check


def test_a_sound_journal(state):
    answer = dispatcher("journal", "check")
    assert answer.exit_code == 0, answer.stderr
    assert "is sound" in answer.stdout
    assert "Tasks: 60 working. Live runs: 60. Still to be done: 120." in answer.stdout

    told = json.loads(dispatcher("journal", "check", "--json").stdout)
    assert told["problems"] == []
    assert told["tasks"] == {"working": 60}
    assert told["live_runs"][0] == "run-1"


def test_damage_inside_the_journal_needs_a_person(state):
    scribble(journal_in(state))
    answer = dispatcher("journal", "check")
    assert answer.exit_code == 3
    assert "is damaged" in answer.stdout
    assert "dispatcher journal rebuild" in answer.stdout
    assert json.loads(dispatcher("journal", "check", "--json").stdout)["problems"]


@pytest.mark.parametrize("command", [("check",), ("backup", "copy")])
def test_no_journal_yet(state, command):
    journal_in(state).unlink()
    answer = dispatcher("journal", *command)
    assert answer.exit_code == 2
    assert "nothing was ever dispatched" in answer.stderr


# ---------------------------------------------------------------- backup


def test_a_backup_is_a_journal_that_can_be_put_back(state):
    assert dispatcher("journal", "backup", "copy").exit_code == 0
    journal_in(state).write_text("ruined")
    Path("copy").replace(journal_in(state))
    assert "60 working" in dispatcher("journal", "check").stdout


def test_a_backup_replaces_nothing_unless_it_is_told_to(state):
    Path("copy").write_text("precious")
    refused = dispatcher("journal", "backup", "copy")
    assert refused.exit_code == 2
    assert "--force" in refused.stderr
    assert Path("copy").read_text() == "precious"

    assert dispatcher("journal", "backup", "copy", "--force").exit_code == 0
    with SqlJournal(Path("copy").absolute()) as copy:
        assert len(copy.load_tasks()) == 60


@pytest.mark.parametrize("name", ["journal.sqlite3", "journal.sqlite3-wal", "journal.sqlite3-shm"])
def test_a_backup_never_goes_over_the_journal_itself(state, name):
    answer = dispatcher("journal", "backup", str(state / name), "--force")
    assert answer.exit_code == 2
    assert "is the journal itself" in answer.stderr
    assert "60 working" in dispatcher("journal", "check").stdout


def test_a_backup_needs_a_file_name(state):
    assert "is a folder" in dispatcher("journal", "backup", ".", "--force").stderr
    nowhere = dispatcher("journal", "backup", "absent/copy")
    assert nowhere.exit_code == 3
    assert "cannot be" in nowhere.stderr


# ---------------------------------------------------------------- rebuild


def old_journal(state):
    (folder,) = state.glob("journal-*Z")
    return folder / "journal.sqlite3"


def test_rebuilding_puts_the_old_journal_aside_and_begins_a_new_one(state):
    answer = dispatcher("journal", "rebuild")
    assert answer.exit_code == 0, answer.stderr
    assert str(old_journal(state)) in answer.stdout
    assert "60 run(s) were live" in answer.stdout
    with SqlJournal(old_journal(state), read_only=True) as old:
        assert len(old.load_tasks()) == 60
    with SqlJournal(journal_in(state)) as new:
        assert new.load_tasks() == ()
        assert str(old_journal(state)) in new.load_notes()[0][1]
    assert old_journal(state).parent.stat().st_mode & 0o777 == 0o700


def test_what_a_killed_dispatcher_had_not_merged_into_its_file_goes_along(state):
    story = f"""
import os
from pathlib import Path
from dispatcher.journal.store import SqlJournal
from tests.journal.stories import NOON
journal = SqlJournal(Path({str(journal_in(state))!r}))
journal.note(None, "last words", NOON)
os._exit(9)
"""
    subprocess.run([sys.executable, "-c", story], cwd=Path(__file__).parents[2], check=False, timeout=60)
    assert journal_in(state).with_name("journal.sqlite3-wal").stat().st_size > 0

    assert dispatcher("journal", "rebuild").exit_code == 0

    with SqlJournal(old_journal(state), read_only=True) as old:
        assert old.load_notes()[0][1] == "last words"


@pytest.mark.parametrize("damage", DAMAGE)
def test_rebuilding_is_the_way_out_of_any_damage(state, damage):
    DAMAGE[damage][0](journal_in(state))
    before = journal_in(state).read_bytes() if journal_in(state).is_file() else b""

    answer = dispatcher("journal", "rebuild")

    assert answer.exit_code == 0, answer.stderr
    if before and damage != "newer":
        assert old_journal(state).read_bytes() == before
    assert "is sound" in dispatcher("journal", "check").stdout


def test_rebuilding_waits_until_no_dispatcher_works(state):
    with hold_state_dir(state, datetime(2026, 3, 1, tzinfo=UTC)):
        answer = dispatcher("journal", "rebuild", "--json")
    assert answer.exit_code == 3
    assert f"held by pid {os.getpid()}" in json.loads(answer.stdout)["error"]
    assert list(state.glob("journal-*Z")) == []


def test_rebuilding_where_there_is_nothing_makes_a_journal(state):
    journal_in(state).unlink()
    answer = dispatcher("journal", "rebuild", "--json")
    assert answer.exit_code == 0
    assert json.loads(answer.stdout)["old"] is None
    assert journal_in(state).exists()


def test_the_programs_own_parts_can_all_of_this():
    assert {"open_journal", "open_house"} <= set(dir(parts))
