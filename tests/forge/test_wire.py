"""Reading JSON: other shapes than the expected ones are errors that name the place, and nothing else breaks."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.core.errors import RetryLater
from dispatcher.core.model import Ci, ItemKey, Mergeable, Permission, Person
from dispatcher.forge.wire import (
    GHOST,
    Node,
    parse_listed_item,
    parse_permission,
    parse_person,
    parse_rest_person,
    parse_rights,
)
from dispatcher.forge.wire_task import Place, parse_item, parse_pull

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def node(**fields: object) -> Node:
    return Node(fields, "answer")


def test_an_unexpected_shape_names_its_place():
    with pytest.raises(RetryLater, match=r"answer\.user\.id should be a number, but it is str"):
        parse_rest_person(node(user={"id": "x1", "login": "ann"}).child("user"))
    with pytest.raises(RetryLater, match=r"answer\.a should be an object, but it is nothing"):
        node().must("a", "b")
    with pytest.raises(RetryLater, match=r"answer\.at should be a time"):
        node(at="yesterday").moment("at")
    with pytest.raises(RetryLater, match=r"answer\.n should be a number"):
        node(n=True).number("n")


def test_big_numbers_may_come_as_text_and_times_are_utc():
    assert node(n="3000000000").number("n") == 3_000_000_000
    assert node(at="2026-11-21T10:00:00+02:00").moment("at") == datetime(2026, 11, 21, 8, tzinfo=UTC)


@given(
    st.dictionaries(
        st.sampled_from(["number", "title", "comments", "labels", "state", "author", "createdAt"]), anything
    )
)
def test_whatever_github_sends_is_an_item_or_for_later(fields):
    for parse in (parse_item, parse_pull):
        with pytest.raises(RetryLater):
            parse(Node(fields, "item"), Place(1, "acme/shop"))
    with pytest.raises(RetryLater):
        parse_listed_item(Node(fields, "item"))


def test_people_bots_and_ghosts():
    assert parse_person(None) == parse_rest_person(None) == GHOST
    assert parse_person(node(__typename="Bot", login="helper", databaseId=5)) == Person(
        5, "helper[bot]", is_bot=True
    )
    assert parse_person(node(__typename="Mannequin", login="old")) == Person(0, "old")
    assert parse_rest_person(node(id=5, login="helper[bot]", type="Bot")).is_bot
    assert not parse_person(node(__typename="User", login="mybot", databaseId=6)).is_bot


def test_permissions_in_all_spellings():
    assert parse_permission("maintain", "write") is Permission.MAINTAIN
    assert parse_permission("a custom role", "write") is Permission.WRITE
    assert parse_permission("WRITE") is Permission.WRITE
    assert parse_permission("odd", "odd") is Permission.NONE
    assert parse_rights(node(push=True, pull=True)) is Permission.WRITE
    assert parse_rights(None) is Permission.NONE


MOMENT = "2026-01-01T00:00:00Z"


def pull_node(**fields: object) -> Node:
    base = {
        "id": "PR_1", "number": 7, "title": "t", "pullState": "OPEN", "createdAt": MOMENT, "updatedAt": MOMENT,
        "headRefOid": "abc", "headRefName": "topic", "baseRefName": "main", "baseRefOid": "old",
    }  # fmt: skip
    return Node(base | fields, "pull")


def rolled_up(*contexts: dict[str, object], total: int | None = None, state: str = "SUCCESS") -> Node:
    counted = {"totalCount": total or len(contexts), "nodes": list(contexts)}
    commit = {"commit": {"oid": "abc", "statusCheckRollup": {"state": state, "contexts": counted}}}
    return pull_node(commits={"nodes": [commit]})


def run(conclusion: str | None, status: str = "COMPLETED") -> dict[str, object]:
    return {"__typename": "CheckRun", "name": "unit", "status": status, "conclusion": conclusion}


@pytest.mark.parametrize(
    ("shown", "ci"),
    [
        (rolled_up(run("SUCCESS"), run("CANCELLED")), Ci.GREEN),
        (rolled_up(run("FAILURE"), run(None, "QUEUED")), Ci.PENDING),
        (rolled_up(run("FAILURE"), run("SUCCESS")), Ci.RED),
        (rolled_up(run("STALE")), Ci.GREEN),
        (rolled_up(run("SUCCESS"), total=140, state="FAILURE"), Ci.RED),
        (rolled_up(run("SUCCESS"), total=140, state="SUCCESS"), Ci.GREEN),
        (rolled_up(), Ci.NONE),
        (pull_node(), Ci.NONE),
    ],
)
def test_ci_is_summed_up_without_taking_cancelled_for_red(shown, ci):
    assert parse_pull(shown, Place(1, "acme/shop")).ci is ci


def test_a_pull_request_whose_base_branch_is_gone_keeps_the_old_base():
    shown = parse_pull(pull_node(baseRef=None, mergeable="CONFLICTING"), Place(1, "acme/shop"))
    assert (shown.base_head, shown.mergeable, shown.item.key) == ("old", Mergeable.CONFLICTING, ItemKey(1, 7))


def test_a_review_that_is_still_being_written_is_nobodys_word():
    pending = {"databaseId": 1, "state": "PENDING", "body": "hm", "submittedAt": None, "author": None}
    shown = parse_pull(pull_node(reviews={"nodes": [pending]}), Place(1, "acme/shop"))
    assert (shown.reviews, shown.item.comments) == ((), ())


def test_a_team_that_was_asked_for_a_review_is_not_a_person():
    asked = {"nodes": [{"requestedReviewer": {"__typename": "Team"}}, {"requestedReviewer": None}]}
    assert parse_pull(pull_node(reviewRequests=asked), Place(1, "acme/shop")).review_requested_from == ()
