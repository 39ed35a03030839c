"""Finding the check of a repository that configures none."""

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dispatcher.workspace.git import Git, GitFailed
from dispatcher.workspace.process import Call

_MAKEFILES: Final = ("GNUmakefile", "makefile", "Makefile")
_TARGETS: Final = ("check", "test")
_PYTHON_TESTS: Final = re.compile(
    r"(?:tests?/)?(?:test_[^/]*|[^/]*_test)\.py|tests?/(?:.*/)?(?:test_[^/]*|[^/]*_test)\.py"
)
_NPM_DEFAULT: Final = "no test specified"
_LONGEST_FILE: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Check:
    """A command line that judges a commit; empty `argv` means that there is nothing to run, and `note` says why."""

    argv: tuple[str, ...]
    note: str


@dataclass(frozen=True, slots=True)
class Machine:
    """What this machine can run. `has` looks a program up, `docker_works` asks its daemon."""

    has: Callable[[str], str | None] = shutil.which
    docker_works: Callable[[], bool] = lambda: False


NOTHING: Final = Check((), "no check was configured and none was found, so the commit counts as checked")


def detect_check(git: Git, place: Path, commit: str, machine: Machine) -> Check:
    """The check that the files of a commit suggest: make, then pytest, then npm, then docker; else `NOTHING`."""
    names = frozenset(git.text(place, "ls-tree", "-r", "-z", "--name-only", commit).split("\0"))

    def read(name: str) -> str:
        return _read(git, place, commit, name) if name in names else ""

    for choose in (_make, _pytest, _npm, _docker):
        if found := choose(names, read, machine):
            return found
    return NOTHING


_Reader = Callable[[str], str]


def _make(names: frozenset[str], read: _Reader, machine: Machine) -> Check | None:
    makefile = next((name for name in _MAKEFILES if name in names), "")
    for target in _TARGETS:
        if (
            makefile
            and machine.has("make")
            and re.search(rf"^{target}\s*::?(?!=)", read(makefile), re.MULTILINE)
        ):
            return Check(("make", target), f"`make {target}`, found in {makefile}")
    return None


def _pytest(names: frozenset[str], read: _Reader, machine: Machine) -> Check | None:
    configured = (
        "pytest.ini" in names
        or "[tool.pytest" in read("pyproject.toml")
        or "[tool:pytest]" in read("setup.cfg")
        or "[pytest]" in read("tox.ini")
    )
    if not configured and not any(_PYTHON_TESTS.fullmatch(name) for name in names):
        return None
    python = next((name for name in ("python", "python3") if machine.has(name)), "")
    return (
        Check((python, "-m", "pytest"), f"`{python} -m pytest`, because there are Python tests")
        if python
        else None
    )


def _npm(_: frozenset[str], read: _Reader, machine: Machine) -> Check | None:
    try:
        package = json.loads(read("package.json") or "{}")
        script = package.get("scripts", {}).get("test", "")
    except (ValueError, AttributeError, RecursionError):
        return None
    if not isinstance(script, str) or not script or _NPM_DEFAULT in script or not machine.has("npm"):
        return None
    return Check(("npm", "test"), "`npm test`, found in package.json")


def _docker(names: frozenset[str], _: _Reader, machine: Machine) -> Check | None:
    if "Dockerfile" not in names or not machine.has("docker") or not machine.docker_works():
        return None
    return Check(("docker", "build", "."), "`docker build .`, because there is a Dockerfile")


def _read(git: Git, place: Path, commit: str, name: str) -> str:
    """The text of a file, "" when it is a folder, a link to nowhere, or too large to be what we look for."""
    try:
        size = git.text(place, "cat-file", "-s", f"{commit}:{name}")
        if int(size) > _LONGEST_FILE:
            return ""
        return git.output(place, "cat-file", "blob", f"{commit}:{name}", call=Call()).decode(errors="replace")
    except GitFailed:
        return ""
