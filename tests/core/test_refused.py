"""An ask by somebody who may not ask is told once, and starts nothing."""

from datetime import timedelta

import pytest

from dispatcher.core.model import AssignEvent, Snapshot, Stage
from dispatcher.core.refused import refused_asks
from tests.core.situations import (
    ANNA,
    BEN,
    BOT,
    EARLIER,
    EYES,
    MALLORY,
    NOW,
    PULL,
    assigned,
    item,
    labelled,
    pull,
    seen,
    shows,
    task_in,
)

NEW = task_in(Stage.NEW)


def told(snapshot, task=NEW):
    return [(ask.who.login, ask.how) for ask in refused_asks(task, snapshot, EYES)]


def test_a_label_an_assignment_and_a_request_of_a_stranger_are_told():
    assert told(shows(item(7, "bot", label_events=(labelled(MALLORY),)))) == [
        ("mallory", "put the label `bot` on")
    ]
    assert told(shows(item(7, "", (BOT,), assign_events=(assigned(by=MALLORY),)))) == [
        ("mallory", "assigned the bot")
    ]
    asked = AssignEvent(BOT, MALLORY, NOW, added=True)
    side = item(PULL, author=MALLORY)
    wanted = shows(None, pull(item=side, review_requested_from=(BOT,), review_requests=(asked,)))
    assert told(wanted) == [("mallory", "asked the bot for a review")]
    assert seen(NEW, wanted) == ()


@pytest.mark.parametrize(
    "snapshot",
    [
        Snapshot(None, None),
        shows(item(7, "bot", is_open=False, label_events=(labelled(MALLORY),))),
        shows(item(7, "", label_events=(labelled(MALLORY),))),
        shows(item(7, "bot", label_events=(labelled(ANNA),))),
        shows(item(7, "bot", label_events=(labelled(BOT),))),
        shows(item(7, "bot", label_events=(labelled(None),))),
        shows(item(7, "bot", label_events=(labelled(MALLORY, EARLIER), labelled(ANNA, NOW)))),
        shows(item(7, "", (BEN,), assign_events=(assigned(who=BEN, by=MALLORY),))),
    ],
    ids=[
        "unreadable",
        "closed",
        "taken off",
        "allowed",
        "the bot",
        "nobody knows",
        "then an allowed one",
        "not the bot",
    ],
)
def test_what_is_no_refused_ask(snapshot):
    assert told(snapshot) == []


def test_what_strangers_do_beside_a_running_task_is_no_ask():
    relabelled = shows(item(7, "bot", label_events=(labelled(ANNA), labelled(MALLORY, NOW))))
    assert told(relabelled, task_in(Stage.WORKING)) == []
    assert told(relabelled) == [("mallory", "put the label `bot` on")]


def test_each_ask_has_a_name_of_its_own():
    first, second = (
        refused_asks(NEW, shows(item(7, "bot", label_events=(labelled(MALLORY, at),))), EYES)
        for at in (EARLIER, EARLIER + timedelta(minutes=1))
    )
    assert first[0].version != second[0].version
