"""An office for stories: a GitHub in a box, the real engine, real git, real agent processes, a clock that the test owns."""

import json
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from dispatcher import app
from dispatcher.config.settings import Settings
from dispatcher.core.model import ItemKey, Stage, Task
from dispatcher.core.rules import AgentConfig, Caps, Limits, Price, RepoRules, SandboxKind, SandboxRules
from dispatcher.engine.loop import Engine
from dispatcher.runs import proctree
from dispatcher.runs.folder import RunFolder
from dispatcher.runs.plan import load_plan
from dispatcher.simulator import scripted_agent
from dispatcher.simulator.box import GitHubBox
from dispatcher.simulator.model import EventKind
from dispatcher.surfaces import cli

SHOP = "acme/shop"
LOOK_S = 0.1
PATIENCE_S = float(os.environ.get("TEST_PATIENCE_S", "30"))
"""Real seconds that a story waits for agents, checks and git; a machine with much else to do needs more."""
Steps = list[dict[str, Any]]

DONE = {
    "outcome": {"outcome": "done", "title": "Sort the list", "body": "It sorts now.", "tested": "make check"}
}
APPROVE = {"outcome": {"outcome": "approve", "summary": "Fine.", "findings": []}}


def writes(text: str = "def total(prices):\n    return sum(prices)\n", path: str = "shop.py") -> Steps:
    """A worker that changes one file, commits it and says that it is done."""
    return [{"write": path, "text": text}, {"commit": f"Change {path}"}, DONE]


def adds() -> Steps:
    """A worker that goes on with what is there."""
    return [{"append": "shop.py", "text": "# once more\n"}, {"commit": "Once more"}, DONE]


def rejects(text: str, path: str = "shop.py", line: int | None = 1) -> Steps:
    """A reviewer with one finding."""
    finding: dict[str, Any] = {"severity": "major", "text": text}
    if path:
        finding |= {"path": path}
    if line:
        finding |= {"line": line}
    return [{"outcome": {"outcome": "request-changes", "summary": text, "findings": [finding]}}]


def says(outcome: str, text: str, key: str = "text") -> Steps:
    """An agent that only says something."""
    return [{"outcome": {"outcome": outcome, key: text}}]


class TestClock:
    """Time as the test tells it; a wait passes at once."""

    __test__ = False

    def __init__(self) -> None:
        self.moment = datetime(2026, 3, 2, 9, 0, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self.moment

    def wait(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)

    def stop(self) -> None:
        """Nothing waits here."""


@dataclass
class Office:
    """What a story can do and see. Everything that people do goes through the box, everything else is the engine's."""

    root: Path
    clock: TestClock = field(default_factory=TestClock)
    limits: Limits = field(default_factory=lambda: Limits(redispatch_cooldown_s=60))
    caps: Caps = field(default_factory=lambda: Caps(batch_pause_s=0))
    check: tuple[str, ...] = (sys.executable, "-S", "-c", "import shop")
    script: dict[str, list[Steps]] = field(default_factory=dict)
    rules: dict[str, Any] = field(default_factory=dict)
    repos: list[str] = field(default_factory=lambda: [SHOP])
    state: str = "state"
    base_url: str = ""
    program: str = sys.executable
    agent_of: dict[str, str | tuple[str, ...]] = field(default_factory=dict)
    staff: dict[str, AgentConfig] = field(default_factory=dict)
    prices: dict[str, Price] = field(default_factory=dict)
    agent_secret: str = ""
    seen_processes: list[bytes] = field(default_factory=list)
    box: GitHubBox = field(init=False)
    daemon: app.Daemon = field(init=False)
    engine: Engine = field(init=False)
    token: str = field(init=False)
    _stack: ExitStack = field(init=False, default_factory=ExitStack)

    def open(self) -> None:
        self.box = self._stack.enter_context(GitHubBox(self.root / "forge", clock=self.clock.now))
        scene = self.box.scene
        for login in ("alice", "bob", "mallory", "shop-bot"):
            scene.add_user(login)
        self.token = scene.add_token("shop-bot")
        for name in self.repos:
            self.add_repo(name)
        self.script = {
            "worker": [[{"if": {"file:shop.py_has": "sum"}, "then": adds(), "else": writes()}]],
            "reviewer": [[APPROVE]],
            "responder": [says("answer", "It is the sum.")],
        } | self.script
        self.start()

    def add_repo(self, name: str) -> None:
        self.box.scene.add_repo(
            name,
            {"shop.py": "def total(prices):\n    return 0\n", "README.md": "A shop.\n"},
            collaborators={"alice": "write", "bob": "write", "mallory": "read", "shop-bot": "write"},
        )

    # ------------------------------------------------------------ the dispatcher

    @property
    def settings(self) -> Settings:
        argv = (self.program, "-I", "-S", scripted_agent.__file__, str(self._save_script()))
        names = {role: self.agent_of.get(role, "scripted") for role in ("worker", "reviewer", "responder")}
        roles = tuple((role, (name,) if isinstance(name, str) else name) for role, name in names.items())
        named = {"scripted", *(name for _, listed in roles for name in listed)} - self.staff.keys()
        secret = (("MODEL_API_KEY", self.agent_secret),) if self.agent_secret else ()
        repos = tuple(
            RepoRules(
                id_name=name.replace("/", "-"),
                owner=name.split("/")[0],
                name=name.split("/")[1],
                check=self.check,
                agents=roles,
                limits=self.limits,
                **{"sandbox": SandboxRules(SandboxKind.NONE)} | self.rules,
            )
            for name in self.repos
        )
        return Settings(
            config_file=self.root / "config.toml",
            state_dir=self.root / self.state,
            repos=repos,
            agents={name: AgentConfig(name, "command", argv, env=secret) for name in sorted(named)}
            | self.staff,
            prices=self.prices,
            caps=self.caps,
            base_url=self.base_url or self.box.url,
            write_pause_s=0.0,
            list_poll_interval_s=0,
        )

    def start(self) -> None:
        """Start a dispatcher on the state folder, as after a restart."""
        host = {"DISPATCHER_GITHUB_TOKEN": self.token, "PATH": os.environ["PATH"], "HOME": str(self.root)}
        self.daemon = app.build_engine(self.settings, clock=self.clock, environment=host)
        self.engine = self.daemon.engine
        runs = self.engine.desk.runs
        runs.settings = replace(runs.settings, grace_s=0.5)
        try:
            self.engine.start()
        except Exception:
            self.daemon.close()
            raise

    def stop(self) -> None:
        """The dispatcher goes away; its runs stay."""
        assert self.engine.desk.accidents == []
        self.engine.desk.jobs.settle(PATIENCE_S)
        self.daemon.close()

    def restart(self) -> None:
        self.stop()
        self.start()

    def loses_its_journal(self, meanwhile: Callable[[], object] = lambda: None) -> None:
        """Somebody deletes the journal and starts again; `meanwhile` is what people do in between."""
        self.stop()
        for file in (self.root / self.state).glob("journal.sqlite3*"):
            file.unlink()
        meanwhile()
        self.start()

    def close(self) -> None:
        self.engine.kill_runs()
        self.stop()
        self._stack.close()

    def worker(self, *rounds: Steps) -> None:
        """What the worker does, round by round; the last one counts for all later ones."""
        self._write_script(worker=list(rounds))

    def reviewer(self, *rounds: Steps) -> None:
        """What the reviewer does, round by round."""
        self._write_script(reviewer=list(rounds))

    def responder(self, *rounds: Steps) -> None:
        """What the responder does."""
        self._write_script(responder=list(rounds))

    def hires(
        self, name: str, *steps: dict[str, Any], kind: str = "claude", price: Price | None = None
    ) -> None:
        """An agent of its own, whose program tells what that kind's program tells, whatever its role."""
        file = self.root / f"{name}.json"
        file.write_text(json.dumps({role: [list(steps)] for role in ("worker", "reviewer", "responder")}))
        argv = (self.program, "-I", "-S", scripted_agent.__file__, str(file))
        self.staff[name] = AgentConfig(name, kind, argv)
        if price:
            self.prices[name] = price

    def _write_script(self, **roles: list[Steps]) -> None:
        self.script |= roles
        self._save_script()

    def _save_script(self) -> Path:
        """Where the agents read what they do. They may read at any moment: the file is whole, and new only when it says something new."""
        file, text = self.root / "script.json", json.dumps(self.script)
        if not file.exists() or file.read_text() != text:
            draft = self.root / f"script-{threading.get_ident()}.json"
            draft.write_text(text)
            draft.replace(file)
        return file

    def sweeps_once(self) -> None:
        """One sweep, while agents are still at work."""
        self.later(minutes=31)
        self.tick()

    def decided(self, number: int) -> list[str]:
        """The events that were decided on, newest first."""
        return [
            record.event for record in self.engine.desk.journal.load_decisions(self.task(number).key, 100)
        ]

    def sweeps(self) -> None:
        """Half an hour passes; the reconcile sweep sees what the lists could not show."""
        self.later(minutes=31)
        self.settle()

    def configure(self, **changes: Any) -> None:
        """Change settings and restart."""
        for name, value in changes.items():
            setattr(self, name, value)
        self.restart()

    def tick(self) -> None:
        self.engine.watcher.look_now()
        self.daemon.tick()

    def write_config(self, *lines: str, top: str = "") -> Path:
        """The office's settings as a person would write them, with `lines` at the end of the repository's table."""
        settings = self.settings
        agent = settings.agents["scripted"]
        names = self.rules.get("labels")
        keys = ("turn", "needs_review", "needs_rework", "merge_ready", "needs_human")
        labels = [f'{key} = "{getattr(names, key)}"' for key in keys] if names else []
        text = [
            "poll_interval_s = 1\nlist_poll_interval_s = 1",
            top,
            f'[forge]\nbase_url = "{settings.base_url}"\nwrite_pause_s = 0\nuse_gh = false',
            f'[paths]\nstate_dir = "{settings.state_dir}"',
            "[caps]\nbatch_pause_s = 0",
            '[sandbox]\nkind = "none"',
            "\n".join(["[labels]", *labels]),
            "\n".join(
                ["[agents]", *(f'{role} = "scripted"' for role in ("worker", "reviewer", "responder"))]
            ),
            f"[agent.scripted]\nargv = {json.dumps(agent.argv)}",
            *(
                f'[repo.r{n}]\nrepo = "{name}"\ncheck = {json.dumps(self.check)}'
                for n, name in enumerate(self.repos)
            ),
            *lines,
        ]
        settings.config_file.write_text("\n".join(text) + "\n")
        return settings.config_file

    def asked(self, *arguments: str, **environment: str | None) -> str:
        """What the command line answers a person in this office: stdout, then stderr, then the exit code."""
        if not self.settings.config_file.exists():
            self.write_config()
        clean = {
            "DISPATCHER_STATE_DIR": None,
            "STATE_DIRECTORY": None,
            "GITHUB_TOKEN": None,
            "GH_TOKEN": None,
        }
        host = {**clean, "DISPATCHER_GITHUB_TOKEN": self.token, **environment}
        answer = CliRunner().invoke(
            cli.app, [*arguments, "--config", str(self.settings.config_file)], env=host
        )
        return f"{answer.stdout}{answer.stderr}exit code {answer.exit_code}"

    def explained(self, number: int, repo: str = SHOP) -> str:
        """What `dispatcher explain` says about an item, on one line."""
        return re.sub(r"\s+", " ", self.asked("explain", f"{repo}#{number}"))

    def status(self) -> str:
        """What `dispatcher status` shows, on one line."""
        return re.sub(r"\s+", " ", self.asked("status"))

    def prompt(self, run: str) -> str:
        """What the agent of a run was told."""
        return (self.root / self.state / "runs" / run / "prompt.md").read_text()

    def settle(self, until: Callable[[], object] | None = None, patience_s: float = PATIENCE_S) -> None:
        """Tick until nothing is under way any more (or `until` holds); agents and checks are real, so this takes real time."""
        deadline = time.monotonic() + patience_s
        while True:
            self.tick()
            if until() if until else not self.is_busy():
                return
            assert time.monotonic() < deadline, self.why_not_settled()
            self._let_work_go_on()
            self.clock.wait(0.05)

    def _let_work_go_on(self) -> None:
        """Wait for the end of a run or of a job, a tenth of a second at most: ticks in between would only poll again."""
        desk = self.engine.desk
        runs, effects = desk.journal.load_live_runs(), desk.journal.load_effects()
        deadline = time.monotonic() + (LOOK_S if runs or len(desk.jobs) else 0)
        while True:
            time.sleep(0.005)
            if any(desk.runs.report(one.run.id).state != "running" for one in runs):
                return
            if any(desk.jobs.is_done(one.id) for one in effects) or time.monotonic() > deadline:
                return

    def is_busy(self) -> bool:
        desk = self.engine.desk
        waits_for_retry = all(
            effect.retry_at and effect.retry_at > self.clock.now() for effect in desk.journal.load_effects()
        )
        return bool(
            desk.agenda.has_news
            or len(desk.jobs)
            or desk.journal.load_live_runs()
            or not waits_for_retry
            or self._soon()
        )

    def _soon(self) -> bool:
        """Somebody asked to be looked at within seconds: mergeability is being computed."""
        soon = self.clock.now() + timedelta(seconds=10)
        return any(at <= soon for at in self.engine.desk.look_alarms.values())

    def why_not_settled(self) -> str:
        desk = self.engine.desk
        lines = [f"{task.name} {task.stage} {task.hold}" for task in desk.journal.load_tasks()]
        lines += [f"pending {effect.effect} {effect.error}" for effect in desk.journal.load_effects()]
        lines += [f"note {what}" for _at, what in desk.journal.load_notes()]
        return "\n".join(lines)

    def later(self, **amount: float) -> None:
        """Time passes."""
        self.clock.moment += timedelta(**amount)

    # ------------------------------------------------------------ people

    def asks(
        self,
        title: str = "total() is wrong",
        body: str = "It returns 0.",
        by: str = "alice",
        repo: str = SHOP,
    ) -> int:
        """Somebody opens an issue and labels it; returns its number."""
        number = self.opens(title, body, by, repo)
        self.labels(number, "bot", by=by, repo=repo)
        return number

    def opens(
        self,
        title: str = "total() is wrong",
        body: str = "It returns 0.",
        by: str = "alice",
        repo: str = SHOP,
    ) -> int:
        return self.box.scene.person(by).open_issue(repo, title, body)

    def labels(self, number: int, name: str = "bot", by: str = "alice", repo: str = SHOP) -> None:
        self.later(seconds=61)
        self.box.scene.person(by).label(repo, number, name)

    def comments(self, number: int, text: str, by: str = "alice") -> None:
        self.later(seconds=61)
        self.box.scene.person(by).comment(SHOP, number, text)

    def person(self, login: str = "alice") -> Any:
        self.later(seconds=61)
        return self.box.scene.person(login)

    # ------------------------------------------------------------ what can be seen

    def task(self, number: int, repo: str = SHOP) -> Task:
        repo_id = self.box.world.repo(repo).id
        task = self.engine.desk.journal.load_task(ItemKey(repo_id, number))
        assert task is not None, f"{repo}#{number} has no task\n{self.why_not_settled()}"
        return task

    def stage(self, number: int, repo: str = SHOP) -> Stage:
        return self.task(number, repo).stage

    def shown(self, number: int, repo: str = SHOP) -> set[str]:
        """Labels and assignees as a person sees them: `bot`, `needs-review`, `@alice`."""
        scene = self.box.scene
        return scene.labels(repo, number) | {f"@{login}" for login in scene.assignees(repo, number)}

    def pull(self, number: int, repo: str = SHOP) -> int:
        pull = self.task(number, repo).pull
        assert pull is not None, self.why_not_settled()
        return pull

    def said(self, number: int, repo: str = SHOP) -> list[str]:
        """The bot's comments on an item, without the status comment."""
        bodies = [comment.body for comment in self.box.scene.comments(repo, number)]
        return [body for body in bodies if "dispatcher:" in body and "dispatcher:status" not in body]

    def reviews(self, number: int, repo: str = SHOP) -> list[str]:
        return [review.body for review in self.box.scene.reviews(repo, number)]

    def branches(self) -> list[str]:
        world = self.box.world
        refs = world.git.refs(world.repo(SHOP).id)
        return [ref.removeprefix("refs/heads/") for ref in refs if ref.startswith("refs/heads/")]

    def times_labelled(self, number: int, name: str, repo: str = SHOP) -> int:
        """How often a label was put on an item."""
        events = self.box.scene.issue(repo, number).events
        return sum(
            event.kind is EventKind.LABELED and event.label is not None and event.label.name == name
            for event in events
        )

    def has_live_run(self) -> bool:
        """Whether an agent process is really running."""
        desk = self.engine.desk
        return any(
            desk.runs.report(record.run.id).state == "running" for record in desk.journal.load_live_runs()
        )

    def live_log_exists(self, name: str) -> bool:
        """Whether a live run has committed this file."""
        desk = self.engine.desk
        checkouts = [desk.runs.folder(record.run.id) / "checkout" for record in desk.journal.load_live_runs()]
        logs = [checkout / ".git" / "logs" / "HEAD" for checkout in checkouts if (checkout / name).exists()]
        return any("commit" in log.read_text() for log in logs if log.exists())

    def supervisor_of(self, run: str) -> int:
        """The supervisor's process id, as the run's folder tells it; 0 before it does."""
        started = RunFolder(self.engine.desk.runs.folder(run)).started
        return int(json.loads(started.read_text())["supervisor"][0]) if started.exists() else 0

    def processes_of(self, run: str) -> list[proctree.Process]:
        """Everything alive that carries the run's mark."""
        return proctree.find_marked(load_plan(RunFolder(self.engine.desk.runs.folder(run))).mark)

    def has_task(self, number: int) -> bool:
        return self.engine.desk.journal.load_task(ItemKey(self.box.world.repo(SHOP).id, number)) is not None

    def notes(self) -> list[str]:
        return [what for _at, what in self.engine.desk.journal.load_notes()]

    def status_comments(self, number: int, repo: str = SHOP) -> int:
        """How many status comments an item has."""
        return sum("dispatcher:status" in comment.body for comment in self.box.scene.comments(repo, number))

    def status_text(self, number: int, repo: str = SHOP) -> str:
        """What the status comments of the task say, on its issue and its pull request."""
        numbers = {number, self.task(number, repo).pull or number}
        said = [comment.body for one in sorted(numbers) for comment in self.box.scene.comments(repo, one)]
        return "\n".join(body for body in said if "dispatcher:status" in body)

    def started(self) -> list[str]:
        """The runs whose supervisor was really started."""
        return [path.parent.name for path in (self.root / self.state / "runs").glob("*/started.json")]

    def forgotten(self) -> list[str]:
        """Open tasks that nobody is at work on, no moment and no event that is named would move on, and no person has."""
        desk = self.engine.desk
        busy = {record.task for record in desk.journal.load_live_runs()} | {
            one.task for one in desk.journal.load_effects()
        }
        waits = busy | desk.look_alarms.keys()
        return [
            f"{task.name} {task.stage} {task.hold}"
            for task in desk.journal.load_tasks()
            if task.key not in waits and not (task.hold and (task.hold.until or task.hold.ends_with))
        ]

    def run_ids(self) -> list[str]:
        """All runs so far, in order."""
        return [record.run.id for record in reversed(self.engine.desk.journal.load_runs())]

    def roles(self) -> list[str]:
        """The roles of all runs so far, in order."""
        return [str(record.run.role) for record in reversed(self.engine.desk.journal.load_runs())]


@contextmanager
def colleague(office: Office) -> Iterator[Office]:
    """Another dispatcher of the same account, as on another machine: the same forge and clock, a state folder of its own."""
    other = Office(
        office.root,
        office.clock,
        office.limits,
        office.caps,
        office.check,
        office.script,
        office.rules,
        office.repos,
    )
    other.state, other.box, other.token = "elsewhere", office.box, office.token
    other.start()
    try:
        yield other
    finally:
        other.engine.kill_runs()
        other.stop()


@contextmanager
def opened(root: Path, **settings: Any) -> Iterator[Office]:
    office = Office(root, **settings)
    office.open()
    try:
        yield office
    finally:
        office.close()


__all__ = ["APPROVE", "DONE", "SHOP", "Office", "opened", "rejects", "says", "writes"]
