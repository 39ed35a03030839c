"""Names without regard to case, and edges: what is exactly at a limit, what is missing, what is asked for in an odd way."""

from __future__ import annotations

import base64

import pytest

from dispatcher.simulator import caller_of, issues, pulls
from dispatcher.simulator.access import assignable, may, require_read
from dispatcher.simulator.git_http import secret_of
from dispatcher.simulator.model import Level
from dispatcher.simulator.refusals import NotFound
from dispatcher.simulator.searching import search_issues
from tests.simulator.conftest import REPO


def numbers(answer) -> list[int]:
    assert answer.status_code == 200
    return [entry["number"] for entry in answer.json()]


# ---------------------------------------------------------------- names


def test_logins_and_repositories_have_names_without_regard_to_case(town):
    world = town.world
    kim = world.add_account("Kim")
    assert world.account("kim") is world.account("KIM") is kim
    world.rename_account(kim, "Kimberley")
    assert world.find_account("kim") is None
    assert world.account("kimberley") is kim
    world.rename_account(kim, "Kim")
    assert world.find_account("Kimberley") is None

    town.add_repo("Kim/Tools", {"a.txt": "1\n"})
    made = world.repo("kim/tools")
    assert world.find_repo("KIM/TOOLS") is made
    world.remove_repo(made)
    assert world.find_repo("Kim/Tools") is None
    with pytest.raises(NotFound):
        world.repo("kim/tools")


def test_labels_have_names_without_regard_to_case(town):
    alice, world = town.person("alice"), town.world
    number = alice.open_issue(REPO, "Bug", labels=("Turn",))
    issue = town.issue(REPO, number)
    issues.remove_label(world, alice.caller, issue, "TURN")
    assert town.labels(REPO, number) == set()
    issues.delete_label(world, alice.caller, world.repo(REPO), "tUrN")
    with pytest.raises(NotFound):
        world.label(world.repo(REPO), "Turn")


def test_a_search_knows_names_without_regard_to_case(town):
    town.add_user("Zoe")
    town.add_repo("Zoe/Tools", {"a.txt": "1\n"})
    zoe = town.person("Zoe")
    zoe.open_issue("Zoe/Tools", "One")
    zoe.open_issue("Zoe/Tools", "Two", labels=("bug",), assignees=("Zoe",))

    def found(text: str) -> list[str]:
        return sorted(issue.title for issue in search_issues(town.world, zoe.caller, text))

    assert (
        found("repo:zoe/tools")
        == found("REPO:Zoe/Tools")
        == found("user:zoe")
        == found("user:ZOE")
        == ["One", "Two"]
    )
    assert found("user:zoe IS:closed") == []
    assert found("user:zoe no:ASSIGNEE") == found("user:zoe no:Label") == ["One"]
    assert found('user:zoe label:"other, bug"') == ["Two"]


# ---------------------------------------------------------------- tokens


def basic(words: str) -> str:
    return "Basic " + base64.b64encode(words.encode()).decode()


@pytest.mark.parametrize(
    ("header", "secret"),
    [
        ("Bearer  ghp_1 ", "ghp_1"),
        ("token ghp_1", "ghp_1"),
        (basic("bot:ghp_1"), "ghp_1"),
        (basic("bot:ghp_1") + " ", "ghp_1"),
        (basic("ghp_1:"), "ghp_1"),
        (basic("ghp_1:x-oauth-basic"), "ghp_1"),
        ("Basic a", ""),
        ("Basic /w==", ""),
    ],
)
def test_where_a_token_stands_in_the_header(header, secret):
    assert secret_of(header) == secret


def test_a_fine_grained_token_for_some_repositories_writes_in_these(town):
    other = "alice/other"
    town.add_repo(other, {"a.txt": "1\n"}, collaborators={"bot": "write"}, private=True)
    world = town.world
    some = caller_of(world, town.add_fine_grained_token("bot", {"issues": "write"}, only=(other,)))
    assert may(world, some, world.repo(other), "issues", Level.WRITE)
    assert not may(world, some, world.repo(REPO), "issues", Level.WRITE)
    require_read(world, some, world.repo(other), "issues")


def test_triage_is_enough_to_be_assigned_and_reading_is_not(town):
    repo = town.world.repo(REPO)
    town.add_org("acme", teams={"helpers": ("mallory",)})
    town.add_repo("acme/tools", {"a.txt": "1\n"}, teams={"helpers": "triage"})
    tools = town.world.repo("acme/tools")
    mallory = town.world.account("mallory")
    assert assignable(town.world, tools, mallory)
    assert not assignable(town.world, repo, mallory)


# ---------------------------------------------------------------- REST: what is missing or odd


def test_who_can_be_assigned_is_asked_by_name(api):
    found = {
        login: api.get(f"/repos/{REPO}/assignees/{login}").status_code
        for login in ("bot", "mallory", "nobody")
    }
    assert found == {"bot": 204, "mallory": 404, "nobody": 404}


def test_people_who_are_not_there_are_not_found(street, api):
    assert api.get("/users/nobody").status_code == 404
    assert api.get("/user/1").status_code == 404
    street.scene.add_org("acme", members=("alice",), teams={"core": ("alice",)})
    where = "/orgs/acme/teams/{}/memberships/{}"
    shown = street.as_user("alice")
    assert [shown.get(where.format(*asked)).status_code for asked in (("core", "alice"), ("core", "bot"), ("gone", "alice"))] == [
        200, 404, 404,
    ]  # fmt: skip


def test_an_app_is_nobody_in_particular(street):
    street.scene.add_app("ci")
    assert street.api(street.scene.add_app_token("ci")).get("/user").status_code == 403


def test_a_repository_that_is_asked_for_by_a_number_that_nobody_has_is_not_found(api):
    assert api.get("/repositories/1/issues").status_code == 404


def test_who_left_a_private_repository_takes_no_part_in_it(street, alice):
    street.scene.add_repo("alice/secret", {"a.txt": "1\n"}, private=True, collaborators={"bot": "write"})
    alice.open_issue("alice/secret", "hidden", assignees=("bot",))
    narrow = street.api(street.scene.add_token("bot", "public_repo", "notifications"))
    assert numbers(street.as_user("bot").get("/issues?filter=all")) == [1]
    assert numbers(narrow.get("/issues?filter=all")) == []
    assert [repo["full_name"] for repo in narrow.get("/user/repos").json()] == [REPO]


@pytest.mark.parametrize(
    ("asked", "found"), [("subscribed", [2]), ("mentioned", []), ("created", [2]), ("all", [2, 1])]
)
def test_a_filter_that_is_asked_for_is_applied(street, alice, asked, found):
    bot = street.as_user("bot")
    alice.open_issue(REPO, "one")
    street.scene.person("bot").open_issue(REPO, "two")
    assert numbers(bot.get(f"/issues?filter={asked}")) == found


def test_a_label_may_be_given_as_an_object(alice, api):
    alice.open_issue(REPO, "one")
    shown = api("PUT", f"/repos/{REPO}/issues/1/labels", {"labels": [{"name": "bug"}, "turn"]}).json()
    assert sorted(label["name"] for label in shown) == ["bug", "turn"]


def test_a_blocker_whose_repository_is_gone_is_not_listed(street, alice, api):
    street.scene.add_repo("alice/other", {"a.txt": "1\n"})
    alice.open_issue(REPO, "waits")
    alice.open_issue("alice/other", "first")
    alice.block(REPO, 1, by=1, in_repo="alice/other")
    where = f"/repos/{REPO}/issues/1/dependencies/blocked_by"
    assert [entry["title"] for entry in api.get(where).json()] == ["first"]
    alice.delete_repo("alice/other")
    assert api.get(where).json() == []


def test_each_comment_stands_where_it_was_made_in_the_timeline(alice, api):
    alice.open_issue(REPO, "one")
    for words in ("first", "second"):
        alice.comment(REPO, 1, words)
    told = api.get(f"/repos/{REPO}/issues/1/timeline").json()
    assert [entry["body"] for entry in told if entry["event"] == "commented"] == ["first", "second"]


@pytest.mark.parametrize("moment", ["now", 5, "2026-13-01"])
def test_a_moment_that_is_none_marks_nothing_read(alice, api, moment):
    alice.open_issue(REPO, "hello @bot", "hello @bot")
    answer = api("PUT", "/notifications", {"last_read_at": moment})
    expected = 422 if isinstance(moment, str) else 205
    assert answer.status_code == expected
    assert len(api.get("/notifications").json()) == (1 if expected == 422 else 0)


def test_who_may_write_as_a_team_takes_part(street, alice):
    street.scene.add_org("acme", teams={"core": ("mallory",)})
    street.scene.add_repo(
        "acme/tools", {"a.txt": "1\n"}, teams={"core": "write"}, collaborators={"alice": "write"}
    )
    alice.open_issue("acme/tools", "one")
    shown = street.as_user("mallory").get("/issues?filter=all").json()
    assert [entry["repository"]["full_name"] for entry in shown] == ["acme/tools"]


@pytest.fixture
def told(street, alice, clock) -> None:
    """The bot was called at 12:00:00, at 12:00:10 in another repository, and at 12:00:20 in a private one."""
    street.scene.add_repo("alice/other", {"a.txt": "1\n"}, collaborators={"bot": "write"})
    street.scene.add_repo("alice/secret", {"a.txt": "1\n"}, collaborators={"bot": "write"}, private=True)
    for repo in (REPO, "alice/other", "alice/secret"):
        alice.open_issue(repo, repo, "hello @bot")
        clock.advance(10)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["alice/secret", "alice/other", REPO]),
        ("?since=2026-03-01T12:00:10Z", ["alice/secret", "alice/other"]),
        ("?since=2026-03-01T12:00:11Z", ["alice/secret"]),
        ("?before=2026-03-01T12:00:10Z", [REPO]),
        ("?before=2026-03-01T12:00:11Z", ["alice/other", REPO]),
        ("?since=2026-03-01T12:00:10Z&before=2026-03-01T12:00:20Z", ["alice/other"]),
    ],
)
def test_notifications_of_a_while(told, api, query, found):
    assert [entry["repository"]["full_name"] for entry in api.get(f"/notifications{query}").json()] == found


def test_notifications_of_one_repository_and_of_what_a_token_shows(told, street, api):
    assert [entry["subject"]["title"] for entry in api.get(f"/repos/{REPO}/notifications").json()] == [REPO]
    narrow = street.api(street.scene.add_token("bot", "public_repo", "notifications"))
    assert [entry["subject"]["title"] for entry in narrow.get("/notifications").json()] == [
        "alice/other",
        REPO,
    ]


def test_what_was_asked_goes_along_with_a_redirect(alice, api):
    alice.rename_repo(REPO, "store")
    where = api.get(f"/repos/{REPO}/issues?state=all&per_page=5").headers["Location"]
    assert where.endswith("/issues?state=all&per_page=5")


def test_a_former_name_of_what_one_does_not_see_is_not_found(street, alice):
    street.scene.add_repo("alice/secret", {"a.txt": "1\n"}, private=True)
    alice.rename_repo("alice/secret", "hidden")
    assert street.as_user("alice").get("/repos/alice/secret").status_code == 301
    assert street.as_user("bot").get("/repos/alice/secret").status_code == 404


def test_one_of_several_etags_is_enough(alice, api):
    alice.open_issue(REPO, "one")
    known = api.get(f"/repos/{REPO}/issues/1").headers["ETag"]
    again = api.get(f"/repos/{REPO}/issues/1", If_None_Match=f'"other" ,  {known}')
    assert again.status_code == 304


# ---------------------------------------------------------------- pull requests


@pytest.fixture
def pull(bot, clock) -> int:
    bot.push(REPO, "fix", {"app.py": "x\n"}, base="main")
    bot.push(REPO, "other", {"b.py": "y\n"}, base="main")
    return bot.open_pull(REPO, "fix", "Fix")


def test_a_pull_request_is_pointed_at_another_base_over_rest(api, bot, pull):
    bot.push(REPO, "release", {"r.txt": "1\n"}, base="main")
    shown = api("PATCH", f"/repos/{REPO}/pulls/{pull}", {"base": "release"}).json()
    assert shown["base"]["ref"] == "release"
    assert api("PATCH", f"/repos/{REPO}/pulls/{pull}", {"title": "Mend"}).json()["base"]["ref"] == "release"


def test_only_its_author_sees_a_pending_review(street, alice, pull):
    author, other = street.as_user("alice"), street.as_user("bot")
    where = f"/repos/{REPO}/pulls/{pull}/reviews"
    pending = author.post(where, {"body": "so far"}).json()["id"]
    assert (author.get(f"{where}/{pending}").status_code, other.get(f"{where}/{pending}").status_code) == (
        200,
        404,
    )


def test_a_discarded_review_takes_its_own_remarks_along_and_no_others(street, alice, pull):
    street.scene.add_user("kim")
    alice.invite(REPO, "kim", "write")
    kim, where = street.as_user("kim"), f"/repos/{REPO}/pulls/{pull}"
    remark = {"path": "app.py", "line": 1, "body": "why?"}
    street.as_user("alice").post(
        f"{where}/reviews", {"event": "COMMENT", "body": "see", "comments": [remark]}
    )
    pending = kim.post(f"{where}/reviews", {"comments": [remark | {"body": "hm"}]}).json()["id"]
    assert kim("DELETE", f"{where}/reviews/{pending}").status_code == 200
    assert [comment["body"] for comment in kim.get(f"{where}/comments").json()] == ["why?"]


def test_line_comments_are_listed_by_review_and_by_time(street, alice, pull, clock):
    api, where = street.as_user("alice"), f"/repos/{REPO}/pulls/{pull}"
    for words in ("first", "second"):
        made = api.post(f"{where}/comments", {"path": "app.py", "line": 1, "body": words}).json()
        assert made["body"] == words
        clock.advance(10)
    reviews = [review["id"] for review in api.get(f"{where}/reviews").json()]

    def said(path: str) -> list[str]:
        return [comment["body"] for comment in api.get(path).json()]

    assert [said(f"{where}/reviews/{one}/comments") for one in reviews] == [["first"], ["second"]]
    for path in (f"{where}/comments", f"/repos/{REPO}/pulls/comments"):
        assert said(path) == ["first", "second"]
        assert said(f"{path}?since=2026-03-01T12:00:10Z") == ["second"]
        assert said(f"{path}?since=2026-03-01T12:00:11Z") == []


def test_reviews_may_be_requested_from_people_teams_or_both(street, alice):
    street.scene.add_org("acme", teams={"core": ("alice",)})
    street.scene.add_repo("acme/tools", {"a.txt": "1\n"}, collaborators={"bot": "write", "alice": "write"})
    bot = street.scene.person("bot")
    bot.push("acme/tools", "x", {"a.txt": "2\n"}, base="main")
    number = bot.open_pull("acme/tools", "x", "X")
    where, api = f"/repos/acme/tools/pulls/{number}/requested_reviewers", street.as_user("bot")
    assert api.post(where, {"team_reviewers": ["core"]}).status_code == 201
    assert api.post(where, {"reviewers": ["alice"]}).status_code == 201
    shown = api.get(where).json()
    assert ([u["login"] for u in shown["users"]], [t["slug"] for t in shown["teams"]]) == (
        ["alice"],
        ["core"],
    )


def test_a_review_names_the_commit_that_it_is_about(street, bot, pull):
    api, where = street.as_user("alice"), f"/repos/{REPO}/pulls/{pull}/reviews"
    before = api.get(f"/repos/{REPO}/pulls/{pull}").json()["head"]["sha"]
    after = bot.push(REPO, "fix", {"app.py": "z\n"})
    about = [
        api.post(where, {"event": "COMMENT", "body": "x"} | more).json()["commit_id"]
        for more in ({}, {"commit_id": before})
    ]
    assert about == [after, before]


def test_writing_is_enough_for_a_verdict_to_count_and_triage_is_not(town):
    town.protect(REPO, approvals=1)
    bot = town.person("bot")
    bot.push(REPO, "fix", {"app.py": "x\n"}, base="main")
    fix = town.issue(REPO, bot.open_pull(REPO, "fix", "Fix"))
    town.person("tina").approve(REPO, fix.number)
    assert pulls.review_decision(town.world, fix) == "REVIEW_REQUIRED"
    town.add_user("wendy")
    town.person("alice").invite(REPO, "wendy", "write")
    town.person("wendy").approve(REPO, fix.number)
    assert pulls.review_decision(town.world, fix) == "APPROVED"
