"""Faults on demand: what goes wrong, with which request, how often, and what was done all the same."""

from __future__ import annotations

import time

import pytest
import requests

from dispatcher.simulator import Fault, What
from tests.simulator.conftest import REPO

COMMENTS = f"/repos/{REPO}/issues/1/comments"


@pytest.fixture
def box(real_box):
    return real_box


@pytest.fixture
def issue(alice) -> None:
    alice.open_issue(REPO, "Bug")


def bodies(street) -> list[str]:
    return [comment.body for comment in street.scene.comments(REPO, 1)]


def test_a_5xx_before_acting_did_nothing(street, api, issue):
    street.box.faults.add(Fault(What.FAIL_BEFORE, "/comments", "POST"))
    assert api.post(COMMENTS, {"body": "x"}).status_code == 502
    assert bodies(street) == []
    assert api.post(COMMENTS, {"body": "x"}).status_code == 201


def test_a_5xx_after_acting_did_it_all_the_same(street, api, issue):
    street.box.faults.add(Fault(What.FAIL_AFTER, "/comments", "POST", status=500))
    assert api.post(COMMENTS, {"body": "x"}).status_code == 500
    assert bodies(street) == ["x"]


@pytest.mark.parametrize(("what", "written"), [(What.DROP_BEFORE, []), (What.DROP_AFTER, ["x"])])
def test_a_dropped_connection_may_or_may_not_have_done_it(street, api, issue, what, written):
    street.box.faults.add(Fault(what, "/comments", "POST"))
    with pytest.raises(requests.ConnectionError):
        api.post(COMMENTS, {"body": "x"})
    assert bodies(street) == written
    assert api.get("/user").status_code == 200


@pytest.mark.parametrize("status", [403, 429])
def test_a_secondary_limit_with_and_without_retry_after(street, api, issue, status):
    street.box.faults.add(Fault(What.LIMIT, method="POST", status=status, retry_after_s=30))
    limited = api.post(COMMENTS, {"body": "x"})
    assert (limited.status_code, limited.headers["Retry-After"]) == (status, "30")
    street.box.faults.add(Fault(What.LIMIT, method="POST", status=status))
    assert "Retry-After" not in api.post(COMMENTS, {"body": "x"}).headers
    assert bodies(street) == []


def test_the_primary_limit_can_be_used_up_at_once(street, api, clock):
    street.box.faults.add(Fault(What.LIMIT, primary=True))
    first, second = api.get("/user"), api.get("/user")
    assert {first.status_code, second.status_code} == {403}
    assert second.headers["X-RateLimit-Remaining"] == "0"
    clock.advance(3600)
    assert api.get("/user").status_code == 200


def test_a_rule_lets_some_requests_pass_and_hits_so_many(street, api):
    rule = street.box.faults.add(Fault(What.FAIL_BEFORE, "^/user$", skip=1, count=2, status=503))
    assert [api.get("/user").status_code for _ in range(4)] == [200, 503, 503, 200]
    assert rule.hits == 2


def test_a_stale_list_answers_what_it_answered_before(street, alice, api):
    path = f"/repos/{REPO}/issues"
    assert api.get(path).json() == []
    alice.open_issue(REPO, "Bug")
    street.box.faults.add(Fault(What.STALE, "/issues$"))
    assert api.get(path).json() == []
    assert len(api.get(path).json()) == 1


def test_a_delay_makes_one_request_slow_and_no_other(street, api):
    street.box.faults.add(Fault(What.DELAY, "^/user$", delay_s=0.05))
    start = time.monotonic()
    api.get("/user")
    assert time.monotonic() - start >= 0.05


def test_git_fails_on_demand_too(street):
    street.box.faults.add(Fault(What.FAIL_BEFORE, "git-upload-pack"))
    answer = requests.get(street.box.clone_url(REPO) + "/info/refs?service=git-upload-pack", timeout=20)
    assert answer.status_code == 502


def test_cleared_rules_do_nothing(street, api):
    street.box.faults.add(Fault(What.FAIL_BEFORE, count=None))
    assert api.get("/user").status_code == 502
    street.box.faults.clear()
    assert api.get("/user").status_code == 200
