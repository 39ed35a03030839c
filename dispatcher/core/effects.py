"""Every write to the outside world, as imperative values. Each carries a key that is unique for its cause."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, get_args

from dispatcher.core.model import Finding, ItemKey, LiveRun, Stage


@dataclass(frozen=True, slots=True)
class Effect:
    """The root of all effects. `key` names the cause: the same key is never performed as two things."""

    key: str


@dataclass(frozen=True, slots=True)
class Claim(Effect):
    """Assign the bot to the item, write the claim into the status comment, read both back."""

    item: ItemKey
    run: LiveRun


@dataclass(frozen=True, slots=True)
class StartRun(Effect):
    """Make the run's folder and checkout, and start its supervisor."""

    run: LiveRun
    repairs: str = ""
    repair_error: str = ""


@dataclass(frozen=True, slots=True)
class StopRun(Effect):
    """End a run and everything that it started."""

    run_id: str
    why: str


@dataclass(frozen=True, slots=True)
class Harvest(Effect):
    """Fetch what the run committed, refuse what must not leave, run the check on it."""

    run_id: str


@dataclass(frozen=True, slots=True)
class CheckHead(Effect):
    """Run the check on a head that somebody else pushed."""

    head: str


@dataclass(frozen=True, slots=True)
class Push(Effect):
    """Push the checked commit to the task's branch; `expected` is what the remote must still show ("" = absent)."""

    branch: str
    head: str
    expected: str


@dataclass(frozen=True, slots=True)
class OpenPull(Effect):
    """Open the pull request for the pushed branch, or find the one that is there. Its words are the task's."""

    branch: str
    base: str


@dataclass(frozen=True, slots=True)
class Rebase(Effect):
    """Rebase the branch on its base, check, push."""

    branch: str
    head: str


@dataclass(frozen=True, slots=True)
class ShowStage(Effect):
    """Make labels, assignees and the status comment show the stage. The only effect that writes labels."""

    stage: Stage


@dataclass(frozen=True, slots=True)
class PostReview(Effect):
    """Post the reviewer's verdict on exactly this head."""

    head: str
    approved: bool
    summary: str
    findings: tuple[Finding, ...]


class CommentKind(StrEnum):
    """What a comment is for; the words around `text` are chosen by kind."""

    ANSWER = "answer"
    BLOCKED = "blocked"
    NOTHING_TO_DO = "nothing-to-do"
    KEPT = "kept"


CONTINUED: Final = "continued"
"""Last line of the text about kept commits from which the next worker goes on."""


@dataclass(frozen=True, slots=True)
class PostComment(Effect):
    """Post a comment once. `text` is the agent's own words, for a blocked task its `blocked_why`, for a kept result its branch and why."""

    item: ItemKey
    kind: CommentKind
    text: str


@dataclass(frozen=True, slots=True)
class KeepResult(Effect):
    """Push what a superseded run committed to a branch of its own, and say where it is.

    `continues` is the task's head ("" before the first push) where the next worker goes on from those commits; None where nobody does.
    """

    run_id: str
    why: str
    continues: str | None = None


AnyEffect = (
    Claim
    | StartRun
    | StopRun
    | Harvest
    | CheckHead
    | Push
    | OpenPull
    | Rebase
    | ShowStage
    | PostReview
    | PostComment
    | KeepResult
)
"""The closed list, so that the type checker finds a `match` that forgets one."""

ALL_EFFECTS: tuple[type[Effect], ...] = get_args(AnyEffect)
