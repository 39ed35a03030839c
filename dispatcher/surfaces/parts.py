"""The parts that commands work with: what `dispatcher.app` puts together, and nothing beside it."""

import importlib
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Protocol, cast, runtime_checkable

from dispatcher.config.settings import Settings
from dispatcher.core.housekeeping import Cleared, Clearing, KeepRules, Removal
from dispatcher.core.model import Stage
from dispatcher.core.rules import SandboxKind
from dispatcher.ports import AgentTrial, Forge, Journal, Repo


class OpenJournal(Journal, Protocol):
    """A journal that holds a file open."""

    def check(self) -> tuple[str, ...]:
        """What is wrong inside the file, () when it is sound."""
        ...

    def backup(self, path: Path) -> None:
        """Copy the committed state to `path`, whole or not at all. Raises JournalUnusable."""
        ...

    def count_tasks(self) -> Mapping[Stage, int]:
        """How many tasks each stage has."""
        ...

    def close(self) -> None:
        """Let go of the file."""
        ...


class OpenHouse(Protocol):
    """What lies on this disk, to be cleared away."""

    def survey(self, rules: KeepRules, now: datetime) -> Clearing:
        """Which run folders may go now."""
        ...

    def clear(self, removal: Removal, rules: KeepRules, now: datetime) -> Cleared | None:
        """Keep what a run alone has, then remove its folder; None when it may not go any more."""
        ...

    def finish_removals(self) -> None:
        """Remove what an interrupted removal left."""
        ...

    def tidy(self, rules: KeepRules, now: datetime) -> int:
        """Forget old decisions, and harvested commits that no task needs; returns how many rows went."""
        ...


class OpenForge(Forge, Protocol):
    """A forge that holds sockets open, and can say more about itself than the engine needs."""

    @property
    def scopes(self) -> tuple[str, ...] | None:
        """A classic token's scopes, None for other kinds; known after `fetch_identity`."""
        ...

    def fetch_time(self) -> datetime:
        """The forge's clock, whole seconds. Raises RetryLater."""
        ...

    def close(self) -> None:
        """Close the sockets."""
        ...


@runtime_checkable
class KnowsLabels(Protocol):
    """A forge that can say which labels a repository lacks without creating them."""

    def missing_labels(self, repo: Repo) -> tuple[str, ...]:
        """The names of ours that are not there."""
        ...


class FoundToken(Protocol):
    """A token, as far as people may know of it."""

    @property
    def source(self) -> str:
        """Where it was found."""
        ...

    @property
    def is_fine_grained(self) -> bool:
        """Whether it is a fine-grained one."""
        ...


class FoundCheck(Protocol):
    """A check, as far as people may want to know of it."""

    @property
    def argv(self) -> tuple[str, ...]:
        """The command line; empty: there is nothing to run."""
        ...

    @property
    def note(self) -> str:
        """What it is, and why it was chosen."""
        ...


class Daemon(Protocol):
    """The loop, as the command line drives it."""

    def run(self) -> None:
        """Rounds until somebody asks to stop."""
        ...

    def once(self) -> None:
        """One round from a standing start."""
        ...

    def start(self) -> None:
        """Pick up where a predecessor stopped, before the first `tick`."""
        ...

    def tick(self) -> None:
        """One more round."""
        ...

    def explain_check(self, full_name: str) -> FoundCheck | None:
        """Which check a commit of this repository gets; None while the repository is not known."""
        ...

    def end_runs(self, patience_s: float) -> bool:
        """End every run and check; whether nothing was left of them in time."""
        ...

    def close(self) -> None:
        """Let go of everything that is open."""
        ...


class Parts(Protocol):
    """How commands get at the real parts; a test hands in its own."""

    def open_journal(self, settings: Settings, *, read_only: bool = False) -> OpenJournal:
        """The journal of these settings' state folder. Raises JournalUnusable."""
        ...

    def open_house(self, settings: Settings, journal: OpenJournal) -> OpenHouse:
        """What lies in these settings' state folder."""
        ...

    def find_credential(self, settings: Settings) -> FoundToken:
        """The token that the settings lead to. Raises BadCredential."""
        ...

    def make_redactor(self, settings: Settings) -> Callable[[str], str]:
        """What takes the secrets that these settings lead to, and whatever looks like one, out of a text."""
        ...

    def connect_forge(self, settings: Settings, journal: Journal) -> OpenForge:
        """The forge, with that token. Raises BadCredential."""
        ...

    def can_isolate(self) -> bool:
        """Whether a process could really be started in namespaces of its own."""
        ...

    def can_sandbox(self, kind: SandboxKind) -> bool:
        """Whether a sandbox of this kind could really be started."""
        ...

    def try_agent(self, settings: Settings, agent: str, *, live: bool) -> AgentTrial:
        """Look for an agent's program and login; with `live` ask it one line. Raises RetryLater, BadConfig."""
        ...

    def find_sandbox_trouble(self) -> tuple[str, str] | None:
        """Really start a sandbox: None when it works, else why not and what would help."""
        ...

    def find_group_trouble(self) -> str:
        """Why runs cannot have control groups of their own here; "" when they can."""
        ...

    def build_engine(
        self,
        settings: Settings,
        *,
        environment: Mapping[str, str] | None = None,
        log_to_stderr: bool = True,
    ) -> Daemon:
        """The loop, with the state folder's lock taken. Raises AlreadyRunning, BadCredential, JournalUnusable."""
        ...


def load_parts() -> Parts:
    """The program's own parts; imported only when a command needs them."""
    return cast("Parts", importlib.import_module("dispatcher.app"))
