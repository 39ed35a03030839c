"""The parts that commands work with: what `dispatcher.app` puts together, and nothing beside it."""

import importlib
from typing import Protocol, cast

from dispatcher.config.settings import Settings
from dispatcher.ports import Forge, Journal


class OpenJournal(Journal, Protocol):
    """A journal that holds a file open."""

    def close(self) -> None:
        """Let go of the file."""
        ...


class EngineRun(Protocol):
    """The loop, as the command line drives it."""

    def tick(self) -> None:
        """One round."""
        ...

    def run(self) -> None:
        """Rounds until somebody asks to stop."""
        ...

    def close(self) -> None:
        """Let go of everything that is open."""
        ...


class Parts(Protocol):
    """How commands get at the real parts; a test hands in its own."""

    def open_journal(self, settings: Settings, *, read_only: bool = False) -> OpenJournal:
        """The journal of these settings' state folder."""
        ...

    def connect_forge(self, settings: Settings, journal: Journal) -> Forge:
        """The forge, with the token that the settings lead to."""
        ...

    def can_isolate(self) -> bool:
        """Whether a process could really be started in namespaces of its own."""
        ...

    def build_engine(self, settings: Settings) -> EngineRun:
        """The loop, with the state folder's lock taken. Raises AlreadyRunning."""
        ...


def load_parts() -> Parts:
    """The program's own parts; imported only when a command needs them."""
    return cast("Parts", importlib.import_module("dispatcher.app"))
