"""Puts the real parts together: the only file that names them all."""

import os
import signal
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from time import monotonic, sleep
from urllib.parse import urlsplit

from dispatcher.config.settings import Settings
from dispatcher.config.watch import ConfigFile
from dispatcher.core.errors import BadConfig, BadCredential
from dispatcher.core.rules import AgentText, HarvestLimits, LabelNames, RepoRules, SandboxKind, SandboxRules
from dispatcher.core.unboxed import is_unboxed, warn_of_sandboxes
from dispatcher.engine.agents import free_after_edit
from dispatcher.engine.desk import Desk, EngineSettings
from dispatcher.engine.house import House
from dispatcher.engine.housekeeping import Housekeeper
from dispatcher.engine.loop import Engine
from dispatcher.forge.credentials import Credential, Secret, TokenSources, ask_gh, find_token
from dispatcher.forge.github_forge import GitHubForge, Pace
from dispatcher.journal.store import SqlJournal
from dispatcher.log import LogRules, Redactor, logging_to
from dispatcher.ports import AgentTrial, Clock, Cursors
from dispatcher.runs import launch
from dispatcher.runs.censor import Censor, agents_secrets
from dispatcher.runs.environment import GitIdentity
from dispatcher.runs.launch import RunSettings
from dispatcher.runs.process_runs import ProcessRuns
from dispatcher.runs.prompts import PromptBook, PromptFiles, find_shipped_prompts
from dispatcher.runs.sandbox.border import Border
from dispatcher.runs.sandbox.choice import choose_box, choose_machine
from dispatcher.runs.sandbox.grouping import find_grouping
from dispatcher.runs.sandbox.trial import try_bwrap
from dispatcher.runs.stored import StoredFolders
from dispatcher.runs.trial import ask_agent, look_at_agent
from dispatcher.state import SystemClock, hold_state_dir, load_instance_id, make_state_dir
from dispatcher.surfaces.messages import Messages
from dispatcher.workspace.attic import GitAttic
from dispatcher.workspace.detect import Check
from dispatcher.workspace.git import Identity
from dispatcher.workspace.secret_scan import describe, scan_text
from dispatcher.workspace.surroundings import Surroundings
from dispatcher.workspace.workspaces import GitWorkspaces


def open_journal(settings: Settings, *, read_only: bool = False) -> SqlJournal:
    """The journal of these settings' state folder. Raises JournalUnusable."""
    if not read_only:
        make_state_dir(settings.state_dir)
    return SqlJournal(settings.journal_path, read_only=read_only)


def find_credential(settings: Settings, environment: Mapping[str, str] | None = None) -> Credential:
    """The token that the settings lead to. Raises BadCredential."""
    host = urlsplit(settings.base_url).hostname or "github.com"
    return find_token(
        TokenSources(
            environment=dict(os.environ if environment is None else environment),
            token_file=settings.token.token_file,
            gh=ask_gh if settings.token.use_gh else None,
            host="github.com" if host == "api.github.com" else host,
        )
    )


def make_redactor(settings: Settings, environment: Mapping[str, str] | None = None) -> Callable[[str], str]:
    """What takes the secrets that these settings lead to, and whatever looks like one, out of a text."""
    host = dict(os.environ if environment is None else environment)
    redactor = Redactor(agents_secrets(settings.agents, host))
    with suppress(BadCredential):  # without a token there is none to be hidden
        redactor.learn(find_credential(settings, host).token.reveal())
    return redactor.redact


def connect_forge(
    settings: Settings,
    journal: Cursors,
    clock: Clock | None = None,
    environment: Mapping[str, str] | None = None,
) -> GitHubForge:
    """The forge, with the token that the settings lead to. Raises BadCredential."""
    return _forge(settings, journal, clock or SystemClock(), find_credential(settings, environment).token)


def _forge(settings: Settings, journal: Cursors, clock: Clock, token: Secret) -> GitHubForge:
    return GitHubForge(
        settings.base_url,
        token,
        clock,
        journal,
        bot_login=settings.bot_login or None,
        instance=load_instance_id(settings.state_dir),
        pace=Pace(
            settings.write_pause_s,
            int(settings.timeout_s),
            settings.poll_interval_s,
            settings.list_poll_interval_s,
        ),
    )


def open_house(settings: Settings, journal: SqlJournal) -> House:
    """What lies in these settings' state folder, for housekeeping. Needs no token."""
    identity = Identity("dispatcher", "dispatcher@localhost")
    pack_bytes = max((repo.harvest.pack_bytes for repo in settings.repos), default=HarvestLimits().pack_bytes)
    attic = GitAttic(settings.git_dir, Surroundings(identity=identity, pack_bytes=pack_bytes))
    return House(journal, StoredFolders(settings.runs_dir), attic, settings.bundles_dir)


def can_isolate() -> bool:
    """Whether a process could really be started in namespaces of its own."""
    return launch.can_isolate()


def can_sandbox(kind: SandboxKind) -> bool:
    """Whether a sandbox of this kind could really be started: tries it."""
    try:
        return choose_machine(kind) is not None
    except BadConfig:
        return False


def try_agent(settings: Settings, agent: str, *, live: bool) -> AgentTrial:
    """Look for an agent's program and login; with `live` ask it one line. Raises RetryLater, BadConfig."""
    config, uses = settings.agents[agent], _uses_of(settings, agent)
    if not live or not uses:
        copies_logins = bool(uses) and all(_is_boxed(rules.sandbox.for_role(role)) for rules, role in uses)
        return look_at_agent(config, os.environ, copies_logins=copies_logins)
    make_state_dir(settings.state_dir)
    identity = GitIdentity("dispatcher", "dispatcher@localhost")
    return ask_agent(config, uses[0][0], RunSettings(settings.state_dir / "trials", identity), os.environ)


def _uses_of(settings: Settings, agent: str) -> tuple[tuple[RepoRules, str], ...]:
    """The repositories and roles that name the agent; where none does, a label may choose it as a worker anywhere."""
    named = tuple((repo, role) for repo in settings.repos for role, names in repo.agents if agent in names)
    return named or tuple((repo, "worker") for repo in settings.repos)


def _is_boxed(rules: SandboxRules) -> bool:
    try:
        return choose_box(rules) is not None
    except BadConfig:
        return False


def find_sandbox_trouble() -> tuple[str, str] | None:
    """Really start a sandbox: None when it works, else why not and what would help."""
    trial = try_bwrap()
    return None if trial.machine else (trial.why, trial.cure)


def find_group_trouble() -> str:
    """Why runs cannot have control groups of their own here; "" when they can."""
    return find_grouping().why


@dataclass(slots=True)
class Daemon:
    """The engine with everything that it holds open. `close` lets go; runs go on."""

    engine: Engine
    config: ConfigFile | None = None
    workspaces: GitWorkspaces | None = None
    learn_secrets: Callable[[Settings], None] | None = None
    _stack: ExitStack = field(default_factory=ExitStack)

    def tick(self) -> None:
        """One round, after looking whether the configuration changed."""
        self._reload()
        self.engine.tick()

    def run(self) -> None:
        """Rounds until SIGTERM, SIGINT or an order to stop; runs go on without us unless the order was to kill."""
        with ExitStack() as handlers:
            _stop_on_signals(self.engine, handlers)
            self.warn()
            self.engine.run(before_tick=self._reload)

    def warn(self) -> None:
        """Leave for `status` what runs without a sandbox."""
        has_sandbox = find_sandbox_trouble() is None
        rules = self.engine.desk.settings.rules
        self._tell("sandbox-warning", "\n".join(warn_of_sandboxes(rules, has_sandbox=has_sandbox)))

    def start(self) -> None:
        """Pick up where a predecessor stopped; for those who tick by themselves."""
        self.warn()
        self.engine.start()

    def once(self) -> None:
        """One round from a standing start, with the slow work that it began: nothing is left to a next round by halves."""
        self.start()
        self.tick()
        self.engine.finish_round()

    def explain_check(self, full_name: str) -> Check | None:
        """Which check a commit of this repository gets, and why; None while the repository is not known. Fetches it."""
        repo = next(
            (known for known in self.engine.desk.repos.values() if known.full_name == full_name), None
        )
        if repo is None or self.workspaces is None:
            return None
        return self.workspaces.explain_check(repo, repo.rules.base or repo.default_branch)

    def end_runs(self, patience_s: float) -> bool:
        """End every run and check, and wait for that; whether nothing was left of them within `patience_s` each."""
        desk = self.engine.desk
        if self.workspaces is not None:
            self.workspaces.stop()
        settled = desk.jobs.settle(patience_s)
        self.engine.kill_runs()
        deadline = monotonic() + patience_s
        while any(desk.runs.report(run_id).state == "running" for run_id in desk.runs.known()):
            if monotonic() > deadline:
                return False
            sleep(0.02)
        return settled

    def close(self) -> None:
        """Let go of the lock, the database, the sockets."""
        self._stack.close()

    def _reload(self) -> None:
        """Take a good edit of the configuration over; a bad one changes nothing and is told."""
        if self.config is None:
            return
        desk = self.engine.desk
        if self.config.reload():
            if self.learn_secrets is not None:
                self.learn_secrets(self.config.settings)
            desk.settings = _engine_settings(self.config.settings, desk.settings.instance)
            if isinstance(desk.runs, ProcessRuns):
                desk.runs.agents = self.config.settings.agents
            self.engine.watcher.reconnect()
            free_after_edit(desk)
            self.warn()
        self._tell("config-problem", self.config.problem)
        if isinstance(desk.runs, ProcessRuns):
            self._tell("prompt-problem", "\n".join(desk.runs.prompt_problems()))

    def _tell(self, name: str, problem: str) -> None:
        """Leave a problem where `status` finds it, or take it away when it is mended."""
        journal = self.engine.desk.journal
        if (journal.load_cursor(name) or "") != problem:
            journal.save_cursor(name, problem)


def build_engine(
    settings: Settings,
    *,
    clock: Clock | None = None,
    environment: Mapping[str, str] | None = None,
    log_to_stderr: bool = True,
) -> Daemon:
    """Everything, put together, with the state folder's lock taken. Raises AlreadyRunning, BadCredential, JournalUnusable."""
    host = dict(os.environ if environment is None else environment)
    the_clock = clock or SystemClock()
    with ExitStack() as stack:
        stack.enter_context(hold_state_dir(settings.state_dir, the_clock.now()))
        redactor = Redactor()
        log_rules = LogRules(settings.log_path, settings.log_level, to_stderr=log_to_stderr)
        stack.enter_context(logging_to(log_rules, redactor))
        token = find_credential(settings, host).token
        redactor.learn(token.reveal(), *agents_secrets(settings.agents, host))
        journal = stack.enter_context(SqlJournal(settings.journal_path))
        forge = _forge(settings, journal, the_clock, token)
        stack.callback(forge.close)
        workspaces = _workspaces(settings, token, redactor)
        workspaces.clear_scratch()
        runs = _runs(settings, host, token, redactor)
        desk = _desk(settings, the_clock, forge, journal, workspaces, runs)
        stack.callback(desk.jobs.close)
        # A check that still runs would keep the process alive until its time limit.
        stack.callback(workspaces.stop)
        housekeeper = Housekeeper(desk, open_house(settings, journal))
        stack.callback(housekeeper.close)
        config = ConfigFile(settings.config_file, host) if settings.config_file.is_file() else None
        learn = partial(_learn, redactor, host)
        return Daemon(Engine(desk, housekeeper), config, workspaces, learn, stack.pop_all())
    raise AssertionError


def _desk(
    settings: Settings,
    clock: Clock,
    forge: GitHubForge,
    journal: SqlJournal,
    workspaces: GitWorkspaces,
    runs: ProcessRuns,
) -> Desk:
    desk = Desk(
        settings=_engine_settings(settings, load_instance_id(settings.state_dir)),
        clock=clock,
        forge=forge,
        journal=journal,
        runs=runs,
        workspaces=workspaces,
        words=Messages(
            bot_login=lambda: desk.bot.login if desk.bot else "",
            labels_of=lambda repo: _labels(desk, repo),
            agents=lambda: desk.settings.agents,
            allowed_in=lambda repo: _agent_text(desk, repo),
            is_unboxed=lambda repo: any(
                is_unboxed(rules, has_sandbox=find_sandbox_trouble() is None)
                for rules in desk.settings.rules
                if rules.full_name == repo
            ),
        ),
    )
    return desk


def _engine_settings(settings: Settings, instance: str) -> EngineSettings:
    return EngineSettings(
        rules=settings.repos,
        caps=settings.caps,
        instance=instance,
        sweep_s=settings.sweep_s,
        idle_tick_s=settings.poll_interval_s,
        keep=settings.keep,
        agents=settings.agents,
        prices=settings.prices,
    )


def _labels(desk: Desk, repo: str) -> LabelNames:
    return next(
        (known.rules.labels for known in desk.repos.values() if known.full_name == repo), LabelNames()
    )


def _agent_text(desk: Desk, repo: str) -> AgentText:
    return next(
        (known.rules.agent_text for known in desk.repos.values() if known.full_name == repo), AgentText()
    )


def _runs(settings: Settings, host: Mapping[str, str], token: Secret, redactor: Redactor) -> ProcessRuns:
    identity = GitIdentity("dispatcher", "dispatcher@localhost")
    return ProcessRuns(
        RunSettings(settings.runs_dir, identity, private=_private(settings)),
        settings.agents,
        PromptBook(_prompts(settings)),
        host=host,
        forge=(settings.base_url, token.reveal),
        censor=Censor(
            find=lambda where, text: tuple(map(describe, scan_text(where, text, redactor.values))),
            redact=redactor.redact,
            values=lambda: redactor.values,
        ),
    )


def _learn(redactor: Redactor, host: Mapping[str, str], settings: Settings) -> None:
    """Agents that an edit of the configuration brought may have secrets of their own."""
    redactor.learn(*agents_secrets(settings.agents, host))


def _prompts(settings: Settings) -> PromptFiles:
    """The prompts of the configuration; a folder without rules of its own goes with those that ship."""
    shipped = find_shipped_prompts()
    if settings.prompts_dir is None:
        return shipped
    own_rules = settings.prompts_dir / "WORKFLOW.md"
    return PromptFiles(settings.prompts_dir, own_rules if own_rules.is_file() else shipped.workflow)


def _private(settings: Settings) -> tuple[Path, ...]:
    """What of ours no agent and no check may see."""
    token_file = settings.token.token_file
    return (settings.state_dir, settings.config_file, *((token_file,) if token_file else ()))


def _workspaces(settings: Settings, token: Secret, redactor: Redactor) -> GitWorkspaces:
    return GitWorkspaces(
        settings.git_dir,
        Surroundings(
            identity=Identity("dispatcher", "dispatcher@localhost"),
            token=token.reveal,
            secrets=lambda: redactor.values,
            confinement=Border(_private(settings), settings.state_dir / "caches"),
        ),
    )


def _stop_on_signals(engine: Engine, handlers: ExitStack) -> None:
    """SIGTERM and SIGINT end the loop quickly; agents are left alone, the next start adopts them."""
    if threading.current_thread() is not threading.main_thread():
        return

    def stop(_signal: int, _frame: object) -> None:
        engine.desk.stop_asked = True
        if isinstance(engine.desk.clock, SystemClock):
            engine.desk.clock.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        handlers.callback(signal.signal, number, signal.signal(number, stop))
