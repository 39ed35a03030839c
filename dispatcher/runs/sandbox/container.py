"""The same sandbox made by docker or podman: the command line, and whether an engine answers."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from dispatcher.core.rules import NetworkAccess
from dispatcher.runs.sandbox.bwrap import Program, limits_of
from dispatcher.runs.sandbox.trial import INSIDE, init_files
from dispatcher.runs.sandbox.view import View

_ASK_S: Final = 10.0
_LATE_S: Final = 120
_TMP_BYTES: Final = 512_000_000


@dataclass(frozen=True, slots=True)
class Engine:
    """A container engine, the image to run, and the user to be inside. `keeps_id`: podman without root maps that user."""

    program: str
    image: str
    user: int
    keeps_id: bool = False


@cache
def find_engine() -> str:
    """The first engine that answers, by name; "" when none does. Takes up to 20 s where they hang, once per process."""
    return next((name for name in ("docker", "podman") if _answers(name)), "")


def compose_container(
    engine: Engine, name: str, view: View, program: Program, variables: Iterable[str]
) -> tuple[str, ...]:
    """The command line that starts the program in a container of this name. Its last words are the program's own.

    The image holds the program, python3 and git. Of `variables` only the names are in the command line: the engine's client takes the
    values from its own environment.
    """
    spec = {
        "user": 0,
        "own": [],
        "relays": [[relay.port, str(relay.socket)] for relay in program.relays],
        "limits": _limits(program),
        "words": -1,
        "wall_s": program.bounds.wall_s and program.bounds.wall_s + _LATE_S,
    }
    init = ("python3", "-I", "-S", "-E", str(INSIDE), json.dumps(spec))
    return (
        *_opened(engine, name, view, program),
        *_mounts(view),
        *_names(variables),
        engine.image,
        *init,
        *program.argv,
    )


def compose_removal(engine: Engine, name: str) -> tuple[str, ...]:
    """The command line that ends a container with everything in it."""
    return (engine.program, "rm", "--force", name)


def _opened(engine: Engine, name: str, view: View, program: Program) -> Iterator[str]:
    yield from (
        engine.program,
        "run",
        "--rm",
        "--interactive",
        "--name",
        name,
        "--hostname",
        "sandbox",
        "--pull",
        "never",
    )
    yield from ("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--entrypoint", "")
    yield from (
        "--user",
        f"{engine.user}:{engine.user}",
        *(("--userns", "keep-id") if engine.keeps_id else ()),
    )
    yield from ("--network", "bridge" if view.network is NetworkAccess.ON else "none")
    yield from ("--tmpfs", f"/tmp:rw,nosuid,nodev,size={_TMP_BYTES}", "--workdir", str(view.folder))  # noqa: S108 - inside
    bounds = program.bounds
    if bounds.memory_bytes:
        yield from ("--memory", f"{bounds.memory_bytes}b")
    if bounds.processes:
        yield from ("--pids-limit", str(bounds.processes))


def _limits(program: Program) -> dict[str, int]:
    """What the engine does not bound itself."""
    return {
        name: value
        for name, value in limits_of(program.bounds).items()
        if name in {"RLIMIT_CORE", "RLIMIT_FSIZE"}
    }


def _mounts(view: View) -> Iterator[str]:
    for path in dict.fromkeys((*view.readable, *init_files())):
        yield from ("--volume", f"{path}:{path}:ro")
    for path in view.writable:
        yield from ("--volume", f"{path}:{path}:rw")
    for name, value in view.variables:
        yield from ("--env", f"{name}={value}")


def _names(variables: Iterable[str]) -> Iterator[str]:
    for name in sorted(variables):
        yield from ("--env", name)


def _answers(name: str) -> bool:
    if not shutil.which(name):
        return False
    try:
        asked = subprocess.run(
            (name, "info"),
            env=dict(os.environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_ASK_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return asked.returncode == 0


def hand_to(paths: Iterable[Path], user: int) -> None:
    """Give folders that no agent has touched yet to the user inside; links are never followed."""
    for path in paths:
        os.chown(path, user, user, follow_symlinks=False)
        if path.is_dir() and not path.is_symlink():
            hand_to(path.iterdir(), user)
