"""A second, independent client walks through the box, and every answer must parse as GitHub's official models."""

from __future__ import annotations

import base64
from typing import Any

from githubkit import GitHub, TokenAuthStrategy

from dispatcher.simulator import GitHubBox
from dispatcher.simulator.rest import route_names, route_of
from tests.simulator.conftest import Street, TestClock

OWNER, NAME = "acme", "shop"
FULL = f"{OWNER}/{NAME}"
HERE = {"owner": OWNER, "repo": NAME}


def settled(box: GitHubBox, clock: TestClock) -> Street:
    """An organization with a shop; alice runs it, the bot may write."""
    for login in ("alice", "bot"):
        box.scene.add_user(login)
    box.scene.add_org(OWNER, members=("alice",), teams={"core-team": ("alice",)})
    files = {"app.py": "one\ntwo\nthree\n", "lib/x.py": "x\n"}
    box.scene.add_repo(FULL, files, collaborators={"alice": "admin", "bot": "write"})
    return Street(box, clock)


def kit(street, token: str) -> GitHub[Any]:
    return GitHub(TokenAuthStrategy(token), base_url=street.box.url, http_cache=False, auto_retry=False)


def people_and_repositories(street, bot_kit, admin_kit):
    rest = bot_kit.rest
    assert rest.users.get_authenticated().parsed_data.login == "bot"
    alice = rest.users.get_by_username("alice").parsed_data
    assert rest.users.get_by_id(alice.id).parsed_data.login == "alice"
    assert rest.rate_limit.get().parsed_data.resources.core.limit == 5000
    assert rest.meta.get().parsed_data is not None
    assert rest.repos.get(**HERE).parsed_data.permissions.push is True
    assert FULL in {found.full_name for found in rest.repos.list_for_authenticated_user().parsed_data}
    assert (
        rest.repos.get_collaborator_permission_level(**HERE, username="bot").parsed_data.permission == "write"
    )
    assert {u.login for u in rest.repos.list_collaborators(**HERE).parsed_data} == {"alice", "bot"}
    member = admin_kit.rest.teams.get_membership_for_user_in_org(OWNER, "core-team", "alice").parsed_data
    assert member.state == "active"


def issues_labels_and_comments(street, bot_kit, admin_kit):
    rest = bot_kit.rest.issues
    assert rest.create_label(**HERE, name="bot", color="00ff00", description="work for the bot").parsed_data
    assert rest.get_label(**HERE, name="bot").parsed_data.color == "00ff00"
    issue = rest.create(**HERE, title="Bug", body="it breaks", labels=["bot"]).parsed_data
    assert issue.number == 1
    assert [label.name for label in rest.list_labels_for_repo(**HERE).parsed_data][-1] == "bot"
    assert rest.update(**HERE, issue_number=1, assignees=["bot"], labels=["bot", "bug"]).parsed_data
    assert [u.login for u in rest.get(**HERE, issue_number=1).parsed_data.assignees] == ["bot"]
    assert len(rest.add_labels(**HERE, issue_number=1, labels=["later"]).parsed_data) == 3
    assert rest.remove_label(**HERE, issue_number=1, name="later").parsed_data
    assert len(rest.set_labels(**HERE, issue_number=1, labels=["bot"]).parsed_data) == 1
    assert rest.list_labels_on_issue(**HERE, issue_number=1).parsed_data[0].name == "bot"
    assert rest.remove_assignees(**HERE, issue_number=1, assignees=["bot"]).parsed_data
    assert rest.add_assignees(**HERE, issue_number=1, assignees=["bot"]).parsed_data
    comment = rest.create_comment(**HERE, issue_number=1, body="hello").parsed_data
    assert rest.update_comment(**HERE, comment_id=comment.id, body="hello again").parsed_data
    assert rest.get_comment(**HERE, comment_id=comment.id).parsed_data.body == "hello again"
    assert len(rest.list_comments(**HERE, issue_number=1).parsed_data) == 1
    assert len(rest.list_comments_for_repo(**HERE).parsed_data) == 1
    assert rest.list_for_repo(**HERE).parsed_data[0].comments == 1
    assert rest.list(filter_="all").parsed_data[0].repository.full_name == FULL
    assert {"labeled", "assigned"} <= {
        event.event for event in rest.list_events(**HERE, issue_number=1).parsed_data
    }
    assert "commented" in {
        event.event for event in rest.list_events_for_timeline(**HERE, issue_number=1).parsed_data
    }
    assert {u.login for u in rest.list_assignees(**HERE).parsed_data} == {"alice", "bot"}
    other = rest.create(**HERE, title="First this").parsed_data
    assert rest.add_blocked_by_dependency(**HERE, issue_number=1, issue_id=other.id).parsed_data
    assert [i.number for i in rest.list_dependencies_blocked_by(**HERE, issue_number=1).parsed_data] == [2]
    summary = rest.get(**HERE, issue_number=1).parsed_data.issue_dependencies_summary
    assert (summary.blocked_by, summary.total_blocked_by) == (1, 1)
    assert rest.delete_comment(**HERE, comment_id=comment.id).status_code == 204
    assert bot_kit.rest.search.issues_and_pull_requests(q=f"repo:{FULL} is:open").parsed_data.total_count == 2


def pull_requests_and_reviews(street, bot_kit, admin_kit):
    rest = bot_kit.rest.pulls
    head = street.scene.person("bot").push(FULL, "bot/1", {"app.py": "one\n2\nthree\n", "new.py": "new\n"})
    pull = rest.create(**HERE, title="Fix", head="bot/1", base="main", body="Closes #9").parsed_data
    assert pull.head.sha == head
    assert rest.get(**HERE, pull_number=1).parsed_data.mergeable is True
    assert rest.update(**HERE, pull_number=1, title="Fix it").parsed_data.title == "Fix it"
    assert rest.list(**HERE, head=f"{OWNER}:bot/1", state="all").parsed_data[0].number == 1
    assert [f.filename for f in rest.list_files(**HERE, pull_number=1).parsed_data] == ["app.py", "new.py"]
    assert rest.list_commits(**HERE, pull_number=1).parsed_data[0].sha == head
    finding = {"path": "app.py", "line": 2, "side": "RIGHT", "body": "why?"}
    review = rest.create_review(
        **HERE, pull_number=1, body="hm", event="COMMENT", commit_id=head, comments=[finding]
    ).parsed_data
    assert rest.get_review(**HERE, pull_number=1, review_id=review.id).parsed_data.state == "COMMENTED"
    assert rest.list_reviews(**HERE, pull_number=1).parsed_data[0].commit_id == head
    line = rest.list_review_comments(**HERE, pull_number=1).parsed_data[0]
    assert (line.path, line.line) == ("app.py", 2)
    assert len(rest.list_review_comments_for_repo(**HERE).parsed_data) == 1
    assert len(rest.list_comments_for_review(**HERE, pull_number=1, review_id=review.id).parsed_data) == 1
    assert rest.create_reply_for_review_comment(
        **HERE, pull_number=1, comment_id=line.id, body="because"
    ).parsed_data
    assert rest.request_reviewers(
        **HERE, pull_number=1, reviewers=["alice"], team_reviewers=["core-team"]
    ).parsed_data
    wanted = rest.list_requested_reviewers(**HERE, pull_number=1).parsed_data
    assert ([u.login for u in wanted.users], [t.slug for t in wanted.teams]) == (["alice"], ["core-team"])
    assert (
        admin_kit.rest.pulls.create_review(**HERE, pull_number=1, event="APPROVE").parsed_data.state
        == "APPROVED"
    )
    diff = rest.get(**HERE, pull_number=1, headers={"accept": "application/vnd.github.diff"}).text
    assert "+2" in diff
    timeline = bot_kit.rest.issues.list_events_for_timeline(**HERE, issue_number=1).parsed_data
    assert "reviewed" in {event.event for event in timeline}
    street.scene.person("alice").push(FULL, "main", {"other.txt": "x"})
    assert rest.update_branch(**HERE, pull_number=1).status_code == 202
    merged = admin_kit.rest.pulls.merge(**HERE, pull_number=1, merge_method="squash").parsed_data
    assert merged.merged is True
    assert rest.check_if_merged(**HERE, pull_number=1).status_code == 204
    after = rest.get(**HERE, pull_number=1).parsed_data
    assert (after.merged, after.merged_by.login, after.state) == (True, "alice", "closed")
    as_issue = bot_kit.rest.issues.get(**HERE, issue_number=1).parsed_data
    assert as_issue.pull_request.merged_at is not None


def branches_commits_and_checks(street, bot_kit, admin_kit):
    rest = bot_kit.rest
    head = street.scene.head(FULL)
    assert rest.repos.get_branch(**HERE, branch="main").parsed_data.commit.sha == head
    assert [b.name for b in rest.repos.list_branches(**HERE).parsed_data] == ["main"]
    assert rest.git.get_ref(**HERE, ref="heads/main").parsed_data.object_.sha == head
    assert rest.git.create_ref(**HERE, ref="refs/heads/side", sha=head).parsed_data
    assert len(rest.git.list_matching_refs(**HERE, ref="heads/si").parsed_data) == 1
    content = base64.b64encode(b"hello\n").decode()
    assert rest.repos.create_or_update_file_contents(
        **HERE, path="h.txt", message="Add", content=content, branch="side"
    ).parsed_data
    listing = rest.repos.get_content(**HERE, path="", ref="side").parsed_data
    assert "h.txt" in {entry.name for entry in listing}
    assert (
        base64.b64decode(rest.repos.get_content(**HERE, path="h.txt", ref="side").parsed_data.content)
        == b"hello\n"
    )
    assert rest.repos.compare_commits(**HERE, basehead="main...side").parsed_data.ahead_by == 1
    assert rest.repos.get_commit(**HERE, ref="side").parsed_data.files[0].filename == "h.txt"
    assert rest.repos.create_commit_status(**HERE, sha=head, state="pending", context="ci").parsed_data
    assert rest.repos.create_commit_status(**HERE, sha=head, state="success", context="ci").parsed_data
    assert rest.repos.get_combined_status_for_ref(**HERE, ref="main").parsed_data.state == "success"
    assert len(rest.repos.list_commit_statuses_for_ref(**HERE, ref="main").parsed_data) == 2
    street.scene.add_app("checker")
    street.scene.person("checker[bot]").create_check_run(FULL, head, "lint", "neutral")
    assert rest.checks.list_for_ref(**HERE, ref="main").parsed_data.check_runs[0].conclusion == "neutral"
    street.scene.protect(FULL, approvals=1, contexts=("ci",))
    assert admin_kit.rest.repos.get_branch_protection(
        **HERE, branch="main"
    ).parsed_data.required_status_checks.contexts
    assert rest.repos.get_branch_rules(**HERE, branch="main").parsed_data == []
    street.scene.protect(FULL, approvals=1, contexts=("ci",), ruleset=True)
    rules = rest.repos.get_branch_rules(**HERE, branch="main").parsed_data
    ruleset = rest.repos.get_repo_ruleset(**HERE, ruleset_id=rules[0].ruleset_id).parsed_data
    assert ruleset.current_user_can_bypass == "never"
    assert {rule.type for rule in rules} == {"pull_request", "required_status_checks"}
    rest.git.delete_ref(**HERE, ref="heads/side")
    fork = admin_kit.rest.repos.create_fork(**HERE).parsed_data
    assert fork.parent.full_name == FULL


def notifications(street, bot_kit, admin_kit):
    street.scene.person("alice").open_issue(FULL, "Help", "@bot please")
    rest = bot_kit.rest.activity
    thread = rest.list_notifications_for_authenticated_user(participating=True).parsed_data[0]
    assert (thread.reason, thread.subject.type) == ("mention", "Issue")
    assert rest.get_thread(int(thread.id)).parsed_data.repository.full_name == FULL
    assert rest.mark_thread_as_read(int(thread.id)).status_code == 205
    assert rest.list_notifications_for_authenticated_user().parsed_data == []


def what_is_rarely_used(street, bot_kit, admin_kit):
    issues, pulls, repos = bot_kit.rest.issues, bot_kit.rest.pulls, bot_kit.rest.repos
    alice, head = street.scene.person("alice"), street.scene.head(FULL)
    assert issues.create_label(**HERE, name="old", color="000000").parsed_data
    assert issues.update_label(**HERE, name="old", new_name="new", color="ffffff").parsed_data.name == "new"
    assert issues.delete_label(**HERE, name="new").status_code == 204
    assert issues.create(**HERE, title="Bug", labels=["a"]).parsed_data
    assert issues.remove_all_labels(**HERE, issue_number=1).status_code == 204
    assert issues.check_user_can_be_assigned(**HERE, assignee="bot").status_code == 204
    assert repos.check_collaborator(**HERE, username="bot").status_code == 204
    alice.comment(FULL, 1, "@bot look")
    activity = bot_kit.rest.activity
    assert activity.list_repo_notifications_for_authenticated_user(**HERE).parsed_data[0].reason == "mention"
    assert activity.mark_notifications_as_read().status_code == 205
    alice.push(FULL, "idea", {"app.py": "one\nzwei\nthree\n"})
    number = alice.open_pull(FULL, "idea", "Idea")
    place = {**HERE, "pull_number": number}
    pending = pulls.create_review(**place, body="half").parsed_data
    assert pulls.delete_pending_review(**place, review_id=pending.id).parsed_data.state == "PENDING"
    pending = pulls.create_review(**place, body="half").parsed_data
    approved = pulls.submit_review(**place, review_id=pending.id, event="APPROVE").parsed_data
    dismissed = admin_kit.rest.pulls.dismiss_review(**place, review_id=approved.id, message="old").parsed_data
    assert (approved.state, dismissed.state) == ("APPROVED", "DISMISSED")
    sha = street.scene.head(FULL, "idea")
    lone = pulls.create_review_comment(
        **place, body="why?", commit_id=sha, path="app.py", line=2, side="RIGHT"
    )
    assert lone.parsed_data.line == 2
    alice.request_review(FULL, number, "bot")
    assert pulls.remove_requested_reviewers(**place, reviewers=["bot"]).parsed_data.requested_reviewers == []
    assert bot_kit.rest.git.create_ref(**HERE, ref="refs/heads/side", sha=head).parsed_data
    assert bot_kit.rest.git.update_ref(**HERE, ref="heads/side", sha=sha).parsed_data.object_.sha == sha
    assert bot_kit.request("GET", f"/repos/{FULL}/git/refs/heads/side").json()["object"]["sha"] == sha
    assert bot_kit.request("GET", f"/repos/{FULL}/contents").json()
    street.scene.add_app("ci")
    with kit(street, street.scene.add_app_token("ci")) as app:
        run = app.rest.checks.create(**HERE, name="lint", head_sha=sha, status="in_progress").parsed_data
        done = app.rest.checks.update(**HERE, check_run_id=run.id, status="completed", conclusion="success")
        assert done.parsed_data.status == "completed"
    assert admin_kit.rest.repos.delete(**HERE).status_code == 204


TOURS = (
    people_and_repositories,
    issues_labels_and_comments,
    pull_requests_and_reviews,
    branches_commits_and_checks,
    notifications,
    what_is_rarely_used,
)


def test_every_answer_parses_and_no_route_is_left_out(tmp_path, clock):
    visited = set()
    for tour in TOURS:
        with GitHubBox(tmp_path / tour.__name__, clock) as box:
            street = settled(box, clock)
            with (
                kit(street, box.scene.add_token("bot")) as bot_kit,
                kit(street, box.scene.add_token("alice")) as admin_kit,
            ):
                tour(street, bot_kit, admin_kit)
            visited |= {route_of(entry.method, entry.path) for entry in box.requests}
    assert route_names() - visited == set()
