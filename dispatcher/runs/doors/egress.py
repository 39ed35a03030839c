"""The door to the internet: a proxy (CONNECT, and plain http) with a list of hosts. Standard library only."""

import http.client
import socket
import time
from collections.abc import Callable
from typing import BinaryIO
from urllib.parse import SplitResult, urlsplit

from dispatcher.core.hosts import HostRules, parse_address
from dispatcher.runs.doors.netlog import NetLog
from dispatcher.runs.doors.parent import ParentProxy
from dispatcher.runs.doors.serving import CONNECT_S, IDLE_S, Errand, converse, run_errand
from dispatcher.runs.doors.wire import Ask, Body, Refusal, end_to_end
from dispatcher.runs.relay import carry

NAME = "egress"
_MOST_BODY_BYTES = 1_000_000_000


Resolve = Callable[[str, int], list[tuple[int, str]]]
"""The addresses of a host, each with its family. Raises OSError when there is none."""


class EgressDoor:
    """Lets out what the list allows. Names are resolved here, and the connection goes to the very address that was judged."""

    name = NAME

    def __init__(
        self,
        rules: HostRules,
        log: NetLog,
        resolve: Resolve | None = None,
        parent: ParentProxy | None = None,
    ) -> None:
        self._rules = rules
        self._log = log
        self._parent = parent
        self._resolve = resolve or _resolve

    def serve(self, link: socket.socket) -> None:
        """Serve one connection."""
        converse(link, lambda *asked: self._answer(link, *asked), NAME, self._log)

    def _answer(self, link: socket.socket, ask: Ask, reader: BinaryIO, writer: BinaryIO) -> bool:
        if ask.method == "CONNECT":
            host, port = _parse_authority(ask.target)
            far = self._connect(host, port)
            self._tunnel(link, far, reader, f"CONNECT {host}:{port}")
        else:
            self._forward(ask, reader, writer)
        return False

    def _tunnel(self, link: socket.socket, far: socket.socket, reader: BinaryIO, what: str) -> None:
        began_s = time.monotonic()
        link.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        # Bytes that came right behind the request are in the reader's buffer already.
        link.settimeout(0)
        far.sendall(reader.peek() if hasattr(reader, "peek") else b"")
        self._log.note(NAME, what, "allowed")
        out_bytes, in_bytes = carry(link, far, IDLE_S)
        took_s = time.monotonic() - began_s
        self._log.note(NAME, what, f"closed after {took_s:.1f} s, {out_bytes} bytes out, {in_bytes} in")

    def _forward(self, ask: Ask, reader: BinaryIO, writer: BinaryIO) -> None:
        url = _parse_absolute(ask.target)
        host, port = url.hostname or "", url.port or 80
        upstream = http.client.HTTPConnection(host, port, timeout=IDLE_S)
        upstream.sock = self._connect(host, port)
        path = (url.path or "/") + (f"?{url.query}" if url.query else "")
        headers = [("host", url.netloc), *end_to_end(ask.headers, "host"), ("connection", "close")]
        errand = Errand(upstream, path, headers, Body(reader, ask, _MOST_BODY_BYTES))
        errand.keep = lambda answer: end_to_end(answer.getheaders())
        ask.headers.insert(0, ("connection", "close"))  # the next request may be for another host
        errand.note = lambda result: self._log.note(NAME, f"{ask.method} {ask.target}", result)
        run_errand(ask, writer, errand)

    def _connect(self, host: str, port: int) -> socket.socket:
        """A connection to one of the host's addresses that may be reached. Raises Refusal."""
        if not self._rules.allows_host(host, port):
            raise Refusal(403, f"{host}:{port} is not among the hosts that this run may reach (allow_hosts)")
        if self._parent and self._parent.takes(host):
            return self._parent.dial(host, port)
        for family, address in self._judged_addresses(host, port):
            link = socket.socket(family, socket.SOCK_STREAM)
            link.settimeout(CONNECT_S)
            try:
                link.connect((address, port))
            except OSError:
                link.close()
            else:
                return link
        raise Refusal(502, f"{host}:{port} does not answer")

    def _judged_addresses(self, host: str, port: int) -> list[tuple[int, str]]:
        try:
            found = self._resolve(host, port)
        except (OSError, UnicodeError):
            raise Refusal(502, f"{host} has no address") from None
        good = [(family, text) for family, text in found if self._may_go(text, port)]
        if not good:
            raise Refusal(
                403, f"{host} leads to an address inside this network, and that is not in allow_hosts"
            )
        return good

    def _may_go(self, text: str, port: int) -> bool:
        address = parse_address(text.partition("%")[0])
        return address is not None and self._rules.allows_address(address, port)


def _resolve(host: str, port: int) -> list[tuple[int, str]]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [(int(family), str(where[0])) for family, _, _, _, where in found]


def _parse_authority(target: str) -> tuple[str, int]:
    host, colon, port = target.rpartition(":")
    if not colon or not host or not port.isdigit() or not 1 <= int(port[:6]) <= 65_535 or "@" in host:
        raise Refusal(400, "CONNECT needs host:port")
    return host.strip("[]").lower(), int(port)


def _parse_absolute(target: str) -> SplitResult:
    try:
        url = urlsplit(target)
        _ = url.port
    except ValueError:
        raise Refusal(400, "the address is malformed") from None
    if url.scheme != "http" or not url.hostname or url.username or url.password:
        raise Refusal(400, "this is a proxy: it takes CONNECT host:port and http:// addresses")
    return url
