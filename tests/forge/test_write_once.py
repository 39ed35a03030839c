"""Writes that need not be: looked for first, asked for once, and whose they are."""

from dispatcher.core.claims import rival
from dispatcher.core.model import Finding
from dispatcher.ports import ItemOrder, StageOrder
from tests.forge.test_writes import pull_order

SHOP = "acme/shop"


def show(office, number, text, **changes):
    order = ItemOrder(office.key(number), **changes)
    return office.forge.show_stage(StageOrder(SHOP, order, None, text, office.key(number), None))


def test_a_finding_without_a_path_or_a_line_is_the_callers_to_tell(office):
    number = office.pull(office.issue())
    findings = (
        Finding("nowhere in particular", "minor", line=2),
        Finding("everywhere", "minor", path="app.py"),
    )
    office.forge.post_review(office.review_order(number, *findings))
    (review,) = office.box.scene.reviews(SHOP, number)
    assert review.body.startswith("Two things.\n\n<!--")


def test_the_pull_request_that_a_person_opened_for_the_branch_is_taken_without_asking_for_another(office):
    number = office.issue()
    theirs = office.pull(number)
    office.restart()
    with office.box.watching() as seen:
        assert office.forge.open_pull(pull_order(number)).number == theirs
    assert {request.method for request in seen} == {"GET"}


def test_the_labels_of_a_repository_are_one_request(office):
    with office.box.watching() as seen:
        assert office.forge.missing_labels(office.repo) == ()
    assert len(seen) == 1


def test_a_receipt_names_the_status_comment_though_nothing_was_written(office):
    number = office.issue()
    first = show(office, number, "At work.")
    with office.box.watching() as seen:
        again = show(office, number, "At work.")
    assert seen == []
    assert again.status_comment_id == first.status_comment_id is not None


def test_writing_our_own_status_leaves_what_is_known_of_anothers_claim(office):
    """Or the next claim would be written over the other one, and taken back again."""
    number = office.issue()
    there = office.start(instance="there")
    there.fetch_repos([office.repo.rules])
    there.claim(office.claim_order(number, instance="there", run="run-x"))
    office.look_at(number)
    show(office, number, "Waiting.")
    show(office, number, "Still waiting.")

    with office.box.watching() as seen:
        snapshot = office.forge.claim(office.claim_order(number))

    assert rival(snapshot, "here", office.clock.now()).run_id == "run-x"
    assert not any(b"mutation" in request.body for request in seen)
    assert len(office.bodies(number)) == 2


def test_who_loses_to_an_older_claim_keeps_the_comment_that_it_had(office):
    number = office.issue()
    ours = office.forge.claim(office.claim_order(number)).status_comment_id
    show(office, number, "Let go.", unassign=("bot",))
    there = office.start(instance="there")
    there.fetch_repos([office.repo.rules])
    office.clock.passes(60)
    there.claim(office.claim_order(number, instance="there", run="run-x"))
    office.clock.passes(60)

    snapshot = office.forge.claim(office.claim_order(number, run="run-2", status_comment_id=ours))

    assert [marker.run_id for marker in snapshot.markers] == ["run-x"]
    assert snapshot.status_comment_id == ours
