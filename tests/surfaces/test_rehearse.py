"""`dispatcher rehearse` on a person's own repository."""

import hashlib
import json
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time

import pytest
from typer.testing import CliRunner

from dispatcher.simulator import scripted_agent
from dispatcher.surfaces.cli import app
from dispatcher.surfaces.exits import UsageProblem
from dispatcher.surfaces.stage.source import clone, inspect_source, load_issue
from tests.surfaces.plays import PATIENCE_S, House, in_order

DONE = {"outcome": "done", "title": "Add the prices up", "body": "It returned 0.", "tested": "by hand"}
WORK = [
    {"write": "shop.py", "text": "def total(prices):\n    return sum(prices)\n"},
    {"commit": "Add the prices up"},
    {"outcome": DONE},
]
MORE_WORK = [{"append": "shop.py", "text": "# tested\n"}, {"commit": "Say so"}, {"outcome": DONE}]
REJECT = {
    "outcome": "request-changes",
    "summary": "Nearly.",
    "findings": [{"severity": "minor", "path": "shop.py", "line": 2, "text": "Say that it is tested."}],
}
APPROVE = {"outcome": "approve", "summary": "Now it is right.", "findings": []}
CHECK = f"{sys.executable} -B -c 'import shop; assert shop.total([1, 2]) == 3'"


def git(folder, *arguments):
    who = ("-c", "user.name=me", "-c", "user.email=me@localhost")
    subprocess.run(("git", *who, *arguments), cwd=folder, check=True, capture_output=True)


@pytest.fixture
def house(tmp_path):
    return House(tmp_path).build()


@pytest.fixture
def mine(tmp_path):
    """A repository with one commit on `trunk`, and something that is not committed."""
    folder = tmp_path / "my shop"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "trunk")
    (folder / "shop.py").write_text("def total(prices):\n    return 0\n")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "Open the shop")
    (folder / "notes.txt").write_text("secret plans\n")
    return folder


@pytest.fixture
def issue(tmp_path):
    file = tmp_path / "issue.md"
    file.write_text("# total() is wrong\n\nIt returns 0 for everything.\n")
    return file


@pytest.fixture
def script(tmp_path):
    def write(worker, reviewer):
        file = tmp_path / "script.json"
        file.write_text(json.dumps({"worker": worker, "reviewer": reviewer, "responder": [[]]}))
        return file

    return write


def fingerprint(folder):
    """Everything that lies in a folder, git's own files included."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        str(path): (path.stat().st_mtime_ns, hashlib.sha256(path.read_bytes()).hexdigest()) for path in files
    }


def test_a_rehearsal_shows_the_diff_and_the_reviews_and_leaves_the_repository_alone(
    house, mine, issue, script
):
    before = fingerprint(mine)
    steps = script([WORK, MORE_WORK], [[{"outcome": REJECT}], [{"outcome": APPROVE}]])

    played = house.run(
        *("rehearse", "--repo", str(mine), "--issue", str(issue), "--script", str(steps), "--check", CHECK)
    )

    assert played.returncode == 0, played.stdout + played.stderr
    missing = in_order(
        played.stdout,
        "(branch trunk, ",
        "There are uncommitted changes; they are not part of the rehearsal.",
        "#1 total() is wrong",
        "reviewer    requested changes",
        "shop.py:2 minor: Say that it is tested.",
        "reviewer    approved",
        "-    return 0",
        "+    return sum(prices)",
        "+# tested",
        "Review 1 of 2",
        "Say that it is tested.",
        "Review 2 of 2",
        "Now it is right.",
        "Merge-ready after",
        "What now",
    )
    assert missing == "", played.stdout
    assert "secret plans" not in played.stdout
    assert fingerprint(mine) == before
    assert list(house.tmp.iterdir()) == []
    assert house.processes() == []


@pytest.mark.long
def test_a_question_ends_the_rehearsal_and_asks_for_a_person(house, mine, issue, script):
    steps = script([[{"outcome": {"outcome": "question", "text": "In which currency?"}}]], [[]])

    played = house.run(
        "rehearse", "--repo", str(mine), "--issue", str(issue), "--script", str(steps), "--json"
    )

    told = json.loads(played.stdout)
    assert played.returncode == 3, played.stderr
    assert (told["reached_merge_ready"], told["stage"], told["pull"]) == (False, "blocked", None)
    assert "In which currency?" in told["why"]


@pytest.mark.long
def test_a_repository_without_a_check_is_told_so(house, mine, issue, script):
    steps = script([WORK], [[{"outcome": APPROVE}]])

    played = house.run("rehearse", "--repo", str(mine), "--issue", str(issue), "--script", str(steps))

    assert played.returncode == 0, played.stderr
    assert "check       none: no check was configured and none was found" in played.stdout


@pytest.fixture
def own_agent(house):
    """A program called `claude`, of a person who is logged in; what it does is in the installation's folder."""

    def install(body):
        installed, login = house.root / "claude-code", house.root / "home" / ".claude"
        for folder in (installed / "bin", installed / "lib", login):
            folder.mkdir(parents=True)
        (login / ".credentials.json").write_text("my login")
        agent = installed / "bin" / "claude"
        agent.write_text(f"#!/bin/sh\n{body}\n")
        agent.chmod(0o755)
        return agent

    return install


@pytest.mark.long
def test_an_agent_of_ones_own_finds_its_login_and_what_it_did_can_be_fetched(
    house, mine, issue, script, own_agent
):
    lib = house.root / "claude-code" / "lib"
    run = f"exec {sys.executable} -I {lib / 'scripted_agent.py'} {lib / 'script.json'}"
    agent = own_agent(f'grep -q "my login" "$CLAUDE_CONFIG_DIR/.credentials.json" || exit 9\n{run}')
    for file in (scripted_agent.__file__, script([WORK], [[{"outcome": APPROVE}]])):
        shutil.copy(file, lib)

    played = house.run(
        *("rehearse", "--repo", str(mine), "--issue", str(issue), "--agent", "claude", "--keep"),
        PATH=f"{agent.parent}:{house.environment['PATH']}",
    )

    assert played.returncode == 0, played.stdout + played.stderr
    assert "The agent (claude) runs with your login and talks to its own model." in played.stdout
    (fetch,) = re.findall(r"git -C .*", played.stdout)
    subprocess.run(shlex.split(fetch), check=True, capture_output=True)
    log = subprocess.run(
        ("git", "log", "--format=%s", "bot/1-total-is-wrong"),
        cwd=mine,
        capture_output=True,
        text=True,
        check=True,
    )
    assert log.stdout == "Add the prices up\nOpen the shop\n"


def test_an_agent_that_cannot_work_ends_the_rehearsal_and_is_told_why(house, mine, issue, own_agent):
    agent = own_agent("echo 'Invalid API key' >&2; exit 9")

    played = house.run(
        *("rehearse", "--repo", str(mine), "--issue", str(issue), "--agent", "claude"),
        PATH=f"{agent.parent}:{house.environment['PATH']}",
    )

    assert played.returncode != 0
    missing = in_order(
        played.stdout, "the worker could not work", "Invalid API key", "Not merge-ready", "why"
    )
    assert missing == "", played.stdout
    assert list(house.tmp.iterdir()) == []


@pytest.mark.long
def test_an_interrupt_ends_a_check_that_would_take_for_ever(house, mine, issue, script):
    steps, never_ends = script([WORK], [[{"outcome": APPROVE}]]), "import time; time.sleep(3601)"
    play = house.start(
        *("rehearse", "--repo", str(mine), "--issue", str(issue), "--script", str(steps)),
        *("--check", f"{sys.executable} -c '{never_ends}' {shlex.quote(str(house.tmp))}"),
    )
    deadline = time.monotonic() + PATIENCE_S
    while not any(line.startswith(f"{sys.executable} -c {never_ends}") for line in house.processes()):
        assert time.monotonic() < deadline
        time.sleep(0.05)

    play.send_signal(signal.SIGINT)
    _, complaint = play.communicate(timeout=PATIENCE_S)

    assert play.returncode == 1
    assert b"Interrupted" in complaint
    assert list(house.tmp.iterdir()) == []
    assert house.processes() == []


def rehearse(*arguments):
    return CliRunner().invoke(app, ["rehearse", *map(str, arguments)])


def test_without_an_agent_it_says_what_is_needed(mine, issue):
    asked = rehearse("--repo", mine, "--issue", issue)

    assert asked.exit_code == 2
    assert "Say which agent works: --agent" in asked.stderr
    assert "--agent-command" in asked.stderr


def test_two_agents_are_one_too_many(mine, issue):
    asked = rehearse("--repo", mine, "--issue", issue, "--agent", "claude", "--agent-command", "git")

    assert asked.exit_code == 2
    assert "Name one agent, not several" in asked.stderr


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--agent", "nobody", '--agent "nobody" is not known'),
        ("--agent", "claude", "the program `claude` is not installed"),
        ("--script", "nowhere.json", '--script "nowhere.json" is not a file'),
        ("--agent-command", "me 'and", "is not a command line"),
        ("--agent-command", "nobody --here", 'the program "nobody" is not installed'),
    ],
)
def test_an_agent_that_cannot_work_is_refused(mine, issue, monkeypatch, tmp_path, option, value, said):
    monkeypatch.setenv("PATH", str(tmp_path))

    asked = rehearse("--repo", mine, "--issue", issue, option, value)

    assert asked.exit_code == 2
    assert said in asked.stderr


def test_a_folder_without_git_is_refused(tmp_path, issue):
    (tmp_path / "plain").mkdir()

    asked = rehearse("--repo", tmp_path / "plain", "--issue", issue, "--agent-command", "git")

    assert asked.exit_code == 2
    assert "is not a git repository" in asked.stderr


def test_a_path_that_is_not_there_is_refused(tmp_path, issue):
    asked = rehearse("--repo", tmp_path / "gone", "--issue", issue, "--agent-command", "git")

    assert asked.exit_code == 2
    assert "is not a folder" in asked.stderr


def test_a_repository_without_a_commit_is_refused(tmp_path, issue):
    (tmp_path / "young").mkdir()
    git(tmp_path / "young", "init", "-q")

    asked = rehearse("--repo", tmp_path / "young", "--issue", issue, "--agent-command", "git")

    assert asked.exit_code == 2
    assert "has no commit yet" in asked.stderr


def test_a_shallow_clone_is_refused(tmp_path, mine, issue):
    git(mine, "commit", "-q", "--allow-empty", "-m", "Two")
    git(tmp_path, "clone", "-q", "--depth", "1", mine.as_uri(), "shallow")

    asked = rehearse("--repo", tmp_path / "shallow", "--issue", issue, "--agent-command", "git")

    assert asked.exit_code == 2
    assert "git fetch --unshallow" in asked.stderr


@pytest.mark.parametrize("text", ["", "\n \n", "# \n"])
def test_an_empty_issue_is_refused(mine, tmp_path, text):
    (tmp_path / "empty.md").write_text(text)

    asked = rehearse("--repo", mine, "--issue", tmp_path / "empty.md", "--agent-command", "git", "--json")

    assert asked.exit_code == 2
    assert "is empty" in json.loads(asked.stdout)["error"]


def test_an_issue_is_a_title_and_a_body_without_what_moves_terminals(tmp_path):
    (tmp_path / "issue.md").write_bytes(b"\xef\xbb\xbf#  Fix \x1b[31mit\x1b[0m \n\nfirst\n\nsecond\n")

    found = load_issue(str(tmp_path / "issue.md"))

    assert (found.title, found.body) == ("Fix it", "first\n\nsecond")


def test_an_issue_of_a_book_is_refused(tmp_path):
    (tmp_path / "issue.md").write_bytes(b"a" * 1_000_001)

    with pytest.raises(UsageProblem, match="at most 1,000,000"):
        load_issue(str(tmp_path / "issue.md"))


def test_a_detached_head_below_a_worktree_is_cloned_as_a_branch(mine, tmp_path):
    git(mine, "worktree", "add", "-q", "--detach", str(tmp_path / "other"))
    (tmp_path / "other" / "inside").mkdir()

    source = inspect_source(tmp_path / "other" / "inside")
    clone(source, tmp_path / "clone")

    assert (source.folder, source.branch, source.has_uncommitted) == (tmp_path / "other", "", False)
    assert (tmp_path / "clone" / ".git" / "HEAD").read_text() == "ref: refs/heads/rehearsal\n"


def test_a_name_that_a_forge_would_not_take_is_changed(mine):
    assert inspect_source(mine).name == "my-shop"
