"""Process 1 of a sandbox: `inside.py SPEC PROGRAM [ARGUMENT...]`. Standard library only.

SPEC is a JSON object without secrets: `user` (number to become, 0 = stay), `own` (paths to hand to that user), `relays` (lists of a port
and the path of a unix socket), `limits` (names of `resource` and their values), `words` (a descriptor for what went wrong, -1 = none),
`wall_s` (after so many seconds it ends by itself).
It hands INT and TERM on to everything, collects orphans, and ends with the program: then the kernel ends the rest.
"""

# ruff: noqa: PTH100, PTH112, PTH114, PTH120
import ctypes
import errno
import importlib
import json
import os
import resource
import signal
import struct
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

READY = b"ready\n"
"""What the supervisor reads once everything stands and the program is about to start."""

_CAPABILITY_VERSION_3 = 0x20080522
_CAP_KILL = 5
_PR_SET_DUMPABLE = 4
_PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS, _FILTER_MODE = 22, 38, 2
_CLONE_NEWUSER, _CLONE3, _X32 = 0x10000000, 435, 0x40000000
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000

# The words of the kernel's packet filter: format, code, and what is always the same. The numbers are where seccomp_data has its parts.
_LOAD = ("HBBI", 0x20, 0, 0)
_IF_EQUAL, _IF_AT_LEAST, _IF_ANY_BIT = ("HBBI", 0x15), ("HBBI", 0x35), ("HBBI", 0x45)
_RETURN = ("HBBI", 0x06, 0, 0)
_NUMBER_AT, _ARCH_AT, _FLAGS_AT = 0, 4, 16

_CALLS = {
    "x86_64": ((0xC000003E, 56, 272), (0x40000003, 120, 310)),
    "aarch64": ((0xC00000B7, 220, 97), (0x40000028, 120, 337)),
}
"""By machine, for its own programs and its 32-bit ones: audit number, and the numbers of clone and unshare (Linux's syscall tables)."""


def main(argv: list[str]) -> int:
    """Start the program as the SPEC says, stay until it ends; returns its exit code."""
    spec, program = json.loads(argv[1]), argv[2:]
    words = int(spec["words"])
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, _hand_on)
    if spec.get("wall_s"):
        # Nobody of ours may be left to end a container: it does so by itself.
        signal.signal(signal.SIGALRM, lambda *_: os._exit(124))
        signal.alarm(int(spec["wall_s"]))
    close_the_curtains()
    child = os.fork()
    if child == 0:
        _run(program, spec, words)
    if spec["user"]:
        keep_only_kill()
    _let_go_of_output(words)
    return _wait_for(child)


def close_the_curtains() -> None:
    """No program inside may attach to us, and stop us by that, though it be the same user; one that is started anew is open again."""
    ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def hand_over(paths: list[str], user: int) -> None:
    """Give files and folders, with everything in them, to the user; links are never followed."""
    waiting = list(paths)  # an agent may have made a tree deeper than Python can follow
    while waiting:
        path = waiting.pop()
        try:
            os.chown(path, user, user, follow_symlinks=False)
            if os.path.isdir(path) and not os.path.islink(path):
                with os.scandir(path) as entries:
                    waiting += [entry.path for entry in entries]
        except OSError as error:
            if error.errno != errno.ENAMETOOLONG:
                raise


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


def forbid_user_namespaces() -> None:
    """A program without rights would have all of them in a user namespace of its own, and with them most of the kernel's mistakes.

    A sandbox with a user namespace forbids that by itself (`--disable-userns`); one that was started by root needs this filter.
    """
    arches = _CALLS.get(os.uname().machine, ())
    words = b"".join(_filter_of(*arch) for arch in arches) + struct.pack(*_RETURN, _ALLOW)
    held = ctypes.create_string_buffer(words, len(words))
    program = struct.pack("HxxxxxxP", len(words) // 8, ctypes.addressof(held))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if arches and libc.prctl(_PR_SET_SECCOMP, _FILTER_MODE, ctypes.create_string_buffer(program), 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "the filter that forbids user namespaces was refused")


def _filter_of(arch: int, clone: int, unshare: int) -> bytes:
    """The filter for the calls of one architecture; what it does not know goes on behind it."""
    steps = (
        (*_LOAD, _ARCH_AT),
        (*_IF_EQUAL, 0, 10, arch),  # else to the end
        (*_LOAD, _NUMBER_AT),
        (*_IF_AT_LEAST, 7, 0, _X32),
        (*_IF_EQUAL, 6, 0, _CLONE3),
        (*_IF_EQUAL, 1, 0, unshare),
        (*_IF_EQUAL, 0, 2, clone),
        (*_LOAD, _FLAGS_AT),
        (*_IF_ANY_BIT, 1, 0, _CLONE_NEWUSER),
        (*_RETURN, _ALLOW),
        (*_RETURN, _REFUSE | errno.EPERM),
        (*_RETURN, _REFUSE | errno.ENOSYS),  # a C library then takes clone, whose flags can be read
    )
    return b"".join(struct.pack(*step) for step in steps)


def _run(program: list[str], spec: "dict[str, Any]", words: int) -> None:
    trying = "sandbox"
    try:
        if spec["user"]:
            hand_over(spec["own"], spec["user"])
            become(spec["user"])
            forbid_user_namespaces()
        _start_relays(spec["relays"])
        os.setsid()
        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGPIPE, signal.SIGXFSZ):
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
