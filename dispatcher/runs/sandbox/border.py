"""The sandbox for git on an agent's objects, and for checks."""

import os
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from dispatcher.core.rules import NetworkAccess, RepoRules, SandboxRules
from dispatcher.runs.sandbox.boxing import Boxing
from dispatcher.runs.sandbox.bwrap import Machine, Program, compose_reader
from dispatcher.runs.sandbox.caches import make_caches
from dispatcher.runs.sandbox.choice import Box, choose_box
from dispatcher.runs.sandbox.container import Engine
from dispatcher.runs.sandbox.dressing import readable_for, with_caches
from dispatcher.runs.sandbox.person import home_of_person
from dispatcher.runs.sandbox.view import Bounds, View, private_paths

_CHECK_VARIABLES: Final = ("GIT_CONFIG_NOSYSTEM", "GIT_TERMINAL_PROMPT", "HOME", "LANG", "TMPDIR")
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
    """Encloses commands. `private` are files and folders that stay out of sight, `caches` holds those of repositories, `choose` finds
    the sandbox that works here.
    """

    private: tuple[Path, ...] = ()
    caches: Path = Path("/nonexistent")
    choose: Callable[[SandboxRules], Box | None] = choose_box
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)

    def wrap(self, argv: Sequence[str], reach: Shown) -> Sequence[str]:
        """A program of ours on an agent's files: reads what it must, writes nothing, has no network."""
        box = self.choose(SandboxRules())
        return compose_reader(box, View(readable=reach.readable), argv) if isinstance(box, Machine) else argv

    def enclose(self, argv: Sequence[str], reach: Shown, rules: RepoRules) -> Sequence[str]:
        """A check, in the repository's sandbox with the check's network. Raises BadConfig when the one asked for does not work here."""
        box = self.choose(rules.sandbox.for_check())
        if box is None:
            return argv
        if Path(argv[0]).name in _ENGINES:
            # Its client runs nothing of the checkout; in a container there would be no client at all.
            return (
                compose_reader(box, self._view_of_engine(reach), argv) if isinstance(box, Machine) else argv
            )
        limits = rules.limits
        bounds = Bounds(limits.memory_bytes, limits.processes, limits.file_bytes, limits.check_s)
        caches = make_caches(rules.sandbox.caches, self.caches, rules.full_name, self.environment)
        view = with_caches(self._view(tuple(argv), reach, rules, box), caches)
        boxing = Boxing(box, f"check-{secrets.token_hex(8)}", _CHECK_VARIABLES, caches.owner)
        return boxing.compose(view, Program(tuple(argv), bounds))

    def _view(self, argv: tuple[str, ...], reach: Shown, rules: RepoRules, box: Box) -> View:
        if isinstance(box, Engine):
            return self._view_in_container(reach, rules)
        home = home_of_person(self.environment)
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

    def _view_in_container(self, reach: Shown, rules: RepoRules) -> View:
        asked = (Path(name).expanduser() for name in rules.sandbox.readable)
        return View(
            readable=(*reach.readable, *filter(Path.exists, asked)),
            writable=reach.writable,
            owned=reach.writable,
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
