"""Notifications wake and prove nothing: reasons, sticky threads, delays, marking read."""

from __future__ import annotations

from email.utils import parsedate_to_datetime

import pytest

from dispatcher.simulator import InboxFaults
from tests.simulator.conftest import REPO


def inbox(api, query="") -> list[dict]:
    answer = api.get(f"/notifications{query}")
    assert answer.status_code == 200
    return answer.json()


def test_each_way_of_being_called_has_its_reason(street, alice, bot, api):
    alice.open_issue(REPO, "mention", "dear @BOT, help")
    alice.open_issue(REPO, "assign", assignees=("bot",))
    bot.open_issue(REPO, "author")
    alice.comment(REPO, 3, "thanks")
    alice.open_issue(REPO, "comment")
    bot.comment(REPO, 4, "me too")
    alice.comment(REPO, 4, "ok")
    alice.push(REPO, "idea", {"i": "1"})
    alice.open_pull(REPO, "idea", "review_requested")
    alice.request_review(REPO, 5, "bot")
    alice.open_issue(REPO, "state_change")
    bot.close(REPO, 6)
    alice.reopen(REPO, 6)
    alice.open_issue(REPO, "nothing of the bot's business")
    assert {thread["subject"]["title"]: thread["reason"] for thread in inbox(api)} == {
        name: name for name in ("mention", "assign", "author", "comment", "review_requested", "state_change")
    }


@pytest.mark.parametrize(
    "text", ["`@bot`", "```\n@bot\n```", "mail me at x@bot", "<!-- @bot -->", "@botany", "@bot-two"]
)
def test_what_is_not_a_mention(alice, api, text):
    alice.open_issue(REPO, "quiet", text)
    assert inbox(api) == []


@pytest.mark.parametrize("text", ["@bot", "(@Bot)", "hi @bot, please", "> @bot said", "x\n@bot."])
def test_what_is_a_mention(alice, api, text):
    alice.open_issue(REPO, "loud", text)
    assert [thread["reason"] for thread in inbox(api)] == ["mention"]


def test_several_events_collapse_into_one_thread_whose_reason_sticks(alice, api, clock):
    alice.open_issue(REPO, "Bug", "@bot look")
    clock.advance(5)
    last = alice.comment(REPO, 1, "no mention here")
    (thread,) = inbox(api)
    assert (thread["reason"], thread["updated_at"]) == ("mention", "2026-03-01T12:00:05Z")
    assert thread["subject"]["latest_comment_url"].endswith(f"/issues/comments/{last.id}")
    assert thread["last_read_at"] is None


def test_a_new_call_gives_the_thread_a_new_reason(alice, bot, api):
    alice.open_issue(REPO, "Bug", assignees=("bot",))
    alice.comment(REPO, 1, "well?")
    assert [thread["reason"] for thread in inbox(api)] == ["assign"]
    alice.comment(REPO, 1, "@bot well?")
    assert [thread["reason"] for thread in inbox(api)] == ["mention"]
    bot.comment(REPO, 1, "soon")
    alice.comment(REPO, 1, "good")
    assert [thread["reason"] for thread in inbox(api)] == ["mention"]


def test_nobody_is_told_of_their_own_deeds(bot, api):
    bot.open_issue(REPO, "Mine", "@bot note to self")
    bot.comment(REPO, 1, "@bot again")
    assert inbox(api) == []


def test_an_edit_that_adds_a_mention_tells(alice, api):
    alice.open_issue(REPO, "Bug", "look")
    alice.edit_body(REPO, 1, "look @bot")
    assert [thread["reason"] for thread in inbox(api)] == ["mention"]


def test_a_team_mention_reaches_its_members(street, alice):
    street.scene.add_org("acme", members=("alice",), teams={"bots": ("bot",)})
    street.scene.add_repo("acme/web", teams={"bots": "write"})
    alice.open_issue("acme/web", "Bug", "@acme/bots please")
    assert [t["reason"] for t in inbox(street.as_user("bot"))] == ["team_mention"]


def test_an_idle_inbox_answers_304_and_is_free(alice, api):
    alice.open_issue(REPO, "Bug", "@bot")
    first = api.get("/notifications")
    assert first.headers["X-Poll-Interval"] == "60"
    seen = first.headers["Last-Modified"]
    again = api.get("/notifications", If_Modified_Since=seen)
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["X-RateLimit-Remaining"] == first.headers["X-RateLimit-Remaining"]


def test_last_modified_goes_back_after_marking_read(alice, api, clock):
    alice.open_issue(REPO, "Bug", "@bot")
    clock.advance(60)
    alice.open_issue(REPO, "Bug", "@bot")
    before = api.get("/notifications").headers["Last-Modified"]
    (newest, _) = inbox(api)
    api("PATCH", f"/notifications/threads/{newest['id']}")
    after = api.get("/notifications").headers["Last-Modified"]
    assert parsedate_to_datetime(after) < parsedate_to_datetime(before)


def test_marking_read_up_to_a_time_leaves_what_came_later(alice, api, clock):
    alice.open_issue(REPO, "early", "@bot")
    clock.advance(60)
    alice.open_issue(REPO, "late", "@bot")
    assert api("PUT", "/notifications", {"last_read_at": "2026-03-01T12:00:30Z"}).status_code == 205
    assert [thread["subject"]["title"] for thread in inbox(api)] == ["late"]
    assert [(t["subject"]["title"], t["unread"]) for t in inbox(api, "?all=true")] == [
        ("late", True),
        ("early", False),
    ]


def test_marking_read_may_happen_later(street, alice, api, clock):
    street.box.settings.mark_read_delay_s = 30
    alice.open_issue(REPO, "Bug", "@bot")
    assert api("PUT", "/notifications", {"last_read_at": "2026-03-01T12:00:00Z"}).status_code == 202
    assert len(inbox(api)) == 1
    clock.advance(31)
    assert inbox(api) == []


def test_a_read_thread_comes_back_with_the_next_comment(alice, api, clock):
    alice.open_issue(REPO, "Bug", "@bot")
    api("PUT", "/notifications", {})
    clock.advance(1)
    alice.comment(REPO, 1, "any news?")
    (thread,) = inbox(api)
    assert (thread["reason"], thread["last_read_at"]) == ("mention", "2026-03-01T12:00:00Z")


def test_a_notification_can_trail_its_comment(street, alice, api, clock):
    street.box.settings.notification_delay_s = 16
    before = api.get("/notifications").headers["Last-Modified"]
    alice.open_issue(REPO, "Bug", "@bot")
    assert inbox(api) == []
    clock.advance(16)
    assert api.get("/notifications", If_Modified_Since=before).status_code == 200
    assert len(inbox(api)) == 1


def test_notifications_get_lost_doubled_and_late(street, alice, api, clock):
    street.scene.world.inbox_faults = InboxFaults(lose=1)
    alice.open_issue(REPO, "lost", "@bot")
    street.scene.world.inbox_faults = InboxFaults(double=1)
    alice.open_issue(REPO, "doubled", "@bot")
    street.scene.world.inbox_faults = InboxFaults(late=1, late_s=20)
    alice.open_issue(REPO, "late", "@bot")
    assert [thread["subject"]["title"] for thread in inbox(api)] == ["doubled", "doubled"]
    clock.advance(20)
    assert {thread["subject"]["title"] for thread in inbox(api)} == {"doubled", "late"}


def test_watching_is_not_participating(street, alice, bot, api):
    street.scene.world.repo(REPO).watcher_ids.add(bot.caller.account.id)
    alice.open_issue(REPO, "Bug")
    assert [thread["reason"] for thread in inbox(api)] == ["subscribed"]
    assert inbox(api, "?participating=true") == []


def test_a_deleted_repository_leaves_the_inbox(alice, api):
    alice.open_issue(REPO, "Bug", "@bot")
    alice.delete_repo(REPO)
    assert inbox(api) == []
    assert api.get("/issues?filter=all").json() == []
