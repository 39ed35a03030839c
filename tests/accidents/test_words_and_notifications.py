"""Accidents of others with words: comments that are missed, heard twice, heard too late, or heard from the wrong mouth."""

from dataclasses import replace
from datetime import timedelta

import pytest

from dispatcher.core import events as e
from dispatcher.core.claims import CLOCK_SKEW, rival
from dispatcher.core.intake import read_comments
from dispatcher.core.model import Ask, ClaimMarker, Comment, Permission, Person, Stage
from dispatcher.core.policy import may_ask
from dispatcher.core.rules import RepoRules
from dispatcher.simulator import inbox
from dispatcher.simulator.model import Reason
from tests.core.situations import ANNA, BOT, EARLIER, HEAD, NOW, PULL, REVIEWER, follow, item, shows, task_in
from tests.forge.conftest import Hands
from tests.forge.conftest import Office as Counter
from tests.story.office import SHOP, Office, says

RULES = RepoRules("shop", "acme", "shop")
TURN = frozenset({"bot"})


def answers(office: Office, number: int) -> int:
    """How many answers of the bot stand on an item."""
    return sum("It is the sum." in text for text in office.said(number))


# ---------------------------------------------------------------- what people write


def test_an_edited_comment_is_heard_once_in_each_version(office: Office) -> None:
    """Elsewhere a mention that was added by an edit was never seen; or every edit of a typo started another agent."""
    number = office.opens()
    alice = office.person()
    comment = alice.comment(SHOP, number, "What does total() return?")
    office.settle()
    assert office.roles() == []

    office.later(seconds=61)
    alice.edit_comment(SHOP, comment.id, "@shop-bot what does total() return?")
    office.settle()
    assert office.roles() == ["responder"]
    office.sweeps()
    assert office.roles() == ["responder"], "the same version is the same question"
    assert answers(office, number) == 1


def test_two_comments_in_one_second_are_both_heard(office: Office) -> None:
    """Elsewhere "newer than the last one" was asked of whole seconds: the second comment of a second was lost."""
    number = office.opens()
    office.settle()
    people = office.box.scene
    office.later(seconds=61)
    moment = office.clock.now()
    people.person("alice").comment(SHOP, number, "@shop-bot what does total() return?")
    office.tick()
    office.tick()
    assert office.clock.now() == moment, "still the same second"
    people.person("bob").comment(SHOP, number, "@shop-bot and of an empty list?")
    for _ in range(3):
        office.later(seconds=61)
        office.settle()

    told = "".join(office.prompt(run) for run in office.run_ids())
    assert "and of an empty list?" in told


def test_a_question_while_the_worker_is_at_work_is_answered_after_the_review() -> None:
    """Elsewhere what people wrote during a run was in no prompt: the run had begun, and the next one looked at newer words."""
    asked = follow(
        task_in(Stage.WORKING), e.Mentioned(Ask(501, ANNA, NOW), "@shop-bot also for floats?")
    ).task
    delivered = (e.WorkDelivered("run-w", "Add a total", "", ""), e.CheckPassed(HEAD, run_id="run-w"))
    in_review = follow(asked, *delivered, e.PullOpened(PULL, HEAD), e.Dispatched(REVIEWER)).task

    answered_next = follow(in_review, e.ReviewApproved(REVIEWER.id, HEAD, "fine")).task
    assert answered_next.stage is Stage.ASKED
    assert answered_next.ask == Ask(501, ANNA, NOW)


@pytest.mark.parametrize("restarts", [False, True])
def test_a_notification_that_comes_before_its_comment_can_be_read(office: Office, *, restarts: bool) -> None:
    """Elsewhere a notification was marked read although the comment did not show yet; nobody ever answered it."""
    number = office.opens()
    world = office.box.world
    alice, bot = world.account("alice"), world.account("shop-bot")
    office.later(seconds=61)
    with world.lock:
        inbox.call(world, office.box.scene.issue(SHOP, number), alice, {bot.id: Reason.MENTION})
    office.settle()
    assert office.roles() == [], "there was nothing to read yet"

    world.inbox_faults.lose = 1  # this is the comment that was announced: it is not announced again
    office.later(seconds=16)
    if restarts:
        office.restart()
    office.box.scene.person("alice").comment(SHOP, number, "@shop-bot what does total() return?")
    office.later(seconds=61)
    office.settle()

    assert answers(office, number) == 1


def test_the_bots_own_words_are_not_feedback(office: Office) -> None:
    """Elsewhere the agent answered its own comments: 200 of them before the rate limit ended the conversation."""
    office.responder(says("answer", "Say @shop-bot retry and I do it again. @shop-bot why?"))
    number = office.opens()
    office.comments(number, "@shop-bot what does total() return?")
    office.settle()
    for _ in range(3):
        office.sweeps()

    assert office.roles() == ["responder"]
    assert len(office.said(number)) == 1


def test_a_quoted_answer_of_the_bot_is_not_feedback_either() -> None:
    """Elsewhere the bot's name in its own quoted words woke it again, each time with one more level of quotes."""
    quoted = Comment(5, ANNA, "> @shop-bot retry\n\nThanks, that helped.", NOW)
    own = Comment(6, BOT, "@shop-bot retry", NOW)
    namesake = Comment(7, Person(0, "shop-bot"), "@shop-bot retry <!-- dispatcher:key v1 {} -->", NOW)
    assert read_comments((quoted, own, namesake), BOT) == ()


def test_a_bot_is_not_trusted_for_its_suffix() -> None:
    """Elsewhere every login that ends in `[bot]` was trusted; anybody can register an app and write comments with it."""
    app = Person(50, "friendly[bot]", is_bot=True)
    for permission in Permission:
        assert not may_ask(app, RULES, permission, frozenset(), BOT)
    assert read_comments((Comment(1, app, "@shop-bot fix it", NOW),), BOT) == ()

    listed = replace(RULES, allowed_bots=("triage[bot]",))
    namesake = Person(51, "triage")
    assert not may_ask(namesake, listed, Permission.READ, frozenset(), BOT), (
        "a person of that name is not that app"
    )
    assert not may_ask(
        app, replace(RULES, allowed_users=("friendly[bot]",)), Permission.ADMIN, frozenset(), BOT
    )


# ---------------------------------------------------------------- lists and clocks


def test_more_than_a_hundred_items_on_a_label_are_all_found(counter: Counter) -> None:
    """Elsewhere only the first page was read: issue 101 waited until one of the others was closed."""
    for number in range(130):
        counter.issue(f"issue {number}")
    counter.clock.passes(61)

    assert len(counter.forge.look((counter.repo,), TURN).items) == 130
    assert len(counter.forge.sweep((counter.repo,), (counter.repo.rules.labels,))) == 130


def test_a_clock_that_goes_wrong_here_loses_no_issue(counter: Counter) -> None:
    """Elsewhere `since` was taken from the machine's own clock, ten minutes fast: whatever came in between was never listed."""
    fast = Hands(counter.clock.now() + timedelta(minutes=10))
    theirs, counter.clock = counter.clock, fast
    counter.restart()
    counter.forge.look((counter.repo,), TURN)
    found = []
    for title in ("one", "two", "three"):
        theirs.passes(61)
        fast.passes(61)
        counter.issue(title)
        theirs.passes(61)
        fast.passes(61)
        found += [summary.title for summary in counter.forge.look((counter.repo,), TURN).items]

    assert found == ["one", "two", "three"]


def test_a_clock_that_is_slow_elsewhere_keeps_its_claim() -> None:
    """Elsewhere two machines disagreed by minutes: one saw the other's claim as expired, and both worked on the issue."""
    claim = ClaimMarker("there", "run-x", NOW - timedelta(minutes=3), 4, EARLIER, BOT.id)
    claimed = replace(shows(item(7, "bot", (BOT,))), markers=(claim,))
    assert rival(claimed, "here", NOW) == claim
    assert rival(claimed, "here", NOW + CLOCK_SKEW) is None, "but a dead claim is not for ever"
