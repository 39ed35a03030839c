"""`doctor` tries agents for real: program, version, login, and one question as a run of its own."""

import sys
from pathlib import Path

import pytest

from dispatcher.core.faults import FaultKind
from dispatcher.core.rules import AgentConfig, RepoRules
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
