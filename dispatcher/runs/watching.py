"""Looks whether a run takes more than it may: memory, processes, disk. Standard library only (the supervisor's part).

Where the run has a control group, the kernel bounds memory and processes and counts what it refused; elsewhere resource limits bound
each process, and what is counted here bounds the tree.
"""

# ruff: noqa: PTH123
import os
import signal

from dispatcher.runs import proctree
from dispatcher.runs.cgroup import RunGroup
from dispatcher.runs.diskuse import DiskWatch
from dispatcher.runs.errand import Order

OUT_OF_MEMORY, TOO_MANY_PROCESSES, FILES_TOO_LARGE = "out-of-memory", "too-many-processes", "files-too-large"
"""Ends of a run for which no second of grace is given: each one makes it worse for everybody else."""

_LOOK_S = 1.0
_LAST_WORDS_BYTES = 4000
_NO_MEMORY = (
    b"MemoryError", b"Cannot allocate memory", b"bad_alloc", b"OutOfMemoryError", b"memory allocation of", b"runtime: out of memory",
)  # fmt: skip
_NO_PROCESS = (
    b"Cannot fork",
    b"fork: retry",
    b"fork: Resource",
    b"can't start new thread",
    b"unable to create native thread",
)
"""What shells and programs in C, C++, Python, Java, Rust and Go say when the kernel gives them nothing more."""


class Watch:
    """What one run takes. `is_boxed`: the kernel refuses processes beyond the limit, so that there are never more."""

    def __init__(self, order: Order, group: RunGroup) -> None:
        self._order = order
        self._group = group
        self._disk = DiskWatch((order.checkout, order.home, order.out_path, order.tmp), order.disk_bytes)
        self._looked_s = 0.0
        self._most_processes = 0

    def find_excess(self, now_s: float, not_the_agent: int, *, is_boxed: bool) -> tuple[str, str]:
        """Why the run must end, and in words; two empty ones as long as it need not. Looks once per second."""
        if now_s < self._looked_s + _LOOK_S:
            return "", ""
        self._looked_s = now_s
        if too_much := self._disk.find_excess(now_s):
            return FILES_TOO_LARGE, too_much
        return self._judge_tree(not_the_agent, is_boxed=is_boxed)

    def explain_end(self, exit_code: int | None) -> tuple[str, str]:
        """Which limit ended the run, or probably made it fail: the reason ("" when it ended by itself) and the words."""
        order = self._order
        if self._group.was_out_of_memory:
            return (
                OUT_OF_MEMORY,
                f"the kernel ended it: its memory reached the limit of {_mb(order.memory_bytes)}",
            )
        if exit_code == 128 + signal.SIGXFSZ and order.file_bytes:
            return "", f"a file grew beyond the limit of {_mb(order.file_bytes)}"
        if exit_code == 0:
            return "", ""
        if self._group.was_full or self._reached_processes():
            return "", f"it reached the limit of {order.processes} processes and threads at once"
        return "", self._hear_last_words()

    def _judge_tree(self, not_the_agent: int, *, is_boxed: bool) -> tuple[str, str]:
        order = self._order
        if self._group.path or not (order.memory_bytes or order.processes):
            return "", ""
        tree = [
            process
            for process in proctree.find_descendants(os.getpid())
            if process.pid not in {not_the_agent, self._disk.pid}
        ]
        self._most_processes = max(self._most_processes, sum(process.threads for process in tree))
        if order.processes and not is_boxed and self._most_processes > order.processes:
            words = (
                f"had {self._most_processes} processes and threads at once, the limit is {order.processes}"
            )
            return TOO_MANY_PROCESSES, words
        held_bytes = proctree.memory_bytes_of(tree, order.memory_bytes) if order.memory_bytes else 0
        if held_bytes > order.memory_bytes:
            return OUT_OF_MEMORY, f"used {_mb(held_bytes)} of memory, the limit is {_mb(order.memory_bytes)}"
        return "", ""

    def _reached_processes(self) -> bool:
        return 0 < self._order.processes <= self._most_processes

    def _hear_last_words(self) -> str:
        """A limit on each process is kept by the kernel without a word to us: only the program can tell of it."""
        order, said = self._order, _load_end(self._order.log_path)
        if order.memory_bytes and any(words in said for words in _NO_MEMORY):
            return f"it ran out of memory, as its last words say; the limit is {_mb(order.memory_bytes)} for each process and for all"
        if order.processes and any(words in said for words in _NO_PROCESS):
            return f"it could start no more, as its last words say; the limit is {order.processes} processes and threads at once"
        return ""


def _mb(size_bytes: int) -> str:
    return f"{size_bytes // 1_000_000} MB"


def _load_end(path: str) -> bytes:
    try:
        with open(path, "rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - _LAST_WORDS_BYTES))
            return log.read()
    except OSError:
        return b""
