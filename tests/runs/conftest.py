"""A desk at which runs are ordered: real folders, real git, real supervisors, real agents."""

import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dispatcher.core.model import LiveRun, Role
from dispatcher.core.rules import AgentConfig, Limits, PromptDelivery, RepoRules, SandboxKind, SandboxRules
from dispatcher.ports import RunOrder, RunReport
from dispatcher.runs import proctree
from dispatcher.runs.censor import Censor
from dispatcher.runs.environment import GitIdentity
from dispatcher.runs.folder import RunFolder
from dispatcher.runs.launch import RunSettings
from dispatcher.runs.plan import load_plan
from dispatcher.runs.process_runs import ProcessRuns
from dispatcher.runs.prompts import PromptBook, find_shipped_prompts
from dispatcher.runs.sandbox.grouping import Grouping, find_grouping
from dispatcher.simulator import scripted_agent

BOT = GitIdentity("shop-bot", "bot@shop.invalid")
DONE = {"outcome": "done", "title": "Sort", "body": "Sorted.", "tested": "pytest: 3 passed"}
WRITE_DONE = f"""printf '%s' '{json.dumps(DONE)}' > "$DISPATCHER_RUN_DIR/out/outcome.json" """


def until(condition: Callable[[], object], patience_s: float = 20.0) -> None:
    """Poll a condition; a failing test says so instead of hanging."""
    deadline = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.003)


@dataclass
class Desk:
    root: Path
    isolation: str = "auto"
    sandbox: SandboxRules = field(default_factory=lambda: SandboxRules(SandboxKind.AUTO))
    grace_s: float = 0.05
    host: dict[str, str] = field(default_factory=lambda: {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"})
    config: AgentConfig = field(
        default_factory=lambda: AgentConfig("agent", "command", ("/bin/sh", "-c", "true"))
    )
    limits: Limits = field(default_factory=Limits)
    role: Role = Role.WORKER
    context: dict[str, object] = field(
        default_factory=lambda: {"task": "acme/shop#7", "repo": "acme/shop", "round": 1}
    )
    wall_s: float = 30
    silence_s: float = 30
    ordered: list[str] = field(default_factory=list)
    forge: tuple[str, Callable[[], str]] | None = None
    forge_proxy: bool = False
    grouping: Callable[[], Grouping] = find_grouping
    private: tuple[Path, ...] = ()
    censor: Censor = field(default_factory=Censor)

    @property
    def runs(self) -> ProcessRuns:
        """A new object each time: nothing may depend on the one that started a run."""
        settings = RunSettings(
            self.root,
            BOT,
            grace_s=self.grace_s,
            isolation=self.isolation,
            grouping=self.grouping,
            private=self.private,
        )
        return ProcessRuns(
            settings,
            {"agent": self.config},
            PromptBook(find_shipped_prompts()),
            host=self.host,
            forge=self.forge,
            censor=self.censor,
        )

    def shell(self, script: str, prompt: PromptDelivery = PromptDelivery.STDIN) -> None:
        self.config = replace(self.config, argv=("/bin/sh", "-c", script), prompt=prompt)

    def script(self, *steps: dict[str, object], **roles: object) -> None:
        path = self.root / f"script-{uuid.uuid4().hex[:8]}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(roles or {self.role.value: [list(steps)]}))
        self.config = replace(
            self.config, argv=(sys.executable, "-I", "-S", scripted_agent.__file__, str(path))
        )

    def order(self, repairs: str = "", repair_error: str = "") -> RunOrder:
        run = LiveRun(
            f"run-{uuid.uuid4().hex[:12]}",
            self.role,
            "agent",
            "c0ffee",
            datetime(2026, 1, 2, tzinfo=UTC),
            bool(repairs),
        )
        self.ordered.append(run.id)
        rules = RepoRules(
            "shop", "acme", "shop", limits=self.limits, sandbox=self.sandbox, forge_proxy=self.forge_proxy
        )
        return RunOrder(
            run,
            "acme/shop",
            rules,
            self.role,
            self.context,
            int(self.wall_s),
            int(self.silence_s),
            repairs,
            repair_error,
            repo_id=55,
        )

    def prepared(self) -> RunOrder:
        order = self.order()
        make_checkout(self.runs.prepare(order))
        return order

    def started(self) -> str:
        order = self.prepared()
        order = replace(order, wall_s=self.wall_s, silence_s=self.silence_s)  # type: ignore[arg-type]  # tests count in tenths
        self.runs.start(order)
        return order.run.id

    def finished(self, run_id: str | None = None) -> RunReport:
        run_id = run_id or self.started()
        until(lambda: self.runs.report(run_id).state == "ended")
        return self.runs.report(run_id)

    def folder(self, run_id: str) -> RunFolder:
        return RunFolder(self.root / run_id)

    def log(self, run_id: str) -> str:
        return self.folder(run_id).log.read_text(errors="replace")

    def living(self, run_id: str) -> list[proctree.Process]:
        plan = load_plan(self.folder(run_id))
        return proctree.find_marked(plan.mark) if plan else []

    def git(self, run_id: str, *arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments],
            cwd=self.folder(run_id).checkout,
            env=plain_git(),
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    def clear(self) -> None:
        for run_id in self.ordered:
            for process in self.living(run_id):
                proctree.send_signal(process, 9)
            until(lambda run_id=run_id: not self.living(run_id))


def plain_git() -> dict[str, str]:
    names = ("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL")
    return {
        "PATH": os.environ["PATH"],
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        # As root an agent's files belong to the user that its sandbox became.
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "safe.directory",
        "GIT_CONFIG_VALUE_0": "*",
    } | dict.fromkeys(names, "ann@shop.invalid")


def make_checkout(path: Path) -> None:
    path.mkdir()
    for arguments in (
        ["init", "-q", "-b", "bot/7-sort", "."],
        ["commit", "-q", "--allow-empty", "-m", "Begin"],
    ):
        subprocess.run(["git", *arguments], cwd=path, env=plain_git(), check=True)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path / "runs")
    yield made
    made.clear()


@pytest.fixture(params=["auto", "plain"])
def any_desk(desk: Desk, request: pytest.FixtureRequest) -> Desk:
    """Once in a process namespace (where there can be one), once without."""
    desk.isolation = request.param
    return desk
