"""The door to one service of this machine, such as a model's server on loopback, that a person listed by its port. Standard library only."""

import socket

from dispatcher.runs.doors.netlog import NetLog
from dispatcher.runs.doors.serving import CONNECT_S
from dispatcher.runs.relay import carry

_LOOPBACK = ("127.0.0.1", "::1")


class ServiceDoor:
    """Carries bytes to one port of this machine's loopback. It knows nothing of what they say."""

    def __init__(self, port: int, log: NetLog) -> None:
        self.name = name_of(port)
        self._port = port
        self._log = log

    def serve(self, link: socket.socket) -> None:
        """Serve one connection."""
        for address in _LOOPBACK:
            try:
                far = socket.create_connection((address, self._port), timeout=CONNECT_S)
            except OSError:
                continue
            self._log.note(self.name, "a connection", "allowed")
            carry(link, far)
            return
        self._log.note(self.name, "a connection", "nothing listens there")


def name_of(port: int) -> str:
    """The door's name."""
    return f"port-{port}"
