"""The command line with everything real behind it: the program's own parts, git, processes, a GitHub in a box over HTTP."""

import json
import os
import re
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dispatcher.simulator.box import GitHubBox
from dispatcher.surfaces.cli import app

SHOP = "acme/shop"
AGENT = """
import json, pathlib, sys
print("the prompt has", len(sys.stdin.read()) > 100)
outcome = {"outcome": "question", "text": "Which colour?"}
pathlib.Path(sys.argv[1], "outcome.json").write_text(json.dumps(outcome))
"""


def dispatcher(*arguments):
    return CliRunner().invoke(app, arguments)


@contextmanager
def running_dispatcher():
    """`dispatcher run` in a process of its own, stopped as a person would stop it."""
    program = "from dispatcher.surfaces.cli import main; main()"
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    process = subprocess.Popen([sys.executable, "-c", program, "run"], env=environ, stderr=subprocess.DEVNULL)
    try:
        yield
        stopped = dispatcher("stop")
        assert "its runs go on" in stopped.stdout, stopped.stdout
        assert process.wait(timeout=60) == 0
    finally:
        process.kill()
        process.wait()


def soon(text, *question):
    """Ask the command line again and again until its answer holds the text."""
    deadline = time.monotonic() + 120
    while text not in (told := dispatcher(*question).stdout):
        assert time.monotonic() < deadline, told
        time.sleep(0.05)
    return told


@pytest.fixture
def box(tmp_path, monkeypatch):
    for name in [name for name in os.environ if "TOKEN" in name or name.startswith("DISPATCHER_")]:
        monkeypatch.delenv(name)
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    monkeypatch.setenv("DISPATCHER_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    with GitHubBox(tmp_path / "hub") as box:
        box.scene.add_user("robot")
        box.scene.add_user("ann")
        box.scene.add_repo(SHOP, {"app.py": "one\n"}, collaborators={"robot": "write", "ann": "write"})
        monkeypatch.setenv("GITHUB_TOKEN", box.scene.add_token("robot"))
        yield box


@pytest.fixture
def shop(box, tmp_path):
    """A configuration with an agent that always asks."""
    agent = tmp_path / "agent.py"
    agent.write_text(AGENT)
    (tmp_path / "work" / "config.toml").write_text(
        f"""
        poll_interval_s = 1
        [forge]
        base_url = "{box.url}"
        write_pause_s = 0
        [agents]
        worker = "asker"
        reviewer = "asker"
        responder = "asker"
        [agent.asker]
        argv = [{json.dumps(sys.executable)}, {json.dumps(str(agent))}, "{{out}}"]
        [repo.shop]
        repo = "{SHOP}"
        """
    )
    return box.scene.person("ann")


def test_from_init_to_a_question_that_a_person_reads(box, shop):
    created = dispatcher("init")
    assert created.exit_code == 0, created.stderr
    assert "The bot is @robot." in created.stdout
    assert "created bot, merge-ready, needs-human, needs-review, needs-rework" in created.stdout

    examined = dispatcher("doctor")
    assert examined.exit_code == 0, examined.stdout
    assert "lists: a classic token" in examined.stdout

    number = shop.open_issue(SHOP, "Paint it", "please")
    assert "is no task" in dispatcher("explain", f"{SHOP}#{number}").stdout
    shop.label(SHOP, number, "bot")

    with running_dispatcher():
        told = soon("question: Which colour?", "explain", f"{SHOP}#{number}")
        assert "Dispatcher running (pid " in dispatcher("status").stdout
        assert dispatcher("once").exit_code == 3
        run_id = re.search(r"shop-\S+", told)[0]
        assert dispatcher("logs", run_id, "-f", "--raw").stdout == "the prompt has True\n"
        (task,) = json.loads(dispatcher("status", "--json").stdout)["tasks"]
        assert (task["name"], task["stage"]) == (f"{SHOP}#{number}", "blocked")
        assert dispatcher("retry", f"{SHOP}#{number}").exit_code == 0
        soon("CommandGiven: blocked -> queued", "explain", f"{SHOP}#{number}")
    assert "  prints    the prompt has True\n" in dispatcher("logs", f"{SHOP}#{number}").stdout


def test_doctor_with_a_token_that_is_refused(box, shop, monkeypatch):
    monkeypatch.setenv("GITHUB_TOKEN", "ghp_wrongwrongwrongwrong")
    examined = dispatcher("doctor")
    assert examined.exit_code == 3
    assert "refuses the token" in examined.stdout
    assert "wrongwrong" not in examined.stdout


def test_doctor_with_a_fine_grained_token_says_how_work_is_found(box, shop, monkeypatch):
    dispatcher("init")
    monkeypatch.setenv("GITHUB_TOKEN", box.scene.add_fine_grained_token("robot"))
    examined = dispatcher("doctor")
    assert examined.exit_code == 0, examined.stdout
    assert "fine-grained" in examined.stdout
    assert "intake: search" in examined.stdout
