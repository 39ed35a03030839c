"""What the engine needs of the outside world. Each protocol has one real part, named only in `app`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from dispatcher.core.effects import AnyEffect, CommentKind, Effect
from dispatcher.core.events import Event
from dispatcher.core.model import (
    Finding,
    Hold,
    ItemKey,
    ItemSummary,
    LiveRun,
    Permission,
    Person,
    Role,
    Snapshot,
    Stage,
    Task,
)
from dispatcher.core.rules import LabelNames, RepoRules

# ---------------------------------------------------------------- time


class Clock(Protocol):
    """The only source of time."""

    def now(self) -> datetime:
        """The present moment, aware, UTC."""
        ...

    def wait(self, seconds: float) -> None:
        """Pause for at most `seconds`; returns early when the daemon is asked to stop."""
        ...


# ---------------------------------------------------------------- forge


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

    def create_labels(self, repo: Repo) -> tuple[str, ...]:
        """Create the labels that are missing; returns their names."""
        ...

    def quota_hold(self) -> Hold | None:
        """The hold of the credential, while its quota is spent."""
        ...


# ---------------------------------------------------------------- journal


@dataclass(frozen=True, slots=True)
class StoredEffect:
    """An effect as the journal keeps it."""

    id: int
    task: ItemKey
    effect: AnyEffect
    tries: int
    retry_at: datetime | None
    sent_at: datetime | None
    error: str


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A run as the journal keeps it. `state` is reserved, running, ended or cancelled."""

    run: LiveRun
    task: ItemKey
    repo: str
    state: str
    ended_at: datetime | None = None
    result: str = ""
    cost_usd: float | None = None


@dataclass(frozen=True, slots=True)
class Decided:
    """One decision, to be committed in one transaction with its effects.

    `run_reserved` is inserted as a reserved run; `run_ended` names a run that is over with this decision.
    `cancels_pending`: what earlier decisions on the task still had to do is crossed off first.
    `effect_done` is the effect whose result this event is: it is crossed off with the decision.
    """

    task: Task
    stage_before: Stage
    event: Event
    verdict: str
    reason: str
    effects: tuple[Effect, ...]
    at: datetime
    run_ended: str = ""
    run_reserved: LiveRun | None = None
    cancels_pending: bool = False
    effect_done: int | None = None


@dataclass(frozen=True, slots=True)
class DecisionRecord:
    """A past decision, for `explain`."""

    at: datetime
    event: str
    stage_before: Stage
    stage_after: Stage
    verdict: str
    reason: str


@dataclass(frozen=True, slots=True)
class Order:
    """Something a person asked for on the command line, waiting for the daemon."""

    id: int
    name: str
    argument: str
    at: datetime


class Cursors(Protocol):
    """Small durable strings: etags, cursors, last sweep. Keys are the owner's business."""

    def load_cursor(self, name: str) -> str | None:
        """The stored value, or None."""
        ...

    def save_cursor(self, name: str, value: str) -> None:
        """Store a value."""
        ...


class Journal(Cursors, Protocol):
    """The local truth about runs, effects, attempts, decisions. Raises JournalUnusable."""

    def load_task(self, key: ItemKey) -> Task | None:
        """The task that began with this item, or whose pull request it is."""
        ...

    def load_tasks(self, *, with_over: bool = False) -> tuple[Task, ...]:
        """Every task that is not over (done, dropped), or all; in the order in which they last moved."""
        ...

    def commit(self, decided: Decided) -> None:
        """Store the task, the decision, its effects and its run, in one transaction."""
        ...

    def save_task(self, task: Task) -> None:
        """Store facts about a task that no event carries (what was seen, its hold)."""
        ...

    def load_effects(self) -> tuple[StoredEffect, ...]:
        """Every effect that is not yet recorded as done, oldest first."""
        ...

    def mark_sent(self, effect_id: int, at: datetime) -> None:
        """The request is about to leave."""
        ...

    def mark_applied(self, effect_id: int, at: datetime) -> None:
        """The outside world shows it; the effect is crossed off."""
        ...

    def mark_failed(self, effect_id: int, error: str, retry_at: datetime | None) -> int:
        """Count a failure; returns the number of tries so far. `retry_at` None: given up."""
        ...

    def postpone(self, effect_id: int, why: str, retry_at: datetime) -> None:
        """Try again later without counting a failure (an outage, a spent quota)."""
        ...

    def cancel_effects(self, task: ItemKey, why: str) -> None:
        """Cross off everything that the task still has pending."""
        ...

    def load_live_runs(self) -> tuple[RunRecord, ...]:
        """Runs that are reserved or running."""
        ...

    def load_run(self, run_id: str) -> RunRecord | None:
        """One run."""
        ...

    def load_runs(self, task: ItemKey | None = None, limit: int = 100) -> tuple[RunRecord, ...]:
        """Runs, newest first."""
        ...

    def count_dispatches_since(self, since: datetime, repo: str | None = None) -> int:
        """How many runs were reserved since then."""
        ...

    def mark_run_started(self, run_id: str, at: datetime) -> None:
        """The supervisor has the run."""
        ...

    def mark_run_ended(self, run_id: str, at: datetime, result: str, cost_usd: float | None = None) -> None:
        """The run is over; its slot is free."""
        ...

    def load_unheard(self, versions: Sequence[str], task: ItemKey) -> tuple[str, ...]:
        """Those of the comment versions that were not marked as heard, in the order given."""
        ...

    def mark_heard(self, versions: Sequence[str], task: ItemKey, at: datetime) -> None:
        """Remember these comment versions: what they asked for is in the journal."""
        ...

    def load_decisions(self, task: ItemKey, limit: int = 20) -> tuple[DecisionRecord, ...]:
        """Decisions on a task, newest first."""
        ...

    def note(self, task: ItemKey | None, what: str, at: datetime) -> None:
        """Record something that is worth telling (a refusal, a mismatch, a bad edit of the config)."""
        ...

    def load_notes(self, task: ItemKey | None = None, limit: int = 50) -> tuple[tuple[datetime, str], ...]:
        """Notes, newest first."""
        ...

    def give_order(self, name: str, argument: str, at: datetime) -> None:
        """Leave an order for the daemon (`retry`, `stop`, `drain`, ...)."""
        ...

    def take_orders(self) -> tuple[Order, ...]:
        """Orders that wait, oldest first; each is handed out until `finish_order`."""
        ...

    def finish_order(self, order_id: int) -> None:
        """The order was carried out."""
        ...


# ---------------------------------------------------------------- runs


@dataclass(frozen=True, slots=True)
class RunOrder:
    """Everything that a run's folder is made of. `context` is written as context.json and fills the prompt."""

    run: LiveRun
    repo: str
    rules: RepoRules
    role: Role
    context: Mapping[str, object]
    wall_s: int
    silence_s: int
    repairs: str = ""
    repair_error: str = ""


@dataclass(frozen=True, slots=True)
class Fault:
    """What of the set-up kept an agent from working, by its own account. `needs_person`: waiting does not cure it."""

    text: str
    needs_person: bool


@dataclass(frozen=True, slots=True)
class RunReport:
    """What is known of a run's processes. `state`: absent, running, ended, lost (supervisor died without a word)."""

    run_id: str
    state: str
    ended_because: str = ""  # exited, timed-out, stalled, stopped, could-not-start, output-too-large, lost
    exit_code: int | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    last_progress_at: datetime | None = None
    detail: str = ""
    cost_usd: float | None = None
    tokens: int | None = None
    fault: Fault | None = None  # only means something when there is no outcome


class Runs(Protocol):
    """Agent processes. Everything is found again from the run folders: nothing depends on this object living on."""

    def folder(self, run_id: str) -> Path:
        """Where the run lives, or will live."""
        ...

    def prepare(self, order: RunOrder) -> Path:
        """Write the run's folder (prompt, context, schema); returns where the checkout belongs. Idempotent."""
        ...

    def start(self, order: RunOrder) -> None:
        """Start the supervisor, unless this run was already started. The checkout must be there."""
        ...

    def report(self, run_id: str) -> RunReport:
        """What became of the run."""
        ...

    def load_outcome(self, run_id: str, role: Role) -> Event:
        """The outcome as an event; OutcomeMalformed when it does not fit."""
        ...

    def stop(self, run_id: str, why: str, *, at_once: bool = False) -> None:
        """Ask the supervisor to end the run (INT, TERM, grace, KILL of the tree). Returns at once."""
        ...

    def reap(self, run_id: str) -> None:
        """Make sure that nothing of a lost run is left alive."""
        ...

    def known(self) -> tuple[str, ...]:
        """Ids of all run folders."""
        ...


# ---------------------------------------------------------------- workspaces


@dataclass(frozen=True, slots=True)
class CheckoutOrder:
    """A fresh checkout. `head` empty: the newest commit of the base; it may be a harvested commit that was never pushed.

    `branch` is the local branch to stand on.
    """

    repo: Repo
    base: str
    head: str
    branch: str
    destination: Path


@dataclass(frozen=True, slots=True)
class HarvestOrder:
    """What to fetch out of a run's checkout and how to judge it. `expected` is the remote branch's present head, or ""."""

    repo: Repo
    run_id: str
    checkout: Path
    base: str
    branch: str
    start: str
    expected: str
    message: str


class Workspaces(Protocol):
    """git at the border: mirrors, checkouts, harvests, checks, pushes. Calls are slow and run beside the loop."""

    def make_checkout(self, order: CheckoutOrder) -> str:
        """Fetch the mirror, make the checkout, return the commit that it stands on. Idempotent per destination."""
        ...

    def find_branch(self, repo: Repo, branch: str) -> str:
        """The head of a branch on the forge, asked for now; "" if there is none."""
        ...

    def harvest(self, order: HarvestOrder) -> Event:
        """CheckPassed, CheckFailed, HarvestRefused or NothingNew."""
        ...

    def check_head(self, repo: Repo, base: str, head: str) -> Event:
        """CheckPassed or CheckFailed for a commit that is on the remote."""
        ...

    def push(self, repo: Repo, branch: str, head: str, expected: str) -> None:
        """Push a harvested commit with a lease. Raises ClaimLost when the remote branch is elsewhere."""
        ...

    def keep(self, repo: Repo, run_id: str, checkout: Path, base: str) -> str:
        """Push what a superseded run committed to `bot/kept/<run id>`; returns the branch, "" if there was nothing."""
        ...

    def rebase(self, repo: Repo, base: str, branch: str, head: str) -> Event:
        """Rebased (checked and pushed) or RebaseFailed."""
        ...

    def fetch_diff(self, repo: Repo, base: str, head: str, limit_bytes: int) -> str:
        """The diff that a reviewer reads: merge base to head, cut at `limit_bytes`."""
        ...

    def load_repo_rules_text(self, repo: Repo, base: str) -> str:
        """The repository's own rules for agents, from the base branch only; "" if there are none."""
        ...


# ---------------------------------------------------------------- words


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

    def review(self, *, approved: bool, summary: str, findings: Sequence[Finding]) -> str:
        """The body of a review; `findings` are those without a line."""
        ...

    def kept(self, branch: str, why: str) -> str:
        """The comment that says where a superseded run's commits are."""
        ...
