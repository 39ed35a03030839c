"""What an agent leaves as its outcome: anything at all. Only a small regular file of UTF-8 text is read."""

import json
import os
from pathlib import Path

import pytest

from dispatcher.core.events import OutcomeMalformed, WorkDelivered
from dispatcher.core.model import Role
from dispatcher.core.rules import Limits
from tests.runs.conftest import DONE, Desk


def told_of(desk: Desk, run_id: str) -> str:
    event = desk.runs.load_outcome(run_id, Role.WORKER)
    assert isinstance(event, OutcomeMalformed)
    assert event.run_id == run_id
    return event.error


@pytest.fixture
def outcome(desk: Desk) -> Path:
    """Where the outcome of a prepared run belongs."""
    return desk.folder(desk.prepared().run.id).outcome


def test_a_missing_outcome_is_named(desk: Desk, outcome: Path) -> None:
    assert (
        told_of(desk, outcome.parents[1].name)
        == "the agent wrote no out/outcome.json and printed no JSON object"
    )


def test_a_folder_is_no_outcome(desk: Desk, outcome: Path) -> None:
    outcome.mkdir()
    assert told_of(desk, outcome.parents[1].name) == "out/outcome.json is a folder, not a regular file"


def test_a_link_is_not_followed(desk: Desk, outcome: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text(json.dumps(DONE))
    outcome.symlink_to(tmp_path / "elsewhere")
    assert told_of(desk, outcome.parents[1].name) == "out/outcome.json is a symbolic link, not a regular file"


def test_a_pipe_is_not_waited_for(desk: Desk, outcome: Path) -> None:
    os.mkfifo(outcome)
    assert told_of(desk, outcome.parents[1].name) == "out/outcome.json is a named pipe, not a regular file"


def test_a_hundred_megabytes_are_not_read(desk: Desk, outcome: Path) -> None:
    with outcome.open("wb") as file:
        file.truncate(100_000_000)
    assert (
        told_of(desk, outcome.parents[1].name)
        == "out/outcome.json has 100000000 bytes, more than the 1000000 allowed"
    )


def test_a_file_at_the_limit_is_read(desk: Desk) -> None:
    text = json.dumps(DONE)
    desk.limits = Limits(outcome_bytes=len(text))
    folder = desk.folder(desk.prepared().run.id)
    folder.outcome.write_text(text)
    assert isinstance(desk.runs.load_outcome(folder.path.name, Role.WORKER), WorkDelivered)


def test_bytes_that_are_no_text_are_named(desk: Desk, outcome: Path) -> None:
    outcome.write_bytes(b'{"outcome": "\xff"}')
    assert told_of(desk, outcome.parents[1].name) == "out/outcome.json is not UTF-8 text (byte 13)"


def test_bad_json_is_named(desk: Desk, outcome: Path) -> None:
    outcome.write_text('{"outcome": "done",')
    assert told_of(desk, outcome.parents[1].name)


def test_an_out_folder_that_became_a_link_is_not_followed(desk: Desk, outcome: Path, tmp_path: Path) -> None:
    outcome.parent.rmdir()
    outcome.parent.symlink_to(tmp_path)
    (tmp_path / "outcome.json").write_text(json.dumps(DONE))
    assert told_of(desk, outcome.parents[1].name) == "out/ is not a folder any more"


def test_an_out_folder_that_is_gone_is_a_missing_outcome(desk: Desk, outcome: Path) -> None:
    outcome.parent.rmdir()
    assert "wrote no out/outcome.json" in told_of(desk, outcome.parents[1].name)


def test_without_a_file_the_last_json_block_of_the_log_counts(desk: Desk) -> None:
    desk.shell(f"echo 'Thinking {{...}}'; echo '```json'; echo '{json.dumps(DONE)}'; echo '```'; echo Bye.")
    run_id = desk.finished().run_id
    assert isinstance(desk.runs.load_outcome(run_id, Role.WORKER), WorkDelivered)


def test_the_file_counts_more_than_the_log(desk: Desk, outcome: Path) -> None:
    run_id = outcome.parents[1].name
    desk.folder(run_id).log.write_text(json.dumps({"outcome": "cannot", "why": "tired"}))
    outcome.write_text(json.dumps(DONE))
    assert isinstance(desk.runs.load_outcome(run_id, Role.WORKER), WorkDelivered)


def test_a_run_without_a_folder_has_no_outcome(desk: Desk) -> None:
    assert told_of(desk, "gone") == "the run's folder is gone or was never written"
