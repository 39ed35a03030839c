"""A pull request was closed or merged, and a person labels its issue again: the issue begins anew, with a branch of its own."""

from dataclasses import replace

import pytest

from dispatcher.core.model import Stage
from dispatcher.core.observe import begins_again, forget_pull
from tests.core.situations import ANNA, EYES, MALLORY, PULL, item, labelled, pull, shows, task_in


def over(stage: Stage = Stage.DROPPED):
    return replace(
        task_in(stage), pull=PULL, head="a" * 40, approved_head="a" * 40, branch="bot/7-x", moves=9
    )


def again(by=ANNA, is_open: bool = False, issue_is_open: bool = True, labels: str = "bot"):
    issue = item(7, labels, is_open=issue_is_open, label_events=(labelled(by),))
    closed = pull()
    return shows(issue, replace(closed, item=replace(closed.item, is_open=is_open)))


@pytest.mark.parametrize("stage", [Stage.DONE, Stage.DROPPED])
def test_a_label_on_the_issue_of_a_finished_pull_request_begins_again(stage):
    """Once the pull request was closed nobody looked at its issue any more: the label stayed without an answer for ever."""
    assert begins_again(over(stage), again(), EYES)


@pytest.mark.parametrize(
    "snapshot",
    [
        again(by=MALLORY),
        again(is_open=True),
        again(issue_is_open=False),
        again(labels=""),
        shows(item(7, "bot")),
    ],
    ids=["not allowed", "pull request open", "issue closed", "no label", "no pull request"],
)
def test_what_does_not_begin_again(snapshot):
    assert not begins_again(over(), snapshot, EYES)


def test_a_task_that_is_under_way_does_not_begin_again():
    assert not begins_again(over(Stage.NEEDS_REWORK), again(), EYES)


def test_nothing_of_the_old_pull_request_is_carried_over():
    task = forget_pull(over())
    assert (task.pull, task.head, task.approved_head, task.branch) == (None, "", "", "bot/7-x-9")
