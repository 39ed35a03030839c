"""The nouns of the simulated forge: mutable records that hold state and know no rules.

All times are aware UTC datetimes in whole seconds, as GitHub's are. Records point to each other by numeric id.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, IntEnum, StrEnum


class Level(IntEnum):
    """What a person may do in one repository, in GitHub's order."""

    NONE = 0
    READ = 1
    TRIAGE = 2
    WRITE = 3
    MAINTAIN = 4
    ADMIN = 5

    @property
    def word(self) -> str:
        """Render the level as REST's role name."""
        return self.name.lower()


LEVELS: Mapping[str, Level] = {level.word: level for level in Level}


class AccountKind(StrEnum):
    """What stands behind a login."""

    USER = "User"
    BOT = "Bot"
    ORGANIZATION = "Organization"


class TokenKind(Enum):
    """The three kinds of token that matter to a dispatcher."""

    CLASSIC = "classic"
    FINE_GRAINED = "fine-grained"
    INSTALLATION = "installation"


class Reason(StrEnum):
    """Why a person got a notification."""

    MENTION = "mention"
    TEAM_MENTION = "team_mention"
    ASSIGN = "assign"
    AUTHOR = "author"
    COMMENT = "comment"
    REVIEW_REQUESTED = "review_requested"
    STATE_CHANGE = "state_change"
    SUBSCRIBED = "subscribed"


class EventKind(StrEnum):
    """What happened to an issue or pull request, in the words of REST's events and timeline."""

    LABELED = "labeled"
    UNLABELED = "unlabeled"
    ASSIGNED = "assigned"
    UNASSIGNED = "unassigned"
    CLOSED = "closed"
    REOPENED = "reopened"
    MERGED = "merged"
    RENAMED = "renamed"
    REVIEW_REQUESTED = "review_requested"
    REVIEW_REQUEST_REMOVED = "review_request_removed"
    READY_FOR_REVIEW = "ready_for_review"
    CONVERTED_TO_DRAFT = "convert_to_draft"
    HEAD_FORCE_PUSHED = "head_ref_force_pushed"
    HEAD_DELETED = "head_ref_deleted"
    MENTIONED = "mentioned"
    BLOCKED_BY_ADDED = "blocked_by_added"
    BLOCKED_BY_REMOVED = "blocked_by_removed"
    COMMENTED = "commented"
    REVIEWED = "reviewed"
    COMMITTED = "committed"


TIMELINE_ONLY = frozenset({EventKind.COMMENTED, EventKind.REVIEWED, EventKind.COMMITTED})


class ReviewState(StrEnum):
    """How a review stands."""

    PENDING = "PENDING"
    COMMENTED = "COMMENTED"
    APPROVED = "APPROVED"
    CHANGES_REQUESTED = "CHANGES_REQUESTED"
    DISMISSED = "DISMISSED"


@dataclass(slots=True)
class Team:
    """A team of an organization."""

    id: int
    slug: str
    name: str
    member_ids: set[int] = field(default_factory=set)


@dataclass(slots=True)
class Account:
    """A user, a bot or an organization."""

    id: int
    login: str
    kind: AccountKind
    created_at: datetime
    member_ids: set[int] = field(default_factory=set)
    teams: dict[str, Team] = field(default_factory=dict)
    site_admin: bool = False


@dataclass(slots=True)
class Token:
    """A credential; `permissions` maps an area (`issues`, `pull_requests`, `contents`...) to `read` or `write`."""

    value: str
    account_id: int
    kind: TokenKind
    scopes: tuple[str, ...] = ()
    permissions: dict[str, str] = field(default_factory=dict)
    repo_ids: frozenset[int] | None = None
    revoked: bool = False


@dataclass(slots=True)
class Label:
    """A label of one repository."""

    id: int
    name: str
    color: str = "ededed"
    description: str | None = None


@dataclass(slots=True)
class Event:
    """One entry of a timeline; only the fields of its kind are set."""

    id: int
    kind: EventKind
    actor_id: int
    at: datetime
    label: Label | None = None
    subject_id: int | None = None
    sha: str | None = None
    old: str = ""
    new: str = ""


@dataclass(slots=True)
class Comment:
    """An issue comment (also the plain comments of a pull request)."""

    id: int
    author_id: int
    body: str
    created_at: datetime
    updated_at: datetime
    edited_at: datetime | None = None
    editor_id: int | None = None
    minimized: bool = False


@dataclass(slots=True)
class LineComment:
    """A review comment on a line (or, when `line` is None, on a whole file) of a diff."""

    id: int
    review_id: int
    author_id: int
    path: str
    line: int | None
    side: str
    body: str
    sha: str
    created_at: datetime
    updated_at: datetime
    diff_hunk: str = ""
    start_line: int | None = None
    reply_to: int | None = None
    edited_at: datetime | None = None
    resolved: bool = False


@dataclass(slots=True)
class Review:
    """A review of a pull request at one commit; `submitted_at` is None while it is pending."""

    id: int
    author_id: int
    state: ReviewState
    body: str
    sha: str
    created_at: datetime
    updated_at: datetime
    submitted_at: datetime | None
    edited_at: datetime | None = None


@dataclass(slots=True)
class Pull:
    """The part of an issue that makes it a pull request."""

    id: int
    head_repo_id: int
    head_ref: str
    head_sha: str
    base_ref: str
    base_sha: str
    draft: bool = False
    merged_at: datetime | None = None
    merged_by: int | None = None
    merge_sha: str | None = None
    reviews: list[Review] = field(default_factory=list)
    line_comments: list[LineComment] = field(default_factory=list)
    requested_reviewers: list[int] = field(default_factory=list)
    requested_teams: list[str] = field(default_factory=list)
    mergeable_for: tuple[str, str] | None = None
    unknown_reads_left: int = 0


@dataclass(slots=True)
class Issue:
    """An issue, or a pull request when `pull` is set."""

    id: int
    repo_id: int
    number: int
    author_id: int
    title: str
    body: str | None
    created_at: datetime
    updated_at: datetime
    is_open: bool = True
    state_reason: str | None = None
    closed_at: datetime | None = None
    closed_by: int | None = None
    edited_at: datetime | None = None
    editor_id: int | None = None
    labels: dict[int, Label] = field(default_factory=dict)
    assignee_ids: list[int] = field(default_factory=list)
    comments: list[Comment] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    blocked_by: list[int] = field(default_factory=list)
    blocking: list[int] = field(default_factory=list)
    subscribers: dict[int, Reason] = field(default_factory=dict)
    pull: Pull | None = None
    locked: bool = False


@dataclass(slots=True)
class Status:
    """A commit status."""

    id: int
    context: str
    state: str
    creator_id: int
    created_at: datetime
    description: str | None = None
    target_url: str | None = None


@dataclass(slots=True)
class CheckRun:
    """A check run, written by an App."""

    id: int
    name: str
    sha: str
    status: str
    conclusion: str | None
    creator_id: int
    started_at: datetime
    completed_at: datetime | None = None
    details_url: str | None = None
    title: str | None = None
    summary: str | None = None


@dataclass(slots=True)
class Protection:
    """The rules of one branch, from its protection or from a ruleset.

    `requires_pull`: no direct pushes; `writers`: only these accounts may update it (None: all who may write); `bypass`: which
    accounts a ruleset does not bind, `always` or `pull_requests_only`.
    """

    required_approvals: int = 0
    requires_pull: bool = True
    is_ruleset: bool = False
    writers: tuple[int, ...] | None = None
    bypass: dict[int, str] = field(default_factory=dict)
    required_contexts: tuple[str, ...] = ()
    strict: bool = False
    enforce_admins: bool = False


@dataclass(slots=True)
class Repo:
    """A repository; its git objects live in the git store under the same id."""

    id: int
    owner_id: int
    name: str
    created_at: datetime
    updated_at: datetime
    pushed_at: datetime
    private: bool = False
    archived: bool = False
    default_branch: str = "main"
    description: str | None = None
    stars: int = 0
    parent_id: int | None = None
    collaborators: dict[int, Level] = field(default_factory=dict)
    team_levels: dict[str, Level] = field(default_factory=dict)
    watcher_ids: set[int] = field(default_factory=set)
    contributor_ids: set[int] = field(default_factory=set)
    labels: dict[str, Label] = field(default_factory=dict)
    issues: dict[int, Issue] = field(default_factory=dict)
    last_number: int = 0
    protections: dict[str, Protection] = field(default_factory=dict)
    statuses: dict[str, list[Status]] = field(default_factory=dict)
    check_runs: dict[str, list[CheckRun]] = field(default_factory=dict)


@dataclass(slots=True)
class InboxThread:
    """What one person is told about one issue: several events collapse into it."""

    id: int
    account_id: int
    repo_id: int
    number: int
    reason: Reason
    updated_at: datetime
    visible_at: datetime
    unread: bool = True
    last_read_at: datetime | None = None
    latest_comment_id: int | None = None
