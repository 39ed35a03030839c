"""PyGithub, the client that the dispatcher uses, drives the box through the calls that matter."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from github import Auth, Github, GithubException, UnknownObjectException

from tests.simulator.conftest import REPO


@pytest.fixture
def box(real_box):
    return real_box


def client(street, token: str, base: str = "") -> Github:
    return Github(
        base_url=base or street.box.url,
        auth=Auth.Token(token),
        lazy=True,
        retry=None,
        timeout=20,
        seconds_between_requests=None,
        seconds_between_writes=None,
    )


@pytest.fixture
def hub(street) -> Iterator[Github]:
    made = client(street, street.scene.add_token("bot"))
    yield made
    made.close()


def test_an_issue_becomes_a_merged_pull_request(street, alice, bot, hub):
    alice.open_issue(REPO, "Bug", "@bot fix", labels=("bot",))
    assert hub.get_user().login == "bot"
    assert hub.oauth_scopes == ["repo", "notifications", "read:org"]
    (note,) = hub.get_user().get_notifications(participating=True)
    assert note.reason == "mention"
    repo = hub.get_repo(street.scene.world.repo(REPO).id)
    issue = repo.get_issue(1)
    issue.edit(assignees=["bot"], labels=["bot", "working"])
    assert [user.login for user in issue.assignees] == ["bot"]
    comment = issue.create_comment("on it")
    comment.edit("done")
    bot.push(REPO, "bot/1", {"app.py": "def total(items):\n    return 2\n"})
    pull = repo.create_pull(base="main", head="bot/1", title="Fix", body="Closes #1")
    review = pull.create_review(
        body="hm", event="COMMENT", comments=[{"path": "app.py", "line": 2, "side": "RIGHT", "body": "why?"}]
    )
    assert review.state == "COMMENTED"
    assert [c.body for c in pull.get_review_comments()] == ["why?"]
    assert [f.filename for f in pull.get_files()] == ["app.py"]
    pull.add_to_labels("merge-ready")
    pull.add_to_assignees("alice")
    assert repo.get_pull(2).mergeable is True
    assert pull.merge().merged
    assert repo.get_issue(1).state == "closed"
    hub.get_user().mark_notifications_as_read(datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC))
    assert list(hub.get_user().get_notifications()) == []


def test_a_conditional_request_gets_nothing_for_nothing(alice, hub):
    alice.open_issue(REPO, "Bug")
    parameters = {"filter": "all", "state": "all"}
    headers, found = hub.requester.requestJsonAndCheck("GET", "/issues", parameters)
    assert len(found) == 1
    headers, found = hub.requester.requestJsonAndCheck(
        "GET", "/issues", parameters, headers={"If-None-Match": headers["etag"]}
    )
    assert found is None


def test_lists_are_walked_page_by_page(alice, hub):
    for index in range(7):
        alice.open_issue(REPO, f"issue {index}")
    hub.per_page = 3
    assert [issue.number for issue in hub.get_repo(REPO).get_issues(direction="asc")] == list(range(1, 8))


def test_refusals_become_typed_errors(bot, hub):
    with pytest.raises(UnknownObjectException):
        hub.get_repo(REPO).get_issue(9).title  # noqa: B018  (lazy: reading is what fetches)
    bot.push(REPO, "bot/1", {"x": "1"})
    repo = hub.get_repo(REPO)
    repo.create_pull(base="main", head="bot/1", title="One")
    with pytest.raises(GithubException, match="already exists"):
        repo.create_pull(base="main", head="bot/1", title="Two")


def test_posting_to_a_renamed_repository_writes_nothing(street, alice, hub):
    alice.open_issue(REPO, "Bug")
    issue = hub.get_repo(REPO).get_issue(1)
    alice.rename_repo(REPO, "store")
    issue.create_comment("lost")
    assert street.scene.comments("alice/store", 1) == []


def test_graphql_and_the_enterprise_prefix_work(street):
    made = client(street, street.scene.add_token("bot"), street.box.enterprise_url)
    _, shown = made.requester.graphql_query("{ viewer { login } }", {})
    assert shown["data"]["viewer"]["login"] == "bot"
    assert made.get_repo(REPO).get_branch("main").commit.sha == street.scene.head(REPO)
    made.close()


def test_statuses_checks_and_rate_limits_read(street, alice, hub):
    sha = street.scene.head(REPO)
    commit = hub.get_repo(REPO).get_commit(sha)
    commit.create_status("success", context="ci")
    assert commit.get_combined_status().state == "success"
    street.scene.add_app("ci").create_check_run(REPO, sha, "lint", "success")
    assert [run.name for run in commit.get_check_runs()] == ["lint"]
    assert hub.get_rate_limit().resources.core.limit == 5000
