"""Which processes belong to a run, and how to end them, as /proc tells it. Standard library only.

The supervisor imports this file, so it stays light: `dataclasses`, `typing` and `pathlib` would cost a quarter
of its memory and half of its start.
"""

# ruff: noqa: PTH123, PTH208
import os
import signal
import time
from collections.abc import Callable, Iterator

MARK_VARIABLE = "DISPATCHER_RUN_MARK"
"""The environment variable that every process of a run inherits; its value is random, one per run."""

_STATE, _PARENT, _THREADS, _STARTED = 0, 1, 17, 19


class Process:
    """One process for certain: a pid alone can be given to somebody else, a pid with its start time cannot."""

    __slots__ = ("parent", "pid", "started_ticks", "state", "threads")

    def __init__(self, pid: int, state: str, parent: int, started_ticks: int, threads: int = 1) -> None:
        self.pid = pid
        self.state = state
        self.parent = parent
        self.started_ticks = started_ticks
        self.threads = threads

    @property
    def is_alive(self) -> bool:
        """Whether it can still do anything: a zombie cannot."""
        return self.state not in {"Z", "X", "x"}

    def is_same_as(self, other: "Process | None") -> bool:
        """Whether both are one process, not two that had the same pid one after the other."""
        return other is not None and (self.pid, self.started_ticks) == (other.pid, other.started_ticks)


def load_boot_id() -> str:
    """The kernel's name for this boot; pids and start times of another boot mean nothing."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


def load_process(pid: int) -> Process | None:
    """The process with this pid, or None when there is none."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            # The name in brackets may hold spaces and brackets of its own: read behind the last one.
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return None
    if len(fields) <= _STARTED:
        return None
    return Process(
        pid,
        fields[_STATE].decode("ascii"),
        int(fields[_PARENT]),
        int(fields[_STARTED]),
        int(fields[_THREADS]),
    )


def load_processes() -> dict[int, Process]:
    """Every process that this one can see, by pid."""
    found = (load_process(int(name)) for name in os.listdir("/proc") if name.isdigit())
    return {process.pid: process for process in found if process}


def carries_mark(pid: int, mark: str) -> bool:
    """Whether the process was started with the run's mark in its environment."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return f"{MARK_VARIABLE}={mark}".encode() in file.read().split(b"\0")
    except OSError:
        return False


def find_marked(mark: str) -> list[Process]:
    """Living processes that carry the run's mark."""
    return [p for p in load_processes().values() if p.is_alive and carries_mark(p.pid, mark)]


def find_descendants(root_pid: int) -> list[Process]:
    """Living children of a process, their children, and so on; `root_pid` itself is not among them."""
    everyone = load_processes()
    children: dict[int, list[Process]] = {}
    for process in everyone.values():
        children.setdefault(process.parent, []).append(process)
    return [p for p in _walk(children, root_pid) if p.is_alive]


def _walk(children: dict[int, list[Process]], root_pid: int) -> Iterator[Process]:
    waiting, seen = [root_pid], {root_pid}
    while waiting:
        for child in children.get(waiting.pop(), []):
            if child.pid not in seen:
                seen.add(child.pid)
                waiting.append(child.pid)
                yield child


def memory_bytes_of(processes: list[Process], limit_bytes: int) -> int:
    """What these processes hold in memory of their own, in bytes; pages that they share count once as soon as the sum is over the limit."""
    held = sum(_field_of(process.pid, "status", b"RssAnon:") for process in processes)
    if held <= limit_bytes:
        return held
    return sum(_field_of(process.pid, "smaps_rollup", b"Pss_Anon:") for process in processes)


def _field_of(pid: int, name: str, field: bytes) -> int:
    try:
        with open(f"/proc/{pid}/{name}", "rb") as file:
            return next((int(line.split()[1]) * 1024 for line in file if line.startswith(field)), 0)
    except (OSError, ValueError):
        return 0


def send_signal(process: Process, signum: int) -> bool:
    """Signal exactly this process; False when it is gone or its pid belongs to another one by now."""
    try:
        handle = os.pidfd_open(process.pid)
    except OSError:
        return False
    try:
        # The handle holds the pid: when start times agree after opening it, nobody can slip in between.
        if not process.is_same_as(load_process(process.pid)):
            return False
        signal.pidfd_send_signal(handle, signum)
    except OSError:
        return False
    finally:
        os.close(handle)
    return True


def kill_until_gone(find: Callable[[], list[Process]], patience_s: float, between: Callable[[], None]) -> int:
    """KILL what `find` finds, again and again, until it finds nothing; returns how many were left after `patience_s`.

    `between` runs after each round: a subreaper collects its dead children there.
    """
    deadline = time.monotonic() + patience_s
    while True:
        left = find()
        for process in left:
            send_signal(process, signal.SIGKILL)
        between()
        if not left or time.monotonic() > deadline:
            return len(left)
        time.sleep(0.002)
