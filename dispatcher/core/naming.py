"""Names that the dispatcher makes for branches: pure, safe as a git ref, readable."""

import re
import unicodedata
from typing import Final

BRANCH_PREFIX: Final = "bot/"
KEPT_PREFIX: Final = "bot/kept/"
_LONGEST: Final = 60
_NOT_A_WORD: Final = re.compile(r"[^a-z0-9]+")
_OURS: Final = re.compile(r"bot/([0-9]{1,12})-")


def branch_name(number: int, title: str) -> str:
    """`bot/<issue>-<slug of the title>`, at most 60 ASCII characters; `change` where the title has no usable letter."""
    start = f"{BRANCH_PREFIX}{number}-"
    return start + _slug(title, _LONGEST - len(start))


def kept_branch(run_id: str) -> str:
    """The branch on which the result of a superseded run is kept."""
    return KEPT_PREFIX + (_NOT_A_WORD.sub("-", run_id.lower())[:_LONGEST].strip("-") or "run")


def branch_prefix(number: int) -> str:
    """What every branch of this issue begins with, whatever its title was at the time."""
    return f"{BRANCH_PREFIX}{number}-"


def issue_of_branch(branch: str) -> int | None:
    """The issue that a branch of ours belongs to (`bot/7-fix-it` -> 7), or None."""
    found = _OURS.match(branch)
    return int(found[1]) if found else None


def _slug(title: str, room: int) -> str:
    plain = unicodedata.normalize("NFKD", title.casefold()).encode("ascii", "ignore").decode()
    words = _NOT_A_WORD.sub("-", plain).strip("-")
    if len(words) > room:
        cut = words[: room + 1].rpartition("-")[0]
        words = (cut or words)[:room].strip("-")
    return words or "change"
