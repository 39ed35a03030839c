"""What a doorkeeper does: one small process per run, outside its sandbox, that serves the run's doors. Standard library only.

Its order, secrets and all, came through a pipe, and its listening sockets are inherited. Nothing of the order is ever written down.
"""

import json
import socket
import threading
import time
from collections.abc import Mapping

from dispatcher.core.hosts import parse_hosts
from dispatcher.runs.doors import egress, forge, model, service
from dispatcher.runs.doors.egress import EgressDoor
from dispatcher.runs.doors.forge import ForgeDoor, ForgeRules
from dispatcher.runs.doors.model import ModelDoor, Upstream
from dispatcher.runs.doors.netlog import NetLog
from dispatcher.runs.doors.parent import ParentProxy
from dispatcher.runs.doors.service import ServiceDoor
from dispatcher.runs.doors.serving import Door

MOST_CONNECTIONS = 200
"""Connections of one run that are served at once; the next one waits in the kernel's queue."""

_BUSY_S = 0.05


def serve_doors(words: bytes) -> None:
    """Serve the doors of an order, each in a thread of its own. Raises KeyError, TypeError or ValueError for a malformed order."""
    order = _fields(json.loads(words))
    log = NetLog(_text(order, "log"), int(_text(order, "log_bytes")))
    doors = build_doors(order, log)
    slots = threading.BoundedSemaphore(MOST_CONNECTIONS)
    for name, descriptor in _object(order, "listeners").items():
        listener = socket.socket(fileno=int(str(descriptor)))
        listener.setblocking(True)  # noqa: FBT003 - the method's shape
        threading.Thread(
            target=_serve_for_ever, args=(listener, doors[name], log, slots), daemon=True
        ).start()


def build_doors(order: Mapping[str, object], log: NetLog) -> dict[str, Door]:
    """The doors that an order of `doorway.OpenDoors` asks for. Raises KeyError, ValueError for another."""
    ticket = _text(order, "ticket")
    address, left_out = _texts(order["parent"])
    parent = ParentProxy(address, left_out) if address else None
    doors: dict[str, Door] = {}
    if "hosts" in order:
        rules = parse_hosts(_texts(order["hosts"]))
        doors |= {service.name_of(port): ServiceDoor(port, log) for port in rules.loopback_ports}
        doors[egress.NAME] = EgressDoor(rules, log, None, parent)
    if "upstreams" in order:
        upstreams = [
            Upstream(_text(one, "name"), _text(one, "base_url"), _text(one, "key"))
            for one in map(_fields, _list(order["upstreams"]))
        ]
        doors[model.NAME] = ModelDoor(ticket, upstreams, log, parent)
    if "forge" in order:
        said = _object(order, "forge")
        reading = ForgeRules(
            _text(said, "base_url"),
            _text(said, "token"),
            int(_text(said, "repo_id")),
            _text(said, "full_name"),
        )
        reading.reads = int(_text(said, "reads"))
        reading.own_url = _text(said, "own_url")
        reading.reads_per_minute = int(_text(said, "reads_per_minute"))
        doors[forge.NAME] = ForgeDoor(ticket, reading, log, parent)
    return doors


def _serve_for_ever(
    listener: socket.socket, door: Door, log: NetLog, slots: threading.BoundedSemaphore
) -> None:
    while True:
        slots.acquire()
        try:
            link, _ = listener.accept()
            threading.Thread(target=_serve, args=(door, link, log, slots), daemon=True).start()
        except (OSError, RuntimeError):  # out of descriptors or threads: it may pass
            slots.release()
            time.sleep(_BUSY_S)


def _serve(door: Door, link: socket.socket, log: NetLog, slots: threading.BoundedSemaphore) -> None:
    try:
        with link:
            door.serve(link)
    except Exception as error:  # noqa: BLE001 - a fault of ours ends this connection and nothing else
        log.note(door.name, "a connection", f"a fault of the doorkeeper: {type(error).__name__}")
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
