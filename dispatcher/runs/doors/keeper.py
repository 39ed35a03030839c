"""The doorkeeper: one small process per run, outside its sandbox, that serves the run's doors. Standard library only.

It gets its order, secrets and all, as one line on stdin, and ends when stdin does: the supervisor holds the other end.
Its listening sockets are inherited. Nothing of the order is ever written down.
"""

import ctypes
import json
import os
import resource
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping

from dispatcher.core.hosts import parse_hosts
from dispatcher.runs.doors import egress, forge, model
from dispatcher.runs.doors.egress import EgressDoor
from dispatcher.runs.doors.forge import ForgeDoor, ForgeRules
from dispatcher.runs.doors.model import ModelDoor, Upstream
from dispatcher.runs.doors.netlog import NetLog
from dispatcher.runs.doors.serving import Door

MOST_CONNECTIONS = 200
"""Connections of one run that are served at once; the next one waits in the kernel's queue."""

_PR_SET_DUMPABLE = 4
_BUSY_S = 0.05


def main() -> None:
    """Serve until stdin ends."""
    _close_the_curtains()
    order = json.loads(sys.stdin.buffer.readline())
    log = NetLog(_text(order, "log"), int(_text(order, "log_bytes")))
    doors = build_doors(order, log)
    slots = threading.BoundedSemaphore(MOST_CONNECTIONS)
    for name, descriptor in _object(order, "listeners").items():
        listener = socket.socket(fileno=int(str(descriptor)))
        threading.Thread(target=_serve_for_ever, args=(listener, doors[name], slots), daemon=True).start()
    sys.stdin.buffer.read()
    os._exit(0)


def build_doors(order: Mapping[str, object], log: NetLog) -> dict[str, Door]:
    """The doors that an order of `opening.Doorway` asks for. Raises KeyError, ValueError for another."""
    ticket = _text(order, "ticket")
    doors: dict[str, Door] = {}
    if "hosts" in order:
        doors[egress.NAME] = EgressDoor(parse_hosts(_texts(order["hosts"])), log)
    if "upstreams" in order:
        upstreams = [
            Upstream(
                _text(one, "name"), _text(one, "base_url"), [_pair(_texts(h)) for h in _list(one["headers"])]
            )
            for one in map(_fields, _list(order["upstreams"]))
        ]
        doors[model.NAME] = ModelDoor(ticket, upstreams, log)
    if "forge" in order:
        said = _object(order, "forge")
        rules = ForgeRules(
            _text(said, "base_url"),
            _text(said, "token"),
            int(_text(said, "repo_id")),
            _text(said, "full_name"),
        )
        rules.reads = int(_text(said, "reads"))
        rules.own_url = _text(said, "own_url")
        rules.reads_per_minute = int(_text(said, "reads_per_minute"))
        doors[forge.NAME] = ForgeDoor(ticket, rules, log)
    return doors


def _close_the_curtains() -> None:
    """No signal meant for the agent ends us, no core file holds our secrets, no other process of this user reads our memory."""
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(signum, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def _serve_for_ever(listener: socket.socket, door: Door, slots: threading.BoundedSemaphore) -> None:
    while True:
        slots.acquire()
        try:
            link, _ = listener.accept()
            threading.Thread(target=_serve, args=(door.serve, link, slots), daemon=True).start()
        except (OSError, RuntimeError):  # out of descriptors or threads: it may pass
            slots.release()
            time.sleep(_BUSY_S)


def _serve(
    serve: Callable[[socket.socket], None], link: socket.socket, slots: threading.BoundedSemaphore
) -> None:
    try:
        with link:
            serve(link)
    finally:
        slots.release()


def _text(fields: Mapping[str, object], name: str) -> str:
    return str(fields[name])


def _object(fields: Mapping[str, object], name: str) -> Mapping[str, object]:
    return _fields(fields[name])


def _fields(value: object) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise TypeError("the doorkeeper's order is malformed")
    return value


def _list(value: object) -> list[object]:
    if not isinstance(value, list):
        raise TypeError("the doorkeeper's order is malformed")
    return value


def _texts(value: object) -> list[str]:
    return [str(one) for one in _list(value)]


def _pair(words: list[str]) -> tuple[str, str]:
    name, value = words
    return name, value
