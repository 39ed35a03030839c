"""A writer that is killed, at any point of a transaction, leaves everything it acknowledged and nothing half done."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from dispatcher.journal.store import SqlJournal
from tests.journal.stories import a_task, decided

EFFECTS_EACH = 40

WRITER = f"""
import itertools, os, signal, sys
from dataclasses import replace
from pathlib import Path
import sqlalchemy as sa
from sqlalchemy import event
from dispatcher.journal.store import SqlJournal
from tests.journal.stories import a_run, a_task, dispatched, shown

path, first, dies_at = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

def die_after(connection, cursor, statement, *_):
    if statement.startswith(dies_at):
        die()

with SqlJournal(path) as journal:
    for number in itertools.count(first):
        if number == first + 2 and dies_at == "COMMIT":
            event.listen(sa.Engine, "commit", die)
        elif number == first + 2 and dies_at:
            event.listen(sa.Engine, "after_cursor_execute", die_after)
        task = a_task(number)
        decision = dispatched(task, a_run(f"run-{{number}}"))
        more = tuple(shown(task, str(cause)) for cause in range({EFFECTS_EACH} - 2))
        journal.commit(replace(decision, effects=decision.effects + more))
        print(number, flush=True)
"""


def killed_writer(path: Path, first: int, dies_at: str = "", acknowledged: int = 2) -> list[int]:
    """Let a process commit tasks `first`, `first` + 1, ... until it is killed; returns those that it acknowledged."""
    command = [sys.executable, "-c", WRITER, str(path), str(first), dies_at]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path.cwd()) as writer:
        assert writer.stdout is not None
        told = []
        if not dies_at:
            told = [int(writer.stdout.readline()) for _ in range(acknowledged)]
            writer.kill()
        told += [int(line) for line in writer.stdout]
        assert writer.wait(timeout=30) == -signal.SIGKILL
    return told


def assert_whole(path: Path, acknowledged: list[int]) -> set[int]:
    """Each task is there with all that was decided with it, or not at all; the acknowledged ones are there."""
    with SqlJournal(path) as journal:
        assert journal.check() == ()
        there = {task.key.number for task in journal.load_tasks()}
        pending = [stored.task.number for stored in journal.load_effects()]
        assert {number: pending.count(number) for number in there} == dict.fromkeys(there, EFFECTS_EACH)
        assert set(pending) == there
        assert {record.task.number for record in journal.load_live_runs()} == there
        assert all(len(journal.load_decisions(a_task(number).key)) == 1 for number in there)
        assert set(acknowledged) <= there
    return there


@pytest.mark.parametrize(
    "dies_at", ["INSERT INTO tasks", "INSERT INTO effects", "INSERT INTO runs", "COMMIT"]
)
def test_killed_inside_a_transaction(tmp_path, dies_at):
    path = tmp_path / "journal.sqlite3"
    acknowledged = killed_writer(path, 1, dies_at)
    assert acknowledged == [1, 2]
    assert assert_whole(path, acknowledged) == {1, 2}


def test_killed_at_any_moment_again_and_again(tmp_path):
    path = tmp_path / "journal.sqlite3"
    acknowledged: list[int] = []
    for round_number in range(4):
        acknowledged += killed_writer(path, 1 + 1_000 * round_number, acknowledged=3 + 5 * round_number)
        there = assert_whole(path, acknowledged)
        assert len(there) <= len(acknowledged) + round_number + 1  # one more each time: stored, not yet told


def test_the_file_was_deleted_but_the_log_of_a_killed_writer_is_still_beside_it(tmp_path):
    """Deleting the journal is a promised way to start again; what lies beside it must not haunt the new one."""
    path = tmp_path / "journal.sqlite3"
    killed_writer(path, 1)
    assert path.with_name("journal.sqlite3-wal").stat().st_size > 0
    path.unlink()
    with SqlJournal(path) as journal:
        assert journal.load_tasks(with_over=True) == ()
        journal.commit(decided(a_task(5)))
    with SqlJournal(path) as journal:
        assert journal.check() == ()
        assert journal.load_tasks() == (a_task(5),)
