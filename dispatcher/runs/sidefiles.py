"""Files that an agent's program keeps in its HOME and in which it tells more than in its output. Standard library only (the supervisor's part).

The agent can make anything of them: no link is followed, no pipe waited for, nothing read beyond a limit.
"""

# ruff: noqa: PTH208
import os
import stat
from collections.abc import Iterator, Sequence

from dispatcher.runs.agents.telling import SideFile

_WHOLE_BYTES = 20_000_000  # trajectories of long runs have a few million
_CHUNK_BYTES = 1_000_000
_LINE_BYTES = 8_000_000
_FILES = 20
_ENTRIES = 1000


class SideReader:
    """Reads what is new in the files of `wanted` below `home`: growing files line by line, the others whole whenever they changed."""

    def __init__(self, home: str, wanted: Sequence[SideFile]) -> None:
        self._home = home
        self._wanted = wanted
        self._offsets: dict[str, int] = {}
        self._rests: dict[str, bytes] = {}
        self._stamps: dict[str, tuple[int, int]] = {}
        self._skip_the_past()

    def _skip_the_past(self) -> None:
        """What lies there before the program says anything belongs to an earlier run, whose session it goes on with."""
        for side in self._wanted:
            for name in _find(self._home, side.pattern.split("/")):
                status = _status(self._home, name)
                if status:
                    self._offsets[name] = status.st_size
                    self._stamps[name] = status.st_mtime_ns, status.st_size

    def read_new(self) -> Iterator[tuple[str, str]]:
        """Name and text of every new line, and of every changed file."""
        for side in self._wanted:
            for name in list(_find(self._home, side.pattern.split("/")))[:_FILES]:
                handle = _open(self._home, name)
                if handle is None:
                    continue
                try:
                    yield from (
                        self._read_lines(name, handle) if side.is_lines else self._read_whole(name, handle)
                    )
                finally:
                    os.close(handle)

    def _read_lines(self, name: str, handle: int) -> Iterator[tuple[str, str]]:
        chunk = os.pread(handle, _CHUNK_BYTES, self._offsets.get(name, 0))
        self._offsets[name] = self._offsets.get(name, 0) + len(chunk)
        *lines, rest = (self._rests.get(name, b"") + chunk).split(b"\n")
        self._rests[name] = rest if len(rest) <= _LINE_BYTES else b""
        for line in lines:
            yield name, line.decode("utf-8", "replace")

    def _read_whole(self, name: str, handle: int) -> Iterator[tuple[str, str]]:
        status = os.fstat(handle)
        stamp = status.st_mtime_ns, status.st_size
        if stamp == self._stamps.get(name) or status.st_size > _WHOLE_BYTES:
            return
        self._stamps[name] = stamp
        with os.fdopen(os.dup(handle), "rb") as file:
            yield name, file.read(_WHOLE_BYTES).decode("utf-8", "replace")


def find_files(home: str, pattern: str) -> list[str]:
    """Names below `home` that fit the pattern (one * a part), a few at most."""
    return list(_find(home, pattern.split("/")))[:_FILES]


def load_file(home: str, name: str, limit_bytes: int) -> bytes | None:
    """The content of a regular file below `home`; None where there is none, or it is larger."""
    handle = _open(home, name)
    if handle is None:
        return None
    with os.fdopen(handle, "rb") as file:
        content = file.read(limit_bytes + 1)
    return content if len(content) <= limit_bytes else None


def _find(home: str, parts: list[str]) -> Iterator[str]:
    """Names below `home` that fit, part by part; links are not followed."""
    found = [""]
    for part in parts[:-1]:
        found = [name for above in found for name in _fitting(home, above, part) if _is_folder(home, name)]
    for above in found:
        yield from _fitting(home, above, parts[-1])


def _fitting(home: str, above: str, part: str) -> list[str]:
    if "*" not in part:
        return [os.path.join(above, part)]  # noqa: PTH118 - a path that is relative to HOME
    begin, _, end = part.partition("*")
    try:
        names = sorted(os.listdir(os.path.join(home, above)))[:_ENTRIES]  # noqa: PTH118
    except OSError:
        return []
    fitting = [n for n in names if len(n) >= len(begin + end) and n.startswith(begin) and n.endswith(end)]
    return [os.path.join(above, name) for name in fitting]  # noqa: PTH118


def _is_folder(home: str, name: str) -> bool:
    status = _status(home, name)
    return status is not None and stat.S_ISDIR(status.st_mode)


def _status(home: str, name: str) -> os.stat_result | None:
    try:
        return os.lstat(os.path.join(home, name))  # noqa: PTH118
    except OSError:
        return None


def _open(home: str, name: str) -> int | None:
    """A regular file below `home`, opened part by part so that no link on the way is followed; None when there is none."""
    parts = name.split("/")
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        handle = os.open(home, flags | os.O_DIRECTORY)
        for number, part in enumerate(parts, 1):
            last = os.O_NONBLOCK if number == len(parts) else os.O_DIRECTORY
            above, handle = handle, -1
            try:
                handle = os.open(part, flags | last, dir_fd=above)
            finally:
                os.close(above)
    except OSError:
        return None
    if stat.S_ISREG(os.fstat(handle).st_mode):
        return handle
    os.close(handle)
    return None
