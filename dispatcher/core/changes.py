"""What a decision changes in the task itself: pure functions of (task, event, now)."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import assert_never

from dispatcher.core.causes import BlockCause, render_why
from dispatcher.core.events import (
    AgentFaulted,
    AssignedByPerson,
    BodyEditedByStranger,
    BranchFound,
    BudgetSpent,
    ChangesRequested,
    CheckFailed,
    CheckPassed,
    CiNeverSettled,
    CiTurnedRed,
    ClaimRefused,
    CommandGiven,
    Dispatched,
    EffectRefused,
    Event,
    GaveUp,
    HarvestRefused,
    HeadMoved,
    Labelled,
    LimitReached,
    Mentioned,
    NothingToDo,
    OutcomeMalformed,
    OutcomeWithheld,
    PersonTookOver,
    PullOpened,
    PushRefused,
    QuestionAsked,
    Rebased,
    RebaseFailed,
    ResultKept,
    ReviewApproved,
    ReviewRejected,
    ReviewRequested,
    RunCancelled,
    RunDied,
    RunStalled,
    RunTimedOut,
    StagesContradicted,
    StageShown,
    Triggered,
    WorkDelivered,
    WorkWanted,
)
from dispatcher.core.model import Command, Finding, LiveRun, Person, Role, Stage, Task

Change = Callable[[Task, Event, datetime], Task]

CLAIM_REFUSED_PAUSE = timedelta(seconds=60)
"""How long we leave an item alone that another instance or a person holds."""


_UNFINISHED_WORK = (
    "The previous run was ended before it was finished; that was not its fault. What it had committed is in your checkout, unchecked: "
    "read it first, go on from there, and say `done` without a new commit if nothing is missing."
)


def unchanged(task: Task, _event: Event, _now: datetime) -> Task:
    """Nothing but the stage."""
    return task


# ---------------------------------------------------------------- asking


def requested(task: Task, event: Event, now: datetime) -> Task:
    """A person asks for the task, maybe again: counters and budgets start afresh, and the text counts as it is now."""
    asks = Labelled | AssignedByPerson | ReviewRequested | Triggered
    return replace(
        fresh_step(task, now),
        requester=event.by if isinstance(event, asks) else task.requester or _speaker(event),
        rounds=0,
        granted_at_usd=task.cost_usd,
        granted_at_tokens=task.tokens,
        blocked_why="",
        body_digest="",
        resume_stage=None,
        continues_branch=task.continues_branch or _wants_resume(event),
    )


def _speaker(event: Event) -> Person | None:
    """Who said it, of those events by which a person asks without putting their name to the task."""
    if isinstance(event, Mentioned):
        return event.ask.by
    return event.by if isinstance(event, CommandGiven) else None


def _wants_resume(event: Event) -> bool:
    """Whether the person wants the existing branch to be continued."""
    if isinstance(event, CommandGiven):
        return event.command is Command.RESUME
    return isinstance(event, Triggered) and event.wants_resume


def ask_noted(task: Task, event: Event, _now: datetime) -> Task:
    """Remember the mention; whoever wrote it is the one who asked, if nobody was before."""
    assert isinstance(event, Mentioned)
    return replace(task, ask=event.ask, requester=task.requester or event.ask.by)


def asked_again(task: Task, event: Event, now: datetime) -> Task:
    """A newer mention came while the responder was at work on an older one: that run has not read it."""
    return replace(ask_noted(task, event, now), asked_again=True)


def resumed(task: Task, event: Event, now: datetime) -> Task:
    """A person answered: counters start afresh and the next agent is told the answer."""
    told = task.told
    if isinstance(event, Mentioned):
        told = (*told, f"@{event.ask.by.login} answered: {event.text}")
    elif isinstance(event, CommandGiven | Triggered) and event.text:
        told = (*told, event.text)
    again = requested(task, event, now)
    ask = (
        (event.ask if isinstance(event, Mentioned) else task.ask)
        if task.resume_stage is Stage.ASKED
        else None
    )
    return replace(again, told=told, same_check_failures=0, ask=ask)


def fresh_step(task: Task, now: datetime) -> Task:
    """The task made progress: attempts and cooldown belong to the step that is over.

    People whom the dispatcher itself assigned are released with what follows: they hold nothing up.
    """
    return replace(
        task,
        run=None,
        attempts=0,
        cooldown_until=None,
        step_started_at=now,
        ask=None,
        asked_again=False,
        look_again_at=None,
        assignees=tuple(person for person in task.assignees if person.login not in task.handed_to),
    )


def cooled(task: Task, _event: Event, _now: datetime) -> Task:
    """A person wants it now."""
    return replace(task, cooldown_until=None, attempts=0)


# ---------------------------------------------------------------- runs


def run_begins(task: Task, event: Event, now: datetime) -> Task:
    """Slot, attempt and cooldown are taken at dispatch, before anything can fail."""
    assert isinstance(event, Dispatched)
    cooldown = timedelta(seconds=task.limits.redispatch_cooldown_s)
    keeps_ask = event.run.role is not Role.WORKER  # a worker reads it as an order; a reviewer does not answer
    return replace(
        task,
        run=event.run,
        attempts=task.attempts + 1,
        cooldown_until=now + cooldown,
        ask=task.ask if keeps_ask else None,
        asked_again=False,
        claimed_at=now,
    )


def run_given_back(task: Task, event: Event, now: datetime) -> Task:
    """The run ended through no fault of the agent: the attempt does not count (spec invariant 10)."""
    pause = None if isinstance(event, RunCancelled) else now + CLAIM_REFUSED_PAUSE
    claimed_at = None if isinstance(event, ClaimRefused) else task.claimed_at
    given_back = replace(task, run=None, attempts=max(0, task.attempts - 1), cooldown_until=pause)
    return replace(given_back, claimed_at=claimed_at)


def run_freed(task: Task, event: Event, _now: datetime) -> Task:
    """The agent could not work, or the day's budget is used up: nothing counts, and no cooldown is waited for."""
    hold = event.waits_for if isinstance(event, AgentFaulted) else getattr(event, "comes_back", None)
    return replace(task, run=None, attempts=max(0, task.attempts - 1), cooldown_until=None, hold=hold)


def run_superseded(task: Task, event: Event, now: datetime) -> Task:
    """A person changed the situation under a live run: it is ended, and counts against nobody.

    After a take-over the cooldown runs, so that an assignment that will not hold never becomes a busy loop.
    """
    pause = (
        timedelta(seconds=task.limits.redispatch_cooldown_s) if isinstance(event, PersonTookOver) else None
    )
    cooldown_until = now + pause if pause else None
    given_back = replace(task, run=None, attempts=max(0, task.attempts - 1), cooldown_until=cooldown_until)
    return head_moved(given_back, event, now) if isinstance(event, HeadMoved) else given_back


def attempt_failed(task: Task, event: Event, _now: datetime) -> Task:
    """The attempt stays counted, the cooldown of its dispatch stays, and the next agent is told."""
    return replace(task, run=None, told=(*task.told, describe_failure(event)))


def describe_failure(event: Event) -> str:
    """What the next agent is told of a run that ended without an outcome."""
    match event:
        case RunDied():
            return f"The previous run ended without a word: {event.why}"
        case RunStalled():
            return f"The previous run was silent for {event.silent_s:.0f} s and was ended."
        case RunTimedOut():
            return f"The previous run was not finished after {event.limit_s:.0f} s and was ended."
        case _:
            return "The previous run said that it was done, but there was no new commit."


def repair_begins(task: Task, _event: Event, _now: datetime) -> Task:
    """The same step goes on in a repair run; it uses the attempt that is already counted."""
    return replace(task, run=repair_of(task.run)) if task.run else task


def repair_of(run: LiveRun) -> LiveRun:
    """The repair run that follows `run`."""
    return replace(run, id=f"{run.id}-repair", is_repair=True)


# ---------------------------------------------------------------- results


def delivered(task: Task, event: Event, _now: datetime) -> Task:
    """Keep the worker's words for the pull request until its commits have passed."""
    assert isinstance(event, WorkDelivered)
    worked_by = task.run.agent if task.run else task.worked_by
    return replace(
        task, pull_title=event.title, pull_body=event.body, tested=event.tested, worked_by=worked_by
    )


def work_published(task: Task, event: Event, now: datetime) -> Task:
    """A checked commit of ours becomes the head; any approval was for another one.

    A mention that is left came while the worker was at work, which has not read it: it is answered after the review.
    """
    assert isinstance(event, CheckPassed)
    new = replace(
        fresh_step(task, now),
        head=event.head,
        draft_head="",
        draft_is_unfinished=False,
        checked_head=event.head,
        approved_head="",
        ask=task.ask,
    )
    return replace(new, told=(), last_check_failure="", same_check_failures=0, replaced_head=task.head)


def head_checked(task: Task, event: Event, _now: datetime) -> Task:
    """The check passed on a head that somebody else pushed."""
    assert isinstance(event, CheckPassed)
    return replace(task, checked_head=event.head)


def check_failed(task: Task, event: Event, now: datetime) -> Task:
    """The next worker goes on from the red commit, at once, and gets the tail of the output.

    The attempt that was harvested stays counted; a red check on a head from elsewhere begins a new step.
    """
    assert isinstance(event, CheckFailed)
    again = event.fingerprint == task.last_check_failure
    before = task if task.run else replace(fresh_step(task, now), approved_head="")
    return replace(
        before,
        run=None,
        cooldown_until=None,
        draft_head=event.head if task.run else "",
        draft_is_unfinished=False,
        told=(*task.told, f"The check failed. The end of its output:\n{event.tail}"),
        last_check_failure=event.fingerprint,
        same_check_failures=task.same_check_failures + 1 if again else 1,
    )


def kept_for_next(task: Task, event: Event, _now: datetime) -> Task:
    """The next worker goes on from what a run had committed that was ended before it was finished."""
    assert isinstance(event, ResultKept)
    return replace(task, draft_head=event.head, draft_is_unfinished=True, told=(*task.told, _UNFINISHED_WORK))


def branch_found(task: Task, event: Event, _now: datetime) -> Task:
    """The branch that is continued: what we push replaces this head and no other."""
    assert isinstance(event, BranchFound)
    return replace(task, head=event.head)


def pull_opened(task: Task, event: Event, _now: datetime) -> Task:
    """The pull request exists; from now on it carries the stage."""
    assert isinstance(event, PullOpened)
    return replace(task, pull=event.number)


def push_undone(task: Task, _event: Event, _now: datetime) -> Task:
    """The branch is not where we left it: the forge's head is another, and our commit is a draft again."""
    return replace(
        task,
        head=task.replaced_head,
        replaced_head="",
        draft_head=task.head,
        draft_is_unfinished=False,
        checked_head="",
        approved_head="",
    )


def approved(task: Task, event: Event, now: datetime) -> Task:
    """A reviewer run approved this head; the gates are looked at next."""
    assert isinstance(event, ReviewApproved)
    kept_ask = task.ask
    return replace(
        fresh_step(task, now),
        approved_head=event.head,
        reviewed_head=event.head,
        ask=kept_ask,
        found_before=(),
    )


def rejected(task: Task, event: Event, now: datetime) -> Task:
    """A round is over; the next worker gets the findings."""
    assert isinstance(event, ReviewRejected)
    told = (f"The reviewer asks for changes: {event.summary}", *map(describe_finding, event.findings))
    return replace(
        fresh_step(task, now),
        rounds=task.rounds + 1,
        approved_head="",
        reviewed_head=event.head,
        told=told,
        found_before=told,
    )


def describe_finding(finding: Finding) -> str:
    """One finding as one line for the next worker."""
    where = f"{finding.path}:{finding.line}" if finding.line else finding.path
    return f"[{finding.severity}] {where + ': ' if where else ''}{finding.text}"


def head_moved(task: Task, event: Event, now: datetime) -> Task:
    """Somebody else pushed: nothing that was said of the old head holds for the new one."""
    assert isinstance(event, HeadMoved)
    moved = replace(fresh_step(task, now), head=event.head, checked_head="", approved_head="")
    return replace(moved, draft_head="", draft_is_unfinished=False, ask=task.ask, rebasing_head="")


def rebase_begins(task: Task, _event: Event, _now: datetime) -> Task:
    """Remember which head is being rebased, so that the same conflict is not handled twice."""
    return replace(task, rebasing_head=task.head, look_again_at=None)


def rebased(task: Task, event: Event, now: datetime) -> Task:
    """Our own rebase is the head now, already checked; the approval moves along if the patch is the same.

    A reviewer who reads the old head is not waited for. CI begins anew on it, so the patience for CI does too. A rebase that found nothing to do is not tried again.
    """
    assert isinstance(event, Rebased)
    keeps = event.same_patch and task.approved_head == event.old_head
    is_moved = event.head != event.old_head
    return replace(
        task,
        run=None,
        head=event.head,
        replaced_head=event.old_head,
        checked_head=event.head,
        approved_head=event.head if keeps else "",
        rebasing_head="" if is_moved else event.head,
        step_started_at=now if is_moved else task.step_started_at,
        look_again_at=None,
    )


def sent_back(task: Task, event: Event, now: datetime) -> Task:
    """The pull request needs work for a reason from outside; the next worker is told which.

    What a machine sends back is a round, so that a CI that is always red costs no more than a reviewer who never
    agrees. What a person wants starts the count afresh.
    """
    by_machine = isinstance(event, CiTurnedRed | RebaseFailed)
    told = (*task.told, describe_reason(event))
    return replace(
        fresh_step(task, now),
        rounds=task.rounds + 1 if by_machine else 0,
        approved_head="",
        told=told,
        found_before=told,
        rebasing_head="",
    )


def describe_reason(event: Event) -> str:
    """Why a pull request goes back to a worker, in one sentence."""
    match event:
        case CiTurnedRed():
            return f"CI is red on this head: {event.summary}"
        case RebaseFailed():
            return f"The branch conflicts with its base and git could not rebase it: {event.why}. Rebase or merge by hand."
        case ChangesRequested():
            return f"@{event.by.login} requested changes: {event.text}"
        case _:
            assert isinstance(event, WorkWanted)
            return event.text


def work_wanted(task: Task, event: Event, now: datetime) -> Task:
    """The mention turned out to ask for a change."""
    return replace(sent_back(task, event, now), ask=None)


def answered(task: Task, _event: Event, now: datetime) -> Task:
    """The mention is dealt with; an approval that stood still stands."""
    return fresh_step(task, now)


def answered_one(task: Task, _event: Event, now: datetime) -> Task:
    """The older mention is dealt with; the newer one waits for a responder that reads it."""
    return replace(fresh_step(task, now), ask=task.ask)


def let_through(task: Task, _event: Event, now: datetime) -> Task:
    """Handed over; the rounds stay counted, so that a CI that turns red again and again comes to an end."""
    return replace(fresh_step(task, now), told=())


# ---------------------------------------------------------------- ends


def blocked(task: Task, event: Event, now: datetime) -> Task:
    """A person's turn; remembers why, and where the task goes on afterwards."""
    cause, detail = why_blocked(event)
    return replace(
        fresh_step(task, now),
        blocked_why=render_why(cause, detail),
        resume_stage=resume_stage_of(task),
        ask=task.ask,
        rebasing_head="",
        told=() if cause is BlockCause.EDITED else task.told,
    )


def contradicted(task: Task, event: Event, now: datetime) -> Task:
    """A person's turn; on an item that was nobody's yet, the one who asked is told. Both labels go with what follows."""
    assert isinstance(event, StagesContradicted)
    asked = replace(task, requester=event.by or task.requester, has_two_stages=False)
    return blocked(asked, event, now)


def resume_stage_of(task: Task) -> Stage:
    """Where a task that is blocked now goes on: the waiting stage of the step that it was in."""
    match task.stage:
        case Stage.NEEDS_REVIEW | Stage.REVIEWING:
            return Stage.NEEDS_REVIEW if task.pull else Stage.QUEUED
        case Stage.NEEDS_REWORK | Stage.REWORKING:
            return Stage.NEEDS_REWORK
        case Stage.ASKED | Stage.ANSWERING:
            return Stage.ASKED
        case Stage.BLOCKED:
            return task.resume_stage or Stage.QUEUED
        case Stage.NEW | Stage.QUEUED | Stage.WORKING | Stage.MERGE_READY | Stage.DONE | Stage.DROPPED:
            return Stage.NEEDS_REVIEW if task.pull else Stage.QUEUED
        case _:
            assert_never(task.stage)


def why_blocked(event: Event) -> tuple[BlockCause, str]:
    """The cause and its detail, for the comment that asks the person."""
    match event:
        case QuestionAsked():
            return BlockCause.QUESTION, event.text
        case GaveUp():
            return BlockCause.CANNOT, event.why
        case NothingToDo():
            return BlockCause.NOTHING_TO_DO, event.why
        case HarvestRefused() | OutcomeWithheld():
            cause = BlockCause.REFUSED if isinstance(event, HarvestRefused) else BlockCause.WITHHELD
            return cause, "\n".join(event.findings)
        case OutcomeMalformed():
            return BlockCause.MALFORMED, event.error
        case BudgetSpent():
            return BlockCause.BUDGET, event.detail
        case EffectRefused():
            return _why_refused(event)
        case LimitReached():
            return BlockCause(event.cause), event.detail
        case PushRefused():
            return BlockCause.EFFECT_REFUSED, f"push: {event.why}"
        case CiNeverSettled():
            return BlockCause.CI_NEVER_SETTLED, event.head
        case _:
            return _why_suspended(event)


def _why_refused(event: EffectRefused) -> tuple[BlockCause, str]:
    """The cause that was named, where a person can do something more exact than grant what is missing."""
    if event.cause:
        return BlockCause(event.cause), event.why
    return BlockCause.EFFECT_REFUSED, f"{event.effect}: {event.why}"


def _why_suspended(event: Event) -> tuple[BlockCause, str]:
    """What people did to the item, or what a worker left out."""
    match event:
        case StagesContradicted():
            return BlockCause.TWO_STAGES, "\n".join(event.labels)
        case BodyEditedByStranger():
            return BlockCause.EDITED, event.by.login if event.by else ""
        case _:
            return BlockCause.NO_COMMIT, ""


def head_noted(task: Task, event: Event, _now: datetime) -> Task:
    """A person pushed while it is their turn: a fresh reviewer looks when they hand back. A question stays one."""
    assert isinstance(event, HeadMoved)
    resumes = task.resume_stage if task.resume_stage is Stage.ASKED else Stage.NEEDS_REVIEW
    return replace(
        task,
        head=event.head,
        draft_head="",
        draft_is_unfinished=False,
        checked_head="",
        approved_head="",
        resume_stage=resumes,
    )


def over(task: Task, _event: Event, now: datetime) -> Task:
    """Nobody's turn any more; whatever was judged would be judged again."""
    return replace(
        fresh_step(task, now), told=(), blocked_why="", approved_head="", reviewed_head="", rebasing_head=""
    )


def adopted(task: Task, event: Event, now: datetime) -> Task:
    """The labels win: take from GitHub what it can tell, forget what the journal thought of this step.

    Whoever asks for rework or takes the turn does not believe the approval any more.
    """
    assert isinstance(event, StageShown)
    head = event.head or task.head
    keeps_approval = task.approved_head == head and event.stage is not Stage.NEEDS_REWORK
    return replace(
        fresh_step(task, now),
        pull=event.pull or task.pull,
        branch=event.branch or task.branch,
        base=event.base or task.base,
        head=head,
        checked_head=task.checked_head if task.checked_head == head else "",
        approved_head=task.approved_head if keeps_approval else "",
        requester=task.requester or event.requester,
        resume_stage=resume_stage_of(task) if event.stage is Stage.BLOCKED else None,
        ask=task.ask if event.stage is Stage.BLOCKED else None,
        rebasing_head="",
    )
