"""The sandbox for git on an agent's objects, and for checks."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from dispatcher.core.rules import NetworkAccess, RepoRules, SandboxKind
from dispatcher.runs.sandbox.bwrap import Machine, Program, compose_bwrap, compose_reader
from dispatcher.runs.sandbox.choice import choose_machine
from dispatcher.runs.sandbox.dressing import readable_for
from dispatcher.runs.sandbox.trial import user_for
from dispatcher.runs.sandbox.view import Bounds, View, private_paths

_ENGINES: Final = frozenset({"docker", "podman"})
_ENGINE_SOCKETS: Final = ("/run/docker.sock", "/var/run/docker.sock", "/run/podman/podman.sock")


class Shown(Protocol):
    """What a command needs to see of this machine beside its programs."""

    @property
    def readable(self) -> tuple[Path, ...]:
        """Read-only."""
        ...

    @property
    def writable(self) -> tuple[Path, ...]:
        """Folders that it may write."""
        ...


@dataclass(frozen=True, slots=True)
class Border:
    """Encloses commands. `private` are files and folders that stay out of sight, `choose` finds the sandbox that works here."""

    private: tuple[Path, ...] = ()
    choose: Callable[[SandboxKind], Machine | None] = choose_machine
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)

    def wrap(self, argv: Sequence[str], reach: Shown) -> Sequence[str]:
        """A program of ours on an agent's files: reads what it must, writes nothing, has no network."""
        machine = self.choose(SandboxKind.AUTO)
        if machine is None:
            return argv
        return compose_reader(machine, View(readable=reach.readable), argv)

    def enclose(self, argv: Sequence[str], reach: Shown, rules: RepoRules) -> Sequence[str]:
        """A check, in the repository's sandbox with the check's network. Raises BadConfig when the one asked for does not work here."""
        box = rules.sandbox.for_check()
        machine = self.choose(box.kind)
        if machine is None:
            return argv
        if Path(argv[0]).name in _ENGINES:
            return compose_reader(machine, self._view_of_engine(reach), argv)
        limits = rules.limits
        bounds = Bounds(limits.memory_bytes, limits.processes, limits.file_bytes)
        view = self._view(tuple(argv), reach, rules)
        return compose_bwrap(user_for(machine, str(reach.writable[0])), view, Program(tuple(argv), bounds))

    def _view(self, argv: tuple[str, ...], reach: Shown, rules: RepoRules) -> View:
        home = Path(self.environment.get("HOME") or "/root")
        search = self.environment.get("PATH", "")
        found = readable_for(argv, search, rules.sandbox.readable, (*self.private, home))
        return View(
            readable=(*reach.readable, *found),
            writable=reach.writable,
            hidden=(*self.private, *private_paths(home)),
            owned=reach.writable,
            temporary=reach.writable[1] / "tmp",
            folder=reach.writable[0],
            network=rules.sandbox.check_network,
        )

    def _view_of_engine(self, reach: Shown) -> View:
        """A container engine builds in containers of its own: its client gets the engine's socket and runs nothing of the checkout."""
        sockets = tuple(path.resolve() for path in map(Path, _ENGINE_SOCKETS) if path.is_socket())
        named = self.environment.get("DOCKER_HOST", "")
        if named.startswith("unix://"):
            sockets = (Path(named.removeprefix("unix://")).resolve(),)
        far = NetworkAccess.ON if named.startswith(("tcp:", "http")) else NetworkAccess.OFF
        return View(
            readable=(*reach.readable, *dict.fromkeys(sockets)),
            writable=reach.writable,
            folder=reach.writable[0],
            network=far,
        )
