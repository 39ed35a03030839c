"""Which doors a run gets, and what its agent is told of them. The daemon's part; `keeper` serves them."""

import json
import os
import secrets
import socket
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Self
from urllib.parse import urlsplit

from dispatcher.core.errors import BadConfig
from dispatcher.core.hosts import parse_host, parse_hosts
from dispatcher.core.rules import AgentConfig
from dispatcher.runs.agents.vendors import Vendor
from dispatcher.runs.doors import egress, forge, model, service

PLACEHOLDER: Final = "held-by-the-dispatcher"
"""What an agent finds where its key would be."""

FORGE_VARIABLE: Final = "DISPATCHER_FORGE_URL"
_PORTS: Final = {egress.NAME: 47_801, model.NAME: 47_802, forge.NAME: 47_803}
"""Inside a network of its own every run has the same ports."""

_LOG_BYTES: Final = 2_000_000
_PROXY_NAMES: Final = ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy")
_HOST_PROXY_NAMES: Final = (*_PROXY_NAMES, "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy")
_LOOPBACK: Final = "localhost,127.0.0.1,::1"
_BACKLOG: Final = 64


@dataclass(frozen=True, slots=True)
class ForgeReads:
    """What an agent may read of the forge: which repository, as whom, how often."""

    base_url: str
    token: str = field(repr=False)
    repo_id: int
    full_name: str
    reads: int
    reads_per_minute: int


@dataclass(frozen=True, slots=True)
class KeptKey:
    """A vendor's key that stays outside."""

    vendor: str
    base_url: str
    key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Outfit:
    """What an agent starts with: its variables and its configuration, as the doors leave them."""

    variables: Mapping[str, str]
    config: AgentConfig


@dataclass(frozen=True, slots=True)
class Doorway:
    """The doors of one run. `hosts` None means that there is no egress door; `has_own_network`: its loopback is its own."""

    hosts: tuple[str, ...] | None
    keys: tuple[KeptKey, ...]
    forge: ForgeReads | None
    has_own_network: bool
    parent: tuple[str, str] = ("", "")
    ticket: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)

    @property
    def names(self) -> tuple[str, ...]:
        """The doors that there are."""
        services = parse_hosts(self.hosts or ()).loopback_ports if self.has_own_network else ()
        found = [egress.NAME] if self.hosts is not None else []
        found += [model.NAME] if self.keys else []
        found += [forge.NAME] if self.forge else []
        return (*found, *(service.name_of(port) for port in services if port not in _PORTS.values()))


def plan_egress(
    vendors: Sequence[Vendor], login_hosts: Sequence[str], outfit: Outfit, *, keeps_keys: bool
) -> tuple[tuple[KeptKey, ...], tuple[str, ...]]:
    """Which keys stay outside, and which hosts the agent must then reach by itself. Raises BadConfig for an address that is none."""
    kept: list[KeptKey] = []
    hosts: list[str] = []
    for vendor in vendors:
        name, url = vendor.key_in(outfit.variables), vendor.url_in(outfit.variables)
        can_be_led = url and vendor.led_to(outfit.config, outfit.variables, url) is not None
        if name and can_be_led and keeps_keys:
            _host_of(url)
            kept.append(KeptKey(vendor.name, url, outfit.variables[name]))
        elif name:
            hosts += [_host_of(url)] if url and url != vendor.base_url else vendor.hosts
        elif url and url != vendor.base_url:
            hosts.append(_host_of(url))
    has_login = not kept and not any(vendor.key_in(outfit.variables) for vendor in vendors)
    return tuple(kept), tuple(dict.fromkeys([*hosts, *(login_hosts if has_login else ())]))


def dress(
    doorway: Doorway | None, vendors: Sequence[Vendor], outfit: Outfit, urls: Mapping[str, str]
) -> Outfit:
    """What the agent starts with: proxies, addresses of the doors, and placeholders where keys were."""
    variables, config = dict(outfit.variables), outfit.config
    if doorway is None:
        return outfit
    if doorway.has_own_network or egress.NAME in urls:
        for name in _HOST_PROXY_NAMES:
            variables.pop(name, None)
    elif any(variables.get(name) for name in _HOST_PROXY_NAMES):
        left_out = variables.get("no_proxy") or variables.get("NO_PROXY") or ""
        variables |= dict.fromkeys(("NO_PROXY", "no_proxy"), f"{left_out},{_LOOPBACK}".lstrip(","))
    if egress.NAME in urls:
        variables |= dict.fromkeys(_PROXY_NAMES, urls[egress.NAME])
        variables |= {"NO_PROXY": _LOOPBACK, "no_proxy": _LOOPBACK, "NODE_USE_ENV_PROXY": "1"}
    if forge.NAME in urls:
        variables[FORGE_VARIABLE] = f"{urls[forge.NAME]}/{doorway.ticket}"
    kept = {one.vendor for one in doorway.keys}
    for vendor in (one for one in vendors if one.name in kept):
        used = vendor.key_in(variables)
        led = vendor.led_to(config, variables, f"{urls[model.NAME]}/{doorway.ticket}/{vendor.name}")
        for name in vendor.keys:
            variables.pop(name, None)
        variables |= {used: PLACEHOLDER} | dict(led.variables if led else {})
        # Before the person's own, so that those can say more about it.
        config = replace(config, extra_args=(*(led.arguments if led else ()), *config.extra_args))
    return Outfit(variables, config)


class OpenDoors:
    """Listening sockets for a doorway, to be inherited by its doorkeeper. Close them once it has them."""

    def __init__(self, doorway: Doorway, net: Path) -> None:
        self._stack = ExitStack()
        self._doorway = doorway
        self.listeners: dict[str, socket.socket] = {}
        self.relays: list[tuple[int, Path]] = []
        self.urls: dict[str, str] = {}
        try:
            for name in doorway.names:
                self._open(name, net / f"{name}.sock")
        except OSError:
            self._stack.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def render_order(self, log: Path) -> bytes:
        """What the doorkeeper is told, secrets and all: for a pipe, never for a file or an argument."""
        doorway = self._doorway
        order: dict[str, object] = {
            "ticket": doorway.ticket,
            "log": str(log),
            "log_bytes": _LOG_BYTES,
            "listeners": {name: listener.fileno() for name, listener in self.listeners.items()},
            "parent": list(doorway.parent),
        }
        if doorway.hosts is not None:
            order["hosts"] = list(doorway.hosts)
        if doorway.keys:
            order["upstreams"] = [
                {"name": one.vendor, "base_url": one.base_url, "key": one.key} for one in doorway.keys
            ]
        if doorway.forge:
            order["forge"] = _forge_fields(doorway.forge, self.urls[forge.NAME])
        return json.dumps(order).encode() + b"\n"

    def _open(self, name: str, path: Path) -> None:
        if not self._doorway.has_own_network:
            listener = self._stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=_BACKLOG))
            port = int(listener.getsockname()[1])
        else:
            listener = self._stack.enter_context(listen_unix(path))
            port = _PORTS.get(name) or int(name.rpartition("-")[2])
            self.relays.append((port, path))
        self.listeners[name] = listener
        self.urls[name] = f"http://127.0.0.1:{port}"


def listen_unix(path: Path) -> socket.socket:
    """A unix socket for whoever can see its folder, whatever the length of its path (the kernel takes 107 bytes at most)."""
    path.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(f"/proc/self/fd/{folder}/{path.name}")
        path.chmod(0o666)  # the run's folder keeps everybody else out; its agent may be another user
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    finally:
        os.close(folder)
    return listener


def _forge_fields(reads: ForgeReads, own_url: str) -> dict[str, str]:
    return {
        "base_url": reads.base_url,
        "token": reads.token,
        "repo_id": str(reads.repo_id),
        "full_name": reads.full_name,
        "reads": str(reads.reads),
        "reads_per_minute": str(reads.reads_per_minute),
        "own_url": own_url,
    }


def _host_of(url: str) -> str:
    """The host and port of a model's address. Raises BadConfig for what is none."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
        pattern = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        parse_host(pattern)
    except ValueError:
        raise BadConfig(
            f"{url!r} is no address of a model.", "Write http:// or https:// and a host."
        ) from None
    return pattern
