"""One writer per repository, across threads and processes, however they die."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dispatcher.core.errors import RetryLater

_LOOK_AGAIN_S = 0.02


@contextmanager
def hold_lock(path: Path, timeout_s: float) -> Iterator[int]:
    """Hold an exclusive lock on `path`; yields the descriptor. Raises RetryLater after `timeout_s`.

    A child that inherits the descriptor keeps the lock: a git that outlives a killed daemon is waited for.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _acquire(descriptor, path, timeout_s)
        yield descriptor
    finally:
        os.close(descriptor)


def _acquire(descriptor: int, path: Path, timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise RetryLater(f"{path} is still in use after {timeout_s:.0f} s") from None
            time.sleep(_LOOK_AGAIN_S)
        else:
            return
