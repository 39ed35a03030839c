"""The sockets: a threaded HTTP/1.1 server on loopback that keeps connections alive."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import cast
from urllib.parse import unquote, urlsplit

from dispatcher.simulator.exchange import Answer, Request
from dispatcher.simulator.frontdoor import Dropped, FrontDoor

_LARGEST_BODY_BYTES = 256 * 1024 * 1024


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, door: FrontDoor) -> None:
        self.door = door
        self._lock = threading.Lock()
        self._live: dict[threading.Thread, socket.socket] = {}
        super().__init__(("127.0.0.1", 0), _Connection)

    def enter(self, connection: socket.socket) -> None:
        with self._lock:
            self._live[threading.current_thread()] = connection

    def leave(self) -> None:
        with self._lock:
            self._live.pop(threading.current_thread(), None)

    def hang_up(self) -> None:
        """Close every connection that is still open and wait for its thread."""
        with self._lock:
            live = dict(self._live)
        for connection in live.values():
            _shut(connection)
        for thread in live:
            thread.join(timeout=5)

    def handle_error(self, request: object, client_address: object) -> None:
        """Stay silent: a client that goes away is nothing to report."""


def _shut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return


class _Connection(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "github.com"
    sys_version = ""
    wbufsize = -1
    disable_nagle_algorithm = True
    timeout = 300

    def setup(self) -> None:
        super().setup()
        cast("_Server", self.server).enter(self.connection)

    def finish(self) -> None:
        cast("_Server", self.server).leave()
        try:
            super().finish()
        except OSError:
            return

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the base class names it so)
        """Write nothing: the front door keeps the log."""

    def _serve(self) -> None:
        try:
            request = self._read()
            answer = cast("_Server", self.server).door.answer(request)
        except Dropped:
            self.close_connection = True
            _shut(self.connection)
            return
        self._write(answer)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _serve  # noqa: N815  (the base class looks for these)

    def _read(self) -> Request:
        split = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        return Request(self.command, unquote(split.path), split.query, headers, self._body(headers))

    def _body(self, headers: dict[str, str]) -> bytes:
        if headers.get("transfer-encoding", "").lower() == "chunked":
            return b"".join(self._chunks())
        length = int(headers.get("content-length") or 0)
        return self.rfile.read(min(length, _LARGEST_BODY_BYTES)) if length else b""

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self.rfile.readline().split(b";")[0], 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass

    def _write(self, answer: Answer) -> None:
        content = answer.content()
        self.send_response_only(answer.status)
        # The forge's own clock, which a test may have set: clients compare it with theirs.
        forge_now = cast("_Server", self.server).door.world.now()
        headers = {
            "Server": self.server_version,
            "Date": format_datetime(forge_now, usegmt=True),
            "Content-Type": "application/json; charset=utf-8",
        } | answer.headers
        for name, value in headers.items():
            self.send_header(name, value)
        if answer.status not in {204, 304}:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD" and answer.status not in {204, 304}:
            self.wfile.write(content)
        self.wfile.flush()


@contextmanager
def serving(door: FrontDoor) -> Iterator[str]:
    """Serve on a free port of 127.0.0.1 until the block ends; yields the address, `http://127.0.0.1:PORT`."""
    server = _Server(door)
    url = f"http://127.0.0.1:{server.server_address[1]}"
    door.web = url
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), name="simulator", daemon=True)
    thread.start()
    try:
        yield url
    finally:
        server.shutdown()
        thread.join()
        server.hang_up()
        server.server_close()
