"""The primary rate limit: so many requests per hour and account, shared by all of the account's tokens."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from dispatcher.simulator.world import World

_WINDOWS_S = {"core": 3600, "graphql": 3600, "search": 60}


@dataclass(slots=True)
class Window:
    """What is used of a limit until `resets_at`."""

    limit: int
    used: int
    resets_at: datetime
    resource: str

    @property
    def remaining(self) -> int:
        """Say what is left."""
        return max(0, self.limit - self.used)

    def headers(self) -> dict[str, str]:
        """Render the x-ratelimit headers; reset is in epoch seconds."""
        return {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(self.remaining),
            "X-RateLimit-Used": str(self.used),
            "X-RateLimit-Reset": str(int(self.resets_at.timestamp())),
            "X-RateLimit-Resource": self.resource,
        }


@dataclass(slots=True)
class Quota:
    """The windows of all accounts."""

    world: World
    windows: dict[tuple[int, str], Window] = field(default_factory=dict)

    def window(self, account_id: int, resource: str) -> Window:
        """Get the account's window of a resource (`core`, `graphql`, `search`), a new one when the old ran out."""
        now = self.world.now()
        found = self.windows.get((account_id, resource))
        if found is None or found.resets_at <= now:
            resets_at = now + timedelta(seconds=_WINDOWS_S[resource])
            found = self.windows[account_id, resource] = Window(self._limit(resource), 0, resets_at, resource)
        found.limit = self._limit(resource)
        return found

    def _limit(self, resource: str) -> int:
        settings = self.world.settings
        limits = {
            "core": settings.core_limit,
            "graphql": settings.graphql_limit,
            "search": settings.search_limit,
        }
        return limits[resource]

    def exhaust(self, account_id: int, resource: str = "core") -> None:
        """Use up everything that is left in the account's window."""
        window = self.window(account_id, resource)
        window.used = window.limit
