"""The agent without a model: every verb does what it says, and a bad script is told."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from dispatcher.simulator import scripted_agent
from tests.runs.conftest import make_checkout, plain_git


class Stage:
    """A run's folder with a checkout, in which scripts are played."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.checkout = root / "checkout"
        (root / "out").mkdir()
        make_checkout(self.checkout)
        self.context: dict[str, object] = {"role": "worker", "round": 1, "base": "main"}

    def play(
        self, *steps: object, script: object = None, prompt: str = "Do it."
    ) -> subprocess.CompletedProcess[str]:
        (self.root / "context.json").write_text(json.dumps(self.context))
        (self.root / "script.json").write_text(
            json.dumps({"worker": [list(steps)]} if script is None else script)
        )
        return subprocess.run(
            [sys.executable, "-I", "-S", scripted_agent.__file__, str(self.root / "script.json")],
            cwd=self.checkout,
            env=plain_git() | {"DISPATCHER_RUN_DIR": str(self.root)},
            input=prompt,
            capture_output=True,
            text=True,
            check=False,
        )

    def file(self, name: str) -> str:
        return (self.checkout / name).read_text()


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def test_it_edits_files(stage: Stage) -> None:
    done = stage.play(
        {"write": "deep/a.txt", "text": ["one", "two"]},
        {"append": "deep/a.txt", "text": "three\n"},
        {"replace": "deep/a.txt", "old": "two", "new": "2"},
        {"write": "b.txt", "text": "b"},
        {"delete": "b.txt"},
    )
    assert done.returncode == 0, done.stderr
    assert stage.file("deep/a.txt") == "one\n2\nthree\n"
    assert not (stage.checkout / "b.txt").exists()


def test_it_runs_commands_and_commits(stage: Stage) -> None:
    done = stage.play(
        {"run": ["{python}", "-c", "open('made', 'w')"]},
        {"commit": "Make it"},
        {"run": "git log --format=%s"},
    )
    assert done.stdout.startswith("Make it\n")


def test_it_stops_at_a_command_that_fails_unless_told_otherwise(stage: Stage) -> None:
    assert "ended with code 1" in stage.play({"run": "false"}, {"print": "on"}).stderr
    assert stage.play({"run": "false", "may_fail": True}, {"print": "on"}).stdout == "on\n"


def test_it_writes_its_outcome_or_something_else(stage: Stage) -> None:
    stage.play({"outcome": {"outcome": "approve"}})
    assert json.loads((stage.root / "out" / "outcome.json").read_text()) == {"outcome": "approve"}
    stage.play({"outcome_text": "{broken"})
    assert (stage.root / "out" / "outcome.json").read_text() == "{broken"


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ({"prompt_has": "Do"}, True),
        ({"prompt_lacks": "Do"}, False),
        ({"prompt_has": "Do", "told_has": "nothing"}, False),
        ({"told_has": "second"}, True),
        ({"file:a.txt_has": "here"}, True),
        ({"file:none_lacks": "here"}, True),
        ({"diff_has": "+here"}, True),
        ({"log_has": "Add a"}, True),
        ({"title_has": "x"}, False),
    ],
)
def test_it_decides_by_what_it_sees(stage: Stage, condition: dict[str, str], holds: bool) -> None:
    stage.context["told"] = ["first", "second"]
    subprocess.run(
        ["git", "update-ref", "refs/remotes/origin/main", "HEAD"],
        cwd=stage.checkout,
        env=plain_git(),
        check=True,
    )
    choice = {"if": condition, "then": [{"print": "yes"}], "else": [{"print": "no"}]}
    done = stage.play({"write": "a.txt", "text": ["here"]}, {"commit": "Add a"}, choice)
    assert done.stdout == ("yes\n" if holds else "no\n"), done.stderr


def test_rounds_and_repairs_have_steps_of_their_own(stage: Stage) -> None:
    script = {"worker": [[{"print": "first"}], [{"print": "later"}]], "repair": [[{"print": "mend"}]]}
    said = []
    for number in (0, 1, 2, 9):
        stage.context["round"] = number
        said.append(stage.play(script=script).stdout.strip())
    stage.context["repair_error"] = "bad"
    said.append(stage.play(script=script).stdout.strip())
    assert said == ["first", "first", "later", "later", "mend"]


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ({}, "no steps for `worker`"),
        ([], "holds no JSON object"),
        ({"worker": [7]}, "steps are a list of objects"),
        ({"worker": [[{"dance": 1}]]}, "no known verb in"),
        ({"worker": [[{"if": {"mood": "x"}}]]}, "unknown condition `mood`"),
        ({"worker": [[{"if": "x"}]]}, "`if` needs an object"),
        (
            {"worker": [[{"write": "a", "text": "b"}, {"replace": "a", "old": "zz", "new": "y"}]]},
            "does not contain 'zz'",
        ),
    ],
)
def test_a_script_that_cannot_be_followed_is_told(stage: Stage, script: object, why: str) -> None:
    done = stage.play(script=script)
    assert done.returncode == 2
    assert why in done.stderr


def test_it_can_crash_without_a_word(stage: Stage) -> None:
    assert stage.play({"crash": 9}, {"print": "never"}).returncode == 9


def test_it_needs_a_context(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-S", scripted_agent.__file__, "none.json"],
        env={"DISPATCHER_RUN_DIR": str(tmp_path)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "context.json" in done.stderr
