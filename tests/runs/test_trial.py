"""`doctor` tries agents for real: program, version, login, and one question as a run of its own."""

import sys
from pathlib import Path

import pytest

from dispatcher.core.faults import FaultKind
from dispatcher.core.rules import AgentConfig, EventFormat, RepoRules, StreamRules
from dispatcher.runs.environment import GitIdentity
from dispatcher.runs.launch import RunSettings
from dispatcher.runs.trial import PROMPT, ask_agent, look_at_agent

RULES = RepoRules("shop", "acme", "shop")
TELLS = """#!{python} -I
import json, sys
if "--version" in sys.argv:
    print("9.9.9 (a look-alike)")
    raise SystemExit
asked = sys.stdin.read()
print(json.dumps({{"type": "assistant", "message": {{"id": "m", "content": [{{"type": "text", "text": {said!r}}}]}}}}))
print(json.dumps({{"type": "result", "result": {said!r}, "total_cost_usd": 0.01, **{more!r}}}))
"""


def look_alike(folder: Path, said: str = "ready", **more: object) -> AgentConfig:
    program = folder / "claude"
    program.write_text(TELLS.format(python=sys.executable, said=said, more=more))
    program.chmod(0o755)
    return AgentConfig("claude", "claude", argv=(str(program),))


def ask(config: AgentConfig, folder: Path) -> object:
    settings = RunSettings(folder / "trials", GitIdentity("d", "d@localhost"), grace_s=0.5)
    return ask_agent(config, RULES, settings, {"PATH": "/usr/bin:/bin"})


def test_program_version_and_login_are_looked_for(tmp_path: Path) -> None:
    config = look_alike(tmp_path)
    seen = look_at_agent(config, {"PATH": "/usr/bin:/bin", "ANTHROPIC_API_KEY": "k"})
    assert (seen.version, seen.has_login) == ("9.9.9 (a look-alike)", True)
    assert look_at_agent(config, {"PATH": "/usr/bin"}).has_login is False
    assert "ANTHROPIC_API_KEY" in seen.login_names


def test_a_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    seen = ask(AgentConfig("claude", "claude", argv=(str(tmp_path / "nobody"),)), tmp_path)
    assert (seen.program, seen.wanted) == ("", str(tmp_path / "nobody"))


def test_nobody_can_know_the_login_of_a_program_of_ones_own() -> None:
    assert (
        look_at_agent(AgentConfig("mine", "command", argv=("true",)), {"PATH": "/bin:/usr/bin"}).has_login
        is None
    )


def test_one_question_is_asked_and_nothing_of_it_is_left(tmp_path: Path) -> None:
    tried = ask(look_alike(tmp_path), tmp_path)
    assert (tried.answer, tried.fault, tried.usage.cost_usd) == ("ready", None, 0.01)
    assert list((tmp_path / "trials").iterdir()) == []
    assert "ready" in PROMPT


MINI = """#!{python} -I
import json, sys, time
if "--version" in sys.argv:
    raise SystemExit
time.sleep(1)  # asking takes its time; a file that lies there at the very start is an earlier run's
response = {{"usage": {{"prompt_tokens": {read}, "completion_tokens": 1}}}}
messages = [{{"role": "assistant", "extra": {{"response": response}}}}] if {read} else []
with open(sys.argv[sys.argv.index("--output") + 1], "w") as trajectory:
    json.dump({{"info": {{}}, "messages": messages}}, trajectory)
"""


def mini(folder: Path, *, read: int) -> AgentConfig:
    program = folder / "mini"
    program.write_text(MINI.format(python=sys.executable, read=read))
    program.chmod(0o755)
    return AgentConfig("mini", "mini-swe-agent", argv=(str(program),))


def test_tokens_are_an_answer_where_nobody_can_read_the_words(tmp_path: Path) -> None:
    tried = ask(mini(tmp_path, read=40), tmp_path)
    assert (tried.answer, tried.fault, tried.usage.tokens) == ("", None, 41)


def test_neither_words_nor_tokens_are_no_answer(tmp_path: Path) -> None:
    tried = ask(mini(tmp_path, read=0), tmp_path)
    assert "without an answer" in tried.fault.text


def test_a_program_of_ones_own_is_understood_by_the_rules_of_its_table(tmp_path: Path) -> None:
    program = tmp_path / "mine"
    program.write_text(f'#!{sys.executable} -I\nprint(\'{{"says": "ready"}}\')\n')
    program.chmod(0o755)
    stream = StreamRules(EventFormat.JSONL, (("text", "says"),))
    tried = ask(AgentConfig("mine", "command", argv=(str(program),), stream=stream), tmp_path)
    assert (tried.answer, tried.fault) == ("ready", None)


def test_a_login_file_counts_where_a_sandbox_copies_it(tmp_path: Path) -> None:
    host = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    codex = AgentConfig("codex", "codex", argv=("true",))
    assert look_at_agent(codex, host, copies_logins=True).has_login is False
    (tmp_path / ".codex").mkdir()
    (tmp_path / ".codex" / "auth.json").write_text("{}")
    assert look_at_agent(codex, host, copies_logins=True).has_login is True
    assert look_at_agent(codex, host).has_login is False, "without a sandbox its HOME is an empty one"


@pytest.mark.parametrize(
    ("name", "value", "has_login"),
    [("RUST_LOG", "error", False), ("OPENAI_API_KEY", "k", True), ("OPENAI_API_KEY", "", False)],
)
def test_a_variable_of_the_table_is_a_login_only_if_it_holds_one(
    name: str, value: str, has_login: bool
) -> None:
    codex = AgentConfig("codex", "codex", argv=("true",), env=((name, value),))
    assert look_at_agent(codex, {"PATH": "/usr/bin:/bin"}).has_login is has_login


@pytest.mark.parametrize(
    ("more", "kind"),
    [
        ({"is_error": True, "api_error_status": 401}, FaultKind.LOGIN),
        ({"is_error": True, "api_error_status": 404}, FaultKind.SETTINGS),
    ],
)
def test_what_the_vendor_refuses_is_the_finding(
    tmp_path: Path, more: dict[str, object], kind: FaultKind
) -> None:
    tried = ask(look_alike(tmp_path, "Invalid API key", **more), tmp_path)
    assert tried.fault is not None
    assert tried.fault.kind is kind
