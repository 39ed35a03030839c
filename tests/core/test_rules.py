"""What single rules of the table are for: accidents that must not happen, told one by one."""

from dataclasses import replace
from datetime import timedelta

import pytest

from dispatcher.core import events as e
from dispatcher.core.causes import BlockCause, parse_why
from dispatcher.core.effects import (
    CheckHead,
    Claim,
    KeepResult,
    OpenPull,
    PostComment,
    PostReview,
    Push,
    Rebase,
    StartRun,
)
from dispatcher.core.machine import Verdict, decide
from dispatcher.core.model import Ask, Ci, Command, Finding, LiveRun, Permission, Role, Stage
from dispatcher.core.policy import limit_reached
from tests.core.situations import (
    ALIEN,
    ANNA,
    ASK,
    BEN,
    EARLIER,
    HEAD,
    MALLORY,
    NEXT,
    NOW,
    OLD,
    PULL,
    WORKER,
    approved,
    follow,
    kinds,
    sample_event,
    task_in,
)

MENTION = e.Mentioned(Ask(501, BEN, NOW), "@shop-bot why a loop?")


# ---------------------------------------------------------------- asking


@pytest.mark.parametrize("ask", [e.Labelled(BEN), e.AssignedByPerson(BEN), e.Triggered(BEN, False, "fix it")])
def test_whoever_asks_is_the_requester_and_the_task_is_queued(ask):
    decision = follow(task_in(Stage.NEW), ask)
    assert (decision.task.stage, decision.task.requester) == (Stage.QUEUED, BEN)
    assert kinds(decision) == ["ShowStage"]


def test_a_labelled_pull_request_is_reviewed_first():
    task = task_in(Stage.NEW, pull=PULL, head=HEAD, began_as_pull=True)
    assert follow(task, e.ReviewRequested(BEN)).task.stage is Stage.NEEDS_REVIEW


def test_a_person_who_orders_a_review_of_a_new_pull_request_is_the_requester():
    task = task_in(Stage.NEW, pull=PULL, head=HEAD)
    after = follow(task, e.CommandGiven(Command.REVIEW, BEN)).task
    assert (after.stage, after.requester) == (Stage.NEEDS_REVIEW, BEN)


def test_whoever_answers_a_task_that_nobody_is_known_to_have_asked_for_becomes_the_requester():
    lost_journal = task_in(Stage.BLOCKED, requester=None)
    assert follow(lost_journal, MENTION).task.requester == BEN


def test_an_order_from_the_command_line_names_nobody():
    assert (
        follow(task_in(Stage.DROPPED, requester=None), e.CommandGiven(Command.RETRY)).task.requester is None
    )


@pytest.mark.parametrize(
    "event", [e.Triggered(BEN, True, "resume"), e.CommandGiven(Command.RESUME, BEN, "@shop-bot resume")]
)
def test_resume_goes_on_with_the_branch_that_is_there(event):
    assert follow(task_in(Stage.DROPPED, pull=None), event).task.continues_branch


def test_asking_again_takes_the_text_as_it_is_now():
    blocked = follow(task_in(Stage.QUEUED, body_digest="before"), e.BodyEditedByStranger(MALLORY)).task
    assert parse_why(blocked.blocked_why) == (BlockCause.EDITED, "mallory")
    assert follow(blocked, e.CommandGiven(Command.RETRY)).task.body_digest == ""


def test_a_text_that_a_ghost_changed_suspends_as_well():
    blocked = follow(task_in(Stage.QUEUED), e.BodyEditedByStranger(None)).task
    assert blocked.blocked_why == BlockCause.EDITED


def test_people_whom_we_assigned_do_not_hold_up_what_follows():
    task = task_in(Stage.BLOCKED, assignees=(ANNA, BEN), handed_to=("anna",), resume_stage=Stage.QUEUED)
    assert follow(task, e.Labelled(ANNA)).task.assignees == (BEN,)


# ---------------------------------------------------------------- mentions


def test_a_mention_during_the_review_is_answered_before_the_hand_over():
    story = follow(task_in(Stage.REVIEWING), MENTION, e.ReviewApproved("run-r", HEAD, "good"))
    assert (story.task.stage, story.task.ask) == (Stage.ASKED, MENTION.ask)


def test_a_mention_before_the_review_is_answered_after_it():
    dispatched = e.Dispatched(LiveRun("run-r", Role.REVIEWER, "codex", HEAD, NOW))
    story = follow(task_in(Stage.NEEDS_REVIEW), MENTION, dispatched, e.ReviewApproved("run-r", HEAD, "good"))
    assert story.task.stage is Stage.ASKED


def test_invariant_9_a_mention_while_only_the_gates_are_awaited_does_not_shut_them_for_ever():
    asked = follow(approved(), MENTION).task
    assert asked.stage is Stage.ASKED
    run = LiveRun("run-a", Role.RESPONDER, "claude", HEAD, NOW)
    answered = follow(asked, e.Dispatched(run), e.Answered("run-a", "Because."))
    assert answered.task.stage is Stage.REVIEWING
    assert kinds(answered) == ["PostComment", "ShowStage"]
    assert follow(answered.task, e.GatesPassed(HEAD)).task.stage is Stage.MERGE_READY


def test_a_worker_reads_the_mention_as_an_order():
    dispatched = e.Dispatched(LiveRun("run-w", Role.WORKER, "claude", HEAD, NOW))
    assert follow(task_in(Stage.NEEDS_REWORK), MENTION, dispatched).task.ask is None


def test_an_older_mention_does_not_replace_a_newer_one():
    older = e.Mentioned(Ask(400, ANNA, EARLIER - timedelta(minutes=1)), "@shop-bot hello")
    assert follow(task_in(Stage.ASKED), older).verdict is Verdict.IGNORED


def test_a_question_about_somebodys_pull_request_is_answered_and_nothing_else():
    """Invariant 7: nobody asked for a review of it."""
    task = task_in(Stage.ANSWERING, pull=PULL, head=HEAD, began_as_pull=True)
    assert follow(task, e.Answered("run-a", "It adds.")).task.stage is Stage.DONE


def test_a_question_about_a_head_that_moved_leads_back_to_the_review():
    task = approved(Stage.ANSWERING)
    after = follow(task, e.HeadMoved(ALIEN), e.Answered("run-a", "Because.")).task
    assert (after.stage, after.head, after.approved_head) == (Stage.NEEDS_REVIEW, ALIEN, "")


def test_an_answer_to_a_stopped_task_does_not_start_it_again():
    stopped = follow(approved(Stage.MERGE_READY), e.CommandGiven(Command.STOP, ANNA), MENTION).task
    run = LiveRun("run-a", Role.RESPONDER, "claude", HEAD, NOW)
    assert follow(stopped, e.Dispatched(run), e.Answered("run-a", "Because.")).task.stage is Stage.DONE


@pytest.mark.parametrize(
    ("task", "stage"),
    [
        (task_in(Stage.ANSWERING, pull=PULL, head=HEAD), Stage.NEEDS_REWORK),
        (task_in(Stage.ANSWERING), Stage.QUEUED),
        (task_in(Stage.ANSWERING, is_open=False), Stage.DROPPED),
    ],
    ids=["pull request", "issue", "closed issue"],
)
def test_a_mention_that_wants_work(task, stage):
    after = follow(task, e.WorkWanted("run-a", "Round it.")).task
    assert after.stage is stage
    assert after.told == (() if stage is Stage.DROPPED else ("Round it.",))


# ---------------------------------------------------------------- work


def test_work_is_published_only_after_its_own_harvest():
    stray = e.CheckPassed(ALIEN)
    assert follow(task_in(Stage.WORKING), stray).verdict is Verdict.IGNORED
    assert follow(task_in(Stage.REWORKING), e.CheckFailed(ALIEN, "", "f")).verdict is Verdict.IGNORED


def test_the_first_work_opens_the_pull_request():
    delivered = e.WorkDelivered("run-w", "Add a total", "It adds.", "make test")
    story = follow(task_in(Stage.WORKING), delivered, e.CheckPassed(NEXT, run_id="run-w"))
    push, opened, _ = story.effects
    assert push == Push(push.key, "bot/7-add-a-total", NEXT, expected="")
    assert isinstance(opened, OpenPull)
    assert (story.task.pull_title, story.task.checked_head, story.task.told) == ("Add a total", NEXT, ())
    assert follow(story.task, e.PullOpened(PULL, NEXT)).task.front.number == PULL


def test_a_red_check_sends_the_next_worker_on_from_the_red_commit_at_once():
    task = task_in(Stage.WORKING, cooldown_until=NOW + timedelta(minutes=9))
    after = follow(task, e.CheckFailed(NEXT, "1 failed", "f1", "run-w")).task
    assert (after.stage, after.draft_head, after.cooldown_until) == (Stage.QUEUED, NEXT, None)
    assert "1 failed" in after.told[-1]
    assert after.attempts == 1, "the attempt stays counted"


def test_the_same_check_failure_three_times_is_a_breaker():
    task = task_in(Stage.NEEDS_REWORK)
    for number in range(3):
        run = LiveRun(f"run-{number}", Role.WORKER, "claude", HEAD, NOW)
        task = replace(task, attempts=0)
        task = follow(task, e.Dispatched(run), e.CheckFailed(NEXT, "1 failed", "f1", run.id)).task
    reached = limit_reached(task)
    assert reached is not None
    assert reached.cause == BlockCause.SAME_CHECK_FAILURE
    assert follow(task, reached).task.stage is Stage.BLOCKED


def test_a_red_check_on_a_persons_commit_is_a_new_step_for_a_worker():
    task = task_in(Stage.NEEDS_REVIEW, attempts=2, checked_head="")
    after = follow(task, e.CheckFailed(HEAD, "1 failed", "f1")).task
    assert (after.stage, after.attempts, after.draft_head) == (Stage.NEEDS_REWORK, 0, "")


def test_a_rework_without_a_commit_is_a_breaker():
    after = follow(task_in(Stage.REWORKING), e.NothingNew("run-w")).task
    assert (after.stage, after.blocked_why) == (Stage.BLOCKED, BlockCause.NO_COMMIT)
    first = follow(task_in(Stage.WORKING), e.NothingNew("run-w")).task
    assert (first.stage, first.attempts) == (Stage.QUEUED, 1)
    assert "no new commit" in first.told[-1]


@pytest.mark.parametrize(
    ("event", "cause"),
    [
        (e.QuestionAsked("run-w", "Which?"), BlockCause.QUESTION),
        (e.GaveUp("run-w", "hard"), BlockCause.CANNOT),
        (e.NothingToDo("run-w", "fine"), BlockCause.NOTHING_TO_DO),
        (e.HarvestRefused("run-w", ("a secret",)), BlockCause.REFUSED),
        (e.BudgetSpent("run-w", "tokens"), BlockCause.BUDGET),
        (e.OutcomeWithheld("run-w", ("a secret",)), BlockCause.WITHHELD),
        (e.EffectRefused("StartRun", "disk full"), BlockCause.EFFECT_REFUSED),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, e.Event) else "",
)
def test_whatever_needs_a_person_asks_one_clear_thing(event, cause):
    decision = follow(task_in(Stage.REWORKING), event)
    assert decision.task.stage is Stage.BLOCKED
    assert parse_why(decision.task.blocked_why)[0] is cause
    assert kinds(decision)[-2:] == ["ShowStage", "PostComment"]


def test_one_repair_run_and_then_a_person():
    broken = e.OutcomeMalformed("run-w", "not JSON")
    repair = follow(task_in(Stage.WORKING), broken)
    (start,) = repair.effects
    assert isinstance(start, StartRun)
    assert (start.repairs, start.repair_error, repair.task.attempts) == ("run-w", "not JSON", 1)
    assert repair.task.run is not None
    again = follow(repair.task, e.OutcomeMalformed(repair.task.run.id, "not JSON"))
    assert parse_why(again.task.blocked_why)[0] is BlockCause.MALFORMED


# ---------------------------------------------------------------- review, CI, conflicts


def test_a_rejection_is_a_round_and_its_findings_go_to_a_fresh_worker():
    findings = (
        Finding("no test", "major", "shop.py", 3),
        Finding("dull", "nit"),
        Finding("odd", "nit", "a.py"),
    )
    decision = follow(task_in(Stage.REVIEWING), e.ReviewRejected("run-r", HEAD, "not yet", findings))
    assert (decision.task.stage, decision.task.rounds) == (Stage.NEEDS_REWORK, 1)
    assert decision.task.told[1:] == ("[major] shop.py:3: no test", "[nit] dull", "[nit] a.py: odd")
    assert decision.task.found_before == decision.task.told, (
        "the next reviewer looks whether it was dealt with"
    )
    again = replace(task_in(Stage.REVIEWING), found_before=decision.task.found_before)
    approved = follow(again, e.ReviewApproved("run-r", HEAD, "ok"))
    assert approved.task.found_before == ()
    assert isinstance(decision.effects[0], PostReview)


def test_a_verdict_on_a_gone_head_means_nothing_for_the_new_one():
    after = follow(task_in(Stage.REVIEWING), e.ReviewRejected("run-r", ALIEN, "no")).task
    assert (after.stage, after.rounds) == (Stage.NEEDS_REVIEW, 0)


@pytest.mark.parametrize(
    "sent_back", [e.CiTurnedRed(HEAD, "unit"), e.RebaseFailed(HEAD, "shop.py")], ids=["ci", "conflict"]
)
def test_a_ci_that_is_always_red_costs_no_more_than_the_rounds(sent_back):
    task, runs = task_in(Stage.NEEDS_REVIEW), 0
    while limit_reached(task) is None:
        runs += 1
        run = LiveRun(f"run-{runs}", Role.WORKER, "claude", HEAD, NOW)
        task = follow(task, sent_back).task
        if limit_reached(task) is None:
            task = follow(task, e.Dispatched(run), e.CheckPassed(HEAD, run_id=run.id)).task
    assert task.rounds == 5


def test_what_a_person_wants_starts_the_rounds_afresh():
    after = follow(task_in(Stage.NEEDS_REVIEW, rounds=4), e.ChangesRequested(BEN, "round it")).task
    assert (after.stage, after.rounds) == (Stage.NEEDS_REWORK, 0)
    assert after.told == ("@ben requested changes: round it",)


def test_a_change_request_does_not_wake_a_blocked_task_again_and_again():
    """One paid run for one wish: the worker that read it had a question."""
    wish = e.ChangesRequested(BEN, "round it")
    run = LiveRun("run-w", Role.WORKER, "claude", HEAD, NOW)
    blocked = follow(
        approved(Stage.MERGE_READY), wish, e.Dispatched(run), e.QuestionAsked("run-w", "How?")
    ).task
    assert follow(blocked, wish).verdict is Verdict.IGNORED
    assert follow(blocked, e.ChangesRequested(ANNA, "and name it")).task.stage is Stage.NEEDS_REWORK


def test_a_change_request_does_not_lift_a_suspension():
    blocked = follow(task_in(Stage.NEEDS_REVIEW), e.BodyEditedByStranger(MALLORY)).task
    assert follow(blocked, e.ChangesRequested(BEN, "round it")).verdict is Verdict.IGNORED


def test_a_conflict_is_rebased_once_and_the_approval_moves_along():
    begun = follow(approved(Stage.MERGE_READY), e.ConflictAppeared(HEAD))
    assert isinstance(begun.effects[0], Rebase)
    assert follow(begun.task, e.ConflictAppeared(HEAD)).verdict is Verdict.IGNORED
    after = follow(begun.task, e.Rebased(HEAD, NEXT, same_patch=True)).task
    assert (after.stage, after.head, after.approved_head) == (Stage.REVIEWING, NEXT, NEXT)
    assert after.step_started_at == NOW, "CI begins anew, and so does the patience for it"


def test_a_rebase_that_changed_the_patch_is_reviewed_again():
    begun = follow(approved(), e.ConflictAppeared(HEAD)).task
    after = follow(begun, e.Rebased(HEAD, NEXT, same_patch=False)).task
    assert (after.stage, after.approved_head) == (Stage.NEEDS_REVIEW, "")


@pytest.mark.parametrize("event", [e.Rebased(HEAD, NEXT, same_patch=True), e.RebaseFailed(HEAD, "shop.py")])
def test_invariant_1_a_reviewer_of_the_old_head_is_stopped(event):
    decision = follow(task_in(Stage.REVIEWING, approved_head=HEAD), event)
    assert decision.task.run is None
    assert kinds(decision) == ["StopRun", "ShowStage"]


def test_a_rebase_with_nothing_to_do_is_not_repeated_for_ever():
    begun = follow(approved(), e.ConflictAppeared(HEAD)).task
    after = follow(begun, e.Rebased(HEAD, HEAD, same_patch=True)).task
    assert after.step_started_at == EARLIER, "the patience goes on running"
    assert follow(after, e.ConflictAppeared(HEAD)).verdict is Verdict.IGNORED


def test_an_unchecked_head_is_checked_before_anybody_reads_it():
    decision = follow(task_in(Stage.NEEDS_REVIEW, checked_head=""), e.HeadUnchecked(HEAD))
    (check,) = decision.effects
    assert isinstance(check, CheckHead)
    assert check.head == HEAD
    assert follow(decision.task, e.CheckPassed(HEAD)).task.checked_head == HEAD
    assert follow(decision.task, e.CheckPassed(ALIEN)).verdict is Verdict.IGNORED


def test_gates_that_never_open_end_with_a_person():
    after = follow(approved(), e.CiNeverSettled(HEAD)).task
    assert (after.stage, after.blocked_why) == (Stage.BLOCKED, f"{BlockCause.CI_NEVER_SETTLED}: {HEAD}")


# ---------------------------------------------------------------- people move things


def test_a_push_under_a_live_run_keeps_the_work_and_reviews_the_new_head():
    decision = follow(task_in(Stage.REWORKING), e.HeadMoved(ALIEN))
    assert kinds(decision) == ["StopRun", "KeepResult", "ShowStage"]
    assert (decision.task.stage, decision.task.head, decision.task.attempts) == (Stage.NEEDS_REVIEW, ALIEN, 0)


def test_a_take_over_waits_a_cooldown():
    after = follow(task_in(Stage.WORKING), e.PersonTookOver(BEN)).task
    assert after.cooldown_until == NOW + timedelta(minutes=30)


def test_another_instances_claim_makes_us_wait_a_minute():
    after = follow(task_in(Stage.WORKING), e.ClaimRefused("run-w", "another")).task
    assert after.cooldown_until == NOW + timedelta(minutes=1)


def test_the_label_wins_over_the_run_and_the_work_is_kept():
    shown = e.StageShown(Stage.NEEDS_REVIEW, PULL, "bot/7-add-a-total", ALIEN, "main", BEN)
    decision = follow(task_in(Stage.REWORKING), shown)
    assert kinds(decision) == ["StopRun", "KeepResult"]
    assert (decision.task.stage, decision.task.head, decision.task.checked_head) == (
        Stage.NEEDS_REVIEW,
        ALIEN,
        "",
    )


def test_the_rework_label_takes_the_approval_back():
    assert follow(approved(), e.StageShown(Stage.NEEDS_REWORK)).task.approved_head == ""
    assert follow(approved(), e.StageShown(Stage.NEEDS_REVIEW)).task.approved_head == HEAD


def test_a_person_who_shows_blocked_finds_the_task_where_it_was():
    blocked = follow(task_in(Stage.NEEDS_REWORK, told=("no test",)), e.StageShown(Stage.BLOCKED)).task
    after = follow(blocked, e.CommandGiven(Command.RETRY, BEN)).task
    assert (after.stage, after.told) == (Stage.NEEDS_REWORK, ("no test",))


def test_a_person_who_shows_blocked_during_a_question_does_not_lose_it():
    blocked = follow(task_in(Stage.ASKED), e.StageShown(Stage.BLOCKED)).task
    after = follow(blocked, e.CommandGiven(Command.RETRY, BEN)).task
    assert (after.stage, after.ask) == (Stage.ASKED, ASK)


def test_a_label_that_no_stage_has_is_refused():
    decision = follow(task_in(Stage.QUEUED), e.StageShown(Stage.WORKING))
    assert decision.verdict is Verdict.REFUSED


@pytest.mark.parametrize(
    ("stage", "command", "expected"),
    [
        (Stage.NEEDS_REWORK, Command.REVIEW, Stage.NEEDS_REVIEW),
        (Stage.NEEDS_REWORK, Command.RETRY, Stage.NEEDS_REWORK),
        (Stage.DROPPED, Command.RETRY, Stage.NEEDS_REVIEW),
        (Stage.DROPPED, Command.RESUME, Stage.NEEDS_REVIEW),
        (Stage.MERGE_READY, Command.STOP, Stage.DROPPED),
        (Stage.BLOCKED, Command.STOP, Stage.DROPPED),
        (Stage.BLOCKED, Command.REVIEW, Stage.NEEDS_REVIEW),
        (Stage.WORKING, Command.STOP, Stage.DROPPED),
    ],
)
def test_orders(stage, command, expected):
    assert follow(task_in(stage), e.CommandGiven(command, BEN)).task.stage is expected


def test_a_dropped_issue_without_a_pull_request_goes_back_to_the_queue_unless_it_is_closed():
    dropped = task_in(Stage.DROPPED, pull=None, head="")
    assert follow(dropped, e.CommandGiven(Command.RETRY, BEN)).task.stage is Stage.QUEUED
    closed = replace(dropped, is_open=False)
    assert follow(closed, e.CommandGiven(Command.RETRY, BEN)).verdict is Verdict.IGNORED


def test_a_retry_forgets_the_cooldown_and_the_attempts():
    task = task_in(Stage.QUEUED, attempts=2, cooldown_until=NOW + timedelta(minutes=9))
    after = follow(task, e.CommandGiven(Command.RETRY, BEN)).task
    assert (after.attempts, after.cooldown_until) == (0, None)


def test_what_is_over_forgets_its_verdicts():
    after = follow(approved(Stage.MERGE_READY), e.Closed()).task
    assert (after.stage, after.approved_head, after.reviewed_head) == (Stage.DROPPED, "", "")


# ---------------------------------------------------------------- a person's turn, and on


@pytest.mark.parametrize(
    ("stage", "event", "goes_on"),
    [
        (Stage.WORKING, e.GaveUp("run-w", "x"), Stage.QUEUED),
        (Stage.REWORKING, e.GaveUp("run-w", "x"), Stage.NEEDS_REWORK),
        (Stage.REVIEWING, e.BudgetSpent("run-r", "x"), Stage.NEEDS_REVIEW),
        (Stage.ANSWERING, e.BudgetSpent("run-a", "x"), Stage.ASKED),
        (Stage.MERGE_READY, e.EffectRefused("ShowStage", "x"), Stage.NEEDS_REVIEW),
    ],
)
def test_a_blocked_task_goes_on_where_it_was(stage, event, goes_on):
    blocked = follow(task_in(stage), event).task
    assert blocked.stage is Stage.BLOCKED
    answered = follow(blocked, e.Mentioned(Ask(9, BEN, NOW), "@shop-bot all prices")).task
    assert answered.stage is goes_on
    assert answered.told[-1] == "@ben answered: @shop-bot all prices"
    assert answered.blocked_why == ""


def test_a_task_that_is_blocked_twice_still_knows_where_it_was():
    blocked = follow(
        task_in(Stage.REWORKING), e.GaveUp("run-w", "x"), e.EffectRefused("KeepResult", "y")
    ).task
    assert follow(blocked, e.CommandGiven(Command.RETRY)).task.stage is Stage.NEEDS_REWORK


def test_words_of_an_order_reach_the_next_agent():
    blocked = follow(task_in(Stage.WORKING), e.GaveUp("run-w", "x")).task
    assert follow(blocked, e.CommandGiven(Command.RETRY, BEN, "@shop-bot retry")).task.told == (
        "@shop-bot retry",
    )


def test_the_label_on_a_blocked_question_asks_for_work():
    blocked = follow(task_in(Stage.ANSWERING), e.BudgetSpent("run-a", "x")).task
    assert follow(blocked, e.Labelled(BEN)).task.stage is Stage.QUEUED
    assert follow(blocked, e.CommandGiven(Command.RETRY)).task.ask == ASK


def test_a_push_while_a_person_has_the_turn_is_reviewed_when_they_hand_back():
    blocked = follow(task_in(Stage.REWORKING), e.GaveUp("run-w", "x"), e.HeadMoved(ALIEN)).task
    assert blocked.stage is Stage.BLOCKED
    assert follow(blocked, e.Labelled(BEN)).task.stage is Stage.NEEDS_REVIEW


def test_a_push_does_not_turn_a_question_into_a_review():
    blocked = follow(task_in(Stage.ANSWERING, pull=PULL, head=HEAD), e.BudgetSpent("run-a", "x")).task
    moved = follow(blocked, e.HeadMoved(ALIEN)).task
    assert follow(moved, e.CommandGiven(Command.RETRY)).task.stage is Stage.ASKED


# ---------------------------------------------------------------- refused effects


def test_a_refused_push_or_pull_request_is_tried_again_when_the_person_says_go_on():
    published = follow(task_in(Stage.WORKING), e.CheckPassed(NEXT, run_id="run-w"))
    blocked = follow(published.task, e.EffectRefused("OpenPull", "no permission")).task
    again = follow(blocked, e.CommandGiven(Command.RETRY, BEN))
    assert again.task.stage is Stage.NEEDS_REVIEW
    assert kinds(again) == ["Push", "OpenPull", "ShowStage"]
    keys = {effect.key for effect in published.effects} & {effect.key for effect in again.effects}
    assert keys == set(), "what was crossed off would never be done again"


def test_a_branch_that_somebody_else_has_is_a_persons_matter():
    published = follow(task_in(Stage.WORKING), e.CheckPassed(NEXT, run_id="run-w")).task
    blocked = follow(published, e.PushRefused("the branch is there")).task
    assert parse_why(blocked.blocked_why)[0] is BlockCause.EFFECT_REFUSED
    assert "Push" in kinds(follow(blocked, e.Labelled(BEN)))


def test_a_push_that_came_too_late_makes_the_commit_a_draft_again():
    published = follow(task_in(Stage.REWORKING), e.CheckPassed(NEXT, run_id="run-w")).task
    after = follow(published, e.PushRefused("somebody pushed")).task
    assert (after.stage, after.head, after.draft_head, after.checked_head) == (
        Stage.NEEDS_REVIEW,
        HEAD,
        NEXT,
        "",
    )


def test_invariant_9_a_blocked_task_whose_labels_are_refused_still_says_why_and_only_once():
    blocked = follow(task_in(Stage.WORKING), e.QuestionAsked("run-w", "Which?"))
    refused = follow(blocked.task, e.EffectRefused("ShowStage", "no permission"))
    (comment,) = refused.effects
    assert isinstance(comment, PostComment)
    assert comment.text == "question: Which?"
    assert follow(refused.task, e.EffectRefused("PostComment", "no permission")).verdict is Verdict.IGNORED


def test_another_refused_effect_of_a_blocked_task_is_said():
    blocked = follow(task_in(Stage.WORKING), e.QuestionAsked("run-w", "Which?")).task
    assert kinds(follow(blocked, e.EffectRefused("KeepResult", "x"))) == ["ShowStage", "PostComment"]


@pytest.mark.parametrize("stage", [Stage.DONE, Stage.DROPPED])
def test_a_refused_effect_never_wakes_what_is_over(stage):
    assert follow(task_in(stage), e.EffectRefused("ShowStage", "archived")).verdict is Verdict.IGNORED


def test_a_pull_request_that_was_opened_while_the_task_was_stopped_is_remembered():
    published = follow(task_in(Stage.WORKING), e.CheckPassed(NEXT, run_id="run-w")).task
    stopped = follow(published, e.CommandGiven(Command.STOP), e.PullOpened(PULL, NEXT)).task
    assert (stopped.stage, stopped.pull) == (Stage.DROPPED, PULL)


def test_the_claim_is_made_on_the_item_that_carries_the_stage():
    run = replace(WORKER, id="run-9")
    claim = decide(task_in(Stage.NEEDS_REWORK), e.Dispatched(run), NOW).effects[0]
    assert claim == Claim("claim:run-9", task_in(Stage.NEEDS_REWORK).front, run)


def test_where_a_superseded_runs_commits_are_is_said_on_the_item_that_the_task_began_with():
    kept = e.ResultKept("bot/kept/run-w", "Closed")
    (comment,) = follow(task_in(Stage.DROPPED), kept).effects
    assert comment.item == task_in(Stage.DROPPED).key
    assert comment.text.startswith("bot/kept/run-w\n")
    assert follow(task_in(Stage.NEW), kept).effects == ()


@pytest.mark.parametrize("ended", [e.BudgetSpent, e.AgentFaulted])
def test_the_next_worker_goes_on_from_what_a_run_had_committed_that_was_ended_through_no_fault_of_its_own(
    ended,
):
    task = task_in(Stage.REWORKING)
    stopped = follow(task, sample_event(ended, task))
    (keep,) = (effect for effect in stopped.effects if isinstance(effect, KeepResult))
    assert keep.continues == task.head
    kept = follow(stopped.task, e.ResultKept("bot/kept/run-w", keep.why, NEXT, task.head))
    assert (kept.task.draft_head, kept.task.draft_is_unfinished) == (NEXT, True)
    assert "go on from there" in kept.task.told[-1]
    (comment,) = kept.effects
    assert comment.text.splitlines() == ["bot/kept/run-w", keep.why, "continued"]


@pytest.mark.parametrize(
    ("stage", "ended"), [(Stage.REVIEWING, e.BudgetSpent), (Stage.REWORKING, e.PersonTookOver)]
)
def test_nobody_goes_on_from_a_reviewers_commits_or_against_a_persons_word(stage, ended):
    task = task_in(stage)
    (keep,) = (one for one in follow(task, sample_event(ended, task)).effects if isinstance(one, KeepResult))
    assert keep.continues is None


def test_a_head_that_somebody_pushed_meanwhile_counts_more_than_what_was_kept():
    task = replace(task_in(Stage.NEEDS_REWORK), head=ALIEN)
    kept = follow(task, e.ResultKept("bot/kept/run-w", "BudgetSpent", NEXT, HEAD))
    assert kept.task.draft_head == task.draft_head
    assert "continued" not in kept.effects[0].text


@pytest.mark.parametrize("judged", [e.CheckPassed, e.CheckFailed])
def test_unfinished_work_is_finished_when_the_check_has_judged_it(judged):
    task = replace(task_in(Stage.WORKING), draft_head=OLD, draft_is_unfinished=True)
    assert follow(task, sample_event(judged, task)).task.draft_is_unfinished is False


def test_a_second_mention_during_the_answer_to_the_first_is_answered_next():
    newer = Ask(501, BEN, NOW)
    answering = follow(task_in(Stage.ANSWERING), e.Mentioned(newer, "and why?")).task
    after = follow(answering, e.Answered("run-a", "Because.")).task
    assert (after.stage, after.ask) == (Stage.ASKED, newer)


# ---------------------------------------------------------------- small words


def test_names_and_values():
    task = task_in(Stage.QUEUED)
    assert task.name == "acme/shop#7"
    assert str(task.key) == "10#7"
    assert task.has_issue
    assert [p for p in Permission if p.allows_write] == [
        Permission.WRITE,
        Permission.MAINTAIN,
        Permission.ADMIN,
    ]
    assert [ci for ci in Ci if ci.lets_through] == [Ci.NONE, Ci.GREEN]
