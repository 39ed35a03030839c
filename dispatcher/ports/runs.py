"""Agent processes, as the engine needs them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol

from dispatcher.core.events import Event
from dispatcher.core.faults import Fault
from dispatcher.core.model import (
    LiveRun,
    Role,
)
from dispatcher.core.rules import RepoRules
from dispatcher.core.usage import Usage


@dataclass(frozen=True, slots=True)
class RunOrder:
    """Everything that a run is made of. `context` is written as context.json and fills the prompt; `shared` is read by the checkout.

    `usd_left` is what it may cost, for programs that can hold to it themselves; 0: whatever it costs.
    """

    run: LiveRun
    repo: str
    rules: RepoRules
    role: Role
    context: Mapping[str, object]
    wall_s: int
    silence_s: int
    repairs: str = ""
    repair_error: str = ""
    shared: tuple[Path, ...] = ()
    repo_id: int = 0
    usd_left: float = 0.0


@dataclass(frozen=True, slots=True)
class RunReport:
    """What is known of a run's processes. `state`: absent, running, ended, lost (supervisor died without a word).

    `usage` and `session_id` are what the program told up to now, also while it runs. `fault` only means something when there is
    no outcome. `session_id` names the program's own session, to go on with it; "" when it told none.
    `prompt_digest` names the prompt files that the run was given.
    """

    run_id: str
    state: str
    ended_because: str = ""  # exited, timed-out, stalled, stopped, could-not-start, output-too-large, out-of-memory, too-many-processes, files-too-large, lost
    exit_code: int | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    last_progress_at: datetime | None = None
    detail: str = ""
    usage: Usage = field(default_factory=Usage)
    session_id: str = ""
    fault: Fault | None = None
    prompt_digest: str = ""

    @property
    def cost_usd(self) -> float | None:
        """What the program says it cost; None when it says nothing."""
        return self.usage.cost_usd

    @property
    def tokens(self) -> int | None:
        """All tokens; None when the program reports none."""
        return self.usage.tokens or None


@dataclass(frozen=True, slots=True)
class AgentTrial:
    """What came of trying an agent out. `program` is its path, "" where `wanted` is not installed; `has_login` None: unknown.

    `answer`, `fault` and `usage` only mean something after a question was asked.
    """

    agent: str
    program: str
    wanted: str
    version: str = ""
    login_names: tuple[str, ...] = ()
    has_login: bool | None = None
    answer: str = ""
    fault: Fault | None = None
    usage: Usage = field(default_factory=Usage)


class Runs(Protocol):
    """Agent processes. Everything is found again from the run folders: nothing depends on this object living on."""

    def folder(self, run_id: str) -> Path:
        """Where the run lives, or will live."""
        ...

    def prepare(self, order: RunOrder) -> Path:
        """Write the run's folder (prompt, context, schema); returns where the checkout belongs. Idempotent."""
        ...

    def start(self, order: RunOrder) -> None:
        """Start the supervisor, unless this run was already started. The checkout must be there."""
        ...

    def report(self, run_id: str) -> RunReport:
        """What became of the run."""
        ...

    def load_outcome(self, run_id: str, role: Role) -> Event:
        """The outcome as an event; OutcomeMalformed when it does not fit, OutcomeWithheld when it tells a secret."""
        ...

    def stop(self, run_id: str, why: str, *, at_once: bool = False) -> None:
        """Ask the supervisor to end the run (INT, TERM, grace, KILL of the tree). Returns at once."""
        ...

    def reap(self, run_id: str) -> None:
        """Make sure that nothing of a lost run is left alive."""
        ...

    def known(self) -> tuple[str, ...]:
        """Ids of all run folders."""
        ...
