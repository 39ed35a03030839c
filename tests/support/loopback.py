"""Servers on loopback for tests of what goes through doors: they write down what they heard."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True, slots=True)
class Heard:
    """One request as a server got it; header names in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Said:
    """What the server answers."""

    status: int = 200
    body: bytes = b"hello"
    headers: dict[str, str] = field(default_factory=dict)
    pieces: tuple[bytes, ...] = ()


@dataclass
class Origin:
    """A server and its books; `answer` decides what is said."""

    answer: Callable[[Heard], Said] = lambda _heard: Said()
    heard: list[Heard] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


class _Front(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "_Listener"

    def do_any(self) -> None:
        heard = Heard(self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, self._body())
        self.server.origin.heard.append(heard)
        said = self.server.origin.answer(heard)
        self.send_response(said.status)
        for name, value in said.headers.items():
            self.send_header(name, value)
        if said.pieces:
            self.send_header("transfer-encoding", "chunked")
            self.end_headers()
            for piece in said.pieces:
                self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
                self.wfile.flush()
            self.wfile.write(b"0\r\n\r\n")
            return
        self.send_header("content-length", str(len(said.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(said.body)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_any  # noqa: N815 - the library's names

    def _body(self) -> bytes:
        if self.headers.get("transfer-encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("content-length") or 0))
        whole = b""
        while size := int(self.rfile.readline(), 16):
            whole += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return whole

    def log_message(self, *_words: object) -> None:
        """Say nothing."""


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    origin: Origin

    def handle_error(self, request: object, client_address: object) -> None:
        """A test may hang up in the middle."""


@contextmanager
def origin_server(
    answer: Callable[[Heard], Said] | None = None, *, tls: ssl.SSLContext | None = None
) -> Iterator[Origin]:
    """An HTTP server while the block lasts."""
    origin = Origin(answer) if answer else Origin()
    with _Listener(("127.0.0.1", 0), _Front) as listener:
        if tls:
            listener.socket = tls.wrap_socket(
                listener.socket, server_side=True, do_handshake_on_connect=False
            )
        listener.origin = origin
        origin.port = listener.server_address[1]
        thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield origin
        finally:
            listener.shutdown()
            thread.join()


@contextmanager
def listening(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """A loopback port whose connections are served one per thread, while the block lasts."""
    listener = socket.create_server(("127.0.0.1", 0))
    threads: list[threading.Thread] = []

    def accept() -> None:
        while True:
            try:
                link, _ = listener.accept()
            except OSError:
                return
            threads.append(threading.Thread(target=_serve, args=(serve, link), daemon=True))
            threads[-1].start()

    accepting = threading.Thread(target=accept, daemon=True)
    accepting.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        accepting.join()
        for thread in threads:
            thread.join(10)


def _serve(serve: Callable[[socket.socket], None], link: socket.socket) -> None:
    with link:
        serve(link)


def say(port: int, raw: bytes, *, hang_up: bool = False) -> bytes:
    """Send these bytes, and return everything that comes back until the other side ends."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as link:
        link.sendall(raw)
        if hang_up:
            link.shutdown(socket.SHUT_WR)
        whole = b""
        while piece := link.recv(65_536):
            whole += piece
        return whole
