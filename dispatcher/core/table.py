"""THE table: (stage, event, guard) -> (stage, change, effects). Rows are data; the first row whose guard holds is taken.

Every (stage, event) pair is here, or in `IGNORED` with the reason why it means nothing there; what is neither is refused.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from dispatcher.core import changes as c
from dispatcher.core import guards as g
from dispatcher.core import reactions as r
from dispatcher.core.changes import Change
from dispatcher.core.events import (
    AgentFaulted,
    Answered,
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
    Closed,
    CommandGiven,
    ConflictAppeared,
    Dispatched,
    EffectRefused,
    Event,
    GatesPassed,
    GaveUp,
    HarvestRefused,
    HeadMoved,
    HeadUnchecked,
    Labelled,
    LimitReached,
    Mentioned,
    Merged,
    NothingNew,
    NothingToDo,
    OutcomeMalformed,
    OutcomeWithheld,
    PersonApproved,
    PersonTookOver,
    PullOpened,
    PushRefused,
    QuestionAsked,
    Rebased,
    RebaseFailed,
    Reopened,
    ResultKept,
    ReviewApproved,
    ReviewRejected,
    ReviewRequested,
    RunCancelled,
    RunDied,
    RunStalled,
    RunTimedOut,
    RunVanished,
    StagesContradicted,
    StageShown,
    Triggered,
    Unlabelled,
    WorkDelivered,
    WorkWanted,
)
from dispatcher.core.guards import Guard
from dispatcher.core.model import Stage as S  # noqa: N817  (a table is read by its shape)
from dispatcher.core.reactions import Reaction

EventType = type[Event]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. `change` says what the decision changes in the task, `then` what it makes happen."""

    source: S
    event: EventType
    dest: S
    when: Guard | None = None
    change: Change = c.unchanged
    then: tuple[Reaction, ...] = ()


def each(
    sources: Iterable[S],
    events: Iterable[EventType] | EventType,
    dest: S | None,
    when: Guard | None = None,
    change: Change = c.unchanged,
    then: tuple[Reaction, ...] = (),
) -> tuple[Row, ...]:
    """The same line for several stages and events; `dest` None stays where it is."""
    kinds = (events,) if isinstance(events, type) else tuple(events)
    return tuple(Row(s, e, dest or s, when, change, then) for s in sorted(sources) for e in kinds)


LIVE = (S.WORKING, S.REVIEWING, S.REWORKING, S.ANSWERING)
WAITING = (S.ASKED, S.QUEUED, S.NEEDS_REVIEW, S.NEEDS_REWORK)
OVER = (S.DONE, S.DROPPED)
BACK_TO = {
    S.WORKING: S.QUEUED, S.REVIEWING: S.NEEDS_REVIEW, S.REWORKING: S.NEEDS_REWORK, S.ANSWERING: S.ASKED,
}  # fmt: skip
ASKS = (Labelled, AssignedByPerson, Triggered)
ASKS_PULL = (*ASKS, ReviewRequested)
RUN_FAILED = (RunDied, RunStalled, RunTimedOut)

ASKING = (
    *each((S.NEW, *OVER), ASKS_PULL, S.NEEDS_REVIEW, g.has_pull, c.requested, (r.show,)),
    *each((S.NEW, *OVER), ASKS, S.QUEUED, None, c.requested, (r.show,)),
    *each((S.NEW, *OVER), Mentioned, S.ASKED, None, c.ask_noted),
    *each((S.NEW, S.MERGE_READY, S.ASKED, S.NEEDS_REWORK, *OVER), CommandGiven, S.NEEDS_REVIEW, g.orders_review, c.requested, (r.show,)),
    *each((S.NEW, S.DROPPED), CommandGiven, S.NEEDS_REVIEW, g.orders_work_on_pull, c.requested, (r.show,)),
    *each((S.NEW, S.DROPPED), CommandGiven, S.QUEUED, g.orders_work, c.requested, (r.show,)),
    *each((S.ASKED,), ASKS_PULL, S.NEEDS_REVIEW, g.has_pull, c.requested, (r.show,)),
    *each((S.ASKED,), ASKS, S.QUEUED, None, c.requested, (r.show,)),
    *each((S.ANSWERING,), ASKS_PULL, S.NEEDS_REVIEW, g.has_pull, c.requested, (r.stop, r.show)),
    *each((S.ANSWERING,), ASKS, S.QUEUED, None, c.requested, (r.stop, r.show)),
    Row(S.REVIEWING, Mentioned, S.ASKED, g.is_new_ask_after_verdict, c.ask_noted),
    Row(S.ANSWERING, Mentioned, S.ANSWERING, g.is_new_ask, c.asked_again),
    *each((*WAITING, S.WORKING, S.REVIEWING, S.REWORKING), Mentioned, None, g.is_new_ask, c.ask_noted),
    *each(OVER, Reopened, S.NEEDS_REVIEW, g.has_pull, c.requested, (r.show,)),
    *each((S.DROPPED,), Reopened, S.QUEUED, None, c.requested, (r.show,)),
)  # fmt: skip

DISPATCH = (
    Row(S.ASKED, Dispatched, S.ANSWERING, None, c.run_begins, (r.claim, r.start)),
    Row(S.QUEUED, Dispatched, S.WORKING, None, c.run_begins, (r.claim, r.start)),
    Row(S.NEEDS_REVIEW, Dispatched, S.REVIEWING, None, c.run_begins, (r.claim, r.start)),
    Row(S.NEEDS_REWORK, Dispatched, S.REWORKING, None, c.run_begins, (r.claim, r.start)),
    *each(WAITING, LimitReached, S.BLOCKED, None, c.blocked, (r.show, r.ask_person)),
    *each(WAITING, CommandGiven, S.DROPPED, g.orders_stop, c.over, (r.show,)),
    *each((S.QUEUED, S.NEEDS_REVIEW, S.NEEDS_REWORK), CommandGiven, None, None, c.cooled),
)  # fmt: skip

WORK = (
    Row(S.WORKING, BranchFound, S.WORKING, None, c.branch_found),
    *each((S.WORKING, S.REWORKING), WorkDelivered, None, None, c.delivered, (r.harvest,)),
    Row(S.WORKING, CheckPassed, S.NEEDS_REVIEW, g.of_our_run, c.work_published, (r.push, r.open_pull, r.show)),
    Row(S.REWORKING, CheckPassed, S.NEEDS_REVIEW, g.of_our_run, c.work_published, (r.push, r.show)),
    Row(S.WORKING, CheckFailed, S.QUEUED, g.of_our_run, c.check_failed, (r.show,)),
    Row(S.REWORKING, CheckFailed, S.NEEDS_REWORK, g.of_our_run, c.check_failed, (r.show,)),
    *each((S.WORKING, S.REWORKING), HarvestRefused, S.BLOCKED, None, c.blocked, (r.show, r.ask_person)),
    Row(S.WORKING, NothingNew, S.QUEUED, None, c.attempt_failed, (r.show,)),
    Row(S.REWORKING, NothingNew, S.BLOCKED, None, c.blocked, (r.show, r.ask_person)),
    *each((S.WORKING, S.REWORKING), (QuestionAsked, GaveUp), S.BLOCKED, None, c.blocked, (r.show, r.ask_person)),
    *each((S.WORKING, S.REWORKING), NothingToDo, S.BLOCKED, None, c.blocked, (r.show, r.ask_person)),
)  # fmt: skip

REVIEW = (
    Row(S.REVIEWING, ReviewApproved, S.ASKED, g.asked_meanwhile, c.approved, (r.post_review, r.show)),
    Row(S.REVIEWING, ReviewApproved, S.REVIEWING, g.same_head, c.approved, (r.post_review,)),
    Row(S.REVIEWING, ReviewApproved, S.NEEDS_REVIEW, None, c.run_superseded, (r.show,)),
    Row(S.REVIEWING, ReviewRejected, S.NEEDS_REWORK, g.same_head, c.rejected, (r.post_review, r.show)),
    Row(S.REVIEWING, ReviewRejected, S.NEEDS_REVIEW, None, c.run_superseded, (r.show,)),
    Row(S.REVIEWING, GatesPassed, S.MERGE_READY, g.gates_are_ours, c.let_through, (r.show,)),
    Row(S.REVIEWING, CiNeverSettled, S.BLOCKED, g.same_head_and_agent_gone, c.blocked, (r.show, r.ask_person)),
)  # fmt: skip

ANSWER = (
    Row(S.ANSWERING, Answered, S.ASKED, g.is_asked_again, c.answered_one, (r.answer, r.show)),
    Row(S.ANSWERING, Answered, S.REVIEWING, g.approval_stands, c.answered, (r.answer, r.show)),
    Row(S.ANSWERING, Answered, S.NEEDS_REVIEW, g.was_under_review, c.answered, (r.answer, r.show)),
    Row(S.ANSWERING, Answered, S.DONE, None, c.answered, (r.answer, r.show)),
    Row(S.ANSWERING, WorkWanted, S.NEEDS_REWORK, g.has_pull, c.work_wanted, (r.show,)),
    Row(S.ANSWERING, WorkWanted, S.QUEUED, g.is_open, c.work_wanted, (r.show,)),
    Row(S.ANSWERING, WorkWanted, S.DROPPED, None, c.over, (r.show,)),
)  # fmt: skip

TROUBLE = (
    *(row for live, back in BACK_TO.items() for row in (
        *each((live,), RUN_FAILED, back, None, c.attempt_failed, (r.show,)),
        Row(live, ClaimRefused, back, None, c.run_given_back),
        Row(live, RunCancelled, back, None, c.run_given_back, (r.show,)),
        Row(live, RunVanished, back, None, c.run_given_back, (r.show,)),
        Row(live, OutcomeMalformed, live, g.first_malformed, c.repair_begins, (r.start_repair,)),
        Row(live, OutcomeMalformed, S.BLOCKED, None, c.blocked, (r.show, r.ask_person)),
        Row(live, AgentFaulted, back, None, c.run_freed, (r.keep, r.show)),
        Row(live, BudgetSpent, back, g.budget_comes_back, c.run_freed, (r.stop, r.keep, r.show)),
        Row(live, BudgetSpent, S.BLOCKED, None, c.blocked, (r.stop, r.keep, r.show, r.ask_person)),
        Row(live, OutcomeWithheld, S.BLOCKED, None, c.blocked, (r.show, r.ask_person)),
        Row(live, PersonTookOver, back, None, c.run_superseded, (r.stop, r.keep, r.show)),
        Row(live, CommandGiven, S.DROPPED, g.orders_stop, c.over, (r.stop, r.keep, r.show)),
    )),
    *each((*LIVE, *WAITING, S.MERGE_READY), EffectRefused, S.BLOCKED, None, c.blocked, (r.stop, r.show, r.ask_person)),
    Row(S.BLOCKED, EffectRefused, S.BLOCKED, g.refused("ShowStage"), c.unchanged, (r.ask_person,)),
    Row(S.BLOCKED, EffectRefused, S.BLOCKED, g.needs_other_words, c.blocked, (r.show, r.ask_person)),
    *each((S.NEW, S.QUEUED, S.NEEDS_REVIEW, S.NEEDS_REWORK, S.REVIEWING, S.MERGE_READY, *OVER),
          StagesContradicted, S.BLOCKED, g.agent_is_gone, c.contradicted, (r.show, r.ask_person)),
    *each((*WAITING, *LIVE), BodyEditedByStranger, S.BLOCKED, None, c.blocked, (r.stop, r.keep, r.show, r.ask_person)),
)  # fmt: skip

PULL = (
    *each((S.NEEDS_REVIEW, S.BLOCKED, S.REVIEWING, S.NEEDS_REWORK, *OVER), PullOpened, None, None, c.pull_opened),
    *each((S.NEEDS_REVIEW, S.BLOCKED, S.REVIEWING), CheckPassed, None, g.same_head, c.head_checked),
    *each((S.NEEDS_REVIEW, S.REVIEWING), CheckFailed, S.NEEDS_REWORK, g.same_head, c.check_failed, (r.stop, r.show)),
    *each((S.NEEDS_REVIEW, S.REVIEWING), HeadUnchecked, None, g.needs_check, c.unchanged, (r.check_head,)),
    Row(S.NEEDS_REVIEW, PushRefused, S.NEEDS_REVIEW, g.has_pull, c.push_undone, (r.show,)),
    Row(S.NEEDS_REVIEW, PushRefused, S.BLOCKED, None, c.blocked, (r.show, r.ask_person)),
    *each((S.NEEDS_REVIEW, S.NEEDS_REWORK, S.MERGE_READY), HeadMoved, S.NEEDS_REVIEW, g.new_head, c.head_moved, (r.show,)),
    *each((S.REVIEWING, S.REWORKING), HeadMoved, S.NEEDS_REVIEW, g.new_head, c.run_superseded, (r.stop, r.keep, r.show)),
    *each((S.ASKED, S.ANSWERING), HeadMoved, None, g.new_head, c.head_noted),
    Row(S.BLOCKED, HeadMoved, S.BLOCKED, g.new_head, c.head_noted),
    *each((S.NEEDS_REVIEW, S.REVIEWING), ConflictAppeared, None, g.conflict_is_new, c.rebase_begins, (r.rebase,)),
    Row(S.MERGE_READY, ConflictAppeared, S.REVIEWING, g.conflict_is_new, c.rebase_begins, (r.rebase, r.show)),
    Row(S.REVIEWING, Rebased, S.REVIEWING, g.approval_moves_along, c.rebased),
    *each((S.REVIEWING, S.NEEDS_REVIEW), Rebased, S.NEEDS_REVIEW, None, c.rebased, (r.stop, r.show)),
    *each((S.REVIEWING, S.NEEDS_REVIEW), RebaseFailed, S.NEEDS_REWORK, g.same_head, c.sent_back, (r.stop, r.show)),
    *each((S.NEEDS_REVIEW, S.REVIEWING, S.MERGE_READY), CiTurnedRed, S.NEEDS_REWORK, g.same_head_and_agent_gone, c.sent_back, (r.show,)),
    *each((S.NEEDS_REVIEW, S.MERGE_READY, S.ASKED), ChangesRequested, S.NEEDS_REWORK, None, c.sent_back, (r.show,)),
    Row(S.BLOCKED, ChangesRequested, S.NEEDS_REWORK, g.is_new_request, c.sent_back, (r.show,)),
    *each((S.REVIEWING, S.ANSWERING), ChangesRequested, S.NEEDS_REWORK, None, c.sent_back, (r.stop, r.show)),
)  # fmt: skip

PERSONS_TURN = (
    Row(S.BLOCKED, CommandGiven, S.DROPPED, g.orders_stop, c.over, (r.show,)),
    *each((S.BLOCKED,), (Mentioned, *ASKS, CommandGiven), S.NEEDS_REVIEW, g.publishing_failed, c.resumed, (r.publish_again, r.show)),
    Row(S.BLOCKED, CommandGiven, S.NEEDS_REVIEW, g.orders_review, c.resumed, (r.show,)),
    *(Row(S.BLOCKED, event, stage, g.resumes_at(stage), c.resumed, (r.show,))
      for event in (Mentioned, CommandGiven)
      for stage in (S.QUEUED, S.NEEDS_REVIEW, S.NEEDS_REWORK, S.ASKED)),
    *each((S.BLOCKED,), ASKS, S.NEEDS_REWORK, g.resumes_at(S.NEEDS_REWORK), c.resumed, (r.show,)),
    *each((S.BLOCKED,), ASKS, S.NEEDS_REVIEW, g.has_pull, c.resumed, (r.show,)),
    *each((S.BLOCKED,), ASKS, S.QUEUED, None, c.resumed, (r.show,)),
    Row(S.MERGE_READY, Mentioned, S.ASKED, None, c.ask_noted),
    *each((S.MERGE_READY,), ASKS_PULL, S.NEEDS_REVIEW, None, c.requested, (r.show,)),
    Row(S.MERGE_READY, CommandGiven, S.DROPPED, g.orders_stop, c.over, (r.show,)),
)  # fmt: skip

ENDS = (
    *each((S.QUEUED, S.WORKING, S.NEEDS_REWORK, S.REWORKING, S.BLOCKED), ResultKept, None, g.is_continued, c.kept_for_next, (r.say_what_was_kept,)),
    *each(set(S) - {S.NEW}, ResultKept, None, None, c.unchanged, (r.say_what_was_kept,)),
    *each((*WAITING, S.MERGE_READY, S.BLOCKED, S.DROPPED), Merged, S.DONE, None, c.over, (r.show,)),
    *each(LIVE, Merged, S.DONE, None, c.over, (r.stop, r.keep, r.show)),
    *each((*WAITING, S.MERGE_READY, S.BLOCKED), Closed, S.DROPPED, None, c.over, (r.show,)),
    *each(LIVE, Closed, S.DROPPED, None, c.over, (r.stop, r.keep, r.show)),
    *each((S.QUEUED, S.NEEDS_REVIEW, S.NEEDS_REWORK, S.MERGE_READY), Unlabelled, S.DROPPED, None, c.over, (r.show,)),
    *each((S.WORKING, S.REVIEWING, S.REWORKING), Unlabelled, S.DROPPED, None, c.over, (r.stop, r.keep, r.show)),
)  # fmt: skip

SHOWN = tuple(
    Row(source, StageShown, shown, g.shows(shown), c.adopted, (r.stop, r.keep) if source in LIVE else ())
    for source in S
    for shown in S
    if shown in {S.QUEUED, S.NEEDS_REVIEW, S.NEEDS_REWORK, S.MERGE_READY, S.BLOCKED}
)

IGNORED: dict[EventType, str] = {
    Labelled: "already asked for",
    AssignedByPerson: "already asked for",
    ReviewRequested: "already asked for, or nothing to review",
    Triggered: "already asked for",
    Mentioned: "an older mention, or one that the next prompt shows anyway",
    CommandGiven: "the command changes nothing here",
    Unlabelled: "the turn label is not expected here",
    PersonTookOver: "it is not the bot's turn",
    StagesContradicted: "an agent is at work, and what it comes to shows one stage; or it is a person's turn already",
    BodyEditedByStranger: "nothing is under way",
    HeadMoved: "the head is known, or it is nobody's concern here",
    HeadUnchecked: "checked by now, or somebody is at work on it",
    ConflictAppeared: "somebody is at work on it, or it is being rebased already; it is seen again",
    CiTurnedRed: "somebody is at work on it, or it is another head; it is seen again",
    CiNeverSettled: "nobody waits for CI here",
    GatesPassed: "no reviewer run approved this head",
    ChangesRequested: "a worker is at work or about to be, and reads it",
    PersonApproved: "recorded; a reviewer run still has to approve",
    Merged: "already over",
    Closed: "already over, or never begun",
    Reopened: "it was not over, or has no turn label",
    PullOpened: "the pull request is known",
    CheckPassed: "another head, or nobody waits for it",
    CheckFailed: "another head, or nobody waits for it",
    Rebased: "nobody waits for it",
    RebaseFailed: "nobody waits for it",
    PushRefused: "nobody waits for it",
    LimitReached: "no run is about to start",
    RunVanished: "no run is expected",
    ResultKept: "never begun",
    EffectRefused: "never begun, over, or said already",
}
"""What an event means in a stage that has no row for it: nothing, for this reason."""

REFUSED: dict[EventType, str] = {
    StageShown: "labels show no such stage: a live one is taken over as its waiting one, a closed item is an end",
    Dispatched: "a run starts only from a waiting stage",
    **dict.fromkeys(
        (
            ClaimRefused,
            AgentFaulted,
            BudgetSpent,
            OutcomeMalformed,
            OutcomeWithheld,
            *RUN_FAILED,
            RunCancelled,
        ),
        "no run is expected in this stage",
    ),
    **dict.fromkeys(
        (BranchFound, WorkDelivered, QuestionAsked, GaveUp, NothingToDo, NothingNew, HarvestRefused),
        "no worker runs in this stage",
    ),
    **dict.fromkeys((ReviewApproved, ReviewRejected), "no reviewer runs in this stage"),
    **dict.fromkeys((Answered, WorkWanted), "no responder runs in this stage"),
}
"""Events that cannot happen in a stage that has no row for them: recorded as a fault, nothing moves."""

TABLE: tuple[Row, ...] = (
    *ASKING,
    *DISPATCH,
    *WORK,
    *REVIEW,
    *ANSWER,
    *TROUBLE,
    *PULL,
    *PERSONS_TURN,
    *ENDS,
    *SHOWN,
)
