"""Issues, labels, assignees and comments behave as field notes say GitHub's do."""

from __future__ import annotations

import pytest

from dispatcher.simulator.refusals import Forbidden, NotFound
from tests.simulator.conftest import REPO


def numbers(answer) -> list[int]:
    assert answer.status_code == 200
    return [entry["number"] for entry in answer.json()]


def test_pull_requests_are_issues_and_carry_the_key_pull_request(alice, bot, api):
    alice.open_issue(REPO, "Bug")
    bot.push(REPO, "fix", {"app.py": "x\n"})
    bot.open_pull(REPO, "fix", "Fix")
    listed = api.get(f"/repos/{REPO}/issues").json()
    assert [(entry["number"], "pull_request" in entry) for entry in listed] == [(2, True), (1, False)]
    everywhere = api.get("/issues?filter=all").json()
    assert {entry["repository"]["full_name"] for entry in everywhere} == {REPO}
    assert api.get(f"/repos/{REPO}/pulls/1").status_code == 404


def test_labels_in_a_filter_are_anded(alice, api):
    alice.open_issue(REPO, "one", labels=("bot",))
    alice.open_issue(REPO, "two", labels=("bot", "urgent"))
    assert numbers(api.get(f"/repos/{REPO}/issues?labels=bot,urgent")) == [2]
    assert numbers(api.get("/issues?filter=all&labels=BOT&sort=created&direction=asc")) == [1, 2]


def test_since_counts_the_very_second_and_times_are_whole_seconds(alice, api, clock):
    alice.open_issue(REPO, "old")
    clock.advance(60)
    alice.open_issue(REPO, "new")
    shown = api.get(f"/repos/{REPO}/issues?state=all").json()[0]
    assert shown["updated_at"] == "2026-03-01T12:01:00Z"
    assert numbers(api.get("/issues?filter=all&since=2026-03-01T12:01:00Z")) == [2]
    assert numbers(api.get("/issues?filter=all&since=2026-03-01T12:01:01Z")) == []


@pytest.mark.parametrize("act", ["label", "comment", "assign", "edit", "close"])
def test_what_people_do_moves_updated_at(alice, api, clock, act):
    alice.open_issue(REPO, "one")
    clock.advance(10)
    acts = {
        "label": lambda: alice.label(REPO, 1, "bot"),
        "comment": lambda: alice.comment(REPO, 1, "hi"),
        "assign": lambda: alice.assign(REPO, 1, "bot"),
        "edit": lambda: alice.edit_body(REPO, 1, "more"),
        "close": lambda: alice.close(REPO, 1),
    }
    acts[act]()
    assert numbers(api.get("/issues?filter=all&state=all&since=2026-03-01T12:00:10Z")) == [1]


def test_one_patch_sets_labels_assignees_and_state(alice, api):
    alice.open_issue(REPO, "one", labels=("old",))
    wanted = {"labels": ["bot"], "assignees": ["bot"], "state": "closed", "state_reason": "not_planned"}
    shown = api("PATCH", f"/repos/{REPO}/issues/1", wanted).json()
    assert [label["name"] for label in shown["labels"]] == ["bot"]
    assert [user["login"] for user in shown["assignees"]] == ["bot"]
    assert (shown["state"], shown["state_reason"]) == ("closed", "not_planned")


def test_without_rights_labels_and_assignees_are_dropped_silently(street, alice):
    mallory = street.as_user("mallory")
    made = mallory.post(f"/repos/{REPO}/issues", {"title": "Mine", "labels": ["bot"], "assignees": ["bot"]})
    assert made.status_code == 201
    assert (made.json()["labels"], made.json()["assignees"]) == ([], [])
    changed = mallory("PATCH", f"/repos/{REPO}/issues/1", {"title": "Still mine", "assignees": ["mallory"]})
    assert (changed.status_code, changed.json()["title"], changed.json()["assignees"]) == (
        200,
        "Still mine",
        [],
    )
    assert mallory.post(f"/repos/{REPO}/issues/1/labels", {"labels": ["bot"]}).status_code == 403


def test_who_cannot_be_assigned_is_dropped_and_ten_is_the_most(street, alice, api):
    street.scene.add_app("helper")
    alice.open_issue(REPO, "one")
    answer = api.post(
        f"/repos/{REPO}/issues/1/assignees", {"assignees": ["mallory", "helper[bot]", "nobody", "bot"]}
    )
    assert [user["login"] for user in answer.json()["assignees"]] == ["bot"]
    crowd = [f"user{index}" for index in range(11)]
    for login in crowd:
        street.scene.add_user(login)
        alice.invite(REPO, login, "write")
    answer = api("PATCH", f"/repos/{REPO}/issues/1", {"assignees": crowd})
    assert len(answer.json()["assignees"]) == 10


def test_put_replaces_the_whole_set_and_delete_of_a_missing_label_is_404(alice, api):
    alice.open_issue(REPO, "one", labels=("a", "b"))
    alice.label(REPO, 1, "by-a-person")
    api("PUT", f"/repos/{REPO}/issues/1/labels", {"labels": ["c"]})
    assert [label["name"] for label in api.get(f"/repos/{REPO}/issues/1/labels").json()] == ["c"]
    assert api("DELETE", f"/repos/{REPO}/issues/1/labels/a").status_code == 404


def test_a_comment_may_have_65536_characters_and_not_one_more(alice, api):
    alice.open_issue(REPO, "one")
    assert api.post(f"/repos/{REPO}/issues/1/comments", {"body": "x" * 65_536}).status_code == 201
    assert api.post(f"/repos/{REPO}/issues/1/comments", {"body": "x" * 65_537}).status_code == 422


def test_people_edit_and_delete_comments(street, alice, bot, api, clock):
    alice.open_issue(REPO, "one")
    said = alice.comment(REPO, 1, "frist")
    clock.advance(5)
    alice.edit_comment(REPO, said.id, "first")
    shown = api.get(f"/repos/{REPO}/issues/1/comments?since=2026-03-01T12:00:05Z").json()
    assert [(c["body"], c["created_at"] != c["updated_at"]) for c in shown] == [("first", True)]
    with pytest.raises(Forbidden):
        street.scene.person("mallory").edit_comment(REPO, said.id, "hacked")
    alice.delete_comment(REPO, said.id)
    assert street.scene.comments(REPO, 1) == []
    with pytest.raises(NotFound):
        alice.delete_comment(REPO, said.id)


def test_the_issue_says_how_many_open_blockers_it_has(alice, api):
    alice.open_issue(REPO, "waits")
    alice.open_issue(REPO, "first")
    alice.block(REPO, 1, by=2)
    assert (
        api.get("/issues?filter=all&direction=asc").json()[0]["issue_dependencies_summary"]["blocked_by"] == 1
    )
    alice.close(REPO, 2)
    summary = api.get(f"/repos/{REPO}/issues/1").json()["issue_dependencies_summary"]
    assert (summary["blocked_by"], summary["total_blocked_by"]) == (0, 1)


def test_the_events_say_who_put_the_label_there(alice, bot, api):
    alice.open_issue(REPO, "one")
    alice.label(REPO, 1, "bot")
    bot.unlabel(REPO, 1, "bot")
    alice.rename_issue(REPO, 1, "uno")
    events = api.get(f"/repos/{REPO}/issues/1/events").json()
    assert [(e["event"], e["actor"]["login"]) for e in events] == [
        ("labeled", "alice"),
        ("unlabeled", "bot"),
        ("renamed", "alice"),
    ]
    assert events[2]["rename"] == {"from": "one", "to": "uno"}


def test_two_repositories_have_issues_with_the_same_number(street, alice, api):
    street.scene.add_repo("alice/bank", collaborators={"bot": "write"})
    alice.open_issue(REPO, "in the shop")
    alice.open_issue("alice/bank", "in the bank")
    shown = api.get("/issues?filter=all").json()
    assert {(entry["repository"]["id"], entry["number"]) for entry in shown} == {
        (street.scene.world.repo(name).id, 1) for name in (REPO, "alice/bank")
    }


def test_a_public_repository_of_strangers_is_not_among_all_issues(street, alice):
    alice.open_issue(REPO, "one")
    mallory = street.as_user("mallory")
    assert numbers(mallory.get("/issues?filter=all")) == []
    assert numbers(mallory.get(f"/repos/{REPO}/issues")) == [1]


def test_lists_come_in_pages_whose_links_name_the_repository_by_number(street, alice, api):
    for index in range(5):
        alice.open_issue(REPO, f"issue {index}")
    repo_id = street.scene.world.repo(REPO).id
    first = api.get(f"/repos/{REPO}/issues?per_page=2&direction=asc")
    assert numbers(first) == [1, 2]
    assert f"/repositories/{repo_id}/issues?" in first.links["next"]["url"]
    second = api.get(first.links["next"]["url"])
    assert numbers(second) == [3, 4]
    last = api.get(second.links["last"]["url"])
    assert numbers(last) == [5]
    assert "next" not in last.links
    assert "Link" not in api.get(f"/repos/{REPO}/issues").headers
