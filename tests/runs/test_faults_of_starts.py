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
