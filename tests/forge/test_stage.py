"""Showing a stage: one request, only what differs, and an honest receipt."""

import pytest

from dispatcher.core.errors import RetryLater
from dispatcher.core.markers import parse_markers
from dispatcher.ports import ItemOrder, StageOrder
from dispatcher.simulator.faults import Fault, What

SHOP = "acme/shop"


def order(office, issue=None, pull=None, text="Waiting for a review.", on=None, comment=None):
    return StageOrder(SHOP, issue, pull, text, on or (issue or pull).key, comment)


def test_the_turn_moves_from_the_issue_to_the_pull_request_in_one_request(office):
    number = office.issue()
    claim = office.forge.claim(office.claim_order(number))
    pull = office.pull(number)
    office.look_at(number, pull)
    office.clock.passes(7)
    with office.box.watching() as seen:
        written = office.forge.show_stage(
            order(
                office,
                ItemOrder(office.key(number), remove_labels=frozenset({"bot"}), assign=("bot",)),
                ItemOrder(office.key(pull), add_labels=frozenset({"bot", "needs-review"})),
                comment=claim.status_comment_id,
            )
        )
    assert len(seen) == 1
    assert office.box.scene.labels(SHOP, number) == set()
    assert office.box.scene.labels(SHOP, pull) == {"bot", "needs-review"}
    assert office.box.scene.assignees(SHOP, number) == ["bot"]
    assert written.updated_at == office.clock.now()
    assert written.status_comment_id == claim.status_comment_id
    (body,) = office.bodies(number)
    assert body.startswith("Waiting for a review.")
    assert parse_markers(body).claim is None
    assert parse_markers(body).status_of == "here"


def test_what_is_already_so_is_not_written(office):
    number = office.issue()
    wanted = order(office, ItemOrder(office.key(number), add_labels=frozenset({"bot"})))
    office.forge.show_stage(wanted)
    with office.box.watching() as seen:
        written = office.forge.show_stage(wanted)
    assert seen == []
    assert written.updated_at is None


def test_the_claim_stays_in_the_comment_while_the_bot_stays_assigned(office):
    number = office.issue()
    office.forge.claim(office.claim_order(number))
    office.forge.show_stage(
        order(office, ItemOrder(office.key(number), add_labels=frozenset({"bot"})), text="Half way.")
    )
    assert parse_markers(office.bodies(number)[0]).claim.run_id == "run-1"
    office.forge.show_stage(order(office, ItemOrder(office.key(number), unassign=("bot",)), text="Let go."))
    assert parse_markers(office.bodies(number)[0]).claim is None
    assert office.box.scene.assignees(SHOP, number) == []


def test_our_own_writes_are_in_the_receipt_so_that_they_are_no_news(office):
    number = office.issue()
    office.look_at(number)
    office.clock.passes(30)
    written = office.forge.show_stage(
        order(office, ItemOrder(office.key(number), add_labels=frozenset({"needs-human"})))
    )
    assert written.updated_at == office.look_at(number).issue.updated_at


def test_a_person_without_access_is_dropped_and_the_rest_stands(office, caplog):
    number = office.issue()
    written = office.forge.show_stage(
        order(
            office,
            ItemOrder(office.key(number), add_labels=frozenset({"needs-human"}), assign=("eve", "ann")),
        )
    )
    assert written.missing_assignees == ("eve",)
    assert office.box.scene.assignees(SHOP, number) == ["ann"]
    assert "needs-human" in office.box.scene.labels(SHOP, number)
    assert "eve" in caplog.text


def test_a_login_that_does_not_exist_is_dropped_too(office):
    number = office.issue()
    written = office.forge.show_stage(order(office, ItemOrder(office.key(number), assign=("nobody-here",))))
    assert written.missing_assignees == ("nobody-here",)


def test_a_label_that_is_missing_is_created_first(office):
    number = office.issue()
    office.forge.show_stage(order(office, ItemOrder(office.key(number), add_labels=frozenset({"brand-new"}))))
    assert "brand-new" in office.box.scene.labels(SHOP, number)


def test_labels_differ_by_more_than_case(office):
    office.ann.create_label(SHOP, "Urgent")
    number = office.issue("It breaks", "now", "bot", "Urgent")
    office.forge.show_stage(
        order(
            office,
            ItemOrder(office.key(number), add_labels=frozenset({"urgent"}), remove_labels=frozenset({"BOT"})),
        )
    )
    assert office.box.scene.labels(SHOP, number) == {"Urgent"}


def test_a_persons_label_survives(office):
    number = office.issue()
    office.look_at(number)
    office.ann.create_label(SHOP, "mine")
    office.ann.label(SHOP, number, "mine")
    office.forge.show_stage(
        order(office, ItemOrder(office.key(number), add_labels=frozenset({"needs-human"})))
    )
    assert office.box.scene.labels(SHOP, number) == {"bot", "mine", "needs-human"}


@pytest.mark.parametrize("what", [What.FAIL_AFTER, What.DROP_AFTER])
def test_a_lost_answer_leaves_one_status_comment(office, what):
    number = office.issue()
    wanted = order(office, ItemOrder(office.key(number), add_labels=frozenset({"needs-human"})))
    office.look_at(number)
    office.box.faults.add(Fault(what, path="graphql"))
    with pytest.raises(RetryLater):
        office.forge.show_stage(wanted)
    office.forge.show_stage(wanted)
    assert len(office.bodies(number)) == 1
    assert office.box.scene.labels(SHOP, number) == {"bot", "needs-human"}


def test_a_deleted_status_comment_is_written_again_on_the_next_try(office):
    number = office.issue()
    first = office.forge.show_stage(order(office, ItemOrder(office.key(number))))
    office.ann.delete_comment(SHOP, first.status_comment_id)
    wanted = order(
        office, ItemOrder(office.key(number)), text="Something new.", comment=first.status_comment_id
    )
    with pytest.raises(RetryLater):
        office.forge.show_stage(wanted)
    assert office.forge.show_stage(wanted).status_comment_id != first.status_comment_id
    assert len(office.bodies(number)) == 1


def test_another_instances_status_comment_is_left_alone(office):
    number = office.issue()
    there = office.start(instance="there")
    there.fetch_repos([office.repo.rules])
    there.show_stage(order(office, ItemOrder(office.key(number)), text="By there."))
    office.forge.show_stage(order(office, ItemOrder(office.key(number)), text="By here."))
    assert [body.partition("\n")[0] for body in office.bodies(number)] == ["By there.", "By here."]


def test_a_new_pull_request_needs_no_look_before_it_is_labelled(office):
    from dispatcher.ports import PullOrder

    number = office.issue()
    office.look_at(number)
    office.bot.push(SHOP, f"bot/{number}-mend", {"app.py": "new\n"}, base="main")
    opened = office.forge.open_pull(
        PullOrder(SHOP, f"bot/{number}-mend", "main", "Mend", f"Closes #{number}", "k")
    )
    with office.box.watching() as seen:
        office.forge.show_stage(
            order(
                office,
                ItemOrder(office.key(number), remove_labels=frozenset({"bot"})),
                ItemOrder(office.key(opened.number), add_labels=frozenset({"bot", "needs-review"})),
            )
        )
    assert len(seen) == 1
    assert office.box.scene.labels(SHOP, opened.number) == {"bot", "needs-review"}


# ---------------------------------------------------------------- the status comment is found, kept and rewritten once


def show(office, number, text, *labels, comment=None, **other):
    item = ItemOrder(office.key(number), add_labels=frozenset(labels), **other)
    return office.forge.show_stage(order(office, item, text=text, comment=comment))


def test_without_a_text_there_is_no_comment(office):
    number = office.issue()
    show(office, number, "", "needs-human")
    assert office.bodies(number) == []
    assert "needs-human" in office.box.scene.labels(SHOP, number)


def test_a_text_that_was_changed_and_shown_is_not_written_a_third_time(office):
    """All of it within one second: the times do not tell which version is the newest."""
    number = office.issue()
    show(office, number, "One.")
    show(office, number, "Two.")
    with office.box.watching() as seen:
        show(office, number, "Two.")
    assert seen == []
    assert [body.partition("\n")[0] for body in office.bodies(number)] == ["Two."]


def test_a_status_comment_on_the_issue_is_rewritten_there_while_the_turn_is_the_pull_requests(office):
    number = office.issue()
    first = show(office, number, "One.")
    pull = office.pull(number)
    office.look_at(number, pull)
    both = ItemOrder(office.key(number)), ItemOrder(office.key(pull))
    for text, requests in (("Two.", 1), ("Two.", 0), ("Three.", 1)):
        with office.box.watching() as seen:
            office.forge.show_stage(
                order(office, *both, text=text, on=office.key(pull), comment=first.status_comment_id)
            )
        assert len(seen) == requests
    assert [body.partition("\n")[0] for body in office.bodies(number)] == ["Three."]
    assert office.bodies(pull) == []


def test_what_was_known_of_comments_outlives_a_change_of_labels(office):
    number = office.issue()
    show(office, number, "One.")
    show(office, number, "", "needs-human")
    written = show(office, number, "Two.")
    assert [body.partition("\n")[0] for body in office.bodies(number)] == ["Two."]
    assert show(office, number, "Two.", "merge-ready").status_comment_id == written.status_comment_id


def test_of_two_status_comments_the_one_that_is_remembered_is_rewritten(office):
    number = office.issue()
    first = show(office, number, "One.")
    office.clock.passes(5)
    office.bot.comment(SHOP, number, office.bodies(number)[0])
    office.look_at(number)
    show(office, number, "Two.", comment=first.status_comment_id)
    assert [body.partition("\n")[0] for body in office.bodies(number)] == ["Two.", "One."]


def test_a_comment_that_claims_nothing_goes_on_claiming_nothing(office):
    number = office.issue()
    show(office, number, "One.", assign=("bot",))
    show(office, number, "Two.")
    assert parse_markers(office.bodies(number)[0]).claim is None


def test_an_instance_without_a_name_leaves_anothers_name_in_the_comment(office):
    number = office.issue()
    first = show(office, number, "One.")
    nameless = office.start(instance="")
    nameless.fetch_repos([office.repo.rules])
    nameless.show_stage(
        order(office, ItemOrder(office.key(number)), text="Two.", comment=first.status_comment_id)
    )
    (body,) = office.bodies(number)
    assert body.startswith("Two.")
    assert parse_markers(body).status_of == "here"


def test_who_is_assigned_is_not_assigned_again_and_nobody_is_missed(office, caplog):
    number = office.issue()
    show(office, number, "", assign=("ann",))
    with office.box.watching() as seen:
        assert show(office, number, "", assign=("Ann",)).missing_assignees == ()
    assert seen == []
    assert "did not assign" not in caplog.text


def test_somebody_whom_nobody_has_seen_yet_is_looked_up_and_assigned(office):
    office.box.scene.add_user("kim")
    office.ann.invite(SHOP, "kim", "write")
    number = office.issue()
    assert show(office, number, "", assign=("kim",)).missing_assignees == ()
    assert office.box.scene.assignees(SHOP, number) == ["kim"]


def test_a_change_that_adds_no_comment_is_sent_again_after_a_fault(office):
    number = office.issue()
    show(office, number, "One.")
    office.box.faults.add(Fault(What.FAIL_BEFORE, path="graphql"))
    show(office, number, "Two.", "needs-human")
    assert [body.partition("\n")[0] for body in office.bodies(number)] == ["Two."]
