"""The vocabulary as values: items, tasks, runs, and what GitHub showed of them. All times are aware UTC."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from dispatcher.core.rules import Limits


class Stage(StrEnum):
    """Where a task stands. `NEW`, `ASKED` and `ANSWERING` have no label of their own (decision 0002)."""

    NEW = "new"
    ASKED = "asked"
    ANSWERING = "answering"
    QUEUED = "queued"
    WORKING = "working"
    NEEDS_REVIEW = "needs-review"
    REVIEWING = "reviewing"
    NEEDS_REWORK = "needs-rework"
    REWORKING = "reworking"
    MERGE_READY = "merge-ready"
    BLOCKED = "blocked"
    DONE = "done"
    DROPPED = "dropped"


class Role(StrEnum):
    """Why an agent runs."""

    WORKER = "worker"
    REVIEWER = "reviewer"
    RESPONDER = "responder"


class Permission(StrEnum):
    """What a person may do in a repository, as GitHub names it; ordered by `allows_write`."""

    NONE = "none"
    READ = "read"
    TRIAGE = "triage"
    WRITE = "write"
    MAINTAIN = "maintain"
    ADMIN = "admin"

    @property
    def allows_write(self) -> bool:
        """Whether this permission includes pushing to the repository."""
        return self in {Permission.WRITE, Permission.MAINTAIN, Permission.ADMIN}


class Mergeable(StrEnum):
    """What GitHub says about merging; `UNKNOWN` while it computes: ask again later."""

    CLEAN = "clean"
    CONFLICTING = "conflicting"
    UNKNOWN = "unknown"


class Ci(StrEnum):
    """The continuous integration of one head. None, skipped, neutral and cancelled are not red."""

    NONE = "none"
    PENDING = "pending"
    GREEN = "green"
    RED = "red"

    @property
    def lets_through(self) -> bool:
        """Whether CI is settled and not red."""
        return self in {Ci.NONE, Ci.GREEN}


class Command(StrEnum):
    """What a person can order in a comment (`@bot retry`) or on the command line."""

    RETRY = "retry"
    STOP = "stop"
    RESUME = "resume"
    REVIEW = "review"


class HoldKind(StrEnum):
    """Why nothing happens now."""

    COOLDOWN = "cooldown"
    BATCH_PAUSE = "batch-pause"
    CAP = "cap"
    RUNS_PER_HOUR = "runs-per-hour"
    QUOTA = "quota"
    EFFECTS_PENDING = "effects-pending"
    EFFECT_RETRY = "effect-retry"
    RUNNING = "running"
    ASSIGNED_TO_PERSON = "assigned-to-person"
    CLAIMED_ELSEWHERE = "claimed-elsewhere"
    BLOCKED_BY_ISSUES = "blocked-by-issues"
    WAITS_FOR_CHECK = "waits-for-check"
    WAITS_FOR_CI = "waits-for-ci"
    WAITS_FOR_MERGEABLE = "waits-for-mergeable"
    PERSONS_TURN = "persons-turn"
    ITEM_CLOSED = "item-closed"
    DRAINING = "draining"
    REPO_UNUSABLE = "repo-unusable"
    AGENTS_ON_HOLD = "agents-on-hold"
    BUDGET = "budget"
    TWO_STAGE_LABELS = "two-stage-labels"
    OVER = "over"


@dataclass(frozen=True, slots=True)
class Hold:
    """A named reason why nothing happens now; ends at `until`, or with the event that `ends_with` names."""

    kind: HoldKind
    ends_with: str
    until: datetime | None = None


@dataclass(frozen=True, slots=True, order=True)
class ItemKey:
    """An issue or pull request by numeric repository id and number: survives a rename."""

    repo_id: int
    number: int

    def __str__(self) -> str:
        return f"{self.repo_id}#{self.number}"


@dataclass(frozen=True, slots=True)
class Person:
    """A GitHub account. Identity is the numeric id; the login can change hands."""

    id: int
    login: str
    is_bot: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """One remark of a reviewer. `path` and `line` are empty for a remark on the whole."""

    text: str
    severity: str
    path: str = ""
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Comment:
    """Something a person wrote: an issue comment, a review's text, or a review's line comment."""

    id: int
    author: Person
    body: str
    created_at: datetime
    edited_at: datetime | None = None
    kind: str = "comment"
    path: str = ""
    line: int | None = None
    url: str = ""

    @property
    def version(self) -> str:
        """Identifies this text: an edit makes a new version."""
        stamp = self.edited_at or self.created_at
        return f"{self.kind}:{self.id}:{int(stamp.timestamp())}"


@dataclass(frozen=True, slots=True)
class LabelEvent:
    """Who put a label on, or took it off, and when."""

    label: str
    actor: Person | None
    at: datetime
    added: bool


@dataclass(frozen=True, slots=True)
class AssignEvent:
    """Who assigned whom, and when."""

    assignee: Person
    actor: Person | None
    at: datetime
    added: bool


@dataclass(frozen=True, slots=True)
class Review:
    """A formal review of a pull request; `state` is GitHub's APPROVED, CHANGES_REQUESTED, COMMENTED, DISMISSED."""

    id: int
    author: Person
    state: str
    body: str
    head: str
    submitted_at: datetime


@dataclass(frozen=True, slots=True)
class ItemSummary:
    """One entry of the item list: enough to see that something changed, not what."""

    key: ItemKey
    repo: str
    is_pull: bool
    title: str
    author: Person
    state: str
    labels: frozenset[str]
    assignees: tuple[Person, ...]
    updated_at: datetime
    blocked_by: int = 0


@dataclass(frozen=True, slots=True)
class Item:
    """An issue (or the issue side of a pull request) as the forge showed it at one moment."""

    key: ItemKey
    repo: str
    title: str
    body: str
    author: Person
    is_open: bool
    labels: frozenset[str]
    assignees: tuple[Person, ...]
    created_at: datetime
    updated_at: datetime
    url: str = ""
    blocked_by: int = 0
    body_editor: Person | None = None
    body_edited_at: datetime | None = None
    title_editor: Person | None = None
    title_edited_at: datetime | None = None
    comments: tuple[Comment, ...] = ()
    label_events: tuple[LabelEvent, ...] = ()
    assign_events: tuple[AssignEvent, ...] = ()


@dataclass(frozen=True, slots=True)
class Pull:
    """A pull request as the forge showed it at one moment; `item` is its issue side."""

    item: Item
    head: str
    branch: str
    base: str
    base_head: str
    same_repo: bool
    is_draft: bool
    is_merged: bool
    mergeable: Mergeable
    ci: Ci
    ci_summary: str = ""
    reviews: tuple[Review, ...] = ()
    review_requested_from: tuple[Person, ...] = ()
    review_requests: tuple[AssignEvent, ...] = ()
    closes: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class ClaimMarker:
    """The hidden marker at the end of a status comment: who runs what for this task, until when."""

    instance: str
    run_id: str
    expires_at: datetime
    comment_id: int
    created_at: datetime
    by_id: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What the forge showed of one task: its issue, its pull request, the live claim markers on both."""

    issue: Item | None
    pull: Pull | None
    markers: tuple[ClaimMarker, ...] = ()
    status_comment_id: int | None = None

    @property
    def front(self) -> Item | None:
        """The item that carries the stage: the pull request once there is one, else the issue."""
        return self.pull.item if self.pull else self.issue


@dataclass(frozen=True, slots=True)
class Ask:
    """One mention that waits for an answer."""

    comment_id: int
    by: Person
    at: datetime
    on_pull: bool = False


@dataclass(frozen=True, slots=True)
class LiveRun:
    """The run that a task waits for; `kind` and `model` are those that the agent had at dispatch ("" is the program's own)."""

    id: str
    role: Role
    agent: str
    head: str
    dispatched_at: datetime
    is_repair: bool = False
    kind: str = ""
    model: str = ""


@dataclass(frozen=True, slots=True)
class Task:
    """What moves through the stages.

    `key` is the item it began with and never changes. `attempts` counts dispatches of the present step that
    were not given back; `rounds` counts reviewer verdicts that sent it back. `told` is what the next agent must
    know (findings, the tail of a red check, a person's words). `seen_at` is the forge's newest time of which we
    know everything on the item: older list entries bring no news. `head` is the newest commit on the forge,
    `draft_head` a harvested commit that was not pushed and from which the next worker goes on: its check is red, or, with
    `draft_is_unfinished`, its run was ended before it was finished.
    `moves` counts decisions, so that every effect has a key of its own. `handed_to` are the logins that the
    dispatcher itself assigned when it handed over. `asked_again`: `ask` came while a responder was at work on an older one.
    `cost_usd` and `tokens` are what all its runs used; `granted_at_*` is how much of that had been used when a person last asked
    to go on: budgets count from there. `agent_wish` is what an `agent:` label names, `worked_by` the agent that wrote the newest
    commits, `found_before` what the last reviewer found.
    `claimed_at`: when this dispatcher itself last took the item for a run.
    """

    key: ItemKey
    repo: str
    stage: Stage = Stage.NEW
    began_as_pull: bool = False
    title: str = ""
    requester: Person | None = None
    pull: int | None = None
    branch: str = ""
    base: str = ""
    head: str = ""
    draft_head: str = ""
    draft_is_unfinished: bool = False
    replaced_head: str = ""
    rebasing_head: str = ""
    checked_head: str = ""
    approved_head: str = ""
    reviewed_head: str = ""
    run: LiveRun | None = None
    ask: Ask | None = None
    asked_again: bool = False
    attempts: int = 0
    rounds: int = 0
    step_started_at: datetime | None = None
    cooldown_until: datetime | None = None
    told: tuple[str, ...] = ()
    last_check_failure: str = ""
    same_check_failures: int = 0
    resume_stage: Stage | None = None
    blocked_why: str = ""
    body_digest: str = ""
    continues_branch: bool = False
    pull_title: str = ""
    pull_body: str = ""
    tested: str = ""
    handed_to: tuple[str, ...] = ()
    moves: int = 0
    seen_at: datetime | None = None
    look_again_at: datetime | None = None
    hold: Hold | None = None
    is_open: bool = True
    assignees: tuple[Person, ...] = ()
    labels: frozenset[str] = frozenset()
    blocked_by: int = 0
    has_two_stages: bool = False
    can_push: bool = True
    claimed_elsewhere_until: datetime | None = None
    claimed_at: datetime | None = None
    status_comment_id: int | None = None
    cost_usd: float = 0.0
    tokens: int = 0
    granted_at_usd: float = 0.0
    granted_at_tokens: int = 0
    agent_wish: str = ""
    worked_by: str = ""
    found_before: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)

    @property
    def front(self) -> ItemKey:
        """The item that carries the stage label now."""
        return ItemKey(self.key.repo_id, self.pull) if self.pull else self.key

    @property
    def name(self) -> str:
        """`owner/repo#n`, as people write it."""
        return f"{self.repo}#{self.key.number}"

    @property
    def has_issue(self) -> bool:
        """Whether the task began with an issue (else with a pull request that a person labelled)."""
        return not self.began_as_pull
