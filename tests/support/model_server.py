"""A stand-in for the vendors' model servers, on loopback: plays a script, or one kind of trouble, and counts what it serves."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.support.dialects import Dialect, NoShell, dialect_of
from tests.support.model import Asked, Count, Say, Script

CACHED = 1000
"""Tokens that every answer calls cached: a constant, so that adding them up wrongly shows."""


class Trouble(StrEnum):
    """How the server misbehaves."""

    NONE = "none"
    UNAUTHORIZED = "401"
    RATE_LIMITED = "429"
    BROKEN = "500"
    HANGS = "hang"


_TEXTS = {
    401: "invalid x-api-key",
    429: "This request would exceed your account's rate limit. Please try again later.",
    500: "Internal server error",
}


@dataclass(frozen=True, slots=True)
class Served:
    """One answered request: which API, the status, the tokens, what was asked. `asked` is None for what is no model's turn."""

    path: str
    status: int
    count: Count = field(default_factory=Count)
    asked: Asked | None = None


@dataclass
class ModelServer:
    """The server's script and books. Thread-safe: programs ask from several connections at once."""

    script: Script
    trouble: Trouble = Trouble.NONE
    served: list[Served] = field(default_factory=list)
    url: str = ""
    closing: threading.Event = field(default_factory=threading.Event)
    keys: set[str] = field(default_factory=set)
    """What the programs showed as their keys."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def total(self) -> Count:
        """All tokens of all answers."""
        return sum((one.count for one in self.served), Count())

    @property
    def turns(self) -> int:
        """Answers that were a model's turn."""
        return sum(one.asked is not None for one in self.served)

    def note(self, one: Served) -> int:
        """Write an answer down; returns its number."""
        with self._lock:
            self.served.append(one)
            return len(self.served)


class _Front(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "_Listener"

    def do_GET(self) -> None:
        self._side_question()

    def do_HEAD(self) -> None:
        self._answer(200, b"")

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            body = json.loads(raw or b"{}")
        except ValueError:
            body = {}
        shown = [self.headers.get(name, "") for name in ("Authorization", "x-api-key", "x-goog-api-key")]
        self.server.model.keys.update(key.removeprefix("Bearer ") for key in shown if key)
        dialect = dialect_of(self.path)
        if dialect is None or not isinstance(body, dict):
            self._side_question()
        else:
            self._turn(dialect, body)

    def _turn(self, dialect: Dialect, body: dict[str, Any]) -> None:
        model, asked = self.server.model, dialect.parse(self.path, body)
        match model.trouble:
            case Trouble.HANGS:
                model.note(Served(self.path, 0, asked=asked))
                model.closing.wait()
                self.close_connection = True
            case Trouble.NONE:
                self._play(dialect, asked)
            case trouble:
                status = int(trouble)
                model.note(Served(self.path, status, asked=asked))
                self._answer(status, json.dumps(dialect.error(status, _TEXTS[status])).encode())

    def _play(self, dialect: Dialect, asked: Asked) -> None:
        model = self.server.model
        # Titles, summaries and the like are asked for without tools: they get a word, and are counted like everything else.
        is_turn = asked.tools or asked.steps or asked.edits_in_prose
        turn = model.script(asked) if is_turn else Say("ok")
        count = Count(100 + asked.steps, CACHED, 10 + asked.steps)
        number = model.note(Served(self.path, 200, count, asked))
        try:
            whole = dialect.render(asked, turn, count, number)
            frames = list(dialect.frames(asked, turn, count, number)) if asked.wants_stream else []
        except NoShell as error:
            self._answer(400, json.dumps(dialect.error(400, str(error))).encode())
            return
        if asked.wants_stream:
            self._stream(frames, closes_with_done=dialect.closes_with_done)
        else:
            self._answer(200, json.dumps(whole).encode())

    def _stream(self, frames: list[tuple[str, dict[str, Any]]], *, closes_with_done: bool) -> None:
        lines = [
            f"event: {name}\n" * bool(name) + f"data: {json.dumps(fields)}\n\n" for name, fields in frames
        ]
        if closes_with_done:
            lines.append("data: [DONE]\n\n")
        self._answer(200, "".join(lines).encode(), "text/event-stream")

    def _side_question(self) -> None:
        """Lists of models, counts of tokens, telemetry: an empty answer that every program can live with."""
        self.server.model.note(Served(self.path, 404))
        self._answer(404, b'{"error": {"message": "not served here", "code": 404, "status": "NOT_FOUND"}}')

    def _answer(self, status: int, raw: bytes, kind: str = "application/json") -> None:
        try:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(raw)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def log_message(self, *_words: object) -> None:
        """Say nothing."""


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    model: ModelServer

    def handle_error(self, request: object, client_address: object) -> None:
        """A program that was killed hangs up in the middle of a request."""


@contextmanager
def model_server(script: Script, trouble: Trouble = Trouble.NONE) -> Iterator[ModelServer]:
    """A server that listens while the block lasts."""
    model = ModelServer(script, trouble)
    with _Listener(("127.0.0.1", 0), _Front) as listener:
        listener.model = model
        model.url = f"http://127.0.0.1:{listener.server_address[1]}"
        thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield model
        finally:
            model.closing.set()
            listener.shutdown()
            thread.join()
