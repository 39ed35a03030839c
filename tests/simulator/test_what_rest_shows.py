"""What the answers of REST say, list by list: order, filters, what an edit changes, what the timeline tells."""

from __future__ import annotations

import pytest

from tests.simulator.conftest import REPO

ISSUES = f"/repos/{REPO}/issues"
LABELS = f"/repos/{REPO}/labels"


def bodies(answer) -> list[str]:
    assert answer.status_code == 200
    return [entry["body"] for entry in answer.json()]


def numbers(answer) -> list[int]:
    assert answer.status_code == 200
    return [entry["number"] for entry in answer.json()]


# ---------------------------------------------------------------- comments


def test_a_new_comment_says_where_it_is(alice, api):
    alice.open_issue(REPO, "one")
    made = api.post(f"{ISSUES}/1/comments", {"body": "hi"})
    assert made.headers["Location"].endswith(f"/issues/comments/{made.json()['id']}")


def test_comments_of_a_repository_come_in_the_order_that_is_asked_for(alice, api, clock):
    for title in ("one", "two"):
        alice.open_issue(REPO, title)
    second = alice.comment(REPO, 2, "a")
    clock.advance(10)
    alice.comment(REPO, 1, "b")
    clock.advance(10)
    alice.edit_comment(REPO, second.id, "a, edited")
    where = f"{ISSUES}/comments"

    assert bodies(api.get(where)) == ["a, edited", "b"], "by id"
    assert bodies(api.get(f"{where}?direction=desc")) == ["a, edited", "b"], "no order without a sort"
    assert bodies(api.get(f"{where}?sort=created&direction=asc")) == ["a, edited", "b"]
    assert bodies(api.get(f"{where}?sort=created")) == ["b", "a, edited"]
    assert bodies(api.get(f"{where}?sort=updated")) == ["a, edited", "b"]
    assert bodies(api.get(f"{where}?sort=updated&direction=asc")) == ["b", "a, edited"]


def test_comments_of_a_repository_are_sorted_by_id_and_not_by_issue(alice, api):
    for title in ("one", "two"):
        alice.open_issue(REPO, title)
    alice.comment(REPO, 2, "first")
    alice.comment(REPO, 1, "second")
    assert bodies(api.get(f"{ISSUES}/comments")) == ["first", "second"]


def test_a_comment_is_deleted(alice, api):
    alice.open_issue(REPO, "one")
    said = alice.comment(REPO, 1, "oops")
    assert api("DELETE", f"{ISSUES}/comments/{said.id}").status_code == 204
    assert api.get(f"{ISSUES}/1/comments").json() == []


# ---------------------------------------------------------------- labels and people


def test_a_label_is_changed_where_the_request_says_so(api):
    api.post(LABELS, {"name": "bot", "color": "ededed", "description": "its turn"})

    api("PATCH", f"{LABELS}/bot", {"color": "#00ff00"})
    shown = api.get(f"{LABELS}/bot").json()
    assert (shown["color"], shown["description"]) == ("00ff00", "its turn")

    api("PATCH", f"{LABELS}/bot", {"new_name": "robot", "description": "turn"})
    shown = api.get(f"{LABELS}/robot").json()
    assert (shown["color"], shown["description"]) == ("00ff00", "turn")

    assert api("DELETE", f"{LABELS}/robot").status_code == 204
    assert api.get(f"{LABELS}/robot").status_code == 404


def test_all_labels_of_an_issue_go_at_once(alice, api):
    alice.open_issue(REPO, "one", labels=("a", "b"))
    assert api("DELETE", f"{ISSUES}/1/labels").status_code == 204
    assert api.get(f"{ISSUES}/1/labels").json() == []


def test_people_are_taken_off_one_by_one_or_by_an_empty_name(alice, api):
    alice.open_issue(REPO, "one", assignees=("alice", "bot"))
    shown = api("DELETE", f"{ISSUES}/1/assignees", {"assignees": ["bot"]}).json()
    assert [user["login"] for user in shown["assignees"]] == ["alice"]
    assert api("PATCH", f"{ISSUES}/1", {"assignee": ""}).json()["assignees"] == []


# ---------------------------------------------------------------- the timeline


def test_the_timeline_tells_of_comments_reviews_commits_and_the_end(alice, bot, api):
    bot.push(REPO, "fix", {"app.py": "x\n"}, base="main")
    bot.open_pull(REPO, "fix", "Fix")
    pushed = bot.push(REPO, "fix", {"app.py": "y\n"})
    alice.comment(REPO, 1, "nice")
    alice.approve(REPO, 1, "fine")
    alice.merge(REPO, 1)

    told = {entry["event"]: entry for entry in api.get(f"{ISSUES}/1/timeline").json()}
    assert told["commented"]["body"] == "nice"
    assert told["commented"]["actor"]["login"] == "alice"
    assert (told["reviewed"]["body"], told["reviewed"]["state"]) == ("fine", "approved")
    assert told["committed"]["sha"] == pushed
    assert told["merged"]["commit_id"], "an event with a commit is no commit"
    assert {entry["event"] for entry in api.get(f"{ISSUES}/1/events").json()} == {"merged", "closed"}


# ---------------------------------------------------------------- pull requests


@pytest.fixture
def pulls(bot, clock) -> None:
    """1 and 2, opened in this order; 1 changed last."""
    for name in ("one", "two"):
        bot.push(REPO, name, {f"{name}.py": "1\n"}, base="main")
        bot.open_pull(REPO, name, name)
        clock.advance(10)
    bot.comment(REPO, 1, "hm")


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("", [2, 1]),
        ("direction=asc", [1, 2]),
        ("sort=updated", [1, 2]),
        ("sort=updated&direction=asc", [2, 1]),
        ("head=alice:two", [2]),
        ("head=alice:TWO", [2]),
        ("head=bot:two", []),
        ("head=two", [2, 1]),
        ("base=main", [2, 1]),
        ("base=other", []),
        ("state=closed", []),
        ("state=all", [2, 1]),
    ],
)
def test_pull_requests_come_in_the_order_and_choice_that_is_asked_for(pulls, api, asked, found):
    assert numbers(api.get(f"/repos/{REPO}/pulls?{asked}")) == found


def test_what_is_not_merged_is_not_found_as_merged_and_what_is_is(pulls, alice, api):
    assert api.get(f"/repos/{REPO}/pulls/1/merge").status_code == 404
    alice.merge(REPO, 1)
    assert api.get(f"/repos/{REPO}/pulls/1/merge").status_code == 204


@pytest.mark.parametrize(
    ("comments", "says"),
    [
        ("app.py", "it is not an array"),
        (["app.py"], "Path could not be resolved"),
        ([{"body": "hm", "line": 1}], "Path could not be resolved"),
        ([{"path": 7, "body": "hm", "line": 1}], "Path could not be resolved"),
        ([{"path": "one.py", "body": "hm", "line": "1"}], "'1' is not an integer"),
        ([{"path": "one.py", "body": "hm", "line": 1, "start_line": 0.5}], "0.5 is not an integer"),
    ],
)
def test_line_comments_that_are_none_are_refused(pulls, street, comments, says):
    wanted = {"event": "COMMENT", "body": "see below", "comments": comments}
    answer = street.as_user("alice").post(f"/repos/{REPO}/pulls/1/reviews", wanted)
    assert (answer.status_code, says in answer.text) == (422, True), answer.text


def test_a_line_comment_is_answered_in_either_way(pulls, street, api):
    where, alice = f"/repos/{REPO}/pulls/1/comments", street.as_user("alice")
    first = alice.post(where, {"body": "why?", "path": "one.py", "line": 1}).json()
    answers = [
        api.post(where, {"body": "because", "in_reply_to": first["id"]}),
        api.post(f"{where}/{first['id']}/replies", {"body": "because"}),
    ]
    assert [(one.status_code, one.json()["in_reply_to_id"]) for one in answers] == [(201, first["id"])] * 2


def test_a_diff_says_that_it_is_one(pulls, api):
    for kind in ("diff", "patch"):
        answer = api.get(f"/repos/{REPO}/pulls/1", Accept=f"application/vnd.github.{kind}")
        assert answer.headers["Content-Type"].startswith("application/vnd.github.diff")
        assert "+1" in answer.text


# ---------------------------------------------------------------- issues across repositories


def test_who_was_invited_to_read_takes_part(street, alice):
    alice.invite(REPO, "mallory", "read")
    alice.open_issue(REPO, "one")
    street.scene.add_user("passer-by")
    assert numbers(street.as_user("mallory").get("/issues?filter=all")) == [1]
    assert numbers(street.as_user("passer-by").get("/issues?filter=all")) == []


@pytest.fixture
def three(alice, clock) -> None:
    """Opened 1, 2, 3; commented 2, 1; changed last: 1."""
    for title in ("one", "two", "three"):
        alice.open_issue(REPO, title)
        clock.advance(10)
    for number in (2, 2, 1):
        alice.comment(REPO, number, "hm")
        clock.advance(10)


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("", [3, 2, 1]),
        ("direction=asc", [1, 2, 3]),
        ("sort=created", [3, 2, 1]),
        ("sort=updated", [1, 2, 3]),
        ("sort=comments", [2, 1, 3]),
        ("sort=comments&direction=asc", [3, 1, 2]),
    ],
)
def test_issues_come_in_the_order_that_is_asked_for(three, api, asked, found):
    assert numbers(api.get(f"{ISSUES}?{asked}")) == found
    assert numbers(api.get(f"/issues?filter=all&{asked}")) == found


def test_an_empty_name_in_a_list_of_labels_is_none(alice, api):
    alice.open_issue(REPO, "one", labels=("bot",))
    assert numbers(api.get(f"{ISSUES}?labels=bot,%20,")) == [1]


def test_a_search_may_name_its_order_in_its_words(three, api):
    words = f"/search/issues?q=repo:{REPO}"
    for asked, found in (
        ("", [3, 2, 1]),
        ("+sort:created-asc", [1, 2, 3]),
        ("&sort=updated", [1, 2, 3]),
        ("&sort=updated&order=asc", [3, 2, 1]),
        ("&sort=created&order=asc", [1, 2, 3]),
    ):
        assert [entry["number"] for entry in api.get(words + asked).json()["items"]] == found, asked


def test_a_forge_in_the_house_names_its_version_and_github_does_not(street, api):
    assert "installed_version" not in api.get("/meta").json()
    assert api.get("/api/v3/meta").json()["installed_version"]


def test_only_what_is_read_has_an_etag(alice, api):
    alice.open_issue(REPO, "one")
    assert "ETag" in api.get(f"{ISSUES}/1").headers
    assert "ETag" not in api("PATCH", f"{ISSUES}/1", {"title": "uno"}).headers
