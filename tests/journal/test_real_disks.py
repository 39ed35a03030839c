"""A disk that is really full, and one that really is read-only: a small file system of memory, mounted for one process."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

OWN_MOUNTS = ("unshare", "--mount", *(() if os.geteuid() == 0 else ("--map-root-user",)))
TRY = "mount -t tmpfs -o size=1m tmpfs /mnt"


def can_mount() -> bool:
    if shutil.which("unshare") is None or not Path("/mnt").is_dir():
        return False
    return subprocess.run([*OWN_MOUNTS, "sh", "-c", TRY], capture_output=True, check=False).returncode == 0


pytestmark = pytest.mark.skipif(not can_mount(), reason="this machine allows no mount namespace of our own")

BEGIN = """
import os
import subprocess
from contextlib import closing
from pathlib import Path
from dispatcher.core.errors import JournalUnusable
from dispatcher.journal.store import SqlJournal
from tests.journal.stories import a_task, decided

disk = Path({folder!r})
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)], check=True)
path = disk / "journal.sqlite3"
with SqlJournal(path) as journal:
    journal.commit(decided(a_task(1)))
"""

FULL = """
ballast = disk / "ballast"
with SqlJournal(path) as journal:
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            pass
    fitted = 1
    try:
        for number in range(2, 200):
            journal.commit(decided(a_task(number, title="t" * 20_000)))
            fitted = number
    except JournalUnusable as error:
        print(error)
    known = len(journal.load_tasks())
    print("whole", known == fitted)
    ballast.unlink()
    journal.commit(decided(a_task(300)))
    print("goes on", len(journal.load_tasks()) == known + 1, journal.check() == ())
"""

FULL_BEFORE_THE_FIRST = """
other = disk / "other.sqlite3"
with (disk / "ballast").open("wb", buffering=0) as file:
    try:
        while True:
            file.write(b"x" * 4096)
    except OSError:
        pass
try:
    SqlJournal(other).close()
except JournalUnusable as error:
    print(error)
(disk / "ballast").unlink()
with SqlJournal(other) as journal:
    journal.commit(decided(a_task(1)))
    print("begins", len(journal.load_tasks()))
"""

READ_ONLY = """
subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
try:
    with SqlJournal(path) as journal:
        journal.commit(decided(a_task(2)))
except JournalUnusable as error:
    print(error)
subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
with SqlJournal(path) as journal:
    print("whole", [task.key.number for task in journal.load_tasks()], journal.check())
"""


def told_by(story: str, folder: Path) -> str:
    """What a process says that has this folder as a disk of its own."""
    disk = folder / "disk"
    disk.mkdir()
    command = [*OWN_MOUNTS, sys.executable, "-W", "error", "-c", BEGIN.format(folder=str(disk)) + story]
    told = subprocess.run(command, capture_output=True, text=True, cwd=Path.cwd(), timeout=120, check=False)
    assert told.stderr == ""
    return told.stdout


def test_a_disk_that_fills_up_keeps_whole_changes_only_and_goes_on_when_there_is_room(tmp_path: Path) -> None:
    said = told_by(FULL, tmp_path)
    assert "journal.sqlite3: " in said
    assert "the disk is full" in said
    assert "Free some space" in said
    assert "whole True" in said
    assert "goes on True True" in said


def test_a_journal_that_cannot_even_begin_begins_when_there_is_room(tmp_path: Path) -> None:
    said = told_by(FULL_BEFORE_THE_FIRST, tmp_path)
    assert "other.sqlite3: " in said
    assert "disk" in said
    assert "begins 1" in said


def test_a_file_system_that_turns_read_only_loses_nothing(tmp_path: Path) -> None:
    """So does Linux with a disk that fails; the superuser cannot write there either."""
    said = told_by(READ_ONLY, tmp_path)
    assert "journal.sqlite3: " in said
    assert "whole [1] ()" in said
