"""What all doors share: a conversation over one connection, and the end of it. Standard library only."""

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable
from typing import BinaryIO, Protocol

from dispatcher.runs.doors.netlog import NetLog
from dispatcher.runs.doors.parent import ParentProxy
from dispatcher.runs.doors.wire import Ask, Body, Refusal, pass_on, read_ask, send_answer, send_refusal

IDLE_S = 900.0
"""Patience with a connection on which nothing moves; a model can think for ten minutes before its first word."""
CONNECT_S = 20.0
_LINGER_S = 2.0
_LINGER_BYTES = 4_000_000
_CONTEXT_LOCK = threading.Lock()
_CONTEXTS: list[ssl.SSLContext] = []


class Door(Protocol):
    """One way out."""

    name: str

    def serve(self, link: socket.socket) -> None:
        """Serve one connection to its end, and close it."""
        ...


Answerer = Callable[[Ask, BinaryIO, BinaryIO], bool]
"""Answers one request; returns whether the connection can go on. Raises Refusal."""


class Errand:
    """One request on its way out: what is sent, which headers of the answer come back, what the log says of it."""

    __slots__ = ("body", "headers", "keep", "limit_bytes", "note", "path", "upstream")

    def __init__(
        self,
        upstream: http.client.HTTPConnection,
        path: str,
        headers: Iterable[tuple[str, str]],
        body: Body,
    ) -> None:
        self.upstream = upstream
        self.path = path
        self.headers = headers
        self.body = body
        self.keep: Callable[[http.client.HTTPResponse], Iterable[tuple[str, str]]] = lambda _answer: ()
        self.note: Callable[[str], None] = lambda _result: None
        self.limit_bytes: int | None = None


def converse(link: socket.socket, answer: Answerer, name: str, log: NetLog) -> None:
    """Answer request after request, until one side ends it. A refusal is answered, noted, and ends it."""
    link.settimeout(IDLE_S)
    with link, link.makefile("rb") as reader, link.makefile("wb") as writer:
        asked = "a request"
        try:
            while (ask := read_ask(reader)) is not None:
                asked = f"{ask.method} {ask.target}"
                if ask.header("expect").lower() == "100-continue":
                    writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                    writer.flush()
                if not answer(ask, reader, writer):
                    return
        except Refusal as refusal:
            log.note(name, asked, f"refused ({refusal.status}): {refusal.text}")
            say_no(link, writer, refusal)
        except (OSError, http.client.HTTPException, ValueError) as error:
            log.note(name, asked, f"broke off: {type(error).__name__}")


def say_no(link: socket.socket, writer: BinaryIO, refusal: Refusal) -> None:
    """Send a refusal and wait a little for the other side to hear it: unread bytes would turn it into a reset."""
    try:
        send_refusal(writer, refusal)
        link.shutdown(socket.SHUT_WR)
        link.settimeout(_LINGER_S)
        deadline_s, heard_bytes = time.monotonic() + _LINGER_S, 0
        while heard_bytes < _LINGER_BYTES and time.monotonic() < deadline_s:
            piece = link.recv(65_536)
            if not piece:
                return
            heard_bytes += len(piece)
    except OSError:
        return


def run_errand(ask: Ask, writer: BinaryIO, errand: Errand) -> bool:
    """Send a request out and its answer back; returns whether the connection can go on.

    The log has it as soon as the answer begins, before the agent hears of it. Raises Refusal when there is no answer.
    """
    began_s = time.monotonic()
    try:
        answer = pass_on(errand.upstream, ask, errand.path, errand.headers, errand.body)
        headers = errand.keep(answer)
        errand.note(f"{answer.status} after {time.monotonic() - began_s:.1f} s")
        is_whole = send_answer(writer, ask, answer, headers, errand.limit_bytes)
        return is_whole and errand.body.is_over and not ask.wants_close
    finally:
        errand.upstream.close()


def open_upstream(
    scheme: str, host: str, port: int, parent: ParentProxy | None = None
) -> http.client.HTTPConnection:
    """A connection to a server that the dispatcher's own settings name; https checks its certificate.

    Without a proxy in between it is opened when it is used. Raises Refusal.
    """
    if scheme != "https":
        return http.client.HTTPConnection(host, port, timeout=IDLE_S)
    upstream = http.client.HTTPSConnection(host, port, timeout=IDLE_S, context=_context())
    if parent and parent.takes(host):
        link = parent.dial(host, port)
        try:
            upstream.sock = _context().wrap_socket(link, server_hostname=host)
        except OSError as error:
            link.close()
            raise Refusal(502, f"no answer from {host}: {type(error).__name__}: {error}") from None
        upstream.sock.settimeout(IDLE_S)
    return upstream


def _context() -> ssl.SSLContext:
    with _CONTEXT_LOCK:
        if not _CONTEXTS:
            _CONTEXTS.append(ssl.create_default_context())
        return _CONTEXTS[0]
