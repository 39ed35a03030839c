"""Runs chosen tests in a forked process, with one fault switched on, and listens to it with a time limit per test."""

import ctypes
import json
import os
import select
import signal
import subprocess
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

SLACK_S = 15.0
SLOWER = 8
"""A test that takes longer than its usual time by this factor, and these seconds more, hangs."""

_BECOME_SUBREAPER, _DIE_WITH_PARENT = 36, 1


@dataclass(slots=True)
class Told:
    """One line that the child said about one test."""

    test: str
    failed: bool
    took_s: float
    sites: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Heard:
    """What became of a child: the tests that ended, and the one during which it died or was ended."""

    tests: list[Told]
    broken: str = ""
    why: str = ""

    @property
    def killer(self) -> str:
        """The test that noticed, or ""."""
        return next((told.test for told in self.tests if told.failed), self.broken)


Say = Callable[[dict[str, object]], None]


def adopt_orphans() -> None:
    """Let what tests leave behind become our child, so that it can be ended."""
    ctypes.CDLL(None).prctl(_BECOME_SUBREAPER, 1, 0, 0, 0)


def in_child(act: Callable[[Say], None], usual_s: dict[str, float], *, is_loud: bool = False) -> Heard:
    """Fork, let `act` run tests and say what they came to, and end everything that is left of it."""
    temporary = tempfile.mkdtemp(prefix="mu-")
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        _be_child(act, writing, temporary, is_loud=is_loud)
    os.close(writing)
    try:
        return _listen(reading, usual_s)
    finally:
        os.close(reading)
        _end_group(pid)
        _end_orphans()
        # a test may leave a tree that is deeper than Python's own removal can go
        subprocess.run(["rm", "-rf", "--", temporary], check=False, stderr=subprocess.DEVNULL)


def _be_child(act: Callable[[Say], None], writing: int, temporary: str, *, is_loud: bool) -> None:
    code = 1
    try:
        os.setsid()
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL, 0, 0, 0)
        os.environ["PYTEST_DEBUG_TEMPROOT"] = os.environ["TMPDIR"] = temporary
        tempfile.tempdir = temporary
        if not is_loud:
            _be_silent()
        act(lambda words: _write(writing, words))
        _write(writing, {"over": True})
        code = 0
    except BaseException:  # noqa: BLE001  (whatever it was: it is told, and the process ends here)
        _write(writing, {"accident": traceback.format_exc()})
    finally:
        os._exit(code)


def _be_silent() -> None:
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)


def _write(writing: int, words: dict[str, object]) -> None:
    line = memoryview(json.dumps(words).encode() + b"\n")
    while line:
        line = line[os.write(writing, line) :]


def _listen(reading: int, usual_s: dict[str, float]) -> Heard:
    heard, current = Heard([]), "(start)"
    limit_s = SLACK_S * 4
    lines = _lines(reading)
    while True:
        line = lines(limit_s)
        if line is None:
            return Heard(heard.tests, current, f"no end within {limit_s:.0f} s")
        if not line:
            return Heard(heard.tests, current, "the process died")
        words = json.loads(line)
        if "over" in words:
            return heard
        if "accident" in words:
            return Heard(heard.tests, current, str(words["accident"]))
        if "begins" in words:
            current = words["begins"]
            limit_s = SLACK_S + SLOWER * usual_s.get(current, SLACK_S)
        else:
            heard.tests.append(Told(**words))
            limit_s = SLACK_S * 2


def _lines(reading: int) -> Callable[[float], bytes | None]:
    """Read a line within so many seconds: None when it does not come, b"" at the end."""
    buffer = bytearray()

    def read_line(limit_s: float) -> bytes | None:
        ends_at = time.monotonic() + limit_s
        while b"\n" not in buffer:
            left = ends_at - time.monotonic()
            if left <= 0 or not select.select([reading], [], [], left)[0]:
                return None
            piece = os.read(reading, 1 << 16)
            if not piece:
                return b""
            buffer.extend(piece)
        line, _, rest = bytes(buffer).partition(b"\n")
        buffer[:] = rest
        return line

    return read_line


def _end_group(pid: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signal.SIGKILL)
    with suppress(ChildProcessError):
        os.waitpid(pid, 0)


def _end_orphans() -> None:
    """Our own children are exactly what the tests left: they are ended until there is none."""
    while ours := list(_children()):
        for pid in ours:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
            with suppress(ChildProcessError):
                os.waitpid(pid, 0)


def _children() -> Iterator[int]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError, ValueError):
                if int((entry / "stat").read_text().rpartition(")")[2].split()[1]) == os.getpid():
                    yield int(entry.name)
