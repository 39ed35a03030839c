"""Who reads what over REST: in a private repository a narrow token reads the areas it was given and no other."""

from __future__ import annotations

import base64

import pytest

from dispatcher.simulator.git_http import secret_of
from tests.simulator.conftest import REPO

SECRET = "alice/secret"
ISSUES = (
    "/issues",
    "/issues/1",
    "/issues/1/comments",
    "/issues/comments",
    "/issues/comments/{comment}",
    "/issues/1/labels",
    "/issues/1/events",
    "/issues/1/timeline",
    "/issues/1/dependencies/blocked_by",
    "/labels",
    "/labels/bug",
)
PULLS = (
    "/pulls",
    "/pulls/2",
    "/pulls/2/files",
    "/pulls/2/commits",
    "/pulls/2/merge",
    "/pulls/2/reviews",
    "/pulls/2/reviews/{review}",
    "/pulls/2/reviews/{review}/comments",
    "/pulls/2/comments",
    "/pulls/comments",
    "/pulls/2/requested_reviewers",
    "/issues/2",
    "/issues/2/comments",
    "/issues/2/events",
    "/issues/2/timeline",
)


@pytest.fixture
def ids(street, alice) -> dict[str, int]:
    """A private repository with everything in it that can be asked for."""
    street.scene.add_repo(SECRET, {"app.py": "one\n"}, collaborators={"bot": "write"}, private=True)
    number = alice.open_issue(SECRET, "Bug", labels=("bug",))
    comment = alice.comment(SECRET, number, "please")
    alice.push(SECRET, "fix", {"app.py": "two\n"}, base="main")
    pull = alice.open_pull(SECRET, "fix", "Fix")
    review = street.scene.person("bot").approve(SECRET, pull, "fine")
    alice.merge(SECRET, pull)
    return {"comment": comment.id, "review": review.id}


def narrow(street, **permissions: str):
    return street.api(street.scene.add_fine_grained_token("bot", {"contents": "read", **permissions}))


@pytest.mark.parametrize("path", ISSUES)
def test_what_lies_on_issues_needs_the_permission_for_issues(street, ids, path):
    where = f"/repos/{SECRET}{path.format(**ids)}"
    assert narrow(street, issues="read").get(where).status_code == 200
    assert narrow(street, pull_requests="read").get(where).status_code == 403


@pytest.mark.parametrize("path", PULLS)
def test_what_lies_on_pull_requests_needs_the_permission_for_them(street, ids, path):
    where = f"/repos/{SECRET}{path.format(**ids)}"
    assert narrow(street, pull_requests="read").get(where).status_code in {200, 204}
    assert narrow(street, issues="read").get(where).status_code == 403


def test_a_line_comment_that_cannot_be_read_cannot_be_answered(street, ids):
    where = f"/repos/{SECRET}/pulls/2/comments/1/replies"
    assert narrow(street, issues="write").post(where, {"body": "done"}).status_code == 403
    assert narrow(street, pull_requests="write").post(where, {"body": "done"}).status_code == 404


def test_a_plain_issue_is_no_pull_request(street, api, alice):
    number = alice.open_issue(REPO, "Bug")
    for path in ("", "/files", "/commits", "/merge", "/reviews", "/comments", "/requested_reviewers"):
        assert api.get(f"/repos/{REPO}/pulls/{number}{path}").status_code == 404


def test_who_shows_no_token_is_told_to_and_who_shows_a_wrong_one_that_it_is_wrong(street):
    said = [street.api(token).get(f"/repos/{REPO}") for token in ("", "ghp_wrong")]
    assert [(answer.status_code, answer.json()["message"]) for answer in said] == [
        (401, "Requires authentication"),
        (401, "Bad credentials"),
    ]


def test_tokens_without_an_inbox_are_told_why(street):
    token = street.scene.add_fine_grained_token("bot")
    for method, path in (
        ("GET", "/notifications"),
        ("PUT", "/notifications"),
        ("GET", "/notifications/threads/1"),
    ):
        answer = street.api(token)(method, path, {})
        assert (answer.status_code, answer.json()["message"]) == (
            403,
            "Resource not accessible by personal access token",
        )


def test_an_authorization_of_another_kind_holds_no_token():
    packed = base64.b64encode(b"bot:ghp_secret").decode()
    assert secret_of(f"Basic {packed}") == "ghp_secret"
    assert secret_of(f"Digest {packed}") is None
