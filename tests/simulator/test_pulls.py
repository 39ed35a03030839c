"""Pull requests, reviews and merges behave as field notes say GitHub's do."""

from __future__ import annotations

import pytest

from dispatcher.simulator import Finding
from dispatcher.simulator.refusals import Invalid, NotAllowed
from tests.simulator.conftest import REPO, BoxAtHand

PULLS = f"/repos/{REPO}/pulls"


@pytest.fixture(params=["at hand", "real git"])
def box(request, clock):
    """What real git does is what git in memory does."""
    if request.param == "real git":
        return request.getfixturevalue("real_box")
    return BoxAtHand(clock)


@pytest.fixture
def pull(alice, bot) -> int:
    """The bot's pull request number 2 for alice's issue number 1; it changes line 2 of app.py."""
    alice.open_issue(REPO, "Bug")
    bot.push(REPO, "bot/1", {"app.py": "def total(items):\n    return sum(items or [])\n"})
    return bot.open_pull(REPO, "bot/1", "Fix the sum", "Closes #1")


def text_of(answer) -> str:
    assert answer.status_code == 422
    return str(answer.json())


def test_the_head_follows_pushes(bot, api, pull, clock):
    before = api.get(f"{PULLS}/2").json()
    clock.advance(5)
    sha = bot.push(REPO, "bot/1", {"more.py": "1\n"})
    after = api.get(f"{PULLS}/2").json()
    assert before["head"]["sha"] != after["head"]["sha"] == sha
    assert (after["changed_files"], after["commits"]) == (2, 2)
    assert after["updated_at"] > before["updated_at"]


def test_a_second_pull_request_for_a_head_is_refused(api, pull):
    again = api.post(PULLS, {"title": "Again", "head": "bot/1", "base": "main"})
    assert "A pull request already exists for alice:bot/1." in text_of(again)
    found = api.get(f"{PULLS}?head=alice:bot/1&state=open").json()
    assert [entry["number"] for entry in found] == [2]
    assert api.get(f"{PULLS}?head=bot:bot/1").json() == []


def test_a_head_that_is_not_there_is_refused(api):
    assert "'field': 'head'" in text_of(api.post(PULLS, {"title": "x", "head": "nope", "base": "main"}))
    assert "'field': 'base'" in text_of(api.post(PULLS, {"title": "x", "head": "main", "base": "nope"}))


def test_a_head_without_commits_of_its_own_is_refused(street, api):
    head = street.scene.head(REPO)
    api.post(f"/repos/{REPO}/git/refs", {"ref": "refs/heads/same", "sha": head})
    assert "No commits between main and same" in text_of(
        api.post(PULLS, {"title": "x", "head": "same", "base": "main"})
    )


def test_closes_closes_on_merge(street, alice, api, pull):
    alice.merge(REPO, 2)
    assert api.get(f"/repos/{REPO}/issues/1").json()["state"] == "closed"
    shown = api.get(f"{PULLS}/2").json()
    assert (shown["merged"], shown["merged_by"]["login"], shown["state"]) == (True, "alice", "closed")
    assert b"or []" in street.scene.read_file(REPO, "app.py")


def test_closes_does_nothing_without_a_merge_or_off_the_default_branch(street, alice, bot, api, pull):
    alice.close(REPO, 2)
    assert street.scene.issue(REPO, 1).is_open
    bot.push(REPO, "release", {"r": "1"})
    bot.push(REPO, "side", {"s": "1"}, base="release")
    number = bot.open_pull(REPO, "side", "Side", "fixes #1", base="release")
    alice.merge(REPO, number)
    assert street.scene.issue(REPO, 1).is_open


@pytest.mark.parametrize("method", ["merge", "squash", "rebase"])
def test_the_three_ways_to_merge(street, bot, api, pull, method):
    bot.push(REPO, "bot/1", {"more.py": "1\n"}, message="More")
    street.scene.person("alice").push(REPO, "main", {"else.py": "2\n"})
    answer = api("PUT", f"{PULLS}/2/merge", {"merge_method": method})
    assert answer.json()["merged"] is True
    tip = api.get(f"/repos/{REPO}/commits/main").json()
    assert (tip["sha"], len(tip["parents"])) == (answer.json()["sha"], 2 if method == "merge" else 1)
    for path in ("more.py", "else.py"):
        assert street.scene.read_file(REPO, path) is not None


def test_a_merge_checks_the_head_it_was_asked_for(api, pull):
    assert api("PUT", f"{PULLS}/2/merge", {"sha": "0" * 40}).status_code == 409


def test_mergeable_is_null_until_the_forge_has_computed_it(alice, api, pull):
    seen = [api.get(f"{PULLS}/2").json()["mergeable"] for _ in range(3)]
    assert seen == [None, True, True]
    alice.push(REPO, "main", {"app.py": "def total(items):\n    return 0\n"})
    answers = [api.get(f"{PULLS}/2").json() for _ in range(2)]
    assert [(a["mergeable"], a["mergeable_state"]) for a in answers] == [(None, "unknown"), (False, "dirty")]
    with pytest.raises(NotAllowed):
        alice.merge(REPO, 2)


def test_a_clean_base_move_keeps_it_mergeable_and_update_branch_brings_it_in(alice, api, pull, street):
    moved = alice.push(REPO, "main", {"else.py": "2\n"})
    assert api("PUT", f"{PULLS}/2/update-branch", {"expected_head_sha": "1" * 40}).status_code == 422
    assert api("PUT", f"{PULLS}/2/update-branch", {}).status_code == 202
    compare = api.get(f"/repos/{REPO}/compare/{moved}...bot/1").json()
    assert (compare["status"], compare["behind_by"]) == ("ahead", 0)


def test_the_author_can_neither_approve_nor_request_changes(api, pull):
    approve = api.post(f"{PULLS}/2/reviews", {"event": "APPROVE"})
    assert "Can not approve your own pull request" in text_of(approve)
    refuse = api.post(f"{PULLS}/2/reviews", {"event": "REQUEST_CHANGES", "body": "no"})
    assert "Can not request changes on your own pull request" in text_of(refuse)
    assert api.post(f"{PULLS}/2/reviews", {"event": "COMMENT", "body": "looks fine"}).status_code == 200


def test_one_bad_line_refuses_the_whole_review_and_does_not_say_which(street, api, pull):
    good = {"path": "app.py", "line": 2, "side": "RIGHT", "body": "good"}
    bad = {"path": "app.py", "line": 99, "side": "RIGHT", "body": "bad"}
    answer = api.post(f"{PULLS}/2/reviews", {"event": "COMMENT", "body": "x", "comments": [good, bad]})
    assert "Line could not be resolved" in text_of(answer)
    assert "99" not in answer.text
    assert street.scene.reviews(REPO, 2) == []
    nowhere = api.post(f"{PULLS}/2/reviews", {"event": "COMMENT", "comments": [good | {"path": "README.md"}]})
    assert "Path could not be resolved" in text_of(nowhere)
    fine = api.post(f"{PULLS}/2/reviews", {"event": "COMMENT", "comments": [good]})
    assert fine.status_code == 200
    assert [(c["path"], c["line"]) for c in api.get(f"{PULLS}/2/comments").json()] == [("app.py", 2)]


def test_context_lines_and_removed_lines_can_be_commented(alice, pull):
    findings = (Finding("app.py", "context", 1), Finding("app.py", "was better", 2, "LEFT"))
    assert alice.review(REPO, 2, "COMMENT", "see lines", findings).state == "COMMENTED"
    with pytest.raises(Invalid):
        alice.review(REPO, 2, "COMMENT", "see lines", (Finding("app.py", "no such line", 3, "LEFT"),))


def test_a_pending_review_blocks_the_next_and_only_its_author_sees_it(street, api, pull):
    pending = api.post(f"{PULLS}/2/reviews", {"body": "half-written"}).json()
    assert pending["state"] == "PENDING"
    assert "submitted_at" not in pending
    assert "one pending review" in text_of(api.post(f"{PULLS}/2/reviews", {"event": "COMMENT", "body": "x"}))
    assert street.as_user("alice").get(f"{PULLS}/2/reviews").json() == []
    assert api("DELETE", f"{PULLS}/2/reviews/{pending['id']}").status_code == 200
    assert api.post(f"{PULLS}/2/reviews", {"event": "COMMENT", "body": "x"}).status_code == 200


def test_a_review_belongs_to_the_head_it_was_written_for(alice, bot, api, pull):
    first = alice.approve(REPO, 2)
    bot.push(REPO, "bot/1", {"more.py": "1\n"})
    second = alice.request_changes(REPO, 2, "not any more")
    shown = api.get(f"{PULLS}/2/reviews").json()
    assert [(r["state"], r["commit_id"]) for r in shown] == [
        ("APPROVED", first.sha),
        ("CHANGES_REQUESTED", second.sha),
    ]
    assert first.sha != second.sha


def test_reviews_can_be_requested_from_anyone_but_the_author(alice, api, pull):
    assert api.post(f"{PULLS}/2/requested_reviewers", {"reviewers": ["alice"]}).status_code == 201
    assert api.post(f"{PULLS}/2/requested_reviewers", {"reviewers": ["bot"]}).status_code == 422
    alice.approve(REPO, 2)
    assert api.get(f"{PULLS}/2/requested_reviewers").json()["users"] == []


def test_anyone_with_push_sets_statuses_but_only_apps_write_check_runs(street, bot, api, pull):
    sha = street.scene.head(REPO, "bot/1")
    assert api.get(f"/repos/{REPO}/commits/{sha}/status").json()["state"] == "pending"
    assert api.post(f"/repos/{REPO}/statuses/{sha}", {"state": "success", "context": "ci"}).status_code == 201
    assert api.get(f"/repos/{REPO}/commits/{sha}/status").json()["state"] == "success"
    assert api.post(f"/repos/{REPO}/check-runs", {"name": "lint", "head_sha": sha}).status_code == 403
    street.scene.add_app("ci")
    app = street.api(street.scene.add_app_token("ci"))
    made = app.post(f"/repos/{REPO}/check-runs", {"name": "lint", "head_sha": sha, "status": "in_progress"})
    assert made.status_code == 201
    app("PATCH", f"/repos/{REPO}/check-runs/{made.json()['id']}", {"conclusion": "cancelled"})
    runs = api.get(f"/repos/{REPO}/commits/{sha}/check-runs").json()
    assert [(r["status"], r["conclusion"]) for r in runs["check_runs"]] == [("completed", "cancelled")]


def test_a_protected_base_waits_for_an_approval(street, alice, bot, api, pull):
    street.scene.protect(REPO, approvals=1)
    street.scene.person("mallory").approve(REPO, 2, "from a stranger")
    assert api("PUT", f"{PULLS}/2/merge", {}).status_code == 405
    alice.approve(REPO, 2)
    assert api("PUT", f"{PULLS}/2/merge", {}).status_code == 200


def test_a_fork_opens_a_pull_request_across_repositories(street, api):
    mallory = street.scene.person("mallory")
    copy = mallory.fork(REPO)
    sha = mallory.push(copy, "idea", {"idea.md": "!\n"})
    number = mallory.open_pull(REPO, "mallory:idea", "An idea")
    shown = api.get(f"{PULLS}/{number}").json()
    assert (shown["head"]["repo"]["full_name"], shown["head"]["sha"]) == ("mallory/shop", sha)
    follow_up = mallory.push(copy, "idea", {"idea.md": "!!\n"})
    assert api.get(f"{PULLS}/{number}").json()["head"]["sha"] == follow_up


def test_deleting_the_branch_closes_its_pull_request(bot, street, pull):
    bot.delete_branch(REPO, "bot/1")
    assert not street.scene.issue(REPO, 2).is_open


def test_the_diff_is_a_media_type_of_the_pull_request(api, pull):
    answer = api.get(f"{PULLS}/2", Accept="application/vnd.github.diff")
    assert answer.text.startswith("diff --git a/app.py b/app.py")
    assert "+    return sum(items or [])" in answer.text
