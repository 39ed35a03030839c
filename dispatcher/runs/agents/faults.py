"""Faults of the set-up, as the agent programs tell them: no login, no quota, a vendor whose server fails. Not the task's doing."""

import re

from dispatcher.ports import Fault

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
    return Fault(
        f"{kind}: {status} from the API ({meaning}){words}", needs_person=status in {401, 402, 403, 404}
    )


def fault_of_text(kind: str, said: str) -> Fault:
    """The fault behind a program's own words, by the status that they name, if they do."""
    found = _STATUS.search(said)
    if found:
        return fault_of_status(kind, int(found[1]), said)
    return Fault(f"{kind}: {_one_line(said)}", needs_person=False)


def fault_of_denial(kind: str, tools: list[str]) -> Fault:
    """The fault of permissions that are too narrow for a run without a person beside it."""
    named = ", ".join(sorted(set(tools))) or "a tool"
    return Fault(
        f"{kind}: permission denied for {named}; widen its permissions in extra_args", needs_person=True
    )


def _one_line(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= _TEXT_LIMIT else f"{flat[:_TEXT_LIMIT]}…"
