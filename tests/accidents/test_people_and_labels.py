"""Accidents of others with people: they merge, close, relabel and take over while an agent is at work."""

from dispatcher.core import events as e
from dispatcher.core.model import HoldKind, Stage
from dispatcher.core.policy import Situation, why_waiting
from dispatcher.core.rules import Caps, RepoRules
from tests.core.situations import ANNA, BEN, BOT, NOW, PULL, approved, item, labelled, look, pull, seen, shows
from tests.story.office import SHOP, Office, Steps

WAITS: Steps = [{"wait_for": "/nowhere/at/all"}]


def test_a_person_who_merges_during_the_review(office: Office) -> None:
    """Elsewhere the reviewer came back, asked for changes on a merged pull request, and a worker pushed to a dead branch."""
    office.reviewer(WAITS)
    number = office.asks()
    office.settle(until=lambda: office.roles() == ["worker", "reviewer"] and office.has_live_run())
    pull_number, (_, reviewer) = office.pull(number), office.run_ids()

    office.person().merge(SHOP, pull_number)
    office.sweeps()

    assert office.stage(number) is Stage.DONE
    assert office.processes_of(reviewer) == []
    assert office.reviews(pull_number) == []
    assert office.roles() == ["worker", "reviewer"]
    assert not office.shown(pull_number) & {"bot", "needs-review", "needs-rework", "merge-ready", "@shop-bot"}


def test_a_person_who_closes_the_issue_during_the_work(office: Office) -> None:
    """Elsewhere the worker was not told; an hour later it opened a pull request for an issue that was closed as a mistake."""
    office.worker(WAITS)
    number = office.asks()
    office.settle(until=office.has_live_run)
    (worker,) = office.run_ids()

    office.person().close(SHOP, number)
    office.sweeps()

    assert office.stage(number) is Stage.DROPPED
    assert office.processes_of(worker) == []
    assert office.box.scene.pulls(SHOP) == []
    assert office.task(number).attempts == 0


def test_a_label_that_is_put_on_twice(office: Office) -> None:
    """Elsewhere two people labelled the same issue within a minute, and two agents raced for one branch."""
    office.worker(WAITS)
    number = office.opens()
    office.labels(number, by="alice")
    office.person("bob").unlabel(SHOP, number, "bot")
    office.labels(number, by="bob")
    office.settle(until=office.has_live_run)
    for _ in range(3):
        office.later(seconds=61)
        office.tick()

    assert office.times_labelled(number, "bot") == 2
    assert office.roles() == ["worker"]
    assert len(office.engine.desk.journal.load_live_runs()) == 1


def test_a_label_event_that_is_seen_again_asks_for_nothing() -> None:
    """Elsewhere each poll read the label's whole history, and a label of last week started an agent today."""
    twice = item(7, "bot", label_events=(labelled(ANNA), labelled(BEN, NOW)))
    asked = look(look(approved(Stage.NEW, pull=None, head=""), shows(twice)), shows(twice))
    assert asked.stage is Stage.QUEUED
    assert asked.requester == BEN, "the newest hand"
    assert seen(asked, shows(twice)) == ()


def test_a_label_that_is_taken_off_during_the_work(office: Office) -> None:
    """Elsewhere taking the label off changed nothing: people had to kill the agent on the machine to stop it."""
    office.worker(WAITS)
    number = office.asks()
    office.settle(until=office.has_live_run)
    (worker,) = office.run_ids()

    office.person().unlabel(SHOP, number, "bot")
    office.sweeps()

    assert office.stage(number) is Stage.DROPPED
    assert office.processes_of(worker) == []
    assert office.shown(number) == set(), "the claim is gone too"
    assert office.task(number).attempts == 0, "what the dispatcher ended counts against nobody"


def test_two_stage_labels_at_once_decide_nothing() -> None:
    """Elsewhere a pull request was `needs-rework` and `merge-ready` at once: one half reworked it, the other merged it."""
    just_now = (labelled(BEN, NOW, "merge-ready"),)
    side = item(PULL, "bot needs-rework merge-ready", (BOT,), author=BOT, label_events=just_now)
    both = shows(item(7, "", (BOT,)), pull(item=side))
    task = look(approved(), both)

    assert e.GatesPassed not in {type(event) for event in seen(task, both)}
    assert task.stage is Stage.REVIEWING, "nothing moves until a person has chosen"
    situation = Situation(Caps(), {"acme/shop": RepoRules("shop", "acme", "shop")}, BOT)
    hold = why_waiting(task, situation, NOW)
    assert hold is not None
    assert hold.kind is HoldKind.TWO_STAGE_LABELS

    chosen = look(task, shows(item(7, "", (BOT,)), pull("bot needs-rework")))
    assert chosen.stage is Stage.NEEDS_REWORK
