"""What is found: search, filters, pages, notifications, without HTTP and without sockets."""

from __future__ import annotations

from datetime import timedelta

import pytest

from dispatcher.simulator import inbox
from dispatcher.simulator.model import Reason
from dispatcher.simulator.searching import search_issues
from tests.simulator.conftest import REPO


@pytest.fixture
def street_of_issues(town, clock):
    """1: alice's, labelled and assigned; 2: mallory's, closed; 3: the bot's draft; 4: in another repository; 5: private."""
    alice, bot = town.person("alice"), town.person("bot")
    alice.open_issue(REPO, "First bug", "needs @tina", labels=("bug", "Turn"), assignees=("bot",))
    clock.advance(60)
    town.person("mallory").open_issue(REPO, "Second")
    alice.comment(REPO, 2, "the word is quux, @bot")
    alice.close(REPO, 2)
    clock.advance(60)
    bot.push(REPO, "bot/3-fix", {"a.txt": "1\n"})
    bot.open_pull(REPO, "bot/3-fix", "Third", draft=True)
    alice.request_review(REPO, 3, "tina")
    clock.advance(60)
    town.add_org("acme")
    town.add_repo("acme/tools", collaborators={"alice": "write"})
    alice.open_issue("acme/tools", "Fourth")
    town.add_repo("alice/secret", private=True)
    alice.open_issue("alice/secret", "Fifth")
    return town


def found(town, text: str, login: str = "bot") -> list[str]:
    return sorted(issue.title for issue in search_issues(town.world, town.person(login).caller, text))


@pytest.mark.parametrize(
    ("text", "titles"),
    [
        ("", "First bug,Fourth,Second,Third"),
        ("is:open", "First bug,Fourth,Third"),
        ("state:CLOSED", "Second"),
        ("is:issue", "First bug,Fourth,Second"),
        ("type:pr", "Third"),
        ("is:draft", "Third"),
        ("is:unmerged", "Third"),
        ("is:merged", ""),
        ("is:private", ""),
        ("is:public is:closed", "Second"),
        ("is:something-unknown is:closed", "Second"),
        ("label:bug", "First bug"),
        ('label:"BUG"', "First bug"),
        ("label:other,turn", "First bug"),
        ("-label:bug", "Fourth,Second,Third"),
        ("no:assignee", "Fourth,Second,Third"),
        ("no:label", "Fourth,Second,Third"),
        ("no:milestone is:closed", "Second"),
        ("assignee:bot", "First bug"),
        ("assignee:@me", "First bug"),
        ("assignee:*", "First bug"),
        ("assignee:nobody", ""),
        ("author:mallory", "Second"),
        ("author:@bot", "Third"),
        ("mentions:tina", "First bug"),
        ("mentions:bot", "Second"),
        ("commenter:alice", "Second"),
        ("involves:bot", "First bug,Second,Third"),
        ("involves:tina", "First bug"),
        ("review-requested:tina", "Third"),
        ("review-requested:@me", ""),
        ("repo:ALICE/shop is:open", "First bug,Third"),
        ("user:acme", "Fourth"),
        ("org:acme repo:alice/shop", "First bug,Fourth,Second,Third"),
        ("-repo:alice/shop", "Fourth"),
        ("-user:acme", "First bug,Second,Third"),
        ("user:alice -repo:ALICE/shop", ""),
        ('author:"mallory"', "Second"),
        ("head:bot/3", "Third"),
        ("head:bot/4", ""),
        ("archived:false is:closed", "Second"),
        ("archived:true", ""),
        ("quux", "Second"),
        ('"FIRST bug"', "First bug"),
        ("needs", "First bug"),
        ("nothing-like-it", ""),
        ("unknown:thing is:closed", "Second"),
        ("created:2026-03-01T12:01:00Z", "Second"),
        ("created:2026-03-01", "First bug,Fourth,Second,Third"),
        ("created:>2026-03-01T12:01:00Z", "Fourth,Third"),
        ("created:>=2026-03-01T12:01:00Z", "Fourth,Second,Third"),
        ("created:<2026-03-01T12:01:00Z", "First bug"),
        ("created:<=2026-03-01T12:01:00+00:00", "First bug,Second"),
        ("created:>2026-03-01", ""),
        ("created:<=2026-03-01", "First bug,Fourth,Second,Third"),
        ("created:2026-03-01T12:01:00Z..2026-03-01T12:02:00Z", "Second,Third"),
        ("created:*..2026-03-01T12:00:00Z", "First bug"),
        ("created:2026-03-01T12:03:00Z..*", "Fourth"),
        ("created:..2026-02-28", ""),
        ("updated:>=2026-03-01T12:03:00Z", "Fourth"),
    ],
)  # fmt: skip
def test_what_a_search_finds(street_of_issues, text, titles):
    assert found(street_of_issues, text) == sorted(filter(None, titles.split(",")))


def test_a_search_sees_what_its_person_sees_and_no_sooner_than_it_is_indexed(street_of_issues, clock):
    town = street_of_issues
    assert found(town, "Fifth", "alice") == ["Fifth"]
    assert found(town, "is:private", "alice") == ["Fifth"]
    assert found(town, "-is:public", "alice") == ["Fifth"]
    town.world.settings.search_delay_s = 10
    town.person("alice").open_issue(REPO, "Fresh")
    clock.advance(9)
    assert "Fresh" not in found(town, "")
    clock.advance(1)
    assert "Fresh" in found(town, "")


def test_the_order_of_what_is_found(street_of_issues):
    town = street_of_issues

    def order(sort: str) -> list[str]:
        return [i.title for i in search_issues(town.world, town.person("bot").caller, f"repo:{REPO} {sort}")]

    town.person("alice").comment(REPO, 1, "news")
    assert order("") == order("sort:created-desc") == ["Third", "Second", "First bug"]
    assert order("sort:created-asc") == ["First bug", "Second", "Third"]
    assert order("sort:updated-desc") == order("sort:updated") == ["First bug", "Third", "Second"]
    assert order("sort:updated-asc") == ["Second", "Third", "First bug"]


# ---------------------------------------------------------------- lists over REST


def titles(api, path: str) -> list[str]:
    answer = api.get(path)
    assert answer.status_code == 200
    return [entry["title"] for entry in answer.json()]


@pytest.fixture
def listed(street, alice, bot, clock):
    alice.open_issue(REPO, "one", labels=("bug", "Turn"), assignees=("bot",))
    clock.advance(60)
    bot.open_issue(REPO, "two", "hello @bot", labels=("bug",))
    clock.advance(60)
    alice.open_issue(REPO, "three", "hello @bot")
    for _ in range(2):
        alice.comment(REPO, 2, "more")
    alice.close(REPO, 3)
    return street


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("", "two,one"),
        ("?state=all", "three,two,one"),
        ("?state=closed", "three"),
        ("?labels=bug", "two,one"),
        ("?labels=BUG,%20turn", "one"),
        ("?labels=", "two,one"),
        ("?state=all&since=2026-03-01T12:01:00Z", "three,two"),
        ("?state=all&since=2026-03-01T12:02:01Z", ""),
        ("?assignee=none", "two"),
        ("?assignee=*", "one"),
        ("?assignee=bot", "one"),
        ("?assignee=alice", ""),
        ("?creator=bot", "two"),
        ("?sort=comments", "two,one"),
        ("?sort=comments&direction=asc", "one,two"),
        ("?state=all&sort=updated&direction=asc", "one,two,three"),
        ("?state=all&sort=created&direction=asc&per_page=1&page=2", "two"),
        ("?state=all&per_page=0&page=0", "three"),
        ("?state=all&per_page=x&page=%C2%B2", "three,two,one"),
        ("?state=all&page=2", ""),
    ],
)
def test_what_a_list_of_issues_holds(listed, api, query, wanted):
    assert titles(api, f"/repos/{REPO}/issues{query}") == list(filter(None, wanted.split(",")))


@pytest.mark.parametrize(
    ("asked", "wanted"),
    [
        ("", "one"),
        ("filter=assigned", "one"),
        ("filter=created", "two"),
        ("filter=mentioned", "three"),
        ("filter=subscribed", "three,two,one"),
        ("filter=all", "three,two,one"),
        ("filter=repos", "three,two,one"),
    ],
)
def test_which_issues_are_listed_across_repositories(listed, api, asked, wanted):
    listed.scene.add_repo("mallory/own")
    listed.scene.person("mallory").open_issue("mallory/own", "not ours", "@bot")
    assert titles(api, f"/issues?state=all&{asked}") == wanted.split(",")


def test_members_of_an_organization_take_part_in_its_repositories(street, api, alice):
    street.scene.add_org("acme", members=("bot",))
    street.scene.add_org("other")
    for owner in ("acme", "other"):
        street.scene.add_repo(f"{owner}/tools", collaborators={"alice": "write"})
        alice.open_issue(f"{owner}/tools", owner)
    street.scene.add_repo("mallory/public")
    assert titles(api, "/issues?filter=all") == ["acme"]
    assert [repo["full_name"] for repo in api.get("/user/repos").json()] == [REPO, "acme/tools"]


def test_pages_lead_to_each_other_by_the_number_of_the_repository(listed, api):
    repo_id = listed.scene.world.repo(REPO).id
    answer = api.get(f"/repos/{REPO}/issues?state=all&per_page=1&page=2")
    for rel, page in (("prev", 1), ("first", 1), ("next", 3), ("last", 3)):
        url = f"{listed.box.url}/repositories/{repo_id}/issues?state=all&per_page=1&page={page}"
        assert f'<{url}>; rel="{rel}"' in answer.headers["Link"]
    assert "Link" not in api.get(f"/repos/{REPO}/issues?state=all&per_page=3").headers
    assert 'rel="next"' in api.get("/issues?filter=all&per_page=1").headers["Link"]
    assert f"{listed.box.url}/issues?" in api.get("/issues?filter=all&per_page=1").headers["Link"]


def test_comments_of_a_repository_by_time(listed, api, alice, clock):
    clock.advance(60)
    alice.comment(REPO, 1, "last")
    path = f"/repos/{REPO}/issues/comments"
    bodies = lambda query: [entry["body"] for entry in api.get(f"{path}?{query}").json()]  # noqa: E731
    assert bodies("") == bodies("sort=created&direction=asc") == ["more", "more", "last"]
    assert bodies("sort=updated") == bodies("sort=created&direction=desc") == ["last", "more", "more"]
    assert bodies("since=2026-03-01T12:03:00Z") == ["last"]
    first = api.get(path).json()[0]
    clock.advance(60)
    alice.edit_comment(REPO, first["id"], "edited")
    assert bodies("sort=updated")[0] == "edited"
    assert bodies("since=2026-03-01T12:04:00Z") == ["edited"]
    assert [
        entry["body"]
        for entry in api.get(f"/repos/{REPO}/issues/2/comments?since=2026-03-01T12:04:00Z").json()
    ] == ["edited"]


# ---------------------------------------------------------------- notifications


def threads(town, login: str) -> list[tuple[int, Reason, bool]]:
    return [(thread.number, thread.reason, thread.unread) for thread in town.person(login).inbox()]


@pytest.fixture
def bug(town) -> int:
    return town.person("alice").open_issue(REPO, "Bug")


def test_only_people_who_may_read_are_called(town):
    town.add_repo("alice/secret", private=True)
    number = town.person("alice").open_issue("alice/secret", "x", "@mallory")
    assert threads(town, "mallory") == []
    assert town.world.account("mallory").id not in town.issue("alice/secret", number).subscribers


def test_watchers_are_told_of_everything_and_named_people_for_their_reason(town):
    repo = town.world.repo(REPO)
    repo.watcher_ids |= {town.world.account(login).id for login in ("tina", "bot")}
    town.person("alice").open_issue(REPO, "Bug", "@bot")
    assert [threads(town, login) for login in ("tina", "bot", "alice")] == [
        [(1, Reason.SUBSCRIBED, True)], [(1, Reason.MENTION, True)], [],
    ]  # fmt: skip


def test_a_mention_of_a_team_reaches_its_members(town):
    town.add_org("acme", teams={"core": ("tina", "bot")})
    town.add_repo("acme/tools", collaborators={"alice": "write"})
    town.person("alice").open_issue("acme/tools", "Bug", "@acme/CORE and @bot, not @acme/nobody")
    assert [threads(town, login) for login in ("tina", "bot")] == [
        [(1, Reason.TEAM_MENTION, True)], [(1, Reason.MENTION, True)],
    ]  # fmt: skip


def test_a_mention_is_an_event_of_the_timeline_and_a_plain_comment_is_none(town, bug):
    town.person("alice").comment(REPO, bug, "hello @bot")
    town.person("alice").comment(REPO, bug, "hello")
    assert [event.kind.value for event in town.issue(REPO, bug).events] == [
        "commented",
        "mentioned",
        "commented",
    ]


def test_the_reason_changes_only_when_one_is_called_again(town, bug):
    alice = town.person("alice")
    alice.comment(REPO, bug, "@bot")
    alice.assign(REPO, bug, "bot")
    alice.comment(REPO, bug, "more")
    assert threads(town, "bot") == [(bug, Reason.ASSIGN, True)]


def test_faults_of_the_inbox_hit_as_many_as_was_said(town, bug, clock):
    alice, faults = town.person("alice"), town.world.inbox_faults
    alice.assign(REPO, bug, "bot")
    town.world.inbox.clear()
    faults.lose = 1
    alice.comment(REPO, bug, "lost")
    assert threads(town, "bot") == []
    faults.late, faults.late_s = 1, 10
    alice.comment(REPO, bug, "late")
    assert threads(town, "bot") == []
    clock.advance(10)
    assert len(threads(town, "bot")) == 1
    faults.double = 1
    alice.comment(REPO, bug, "twice")
    assert len(threads(town, "bot")) == 2
    assert (faults.lose, faults.late, faults.double) == (0, 0, 0)
    town.world.inbox.clear()
    alice.comment(REPO, bug, "once")
    assert len(threads(town, "bot")) == 1


def test_every_notification_can_be_slow(town, bug, clock):
    town.world.settings.notification_delay_s = 16
    town.person("alice").comment(REPO, bug, "@bot")
    clock.advance(15)
    assert threads(town, "bot") == []
    clock.advance(1)
    assert threads(town, "bot") == [(bug, Reason.MENTION, True)]


def test_marking_read_reaches_up_to_its_time_and_what_shows(town, bug, clock):
    alice, bot = town.person("alice"), town.person("bot")
    alice.comment(REPO, bug, "@bot")
    seen_at = town.world.now()
    clock.advance(5)
    other = alice.open_issue(REPO, "Other", "@bot")
    town.world.settings.notification_delay_s = 60
    alice.open_issue(REPO, "Hidden", "@bot")
    assert inbox.mark_read(town.world, bot.caller, seen_at) is True
    assert threads(town, "bot") == [(other, Reason.MENTION, True), (bug, Reason.MENTION, False)]
    assert town.person("bot").inbox()[-1].last_read_at == seen_at
    assert inbox.mark_read(town.world, bot.caller, town.world.now()) is True
    clock.advance(60)
    assert [unread for _, _, unread in threads(town, "bot")] == [True, False, False]


def test_marking_read_later_happens_once_its_time_has_come(town, bug, clock):
    alice, bot = town.person("alice"), town.person("bot")
    town.world.settings.mark_read_delay_s = 30
    alice.comment(REPO, bug, "@bot")
    assert inbox.mark_read(town.world, bot.caller, town.world.now() + timedelta(hours=1)) is False
    clock.advance(29)
    assert threads(town, "bot") == [(bug, Reason.MENTION, True)]
    clock.advance(1)
    assert threads(town, "bot") == [(bug, Reason.MENTION, False)]
    alice.comment(REPO, bug, "again")
    assert threads(town, "bot") == [(bug, Reason.MENTION, True)], "a promise is kept once"
