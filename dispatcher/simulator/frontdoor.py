"""Everything between a socket and the rules: whose token, which API, what is left of the limits, what goes wrong."""

from __future__ import annotations

import time
import traceback
from dataclasses import dataclass, field
from datetime import datetime

from dispatcher.simulator import git_http, graphql, rest
from dispatcher.simulator.access import Caller
from dispatcher.simulator.exchange import Answer, Request
from dispatcher.simulator.faults import Fault, Faults, What
from dispatcher.simulator.git_store import BareGit
from dispatcher.simulator.graphql_nodes import At
from dispatcher.simulator.model import Account, TokenKind
from dispatcher.simulator.quota import Quota, Window
from dispatcher.simulator.refusals import Refused, Unauthorized
from dispatcher.simulator.render import Render
from dispatcher.simulator.rest_call import Call
from dispatcher.simulator.world import World

_PREFIXES = ("/api/v3", "/api")


@dataclass(frozen=True, slots=True)
class Logged:
    """One request as the log remembers it; `path` is without the API's prefix, `query` without the question mark."""

    at: datetime
    method: str
    path: str
    query: str
    status: int
    user_agent: str
    conditional: bool
    login: str
    token: str
    body: bytes

    @property
    def line(self) -> str:
        """Render `GET /issues?state=all -> 304`."""
        return f"{self.method} {self.path}{'?' if self.query else ''}{self.query} -> {self.status}"


class Dropped(Exception):
    """The connection is to be closed without an answer."""


@dataclass(slots=True)
class FrontDoor:
    """Answers requests, one at a time where state is touched."""

    world: World
    git: BareGit | None
    quota: Quota
    faults: Faults = field(default_factory=Faults)
    log: list[Logged] = field(default_factory=list)
    crashes: list[str] = field(default_factory=list)
    web: str = ""
    _last: dict[tuple[str, str], Answer] = field(default_factory=dict)

    def answer(self, request: Request) -> Answer:
        """Answer one request and write it down; raises Dropped when a fault rule says so."""
        request = _without_prefix(request)
        secret = git_http.secret_of(request.headers.get("authorization", "")) or ""
        with self.world.lock:
            target = request.path + (f"?{request.query_text}" if request.query_text else "")
            wrong = self.faults.take(request.method, target, request.body)
        if What.DELAY in wrong:
            time.sleep(wrong[What.DELAY].delay_s)
        status = 0
        try:
            done = self._answer_or_fail(request, secret, wrong)
            status = done.status
        except Dropped:
            raise
        except Exception:  # noqa: BLE001  (a fault of the simulator must show, not hang the client)
            status = 500
            self.crashes.append(traceback.format_exc())
            return Answer(500, {"message": f"The simulator itself failed:\n{self.crashes[-1]}"})
        finally:
            with self.world.lock:
                self._write_down(request, secret, status)
        return done

    def _answer_or_fail(self, request: Request, secret: str, wrong: dict[What, Fault]) -> Answer:
        if What.DROP_BEFORE in wrong:
            raise Dropped
        if What.LIMIT in wrong:
            return self._limited(secret, wrong[What.LIMIT])
        if What.FAIL_BEFORE in wrong:
            return _broken(wrong[What.FAIL_BEFORE])
        key = (secret, f"{request.path}?{request.query_text}")
        if What.STALE in wrong and key in self._last:
            return self._last[key]
        done = self._act(request, secret)
        if request.method == "GET" and done.status == 200:
            self._last[key] = done
        if What.DROP_AFTER in wrong:
            raise Dropped
        return _broken(wrong[What.FAIL_AFTER]) if What.FAIL_AFTER in wrong else done

    def _act(self, request: Request, secret: str) -> Answer:
        if git_http.is_git(request.path):
            return self._act_git(request, secret)
        with self.world.lock:
            try:
                return self._act_api(request, self._caller(secret))
            except Refused as error:
                return rest.refusal(error)

    def _act_git(self, request: Request, secret: str) -> Answer:
        if self.git is None:
            return Answer(404, b"no git behind this forge\n")
        with self.world.lock:
            try:
                caller = self._caller(secret) if "authorization" in request.headers else None
            except Refused:
                return Answer(
                    401, b"Invalid username or token.\n", {"WWW-Authenticate": 'Basic realm="GitHub"'}
                )
        return git_http.serve(self.world, self.git, caller, request)

    def _caller(self, secret: str) -> Caller:
        token = self.world.tokens.get(secret)
        if token is None or token.revoked:
            raise Unauthorized("Bad credentials" if secret else "Requires authentication")
        return Caller(self.world.accounts[token.account_id], token)

    def _act_api(self, request: Request, caller: Caller) -> Answer:
        is_graphql = request.path == "/graphql"
        resource = "graphql" if is_graphql else "search" if request.path.startswith("/search/") else "core"
        window = self.quota.window(caller.account.id, resource)
        free = request.path == "/rate_limit"
        if window.remaining <= 0 and not free:
            return _graphql_exhausted(window) if is_graphql else self._exhausted(caller.account, window)
        show = Render(self.world, self.web + request.prefix, self.web, caller.account)
        if is_graphql:
            done = graphql.answer(At(self.world, caller, show, window), request)
        else:
            done = self._act_rest(Call(self.world, caller, request, show, self.quota, {}))
        window.used += 0 if free or done.status == 304 else 1
        done.headers |= window.headers() | _scope_headers(caller)
        return done

    @staticmethod
    def _act_rest(call: Call) -> Answer:
        try:
            return rest.answer(call)
        except Refused as error:
            return rest.refusal(error)

    @staticmethod
    def _exhausted(account: Account, window: Window) -> Answer:
        text = f"API rate limit exceeded for user ID {account.id}."
        return Answer(
            403, {"message": text, "documentation_url": "https://docs.github.com/rest"}, window.headers()
        )

    def _limited(self, secret: str, fault: Fault) -> Answer:
        status = fault.status if fault.status in {403, 429} else 403
        token = self.world.tokens.get(secret)
        if fault.primary and token is not None:
            self.quota.exhaust(token.account_id)
            window = self.quota.window(token.account_id, "core")
            limited = self._exhausted(self.world.accounts[token.account_id], window)
            limited.status = status
            return limited
        text = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."
        headers = {} if fault.retry_after_s is None else {"Retry-After": str(fault.retry_after_s)}
        return Answer(status, {"message": text, "documentation_url": "https://docs.github.com/rest"}, headers)

    def _write_down(self, request: Request, secret: str, status: int) -> None:
        token = self.world.tokens.get(secret)
        self.log.append(
            Logged(
                self.world.now(),
                request.method,
                request.path,
                request.query_text,
                status,
                request.headers.get("user-agent", ""),
                "if-none-match" in request.headers or "if-modified-since" in request.headers,
                "" if token is None else self.world.accounts[token.account_id].login,
                secret,
                request.body if not git_http.is_git(request.path) else b"",
            )
        )


def _without_prefix(request: Request) -> Request:
    for prefix in _PREFIXES:
        if request.path.startswith(f"{prefix}/") and (prefix != "/api" or request.path == "/api/graphql"):
            path = request.path.removeprefix(prefix)
            return Request(request.method, path, request.query_text, request.headers, request.body, "/api/v3")
    return request


def _scope_headers(caller: Caller) -> dict[str, str]:
    token = caller.token
    if token is None or token.kind is not TokenKind.CLASSIC:
        return {}
    return {"X-OAuth-Scopes": ", ".join(token.scopes), "X-Accepted-OAuth-Scopes": ""}


def _broken(fault: Fault) -> Answer:
    return Answer(fault.status, {"message": "Server Error"})


def _graphql_exhausted(window: Window) -> Answer:
    error = {"type": "RATE_LIMITED", "message": "API rate limit already exceeded."}
    return Answer(200, {"errors": [error]}, window.headers())
