"""Everything that can happen to a task, as past-tense values. The machine's table says what each means where."""

from dataclasses import dataclass

from dispatcher.core.faults import Fault
from dispatcher.core.model import Ask, Command, Finding, Hold, LiveRun, Person, Stage


@dataclass(frozen=True, slots=True)
class Event:
    """The root of all events."""


# --- what people did on the forge ---


@dataclass(frozen=True, slots=True)
class Labelled(Event):
    """An allowed person put the turn label on the item."""

    by: Person


@dataclass(frozen=True, slots=True)
class Unlabelled(Event):
    """The turn label went away without our doing."""


@dataclass(frozen=True, slots=True)
class Mentioned(Event):
    """An allowed person mentioned the bot (or wrote what the trigger pattern matches)."""

    ask: Ask
    text: str


@dataclass(frozen=True, slots=True)
class AssignedByPerson(Event):
    """An allowed person assigned the bot to the item."""

    by: Person


@dataclass(frozen=True, slots=True)
class ReviewRequested(Event):
    """An allowed person requested a review from the bot."""

    by: Person


@dataclass(frozen=True, slots=True)
class Triggered(Event):
    """An allowed person wrote what the repository's `trigger_regex` matches; with `resume`, on the existing branch."""

    by: Person
    wants_resume: bool
    text: str


@dataclass(frozen=True, slots=True)
class CommandGiven(Event):
    """An allowed person gave a command, in a comment or on the command line (then `by` is None)."""

    command: Command
    by: Person | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class StagesContradicted(Event):
    """Two stage labels have been on the item for a while: nobody but a person can say which one is meant."""

    labels: tuple[str, ...]
    by: Person | None


@dataclass(frozen=True, slots=True)
class PersonTookOver(Event):
    """A person assigned themselves, or took the bot off, while it was the bot's turn."""

    by: Person | None


@dataclass(frozen=True, slots=True)
class BodyEditedByStranger(Event):
    """Somebody who may not ask changed the text of the issue after it was asked for."""

    by: Person | None


@dataclass(frozen=True, slots=True)
class HeadMoved(Event):
    """The pull request has commits that the dispatcher did not push."""

    head: str


@dataclass(frozen=True, slots=True)
class HeadUnchecked(Event):
    """The present head was not pushed by us and the check has not run on it."""

    head: str


@dataclass(frozen=True, slots=True)
class ConflictAppeared(Event):
    """GitHub says that this head conflicts with its base."""

    head: str


@dataclass(frozen=True, slots=True)
class CiTurnedRed(Event):
    """CI settled red on this head; `summary` names the checks."""

    head: str
    summary: str


@dataclass(frozen=True, slots=True)
class CiNeverSettled(Event):
    """CI was still pending when the patience for it ran out."""

    head: str


@dataclass(frozen=True, slots=True)
class GatesPassed(Event):
    """Everything that `merge-ready` means holds for this head (spec invariant 4), seen on one snapshot."""

    head: str


@dataclass(frozen=True, slots=True)
class ChangesRequested(Event):
    """An allowed person formally requested changes on the present head."""

    by: Person
    text: str


@dataclass(frozen=True, slots=True)
class PersonApproved(Event):
    """A person formally approved; recorded, but a reviewer run still has to."""

    by: Person


@dataclass(frozen=True, slots=True)
class Merged(Event):
    """The pull request was merged."""


@dataclass(frozen=True, slots=True)
class Closed(Event):
    """The item that carries the stage was closed without a merge."""


@dataclass(frozen=True, slots=True)
class Reopened(Event):
    """The item was opened again."""


@dataclass(frozen=True, slots=True)
class StageShown(Event):
    """The labels show another stage than the journal: the label wins. Carries what GitHub alone can tell."""

    stage: Stage
    pull: int | None = None
    branch: str = ""
    head: str = ""
    base: str = ""
    requester: Person | None = None


# --- what runs did ---


@dataclass(frozen=True, slots=True)
class Dispatched(Event):
    """Policy gave the task a slot: the run, its attempt and its cooldown are reserved."""

    run: LiveRun


@dataclass(frozen=True, slots=True)
class ClaimRefused(Event):
    """Another instance or a person has the item, or it changed: let go, no penalty."""

    run_id: str
    why: str


@dataclass(frozen=True, slots=True)
class AgentFaulted(Event):
    """The set-up kept the agent from working (no login, no quota, no program): it goes on hold, the attempt is given back.

    `waits_for` is the hold that every agent for the task is on; None: another takes over.
    """

    run_id: str
    agent: str
    fault: Fault
    waits_for: Hold | None = None


@dataclass(frozen=True, slots=True)
class BudgetSpent(Event):
    """A budget was used up while the run went on. `comes_back`: when it does so by itself; None: a person must say go on."""

    run_id: str
    detail: str
    comes_back: Hold | None = None


@dataclass(frozen=True, slots=True)
class WorkDelivered(Event):
    """Worker outcome `done`: commits may be in the checkout; nothing of it is trusted yet."""

    run_id: str
    title: str
    body: str
    tested: str


@dataclass(frozen=True, slots=True)
class QuestionAsked(Event):
    """Worker outcome `question`: one thing that a person must answer."""

    run_id: str
    text: str


@dataclass(frozen=True, slots=True)
class GaveUp(Event):
    """Worker outcome `cannot`."""

    run_id: str
    why: str


@dataclass(frozen=True, slots=True)
class NothingToDo(Event):
    """Worker outcome `nothing-to-do`."""

    run_id: str
    why: str


@dataclass(frozen=True, slots=True)
class ReviewApproved(Event):
    """Reviewer outcome `approve`, for the head that the run was given."""

    run_id: str
    head: str
    summary: str
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class ReviewRejected(Event):
    """Reviewer outcome `request-changes`."""

    run_id: str
    head: str
    summary: str
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class Answered(Event):
    """Responder outcome `answer`."""

    run_id: str
    text: str


@dataclass(frozen=True, slots=True)
class WorkWanted(Event):
    """Responder outcome `work`: the mention asks for a change."""

    run_id: str
    text: str


@dataclass(frozen=True, slots=True)
class OutcomeMalformed(Event):
    """The agent ended without an outcome that fits the schema. `is_absent`: it did not even write a file for one."""

    run_id: str
    error: str
    is_absent: bool = False


@dataclass(frozen=True, slots=True)
class OutcomeWithheld(Event):
    """The outcome fits, but a text in it must not leave the machine; `findings` say where, never what."""

    run_id: str
    findings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RunDied(Event):
    """The agent or its supervisor ended without a word: crash, or the machine went down."""

    run_id: str
    why: str


@dataclass(frozen=True, slots=True)
class RunStalled(Event):
    """No output and no event for longer than the silence limit; the run was killed."""

    run_id: str
    silent_s: float


@dataclass(frozen=True, slots=True)
class RunTimedOut(Event):
    """The run's wall time was over; it was killed."""

    run_id: str
    limit_s: float


@dataclass(frozen=True, slots=True)
class RunCancelled(Event):
    """The dispatcher itself ended the run: counts against nobody (spec invariant 10)."""

    run_id: str
    why: str


# --- what the slow work beside the loop found ---


@dataclass(frozen=True, slots=True)
class BranchFound(Event):
    """The task's branch is on the forge already, and the person wants it continued: the run stands on its head."""

    run_id: str
    head: str


@dataclass(frozen=True, slots=True)
class CheckPassed(Event):
    """The check is green (or there is none) on exactly this commit; `head` may be published. `note` names the check."""

    head: str
    base_head: str = ""
    run_id: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class CheckFailed(Event):
    """The check is red on this commit. `fingerprint` is the failure without paths, times, addresses."""

    head: str
    tail: str
    fingerprint: str
    run_id: str = ""


@dataclass(frozen=True, slots=True)
class HarvestRefused(Event):
    """The commits may not leave the machine: protected path, rewritten history, secret, size."""

    run_id: str
    findings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NothingNew(Event):
    """The worker said done, but its branch has no new commit."""

    run_id: str


@dataclass(frozen=True, slots=True)
class PushRefused(Event):
    """The remote branch is not where we left it: somebody else pushed."""

    why: str


@dataclass(frozen=True, slots=True)
class PullOpened(Event):
    """The pull request exists (opened now, or found)."""

    number: int
    head: str


@dataclass(frozen=True, slots=True)
class Rebased(Event):
    """The branch was rebased on its base, checked and pushed; `same_patch` keeps an approval."""

    old_head: str
    head: str
    same_patch: bool


@dataclass(frozen=True, slots=True)
class RebaseFailed(Event):
    """git could not rebase by itself (or the check is red afterwards): a worker must."""

    head: str
    why: str


@dataclass(frozen=True, slots=True)
class ResultKept(Event):
    """What a superseded run had committed is on a branch of its own now; `why` names the event that ended the run.

    `head` is the newest of those commits where the next worker shall go on from it, as long as the task's head is still `continues`.
    """

    branch: str
    why: str
    head: str = ""
    continues: str = ""


@dataclass(frozen=True, slots=True)
class EffectRefused(Event):
    """An effect failed for good: the forge or git says no, or it failed three times. `cause`: a `BlockCause` that fits better."""

    effect: str
    why: str
    cause: str = ""


@dataclass(frozen=True, slots=True)
class LimitReached(Event):
    """Attempts, rounds, money or a breaker: `cause` is a `BlockCause` value, `detail` says what was spent."""

    cause: str
    detail: str


@dataclass(frozen=True, slots=True)
class RunVanished(Event):
    """The stage says that an agent runs, but no run is known and nothing is pending."""


# `slots=True` makes a second class of the same name and the first lives on: the later one is the real one.
ALL_EVENTS: tuple[type[Event], ...] = tuple({one.__name__: one for one in Event.__subclasses__()}.values())
