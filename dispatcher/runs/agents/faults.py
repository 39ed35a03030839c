"""Faults of the set-up, as the agent programs tell them: no login, no quota, a vendor whose server fails. Not the task's doing."""

import re

from dispatcher.core.faults import Fault, FaultKind

_STATUS = re.compile(r"(?<![\d.])(401|402|403|404|429|5\d\d)(?![\d.])")
_MEANINGS = {
    401: "the login is missing, wrong or expired",
    402: "the account has no money left",
    403: "the account may not use this",
    404: "there is no such model or address",
    429: "rate limited, or the quota is used up",
}
_TEXT_LIMIT = 300


def fault_of_status(kind: str, status: int, said: str = "") -> Fault:
    """The fault behind an answer of the vendor's API. What the account or the configuration must change needs a person."""
    meaning = _MEANINGS.get(status, "the vendor's server fails")
    words = f": {_one_line(said)}" if said else ""
    return Fault(_kind_of(status), f"{kind}: {status} from the API ({meaning}){words}")


def fault_of_text(kind: str, said: str) -> Fault:
    """The fault behind a program's own words, by the status that they name, if they do."""
    found = _STATUS.search(said)
    if found:
        return fault_of_status(kind, int(found[1]), said)
    return Fault(FaultKind.OVERLOAD, f"{kind}: {_one_line(said)}")


def fault_of_denial(kind: str, tools: list[str]) -> Fault:
    """The fault of permissions that are too narrow for a run without a person beside it."""
    named = ", ".join(sorted(set(tools))) or "a tool"
    return Fault(
        FaultKind.SETTINGS, f"{kind}: permission denied for {named}; widen its permissions in extra_args"
    )


def _kind_of(status: int) -> FaultKind:
    match status:
        case 401 | 402 | 403:
            return FaultKind.LOGIN
        case 404:
            return FaultKind.SETTINGS
        case 429:
            return FaultKind.RATE_LIMIT
        case _:
            return FaultKind.OVERLOAD


def _one_line(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= _TEXT_LIMIT else f"{flat[:_TEXT_LIMIT]}…"
