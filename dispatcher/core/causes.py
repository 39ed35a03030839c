"""Why a task is blocked: one closed list of causes, and the one-line text in which a task carries its cause."""

from enum import StrEnum


class BlockCause(StrEnum):
    """The limit or event that made a task a person's turn. Each has its own comment on the forge."""

    QUESTION = "question"
    CANNOT = "cannot"
    NOTHING_TO_DO = "nothing-to-do"
    ATTEMPTS = "attempts"
    ROUNDS = "rounds"
    SAME_CHECK_FAILURE = "same-check-failure"
    REFUSED = "refused"
    WITHHELD = "withheld"
    NO_COMMIT = "no-commit"
    CI_NEVER_SETTLED = "ci-never-settled"
    EFFECT_REFUSED = "effect-refused"
    MALFORMED = "malformed"
    FORK = "fork"
    EDITED = "edited"
    NO_AGENT = "no-agent"
    BUDGET = "budget"
    STOPPED = "stopped"
    TWO_STAGES = "two-stages"
    CHECK_ABSENT = "check-absent"


def render_why(cause: BlockCause, detail: str = "") -> str:
    """The text for `Task.blocked_why`: `cause: detail`, or the bare cause when there is nothing to add."""
    detail = detail.strip()
    return f"{cause}: {detail}" if detail else str(cause)


def parse_why(text: str) -> tuple[BlockCause | None, str]:
    """Take `render_why` apart: the cause and its detail; (None, text) when no known cause begins the text."""
    name, _, detail = text.partition(":")
    try:
        return BlockCause(name.strip()), detail.strip()
    except ValueError:
        return None, text.strip()
