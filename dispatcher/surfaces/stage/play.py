"""The real loop in front of a simulated forge: a repository, an issue, a label, and then everything by itself."""

import os
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from dispatcher.config.settings import Settings, TokenSource
from dispatcher.config.toml import render_toml
from dispatcher.core.model import ItemKey, Task
from dispatcher.core.rules import AgentConfig, Caps, Limits, RepoRules
from dispatcher.ports import Journal
from dispatcher.simulator.box import GitHubBox
from dispatcher.simulator.world import Settings as BoxSettings
from dispatcher.surfaces.parts import Daemon, Parts
from dispatcher.surfaces.stage.narration import Step, Story, describe_present, is_over, narrate
from dispatcher.surfaces.stage.sight import Sight, look

BOT: Final = "the-bot"
AGENT: Final = "demo"
_TOKEN_VARIABLE = "DISPATCHER_GITHUB_TOKEN"  # noqa: S105  (the variable's name)
_TICK_PAUSE_S = 0.03
_PATIENCE_S = 15.0
_ALL_DECISIONS = 10_000
_ROLES = ("worker", "reviewer", "responder")


@dataclass(frozen=True, slots=True)
class Scenario:
    """What is played. The repository comes from `files`, or with its history from the clone in `source`.

    `check` empty: the one that the repository suggests; `check_words` are what people call it. `host` is the environment from which agents get theirs.
    """

    repo: str
    person: str
    title: str
    body: str
    agent: AgentConfig
    check: tuple[str, ...]
    check_words: str
    host: Mapping[str, str]
    files: Mapping[str, str] | None = None
    source: Path | None = None
    limits: Limits = field(default_factory=lambda: Limits(redispatch_cooldown_s=2))


@dataclass(frozen=True, slots=True)
class Told:
    """A step with its moment, in seconds since the play began."""

    at_s: float
    step: Step


@dataclass(frozen=True, slots=True)
class Moment:
    """How things stand after one round of the loop. `news` are the steps since the last one."""

    at_s: float
    news: tuple[Told, ...]
    sight: Sight
    present: str
    task: Task
    is_over: bool


@dataclass(slots=True)
class Play:
    """A play under way. `steps` grows while it is watched."""

    scenario: Scenario
    folder: Path
    box: GitHubBox
    daemon: Daemon
    journal: Journal
    key: ItemKey
    began: float
    check_words: str
    has_check: bool = True
    steps: list[Told] = field(default_factory=list)
    _told: int = 0

    @property
    def elapsed_s(self) -> float:
        """Seconds since the play began."""
        return time.monotonic() - self.began

    @property
    def bare_repo(self) -> Path:
        """Where the simulated forge keeps the repository."""
        return self.folder / "forge" / f"{self.key.repo_id}.git"

    def tell(self, step: Step) -> Told:
        """Add a step of our own."""
        told = Told(self.elapsed_s, step)
        self.steps.append(told)
        return told

    def watch(self) -> Iterator[Moment]:
        """Rounds of the loop until it is a person's turn."""
        self.daemon.start()
        self.daemon.tick()
        if not self.check_words and (check := self.daemon.explain_check(self.scenario.repo)):
            self.check_words, self.has_check = check.note, bool(check.argv)
        while True:
            moment = self._moment()
            if moment is not None:
                yield moment
                if moment.is_over:
                    return
            time.sleep(_TICK_PAUSE_S)
            self.daemon.tick()

    def _moment(self) -> Moment | None:
        """What is new; None before the loop knows of the issue."""
        task = self.journal.load_task(self.key)
        if task is None:
            return None
        runs = tuple(reversed(self.journal.load_runs(self.key)))
        decisions = tuple(reversed(self.journal.load_decisions(self.key, limit=_ALL_DECISIONS)))
        sight = look(self.box, self.scenario.repo, BOT)
        steps = narrate(Story(decisions, runs, task, sight, self.check_words, self.has_check))
        news = tuple(self.tell(step) for step in steps[self._told :])
        self._told = len(steps)
        return Moment(
            at_s=self.elapsed_s,
            news=news,
            sight=sight,
            present=describe_present(task, runs, self.check_words),
            task=task,
            is_over=is_over(task) and not self.journal.load_effects(),
        )


@contextmanager
def playing(scenario: Scenario, folder: Path, parts: Parts) -> Iterator[Play]:
    """Set everything up in `folder`; at the end no process is left. Raises what the parts raise."""
    with ExitStack() as stack:
        stack.enter_context(_no_proxy_for_loopback())
        box = stack.enter_context(
            GitHubBox(folder / "forge", settings=BoxSettings(mergeable_unknown_reads=0))
        )
        began = time.monotonic()
        token, key = _set_scene(box, scenario)
        settings = _settings(scenario, folder, box.url)
        host = {**scenario.host, _TOKEN_VARIABLE: token}
        daemon = parts.build_engine(settings, environment=host, log_to_stderr=False)
        stack.callback(daemon.close)
        stack.callback(daemon.end_runs, _PATIENCE_S)
        # Only now: a configuration that is there at the start would be watched, and it says less than the settings.
        settings.config_file.write_text(_render_config(settings), encoding="utf-8")
        journal = parts.open_journal(settings, read_only=True)
        stack.callback(journal.close)
        yield Play(scenario, folder, box, daemon, journal, key, began, scenario.check_words)


def _set_scene(box: GitHubBox, scenario: Scenario) -> tuple[str, ItemKey]:
    """People, repository, issue, label; returns the bot's token and the issue."""
    scene, repo = box.scene, scenario.repo
    for login in (scenario.person, BOT):
        scene.add_user(login)
    made = scene.add_repo(
        repo,
        scenario.files,
        folder=scenario.source,
        collaborators={scenario.person: "maintain", BOT: "write"},
    )
    person = scene.person(scenario.person)
    number = person.open_issue(repo, scenario.title, scenario.body)
    person.label(repo, number, "bot")
    return scene.add_token(BOT), ItemKey(made.id, number)


def _settings(scenario: Scenario, folder: Path, url: str) -> Settings:
    owner, _, name = scenario.repo.partition("/")
    rules = RepoRules(
        id_name="play",
        owner=owner,
        name=name,
        check=scenario.check,
        agents=tuple((role, (scenario.agent.name,)) for role in _ROLES),
        limits=scenario.limits,
    )
    return Settings(
        config_file=folder / "config.toml",
        state_dir=folder / "state",
        repos=(rules,),
        agents={scenario.agent.name: scenario.agent},
        caps=Caps(batch_pause_s=0),
        base_url=url,
        token=TokenSource(use_gh=False),
        write_pause_s=0.0,
        list_poll_interval_s=0,
    )


def _render_config(settings: Settings) -> str:
    """What `dispatcher status` needs afterwards; the play itself does not read it."""
    (rules,), (agent,) = settings.repos, settings.agents.values()
    return render_toml(
        {
            "forge": {"base_url": settings.base_url, "use_gh": False},
            "paths": {"state_dir": str(settings.state_dir)},
            "agents": dict.fromkeys(_ROLES, agent.name),
            "agent": {agent.name: {"kind": agent.kind, "argv": list(agent.argv)}},
            "repo": {rules.id_name: {"owner": rules.owner, "name": rules.name, "check": list(rules.check)}},
        }
    )


@contextmanager
def _no_proxy_for_loopback() -> Iterator[None]:
    """A proxy of the environment would be asked for the simulated forge, and cannot reach it."""
    before = {name: os.environ.get(name) for name in ("no_proxy", "NO_PROXY")}
    for name, value in before.items():
        os.environ[name] = f"{value},127.0.0.1" if value else "127.0.0.1"
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@dataclass(slots=True)
class Bell:
    """Rung by Ctrl-C or SIGTERM; the play ends between two rounds, so that nothing is torn in the middle."""

    has_rung: bool = False


@contextmanager
def listening_for_the_bell() -> Iterator[Bell]:
    """SIGINT and SIGTERM ring the bell instead of ending the process."""
    bell = Bell()
    if threading.current_thread() is not threading.main_thread():
        yield bell
        return

    def ring(_number: int, _frame: object) -> None:
        bell.has_rung = True

    before = {number: signal.signal(number, ring) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield bell
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
