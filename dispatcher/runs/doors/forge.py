"""The door to the forge: reads of this run's own repository, with the token added outside. Standard library only."""

import http.client
import re
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import BinaryIO
from urllib.parse import quote, unquote, urlsplit

from dispatcher.core.hosts import is_public, parse_address
from dispatcher.runs.doors.netlog import NetLog
from dispatcher.runs.doors.parent import ParentProxy
from dispatcher.runs.doors.serving import Errand, converse, open_upstream, run_errand
from dispatcher.runs.doors.tickets import strip_ticket
from dispatcher.runs.doors.wire import Ask, Body, Refusal, send_answer

NAME = "forge"
RESERVE_SHARE = 0.2
"""The part of the account's quota that agents leave to the dispatcher itself."""

READABLE = frozenset(
    {
        "actions",
        "assignees",
        "branches",
        "check-runs",
        "check-suites",
        "commits",
        "compare",
        "contents",
        "git",
        "issues",
        "labels",
        "languages",
        "milestones",
        "pulls",
        "readme",
        "releases",
        "tags",
        "topics",
    }
)
"""The first word below the repository. Hooks, keys, secrets, alerts and advisories are not among them."""

_ACTIONS = frozenset({"artifacts", "jobs", "runs", "workflows"})
_LOGS = re.compile(r"/actions/(jobs|runs)/\d+(/attempts/\d+)?/logs$")
_QUERY = re.compile(r"[A-Za-z0-9._~!$'()*+,;:@/?%=&\[\]-]*")
_KEPT = ("content-type", "etag", "last-modified")
_LINK = re.compile(r'<([^<>]*)>((?:;\s*[a-z]+="[^"<>]*")*)')
_ANSWER_BYTES = 30_000_000
_PAUSE_S = 60.0
_MINUTE_S = 60.0


class ForgeRules:
    """What may be read, as which account, how often. `repo_id` is the forge's own number of the repository."""

    __slots__ = ("base_url", "full_name", "own_url", "reads", "reads_per_minute", "repo_id", "token")

    def __init__(self, base_url: str, token: str, repo_id: int, full_name: str) -> None:
        self.base_url = base_url.rstrip("/")
        self.token = token
        self.repo_id = repo_id
        self.full_name = full_name
        self.reads = 300
        self.reads_per_minute = 60
        self.own_url = ""  # where the agent finds this door, for links to further pages


class Allowance:
    """How many reads are left: in this run, in this minute, and of the account's quota."""

    def __init__(self, rules: ForgeRules, clock: Callable[[], float] = time.time) -> None:
        self._left = rules.reads
        self._per_minute = rules.reads_per_minute
        self._clock = clock
        self._recent: deque[float] = deque()
        self._closed_until_s = 0.0
        self._why_closed = ""
        self._lock = threading.Lock()

    def take(self) -> None:
        """Use one read up. Raises Refusal when there is none, now or ever again."""
        with self._lock:
            now_s = self._clock()
            while self._recent and self._recent[0] <= now_s - _MINUTE_S:
                self._recent.popleft()
            if self._left <= 0:
                raise Refusal(403, "this run has used up its reads of the forge")
            if now_s < self._closed_until_s:
                raise Refusal(429, self._why_closed, int(self._closed_until_s - now_s) + 1)
            if len(self._recent) >= self._per_minute:
                wait_s = int(self._recent[0] + _MINUTE_S - now_s) + 1
                raise Refusal(429, f"this run may read {self._per_minute} times a minute", wait_s)
            self._left -= 1
            self._recent.append(now_s)

    def learn(self, status: int, headers: http.client.HTTPMessage) -> None:
        """Take in what the forge says about the account's quota, which agents share with the dispatcher."""
        remaining = _number(headers.get("x-ratelimit-remaining"))
        limit = _number(headers.get("x-ratelimit-limit"))
        reset_s = _number(headers.get("x-ratelimit-reset"))
        retry_s = _number(headers.get("retry-after"))
        with self._lock:
            if status in {403, 429} and (status == 429 or retry_s is not None or remaining == 0):
                self._close(self._clock() + (retry_s or _PAUSE_S), "the forge asks for a pause")
            if remaining is not None and limit and reset_s and remaining <= limit * RESERVE_SHARE:
                self._close(reset_s, "what is left of the account's quota is the dispatcher's own")

    def _close(self, until_s: float, why: str) -> None:
        if until_s > self._closed_until_s:
            self._closed_until_s, self._why_closed = until_s, why


class ForgeDoor:
    """`/<ticket>/repos/<owner>/<name>/...` and `/<ticket>/repositories/<id>/...`, for one repository, GET only."""

    name = NAME

    def __init__(
        self, ticket: str, rules: ForgeRules, log: NetLog, parent: ParentProxy | None = None
    ) -> None:
        self._ticket = ticket
        self._parent = parent
        self._rules = rules
        self._allowance = Allowance(rules)
        self._log = log

    def serve(self, link: socket.socket) -> None:
        """Serve one connection."""
        converse(link, self._answer, NAME, self._log)

    def _answer(self, ask: Ask, reader: BinaryIO, writer: BinaryIO) -> bool:
        if ask.method != "GET" or ask.length != 0:
            raise Refusal(405, "only GET, and without a body")
        below, query = choose_path(strip_ticket(ask.target, self._ticket), self._rules)
        self._allowance.take()
        path = f"/repositories/{self._rules.repo_id}{below}"
        asked = f"{path}?{query}" if query else path
        try:
            return self._fetch(ask, writer, asked, Body(reader, ask, 0))
        except _LogElsewhere as found:
            self._log.note(NAME, f"GET {path}", "a log, fetched from where the forge keeps it")
            return _fetch_log(ask, writer, found.url, self._parent)

    def _fetch(self, ask: Ask, writer: BinaryIO, asked: str, body: Body) -> bool:
        url = urlsplit(self._rules.base_url)
        port = url.port or (443 if url.scheme == "https" else 80)
        upstream = open_upstream(url.scheme, url.hostname or "", port, self._parent)
        errand = Errand(upstream, f"{url.path}{asked}", self._headers(ask, url.netloc), body)
        errand.limit_bytes = _ANSWER_BYTES
        errand.keep = lambda answer: self._judge(answer, asked)
        errand.note = lambda result: self._log.note(NAME, f"GET {asked}", result)
        return run_errand(ask, writer, errand)

    def _headers(self, ask: Ask, netloc: str) -> list[tuple[str, str]]:
        headers = [
            ("host", netloc),
            ("authorization", f"token {self._rules.token}"),
            ("user-agent", "dispatcher"),
            ("accept", ask.header("accept") or "application/vnd.github+json"),
        ]
        headers += [(name, value) for name, value in ask.headers if name == "if-none-match"]
        return headers

    def _judge(self, answer: http.client.HTTPResponse, asked: str) -> list[tuple[str, str]]:
        """The headers that the agent sees. Raises Refusal for an answer that would lead it elsewhere."""
        self._allowance.learn(answer.status, answer.headers)
        if 300 <= answer.status < 400 and answer.status != 304:
            if answer.status == 302 and _LOGS.search(asked.partition("?")[0]):
                raise _LogElsewhere(answer.getheader("location") or "")
            raise Refusal(502, "the forge wants to send us elsewhere: refused")
        kept = [(name, value) for name in _KEPT if (value := answer.getheader(name))]
        links = self._own_links(answer.getheader("link") or "")
        return [*kept, ("link", links)] if links else kept

    def _own_links(self, header: str) -> str:
        """The links to further pages of this repository, leading through this door; all others are left out."""
        own = f"{self._rules.base_url}/repositories/{self._rules.repo_id}/"
        found = [
            f"<{self._rules.own_url}/{self._ticket}/repositories/{self._rules.repo_id}/{url.removeprefix(own)}>{words}"
            for url, words in _LINK.findall(header)
            if url.startswith(own)
        ]
        return ", ".join(found)


class _LogElsewhere(Exception):
    """The forge keeps this log on another server."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.url = url


def choose_path(rest: str, rules: ForgeRules) -> tuple[str, str]:
    """The path below the repository, written anew from its decoded parts, and the query. Raises Refusal."""
    path, _, query = rest.partition("?")
    parts = [unquote(part) for part in path.split("/")[1:]]
    if parts and not parts[-1]:
        parts.pop()
    if any(not _is_plain(part) for part in parts):
        raise Refusal(400, "the path has an empty, climbing or odd part")
    if not _QUERY.fullmatch(query):
        raise Refusal(400, "the query has odd signs")
    below = _below_repository(parts, rules)
    _refuse_private(below)
    return "".join(f"/{quote(part, safe=_SAFE)}" for part in below), query


_SAFE = "!$&'()*+,;=:@~"


def _below_repository(parts: list[str], rules: ForgeRules) -> list[str]:
    match parts:
        case ["repos", owner, name, *below] if f"{owner}/{name}".lower() == rules.full_name.lower():
            return below
        case ["repositories", number, *below] if number == str(rules.repo_id):
            return below
        case _:
            raise Refusal(403, f"this door leads to {rules.full_name} only: /repos/{rules.full_name}/...")


def _refuse_private(below: list[str]) -> None:
    match below:
        case ["branches", _, *deeper] if "protection" in deeper:
            raise Refusal(403, "branch protection is not for agents")
        case ["actions", area, *_] if area not in _ACTIONS:
            raise Refusal(403, f"actions/{area} is not for agents")
        case [area, *_] if area not in READABLE:
            raise Refusal(403, f"{area} of a repository is not for agents")


def _is_plain(part: str) -> bool:
    return (
        bool(part)
        and part not in {".", ".."}
        and not any(s in "/\\%?#\ufffd" or not s.isprintable() for s in part)
    )


def _number(text: str | None) -> float | None:
    return float(text) if text and text.isascii() and text.isdigit() else None


def _fetch_log(ask: Ask, writer: BinaryIO, where: str, parent: ParentProxy | None) -> bool:
    """A log from where the forge keeps it: without the token, over https, never from inside this network."""
    url = urlsplit(where)
    if url.scheme != "https" or not url.hostname or url.username:
        raise Refusal(502, "the log's address is odd: refused")
    upstream = open_upstream("https", url.hostname, url.port or 443, parent)
    try:
        answer = _ask_for_log(upstream, url.path + (f"?{url.query}" if url.query else ""))
        kept = [("content-type", answer.getheader("content-type") or "text/plain")]
        return send_answer(writer, ask, answer, kept, _ANSWER_BYTES) and not ask.wants_close
    finally:
        upstream.close()


def _refuse_inside(upstream: http.client.HTTPConnection) -> None:
    peer = upstream.sock.getpeername() if upstream.sock else ("",)
    address = parse_address(str(peer[0]))
    if address is None or not is_public(address):
        raise Refusal(502, "the log's address lies inside this network: refused")


def _ask_for_log(upstream: http.client.HTTPConnection, path: str) -> http.client.HTTPResponse:
    try:
        if upstream.sock is None:  # with a proxy in between, its address is the proxy's business
            upstream.connect()
            _refuse_inside(upstream)
        upstream.request("GET", path, headers={"accept": "*/*", "user-agent": "dispatcher"})
        answer = upstream.getresponse()
    except (OSError, http.client.HTTPException) as error:
        raise Refusal(502, f"the log's server does not answer: {type(error).__name__}") from None
    if answer.status != 200:
        raise Refusal(502, f"the log's server answers {answer.status}")
    return answer
