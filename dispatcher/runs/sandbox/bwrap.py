"""The command line of bubblewrap. Pure, apart from a look at how this system lays out its folders."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from dispatcher.core.rules import NetworkAccess
from dispatcher.runs.sandbox.view import ETC, SYSTEM, Bounds, Relay, View

WORDS_FD: Final = 3
"""The descriptor on which a supervised sandbox tells that it stands, or why not."""

_LINKS: Final = ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
_BARE: Final = ("/etc", "/run", "/var", "/nix", "/gnu")
_DANGEROUS: Final = ("/proc/sys", "/proc/sysrq-trigger", "/proc/irq", "/proc/bus", "/proc/acpi", "/proc/scsi")
_TMP_BYTES: Final = 512_000_000
_OWN_NAMESPACES: Final = (
    "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try", "--hostname", "sandbox",
    "--new-session", "--die-with-parent", "--cap-drop", "ALL",
)  # fmt: skip
_NO_MORE_USERS: Final = ("--unshare-user", "--disable-userns")
_TO_BECOME_SOMEBODY: Final = ("CAP_SETUID", "CAP_SETGID", "CAP_CHOWN", "CAP_DAC_READ_SEARCH", "CAP_KILL")


@dataclass(frozen=True, slots=True)
class Machine:
    """How bubblewrap is started here.

    `user` is a number that nobody else has, which a sandbox started by root becomes; 0 means that it stays who it is, in a user
    namespace. `python` and `init` start process 1.
    """

    bwrap: Path
    python: Path
    init: Path
    user: int = 0
    is_root: bool = False


@dataclass(frozen=True, slots=True)
class Program:
    """What runs inside: the command, its bounds, the relays beside it. `is_supervised`: somebody reads WORDS_FD."""

    argv: tuple[str, ...]
    bounds: Bounds = field(default_factory=Bounds)
    relays: tuple[Relay, ...] = ()
    is_supervised: bool = False


def compose_bwrap(machine: Machine, view: View, program: Program) -> tuple[str, ...]:
    """The command line that starts the program under an init of ours. Its last words are the program's own."""
    spec = {
        "user": machine.user,
        "own": [str(path) for path in view.owned] if machine.user else [],
        "relays": [[relay.port, str(relay.socket)] for relay in program.relays],
        "limits": limits_of(program.bounds),
        "words": WORDS_FD if program.is_supervised else -1,
    }
    init = (str(machine.python), "-I", "-S", "-E", str(machine.init), json.dumps(spec))
    return (*_opened(machine, view), "--as-pid-1", "--", *init, *program.argv)


def compose_reader(machine: Machine, view: View, argv: Sequence[str]) -> tuple[str, ...]:
    """The command line that starts a program of ours on files that an agent wrote: without /proc, without an init."""
    caps = ("--cap-add", "CAP_DAC_READ_SEARCH") if machine.is_root else _NO_MORE_USERS
    network = () if view.network is NetworkAccess.ON else ("--unshare-net",)
    words = (str(machine.bwrap), *_OWN_NAMESPACES, *network, *caps, *_system(), "--dev", "/dev")
    return (
        *words,
        *_temporary(view),
        *_mounts(view),
        "--remount-ro",
        "/",
        "--chdir",
        str(view.folder),
        "--",
        *argv,
    )


def limits_of(bounds: Bounds) -> dict[str, int]:
    """The bounds as resource limits, by their names in `resource`."""
    wanted = {
        "RLIMIT_DATA": bounds.memory_bytes,
        "RLIMIT_NPROC": bounds.processes,
        "RLIMIT_FSIZE": bounds.file_bytes,
    }
    return {"RLIMIT_CORE": 0} | {name: value for name, value in wanted.items() if value}


def _opened(machine: Machine, view: View) -> Iterator[str]:
    yield from (str(machine.bwrap), *_OWN_NAMESPACES)
    if machine.user:
        for name in _TO_BECOME_SOMEBODY:
            yield from ("--cap-add", name)
    else:
        yield from _NO_MORE_USERS
    if view.network is not NetworkAccess.ON:
        yield "--unshare-net"
    yield from _system()
    yield from ("--proc", "/proc", "--dev", "/dev")
    for path in _DANGEROUS:
        if Path(path).exists():
            yield from ("--ro-bind", path, path)
    yield from ("--perms", "1777", "--size", str(_TMP_BYTES), "--tmpfs", "/dev/shm", "--remount-ro", "/dev")  # noqa: S108 - a mount inside
    yield from _temporary(view)
    yield from _mounts(view)
    for name, value in view.variables:
        yield from ("--setenv", name, value)
    yield from ("--remount-ro", "/", "--chdir", str(view.folder))


def _system() -> Iterator[str]:
    yield from ("--ro-bind", "/usr", "/usr")
    for path in map(Path, _LINKS):
        if path.is_symlink():
            yield from ("--symlink", str(path.readlink()), str(path))
        elif path.is_dir():
            yield from ("--ro-bind", str(path), str(path))
    for name in _BARE:
        yield from ("--perms", "0755", "--dir", name)
    yield from ("--symlink", "../run", "/var/run", "--symlink", "../tmp", "/var/tmp")  # noqa: S108 - inside
    for name in SYSTEM:
        yield from ("--ro-bind-try", name, name)
    for name in ETC:
        yield from ("--ro-bind-try", f"/etc/{name}", f"/etc/{name}")


def _temporary(view: View) -> tuple[str, ...]:
    """A mount below a folder that an agent writes could be led astray by a link of its making: then /tmp is memory."""
    tmp = Path("/tmp")  # noqa: S108 - a mount inside
    if view.temporary and not any(
        tmp in path.parents for path in (*view.readable, *view.writable, *view.hidden, view.temporary)
    ):
        return ("--bind", str(view.temporary), str(tmp))
    return ("--perms", "1777", "--size", str(_TMP_BYTES), "--tmpfs", str(tmp))


def _mounts(view: View) -> Iterator[str]:
    """Parents before children, so that what lies deeper shows."""
    shown = [
        *((path, "--ro-bind") for path in view.readable),
        *((path, "--bind") for path in view.writable),
        *((path, "--tmpfs") for path in covered(view)),
    ]
    mounted: dict[Path, str] = dict.fromkeys(map(Path, (*SYSTEM, "/usr")), "--ro-bind")
    made = set(map(Path, ("/", "/tmp", "/dev", "/proc", *_BARE)))  # noqa: S108 - mounts inside
    for path, word in sorted(shown, key=lambda one: (len(one[0].parts), one)):
        yield from _way_to(path, mounted, made)
        mounted[path] = word
        yield from _mount(path, word)


def _way_to(path: Path, mounted: Mapping[Path, str], made: set[Path]) -> Iterator[str]:
    """Make the folders above a mount that do not come with another one: bubblewrap's own are for root's eyes only.

    Not for writing: below a /tmp of the sandbox's own an ordinary user would own them.
    """
    for folder in reversed(path.parents):
        above = max(
            (one for one in mounted if is_within(folder, one)), key=lambda one: len(one.parts), default=None
        )
        if folder not in made and folder not in mounted and (above is None or mounted[above] == "--tmpfs"):
            made.add(folder)
            yield from ("--perms", "0555", "--dir", str(folder))


def _mount(path: Path, word: str) -> tuple[str, ...]:
    if word != "--tmpfs":
        return (word, str(path), str(path))
    if path.is_dir():
        return ("--perms", "0755", "--tmpfs", str(path))
    return ("--ro-bind", "/dev/null", str(path))


def covered(view: View) -> Iterator[Path]:
    """What must be hidden because something that is shown holds it."""
    for path in dict.fromkeys(view.hidden):
        if path.exists() and any(
            is_within(path, shown) for shown in (*view.readable, *map(Path, (*SYSTEM, "/usr", "/etc")))
        ):
            yield path


def is_within(path: Path, folder: Path) -> bool:
    """Whether the path is the folder or lies in it."""
    return path == folder or folder in path.parents


def without_nested(paths: Iterable[Path]) -> tuple[Path, ...]:
    """The paths without those that lie in another one of them; sorted."""
    kept: list[Path] = []
    for path in sorted(set(paths), key=lambda one: (len(one.parts), one)):
        if not any(is_within(path, folder) for folder in kept):
            kept.append(path)
    return tuple(kept)
