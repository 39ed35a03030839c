"""A run's doorkeeper, as its supervisor starts it, and the pipe that keeps it alive. Standard library only.

Most of a doorkeeper is loaded when somebody first comes to a door: a run that never does costs one small process that sleeps.
"""

import ctypes
import os
import resource
import select
import signal
from collections.abc import Sequence

from dispatcher.runs.errand import Order
from dispatcher.runs.spawn import close_all_but

_PR_SET_DUMPABLE = 4
_NOT_OURS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE)


class Doorkeeper:
    """A child of the supervisor that serves the inherited sockets. `pid` is 0 when the run has no doors.

    It is found and killed with everything else that the supervisor started; should the supervisor die, its end of the pipe closes and
    the doorkeeper ends by itself.
    """

    __slots__ = ("_descriptors", "_lifeline", "_words", "pid")

    def __init__(self, order: Order, words: bytes) -> None:
        self._descriptors = order.door_descriptors
        self._words = words
        self._lifeline = -1
        self.pid = 0

    def start(self) -> None:
        """Start it with its words, and forget them: they hold secrets. Raises OSError when there can be no process."""
        if not self._descriptors:
            return
        read, self._lifeline = os.pipe2(os.O_CLOEXEC)
        self.pid = os.fork()
        if self.pid == 0:
            try:
                close_all_but({read, *self._descriptors})
                keep_doors(self._words, read, self._descriptors)
            finally:
                os._exit(1)
        for descriptor in (read, *self._descriptors):
            os.close(descriptor)
        self._words = b""


def keep_doors(words: bytes, lifeline: int, descriptors: Sequence[int]) -> None:
    """Serve the doors until the lifeline's other end is closed: then the process ends. `words` are its order, with its secrets."""
    _close_the_curtains()
    waiting = select.poll()
    for descriptor in (lifeline, *descriptors):
        waiting.register(descriptor, select.POLLIN)
    if lifeline in {descriptor for descriptor, _ in waiting.poll()}:
        os._exit(0)
    from dispatcher.runs.doors.keeper import serve_doors

    serve_doors(words)
    while os.read(lifeline, 1):
        pass
    os._exit(0)


def _close_the_curtains() -> None:
    """No signal meant for the agent ends us, no core file holds our secrets, no other process of this user reads our memory."""
    signal.set_wakeup_fd(-1)
    for signum in _NOT_OURS:
        signal.signal(signum, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
