"""The connection: every request to GitHub leaves through here, one at a time, counted, gated, retried where that is safe.

PyGithub is used as its public requester only (`requestJson`, which gives the status: a 304 or 307 is told from a
real answer). Its own retry and its own sleeping are switched off; retrying happens outside, with pauses through the
Clock so that a stop is heard.
"""

import json
import logging
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from threading import RLock
from urllib.parse import urlsplit

import requests
from github import Auth, Github
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt

from dispatcher.core.errors import BadConfig, NeedsPerson, QuotaSpent
from dispatcher.forge.credentials import Secret, redact
from dispatcher.forge.gate import Gate, is_limit
from dispatcher.forge.refusals import Refusal, Transient, explain_graphql, explain_refusal
from dispatcher.forge.wire import Node, read_errors, read_message
from dispatcher.ports import Clock

LOG = logging.getLogger(__name__)
GITHUB_URL = "https://api.github.com"
TRIES = 4
"""How often an idempotent request is sent before the task waits for a later tick."""
PATIENCE_S = 2.0
"""A limit that ends within this time is waited for; a longer one is QuotaSpent."""
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_NAMED = re.compile(r"^/(repos)/[^/]+/[^/]+|^/(users|orgs)/[^/]+")
_LOGIN = re.compile(r"/(collaborators|teams|memberships|labels)/[^/]+")


@dataclass(frozen=True, slots=True)
class Request:
    """One REST request. `safe_to_repeat`: sending it twice has the effect of sending it once."""

    method: str
    path: str
    params: Mapping[str, str] = field(default_factory=dict)
    payload: object = None
    headers: Mapping[str, str] = field(default_factory=dict)
    safe_to_repeat: bool = True
    operation: str = ""
    writes: bool = False

    @property
    def kind(self) -> str:
        """What is counted: method and path without numbers and names, or the GraphQL operation."""
        if self.operation:
            return f"GRAPHQL {self.operation}"
        named = _NAMED.sub(lambda m: f"/{m[1] or m[2]}/*", self.path)
        return f"{self.method} {re.sub(r'/[0-9]+', '/*', _LOGIN.sub(lambda m: f'/{m[1]}/*', named))}"

    @property
    def resource(self) -> str:
        """The quota that pays for it."""
        return "graphql" if self.operation else "core"


@dataclass(frozen=True, slots=True)
class Answer:
    """A served request: status, headers in lower case, the parsed JSON (None for an empty body)."""

    status: int
    headers: Mapping[str, str]
    body: object

    @property
    def node(self) -> Node:
        """The body as an object; raises RetryLater when it is none."""
        return Node.of(self.body, "answer")

    @property
    def nodes(self) -> tuple[Node, ...]:
        """The body as a list of objects; raises RetryLater when it is none."""
        return Node.list_of(self.body, "answer")


@dataclass(frozen=True, slots=True)
class GraphError:
    """One entry of a GraphQL answer's `errors`; the first part of `path` is the alias."""

    kind: str
    message: str
    path: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GraphAnswer:
    """A GraphQL answer that has data; parts may be missing, and `errors` says why."""

    operation: str
    data: Node
    errors: tuple[GraphError, ...]

    def raise_first(self) -> None:
        """Raise the first error, if there is one."""
        for error in self.errors:
            raise explain_graphql(error.kind, error.message, self.operation)


def check_base_url(base_url: str) -> str:
    """The API's address without a trailing slash; plain http is for this machine only. Raises BadConfig."""
    parts = urlsplit(base_url)
    if parts.scheme == "https" and parts.hostname:
        return base_url.rstrip("/")
    if parts.scheme == "http" and parts.hostname in _LOOPBACK:
        return base_url.rstrip("/")
    raise BadConfig(
        f"forge base_url = {redact(base_url)!r}: the token would travel unencrypted or nowhere.",
        "Write https://HOST/api/v3 (GitHub Enterprise Server) or leave it out for github.com.",
    )


class Connection:
    """One credential's way to GitHub. Calls are serialised; writes are at least `write_pause_s` apart."""

    def __init__(
        self, base_url: str, token: Secret, clock: Clock, *, write_pause_s: float, timeout_s: int
    ) -> None:
        self.base_url = check_base_url(base_url)
        self.token = token
        self.gate = Gate(clock)
        self.requests_made: Counter[tuple[str, int]] = Counter()
        self._clock = clock
        self._write_pause_s = write_pause_s
        self._may_write_at = datetime.min.replace(tzinfo=UTC)
        self._lock = RLock()
        self._github = Github(
            auth=Auth.Token(token.reveal()),
            base_url=self.base_url,
            timeout=timeout_s,
            user_agent="dispatcher",
            lazy=True,
            retry=None,
            seconds_between_requests=None,
            seconds_between_writes=None,
        )

    def close(self) -> None:
        """Close the sockets."""
        self._github.close()

    def get(
        self, path: str, params: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Read; a conditional request (If-None-Match, If-Modified-Since) may answer 304 with no body."""
        return self.send(Request("GET", path, params or {}, headers=headers or {}))

    def write(self, method: str, path: str, payload: object, *, safe_to_repeat: bool) -> Answer:
        """Write over REST. Not repeated after a time-out or 5xx unless `safe_to_repeat`."""
        return self.send(Request(method, path, payload=payload, safe_to_repeat=safe_to_repeat, writes=True))

    def query(self, operation: str, text: str, variables: Mapping[str, object]) -> GraphAnswer:
        """Read over GraphQL."""
        payload = {"query": text, "variables": dict(variables), "operationName": operation}
        return self._graph(Request("POST", "", payload=payload, operation=operation))

    def mutate(
        self, operation: str, text: str, variables: Mapping[str, object], *, safe_to_repeat: bool
    ) -> GraphAnswer:
        """Write over GraphQL. Not repeated after a time-out or 5xx unless `safe_to_repeat`."""
        payload = {"query": text, "variables": dict(variables), "operationName": operation}
        request = Request(
            "POST", "", payload=payload, operation=operation, safe_to_repeat=safe_to_repeat, writes=True
        )
        return self._graph(request)

    def send(self, request: Request) -> Answer:
        """Send one request, again where that is safe. Raises the errors of `core.errors`."""
        retrying = Retrying(
            sleep=self._clock.wait,
            stop=stop_after_attempt(TRIES),
            wait=self._choose_pause,
            retry=retry_if_exception(lambda error: self._may_repeat(request, error)),
            reraise=True,
        )
        with self._lock:
            return retrying(self._send_once, request)

    def _may_repeat(self, request: Request, error: BaseException) -> bool:
        if isinstance(error, QuotaSpent):
            return error.until is not None and error.until - self._clock.now() <= timedelta(
                seconds=PATIENCE_S
            )
        return request.safe_to_repeat and isinstance(error, Transient)

    def _choose_pause(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, QuotaSpent) and error.until is not None:
            return max(0.0, (error.until - self._clock.now()).total_seconds())
        return float(min(0.5 * 2.0 ** (state.attempt_number - 1), 8.0))

    def _send_once(self, request: Request) -> Answer:
        self.gate.check(request.resource)
        if request.writes:
            self._wait_for_my_turn()
        try:
            status, headers, text = self._exchange(request)
        finally:
            if request.writes:
                self._may_write_at = self._clock.now() + timedelta(seconds=self._write_pause_s)
        self.requests_made[request.kind, status] += 1
        LOG.debug("%s -> %s", request.kind, status)
        return self._judge(request, status, headers, text)

    def _wait_for_my_turn(self) -> None:
        pause_s = (self._may_write_at - self._clock.now()).total_seconds()
        if pause_s > 0:
            self._clock.wait(pause_s)

    def _exchange(self, request: Request) -> tuple[int, dict[str, str], str]:
        requester = self._github.requester
        url = requester.graphql_url if request.operation else request.path
        try:
            return requester.requestJson(
                request.method, url, dict(request.params), dict(request.headers), request.payload
            )
        except requests.RequestException as error:
            self.requests_made[request.kind, 0] += 1
            why = redact(_plain(error), self.token)
            raise Transient(f"no answer from GitHub to {request.kind}: {why}") from None
        except RuntimeError as error:  # a redirect to another host or scheme
            raise NeedsPerson(redact(str(error), self.token), "Correct the forge's base_url.") from None

    def _judge(self, request: Request, status: int, headers: dict[str, str], text: str) -> Answer:
        body = _parse_json(text)
        if status < 300 or status == 304:
            self.gate.note(request.resource, headers)
            self.gate.welcome()
            return Answer(status, headers, body)
        message = redact(read_message(body), self.token)
        if is_limit(status, headers, message):
            until = self.gate.refuse(request.resource, headers)
            raise QuotaSpent(f"GitHub's rate limit refused {request.kind} until {until:%H:%M:%S} UTC", until)
        self.gate.note(request.resource, headers)
        asked = request.kind if request.operation else f"{request.method} {request.path}"
        raise explain_refusal(Refusal(asked, status, headers, message, read_errors(body)))

    def _graph(self, request: Request) -> GraphAnswer:
        answer = self.send(request)
        node = answer.node
        errors = tuple(
            GraphError(
                entry.text("type", ""), redact(entry.text("message", ""), self.token), entry.words("path")
            )
            for entry in node.children("errors")
        )
        if any(error.kind == "RATE_LIMITED" for error in errors):
            until = self.gate.refuse("graphql", answer.headers)
            raise QuotaSpent(f"GitHub's quota (graphql) is used up until {until:%H:%M:%S} UTC", until)
        data = node.child("data")
        if data is None:
            first = errors[0] if errors else GraphError("", "something went wrong: no data", ())
            raise explain_graphql(first.kind, first.message, request.operation)
        return GraphAnswer(request.operation, data, errors)


def _parse_json(text: str) -> object:
    try:
        return json.loads(text) if text else None
    except ValueError:
        return None


def _plain(error: requests.RequestException) -> str:
    """What went wrong on the wire, in words; the libraries' own text names their objects instead."""
    if isinstance(error, requests.Timeout):
        return "it took too long"
    if isinstance(error, requests.exceptions.SSLError):
        return "its certificate is not trusted here"
    if isinstance(error, requests.exceptions.ProxyError):
        return "the proxy does not let us through"
    if isinstance(error, requests.ConnectionError):
        return "the connection failed or was dropped"
    return f"{type(error).__name__}: {error}"
