"""One event log per run: written while the program works, understood by its kind; the lease and the silence hang on it."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from dispatcher.core.faults import FaultKind
from dispatcher.core.rules import AgentConfig, EventFormat, StreamRules
from dispatcher.core.usage import Usage
from dispatcher.runs.agents.telling import SideFile
from dispatcher.runs.sidefiles import SideReader
from tests.runs.conftest import Desk, until

STEPS = (
    '{"type":"system","subtype":"init","session_id":"s-1"}',
    '{"type":"assistant","message":{"id":"m1","content":[{"type":"text","text":"On it."}],"usage":{"input_tokens":100,"output_tokens":7}}}',
)
RETRY = '{"type":"system","subtype":"api_retry","error_status":429,"error":"rate_limit"}'


def claude_that(desk: Desk, tmp_path: Path, script: str) -> None:
    program = tmp_path / "claude"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    desk.config = AgentConfig("agent", "claude", argv=(str(program),))


def say(*lines: str) -> str:
    return "cat <<'END'\n" + "\n".join(lines) + "\nEND\n"


def events(desk: Desk, run_id: str) -> list[dict[str, object]]:
    path = desk.folder(run_id).events
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_a_running_run_already_tells_its_usage_its_session_and_its_fault(desk: Desk, tmp_path: Path) -> None:
    claude_that(desk, tmp_path, say(*STEPS, RETRY) + "while :; do sleep 0.05; done")
    run_id = desk.started()
    until(lambda: desk.runs.report(run_id).fault)
    report = desk.runs.report(run_id)
    assert report.state == "running"
    assert (report.usage, report.session_id) == (Usage(100, 0, 7), "s-1")
    assert report.fault is not None
    assert report.fault.kind is FaultKind.RATE_LIMIT
    desk.runs.stop(run_id, "enough", at_once=True)
    assert desk.finished(run_id).usage == Usage(100, 0, 7)
    assert [event["type"] for event in events(desk, run_id)] == ["session", "said", "usage", "fault"]
    assert all(isinstance(event["at"], float) for event in events(desk, run_id))


def test_silence_is_measured_on_events_not_on_noise(desk: Desk, tmp_path: Path) -> None:
    desk.silence_s = 0.6
    claude_that(desk, tmp_path, say(*STEPS) + f"while :; do echo tick; echo '{RETRY}'; sleep 0.02; done")
    report = desk.finished()
    assert report.ended_because == "stalled"
    assert report.fault is not None


@pytest.mark.long
def test_events_keep_a_run_alive(desk: Desk, tmp_path: Path) -> None:
    desk.silence_s = 1.5
    script = (
        say(*STEPS)
        + 'i=0; while [ $i -lt 20 ]; do echo \'{"type":"of tomorrow"}\'; sleep 0.15; i=$((i+1)); done'
    )
    claude_that(desk, tmp_path, script)
    assert desk.finished().ended_because == "exited"


@pytest.mark.long
def test_a_program_without_a_stream_is_alive_while_files_change(desk: Desk) -> None:
    desk.silence_s = 1.0
    desk.shell("i=0; while [ $i -lt 20 ]; do echo $i > work; sleep 0.15; i=$((i+1)); done")
    assert desk.finished().ended_because == "exited"
    desk.shell("while :; do sleep 0.05; done")
    assert desk.finished().ended_because == "stalled"


def test_an_end_before_the_model_answered_is_a_crash_of_the_program(desk: Desk, tmp_path: Path) -> None:
    claude_that(desk, tmp_path, "echo 'Segmentation fault' >&2; exit 139")
    fault = desk.finished().fault
    assert fault is not None
    assert fault.kind is FaultKind.CRASH
    assert "code 139 before the model answered: Segmentation fault" in fault.text
    claude_that(desk, tmp_path, say(*STEPS) + "exit 139")
    assert desk.finished().fault is None


def test_a_command_that_tells_nothing_is_not_said_to_have_crashed(desk: Desk) -> None:
    desk.shell("exit 3")
    assert desk.finished().fault is None


def test_a_program_that_is_not_there_is_a_fault_of_the_settings(desk: Desk) -> None:
    desk.config = AgentConfig("agent", "claude", argv=("/nowhere/claude",))
    fault = desk.finished().fault
    assert fault is not None
    assert fault.kind is FaultKind.SETTINGS


def test_a_command_with_events_of_its_own_is_followed(desk: Desk) -> None:
    rules = StreamRules(EventFormat.JSONL, (("text", "say"), ("input_tokens", "in")))
    desk.shell("""echo '{"say": "hello", "in": 5}'; echo noise; echo '{"say": "bye", "in": 6}'""")
    desk.config = replace(desk.config, stream=rules)
    report = desk.finished()
    assert report.usage == Usage(11)
    kinds = [event["type"] for event in events(desk, report.run_id)]
    assert kinds == ["said", "usage", "printed", "said", "usage"]


def test_lines_that_come_in_pieces_and_odd_bytes_are_understood(desk: Desk, tmp_path: Path) -> None:
    first, second = STEPS[1][:50], STEPS[1][50:]
    script = f"printf '%s' '{first}'; sleep 0.3; printf '%s\\n' '{second}'; printf '\\377\\376 odd\\n'"
    claude_that(desk, tmp_path, script)
    report = desk.finished()
    assert report.usage == Usage(100, 0, 7)
    assert events(desk, report.run_id)[-1]["type"] == "printed"


def test_the_event_log_is_kept_in_bounds(desk: Desk, tmp_path: Path) -> None:
    desk.limits = replace(desk.limits, log_bytes=20_000)
    claude_that(desk, tmp_path, f"i=0; while [ $i -lt 400 ]; do echo '{STEPS[1]}'; i=$((i+1)); done")
    report = desk.finished()
    assert desk.folder(report.run_id).events.stat().st_size < 21_000


def reading(home: Path, pattern: str, *, is_lines: bool = True) -> SideReader:
    return SideReader(str(home), [SideFile(pattern, is_lines=is_lines)])


def test_growing_files_are_read_line_by_line_and_the_past_is_left_out(tmp_path: Path) -> None:
    file = tmp_path / "a" / "b-1.jsonl"
    file.parent.mkdir()
    file.write_text("old\n")
    reader = reading(tmp_path, "*/b-*.jsonl")
    assert list(reader.read_new()) == []
    with file.open("a") as end:
        end.write("new\nhal")
    assert [text for _, text in reader.read_new()] == ["new"]
    with file.open("a") as end:
        end.write("f\n")
    assert [text for _, text in reader.read_new()] == ["half"]


def test_changed_files_are_read_whole(tmp_path: Path) -> None:
    reader = reading(tmp_path, "t.json", is_lines=False)
    (tmp_path / "t.json").write_text("{}")
    assert list(reader.read_new()) == [("t.json", "{}")]
    assert list(reader.read_new()) == []


def test_links_pipes_and_folders_are_left_alone(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    reader = reading(home, "*/x.jsonl")
    (tmp_path / "x.jsonl").write_text("secret\n")
    (home / "link").symlink_to(tmp_path)
    (home / "in").mkdir()
    (home / "in" / "x.jsonl").symlink_to(tmp_path / "x.jsonl")
    (home / "pipe").mkdir()
    os.mkfifo(home / "pipe" / "x.jsonl")
    (home / "folder" / "x.jsonl").mkdir(parents=True)
    assert list(reader.read_new()) == []


def test_what_a_program_says_when_it_is_stopped_is_no_fault_of_the_set_up(desk: Desk, tmp_path: Path) -> None:
    error = '{"type":"result","is_error":true,"subtype":"error_during_execution","total_cost_usd":0.5,"usage":{"input_tokens":200}}'
    script = say(*STEPS) + "trap \"echo '$ERROR'; exit 1\" INT\nwhile :; do sleep 0.05; done"
    claude_that(desk, tmp_path, f"ERROR='{error}'\n{script}")
    desk.grace_s = 5
    run_id = desk.started()
    until(lambda: desk.runs.report(run_id).usage.tokens)
    desk.runs.stop(run_id, "enough")
    report = desk.finished(run_id)
    assert (report.fault, report.usage) == (None, Usage(200, 0, 0, 0.5))
