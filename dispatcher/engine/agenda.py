"""Which tasks are worth a look in this tick, so that ten thousand that wait cost nothing."""

import heapq
from dataclasses import dataclass, field
from datetime import datetime

from dispatcher.core.model import Hold, HoldKind, ItemKey

SLOT_HOLDS = frozenset(
    {
        HoldKind.CAP,
        HoldKind.RUNS_PER_HOUR,
        HoldKind.BATCH_PAUSE,
        HoldKind.QUOTA,
        HoldKind.BUDGET,
        HoldKind.DRAINING,
        HoldKind.REPO_UNUSABLE,
    }
)
"""Holds that end when something outside the task changes."""


@dataclass(slots=True)
class Agenda:
    """Keys of tasks that changed, that an alarm is set for, or that wait for a slot. Rebuilt from the journal at start."""

    _touched: set[ItemKey] = field(default_factory=set)
    _for_slot: set[ItemKey] = field(default_factory=set)
    _alarms: list[tuple[datetime, ItemKey]] = field(default_factory=list)

    @property
    def has_news(self) -> bool:
        """Whether something changed since the last `take_due`."""
        return bool(self._touched)

    def touch(self, key: ItemKey) -> None:
        """Something about the task changed."""
        self._touched.add(key)

    def park(self, key: ItemKey, hold: Hold) -> None:
        """The task waits; look again when the hold ends."""
        if hold.kind in SLOT_HOLDS:
            self._for_slot.add(key)
        elif hold.until is not None:
            self.set_alarm(key, hold.until)

    def set_alarm(self, key: ItemKey, at: datetime) -> None:
        """Look at the task again at that moment."""
        heapq.heappush(self._alarms, (at, key))

    def take_due(self, now: datetime, *, slot_is_free: bool) -> tuple[ItemKey, ...]:
        """The tasks to look at now; each is forgotten until it is touched or parked again."""
        due, self._touched = self._touched, set()
        while self._alarms and self._alarms[0][0] <= now:
            due.add(heapq.heappop(self._alarms)[1])
        if slot_is_free:
            due |= self._for_slot
            self._for_slot = set()
        return tuple(sorted(due))
