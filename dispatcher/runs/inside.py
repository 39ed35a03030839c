"""Process 1 of a sandbox: `inside.py SPEC PROGRAM [ARGUMENT...]`. Standard library only.

SPEC is a JSON object without secrets: `user` (number to become, 0 = stay), `own` (paths to hand to that user), `relays` (lists of a port
and the path of a unix socket), `limits` (names of `resource` and their values), `words` (a descriptor for what went wrong, -1 = none).
It hands INT and TERM on to everything, collects orphans, and ends with the program: then the kernel ends the rest.
"""

# ruff: noqa: PTH100, PTH112, PTH114, PTH120
import ctypes
import importlib
import json
import os
import resource
import signal
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

READY = b"ready\n"
"""What the supervisor reads once everything stands and the program is about to start."""

_CAPABILITY_VERSION_3 = 0x20080522
_CAP_KILL = 5


def main(argv: list[str]) -> int:
    """Start the program as the SPEC says, stay until it ends; returns its exit code."""
    spec, program = json.loads(argv[1]), argv[2:]
    words = int(spec["words"])
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, _hand_on)
    child = os.fork()
    if child == 0:
        _run(program, spec, words)
    if spec["user"]:
        keep_only_kill()
    _let_go_of_output(words)
    return _wait_for(child)


def hand_over(paths: list[str], user: int) -> None:
    """Give files and folders, with everything in them, to the user; links are never followed."""
    for path in paths:
        os.chown(path, user, user, follow_symlinks=False)
        if os.path.isdir(path) and not os.path.islink(path):
            with os.scandir(path) as entries:
                hand_over([entry.path for entry in entries], user)


def become(user: int) -> None:
    """Turn into the user for good; what capabilities there were are gone with it."""
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)


def keep_only_kill() -> None:
    """Give up every right but that to signal what became another user; the parent's death still ends us, as we stay who it is."""
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    kept = 1 << _CAP_KILL
    if libc.capset(header, (ctypes.c_uint32 * 6)(kept, kept, 0, 0, 0, 0)) != 0:
        raise OSError(ctypes.get_errno(), "capset")


def _run(program: list[str], spec: "dict[str, Any]", words: int) -> None:
    trying = "sandbox"
    try:
        if spec["user"]:
            hand_over(spec["own"], spec["user"])
            become(spec["user"])
        _start_relays(spec["relays"])
        os.setsid()
        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGPIPE):
            signal.signal(signum, signal.SIG_DFL)
        for name, value in spec["limits"].items():
            resource.setrlimit(getattr(resource, name), (value, value))
        if words >= 0:
            os.set_inheritable(words, False)  # noqa: FBT003 - the function's shape
            os.write(words, READY)
        trying = program[0]
        os.execvp(program[0], program)  # noqa: S606
    except Exception as error:  # noqa: BLE001 - whatever it was, somebody must hear of it
        why = f"{trying}: {getattr(error, 'strerror', None) or error}"
        os.write(words if words >= 0 else 2, why.encode())
    os._exit(127)


def _start_relays(relays: list[tuple[int, str]]) -> None:
    if relays:
        # At the end of the path, so that nothing beside the package can stand in for the standard library.
        sys.path.append(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
        importlib.import_module("dispatcher.runs.relay").start_relays(
            [(int(port), str(path)) for port, path in relays]
        )


def _hand_on(signum: int, _frame: object) -> None:
    try:
        os.kill(-1, signum)
    except OSError:
        return


def _let_go_of_output(words: int) -> None:
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    if words >= 0:
        os.close(words)


def _wait_for(child: int) -> int:
    while True:
        pid, status = os.waitpid(-1, 0)
        if pid == child:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(sys.argv))
