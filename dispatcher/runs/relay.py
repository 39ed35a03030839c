"""Carries bytes between a TCP port inside a sandbox and a unix socket that leads out of it. Standard library only.

The sandbox's init calls `start_relays` before the agent. A relay knows nothing of what it carries: every decision is made
by the doorkeeper, at the other end of the socket, outside.
"""

# ruff: noqa: PTH119, PTH120
import ctypes
import os
import signal
import socket
import threading
import time
from collections.abc import Sequence

MOST_CONNECTIONS = 128
"""Connections that one relay carries at once; the next one waits in the kernel's queue."""

_PR_SET_PDEATHSIG = 1
_PIECE_BYTES = 65_536
_BACKLOG = 64
_NOT_OURS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def start_relays(relays: Sequence[tuple[int, str]]) -> int:
    """Listen on each 127.0.0.1:port and carry what comes to the unix socket beside it, in a child of its own.

    The ports are open when this returns the child's pid (0 when there is nothing to relay). Raises OSError for a port
    that is taken. The child ignores INT and TERM, so that an agent that is told to end can still say so to its vendor;
    it dies with its parent.
    """
    doors = [(_listen(port), path) for port, path in relays]
    if not doors:
        return 0
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _NOT_OURS)  # until the child ignores them
    pid = os.fork()
    if pid == 0:
        try:
            _be_relay(doors)
        finally:
            os._exit(1)
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    for listener, _ in doors:
        listener.close()
    return pid


def connect_unix(path: str) -> socket.socket:
    """A connection to a unix socket, whatever the length of its path (the kernel takes 107 bytes at most)."""
    folder = os.open(os.path.dirname(path) or ".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        link.connect(f"/proc/self/fd/{folder}/{os.path.basename(path)}")
    except OSError:
        link.close()
        raise
    finally:
        os.close(folder)
    return link


def carry(near: socket.socket, far: socket.socket, idle_s: float | None = None) -> tuple[int, int]:
    """Carry bytes both ways until both sides have ended, or nothing moved for `idle_s`; closes both.

    Returns the bytes that went from near to far, and from far to near.
    """
    return _Carrying(near, far, idle_s).run()


class _Carrying:
    """Two directions, one thread each: a side that sends without reading must not stop the other."""

    def __init__(self, near: socket.socket, far: socket.socket, idle_s: float | None) -> None:
        self.near, self.far, self.idle_s = near, far, idle_s
        self.moved_s = time.monotonic()
        self.back_bytes = 0

    def run(self) -> tuple[int, int]:
        with self.near, self.far:
            self.near.settimeout(self.idle_s)
            self.far.settimeout(self.idle_s)
            back = threading.Thread(target=self._carry_back, daemon=True)
            back.start()
            there_bytes = self._pump(self.near, self.far)
            back.join()
        return there_bytes, self.back_bytes

    def _carry_back(self) -> None:
        self.back_bytes = self._pump(self.far, self.near)

    def _pump(self, source: socket.socket, target: socket.socket) -> int:
        moved_bytes = 0
        try:
            while piece := self._receive(source):
                target.sendall(piece)
                moved_bytes += len(piece)
                self.moved_s = time.monotonic()
        except OSError:
            _hang_up(source, socket.SHUT_RDWR)
            _hang_up(target, socket.SHUT_RDWR)
        _hang_up(target, socket.SHUT_WR)
        return moved_bytes

    def _receive(self, source: socket.socket) -> bytes:
        while True:
            try:
                return source.recv(_PIECE_BYTES)
            except TimeoutError:
                if self.idle_s is None or time.monotonic() - self.moved_s >= self.idle_s:
                    raise


def _hang_up(side: socket.socket, how: int) -> None:
    try:
        side.shutdown(how)
    except OSError:
        return


def _listen(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def _be_relay(doors: Sequence[tuple[socket.socket, str]]) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    for signum in _NOT_OURS:
        signal.signal(signum, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _NOT_OURS)
    signal.set_wakeup_fd(-1)
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    _close_all_but({listener.fileno() for listener, _ in doors})
    slots = threading.BoundedSemaphore(MOST_CONNECTIONS)
    threads = [threading.Thread(target=_accept_for_ever, args=(*door, slots)) for door in doors]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _close_all_but(kept: set[int]) -> None:
    # Forked without an exec: what the init holds open (pipes, locks) must not live on here.
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208
        descriptor = int(name)
        if descriptor > 2 and descriptor not in kept:
            try:
                os.close(descriptor)
            except OSError:
                continue


def _accept_for_ever(listener: socket.socket, path: str, slots: threading.BoundedSemaphore) -> None:
    while True:
        slots.acquire()
        try:
            near, _ = listener.accept()
            threading.Thread(target=_relay_one, args=(near, path, slots), daemon=True).start()
        except (
            OSError,
            RuntimeError,
        ):  # out of descriptors or threads: the agent's own doing, and it may pass
            slots.release()
            time.sleep(0.05)


def _relay_one(near: socket.socket, path: str, slots: threading.BoundedSemaphore) -> None:
    try:
        with near:
            carry(near, connect_unix(path))
    except (OSError, RuntimeError):
        return
    finally:
        slots.release()
