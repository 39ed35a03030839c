"""Runs one command and leaves nothing of it alive: `watcher.py SECONDS REPORT_FD PROGRAM [ARGUMENT...]`.

A program of its own, standard library only, started with `python -I -S`. It adopts whatever the command leaves behind (child
subreaper, Linux), ends everything when the command ends, when the time is over, or when its standard input closes: that
is how it learns that the dispatcher died. One line on REPORT_FD says how it ended: `exit N`, `signal N`, `timeout`,
`stopped`, or `absent REASON`.
"""

import contextlib
import ctypes
import os
import pathlib
import select
import signal
import subprocess
import sys
import time

_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER in linux/prctl.h
_GRACE_S = 2.0
_BEAT_S = 0.02
TIMEOUT = "timeout"
STOPPED = "stopped"


def main(argv: list[str]) -> int:
    """Run the command that the arguments describe; the report says what became of it."""
    limit_s, report = float(argv[1]), int(argv[2])
    adopt_orphans()
    try:
        # The command keeps no descriptor of ours but its output.
        child = subprocess.Popen(argv[3:], stdin=subprocess.DEVNULL, start_new_session=True)
    except OSError as error:
        return tell(report, f"absent {error.strerror}: {argv[3]}")
    verdict = wait(child, time.monotonic() + limit_s, [sys.stdin.fileno()])
    if verdict in {TIMEOUT, STOPPED}:
        with contextlib.suppress(OSError):
            os.killpg(child.pid, signal.SIGTERM)
        wait(child, time.monotonic() + _GRACE_S, [])
    kill_everything(child.pid)
    return tell(report, verdict)


def adopt_orphans() -> None:
    """Become the parent of every orphan below; where the system has no such thing, the process group has to do."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None, use_errno=True).prctl(_SUBREAPER, 1, 0, 0, 0)


def wait(child: "subprocess.Popen[bytes]", deadline: float, lifeline: list[int]) -> str:
    """How the command ended, or that the time is over, or that the lifeline's other end is gone."""
    while child.poll() is None:
        left = deadline - time.monotonic()
        if left <= 0:
            return TIMEOUT
        ready, _, _ = select.select(lifeline, [], [], min(left, _BEAT_S))
        if ready and not os.read(ready[0], 1):
            return STOPPED
    code = child.returncode
    return f"exit {code}" if code >= 0 else f"signal {-code}"


def kill_everything(group: int) -> None:
    """KILL whatever is below us, again and again, until there is no child left."""
    while True:
        with contextlib.suppress(OSError):
            os.killpg(group, signal.SIGKILL)
        for pid in descendants(os.getpid()):
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        time.sleep(_BEAT_S)


def descendants(root: int) -> list[int]:
    """Every living process below `root`, nearest first."""
    children: dict[int, list[int]] = {}
    for status in pathlib.Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            parent = int(status.read_bytes().rpartition(b")")[2].split()[1])
            children.setdefault(parent, []).append(int(status.parent.name))
    found = list(children.get(root, ()))
    for pid in found:
        found.extend(children.get(pid, ()))
    return found


def tell(report: int, what: str) -> int:
    """Write the report; the exit code is always 0."""
    with contextlib.suppress(OSError):
        os.write(report, what.encode(errors="replace")[:500])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
