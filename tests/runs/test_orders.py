"""What a supervisor is ordered to do, without one: `true` stands in for it and does nothing."""

import json
from dataclasses import replace

import pytest

from dispatcher.core.errors import BadConfig, RetryLater
from dispatcher.core.model import Role
from dispatcher.core.rules import AgentConfig, SandboxKind, SandboxRules
from dispatcher.runs.folder import write_json
from dispatcher.runs.launch import can_isolate, choose_border
from dispatcher.runs.plan import load_plan
from dispatcher.runs.sandbox.trial import try_bwrap

CLAUDE = AgentConfig("agent", "claude", ("claude",))
in_a_sandbox = pytest.mark.skipif(try_bwrap().machine is None, reason=f"no sandbox here: {try_bwrap().why}")


def runs_of(desk, python="/bin/true"):
    runs = desk.runs
    runs.settings = replace(runs.settings, python=python)
    return runs


def ordered(desk):
    """The folder of a run that was started, and the order that its supervisor would have found there."""
    order = desk.prepared()
    runs_of(desk).start(order)
    folder = desk.folder(order.run.id)
    return folder, json.loads(folder.order.read_text())


# ---------------------------------------------------------------- started once


def test_what_began_once_is_not_started_again(desk):
    order = desk.prepared()
    with pytest.raises(RetryLater):
        runs_of(desk, "/nowhere/python").start(order)

    write_json(desk.folder(order.run.id).started, {"at": 1.0})
    runs_of(desk, "/nowhere/python").start(order)


def test_a_report_names_the_prompt_files_that_the_run_was_started_with(desk):
    order = desk.prepared()
    digest = load_plan(desk.folder(order.run.id)).prompt_digest
    assert desk.runs.report(order.run.id).prompt_digest == digest != ""
    assert desk.runs.report("run-nobody").prompt_digest == ""


def test_where_no_forge_is_known_agents_read_none_though_they_might(desk):
    desk.forge, desk.forge_proxy = None, True
    assert ordered(desk)[1]["run_id"]


# ---------------------------------------------------------------- with and without a sandbox


@pytest.fixture
def logged_in(desk, tmp_path):
    """A person with a login of Claude Code; the agent was given no key."""
    home = tmp_path / "home"
    (home / ".claude").mkdir(parents=True)
    (home / ".claude" / ".credentials.json").write_text('{"token": "not a real one"}')
    desk.host |= {"HOME": str(home)}
    desk.config = CLAUDE
    return ".claude/.credentials.json"


def test_without_a_sandbox_an_agent_gets_no_copy_of_a_login(desk, logged_in):
    desk.sandbox = SandboxRules(SandboxKind.NONE)
    folder, order = ordered(desk)
    assert not (folder.home / logged_in).exists()
    assert order["argv"][0] == "claude"


@in_a_sandbox
def test_in_a_sandbox_its_login_is_a_copy(desk, logged_in):
    folder, order = ordered(desk)
    assert (folder.home / logged_in).exists()
    assert order["argv"][0] != "claude"


@in_a_sandbox
def test_the_doors_of_a_sandbox_are_reached_from_inside(desk):
    """The agent speaks to a port of its own loopback; a relay carries that to the door's socket."""
    folder, order = ordered(desk)
    doors = [
        word for word in map(str, order["argv"]) if str(folder.net) in word and '"relays": []' not in word
    ]
    assert order["door_descriptors"]
    assert any('"relays": [[' in word for word in doors)


@in_a_sandbox
@pytest.mark.parametrize(("role", "keeps"), [(Role.WORKER, True), (Role.REVIEWER, False)])
def test_only_what_a_worker_left_uncommitted_is_committed_for_it(desk, role, keeps):
    desk.role = role
    assert bool(ordered(desk)[1]["closing_argv"]) is keeps


def test_a_run_that_goes_on_with_no_session_is_not_told_to(desk):
    desk.config, desk.sandbox = CLAUDE, SandboxRules(SandboxKind.NONE)
    assert "--resume" not in ordered(desk)[1]["argv"]


def test_a_sandbox_that_does_not_work_here_is_told_unless_nobody_wants_one(desk):
    imageless = SandboxRules(SandboxKind.CONTAINER)
    with pytest.raises(BadConfig, match="container_image"):
        choose_border(imageless, desk.runs.settings)
    assert choose_border(imageless, replace(desk.runs.settings, isolation="plain")) is None


def test_whether_agents_get_a_namespace_is_what_the_probe_says():
    assert can_isolate("/bin/true")
    assert not can_isolate("/bin/false")
