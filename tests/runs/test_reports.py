"""What a run's files and its lock say, without any process: absent, running, ended, lost."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dispatcher.runs.folder import RunFolder, write_json
from dispatcher.runs.reports import report_of
from dispatcher.runs.runlock import take_lock

BEGAN = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    made = RunFolder(tmp_path / "run-1")
    made.make()
    return made


@contextmanager
def supervised(folder: RunFolder) -> Iterator[None]:
    handle = take_lock(str(folder.lock))
    assert handle is not None
    try:
        yield
    finally:
        os.close(handle)


def begun(folder: RunFolder) -> None:
    write_json(folder.started, {"at": BEGAN.timestamp()})


def test_a_run_without_a_lock_and_files_never_began(folder):
    report = report_of(folder, "run-1")
    assert (report.state, report.ended_because, report.detail, report.started_at) == ("absent", "", "", None)
    assert report.last_progress_at is None


def test_while_the_lock_is_held_it_runs_whatever_lies_in_the_folder(folder):
    begun(folder)
    write_json(folder.exit, {"exit_code": 0, "because": "exited"})
    with supervised(folder):
        report = report_of(folder, "run-1")
    assert (report.state, report.ended_because, report.detail, report.started_at) == (
        "running",
        "",
        "",
        BEGAN,
    )
    assert report.last_progress_at is not None


def test_a_free_lock_and_no_word_of_the_end_is_a_supervisor_that_died(folder):
    begun(folder)
    report = report_of(folder, "run-1")
    assert (report.state, report.ended_because) == ("lost", "lost")
    assert report.detail == "the supervisor ended without a word"


@pytest.mark.parametrize(("written", "told"), [(0, 0), (137, 137), ("0", None), (None, None)])
def test_an_end_is_told_as_it_was_written(folder, written, told):
    begun(folder)
    write_json(
        folder.exit,
        {
            "exit_code": written,
            "because": "exited",
            "started_at": BEGAN.timestamp(),
            "ended_at": BEGAN.timestamp() + 60,
            "detail": "all said",
        },
    )
    report = report_of(folder, "run-1")
    assert (report.state, report.ended_because, report.exit_code, report.detail) == (
        "ended",
        "exited",
        told,
        "all said",
    )
    assert (report.started_at, (report.ended_at - BEGAN).total_seconds()) == (BEGAN, 60)


def test_the_newest_progress_counts_and_the_beginning_when_there_is_none(folder):
    begun(folder)
    os.utime(folder.started, (BEGAN.timestamp(),) * 2)
    assert report_of(folder, "run-1").last_progress_at == BEGAN
    folder.progress.touch()
    os.utime(folder.progress, (BEGAN.timestamp() + 5,) * 2)
    assert (report_of(folder, "run-1").last_progress_at - BEGAN).total_seconds() == 5
