"""Faults on demand: what goes wrong with which coming request."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum


class What(Enum):
    """What goes wrong."""

    DELAY = "delay"
    FAIL_BEFORE = "5xx, nothing was done"
    FAIL_AFTER = "5xx, though it was done"
    LIMIT = "rate limit, nothing was done"
    DROP_BEFORE = "connection dropped, nothing was done"
    DROP_AFTER = "connection dropped, though it was done"
    STALE = "the answer that this request got last time"


@dataclass(slots=True)
class Fault:
    """A rule: the requests it matches, how many it lets pass first, how many it hits (None: all).

    `path` is searched in path and query, without the API's prefix, and `body` in what was sent; `status` is that of FAIL_* (5xx) and LIMIT (403, 429);
    a LIMIT without `retry_after_s` sends no Retry-After header; `primary` makes it the hourly limit, used up.
    """

    what: What
    path: str = ""
    method: str = ""
    body: str = ""
    skip: int = 0
    count: int | None = 1
    status: int = 502
    delay_s: float = 0.0
    retry_after_s: int | None = None
    primary: bool = False
    hits: int = 0

    def matches(self, method: str, path: str, body: bytes = b"") -> bool:
        """Say whether the rule is about this request, and count the request."""
        about = re.fullmatch(self.method or ".*", method) and re.search(self.path, path)
        if not about or not re.search(self.body.encode(), body) or self.count == 0:
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        self.count = None if self.count is None else self.count - 1
        self.hits += 1
        return True


@dataclass(slots=True)
class Faults:
    """The rules in force, in the order they were made."""

    rules: list[Fault] = field(default_factory=list)

    def add(self, fault: Fault) -> Fault:
        """Put a rule in force; its `hits` then tell what became of it."""
        self.rules.append(fault)
        return fault

    def clear(self) -> None:
        """Let everything go well again."""
        self.rules.clear()

    def take(self, method: str, path: str, body: bytes = b"") -> dict[What, Fault]:
        """Find what goes wrong with this request."""
        return {rule.what: rule for rule in self.rules if rule.matches(method, path, body)}
