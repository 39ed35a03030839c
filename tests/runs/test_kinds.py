"""The agent programs: how each is called, and what its output tells. The events are written by hand after its documentation."""

import json
import re
from itertools import pairwise
from pathlib import Path

import pytest

from dispatcher.core.errors import BadConfig
from dispatcher.core.rules import AGENT_KINDS, AgentConfig, EventFormat, StreamRules
from dispatcher.core.usage import Usage
from dispatcher.runs.agents.kind import ARGUMENT_LIMIT_BYTES
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
        "claude -p --output-format stream-json --verbose --add-dir /runs/r1/out --permission-mode bypassPermissions --model opus"
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


@pytest.mark.parametrize(
    ("kind", "flag"), [("claude", "--max-budget-usd"), ("mini-swe-agent", "--cost-limit")]
)
def test_programs_that_can_hold_to_a_budget_are_told_it(kind: str, flag: str) -> None:
    def budget(config: AgentConfig) -> list[str]:
        argv = kind_named(kind).compose(config, FOLDER, "prompt").argv
        return [value for name, value in pairwise(argv) if name == flag]

    assert budget(AgentConfig("a", kind)) == []
    assert budget(AgentConfig("a", kind, usd_limit=0.256)) == ["0.26"]
    assert budget(AgentConfig("a", kind, usd_limit=2.0, extra_args=(flag, "7"))) == ["7"]


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
        "codex exec --json --disable plugins -c analytics.enabled=false --sandbox workspace-write --add-dir /runs/r1/out --add-dir /runs/r1/checkout/.git --model o9 -c a=b -"
    )
    assert call.stdin == FOLDER.prompt


@pytest.mark.parametrize(
    "flags", [("--sandbox", "danger-full-access"), ("--dangerously-bypass-approvals-and-sandbox",)]
)
def test_codexs_sandbox_can_be_chosen(flags: tuple[str, ...]) -> None:
    call = kind_named("codex").compose(AgentConfig("c", "codex", extra_args=flags), FOLDER, "prompt")
    assert "workspace-write" not in call.argv
    assert call.argv[-1] == "-"


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"command"}))
def test_a_prompt_of_300_kb_reaches_every_program(kind: str, tmp_path: Path) -> None:
    folder, prompt = RunFolder(tmp_path), "word " * 60_000
    folder.prompt.write_text(prompt)
    call = kind_named(kind).compose(AgentConfig(kind, kind), folder, prompt)
    assert max(len(argument) for argument in call.argv) <= ARGUMENT_LIMIT_BYTES
    is_read = call.stdin == folder.prompt
    is_pointed_at = any(str(folder.prompt) in argument for argument in call.argv)
    is_a_file_of_its_own = any(prompt in text and str(path) in call.argv for path, text in call.files)
    assert is_read or is_pointed_at or is_a_file_of_its_own


QUIET = {
    "claude": "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1 DISABLE_AUTOUPDATER=1 DISABLE_TELEMETRY=1",
    "codex": "analytics.enabled=false",
    "opencode": "OPENCODE_DISABLE_AUTOUPDATE=1 OPENCODE_DISABLE_LSP_DOWNLOAD=1",
    "gemini": '"usageStatisticsEnabled": false "enableAutoUpdate": false',
    "copilot": "COPILOT_AUTO_UPDATE=false",
    "aider": "--analytics-disable --no-check-update LITELLM_LOCAL_MODEL_COST_MAP=True",
    "mini-swe-agent": "LITELLM_LOCAL_MODEL_COST_MAP=True",
}


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"command"}))
def test_telemetry_and_updates_are_off(kind: str, tmp_path: Path) -> None:
    found = kind_named(kind)
    call = found.compose(AgentConfig(kind, kind), RunFolder(tmp_path), "prompt")
    given = " ".join(
        [*call.argv, *(f"{name}={value}" for name, value in found.env), *(text for _, text in call.files)]
    )
    for switch in re.findall(r'"\w+": \w+|\S+', QUIET[kind]):
        assert switch in given


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


JSONL = StreamRules(
    EventFormat.JSONL,
    (
        ("text", "msg.content.0.text"),
        ("tool", "tool.name"),
        ("session", "id"),
        ("input_tokens", "use.in"),
        ("output_tokens", "use.out"),
        ("cost_usd", "use.usd"),
        ("error", "err"),
    ),
    (("quota", "credits are gone"), ("login", "who are you")),
)


def command_story(rules: StreamRules, *printed: str) -> Story:
    config = AgentConfig("mine", "command", ("x",), stream=rules)
    kind = kind_named("command")
    hints = json.loads(json.dumps(kind.hints_for(config)))
    telling, story = kind.tell(hints), Story("mine")
    for line in printed:
        for told in telling.read_line(line):
            story.hear(told)
    return story


def test_a_new_program_with_events_needs_no_code() -> None:
    story = command_story(
        JSONL,
        '{"id": "s1", "msg": {"content": [{"text": "On it."}]}, "use": {"in": 100, "out": 5, "usd": 0.25}}',
        '{"tool": {"name": "shell"}, "use": {"in": 10, "out": 1, "usd": 0.05}}',
        '{"id": "s1", "use": {"in": "many"}}',
    )
    assert (story.session_id, story.said) == ("s1", "On it.")
    assert Usage(**story.counts.as_fields()) == Usage(110, 0, 6, 0.3)  # type: ignore[arg-type]
    assert story.fault is None


def test_a_new_programs_faults_are_recognised_by_pattern_and_by_its_words() -> None:
    gone = command_story(JSONL, "fatal: your credits are gone, they reset in 2 hours").fault
    assert gone is not None
    assert (gone.fault, gone.text[:12]) == ("quota", "mine: fatal:")
    assert gone.reset_at_s is not None
    strange = command_story(JSONL, '{"err": "who are you?"}').fault
    assert strange is not None
    assert strange.fault == "login"
    told = command_story(JSONL, '{"err": "status 429: slow down"}').fault
    assert told is not None
    assert told.fault == "rate-limit"


def test_a_new_program_that_prints_text_is_read_by_patterns() -> None:
    rules = StreamRules(
        EventFormat.TEXT,
        (
            ("input_tokens", r"Tokens: ([\d.,]+[kM]?) sent"),
            ("output_tokens", r"([\d.,]+[kM]?) received"),
            ("cost_usd", r"\$([\d.]+) session"),
        ),
        (("rate-limit", "slow down"),),
        adds_up=False,
    )
    story = command_story(
        rules, "Tokens: 1.1k sent, 10 received.", "Tokens: 2,300 sent, 12 received. $0.50 session."
    )
    assert Usage(**story.counts.as_fields()) == Usage(2300, 0, 12, 0.5)  # type: ignore[arg-type]
    fault = command_story(rules, "please slow down").fault
    assert fault is not None
    assert fault.fault == "rate-limit"


def test_a_program_without_rules_prints_and_its_last_object_counts() -> None:
    config = AgentConfig("mine", "command", ("x",))
    telling = kind_named("command").tell(kind_named("command").hints_for(config))
    assert [told.what for told in telling.read_line("hello")] == ["printed"]
    assert telling.find_final_text("hello\n{}") == "hello\n{}"


def test_geminis_settings_say_how_it_logs_in(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    call = kind_named("gemini").compose(AgentConfig("g", "gemini", model="pro"), folder, "prompt")
    assert " ".join(call.argv) == (
        f"gemini --output-format stream-json --skip-trust --include-directories {folder.out} --approval-mode yolo --model pro"
    )
    assert call.stdin == folder.prompt
    ((path, text),) = call.files
    assert path == folder.home / ".gemini" / "settings.json"
    assert json.loads(text)["security"]["auth"] == {"selectedType": "gemini-api-key"}
    vertex = AgentConfig("g", "gemini", env=(("GOOGLE_GENAI_USE_VERTEXAI", "true"),))
    ((_, text),) = kind_named("gemini").compose(vertex, folder, "prompt").files
    assert json.loads(text)["security"]["auth"] == {"selectedType": "vertex-ai"}


def test_aider_gets_its_prompt_as_a_file_and_is_told_to_print_the_outcome() -> None:
    call = kind_named("aider").compose(AgentConfig("a", "aider", model="m"), FOLDER, "the task " * 40_000)
    assert call.argv[:3] == ("aider", "--message-file", "/runs/r1/home/aider-prompt.md")
    assert {"--yes-always", "--no-stream", "--no-auto-commits", "--analytics-disable"} <= set(call.argv)
    ((_, text),) = call.files
    assert text.startswith("the task the task")
    assert text.rstrip().endswith("on one line of its own, without a fence around it.")
