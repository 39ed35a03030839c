"""Time, as the engine needs it."""

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """The only source of time."""

    def now(self) -> datetime:
        """The present moment, aware, UTC."""
        ...

    def wait(self, seconds: float) -> None:
        """Pause for at most `seconds`; returns early when the daemon is asked to stop."""
        ...
