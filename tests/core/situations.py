"""Ready-made tasks, events and snapshots: a test says only what is special about its case."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from dispatcher.core import events as e
from dispatcher.core.faults import Fault, FaultKind
from dispatcher.core.intake import Heard, HeardKind
from dispatcher.core.machine import Decision, decide
from dispatcher.core.model import (
    Ask,
    AssignEvent,
    Ci,
    Command,
    Comment,
    Finding,
    Item,
    ItemKey,
    LabelEvent,
    LiveRun,
    Mergeable,
    Person,
    Pull,
    Review,
    Role,
    Snapshot,
    Stage,
    Task,
)
from dispatcher.core.observe import Eyes, learn, observe
from dispatcher.core.rules import LabelNames

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
EARLIER = NOW - timedelta(hours=1)
ANNA = Person(1, "anna")
BEN = Person(2, "ben")
MALLORY = Person(66, "mallory")
BOT = Person(99, "shop-bot", is_bot=True)
KEY = ItemKey(10, 7)
PULL = 8
OLD, HEAD, NEXT, ALIEN = "0" * 40, "a" * 40, "b" * 40, "c" * 40
NAMES = LabelNames()
EYES = Eyes(BOT, NAMES, frozenset({ANNA.id, BEN.id}))

WORKER = LiveRun("run-w", Role.WORKER, "claude", HEAD, EARLIER)
REVIEWER = LiveRun("run-r", Role.REVIEWER, "codex", HEAD, EARLIER)
RESPONDER = LiveRun("run-a", Role.RESPONDER, "claude", HEAD, EARLIER)
RUN_OF = {
    Stage.WORKING: WORKER,
    Stage.REVIEWING: REVIEWER,
    Stage.REWORKING: WORKER,
    Stage.ANSWERING: RESPONDER,
}
ASK = Ask(500, ANNA, EARLIER)
BEFORE_PULL = {Stage.NEW, Stage.ASKED, Stage.ANSWERING, Stage.QUEUED, Stage.WORKING}
ASKED_STAGES = {Stage.ASKED, Stage.ANSWERING}


def task_in(stage: Stage, **changes: object) -> Task:
    """A task as it usually is in this stage; a live one has its run, a later one its checked pull request."""
    has_pull = stage not in BEFORE_PULL
    usual = Task(
        key=KEY,
        repo="acme/shop",
        stage=stage,
        title="Add a total",
        requester=None if stage is Stage.NEW else ANNA,
        branch="bot/7-add-a-total",
        base="main",
        pull=PULL if has_pull else None,
        head=HEAD if has_pull else "",
        checked_head=HEAD if has_pull else "",
        run=RUN_OF.get(stage),
        ask=ASK if stage in ASKED_STAGES else None,
        attempts=1 if stage in RUN_OF else 0,
        step_started_at=EARLIER,
    )
    return replace(usual, **changes)


def approved(stage: Stage = Stage.REVIEWING, **changes: object) -> Task:
    """A task whose head a reviewer run has approved; only the gates are awaited."""
    verdict = {"pull": PULL, "head": HEAD, "checked_head": HEAD, "approved_head": HEAD, "reviewed_head": HEAD}
    gone = {"run": None} if stage is Stage.REVIEWING else {}
    return task_in(stage, **(gone | verdict | changes))


def sample_event(kind: type[e.Event], task: Task) -> e.Event:
    """An event of this kind that fits the task: its run, its head."""
    run_id, head = (task.run.id if task.run else ""), task.head or HEAD
    samples: dict[type[e.Event], Callable[[], e.Event]] = {
        e.Labelled: lambda: e.Labelled(BEN),
        e.Unlabelled: e.Unlabelled,
        e.Mentioned: lambda: e.Mentioned(Ask(501, BEN, NOW), "@shop-bot why?"),
        e.AssignedByPerson: lambda: e.AssignedByPerson(BEN),
        e.ReviewRequested: lambda: e.ReviewRequested(BEN),
        e.Triggered: lambda: e.Triggered(BEN, wants_resume=True, text="fix this, resume"),
        e.CommandGiven: lambda: e.CommandGiven(Command.RETRY, BEN),
        e.PersonTookOver: lambda: e.PersonTookOver(BEN),
        e.BodyEditedByStranger: lambda: e.BodyEditedByStranger(MALLORY),
        e.StagesContradicted: lambda: e.StagesContradicted(("needs-review", "needs-rework"), BEN),
        e.HeadMoved: lambda: e.HeadMoved(ALIEN),
        e.HeadUnchecked: lambda: e.HeadUnchecked(head),
        e.ConflictAppeared: lambda: e.ConflictAppeared(head),
        e.CiTurnedRed: lambda: e.CiTurnedRed(head, "unit tests"),
        e.CiNeverSettled: lambda: e.CiNeverSettled(head),
        e.GatesPassed: lambda: e.GatesPassed(head),
        e.ChangesRequested: lambda: e.ChangesRequested(BEN, "handle the empty list"),
        e.PersonApproved: lambda: e.PersonApproved(BEN),
        e.Merged: e.Merged,
        e.Closed: e.Closed,
        e.Reopened: e.Reopened,
        e.StageShown: lambda: e.StageShown(Stage.NEEDS_REVIEW, PULL, "bot/7-add-a-total", head, "main", BEN),
        e.Dispatched: lambda: e.Dispatched(LiveRun("run-new", Role.WORKER, "claude", head, NOW)),
        e.ClaimRefused: lambda: e.ClaimRefused(run_id, "@ben is assigned"),
        e.AgentFaulted: lambda: e.AgentFaulted(run_id, "claude", Fault(FaultKind.LOGIN, "claude: 401")),
        e.BudgetSpent: lambda: e.BudgetSpent(run_id, "usd_per_run: $1.20 of $1.00 used"),
        e.WorkDelivered: lambda: e.WorkDelivered(run_id, "Add a total", "It adds.", "make test"),
        e.QuestionAsked: lambda: e.QuestionAsked(run_id, "Which prices?"),
        e.GaveUp: lambda: e.GaveUp(run_id, "too hard"),
        e.NothingToDo: lambda: e.NothingToDo(run_id, "it works"),
        e.ReviewApproved: lambda: e.ReviewApproved(run_id, head, "good"),
        e.ReviewRejected: lambda: e.ReviewRejected(
            run_id, head, "not yet", (Finding("no test", "major", "shop.py", 3), Finding("dull", "nit"))
        ),
        e.Answered: lambda: e.Answered(run_id, "Because."),
        e.WorkWanted: lambda: e.WorkWanted(run_id, "Round it."),
        e.OutcomeWithheld: lambda: e.OutcomeWithheld(run_id, ("the title: a token",)),
        e.OutcomeMalformed: lambda: e.OutcomeMalformed(run_id, "not valid JSON"),
        e.RunDied: lambda: e.RunDied(run_id, "signal 9"),
        e.RunStalled: lambda: e.RunStalled(run_id, 600.0),
        e.RunTimedOut: lambda: e.RunTimedOut(run_id, 3600.0),
        e.RunCancelled: lambda: e.RunCancelled(run_id, "stopped"),
        e.BranchFound: lambda: e.BranchFound(run_id, ALIEN),
        e.CheckPassed: lambda: e.CheckPassed(NEXT if run_id else head, run_id=run_id),
        e.CheckFailed: lambda: e.CheckFailed(NEXT if run_id else head, "1 failed", "f1", run_id=run_id),
        e.HarvestRefused: lambda: e.HarvestRefused(run_id, ("a workflow file",)),
        e.NothingNew: lambda: e.NothingNew(run_id),
        e.PushRefused: lambda: e.PushRefused("somebody pushed"),
        e.ResultKept: lambda: e.ResultKept("bot/kept/run-1", "Closed"),
        e.PullOpened: lambda: e.PullOpened(PULL, head),
        e.Rebased: lambda: e.Rebased(head, NEXT, same_patch=True),
        e.RebaseFailed: lambda: e.RebaseFailed(head, "shop.py"),
        e.EffectRefused: lambda: e.EffectRefused("StartRun", "disk full"),
        e.LimitReached: lambda: e.LimitReached("attempts", "3 of 3 attempts used"),
        e.RunVanished: e.RunVanished,
    }
    return samples[kind]()


def follow(task: Task, *happened: e.Event) -> Decision:
    """What becomes of the task when all this happens, one after the other."""
    decision = decide(task, happened[0], NOW)
    for event in happened[1:]:
        decision = decide(decision.task, event, NOW)
    return decision


def kinds(decision: Decision) -> list[str]:
    """The names of the decision's effects, in order."""
    return [type(effect).__name__ for effect in decision.effects]


# ---------------------------------------------------------------- what GitHub shows


def labelled(by: Person | None = ANNA, at: datetime = EARLIER, label: str = "bot") -> LabelEvent:
    """Somebody put a label on."""
    return LabelEvent(label, by, at, added=True)


def assigned(who: Person = BOT, by: Person | None = ANNA, at: datetime = EARLIER) -> AssignEvent:
    """Somebody assigned somebody."""
    return AssignEvent(who, by, at, added=True)


def item(number: int = 7, labels: str = "", assignees: tuple[Person, ...] = (), **changes: object) -> Item:
    """An issue of Anna's, or the issue side of a pull request."""
    usual = Item(
        key=ItemKey(10, number),
        repo="acme/shop",
        title="Add a total",
        body="Please.",
        author=ANNA,
        is_open=True,
        labels=frozenset(labels.split()),
        assignees=assignees,
        created_at=EARLIER,
        updated_at=EARLIER,
        label_events=(labelled(),) if "bot" in labels.split() else (),
    )
    return replace(usual, **changes)


def pull(labels: str = "bot needs-review", assignees: tuple[Person, ...] = (), **changes: object) -> Pull:
    """The bot's pull request for the issue: green, clean, nobody's change request."""
    side = item(PULL, labels, assignees, author=BOT, label_events=())
    usual = Pull(
        item=side,
        head=HEAD,
        branch="bot/7-add-a-total",
        base="main",
        base_head=OLD,
        same_repo=True,
        is_draft=False,
        is_merged=False,
        mergeable=Mergeable.CLEAN,
        ci=Ci.GREEN,
    )
    return replace(usual, **changes)


def change_request(
    by: Person = ANNA, head: str = HEAD, at: datetime = EARLIER, state: str = "CHANGES_REQUESTED"
) -> Review:
    """A formal review."""
    return Review(int(at.timestamp()), by, state, "handle the empty list", head, at)


def shows(issue: Item | None = None, of_pull: Pull | None = None, status: int | None = None) -> Snapshot:
    """What the forge shows of the task."""
    return Snapshot(issue if issue or of_pull is None else None, of_pull, status_comment_id=status)


def heard(kind: HeardKind, body: str = "@shop-bot hello", comment_id: int = 900, **more: object) -> Heard:
    """Something that Anna wrote and that is for us."""
    return Heard(Comment(comment_id, ANNA, body, NOW), kind, **more)


def seen(task: Task, snapshot: Snapshot, eyes: Eyes = EYES, now: datetime = NOW) -> tuple[e.Event, ...]:
    """The events of one look."""
    return observe(learn(task, snapshot, eyes), snapshot, eyes, now)


def look(task: Task, snapshot: Snapshot, eyes: Eyes = EYES, now: datetime = NOW) -> Task:
    """The task after one look: everything that was seen is decided."""
    task = learn(task, snapshot, eyes)
    for event in observe(task, snapshot, eyes, now):
        task = decide(task, event, now).task
    return task
