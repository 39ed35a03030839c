"""From the label to the pull request in somebody's inbox."""

from dispatcher.core.model import Stage
from tests.story.office import SHOP, rejects, writes


def test_a_label_becomes_a_merge_ready_pull_request(office):
    number = office.asks("total() is wrong")

    office.settle()

    pull = office.pull(number)
    assert office.stage(number) is Stage.MERGE_READY
    assert office.shown(pull) == {"merge-ready", "@alice"}
    assert office.shown(number) == {"@shop-bot"}
    assert office.roles() == ["worker", "reviewer"]
    assert office.box.scene.read_file(SHOP, "shop.py", f"bot/{number}-total-is-wrong") == b"def total(prices):\n    return sum(prices)\n"
    assert f"Closes #{number}" in office.box.scene.issue(SHOP, pull).body


def test_a_pull_request_is_rejected_once_and_then_approved(office):
    office.script["reviewer"] = [rejects("no test for the empty list"), office.script["reviewer"][0]]
    office.restart()
    number = office.asks()

    office.settle()

    pull = office.pull(number)
    assert office.roles() == ["worker", "reviewer", "worker", "reviewer"]
    assert office.stage(number) is Stage.MERGE_READY
    assert office.task(number).rounds == 1
    assert len(office.box.scene.pulls(SHOP)) == 1
    assert len(office.reviews(pull)) == 2


__all__ = ["writes"]
