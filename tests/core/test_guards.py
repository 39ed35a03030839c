"""Every question that a row may ask: a case in which the answer is yes, and each single thing that makes it no."""

from dataclasses import replace

import pytest

from dispatcher.core import events as e
from dispatcher.core import guards as g
from dispatcher.core.causes import BlockCause, render_why
from dispatcher.core.changes import describe_reason
from dispatcher.core.model import Ask, Command, Hold, HoldKind, Stage
from tests.core.situations import (
    ALIEN,
    ANNA,
    ASK,
    BEN,
    EARLIER,
    HEAD,
    NEXT,
    NOW,
    RUN_OF,
    WORKER,
    approved,
    sample_event,
    task_in,
)

WAITING = task_in(Stage.NEEDS_REVIEW)
NEW_ASK = Ask(501, BEN, NOW)
MENTION = e.Mentioned(NEW_ASK, "@shop-bot why?")
REQUEST = e.ChangesRequested(BEN, "handle the empty list")
MOVED = e.Rebased(HEAD, NEXT, same_patch=True)
BUDGET = replace(sample_event(e.BudgetSpent, WAITING), comes_back=NOW)
RUN = {"run": RUN_OF[Stage.REVIEWING]}
PUSH_REFUSED = render_why(BlockCause.EFFECT_REFUSED, "Push: the branch is protected")

CASES = [
    (g.has_pull, WAITING, e.Merged(), [{"pull": None}]),
    (
        g.budget_comes_back,
        task_in(Stage.WORKING),
        e.BudgetSpent("run-w", "usd_per_day", Hold(HoldKind.BUDGET, "the next day", NOW)),
        [e.BudgetSpent("run-w", "usd_per_run")],
    ),
    (
        g.is_continued,
        task_in(Stage.NEEDS_REWORK),
        e.ResultKept("bot/kept/run-w", "BudgetSpent", NEXT, HEAD),
        [{"head": ALIEN}, e.ResultKept("bot/kept/run-w", "Closed"), e.Merged()],
    ),
    (g.is_open, WAITING, e.Merged(), [{"is_open": False}]),
    (g.same_head, WAITING, e.CheckPassed(HEAD), [{"head": ALIEN}, e.CheckPassed(ALIEN), e.Merged()]),
    (g.new_head, WAITING, e.HeadMoved(ALIEN), [e.HeadMoved(HEAD)]),
    (g.of_our_run, WAITING, e.CheckPassed(HEAD, run_id="run-w"), [e.CheckPassed(HEAD), e.Merged()]),
    (g.agent_is_gone, WAITING, e.Merged(), [RUN]),
    (g.same_head_and_agent_gone, WAITING, e.CiTurnedRed(HEAD, "tests"), [{"head": ALIEN}, RUN]),
    (
        g.needs_check,
        replace(WAITING, checked_head=""),
        e.HeadUnchecked(HEAD),
        [RUN, {"checked_head": HEAD}, e.HeadUnchecked(ALIEN)],
    ),
    (
        g.conflict_is_new,
        WAITING,
        e.ConflictAppeared(HEAD),
        [RUN, {"rebasing_head": HEAD}, e.ConflictAppeared(ALIEN)],
    ),
    (g.approval_stands, approved(), e.Merged(), [{"approved_head": ALIEN}, {"checked_head": ALIEN}]),
    (
        g.gates_are_ours,
        approved(),
        e.GatesPassed(HEAD),
        [RUN, {"ask": ASK}, {"approved_head": ALIEN}, e.GatesPassed(ALIEN)],
    ),
    (
        g.asked_meanwhile,
        approved(ask=ASK),
        e.ReviewApproved("run-r", HEAD, "good"),
        [{"ask": None}, {"head": ALIEN}],
    ),
    (
        g.approval_moves_along,
        approved(),
        MOVED,
        [RUN, {"head": ALIEN}, {"approved_head": ALIEN}, replace(MOVED, old_head=ALIEN), replace(MOVED, same_patch=False)],
    ),
    (
        g.was_under_review,
        approved(Stage.ANSWERING),
        e.Merged(),
        [{"pull": None}, {"is_open": False}, {"reviewed_head": ""}],
    ),
    (
        g.first_malformed,
        task_in(Stage.WORKING),
        e.OutcomeMalformed("run-w", "no JSON"),
        [{"run": None}, {"run": replace(WORKER, is_repair=True)}],
    ),
    (g.orders_stop, WAITING, e.CommandGiven(Command.STOP, BEN), [e.CommandGiven(Command.RETRY, BEN), e.Merged()]),
    (
        g.orders_review,
        WAITING,
        e.CommandGiven(Command.REVIEW, BEN),
        [{"pull": None}, {"is_open": False}, e.CommandGiven(Command.RETRY, BEN)],
    ),
    (
        g.orders_work,
        WAITING,
        e.CommandGiven(Command.RETRY, BEN),
        [{"is_open": False}, e.CommandGiven(Command.STOP, BEN)],
    ),
    (
        g.orders_work_on_pull,
        WAITING,
        e.CommandGiven(Command.RESUME, BEN),
        [{"pull": None}, {"is_open": False}, e.CommandGiven(Command.STOP, BEN)],
    ),
    (
        g.is_new_ask,
        replace(WAITING, ask=ASK),
        MENTION,
        [{"ask": Ask(502, ANNA, NOW.replace(year=2027))}, e.Mentioned(None, "hello"), e.Merged()],
    ),
    (g.budget_comes_back, WAITING, BUDGET, [replace(BUDGET, comes_back=None), e.Merged()]),
    (g.is_asked_again, task_in(Stage.ANSWERING, asked_again=True), e.Answered("run-a", "So."), [{"asked_again": False}]),
    (
        g.is_new_ask_after_verdict,
        approved(),
        MENTION,
        [RUN, {"ask": Ask(502, ANNA, NOW.replace(year=2027))}],
    ),
    (
        g.is_new_request,
        task_in(Stage.BLOCKED, blocked_why=render_why(BlockCause.QUESTION, "Which prices?")),
        REQUEST,
        [
            {"blocked_why": render_why(BlockCause.EDITED, "the text was edited")},
            {"told": (describe_reason(REQUEST),)},
        ],
    ),
    (g.refused("ShowStage"), WAITING, e.EffectRefused("ShowStage", "no"), [e.EffectRefused("Push", "no"), e.Merged()]),
    (
        g.needs_other_words,
        WAITING,
        e.EffectRefused("Push", "no"),
        [e.EffectRefused("ShowStage", "no"), e.EffectRefused("PostComment", "no")],
    ),
    (
        g.publishing_failed,
        task_in(Stage.BLOCKED, blocked_why=PUSH_REFUSED),
        MENTION,
        [
            {"blocked_why": render_why(BlockCause.EFFECT_REFUSED, "StartRun: disk full")},
            {"blocked_why": render_why(BlockCause.QUESTION, "Push: or not?")},
        ],
    ),
    (g.shows(Stage.BLOCKED), WAITING, e.StageShown(Stage.BLOCKED), [e.StageShown(Stage.QUEUED), e.Merged()]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("guard", "task", "event", "spoilers"), CASES, ids=lambda one: getattr(one, "__name__", "")
)
def test_each_thing_that_a_guard_asks_for_is_needed(guard, task, event, spoilers):
    assert guard(task, event) is True
    for spoiler in spoilers:
        other = (replace(task, **spoiler), event) if isinstance(spoiler, dict) else (task, spoiler)
        assert guard(*other) is False, spoiler


def test_every_guard_has_its_case():
    makers = {g.resumes_at, g.shows, g.refused}
    named = {
        one for one in vars(g).values() if getattr(one, "__module__", "") == g.__name__ and callable(one)
    }
    assert named - makers - {case[0] for case in CASES} == set()


@pytest.mark.parametrize(
    "guard", [g.same_head, g.approval_stands, g.asked_meanwhile], ids=lambda one: one.__name__
)
def test_where_no_head_is_known_nothing_speaks_of_it(guard):
    nothing = task_in(Stage.REVIEWING, head="", approved_head="", checked_head="", ask=ASK)
    assert guard(nothing, e.CheckPassed("")) is False


def test_two_mentions_of_the_same_second_are_both_heard():
    assert g.is_new_ask(replace(WAITING, ask=ASK), e.Mentioned(Ask(501, BEN, EARLIER), "me too")) is True


@pytest.mark.parametrize(
    ("pull", "goes_on", "stage"),
    [
        (None, None, Stage.QUEUED),
        (None, Stage.QUEUED, Stage.QUEUED),
        (8, None, Stage.NEEDS_REVIEW),
        (8, Stage.QUEUED, Stage.NEEDS_REVIEW),
        (8, Stage.NEEDS_REWORK, Stage.NEEDS_REWORK),
        (None, Stage.ASKED, Stage.ASKED),
    ],
)
def test_a_blocked_task_goes_on_where_it_was_but_never_back_to_the_queue_with_a_pull_request(
    pull, goes_on, stage
):
    task = task_in(Stage.BLOCKED, pull=pull, resume_stage=goes_on)
    for other in (Stage.QUEUED, Stage.NEEDS_REVIEW, Stage.NEEDS_REWORK, Stage.ASKED):
        assert g.resumes_at(other)(task, MENTION) is (other is stage)
