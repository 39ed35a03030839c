"""What a run's files take on the disk, measured beside the supervisor. Standard library only (the supervisor's part)."""

# ruff: noqa: PTH101
import os
import signal
import stat
from collections.abc import Callable

from dispatcher.runs.spawn import close_all_but

_BLOCK_BYTES = 512  # the unit of st_blocks, whatever the file system's own is
_LEAST_BYTES = 4096  # what each name counts: empty files fill a disk as well
_LONGEST_PATH = 3000  # a file system's own limit is 4096
_PARTS = 16
_USUALLY_S = 30.0
_BREATH = 5  # times that a measurement took pass before the next one
_UNMEASURED = -1


def load_free_bytes(path: str) -> int:
    """Free bytes of the file system, or what is left of its files, whichever is less."""
    try:
        room = os.statvfs(path)
    except OSError:
        return 0
    free_bytes = room.f_bavail * room.f_frsize
    return min(free_bytes, room.f_favail * _LEAST_BYTES) if room.f_files else free_bytes


class DiskWatch:
    """Measures when the disk says that much was written, and every half minute, in a child of low rank; at most one at a time."""

    __slots__ = (
        "_began_s",
        "_free_at_first",
        "_free_before",
        "_limit_bytes",
        "_load_free",
        "_next_s",
        "_result",
        "_tops",
        "pid",
    )

    def __init__(
        self, tops: tuple[str, ...], limit_bytes: int, load_free: Callable[[str], int] = load_free_bytes
    ) -> None:
        self._tops = tops
        self._limit_bytes = limit_bytes
        self._load_free = load_free
        self._next_s = 0.0
        self._began_s = 0.0
        self._result = -1
        self._free_at_first = self._free_before = load_free(tops[0]) if limit_bytes else 0
        self.pid = 0

    def find_excess(self, now_s: float) -> str:
        """What to say of a run that takes more than it may; "" as long as it does not, or as nothing is known yet."""
        if not self._limit_bytes:
            return ""
        if self.pid:
            return self._hear(now_s)
        if not self._next_s:
            self._next_s = now_s + _USUALLY_S
        free_bytes = self._load_free(self._tops[0])
        is_filling = self._free_before - free_bytes >= self._limit_bytes // _PARTS
        if now_s >= self._next_s or (is_filling and now_s >= self._began_s):
            self._begin(now_s, free_bytes)
        return ""

    def _begin(self, now_s: float, free_bytes: int) -> None:
        lost_bytes = self._free_at_first - free_bytes
        read, write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self.pid = os.fork()
        if self.pid == 0:
            _measure_and_end(self._tops, write, opens_locked=lost_bytes >= self._limit_bytes // 2)
        os.close(write)
        self._result, self._began_s, self._free_before = read, now_s, free_bytes

    def _hear(self, now_s: float) -> str:
        try:
            told = os.read(self._result, 100)
        except BlockingIOError:
            return ""
        os.close(self._result)
        self.pid = 0
        self._next_s = now_s + _USUALLY_S
        self._began_s = now_s + _BREATH * (now_s - self._began_s)
        taken_bytes = int(told or b"0")
        limit = f"the limit is {self._limit_bytes // 1_000_000} MB"
        if taken_bytes == _UNMEASURED:
            return f"its folders are nested too deep to be measured; {limit}"
        return (
            f"its files take {taken_bytes // 1_000_000} MB, {limit}"
            if taken_bytes > self._limit_bytes
            else ""
        )


def measure_bytes(tops: tuple[str, ...], *, opens_locked: bool = False) -> int:
    """What everything below these folders takes, hard links once; -1 when paths are longer than any program would make them.

    What vanishes meanwhile, and other file systems, are left out. `opens_locked`: a folder that its owner may not read is opened for
    the owner first, because somebody could hide in it.
    """
    total, seen, waiting = 0, set[tuple[int, int]](), list(tops)
    while waiting:
        folder = waiting.pop()
        if len(folder) > _LONGEST_PATH:
            return _UNMEASURED
        for path, kept in _entries_of(folder, opens_locked=opens_locked):
            if kept.st_nlink > 1 and not stat.S_ISDIR(kept.st_mode):
                if (kept.st_dev, kept.st_ino) in seen:
                    continue
                seen.add((kept.st_dev, kept.st_ino))
            total += max(kept.st_blocks * _BLOCK_BYTES, _LEAST_BYTES)
            if stat.S_ISDIR(kept.st_mode):
                waiting.append(path)
    return total


def _entries_of(folder: str, *, opens_locked: bool) -> "list[tuple[str, os.stat_result]]":
    found = []
    try:
        entries = os.scandir(folder)
    except PermissionError:
        if not opens_locked or not _open_locked(folder):
            return []
        return _entries_of(folder, opens_locked=False)
    except OSError:
        return []
    with entries:
        for entry in entries:
            try:
                found.append((entry.path, entry.stat(follow_symlinks=False)))
            except OSError:
                continue
    return found


def _open_locked(folder: str) -> bool:
    """Through a handle: what lies there by now may be a link to somebody else's folder."""
    try:
        handle = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        os.chmod(f"/proc/self/fd/{handle}", 0o700)
    except OSError:
        return False
    finally:
        os.close(handle)
    return True


def _measure_and_end(tops: tuple[str, ...], write: int, *, opens_locked: bool) -> None:
    try:
        signal.set_wakeup_fd(-1)
        close_all_but({write})
        os.nice(10)
        os.write(write, b"%d" % measure_bytes(tops, opens_locked=opens_locked))
    finally:
        os._exit(0)
