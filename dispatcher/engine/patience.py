"""A journal that cannot be used for a while (disk full, locked by another program) is waited for; not for ever."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from dispatcher.core.errors import JournalUnusable
from dispatcher.ports import Clock

PATIENCE = timedelta(minutes=10)
"""Long enough to make room on a disk or for a slow backup; a damaged file is no better after it."""

PAUSE_S = 5.0

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Patience:
    """Bears with an unusable journal, as long as it becomes usable again in time. `recover` picks up what was cut off."""

    clock: Clock
    recover: Callable[[], None]
    _since: datetime | None = None

    def bear(self, step: Callable[[], None]) -> None:
        """Do the step; where the journal cannot be used, pause instead. Raises JournalUnusable when that lasts too long.

        A step that was cut off half-way is no harm: effects are looked up before they are done again.
        """
        try:
            if self._since is not None:
                self.recover()
            step()
        except JournalUnusable as error:
            self._wait(error)
        else:
            if self._since is not None:
                log.warning("the journal can be used again")
            self._since = None

    def _wait(self, error: JournalUnusable) -> None:
        now = self.clock.now()
        if self._since is None:
            self._since = now
            minutes = int(PATIENCE.total_seconds() // 60)
            log.error("%s Trying again for %d minutes; runs go on.", error, minutes)
        elif now - self._since >= PATIENCE:
            raise error
        self.clock.wait(PAUSE_S)
