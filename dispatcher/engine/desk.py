"""What every part of the engine shares: the ports, and the little that is known of the world between two ticks."""

import logging
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from dispatcher.core.housekeeping import KeepRules
from dispatcher.core.model import ItemKey, Person, Snapshot, Task
from dispatcher.core.rules import AgentConfig, Caps, Price, RepoRules
from dispatcher.engine.agenda import Agenda
from dispatcher.engine.jobs import Jobs
from dispatcher.ports import Clock, Forge, Intake, Journal, Repo, Runs, Words, Workspaces

log = logging.getLogger(__name__)


def draw_nonce() -> str:
    """Eight hex digits that no other run of the same task has."""
    return secrets.token_hex(4)


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """What the loop itself needs. Times in seconds; `prices` by the name of an agent or a model."""

    rules: tuple[RepoRules, ...]
    caps: Caps = field(default_factory=Caps)
    instance: str = "one"
    sweep_s: float = 1800.0
    repos_refresh_s: float = 1800.0
    busy_tick_s: float = 1.0
    idle_tick_s: float = 15.0
    mergeable_wait_s: float = 5.0
    ci_look_s: float = 60.0
    keep: KeepRules = field(default_factory=KeepRules)
    agents: Mapping[str, AgentConfig] = field(default_factory=dict)
    prices: Mapping[str, Price] = field(default_factory=dict)


@dataclass(slots=True)
class Desk:
    """Ports and short-lived knowledge. Whatever matters after a restart is in the journal or on the forge."""

    settings: EngineSettings
    clock: Clock
    forge: Forge
    journal: Journal
    runs: Runs
    workspaces: Workspaces
    words: Words
    jobs: Jobs = field(default_factory=Jobs)
    nonce: Callable[[], str] = draw_nonce
    agenda: Agenda = field(default_factory=Agenda)
    bot: Person | None = None
    intake: Intake | None = None
    repos: dict[int, Repo] = field(default_factory=dict)
    troubles: dict[str, str] = field(default_factory=dict)
    snapshots: dict[ItemKey, Snapshot] = field(default_factory=dict)
    look_alarms: dict[ItemKey, datetime] = field(default_factory=dict)
    orphans: set[str] = field(default_factory=set)
    in_flight: set[str] = field(default_factory=set)
    writes_in_flight: set[str] = field(default_factory=set)
    forge_reached_at: datetime | None = None
    accidents: list[str] = field(default_factory=list)
    is_draining: bool = False
    kills_on_stop: bool = False
    stop_asked: bool = False
    _last_noted: dict[str, str] = field(default_factory=dict)

    def note_accident(self, where: str, error: Exception, task: ItemKey | None = None) -> None:
        """An error that nobody foresaw: told with its traceback, kept for `status`, and the others go on."""
        log.error("accident in %s", where, exc_info=error)
        self.accidents.append(f"{where}: {error!r}")
        self.note_once(where, f"{where} failed unexpectedly: {error!r}; the log has the details", task)

    def note_once(self, where: str, what: str, task: ItemKey | None = None) -> None:
        """Note something that may come back with every tick; the same words are noted once."""
        if self._last_noted.get(where) != what:
            self._last_noted[where] = what
            self.journal.note(task, what, self.clock.now())

    @property
    def me(self) -> Person:
        """The bot account; known once `connect` went well."""
        assert self.bot is not None
        return self.bot

    def repo_of(self, task: Task) -> Repo | None:
        """The task's repository, if it is configured and usable now."""
        return self.repos.get(task.key.repo_id)
