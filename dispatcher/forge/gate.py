"""The quota of one credential: what GitHub's headers said is left, and until when nothing may be sent."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from dispatcher.core.errors import QuotaSpent
from dispatcher.core.model import Hold, HoldKind
from dispatcher.ports import Clock

SECONDARY_PAUSE_S = 60.0
"""The pause after a refusal that names no time (GitHub's documentation: at least one minute, then growing)."""
LONGEST_PAUSE_S = 900.0
"""Where the growing pause stops growing."""
_LIMIT_WORDS = (
    "rate limit",
    "abuse detection",
    "please wait a few minutes",
    "retry your request again later",
)


@dataclass(frozen=True, slots=True)
class Quota:
    """What one resource (core, graphql, search) has left until `reset_at`."""

    limit: int
    remaining: int
    reset_at: datetime


def is_limit(status: int, headers: Mapping[str, str], message: str) -> bool:
    """Whether a refusal is a rate limit: the server did not act, and the same request may be sent later."""
    if status == 429:
        return True
    if status != 403:
        return False
    if "retry-after" in headers or headers.get("x-ratelimit-remaining") == "0":
        return True
    return any(words in message.lower() for words in _LIMIT_WORDS)


def parse_retry_after(text: str, now: datetime) -> datetime | None:
    """The moment that a Retry-After header (seconds or an HTTP date) names; None when it names none."""
    if text.strip().isdigit():
        return now + timedelta(seconds=int(text.strip()))
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


@dataclass(slots=True)
class Gate:
    """Remembers quotas per resource and pauses for the whole credential. It never sleeps: it refuses with a time."""

    clock: Clock
    quotas: dict[str, Quota] = field(default_factory=dict)
    paused_until: datetime | None = None
    refusals_in_a_row: int = 0

    def check(self, resource: str) -> None:
        """Raises QuotaSpent when nothing of this resource may be sent now."""
        until = self._closed_until(resource)
        if until is not None:
            raise QuotaSpent(f"GitHub's quota ({resource}) is used up until {until:%H:%M:%S} UTC", until)

    def note(self, resource: str, headers: Mapping[str, str]) -> None:
        """Learn from the headers of an answer."""
        name = headers.get("x-ratelimit-resource", resource)
        try:
            quota = Quota(
                limit=int(float(headers["x-ratelimit-limit"])),
                remaining=int(float(headers["x-ratelimit-remaining"])),
                reset_at=datetime.fromtimestamp(int(float(headers["x-ratelimit-reset"])), UTC),
            )
        except (KeyError, ValueError, OverflowError, OSError):
            return
        self.quotas[name] = quota

    def welcome(self) -> None:
        """A request was served: the growing pause starts small again."""
        self.refusals_in_a_row = 0

    def refuse(self, resource: str, headers: Mapping[str, str]) -> datetime:
        """A request was refused by a limit; returns when to try again (Retry-After, else reset, else 60 s growing)."""
        now = self.clock.now()
        self.note(resource, headers)
        quota = self.quotas.get(headers.get("x-ratelimit-resource", resource))
        until = parse_retry_after(headers.get("retry-after", ""), now)
        if until is None and quota and quota.remaining == 0 and quota.reset_at > now:
            return quota.reset_at
        if until is None:
            pause_s = min(SECONDARY_PAUSE_S * 2.0**self.refusals_in_a_row, LONGEST_PAUSE_S)
            self.refusals_in_a_row = min(self.refusals_in_a_row + 1, 10)
            until = now + timedelta(seconds=pause_s)
        self.paused_until = max(until, self.paused_until or until)
        return until

    def hold(self) -> Hold | None:
        """The hold while any resource that work needs is spent."""
        closed = [until for name in ("core", "graphql") if (until := self._closed_until(name))]
        if not closed:
            return None
        return Hold(HoldKind.QUOTA, "GitHub's quota coming back", max(closed))

    def _closed_until(self, resource: str) -> datetime | None:
        now = self.clock.now()
        quota = self.quotas.get(resource)
        moments = [self.paused_until] if self.paused_until else []
        if quota and quota.remaining <= 0:
            moments.append(quota.reset_at)
        open_at = max(moments, default=now)
        return open_at if open_at > now else None
