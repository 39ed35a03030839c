"""What can go wrong, sorted by who must act."""

from datetime import datetime


class DispatcherError(Exception):
    """The root of every error that this project raises on purpose."""


class RetryLater(DispatcherError):
    """Nobody must act; a later tick tries again, not before `until` (aware UTC) where that is known."""

    def __init__(self, message: str, until: datetime | None = None) -> None:
        super().__init__(message)
        self.until = until


class QuotaSpent(RetryLater):
    """The forge's quota is used up; `until` says when it comes back."""


class NeedsPerson(DispatcherError):
    """Somebody must change something; `cure` says what."""

    def __init__(self, message: str, cure: str = "") -> None:
        super().__init__(f"{message} {cure}".strip())
        self.cure = cure


class ProgramAbsent(NeedsPerson):
    """A program that the configuration names is not installed where the dispatcher runs."""


class BadConfig(NeedsPerson):
    """The configuration (file, environment, prompt files) cannot be used. The message names file, key, value, cure."""


class BadCredential(NeedsPerson):
    """The token is missing, refused, or lacks a scope."""


class Gone(NeedsPerson):
    """The repository or item is not there (deleted, moved, or hidden from this token)."""


class ClaimLost(DispatcherError):
    """Somebody else has the item, or it changed under our hands; no penalty for the task."""


class JournalUnusable(NeedsPerson):
    """The database is locked, full, damaged, or written by a newer version."""


class AlreadyRunning(NeedsPerson):
    """Another dispatcher holds this state folder; the message names it."""
