"""When a run that ended was the set-up's fault: the program is not there, or failed before the model answered once."""

import pytest

from dispatcher.core.faults import FaultKind
from dispatcher.runs.folder import RunFolder, write_json
from dispatcher.runs.reports import report_of

NO_ANSWER = {"has_answer": False}


@pytest.mark.parametrize(
    ("ended", "told", "fault"),
    [
        ({"because": "could-not-start", "detail": "no such file"}, {}, FaultKind.SETTINGS),
        ({"because": "exited", "exit_code": 1}, NO_ANSWER, FaultKind.CRASH),
        ({"because": "exited", "exit_code": 0}, NO_ANSWER, None),
        ({"because": "exited", "exit_code": None}, NO_ANSWER, None),
        ({"because": "exited", "exit_code": 1}, {"has_answer": True}, None),
        ({"because": "exited", "exit_code": 1}, {}, None),
        ({"because": "timed-out", "exit_code": 1}, NO_ANSWER, None),
    ],
)  # fmt: skip
def test_whose_fault_an_end_was(tmp_path, ended, told, fault):
    folder = RunFolder(tmp_path / "run-1")
    folder.make()
    write_json(folder.started, {"at": 1.0})
    write_json(folder.told, told)
    write_json(folder.exit, ended)
    found = report_of(folder, "run-1").fault
    assert (found and found.kind) == fault


LEFT_OUT = "its sandbox does not show ~/.tool"


def lasted(seconds: float | None, **more: object) -> dict[str, object]:
    """A run that ended so many seconds after its start."""
    usual = {"because": "exited", "exit_code": 1, "started_at": 100.0 if seconds is not None else None}
    return usual | {"ended_at": 100.0 + (seconds or 0)} | more


@pytest.mark.parametrize(
    ("ended", "left_out", "detail"),
    [
        ({"because": "could-not-start", "detail": "no such file"}, LEFT_OUT, f"no such file; {LEFT_OUT}"),
        ({"because": "could-not-start", "detail": "no such file"}, "", "no such file"),
        (lasted(9.9), LEFT_OUT, f"it ended with code 1; {LEFT_OUT}"),
        (lasted(9.9, detail="killed"), LEFT_OUT, f"killed; {LEFT_OUT}"),
        (lasted(10), LEFT_OUT, ""),
        (lasted(1, exit_code=0), LEFT_OUT, ""),
        (lasted(1, because="timed-out", detail="too long"), LEFT_OUT, "too long"),
        (lasted(None), LEFT_OUT, ""),
        (lasted(1, ended_at=None), LEFT_OUT, ""),
    ],
)
def test_what_a_sandbox_keeps_out_of_sight_is_told_of_a_program_that_failed_at_once(
    tmp_path, ended, left_out, detail
):
    folder = RunFolder(tmp_path / "run-1")
    folder.make()
    write_json(folder.started, {"at": 1.0})
    write_json(folder.order, {"left_out": left_out} if left_out else {})
    write_json(folder.exit, ended)
    assert report_of(folder, "run-1").detail == detail
