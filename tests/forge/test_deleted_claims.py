"""A claim whose comment somebody deleted: the bot's assignment is older than the comment written with it, so it is another's."""

from datetime import timedelta

import pytest

from dispatcher.core.claims import CLOCK_SKEW
from dispatcher.core.errors import ClaimLost
from dispatcher.core.markers import parse_markers
from dispatcher.forge.claims import ONE_REQUEST
from dispatcher.ports import ItemOrder, StageOrder

SHOP = "acme/shop"
LASTS = timedelta(hours=2)


@pytest.fixture
def orphan(office):
    """An issue that another dispatcher has, and whose claim alice's colleague deleted."""
    number = office.issue()
    there = office.start(instance="there")
    there.fetch_repos([office.repo.rules])
    claimed = there.claim(office.claim_order(number, instance="there", run="run-x"))
    office.ann.delete_comment(SHOP, claimed.status_comment_id)
    return number


def test_it_is_let_go_and_our_own_words_with_it(office, orphan):
    office.clock.passes(60)
    with pytest.raises(ClaimLost, match="somebody deleted"):
        office.forge.claim(office.claim_order(orphan))
    assert office.bodies(orphan) == []
    assert office.box.scene.assignees(SHOP, orphan) == ["bot"]


@pytest.mark.parametrize(
    ("later", "holds"), [(ONE_REQUEST, True), (ONE_REQUEST + timedelta(seconds=1), False)]
)
def test_an_assignment_of_the_same_moment_is_taken_for_our_own(office, orphan, later, holds):
    office.clock.passes(later.total_seconds())
    assert does_hold(office, orphan) is holds


@pytest.mark.parametrize(
    ("later", "holds"),
    [(LASTS + CLOCK_SKEW - timedelta(seconds=1), False), (LASTS + CLOCK_SKEW, True)],
)
def test_it_runs_out_as_any_other(office, orphan, later, holds):
    office.clock.passes(later.total_seconds())
    assert does_hold(office, orphan) is holds


def does_hold(office, number) -> bool:
    try:
        office.forge.claim(office.claim_order(number))
    except ClaimLost:
        return False
    return True


def test_an_earlier_try_of_our_own_explains_its_assignment(office):
    """The answer to it was lost, or its start came too late; the comment still says that it was us."""
    number = office.issue()
    office.forge.claim(office.claim_order(number))
    office.clock.passes(600)
    office.restart()
    assert does_hold(office, number)


def test_our_comment_without_a_claim_explains_nothing(office):
    """It told of a stage; the assignment came later, by the other one."""
    number = office.issue()
    item = ItemOrder(office.key(number))
    office.forge.show_stage(StageOrder(SHOP, item, None, "Waiting.", office.key(number), None))
    office.clock.passes(3600)
    there = office.start(instance="there")
    there.fetch_repos([office.repo.rules])
    claimed = there.claim(office.claim_order(number, instance="there", run="run-x"))
    office.ann.delete_comment(SHOP, claimed.status_comment_id)
    office.clock.passes(60)
    office.restart()
    with pytest.raises(ClaimLost, match="somebody deleted"):
        office.forge.claim(office.claim_order(number))
    (body,) = office.bodies(number)
    assert "run-1" not in body


# ---------------------------------------------------------------- exactly at the end of a claim


@pytest.mark.parametrize("is_known", [True, False])
def test_a_claim_is_over_five_minutes_behind_its_end_and_not_a_second_sooner(office, is_known):
    number = office.issue()
    there = office.start(instance="there")
    there.fetch_repos([office.repo.rules])
    if not is_known:
        office.look_at(number)
    there.claim(office.claim_order(number, instance="there", run="run-x"))
    if is_known:
        office.look_at(number)
    office.clock.passes((LASTS + CLOCK_SKEW).total_seconds() - 1)
    snapshot = office.forge.claim(office.claim_order(number))
    assert [marker.instance for marker in snapshot.markers] == ["there"]

    if is_known:
        office.look_at(number)
    office.clock.passes(1)
    with office.box.watching() as seen:
        snapshot = office.forge.claim(office.claim_order(number))
    assert "here" in [marker.instance for marker in snapshot.markers]
    if is_known:
        assert len(seen) == 1, "nobody had to be looked for"


def test_a_claim_that_is_lost_to_a_person_leaves_an_assignment_that_was_there_before(office):
    number = office.issue()
    office.ann.assign(SHOP, number, "bot")
    office.look_at(number)
    office.ann.assign(SHOP, number, "ann")
    with pytest.raises(ClaimLost, match="ann was assigned"):
        office.forge.claim(office.claim_order(number))
    assert sorted(office.box.scene.assignees(SHOP, number)) == ["ann", "bot"]


# ---------------------------------------------------------------- what a claim says while stages are shown


def claim_in(office, number):
    (body,) = office.bodies(number)
    return parse_markers(body).claim


def show(office, number, item, text="Going on."):
    office.forge.show_stage(StageOrder(SHOP, item, None, text, office.key(number), None))


def test_a_text_that_is_written_anew_alone_keeps_the_claim(office):
    number = office.issue()
    office.forge.claim(office.claim_order(number))
    show(office, number, None)
    assert claim_in(office, number).run_id == "run-1"


def test_a_claim_stays_when_the_bot_is_assigned_once_more(office):
    number = office.issue()
    office.forge.claim(office.claim_order(number))
    office.ann.unassign(SHOP, number, "bot")
    office.look_at(number)
    show(office, number, ItemOrder(office.key(number), assign=("bot",)))
    assert claim_in(office, number).run_id == "run-1"


def test_of_two_claims_in_one_second_the_older_comment_wins_though_it_was_written_later(office):
    number = office.issue()
    ours = office.forge.claim(office.claim_order(number)).status_comment_id
    show(office, number, ItemOrder(office.key(number), unassign=("bot",)))
    there = office.start(instance="there")
    there.fetch_repos([office.repo.rules])
    there.claim(office.claim_order(number, instance="there", run="run-x"))
    snapshot = office.forge.claim(office.claim_order(number, run="run-2", status_comment_id=ours))
    assert snapshot.status_comment_id == ours
    assert {marker.run_id for marker in snapshot.markers} == {"run-x", "run-2"}
