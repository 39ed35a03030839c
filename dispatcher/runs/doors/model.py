"""The door to the vendors' models: adds the key outside, so that it never enters the sandbox. Standard library only."""

import socket
from collections.abc import Iterable
from typing import BinaryIO
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from dispatcher.runs.doors.netlog import NetLog
from dispatcher.runs.doors.parent import ParentProxy
from dispatcher.runs.doors.serving import Errand, converse, open_upstream, run_errand
from dispatcher.runs.doors.tickets import strip_ticket
from dispatcher.runs.doors.wire import Ask, Body, Refusal, end_to_end

NAME = "model"
_METHODS = frozenset({"GET", "HEAD", "POST"})
_KEY_HEADERS = ("api-key", "authorization", "x-api-key", "x-goog-api-key")
"""In which a program shows who it is: inside it has a placeholder, which is never passed on."""
_KEYS_IN_QUERIES = frozenset({"key", "api_key", "api-key", "access_token"})
_MOST_BODY_BYTES = 100_000_000


class Upstream:
    """Where one vendor's API is, and the key that opens it."""

    __slots__ = ("key", "name", "url")

    def __init__(self, name: str, base_url: str, key: str) -> None:
        self.name = name
        self.url = urlsplit(base_url.rstrip("/"))
        self.key = key

    def credentials(self, ask: Ask) -> list[tuple[str, str]]:
        """The key in the very headers in which the program showed its placeholder, and in no other.

        Only headers that vendors read keys from are filled: one that a server might repeat in an error would give the key away.
        """
        shown = dict.fromkeys(name for name, _ in ask.headers if name in _KEY_HEADERS)
        return [(name, f"Bearer {self.key}" if name == "authorization" else self.key) for name in shown]


class ModelDoor:
    """`/<ticket>/<vendor>/...` becomes the same path below the vendor's base URL, with the vendor's key."""

    name = NAME

    def __init__(
        self, ticket: str, upstreams: Iterable[Upstream], log: NetLog, parent: ParentProxy | None = None
    ) -> None:
        self._ticket = ticket
        self._parent = parent
        self._upstreams = {upstream.name: upstream for upstream in upstreams}
        self._log = log

    def serve(self, link: socket.socket) -> None:
        """Serve one connection."""
        converse(link, self._answer, NAME, self._log)

    def _answer(self, ask: Ask, reader: BinaryIO, writer: BinaryIO) -> bool:
        upstream, path = self._route(ask)
        if ask.method not in _METHODS:
            raise Refusal(405, f"{ask.method} is not let through to a model")
        url = upstream.url
        port = url.port or (443 if url.scheme == "https" else 80)
        passed = end_to_end(ask.headers, "cookie", "host", *_KEY_HEADERS)
        headers = [("host", url.netloc), *passed, *upstream.credentials(ask)]
        connection = open_upstream(url.scheme, url.hostname or "", port, self._parent)
        errand = Errand(connection, path, headers, Body(reader, ask, _MOST_BODY_BYTES))
        errand.keep = lambda answer: end_to_end(answer.getheaders(), "set-cookie")
        what = f"{ask.method} {upstream.name} {path.partition('?')[0]}"
        errand.note = lambda result: self._log.note(NAME, what, result)
        return run_errand(ask, writer, errand)

    def _route(self, ask: Ask) -> tuple[Upstream, str]:
        """The vendor that is asked, and the path and query as it shall see them. Raises Refusal."""
        rest = strip_ticket(ask.target, self._ticket)
        path, _, query = rest.partition("?")
        name, _, below = path.lstrip("/").partition("/")
        upstream = self._upstreams.get(name)
        if upstream is None:
            raise Refusal(404, f"there is no vendor {name!r} behind this door")
        if any(unquote(part) in {".", ".."} or "\\" in unquote(part) for part in below.split("/")):
            raise Refusal(400, "a path may not climb")
        words = [
            (key, value)
            for key, value in parse_qsl(query, keep_blank_values=True)
            if key.lower() not in _KEYS_IN_QUERIES
        ]
        tail = f"/{below}" if below else ""
        return upstream, (upstream.url.path + tail or "/") + (f"?{urlencode(words)}" if words else "")
