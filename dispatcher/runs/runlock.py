"""The lock that means "a supervisor lives". Standard library only (the supervisor's part).

An open-file-description lock: it passes over a fork, ends with the last process that holds the file open, and others can ask
for it without taking it even for a moment. (A probe that takes a lock could turn a starting supervisor away.)
"""

import fcntl
import os
import struct

_SHAPE = "hhqqi4x"


def take_lock(path: str) -> int | None:
    """Take the lock; returns the descriptor that holds it, or None when somebody else does."""
    handle = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.fcntl(handle, fcntl.F_OFD_SETLK, struct.pack(_SHAPE, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))
    except OSError:
        os.close(handle)
        return None
    return handle


def is_locked(path: str) -> bool:
    """Whether somebody holds the lock; asks without touching it."""
    try:
        handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        answer = fcntl.fcntl(
            handle, fcntl.F_OFD_GETLK, struct.pack(_SHAPE, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        )
    finally:
        os.close(handle)
    return bool(struct.unpack(_SHAPE, answer)[0] != fcntl.F_UNLCK)
