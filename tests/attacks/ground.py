"""Where an attack takes place: an office in which each issue has an agent of its own that is up to something."""

import json
import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.story.office import APPROVE, SHOP, Office, Steps, writes

PATIENCE_S = 90.0
HOSTILE = (Path(__file__).with_name("hostile.py")).read_text()


def hostile(*tricks: str, **targets: object) -> Steps:
    """Steps of an agent that tries these tricks of `hostile.py` and writes down what it reached."""
    return [
        {"write": "../tmp/hostile.py", "text": HOSTILE},
        {"write": "../tmp/targets.json", "text": json.dumps(targets, default=str)},
        {"run": ["{python}", "-I", "-S", "../tmp/hostile.py", *tricks], "may_fail": True},
    ]


def shell(script: str) -> Steps:
    """A step that runs a shell script in the checkout, whatever it ends with."""
    return [{"run": ["/bin/sh", "-c", script], "may_fail": True}]


@dataclass
class Ground:
    """An office and the attacks that are planned in it. Each attack is an issue; `[name]` in its title tells the agents which."""

    office: Office
    numbers: dict[str, int] = field(default_factory=dict)
    scripts: dict[str, dict[str, list[Steps]]] = field(default_factory=dict)
    main: str = ""

    def plan(self, name: str, **roles: list[Steps]) -> None:
        """What the agents do on the issue of this attack, by role and round (the last one counts for all later ones)."""
        self.scripts[name] = roles
        self._write_scripts()

    def ask(self, name: str, title: str = "Something", body: str = "Please.", by: str = "alice") -> int:
        """Open the issue of a planned attack and label it."""
        self.numbers[name] = self.office.asks(f"{title} [{name}]", body, by)
        return self.numbers[name]

    def go(self) -> None:
        """Everything that was planned takes place."""
        for name in self.scripts:
            if name not in self.numbers:
                self.ask(name)
        self.settle()

    def settle(self, until: Any = None) -> None:
        self.office.settle(until, PATIENCE_S)

    # ------------------------------------------------------------ what came of it

    def runs(self, name: str, role: str = "worker") -> list[Path]:
        """The folders of the runs on this attack's issue, in order."""
        desk = self.office.engine.desk
        task = self.office.task(self.numbers[name])
        found = [record.run for record in reversed(desk.journal.load_runs()) if record.task == task.key]
        return [desk.runs.folder(run.id) for run in found if run.role == role]

    def loot(self, name: str, trick: str) -> dict[str, Any]:
        """What one trick of `hostile.py` wrote down: `tried`, and `reached` (empty when it failed)."""
        file = self.runs(name)[0] / "out" / "loot.json"
        told: dict[str, dict[str, Any]] = json.loads(file.read_text())
        assert told[trick]["tried"], "the trick was not tried"
        return told[trick]

    def pull(self, name: str) -> int | None:
        return self.office.task(self.numbers[name]).pull

    def shown(self, name: str) -> set[str]:
        """Labels and assignees of the issue, and of its pull request."""
        pull = self.pull(name)
        return self.office.shown(self.numbers[name]) | (self.office.shown(pull) if pull else set())

    def prompt(self, name: str, role: str = "worker", which: int = 0) -> str:
        return (self.runs(name, role)[which] / "prompt.md").read_text()

    def said(self, name: str) -> str:
        """Every word that the bot wrote for this attack: comments, titles, descriptions, reviews, remarks at lines."""
        scene, numbers = self.office.box.scene, [self.numbers[name], self.pull(name)]
        words: list[str] = []
        for number in filter(None, numbers):
            words += [one.body for one in scene.comments(SHOP, number)]
            words += [one.body for one in scene.reviews(SHOP, number)]
            issue = scene.issue(SHOP, number)
            if issue.pull:
                words += [issue.title, issue.body or "", *(one.body for one in issue.pull.line_comments)]
        return "\n".join(words)

    def forge_git(self, *words: str) -> str:
        """What git says in the forge's own repository."""
        return git(self.bare, *words)

    @property
    def bare(self) -> Path:
        world = self.office.box.world
        path: Path = world.git.path(world.repo(SHOP).id)
        return path

    def published(self) -> str:
        """Every commit on every branch of the forge with its patch, and every word in an issue or pull request."""
        issues = self.office.box.world.repo(SHOP).issues
        words = [self.forge_git("log", "--all", "-p", "--text", "--format=fuller")]
        for number, issue in sorted(issues.items()):
            words += [issue.title, issue.body or "", *(one.body for one in issue.comments)]
            words += [one.body for one in self.office.box.scene.reviews(SHOP, number)] if issue.pull else []
            words += [one.body for one in issue.pull.line_comments] if issue.pull else []
        return "\n".join(words)

    def _write_scripts(self) -> None:
        for role, usual in (("worker", writes()), ("reviewer", [APPROVE]), ("responder", [])):
            steps: Steps = usual
            for name, roles in self.scripts.items():
                if rounds := roles.get(role):
                    steps = [{"if": {"title_has": f"[{name}]"}, "then": _by_round(rounds), "else": steps}]
            self.office.script |= {role: [steps]}
        _ = self.office.settings  # saves the script


def _by_round(rounds: list[Steps]) -> Steps:
    steps = rounds[-1]
    for number in range(len(rounds) - 1, 0, -1):
        steps = [{"if": {"round_has": str(number)}, "then": rounds[number - 1], "else": steps}]
    return steps


def git(folder: Path, *words: str, check: bool = True) -> str:
    """What a person at a terminal gets from git, without any configuration of this machine."""
    plain = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "safe.directory",
        "GIT_CONFIG_VALUE_0": "*",
        **{
            f"GIT_{who}_{what}": "ann@shop.invalid"
            for who in ("AUTHOR", "COMMITTER")
            for what in ("NAME", "EMAIL")
        },
    }
    done = subprocess.run(
        ("git", *words), cwd=folder, env=plain, capture_output=True, text=True, errors="replace", check=False
    )
    assert done.returncode == 0 or not check, done.stderr
    return done.stdout
