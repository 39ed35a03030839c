"""The agent programs: how each is called, and what its output tells. The events are written by hand after its documentation."""

import json
from pathlib import Path

import pytest

from dispatcher.core.errors import BadConfig
from dispatcher.core.rules import AGENT_KINDS, AgentConfig
from dispatcher.core.usage import Usage
from dispatcher.runs.agents.registry import KINDS, kind_named
from dispatcher.runs.agents.telling import Story
from dispatcher.runs.folder import RunFolder
from tests.runs.conftest import DONE, Desk

FOLDER = RunFolder(Path("/runs/r1"))


def lines(*events: object) -> str:
    return "".join(f"{event if isinstance(event, str) else json.dumps(event)}\n" for event in events)


def usage_in(kind: str, log: str) -> Usage:
    telling, story = kind_named(kind).tell({}), Story(kind)
    for line in log.splitlines():
        for told in telling.read_line(line):
            story.hear(told)
    return Usage(**story.counts.as_fields())  # type: ignore[arg-type]


def test_the_configuration_knows_exactly_these_kinds() -> None:
    assert set(AGENT_KINDS) == set(KINDS)


def test_an_unknown_kind_is_told_the_nearest() -> None:
    with pytest.raises(BadConfig, match="unknown agent kind `claud`; did you mean `claude`"):
        kind_named("claud")
    with pytest.raises(
        BadConfig,
        match="known kinds: aider, claude, codex, command, copilot, gemini, mini-swe-agent, opencode",
    ):
        kind_named("zzz")


def test_claude_is_called_headless_with_its_prompt_on_stdin() -> None:
    call = kind_named("claude").compose(AgentConfig("c", "claude", model="opus"), FOLDER, "prompt")
    assert " ".join(call.argv) == (
        "claude -p --output-format stream-json --verbose --permission-mode bypassPermissions --model opus --add-dir /runs/r1/out"
    )
    assert call.stdin == FOLDER.prompt


def test_claudes_permissions_can_be_narrowed() -> None:
    config = AgentConfig(
        "c",
        "claude",
        argv=("/opt/claude",),
        extra_args=("--permission-mode=acceptEdits", "--allowedTools", "Bash"),
    )
    call = kind_named("claude").compose(config, FOLDER, "prompt")
    assert call.argv[0] == "/opt/claude"
    assert "bypassPermissions" not in call.argv
    assert call.argv[-3:] == ("--permission-mode=acceptEdits", "--allowedTools", "Bash")


def test_claudes_result_and_price_are_read() -> None:
    usage = {
        "input_tokens": 10,
        "output_tokens": 5,
        "cache_read_input_tokens": 100,
        "service_tier": "standard",
    }
    log = lines(
        {"type": "system", "subtype": "init", "session_id": "s"},
        "not json",
        "{broken",
        {"type": "assistant", "message": {}},
        {
            "type": "result",
            "subtype": "success",
            "is_error": False,
            "result": "```json\n{}\n```",
            "total_cost_usd": 0.25,
            "usage": usage,
        },
    )
    assert kind_named("claude").tell({}).find_final_text(log) == "```json\n{}\n```"
    assert usage_in("claude", log) == Usage(10, 100, 5, 0.25)


def test_an_error_of_claude_is_no_result_but_was_paid_for() -> None:
    log = lines(
        {
            "type": "result",
            "subtype": "success",
            "is_error": True,
            "result": "API Error: 529",
            "total_cost_usd": 0.01,
        }
    )
    assert kind_named("claude").tell({}).find_final_text(log) == ""
    assert usage_in("claude", log) == Usage(cost_usd=0.01)


@pytest.mark.parametrize("price", ["NaN", "-1", "Infinity", "true", '"1"', "null"])
def test_a_price_that_is_none_is_left_out(price: str) -> None:
    assert usage_in("claude", f'{{"type": "result", "total_cost_usd": {price}}}').cost_usd is None


def test_codex_is_called_headless_in_its_own_sandbox() -> None:
    call = kind_named("codex").compose(
        AgentConfig("c", "codex", model="o9", extra_args=("-c", "a=b")), FOLDER, "prompt"
    )
    assert " ".join(call.argv) == (
        "codex exec --json --disable plugins --sandbox workspace-write --add-dir /runs/r1/out --add-dir /runs/r1/checkout/.git --model o9 -c a=b -"
    )
    assert call.stdin == FOLDER.prompt


@pytest.mark.parametrize(
    "flags", [("--sandbox", "danger-full-access"), ("--dangerously-bypass-approvals-and-sandbox",)]
)
def test_codexs_sandbox_can_be_chosen(flags: tuple[str, ...]) -> None:
    call = kind_named("codex").compose(AgentConfig("c", "codex", extra_args=flags), FOLDER, "prompt")
    assert "workspace-write" not in call.argv
    assert call.argv[-1] == "-"


def test_codexs_last_message_and_tokens_are_read() -> None:
    log = lines(
        {"type": "thread.started", "thread_id": "t"},
        {"type": "item.completed", "item": {"id": "0", "type": "agent_message", "text": "first"}},
        {"type": "item.completed", "item": {"id": "1", "type": "command_execution", "text": "ls"}},
        {
            "type": "turn.completed",
            "usage": {"input_tokens": 100, "cached_input_tokens": 50, "output_tokens": 7},
        },
        {"type": "item.completed", "item": {"id": "2", "type": "agent_message", "text": "last"}},
        {"type": "turn.completed", "usage": {"input_tokens": 1, "output_tokens": 2}},
    )
    assert kind_named("codex").tell({}).find_final_text(log) == "last"
    assert usage_in("codex", log) == Usage(51, 50, 9)


def test_a_log_without_events_tells_nothing() -> None:
    for name in ("claude", "codex"):
        assert kind_named(name).tell({}).find_final_text("panic!\n[1]\n{}\n") == ""
        assert usage_in(name, "") == Usage()


def test_a_run_of_a_claude_look_alike_reports_its_price(desk: Desk, tmp_path: Path) -> None:
    result = {
        "type": "result",
        "is_error": False,
        "result": json.dumps(DONE),
        "total_cost_usd": 1.5,
        "usage": {"output_tokens": 3},
    }
    program = tmp_path / "claude"
    program.write_text(
        f"#!/bin/sh\nprintf '%s ' \"$@\" > args\nwc -c > size\ncat <<'END'\n{json.dumps(result)}\nEND\n"
    )
    program.chmod(0o755)
    desk.config = AgentConfig("agent", "claude", argv=(str(program),))
    report = desk.finished()
    assert (report.cost_usd, report.tokens) == (1.5, 3)
    folder = desk.folder(report.run_id)
    assert (folder.checkout / "args").read_text().startswith("-p --output-format stream-json --verbose")
    assert int((folder.checkout / "size").read_text()) == folder.prompt.stat().st_size
    assert desk.runs.load_outcome(report.run_id, desk.role).title == "Sort"  # type: ignore[attr-defined]
