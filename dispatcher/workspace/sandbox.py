"""Where a sandbox can wrap the commands that touch what an agent wrote."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from dispatcher.core.rules import RepoRules


@dataclass(frozen=True, slots=True)
class Reach:
    """What a confined command needs to see of this machine beside its programs."""

    readable: tuple[Path, ...] = ()
    writable: tuple[Path, ...] = ()


class Confinement(Protocol):
    """Turns a command line into one that runs in a sandbox. The last words of the result are `argv` itself."""

    def wrap(self, argv: Sequence[str], reach: Reach) -> Sequence[str]:
        """A program of ours that reads what an agent wrote; git appends one more argument to it."""
        ...

    def enclose(self, argv: Sequence[str], reach: Reach, rules: RepoRules) -> Sequence[str]:
        """A repository's check, which runs what an agent wrote; `reach.writable` begins with its folder and its HOME."""
        ...


class Unconfined:
    """No sandbox: the command runs as it is, with a scrubbed environment."""

    def wrap(self, argv: Sequence[str], reach: Reach) -> Sequence[str]:  # noqa: ARG002  # the protocol's shape
        """The command line, unchanged."""
        return argv

    def enclose(self, argv: Sequence[str], reach: Reach, rules: RepoRules) -> Sequence[str]:  # noqa: ARG002  # the protocol's shape
        """The command line, unchanged."""
        return argv
