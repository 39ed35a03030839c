"""One run's control group (cgroup v2), in which the kernel bounds what the run uses in all. Standard library only (the supervisor's part).

What the files mean: the kernel's Documentation/admin-guide/cgroup-v2.rst.
"""

# ruff: noqa: PTH102, PTH106, PTH118, PTH123
import contextlib
import errno
import os
import time

_GONE_S = 2.0
_SHELL = 2
"""Processes of the sandbox itself, beside the agent's: bubblewrap's outer end and our init."""


def limits_of_group(memory_bytes: int, processes: int) -> dict[str, str]:
    """What is written into a group's files; 0 means no bound."""
    limits: dict[str, str] = {}
    if memory_bytes:
        limits |= {"memory.max": str(memory_bytes), "memory.oom.group": "1"}
    if processes:
        limits["pids.max"] = str(processes + _SHELL)
    return limits


class RunGroup:
    """A child of the dispatcher's own group. With `path` "" there is none: nothing is bounded, nothing is counted."""

    __slots__ = ("path",)

    def __init__(self, path: str) -> None:
        self.path = path

    def make(self, limits: dict[str, str]) -> None:
        """Make it with its limits; where the kernel refuses, there is none from then on."""
        if not self.path:
            return
        try:
            os.mkdir(self.path)
            for name, value in limits.items():
                self._write(name, value)
        except OSError:
            self._let_go()
            return
        with contextlib.suppress(
            OSError
        ):  # a kernel that does not count swap; else it would only be slow before it ends
            self._write("memory.swap.max", "0")

    def take_in(self, pid: int) -> None:
        """Put a process into it, with everything that it will start; where the kernel refuses, there is no group from then on."""
        if not self.path:
            return
        try:
            self._write("cgroup.procs", str(pid))
        except OSError:
            self._let_go()

    @property
    def was_out_of_memory(self) -> bool:
        """Whether the kernel ended something in it because its memory was used up."""
        return self._count("memory.events", "oom_kill") > 0

    @property
    def was_full(self) -> bool:
        """Whether a process or thread was refused because there were as many as there may be."""
        return self._count("pids.events", "max") > 0

    def kill(self) -> None:
        """End everything in it at once, what is being forked included."""
        if self.path:
            with contextlib.suppress(OSError):
                self._write("cgroup.kill", "1")

    def remove(self) -> None:
        """Take it away. What is in it must have ended; the kernel may need a moment to notice."""
        deadline_s = time.monotonic() + _GONE_S
        while self.path:
            try:
                os.rmdir(self.path)
            except FileNotFoundError:
                self.path = ""
            except OSError as error:
                if error.errno != errno.EBUSY or time.monotonic() > deadline_s:
                    return
                time.sleep(0.01)
            else:
                self.path = ""

    def _let_go(self) -> None:
        with contextlib.suppress(OSError):
            os.rmdir(self.path)
        self.path = ""

    def _write(self, name: str, value: str) -> None:
        with open(os.path.join(self.path, name), "w", encoding="ascii") as file:
            file.write(value)

    def _count(self, name: str, key: str) -> int:
        if not self.path:
            return 0
        try:
            with open(os.path.join(self.path, name), encoding="ascii") as file:
                fields = dict(line.split() for line in file)
        except (OSError, ValueError):
            return 0
        return int(fields.get(key, "0"))
