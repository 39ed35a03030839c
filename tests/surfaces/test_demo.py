"""`dispatcher demo` as a person meets it."""

import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import termios
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dispatcher.surfaces.cli import app
from tests.surfaces.plays import PATIENCE_S, House, in_order

STORY = (
    "alice       has a repository, acme/price-list, whose check fails",
    "ERROR: test_an_empty_list_has_no_average",
    "alice       opened issue #1",
    "alice       labelled #1 `bot`",
    "dispatcher  claimed #1",
    "worker      started",
    "worker      finished",
    "check       green: python3 -m unittest",
    "dispatcher  pushed bot/1-an-empty-price-list-crashes-the-shop, opened pull request #2",
    "reviewer    started",
    "reviewer    requested changes",
    "price_list.py:6 major: `cheapest([])` returns None now, but no test says so",
    "worker      started: a fresh agent takes up the findings",
    "check       green",
    "reviewer    approved",
    "dispatcher  #2 is merge-ready and assigned to alice",
)


@pytest.fixture
def house(tmp_path):
    return House(tmp_path).build()


def test_the_demo_tells_the_whole_story_and_leaves_nothing_behind(house):
    played = house.run("demo")

    assert played.returncode == 0, played.stderr
    assert in_order(played.stdout, *STORY, "Merge-ready after", "What now") == ""
    assert "4 agent runs (2 as worker, 2 as reviewer)" in played.stdout
    assert [line for line in played.stdout.splitlines() if len(line) > 100] == []
    assert "\x1b" not in played.stdout
    assert "at=20" not in played.stderr
    assert list(house.tmp.iterdir()) == []
    assert house.processes() == []


@pytest.mark.long
def test_what_is_kept_can_be_looked_at_afterwards(house):
    played = house.run("demo", "--keep", "--json")

    told = json.loads(played.stdout)
    folder = Path(told["kept_in"])
    assert played.returncode == 0, played.stderr
    assert (told["reached_merge_ready"], told["stage"], told["pull"]) == (True, "merge-ready", 2)
    assert [len(review["remarks"]) for review in told["reviews"]] == [1, 0]
    assert [file["path"] for file in told["change"]["files"]] == ["price_list.py", "test_price_list.py"]
    assert [step["at_s"] for step in told["steps"]] == sorted(step["at_s"] for step in told["steps"])
    assert folder.stat().st_mode & 0o777 == 0o700

    (bare,) = (folder / "forge").glob("*.git")
    clone = folder / "clone"
    branch = told["change"]["branch"]
    subprocess.run(("git", "clone", "-q", "--branch", branch, str(bare), str(clone)), check=True)
    assert "has_no_cheapest_price" in (clone / "test_price_list.py").read_text()

    status = CliRunner().invoke(app, ["status", "--json", "--config", str(folder / "config.toml")])
    assert status.exit_code == 0, status.stderr
    assert "merge-ready" in status.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_demo_ends_its_runs_and_removes_its_folder(house, number):
    play = house.start("demo", PYTHONUNBUFFERED="1")
    seen = b""
    while b"worker      started" not in seen:
        line = play.stdout.readline()
        assert line, seen
        seen += line

    play.send_signal(number)
    rest, complaint = play.communicate(timeout=PATIENCE_S)

    assert play.returncode == 1
    assert b"Merge-ready" not in rest
    assert b"Interrupted: the runs were ended" in complaint
    assert b"Traceback" not in complaint
    assert list(house.tmp.iterdir()) == []
    assert house.processes() == []


def watch_on_a_terminal(house, *arguments, **changes):
    """Run in a terminal of 100 columns; everything that it was sent, and the exit code."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 45, 100, 0, 0))
    play = house.start(*arguments, stdout=theirs, TERM="xterm-256color", **changes)
    os.close(theirs)
    sent = b""
    while True:
        try:
            chunk = os.read(ours, 65536)
        except OSError:  # the other end was closed: that is how a terminal ends
            break
        if not chunk:
            break
        sent += chunk
    os.close(ours)
    _, complaint = play.communicate(timeout=PATIENCE_S)
    assert b"Traceback" not in complaint
    return sent.decode(), play.returncode


@pytest.mark.long
def test_on_a_terminal_the_labels_are_shown_live_and_the_log_stays_out_of_the_picture(house):
    sent, code = watch_on_a_terminal(house, "demo")

    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", sent)
    assert code == 0
    assert "\x1b[1A" in sent
    assert "the worker is at work" in plain
    assert in_order(plain, "bot needs-review", "bot needs-rework", "bot needs-review", "merge-ready") == ""
    assert in_order(plain, *STORY) == ""
    assert "room=dispatcher" not in plain


@pytest.mark.long
def test_without_colour_a_terminal_gets_plain_lines(house):
    sent, code = watch_on_a_terminal(house, "demo", NO_COLOR="1")

    assert code == 0
    assert in_order(sent, *STORY) == ""
    assert "\x1b[1A" not in sent
