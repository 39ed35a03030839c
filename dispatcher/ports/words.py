"""What people read on the forge, as the engine needs it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from dispatcher.core.effects import CommentKind
from dispatcher.core.model import (
    Finding,
    Task,
)


class Words(Protocol):
    """Every text that a person reads on the forge (surfaces/messages)."""

    def status(self, task: Task, now: datetime) -> str:
        """The status comment, without its marker."""
        ...

    def comment(self, task: Task, kind: CommentKind, text: str) -> str:
        """A comment of this kind around the agent's text (or a blocked task's cause)."""
        ...

    def pull_title(self, task: Task) -> str:
        """The pull request's title."""
        ...

    def pull_body(self, task: Task) -> str:
        """The pull request's description."""
        ...

    def review(self, task: Task, *, approved: bool, summary: str, findings: Sequence[Finding]) -> str:
        """The body of a review; `findings` are those without a line."""
        ...

    def remark(self, task: Task, finding: Finding) -> str:
        """The text of one finding on a line."""
        ...

    def kept(self, branch: str, why: str) -> str:
        """The comment that says where a superseded run's commits are."""
        ...
