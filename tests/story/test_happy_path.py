"""From the label to the pull request in somebody's inbox."""

from dispatcher.core.model import Stage
from tests.story.office import APPROVE, SHOP, rejects, says


def test_a_label_becomes_a_merge_ready_pull_request(office):
    number = office.asks("total() is wrong")

    office.settle()

    pull = office.pull(number)
    branch = f"bot/{number}-total-is-wrong"
    assert office.stage(number) is Stage.MERGE_READY
    assert office.shown(pull) == {"merge-ready", "@alice"}
    assert office.shown(number) == {"@shop-bot"}
    assert office.roles() == ["worker", "reviewer"]
    assert (
        office.box.scene.read_file(SHOP, "shop.py", branch) == b"def total(prices):\n    return sum(prices)\n"
    )
    assert f"Closes #{number}" in office.box.scene.issue(SHOP, pull).body


def test_a_pull_request_is_rejected_once_and_then_approved(office):
    office.reviewer(rejects("no test for the empty list"), [APPROVE])
    number = office.asks()

    office.settle()

    pull = office.pull(number)
    assert office.roles() == ["worker", "reviewer", "worker", "reviewer"]
    assert office.stage(number) is Stage.MERGE_READY
    assert office.task(number).rounds == 1
    assert [pull.number for pull in office.box.scene.pulls(SHOP)] == [pull]
    first, second = office.reviews(pull)
    assert "no test for the empty list" in first
    assert "Fine." in second
    review, again = (office.prompt(run) for run in office.run_ids() if "reviewer" in run)
    assert "the round before" not in review
    assert "no test for the empty list" in again.partition("What was found in the round before")[2]
    assert (
        "+# once more" in again.partition("What changed since that review")[2].partition("## The change")[0]
    )


def test_the_person_merges_and_the_issue_is_closed(office):
    number = office.asks()
    office.settle()

    office.person().merge(SHOP, office.pull(number))
    office.sweeps()

    assert office.stage(number) is Stage.DONE
    assert office.box.scene.issue(SHOP, number).closed_at
    assert "@shop-bot" not in office.shown(number)


def test_a_mention_is_answered_once(office):
    number = office.opens("What does total() do?")
    office.comments(number, "@shop-bot what does total() return?")

    office.settle()
    office.comments(number, "Thank you!")
    office.settle()

    assert office.roles() == ["responder"]
    (answer,) = office.said(number)
    assert "It is the sum." in answer
    assert office.shown(number) == set()


def test_a_mention_that_asks_for_work_becomes_a_pull_request(office):
    office.responder(says("work", "total() should add prices up"))
    number = office.opens()
    office.comments(number, "@shop-bot please fix this")

    office.settle()

    assert office.roles() == ["responder", "worker", "reviewer"]
    assert office.shown(office.pull(number)) == {"merge-ready", "@alice"}


def test_assigning_the_bot_is_asking_it(office):
    number = office.opens()
    office.person("bob").assign(SHOP, number, "shop-bot")

    office.sweeps()

    assert office.shown(office.pull(number)) == {"merge-ready", "@bob"}


def test_requesting_its_review_gets_a_persons_pull_request_reviewed(office):
    office.person().push(SHOP, "fix", {"shop.py": "def total(prices):\n    return sum(prices)\n"})
    pull = office.person().open_pull(SHOP, "fix", "Fix total()")
    office.person().request_review(SHOP, pull, "shop-bot")

    office.sweeps()

    assert office.roles() == ["reviewer"]
    assert office.shown(pull) == {"merge-ready", "@alice"}


def test_labels_alone_tell_the_stage_when_the_journal_is_gone(office):
    office.reviewer(
        [{"if": {"diff_has": "once more"}, "then": [APPROVE], "else": rejects("once more, please")}]
    )
    number = office.asks()
    office.settle(until=lambda: office.roles() and office.stage(number) is Stage.REWORKING)
    pull = office.pull(number)
    office.loses_its_journal()
    office.settle()

    assert office.shown(pull) == {"merge-ready", "@alice"}
    assert len(office.box.scene.pulls(SHOP)) == 1
    assert office.roles() == ["worker", "reviewer"], "it goes on where the labels say"
