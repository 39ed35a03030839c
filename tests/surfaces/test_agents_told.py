"""What `doctor` and `status` tell of agents: installed, logged in, answering, on hold."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from dispatcher import app
from dispatcher.config import load_settings
from dispatcher.core.agents import AgentHold
from dispatcher.core.errors import BadConfig
from dispatcher.core.events import Merged
from dispatcher.core.faults import Fault, FaultKind
from dispatcher.core.model import ItemKey, Stage, Task
from dispatcher.core.rules import SandboxKind
from dispatcher.core.usage import Usage
from dispatcher.journal.store import SqlJournal
from dispatcher.ports import AgentTrial, Decided
from dispatcher.surfaces.doctor import Verdict, examine_agents, examine_holds
from dispatcher.surfaces.status import load_status, render_status

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
PROGRAM = AgentTrial("claude", "/usr/bin/claude", "claude", "2.1.0")
OTHER = AgentTrial("codex", "/usr/bin/codex", "codex", "1.0")
CONFIG = """
[agents]
worker = ["claude", "codex"]
reviewer = "claude"
responder = "claude"

[repo.shop]
repo = "acme/shop"
"""


class Parts:
    """A real journal, and trials that were made already."""

    def __init__(self, **trials):
        self.trials = trials
        self.asked = []

    def try_agent(self, settings, agent, *, live):
        self.asked.append((agent, live))
        found = self.trials[agent]
        if isinstance(found, Exception):
            raise found
        return found

    def open_journal(self, settings, *, read_only=False):
        return SqlJournal(settings.journal_path, read_only=read_only)


@pytest.fixture
def settings(tmp_path):
    file = tmp_path / "config.toml"
    file.write_text(CONFIG)
    (tmp_path / "state").mkdir()
    return load_settings(file, {"DISPATCHER_STATE_DIR": str(tmp_path / "state")})


def told(settings, *, live=False, **trials):
    parts = Parts(**{"codex": OTHER} | trials)
    findings = {one.what: one for one in examine_agents(parts, settings, live=live)}
    assert parts.asked == [("claude", live), ("codex", live)], "each once, however many roles it has"
    return findings["agent claude"]


def test_a_program_that_is_there_is_told_with_its_version(settings):
    found = told(settings, claude=PROGRAM)
    assert (found.verdict, found.found, found.cure) == (Verdict.FINE, "/usr/bin/claude, 2.1.0", "")


def test_a_program_that_is_not_there_is_told_with_who_needs_it(settings):
    found = told(settings, claude=AgentTrial("claude", "", "claude-next"))
    assert found.verdict is Verdict.BAD
    assert found.found == "`claude-next` is not installed (needed as worker of acme/shop and 2 more)"
    assert "[agent.claude] argv" in found.cure


def test_a_program_without_a_login_is_told_with_the_variables_that_it_reads(settings):
    trial = AgentTrial(
        "claude", "/usr/bin/claude", "claude", login_names=("ANTHROPIC_API_KEY", "X_TOKEN"), has_login=False
    )
    found = told(settings, claude=trial)
    assert (found.verdict, found.found) == (Verdict.ODD, "/usr/bin/claude: no login is handed to it")
    assert "Set one of ANTHROPIC_API_KEY, X_TOKEN" in found.cure


def test_what_a_live_agent_answers_is_told_with_its_cost(settings):
    trial = AgentTrial(
        "claude", "/usr/bin/claude", "claude", answer="ready\x1b[2J", usage=Usage(cost_usd=0.02)
    )
    found = told(settings, live=True, claude=trial)
    assert (found.verdict, found.found) == (Verdict.FINE, '/usr/bin/claude: answered "ready", $0.02')


def test_an_agent_whose_words_nobody_can_read_has_answered_with_its_tokens(settings):
    trial = AgentTrial("claude", "/usr/bin/claude", "claude", usage=Usage(1200, 0, 34))
    found = told(settings, live=True, claude=trial)
    assert (found.verdict, found.found) == (Verdict.FINE, "/usr/bin/claude: answered with 1,234 tokens")


@pytest.fixture
def cheap(settings):
    """The same configuration with one more agent, which no role names."""
    file = settings.config_file
    file.write_text(f'[agent.cheap]\nkind = "codex"\nargv = ["codex-mini"]\n{CONFIG}')
    return load_settings(file, {"DISPATCHER_STATE_DIR": str(settings.state_dir)})


def test_an_agent_that_only_a_label_leads_to_is_tried_as_well_and_is_no_need(cheap):
    parts = Parts(claude=PROGRAM, codex=OTHER, cheap=AgentTrial("cheap", "", "codex-mini"))
    findings = {one.what: one for one in examine_agents(parts, cheap, live=True)}
    assert parts.asked == [("claude", True), ("codex", True), ("cheap", True)]
    found = findings["agent cheap"]
    assert found.verdict is Verdict.ODD
    assert found.found == "`codex-mini` is not installed (needed where the label `agent:cheap` asks for it)"
    assert findings["price of cheap"].verdict is Verdict.ODD


def test_an_agent_that_no_repository_names_can_be_asked(cheap, monkeypatch):
    asked = []
    monkeypatch.setattr(app, "ask_agent", lambda config, rules, *_: asked.append((config, rules)) or OTHER)
    assert app.try_agent(cheap, "cheap", live=True) is OTHER
    assert [(config.name, rules.full_name) for config, rules in asked] == [("cheap", "acme/shop")]


@pytest.mark.parametrize(("kind", "has_login"), [("none", False), ("auto", True)])
def test_a_login_file_is_a_login_where_every_run_of_the_agent_is_in_a_sandbox(
    cheap, monkeypatch, tmp_path, kind, has_login
):
    (tmp_path / ".codex").mkdir()
    (tmp_path / ".codex" / "auth.json").write_text("{}")
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("CODEX_API_KEY", "CODEX_HOME", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(app, "choose_box", lambda rules: None if rules.kind is SandboxKind.NONE else "a box")
    (shop,) = cheap.repos
    settings = replace(cheap, repos=(replace(shop, sandbox=replace(shop.sandbox, kind=SandboxKind(kind))),))
    assert app.try_agent(settings, "codex", live=False).has_login is has_login
    assert app.try_agent(settings, "cheap", live=False).has_login is has_login


@pytest.mark.parametrize(
    ("kind", "verdict", "cure"),
    [
        (FaultKind.LOGIN, Verdict.BAD, "Log in again"),
        (FaultKind.SETTINGS, Verdict.BAD, "model, extra_args, argv"),
        (FaultKind.QUOTA, Verdict.LATER, "another agent behind it"),
        (FaultKind.RATE_LIMIT, Verdict.LATER, "live_runs"),
        (FaultKind.OVERLOAD, Verdict.LATER, "network is down"),
        (FaultKind.CRASH, Verdict.LATER, "by hand"),
    ],
)
def test_a_live_agent_that_cannot_work_is_told_with_what_to_do(settings, kind, verdict, cure):
    trial = AgentTrial(
        "claude", "/usr/bin/claude", "claude", "2.1.0", fault=Fault(kind, "claude: it said no")
    )
    found = told(settings, live=True, claude=trial)
    assert (found.verdict, found.found) == (verdict, "/usr/bin/claude, 2.1.0: claude: it said no")
    assert cure in found.cure


def test_an_agent_that_cannot_even_be_tried_stops_no_other_trial(settings):
    found = told(settings, claude=BadConfig("argv is empty.", "Name the program."))
    assert found.verdict is Verdict.BAD
    assert "argv is empty" in found.found


def test_a_program_that_tells_no_cost_needs_a_price(settings):
    findings = list(examine_agents(Parts(claude=PROGRAM, codex=OTHER), settings, live=False))
    prices = [one for one in findings if one.what.startswith("price of")]
    assert [(one.what, one.verdict) for one in prices] == [("price of codex", Verdict.ODD)]
    assert "[price.codex]" in prices[0].cure


QUOTA = AgentHold("claude", FaultKind.QUOTA, "usage limit\x1b[2J reached", NOW, NOW + timedelta(hours=2))
LOGIN = AgentHold("codex", FaultKind.LOGIN, "codex: 401", NOW)
PAST = AgentHold("gemini", FaultKind.OVERLOAD, "gemini: 503", NOW, NOW + timedelta(minutes=2))


@pytest.fixture
def held(settings):
    with SqlJournal(settings.journal_path) as journal:
        task = Task(key=ItemKey(1, 7), repo="acme/shop", stage=Stage.QUEUED)
        journal.commit(
            Decided(task, Stage.QUEUED, Merged(), "ignored", "", (), NOW, agents_held=(QUOTA, LOGIN, PAST))
        )
    return settings


def test_doctor_tells_who_is_on_hold_until_when_and_what_ends_it(held):
    findings = {one.what: one for one in examine_holds(Parts(), held, NOW + timedelta(hours=1))}
    assert set(findings) == {"hold of claude", "hold of codex"}, "a hold that is over is none"
    assert findings["hold of claude"].verdict is Verdict.LATER
    assert "gets no runs until " in findings["hold of claude"].found
    assert findings["hold of codex"].verdict is Verdict.BAD
    assert findings["hold of codex"].found == "gets no runs until a person acts: codex: 401"
    assert "dispatcher retry --agent codex" in findings["hold of codex"].cure


def test_status_tells_who_is_on_hold_and_leaves_out_who_is_not_any_more(held):
    status = load_status(
        Parts(), held.config_file, {"DISPATCHER_STATE_DIR": str(held.state_dir)}, NOW + timedelta(hours=1)
    )
    assert [hold.agent for hold in status.agents_on_hold] == ["claude", "codex"]
    lines = [str(part) for part in render_status(status)]
    (claude,) = (line for line in lines if line.startswith("Agent claude"))
    assert "on hold until a person" not in claude
    assert claude.endswith(": usage limit reached (dispatcher retry --agent claude)")
    assert "Agent codex is on hold until a person acts: codex: 401 (dispatcher retry --agent codex)" in lines
    assert not any("gemini" in line for line in lines)


def test_status_tells_what_was_used_today_and_of_how_much(held):
    status = load_status(Parts(), held.config_file, {"DISPATCHER_STATE_DIR": str(held.state_dir)}, NOW)
    assert not any("Used today" in str(part) for part in render_status(status))
    used = replace(status, used_today=Usage(900, 100, 24, 1.5), usd_per_day=20.0)
    assert "Used today (UTC): $1.50 of $20.00, 1,024 tokens" in map(str, render_status(used))
    unpriced = replace(used, used_today=Usage(900, 100, 24))
    assert "Used today (UTC): cost unknown, 1,024 tokens" in map(str, render_status(unpriced))
