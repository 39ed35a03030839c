"""Claiming: assign, write down, read back; and letting go without a trace when somebody else has it."""

import pytest

from dispatcher.core.claims import rival
from dispatcher.core.errors import ClaimLost, NeedsPerson, RetryLater
from dispatcher.core.markers import parse_markers
from dispatcher.ports import ItemOrder, StageOrder
from dispatcher.simulator.faults import Fault, What

SHOP = "acme/shop"


def test_a_claim_after_a_look_is_one_request_and_reads_everything_back(office):
    number = office.issue()
    office.look_at(number)
    with office.box.watching() as seen:
        snapshot = office.forge.claim(office.claim_order(number))
    assert len(seen) == 1
    assert office.box.scene.assignees(SHOP, number) == ["bot"]
    (marker,) = snapshot.markers
    assert (marker.instance, marker.run_id) == ("here", "run-1")
    (body,) = office.bodies(number)
    assert body.startswith("A worker is at it.")
    assert parse_markers(body).claim.run_id == "run-1"
    assert snapshot.status_comment_id == marker.comment_id == office.box.scene.comments(SHOP, number)[0].id
    assert [person.login for person in snapshot.issue.assignees] == ["bot"]


def test_the_next_claim_rewrites_the_same_comment(office):
    number = office.issue()
    first = office.forge.claim(office.claim_order(number))
    office.clock.passes(60)
    again = office.forge.claim(
        office.claim_order(number, run="run-2", status_comment_id=first.status_comment_id)
    )
    assert again.status_comment_id == first.status_comment_id
    (body,) = office.bodies(number)
    assert parse_markers(body).claim.run_id == "run-2"


def test_the_review_of_a_pull_request_is_claimed_in_the_issues_comment(office):
    number = office.issue()
    first = office.forge.claim(office.claim_order(number))
    pull = office.pull(number)
    office.look_at(number, pull)
    order = office.claim_order(pull, run="run-2", status_comment_id=first.status_comment_id)
    snapshot = office.forge.claim(order)
    assert office.bodies(pull) == []
    assert len(office.bodies(number)) == 1
    assert office.box.scene.assignees(SHOP, pull) == ["bot"]
    assert (snapshot.issue.key.number, snapshot.pull.item.key.number) == (number, pull)
    assert [marker.run_id for marker in snapshot.markers] == ["run-2"]


def test_after_a_restart_the_pair_and_the_comment_are_found_again(office):
    number = office.issue()
    first = office.forge.claim(office.claim_order(number))
    pull = office.pull(number)
    office.restart()
    snapshot = office.forge.claim(office.claim_order(pull, run="run-2"))
    assert snapshot.status_comment_id == first.status_comment_id
    assert snapshot.issue.key.number == number


def test_a_person_who_came_first_keeps_the_item(office):
    number = office.issue()
    office.look_at(number)
    office.ann.assign(SHOP, number, "ann")
    with pytest.raises(ClaimLost, match="ann was assigned"):
        office.forge.claim(office.claim_order(number))
    assert office.box.scene.assignees(SHOP, number) == ["ann"]
    assert office.bodies(number) == []


def test_a_person_who_was_there_already_is_never_pushed_out(office):
    number = office.issue()
    office.ann.assign(SHOP, number, "ann")
    office.look_at(number)
    office.forge.claim(office.claim_order(number))
    assert sorted(office.box.scene.assignees(SHOP, number)) == ["ann", "bot"]


def test_a_closed_item_is_not_claimed(office):
    number = office.issue()
    office.look_at(number)
    office.ann.close(SHOP, number)
    with pytest.raises(ClaimLost, match="closed"):
        office.forge.claim(office.claim_order(number))
    assert office.box.scene.assignees(SHOP, number) == []


def test_a_bot_without_rights_notices_that_its_assignment_was_dropped(office):
    number = office.issue()
    office.look_at(number)
    office.shop.collaborators.pop(office.box.world.account("bot").id)
    with pytest.raises((ClaimLost, NeedsPerson), match=r"assign"):
        office.forge.claim(office.claim_order(number))
    assert office.bodies(number) == []


def test_of_two_instances_the_earlier_one_wins_and_the_later_leaves_no_trace(office):
    number = office.issue()
    there = office.start(instance="there")
    there.fetch_repos([office.repo.rules])
    there.fetch_snapshot(office.repo, office.task(number))
    office.forge.claim(office.claim_order(number))
    office.clock.passes(1)
    snapshot = there.claim(office.claim_order(number, instance="there", run="run-x"))
    assert [marker.instance for marker in snapshot.markers] == ["here"]
    assert rival(snapshot, "there", office.clock.now()).run_id == "run-1"
    assert snapshot.status_comment_id is None
    assert len(office.bodies(number)) == 1
    assert office.box.scene.assignees(SHOP, number) == ["bot"]


def test_in_the_same_second_the_smaller_comment_id_wins(office):
    number = office.issue()
    there = office.start(instance="there")
    there.fetch_repos([office.repo.rules])
    there.fetch_snapshot(office.repo, office.task(number))
    office.forge.claim(office.claim_order(number))
    snapshot = there.claim(office.claim_order(number, instance="there", run="run-x"))
    assert [marker.instance for marker in snapshot.markers] == ["here"]


def test_an_older_status_comment_does_not_outrank_a_running_claim(office):
    number = office.issue()
    office.forge.claim(office.claim_order(number))
    office.clock.passes(10)
    here = ItemOrder(office.key(number), unassign=("bot",))
    office.forge.show_stage(StageOrder(SHOP, here, None, "Waiting.", here.key, None))
    there = office.start(instance="there")
    there.fetch_repos([office.repo.rules])
    there.claim(office.claim_order(number, instance="there", run="run-x"))
    office.clock.passes(10)
    snapshot = office.forge.claim(office.claim_order(number, run="run-2"))  # from what it remembers
    assert [marker.run_id for marker in snapshot.markers] == ["run-x"]
    assert parse_markers(office.bodies(number)[0]).claim is None
    assert office.box.scene.assignees(SHOP, number) == ["bot"]


def test_a_live_claim_that_is_known_stops_a_rival_before_it_writes(office):
    number = office.issue()
    office.forge.claim(office.claim_order(number))
    there = office.start(instance="there")
    there.fetch_repos([office.repo.rules])
    there.fetch_snapshot(office.repo, office.task(number))
    with office.box.watching() as seen:
        snapshot = there.claim(office.claim_order(number, instance="there"))
    assert [marker.instance for marker in snapshot.markers] == ["here"]
    assert len(seen) == 1
    assert len(office.bodies(number)) == 1


def test_a_rival_that_has_let_go_meanwhile_is_no_obstacle(office):
    number = office.issue()
    office.forge.claim(office.claim_order(number))
    there = office.start(instance="there")
    there.fetch_repos([office.repo.rules])
    there.fetch_snapshot(office.repo, office.task(number))
    here = ItemOrder(office.key(number), unassign=("bot",))
    office.forge.show_stage(StageOrder(SHOP, here, None, "Waiting.", here.key, None))
    snapshot = there.claim(office.claim_order(number, instance="there", run="run-x"))
    assert [marker.run_id for marker in snapshot.markers] == ["run-x"]


def test_a_question_on_a_closed_item_can_be_claimed_and_answered(office):
    number = office.issue()
    office.ann.close(SHOP, number)
    office.look_at(number)
    assert office.forge.claim(office.claim_order(number)).markers[0].run_id == "run-1"


def test_a_claim_that_ran_out_stands_in_nobodys_way(office):
    number = office.issue()
    office.forge.claim(office.claim_order(number))
    office.clock.passes(3 * 3600)
    there = office.start(instance="there")
    there.fetch_repos([office.repo.rules])
    snapshot = there.claim(office.claim_order(number, instance="there", run="run-9"))
    assert {marker.run_id for marker in snapshot.markers} == {"run-1", "run-9"}
    assert len(office.bodies(number)) == 2


def test_a_status_comment_that_somebody_deleted_is_written_again(office):
    number = office.issue()
    first = office.forge.claim(office.claim_order(number))
    office.ann.delete_comment(SHOP, first.status_comment_id)
    again = office.forge.claim(office.claim_order(number, run="run-2"))
    assert again.status_comment_id != first.status_comment_id
    assert len(office.bodies(number)) == 1


@pytest.mark.parametrize("what", [What.FAIL_AFTER, What.DROP_AFTER, What.FAIL_BEFORE, What.DROP_BEFORE])
def test_a_claim_whose_answer_is_lost_leaves_one_comment_when_it_is_repeated(office, what):
    number = office.issue()
    office.look_at(number)
    office.box.faults.add(Fault(what, path="graphql"))
    with pytest.raises(RetryLater):
        office.forge.claim(office.claim_order(number))
    snapshot = office.forge.claim(office.claim_order(number))
    assert len(office.bodies(number)) == 1
    assert [marker.run_id for marker in snapshot.markers] == ["run-1"]


def test_a_claim_repeated_by_a_new_process_leaves_one_comment(office):
    number = office.issue()
    office.forge.claim(office.claim_order(number))
    office.restart()
    office.forge.claim(office.claim_order(number))
    assert len(office.bodies(number)) == 1
