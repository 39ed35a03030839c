"""What a run takes of this machine: measured, bounded and named."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from dispatcher.core.rules import Limits, NetworkAccess, SandboxKind, SandboxRules
from dispatcher.runs.diskuse import DiskWatch, measure_bytes
from dispatcher.runs.sandbox.trial import try_bwrap
from tests.runs.conftest import Desk

MB = 1_000_000


@pytest.fixture
def loose(desk: Desk) -> Desk:
    desk.sandbox = SandboxRules(SandboxKind.NONE)
    return desk


@pytest.fixture
def boxed(desk: Desk) -> Desk:
    if try_bwrap().machine is None:
        pytest.skip(f"no sandbox here: {try_bwrap().why}")
    desk.sandbox = SandboxRules(SandboxKind.BWRAP, NetworkAccess.OFF)
    return desk


# ---------------------------------------------------------------- disk


def test_every_name_counts_hard_links_once_and_links_are_not_followed(tmp_path: Path) -> None:
    top = tmp_path / "top"
    (top / "inner").mkdir(parents=True)
    (tmp_path / "elsewhere").write_bytes(b"x" * MB)
    (top / "inner" / "big").write_bytes(os.urandom(MB))
    (top / "again").hardlink_to(top / "inner" / "big")
    (top / "link").symlink_to(tmp_path)
    for number in range(10):
        (top / f"empty-{number}").touch()
    taken_bytes = measure_bytes((str(top), str(tmp_path / "not there")))
    assert MB + 11 * 4096 <= taken_bytes < 1.3 * MB


def test_folders_that_are_nested_too_deep_cannot_be_measured(tmp_path: Path) -> None:
    here = os.open(tmp_path, os.O_PATH)
    for _ in range(20):
        os.mkdir("d" * 200, dir_fd=here)
        deeper = os.open("d" * 200, os.O_PATH, dir_fd=here)
        os.close(here)
        here = deeper
    os.close(here)
    assert measure_bytes((str(tmp_path),)) == -1


@pytest.mark.skipif(os.geteuid() == 0, reason="skipped: root reads what is locked")
def test_nobody_hides_in_a_folder_that_is_locked(tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    locked.mkdir()
    (locked / "big").write_bytes(b"x" * MB)
    locked.chmod(0)
    assert measure_bytes((str(tmp_path),)) < MB
    assert measure_bytes((str(tmp_path),), opens_locked=True) > MB


def test_it_is_measured_when_much_was_written_and_else_now_and_then(tmp_path: Path) -> None:
    free_bytes = 100 * MB
    watch = DiskWatch((str(tmp_path),), 4 * MB, lambda _path: free_bytes)

    def measured(now_s: float) -> str:
        assert watch.find_excess(now_s) == ""
        pid, told = watch.pid, ""
        assert pid
        while watch.pid:
            told = watch.find_excess(now_s)
        os.waitpid(pid, 0)
        return told

    for now_s in (0.0, 20.0):
        assert (watch.find_excess(now_s), watch.pid) == ("", 0), "nothing was written, and it is early"
    assert measured(31.0) == ""
    (tmp_path / "big").write_bytes(b"x" * 5 * MB)
    assert (watch.find_excess(33.0), watch.pid) == ("", 0)
    free_bytes -= 5 * MB
    assert measured(34.0) == "its files take 5 MB, the limit is 4 MB"


@pytest.mark.parametrize("kind", [SandboxKind.NONE, SandboxKind.AUTO])
def test_many_small_files_end_the_run_and_are_not_committed(desk: Desk, kind: SandboxKind) -> None:
    desk.sandbox = SandboxRules(kind, NetworkAccess.OFF)
    desk.limits = Limits(disk_bytes=8 * MB)
    fill = "[open(f'file-{number}', 'wb').write(bytes(9000)) for number in range(1500)]"
    desk.shell(
        f'echo good > good.txt; git add good.txt; git commit -qm Good; python3 -c "{fill}"; echo full; sleep 60'
    )
    report = desk.finished()
    assert report.ended_because == "files-too-large"
    assert report.detail.startswith("its files take ")
    assert report.detail.endswith(" MB, the limit is 8 MB")
    assert desk.git(report.run_id, "log", "--format=%s").split() == ["Good", "Begin"]


# ---------------------------------------------------------------- processes and memory


def test_more_processes_than_allowed_end_a_run_without_a_sandbox(loose: Desk) -> None:
    loose.limits = Limits(processes=15)
    loose.shell("for n in 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0; do sleep 60 & done; wait")
    report = loose.finished()
    assert report.ended_because == "too-many-processes"
    assert report.detail.endswith("processes and threads at once, the limit is 15")
    assert loose.living(report.run_id) == []


FORKS_AND_FAILS = """
import os, time
for made in range(99):
    if os.fork() == 0:
        time.sleep(60)
"""


def test_a_run_that_was_refused_processes_says_so(boxed: Desk) -> None:
    boxed.limits = Limits(processes=20)
    boxed.config = replace(
        boxed.config, argv=("/bin/sh", "-c", f"/usr/bin/python3 -c '{FORKS_AND_FAILS}'; sleep 1.5; exit 1")
    )
    report = boxed.finished()
    assert report.ended_because == "exited"
    assert report.detail == "it reached the limit of 20 processes and threads at once"


@pytest.mark.parametrize(
    ("says", "words"),
    [
        ("MemoryError", "it ran out of memory, as its last words say; the limit is 150 MB for each process and for all"),
        ("sh: 1: Cannot fork", "it could start no more, as its last words say; the limit is 40 processes and threads at once"),
        ("one test failed", ""),
    ],
)  # fmt: skip
def test_a_limit_that_only_the_program_heard_of_is_told_from_its_last_words(
    loose: Desk, says: str, words: str
) -> None:
    loose.limits = Limits(memory_bytes=150 * MB, processes=40)
    loose.shell(f"echo '{says}'; exit 1")
    assert loose.finished().detail == words
    loose.shell(f"echo '{says}'; exit 0")
    assert loose.finished().detail == ""


def test_a_process_that_may_have_no_more_memory_is_named(boxed: Desk) -> None:
    boxed.limits = Limits(memory_bytes=150 * MB)
    boxed.config = replace(boxed.config, argv=("/usr/bin/python3", "-c", "x = bytearray(400_000_000)"))
    report = boxed.finished()
    assert report.ended_because == "exited"
    assert "the limit is 150 MB" in report.detail
