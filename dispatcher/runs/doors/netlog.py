"""The run's `net.log`: every call through a door, one line each. Standard library only."""

import os
import threading
import time


class NetLog:
    """Appends lines to a file, so many bytes per door: a door that is hammered cannot silence the others."""

    def __init__(self, path: str, limit_bytes: int) -> None:
        self._file = os.open(
            path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600
        )
        self._limit_bytes = limit_bytes
        self._used_bytes: dict[str, int] = {}
        self._lock = threading.Lock()

    def note(self, door: str, what: str, result: str) -> None:
        """Write down who asked for what, and what became of it. Times are UTC."""
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        line = f"{at} {door} {_one_line(what, 300)}: {_one_line(result, 300)}\n".encode()
        with self._lock:
            used_bytes = self._used_bytes.get(door, 0)
            if used_bytes > self._limit_bytes:
                return
            self._used_bytes[door] = used_bytes + len(line)
            if self._used_bytes[door] > self._limit_bytes:
                line = f"{at} {door} the log of this door is full: nothing more is written\n".encode()
            try:
                os.write(self._file, line)
            except OSError:
                return  # a full disk: the calls themselves go on

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._file)


def _one_line(text: str, limit: int) -> str:
    plain = "".join(sign if " " <= sign <= "~" else "?" for sign in text)
    return plain if len(plain) <= limit else f"{plain[:limit]}..."
