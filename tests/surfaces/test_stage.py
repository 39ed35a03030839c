"""What `demo` and `rehearse` make of the journal and the forge: pure, without a stage."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from rich.console import Console

from dispatcher.core.model import ItemKey, LiveRun, Person, Role, Stage, Task
from dispatcher.ports import DecisionRecord, RunRecord
from dispatcher.surfaces.stage.ending import Counts, Ending, render_diff, render_ending, render_reviews
from dispatcher.surfaces.stage.narration import Mood, Story, describe_present, narrate
from dispatcher.surfaces.stage.play import Told
from dispatcher.surfaces.stage.sight import Change, ChangedFile, Remark, Shown, ShownReview, Sight
from dispatcher.surfaces.stage.view import render_sight, render_steps

NOON = datetime(2026, 3, 2, 12, 0, 0, tzinfo=UTC)
KEY = ItemKey(7, 1)
ALICE = Person(1, "alice")
TASK = Task(key=KEY, repo="acme/shop", requester=ALICE, pull=2, branch="bot/1-x", pull_title="Fix it")
EVIL = "\x1b[2J\x1b]0;owned\x07"


def decided(event, before=Stage.WORKING, after=Stage.WORKING, verdict="taken"):
    return DecisionRecord(NOON, event, before, after, verdict, "")


def ran(state="running", role=Role.WORKER):
    return RunRecord(LiveRun("shop-1-worker-1", role, "me", "", NOON), KEY, "acme/shop", state)


def story(*decisions, runs=(), task=TASK, sight=None, check="make test", has_check=True):
    return Story(decisions, tuple(runs), task, sight or Sight(), check, has_check)


def lines(told):
    return [f"{step.who}: {step.what}" for step in narrate(told)]


def printed(*parts, width=100):
    console = Console(width=width, force_terminal=False)
    with console.capture() as capture:
        for part in parts:
            console.print(part, markup=False, highlight=False, soft_wrap=True)
    return capture.get()


def test_a_start_is_told_when_the_process_is_there():
    dispatched = decided("Dispatched", Stage.QUEUED, Stage.WORKING)
    delivered = decided("WorkDelivered")

    assert lines(story(dispatched, delivered, runs=[ran("reserved")])) == ["dispatcher: claimed #1"]
    assert lines(story(dispatched, delivered, runs=[ran("ended")])) == [
        "dispatcher: claimed #1",
        "worker: started: a fresh agent in a checkout of its own",
        "worker: finished: Fix it",
    ]


def test_a_verdict_is_told_when_people_can_read_it():
    rejected = decided("ReviewRejected", Stage.REVIEWING, Stage.NEEDS_REWORK)
    review = ShownReview("**Changes requested.**\n\nNearly.", (Remark("shop.py", 3, "**major**: Test it."),))

    assert narrate(story(rejected)) == ()
    (step,) = narrate(story(rejected, sight=Sight(reviews=(review,))))
    assert (step.who, step.what, step.mood) == ("reviewer", "requested changes", Mood.BAD)
    assert step.detail == ("Nearly.", "shop.py:3 major: Test it.")


def test_merge_ready_is_told_when_the_label_shows():
    passed = decided("GatesPassed", Stage.REVIEWING, Stage.MERGE_READY)
    before = Sight((Shown(2, True, "Fix it", ("bot", "needs-review"), ("the-bot",)),))
    after = Sight((Shown(2, True, "Fix it", ("merge-ready",), ("alice",)),))

    assert lines(story(passed, sight=before)) == []
    assert lines(story(passed, sight=after)) == ["dispatcher: #2 is merge-ready and assigned to alice"]


def test_what_was_ignored_is_not_told_and_what_is_unknown_is_told_by_its_name():
    ignored = decided("Labelled", verdict="ignored")
    unknown = decided("ConflictAppeared", Stage.NEEDS_REVIEW, Stage.NEEDS_REWORK)

    assert lines(story(ignored, unknown)) == ["dispatcher: conflict appeared: needs-review -> needs-rework"]


def test_a_red_check_shows_the_end_of_its_output():
    task = replace(TASK, told=("The check failed:\n\n```\none\ntwo\nthree\n```\n",))

    (step,) = narrate(story(decided("CheckFailed"), task=task))

    assert step.what == "red: make test"
    assert step.detail == ("one", "two", "three")


def test_a_missing_check_is_never_called_green():
    (step,) = narrate(story(decided("CheckPassed"), check="no check was found", has_check=False))

    assert step.what == "none: no check was found"


def test_the_present_is_described_in_a_few_words():
    assert describe_present(TASK, (ran("reserved"),), "make") == "preparing the worker"
    assert describe_present(TASK, (ran(), ran("ended")), "make") == "the worker is at work"
    assert describe_present(replace(TASK, stage=Stage.WORKING), (), "make") == "checking the commits: make"


ENDING = Ending(
    reached_merge_ready=True,
    stage=Stage.MERGE_READY,
    repo="acme/shop",
    issue=1,
    title="Fix " + "everything " * 30 + EVIL,
    pull=2,
    change=Change(
        "bot/1-x",
        (ChangedFile("a/" * 80 + "b.py", 9_000, 1), ChangedFile("logo.png", 0, 0)),
        "diff --git a/x b/x\n" + f"+{EVIL}new\n" * 300,
    ),
    reviews=(ShownReview("**Approved.**\n\n" + "Good. " * 100 + EVIL, (Remark("x", None, "y " * 200),)),),
    counts=Counts(61.4, 3, 2, 1, 20, 4, 0.125),
    why="",
    kept_in="",
    steps=(),
)


@pytest.mark.parametrize("width", [60, 80, 100])
def test_nothing_is_wider_than_the_page_and_nothing_moves_the_terminal(width):
    steps = narrate(story(decided("WorkDelivered"), task=replace(TASK, pull_title=ENDING.title)))
    sight = Sight((Shown(2, True, ENDING.title, ("needs-review", "x" * 300), ("alice",) * 40),))

    page = printed(
        *render_steps([Told(1.0, step) for step in steps], width),
        *render_ending(ENDING, width),
        *render_reviews(ENDING.reviews, width),
        render_sight(sight, width),
        width=width,
    )

    assert [line for line in page.splitlines() if len(line) > width] == []
    assert "\x1b" not in page
    assert "20 API requests, $0.12" in " ".join(page.split())


def test_a_long_diff_is_cut_and_says_so():
    page = printed(*render_diff(ENDING.change))

    assert "... and 101 more lines: see all of it with --keep." in page
    assert "\x1b" not in page


def test_an_end_that_is_none_says_why():
    stuck = replace(
        ENDING, reached_merge_ready=False, stage=Stage.BLOCKED, why="I have a question.\n\nWhich?"
    )

    page = printed(*render_ending(stuck, 100))

    assert "Not merge-ready: acme/shop#1 is blocked." in page
    assert "I have a question." in page
    assert "Which?" in page
