"""A write that comes late, after a death or an outage, must not pass over what people did meanwhile."""

import pytest

from dispatcher.core.model import Stage
from dispatcher.simulator.faults import Fault, What
from tests.crash.fate import Fate
from tests.crash.lifecycle import living
from tests.story.office import APPROVE, SHOP, adds, opened, says, writes

pytestmark = pytest.mark.long


def test_a_label_put_on_while_the_dispatcher_was_dead_is_heard(tmp_path):
    """It had answered a mention and died before it took the issue off its list; the person asks for work meanwhile."""
    fate = Fate()
    with living(tmp_path, fate) as life:
        life.responder(says("answer", "It is the sum."))
        number = life.opens("What does total() do?")
        life.comments(number, "@shop-bot what does total() return?")
        life.settle(until=lambda: life.roles() == ["responder"])
        fate.decides = lambda _boundary: not fate.deaths and bool(life.said(number))
        life.settle_whatever_happens(then=lambda: life.labels(number))

        assert fate.deaths
        assert life.stage(number) is Stage.MERGE_READY
        assert life.roles()[:2] == ["responder", "worker"]


def test_a_label_put_on_during_an_outage_is_heard_though_a_write_of_ours_waited_for_its_end(tmp_path):
    with opened(tmp_path) as office:
        office.box.faults.add(Fault(What.FAIL_BEFORE, body="mutation ShowStage", count=None))
        number = office.opens("What does total() do?")
        office.comments(number, "@shop-bot what does total() return?")
        office.settle(until=lambda: office.said(number))
        office.box.faults.add(Fault(What.FAIL_BEFORE, count=None))
        office.labels(number)
        office.tick()
        office.box.faults.clear()
        office.later(minutes=11)

        office.settle()

        assert office.roles() == ["responder", "worker", "reviewer"]
        assert office.stage(number) is Stage.MERGE_READY


def test_a_hand_over_that_died_half_way_releases_the_person_when_it_is_taken_back(tmp_path):
    """`merge-ready` was written, and the death came before anybody noted whom it was handed to; changes are requested meanwhile."""
    fate = Fate()
    with living(tmp_path, fate) as life:
        life.worker([{"if": {"file:shop.py_has": "sum"}, "then": adds(), "else": writes()}])
        life.reviewer([APPROVE])
        number = life.asks()
        fate.decides = lambda _boundary: not fate.deaths and life.is_handed_over()

        life.settle_whatever_happens(then=lambda: requests_changes(life))

        assert fate.deaths
        assert life.roles() == ["worker", "reviewer", "worker", "reviewer"]
        assert life.stage(number) is Stage.MERGE_READY


def requests_changes(life):
    life.later(minutes=31)
    life.person("bob").request_changes(SHOP, life.box.scene.pulls(SHOP)[0].number, "Say what it returns.")
