"""What a decision makes happen: pure functions of (task, event) that return effects.

`task` is the task after the decision. Every key names its cause, so that a replay is found out: what may exist only once
(a run's claim, a run's review) is keyed by that thing, everything else by the decision's number. What stays to be read on
the forge carries the decision's moment too: numbers begin again when the journal is deleted, and each of two dispatchers has
its own. A second attempt to open the pull request is a new cause: the branch, not the key, keeps it from being opened twice.
"""

from collections.abc import Callable

from dispatcher.core.changes import repair_of
from dispatcher.core.effects import (
    CONTINUED,
    CheckHead,
    Claim,
    CommentKind,
    Effect,
    Harvest,
    KeepResult,
    OpenPull,
    PostComment,
    PostReview,
    Push,
    Rebase,
    ShowStage,
    StartRun,
    StopRun,
)
from dispatcher.core.events import (
    AgentFaulted,
    Answered,
    BudgetSpent,
    CheckPassed,
    Dispatched,
    Event,
    OutcomeMalformed,
    ResultKept,
    ReviewApproved,
    ReviewRejected,
    WorkDelivered,
)
from dispatcher.core.model import Role, Task

Reaction = Callable[[Task, Task, Event], tuple[Effect, ...]]
"""(task before, task after, event) -> effects."""


def _key(kind: str, task: Task) -> str:
    return f"{kind}:{task.key}:{task.moves}"


def _lasting_key(kind: str, task: Task) -> str:
    """For what is looked up on the forge: no other journal, before or beside this one, makes the same key."""
    moment = f"{task.step_started_at:%Y%m%dT%H%M%S%f}" if task.step_started_at else "0"
    return f"{_key(kind, task)}:{moment}"


def claim(_before: Task, task: Task, event: Event) -> tuple[Effect, ...]:
    """Take the item for the run."""
    assert isinstance(event, Dispatched)
    return (Claim(f"claim:{event.run.id}", task.front, event.run),)


def start(_before: Task, _task: Task, event: Event) -> tuple[Effect, ...]:
    """Start the run that was dispatched."""
    assert isinstance(event, Dispatched)
    return (StartRun(f"start:{event.run.id}", event.run),)


def start_repair(before: Task, _task: Task, event: Event) -> tuple[Effect, ...]:
    """Start one repair run on the checkout of the run whose outcome did not fit."""
    assert before.run is not None
    assert isinstance(event, OutcomeMalformed)
    repair = repair_of(before.run)
    return (StartRun(f"start:{repair.id}", repair, repairs=before.run.id, repair_error=event.error),)


def stop(before: Task, _task: Task, event: Event) -> tuple[Effect, ...]:
    """End the run that the event made pointless, if one is live."""
    if before.run is None:
        return ()
    return (StopRun(f"stop:{before.run.id}", before.run.id, why=type(event).__name__),)


def keep(before: Task, _task: Task, event: Event) -> tuple[Effect, ...]:
    """Keep what the superseded run committed; never force it onto the new state. What nobody contradicts, the next worker continues."""
    if before.run is None:
        return ()
    is_continued = before.run.role is Role.WORKER and isinstance(event, AgentFaulted | BudgetSpent)
    why, continues = type(event).__name__, before.head if is_continued else None
    return (KeepResult(f"keep:{before.run.id}", before.run.id, why, continues),)


def harvest(_before: Task, _task: Task, event: Event) -> tuple[Effect, ...]:
    """Fetch, judge and check what the worker committed."""
    assert isinstance(event, WorkDelivered)
    return (Harvest(f"harvest:{event.run_id}", event.run_id),)


def check_head(_before: Task, task: Task, _event: Event) -> tuple[Effect, ...]:
    """Check a head that is not ours."""
    return (CheckHead(_key("check", task), task.head),)


def push(before: Task, task: Task, event: Event) -> tuple[Effect, ...]:
    """Publish the checked commit on the task's branch."""
    assert isinstance(event, CheckPassed)
    return (Push(_key("push", task), task.branch, event.head, expected=before.head),)


def open_pull(_before: Task, task: Task, _event: Event) -> tuple[Effect, ...]:
    """Open the task's one pull request; its words are those of the delivered work."""
    if task.pull is not None:
        return ()
    return (OpenPull(_lasting_key("pull", task), task.branch, task.base),)


def publish_again(_before: Task, task: Task, _event: Event) -> tuple[Effect, ...]:
    """Push and open what could not be pushed or opened before; what is there already is left as it is."""
    return (
        Push(_key("push", task), task.branch, task.head, expected=task.replaced_head),
        *open_pull(task, task, _event),
    )


def rebase(_before: Task, task: Task, _event: Event) -> tuple[Effect, ...]:
    """Rebase the branch on its base."""
    return (Rebase(_key("rebase", task), task.branch, task.head),)


def show(_before: Task, task: Task, _event: Event) -> tuple[Effect, ...]:
    """Make GitHub show the stage."""
    return (ShowStage(_key("show", task), task.stage),)


def post_review(_before: Task, _task: Task, event: Event) -> tuple[Effect, ...]:
    """Post the verdict, once per run."""
    assert isinstance(event, ReviewApproved | ReviewRejected)
    approved = isinstance(event, ReviewApproved)
    return (PostReview(f"review:{event.run_id}", event.head, approved, event.summary, event.findings),)


def ask_person(_before: Task, task: Task, _event: Event) -> tuple[Effect, ...]:
    """Say on the item why it is a person's turn and what they can do."""
    return (PostComment(_lasting_key("blocked", task), task.front, CommentKind.BLOCKED, task.blocked_why),)


def answer(_before: Task, task: Task, event: Event) -> tuple[Effect, ...]:
    """Post the responder's answer."""
    assert isinstance(event, Answered)
    return (PostComment(f"answer:{event.run_id}", task.front, CommentKind.ANSWER, event.text),)


def say_what_was_kept(_before: Task, task: Task, event: Event) -> tuple[Effect, ...]:
    """Say where the commits of a superseded run are, once per branch."""
    return (_tell_kept(task, event),) if isinstance(event, ResultKept) else ()


def _tell_kept(task: Task, kept: ResultKept) -> PostComment:
    is_continued = bool(kept.head) and task.draft_head == kept.head
    more = (CONTINUED,) if is_continued else ()
    key = ":".join(("kept", str(task.key), kept.branch, *more))
    return PostComment(key, task.key, CommentKind.KEPT, "\n".join((kept.branch, kept.why, *more)))
