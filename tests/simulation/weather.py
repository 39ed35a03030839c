"""What can go wrong around one machine: a clock that is off, a forge that fails, a full disk, a kill at any moment.

Every port of a machine tells its `Weather` when the outside world is about to be touched and when it has been. There the
weather may raise: a fault that the port's real part would raise too, or `Killed`, which is the daemon's sudden death.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import TypeVar

from dispatcher.core.errors import JournalUnusable, QuotaSpent, RetryLater

T = TypeVar("T")


class Killed(BaseException):
    """SIGKILL: nothing of the daemon runs any further."""


class WorldClock:
    """The true time; it passes only when the simulation says so."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 3, 2, 9, 0, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.moment

    def pass_by(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)


@dataclass
class MachineClock:
    """One machine's idea of the time: off by `skew_s`."""

    world: WorldClock
    skew_s: float = 0.0

    def now(self) -> datetime:
        return self.world.moment + timedelta(seconds=self.skew_s)

    def wait(self, seconds: float) -> None:
        self.world.pass_by(seconds)


@dataclass
class Weather:
    """The faults around one machine. Chances are per call, 0 in calm weather."""

    chance: Random
    clock: WorldClock
    forge_fails: float = 0.0
    forge_spent: float = 0.0
    lists_stale: float = 0.0
    snapshots_stale: float = 0.0
    git_fails: float = 0.0
    runs_fail: float = 0.0
    journal_fails: float = 0.0
    kill_in: int = 0
    meanwhile_in: int = 0
    meanwhile: Callable[[], None] | None = None
    spent_until: datetime | None = None
    boundaries: int = 0
    faults: int = 0
    _is_aside: bool = field(default=False)

    def calm(self) -> None:
        """Every fault ends."""
        self.forge_fails = self.forge_spent = self.lists_stale = self.snapshots_stale = 0.0
        self.git_fails = self.runs_fail = self.journal_fails = 0.0
        self.kill_in = self.meanwhile_in = 0
        self.meanwhile = None
        self.spent_until = None

    def boundary(self) -> None:
        """A moment between two touches of the outside world: whatever can happen in between, happens here."""
        self.boundaries += 1
        if self.kill_in:
            self.kill_in -= 1
            if not self.kill_in:
                raise Killed
        self.interleave()

    def interleave(self) -> None:
        """A moment in which others act, but in which a kill changes nothing: the request is with the forge already."""
        if self.meanwhile is not None and not self._is_aside:
            self.meanwhile_in -= 1
            if self.meanwhile_in <= 0:
                act, self.meanwhile = self.meanwhile, None
                self._is_aside = True
                try:
                    act()
                finally:
                    self._is_aside = False

    def ask_forge(self, act: Callable[[], T], *, writes: bool) -> T:
        """One request: it may fail before the forge acted, or after; a write takes a moment."""
        self.boundary()
        now = self.clock.moment
        if self.spent_until and now < self.spent_until:
            raise QuotaSpent("the quota is used up", self.spent_until)
        if self._happens(self.forge_spent):
            wait_s = self.chance.choice((7, 60, 60, 600))  # Retry-After, or GitHub's default without one
            self.spent_until = now + timedelta(seconds=wait_s)
            raise QuotaSpent("403: rate limit", self.spent_until)
        if self._happens(self.forge_fails):
            if writes and self.chance.random() < 0.5:
                act()
                raise RetryLater("502 after acting")
            raise RetryLater(self.chance.choice(("502", "timeout", "connection reset")))
        if writes:
            self.clock.pass_by(self.chance.choice((0.0, 0.3, 1.0)))
        done = act()
        self.boundary()
        return done

    def use_git(self, act: Callable[[], T]) -> T:
        """Something with the remote: it may be out of reach, or drop the connection after acting."""
        self.boundary()
        if self._happens(self.git_fails):
            if self.chance.random() < 0.5:
                act()
            raise RetryLater("git: the connection was dropped")
        done = act()
        self.boundary()
        return done

    def use_disk(self, act: Callable[[], T]) -> T:
        """Writing a run's folder or starting a process."""
        self.boundary()
        if self._happens(self.runs_fail):
            raise OSError(28, "No space left on device")
        done = act()
        self.boundary()
        return done

    def use_journal(self, act: Callable[[], T]) -> T:
        """One transaction: all of it or nothing."""
        self.boundary()
        if self._happens(self.journal_fails):
            raise JournalUnusable(self.chance.choice(("the disk is full", "the journal is locked")))
        done = act()
        self.boundary()
        return done

    def lists_are_stale(self) -> bool:
        return self._happens(self.lists_stale)

    def snapshot_is_stale(self) -> bool:
        """Whether a replica answers that lags behind."""
        return self._happens(self.snapshots_stale)

    def _happens(self, likely: float) -> bool:
        if likely and self.chance.random() < likely:
            self.faults += 1
            return True
        return False
