"""Whether runs can have control groups of their own here (cgroup v2), and where."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

CONTROLLERS: Final = frozenset({"memory", "pids"})
_DELEGATED: Final = ("trusted.delegate", "user.delegate")
"""What systemd marks a group with that it gave away; the second one since version 251, for those who are not root."""


def _is_given(group: Path) -> bool:
    """We may make groups in it; where systemd rules, it must also have said so."""
    if not all(os.access(group / name, os.W_OK) for name in ("", "cgroup.procs", "cgroup.subtree_control")):
        return False
    return not Path("/run/systemd/system").is_dir() or any(map(_carries(group), _DELEGATED))


def _carries(group: Path) -> Callable[[str], bool]:
    def carries(name: str) -> bool:
        try:
            return os.getxattr(group, name) == b"1"
        except OSError:
            return False

    return carries


@dataclass(frozen=True, slots=True)
class Grouping:
    """Where groups of runs go; `place` is None where they cannot, and `why` says why. It never is a fault: other bounds hold then."""

    place: Path | None
    why: str = ""

    def group_of(self, run_id: str) -> str:
        """The path of a run's group; "" without a place."""
        return str(self.place / f"run-{run_id}") if self.place else ""


@dataclass(frozen=True, slots=True)
class Kernel:
    """Where this process sees its groups. `is_given` tells whether a group is ours to divide."""

    own: Path = Path("/proc/self/cgroup")
    mounts: Path = Path("/proc/self/mountinfo")
    is_given: Callable[[Path], bool] = _is_given


def find_grouping(kernel: Kernel | None = None) -> Grouping:
    """Look, and let runs have their part of memory and processes. Changes nothing but `cgroup.subtree_control` of a group that is ours.

    A group that is divided holds no processes itself (the kernel's rule), so ours must be a child of the one that was given to us:
    runs become its siblings.
    """
    seen = kernel or Kernel()
    own = _load_own_group(seen)
    if own is None:
        return Grouping(None, "this process is in no group of version 2, or in the topmost one")
    above = own.parent
    if not seen.is_given(above):
        return Grouping(None, f"the group above ours was not given to this user: {above}")
    if _load_words(above / "cgroup.procs"):
        return Grouping(None, f"other processes are in the group above ours: {above}")
    missing = CONTROLLERS - _load_words(above / "cgroup.controllers")
    if missing:
        return Grouping(None, f"{above} has no control of {' and '.join(sorted(missing))}")
    return _divide(above)


def _divide(above: Path) -> Grouping:
    control = above / "cgroup.subtree_control"
    try:
        wanted = CONTROLLERS - _load_words(control)
        if wanted:
            control.write_text(" ".join(f"+{name}" for name in sorted(wanted)), encoding="ascii")
    except OSError as error:
        return Grouping(None, f"{control}: {error.strerror}")
    return Grouping(above)


def _load_own_group(seen: Kernel) -> Path | None:
    """`0::/path` names our group as seen from the root of the mount, or of the namespace."""
    try:
        lines = seen.own.read_text(encoding="utf-8").splitlines()
        mounts = seen.mounts.read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    named = next((line.removeprefix("0::") for line in lines if line.startswith("0::/")), "")
    if not named:
        return None
    for fields in map(str.split, mounts):
        if "cgroup2" in fields[fields.index("-") :]:
            inside, top = Path(named), Path(fields[3])
            if top in (inside, *inside.parents) and inside != top:
                return Path(fields[4]) / inside.relative_to(top)
    return None


def _load_words(path: Path) -> frozenset[str]:
    try:
        return frozenset(path.read_text(encoding="ascii").split())
    except OSError:
        return frozenset()
