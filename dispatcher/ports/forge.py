"""The forge, as the engine needs it: what it is asked and what it is told to write."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from dispatcher.core.guarding import BaseGuard
from dispatcher.core.model import (
    Finding,
    Hold,
    ItemKey,
    ItemSummary,
    Permission,
    Person,
    Snapshot,
    Task,
)
from dispatcher.core.rules import LabelNames, RepoRules


@dataclass(frozen=True, slots=True)
class Wake:
    """A notification: "look here". It proves nothing."""

    key: ItemKey
    repo: str
    thread_id: str
    reason: str
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Look:
    """One polling cycle's answer. `notifications_read_to` is what `mark_read` takes once everything is journalled."""

    wakes: tuple[Wake, ...]
    items: tuple[ItemSummary, ...]
    notifications_read_to: datetime | None
    next_poll_s: float


@dataclass(frozen=True, slots=True)
class Repo:
    """A watched repository as the forge knows it. `rules` is its part of the configuration."""

    id: int
    full_name: str
    default_branch: str
    rules: RepoRules
    permission: Permission
    clone_url: str


@dataclass(frozen=True, slots=True)
class RepoTrouble:
    """Why a configured repository cannot be worked on, and what to do about it."""

    full_name: str
    why: str


@dataclass(frozen=True, slots=True)
class Intake:
    """How new work is found with this token; `doctor` shows `why`."""

    kind: str  # "lists" (notifications + /issues), or "search" (GraphQL search per owner)
    why: str


@dataclass(frozen=True, slots=True)
class ClaimOrder:
    """What `claim` writes: who claims (`instance`), for which run, until when, and the status text above the marker."""

    item: ItemKey
    repo: str
    run_id: str
    instance: str
    expires_at: datetime
    status_text: str
    status_comment_id: int | None


@dataclass(frozen=True, slots=True)
class StageOrder:
    """What the forge must show for a task. Labels in `add`/`remove`; assignees as logins; only differences are written.

    `issue` and `pull` say the same for the two items of a task; None = leave that item alone.
    """

    repo: str
    issue: "ItemOrder | None"
    pull: "ItemOrder | None"
    status_text: str
    status_on: ItemKey
    status_comment_id: int | None


@dataclass(frozen=True, slots=True)
class ItemOrder:
    """Labels to add and to remove, people to assign and to unassign, on one item."""

    key: ItemKey
    add_labels: frozenset[str] = frozenset()
    remove_labels: frozenset[str] = frozenset()
    assign: tuple[str, ...] = ()
    unassign: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Written:
    """A write's receipt: the newest `updated_at` that is our own doing, and the status comment's id if one was written.

    `missing_assignees` are logins that GitHub silently refused to assign; everything else stands.
    """

    updated_at: datetime | None
    status_comment_id: int | None = None
    missing_assignees: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PullOrder:
    """A pull request to open. `key` becomes the hidden marker that finds it again."""

    repo: str
    branch: str
    base: str
    title: str
    body: str
    key: str


@dataclass(frozen=True, slots=True)
class OpenedPull:
    """The pull request that is there after `open_pull`."""

    number: int
    head: str
    updated_at: datetime | None


@dataclass(frozen=True, slots=True)
class ReviewOrder:
    """A verdict to post as one COMMENT review; findings outside the diff go into the body."""

    item: ItemKey
    repo: str
    head: str
    body: str
    findings: tuple[Finding, ...]
    key: str


class Forge(Protocol):
    """GitHub, as the engine needs it. Every call may raise RetryLater, QuotaSpent, NeedsPerson, BadCredential, Gone."""

    def fetch_identity(self) -> Person:
        """The bot account that the token belongs to."""
        ...

    def choose_intake(self) -> Intake:
        """Find out what the token can do and settle how new work is found."""
        ...

    def fetch_repos(self, rules: Sequence[RepoRules]) -> tuple[tuple[Repo, ...], tuple[RepoTrouble, ...]]:
        """Look the configured repositories up; those that cannot be used come back as troubles, never as an error."""
        ...

    def fetch_base_guard(self, repo: Repo) -> BaseGuard:
        """Whether the bot could push to the repository's base branch, or merge into it, by itself."""
        ...

    def look(self, repos: Sequence[Repo], turn_labels: frozenset[str]) -> Look:
        """Ask once what is new: at most two conditional requests. Cursors live in the journal's `Cursors`."""
        ...

    def sweep(self, repos: Sequence[Repo], labels: Sequence[LabelNames]) -> tuple[ItemSummary, ...]:
        """List every open item of ours (turn label, or assigned to the bot, or opened by it), whatever the cursors say."""
        ...

    def fetch_snapshot(self, repo: Repo, task: Task) -> Snapshot:
        """Read issue, pull request, comments, reviews, CI and claim markers of a task: one request.

        `task.key` may be an issue or a pull request; `task.pull` names the pull request when it is known; when it
        is not, the open pull request of the branch prefix `bot/<issue>-` (or the one that says it closes the issue and was
        opened by the bot) is found in the same request.
        """
        ...

    def fetch_permission(self, repo: Repo, person: Person) -> Permission:
        """What this person may do in the repository (cached with an expiry)."""
        ...

    def fetch_is_member(self, team: str, person: Person) -> bool:
        """Whether the person is in `@org/team` (cached with an expiry)."""
        ...

    def claim(self, order: ClaimOrder) -> Snapshot:
        """Assign the bot in one PATCH, write the status comment with our marker, and read everything back.

        The snapshot is read after the write. Raises ClaimLost if the assignment did not hold.
        """
        ...

    def show_stage(self, order: StageOrder) -> Written:
        """Make labels, assignees and status comment as ordered; writing nothing where they already are."""
        ...

    def open_pull(self, order: PullOrder) -> OpenedPull:
        """Open the pull request, or return the one that the branch already has."""
        ...

    def post_review(self, order: ReviewOrder) -> Written:
        """Post one review, unless one with this key is there."""
        ...

    def post_comment(self, item: ItemKey, repo: str, text: str, key: str) -> Written:
        """Post one comment, unless one with this key is there."""
        ...

    def mark_read(self, until: datetime) -> None:
        """Mark notifications up to and including `until` as read, in one request."""
        ...

    def create_labels(self, repo: Repo, also: Collection[str] = ()) -> tuple[str, ...]:
        """Create the labels that are missing, ours and others that are wanted; returns their names."""
        ...

    def quota_hold(self) -> Hold | None:
        """The hold of the credential, while its quota is spent."""
        ...
