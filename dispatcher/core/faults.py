"""What of the set-up kept an agent from working: the account, the quota, the vendor, the program. Never the task's doing."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class FaultKind(StrEnum):
    """What is at fault, as far as it decides who must act and when it can be tried again."""

    LOGIN = "login"
    """The account is not let in: the login is missing, wrong or expired, may not do this, or has no money. Until a person acts."""
    QUOTA = "quota"
    """What the account may use is used up. Until `Fault.reset_at`, where the program names a time."""
    RATE_LIMIT = "rate-limit"
    """Too many requests just now: minutes."""
    OVERLOAD = "overload"
    """The vendor's server fails, is overloaded, or cannot be reached: minutes."""
    CRASH = "crash"
    """The program ends with an error before the model was asked anything."""
    SETTINGS = "settings"
    """The configuration: an unknown model, a permission or a sandbox that is too narrow. Until a person acts."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One such fault, by the program's own account. `reset_at` (aware UTC) only where the program names a time."""

    kind: FaultKind
    text: str
    reset_at: datetime | None = None

    @property
    def needs_person(self) -> bool:
        """Whether waiting does not cure it."""
        return self.kind in {FaultKind.LOGIN, FaultKind.SETTINGS}
