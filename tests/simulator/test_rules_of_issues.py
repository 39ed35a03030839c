"""Issues without HTTP: who may change what, what is dropped silently, what is written into the timeline, who is told."""

from __future__ import annotations

import pytest

from dispatcher.simulator import issues, scene_in_memory
from dispatcher.simulator.issues import Changes
from dispatcher.simulator.model import EventKind, Reason
from dispatcher.simulator.refusals import Forbidden, Invalid, NotFound
from tests.simulator.conftest import REPO


@pytest.fixture
def issue(town):
    number = town.person("alice").open_issue(REPO, "Bug", "It breaks.")
    return town.issue(REPO, number)


def caller(town, login):
    return town.person(login).caller


def change(town, login, issue, **wanted):
    return issues.change(town.world, caller(town, login), issue, Changes(**wanted))


def kinds(issue) -> list[EventKind]:
    return [event.kind for event in issue.events]


def threads(town, login) -> list[tuple[str, Reason]]:
    return [
        (town.world.repos[thread.repo_id].issues[thread.number].title, thread.reason)
        for thread in town.person(login).inbox()
    ]


# ---------------------------------------------------------------- rights


def test_strangers_may_open_and_comment_but_not_triage(town, issue):
    mallory = town.person("mallory")
    number = mallory.open_issue(REPO, "Mine", labels=("bug",), assignees=("alice",))
    assert (town.labels(REPO, number), town.assignees(REPO, number)) == (set(), [])
    mallory.comment(REPO, number, "please")
    refused = [
        lambda: mallory.rename_issue(REPO, issue.number, "x"),
        lambda: mallory.label(REPO, number, "bug"),
        lambda: mallory.unlabel(REPO, number, "bug"),
        lambda: issues.set_labels(town.world, mallory.caller, issue, ["bug"]),
        lambda: mallory.unassign(REPO, number, "alice"),
        lambda: mallory.create_label(REPO, "new"),
        lambda: issues.delete_label(town.world, mallory.caller, town.world.repo(REPO), "bug"),
        lambda: issues.rename_label(town.world, mallory.caller, town.world.repo(REPO), "bug", "b"),
        lambda: mallory.block(REPO, number, issue.number),
        lambda: issues.unblock(town.world, mallory.caller, issue, issue),
    ]
    for attempt in refused:
        with pytest.raises(Forbidden):
            attempt()
    mallory.assign(REPO, number, "alice")
    assert town.assignees(REPO, number) == []


def test_authors_may_change_their_words_but_their_labels_and_people_are_dropped(town):
    mallory = town.person("mallory")
    own = town.issue(REPO, mallory.open_issue(REPO, "Mine"))
    change(
        town,
        "mallory",
        own,
        title="Still mine",
        body="More.",
        labels=["bug"],
        assignees=["alice"],
        state="closed",
    )
    assert (own.title, own.body, own.is_open, own.labels, own.assignee_ids) == (
        "Still mine",
        "More.",
        False,
        {},
        [],
    )


def test_triage_is_enough_for_labels_and_people(town, issue):
    change(town, "tina", issue, labels=["bug"], assignees=["bot"])
    assert (town.labels(REPO, issue.number), town.assignees(REPO, issue.number)) == ({"bug"}, ["bot"])


def test_in_a_private_repository_strangers_open_nothing(town):
    town.add_repo("alice/secret", private=True)
    number = town.person("alice").open_issue("alice/secret", "x")
    for attempt in (
        lambda: town.person("mallory").open_issue("alice/secret", "x"),
        lambda: town.person("mallory").assign("alice/secret", number, "alice"),
    ):
        with pytest.raises(NotFound):
            attempt()


def test_comments_are_edited_and_deleted_by_their_author_or_a_writer(town, issue):
    mallory, tina = town.person("mallory"), town.person("tina")
    written = mallory.comment(REPO, issue.number, "one")
    for attempt in (
        lambda: tina.edit_comment(REPO, written.id, "x"),
        lambda: tina.delete_comment(REPO, written.id),
    ):
        with pytest.raises(Forbidden):
            attempt()
    mallory.edit_comment(REPO, written.id, "two")
    town.person("bot").edit_comment(REPO, written.id, "three")
    assert [comment.body for comment in issue.comments] == ["three"]
    mallory.delete_comment(REPO, written.id)
    other = mallory.comment(REPO, issue.number, "four")
    town.person("bot").delete_comment(REPO, other.id)
    assert issue.comments == []
    mallory.comment(REPO, issue.number, "five")
    town.person("bot").label(REPO, issue.number, "bug")
    mallory.delete_comment(REPO, mallory.comment(REPO, issue.number, "six").id)
    assert kinds(issue) == [EventKind.COMMENTED, EventKind.LABELED]


def test_a_deleted_comment_touches_the_issue(town, issue, clock):
    written = town.person("alice").comment(REPO, issue.number, "one")
    clock.advance(60)
    town.person("alice").delete_comment(REPO, written.id)
    assert issue.updated_at == town.world.now()


def test_a_locked_issue_takes_comments_of_writers_only(town, issue):
    issue.locked = True
    town.person("bot").comment(REPO, issue.number, "fine")
    with pytest.raises(Forbidden, match="locked"):
        town.person("tina").comment(REPO, issue.number, "no")


# ---------------------------------------------------------------- what is refused


def test_what_an_issue_must_have(town, issue):
    alice = town.person("alice")
    for attempt in (
        lambda: alice.open_issue(REPO, ""),
        lambda: alice.comment(REPO, issue.number, " \n"),
        lambda: change(town, "alice", issue, state="opened"),
        lambda: alice.create_label(REPO, "BUG"),
    ):
        with pytest.raises(Invalid):
            attempt()
    with pytest.raises(NotFound):
        alice.unlabel(REPO, issue.number, "bug")
    with pytest.raises(NotFound):
        issues.find_comment(town.world.repo(REPO), 1)


@pytest.mark.parametrize("length", [65_536, 65_537])
def test_bodies_and_comments_have_a_longest_length(town, issue, length):
    alice, text = town.person("alice"), "x" * length
    written = alice.comment(REPO, issue.number, "short")
    attempts = (
        lambda: alice.open_issue(REPO, "long", text),
        lambda: alice.comment(REPO, issue.number, text),
        lambda: alice.edit_comment(REPO, written.id, text),
        lambda: alice.edit_body(REPO, issue.number, text),
    )
    for attempt in attempts:
        if length > 65_536:
            with pytest.raises(Invalid):
                attempt()
        else:
            attempt()


# ---------------------------------------------------------------- state


def test_closing_and_reopening(town, issue, clock):
    clock.advance(60)
    change(town, "alice", issue, state="closed", state_reason="not_planned")
    assert (issue.is_open, issue.closed_at, issue.state_reason) == (False, town.world.now(), "not_planned")
    assert issue.closed_by == town.world.account("alice").id
    change(town, "alice", issue, state="closed", state_reason="completed")
    assert issue.state_reason == "not_planned"
    change(town, "alice", issue, state="open")
    assert (issue.is_open, issue.closed_at, issue.closed_by, issue.state_reason) == (
        True,
        None,
        None,
        "reopened",
    )
    assert kinds(issue) == [EventKind.CLOSED, EventKind.REOPENED]
    change(town, "alice", issue, state="closed")
    assert issue.state_reason == "completed"


def test_pull_requests_have_no_reason_to_be_closed(town):
    bot = town.person("bot")
    bot.push(REPO, "fix", {"a.txt": "1\n"})
    pull = town.issue(REPO, bot.open_pull(REPO, "fix", "Fix"))
    change(town, "bot", pull, state="closed")
    assert (pull.is_open, pull.state_reason) == (False, None)
    change(town, "bot", pull, state="open")
    assert (pull.is_open, pull.state_reason) == (True, None)
    town.person("alice").merge(REPO, pull.number)
    with pytest.raises(Invalid):
        change(town, "bot", pull, state="open")
    change(town, "bot", pull, state="closed")


def test_whoever_changes_the_state_follows_and_the_others_are_told(town, issue):
    town.person("bot").close(REPO, issue.number)
    assert threads(town, "alice") == [("Bug", Reason.AUTHOR)]
    town.person("alice").reopen(REPO, issue.number)
    assert threads(town, "bot") == [("Bug", Reason.STATE_CHANGE)]


def test_the_same_words_again_are_no_edit(town, issue, clock):
    clock.advance(60)
    change(town, "alice", issue, title="Bug", body="It breaks.")
    assert (issue.edited_at, kinds(issue)) == (None, [])
    change(town, "alice", issue, title="A bug", body="")
    assert (issue.body, issue.edited_at, issue.editor_id) == (
        "",
        town.world.now(),
        town.world.account("alice").id,
    )
    (renamed,) = issue.events
    assert (renamed.kind, renamed.old, renamed.new) == (EventKind.RENAMED, "Bug", "A bug")


# ---------------------------------------------------------------- labels


def test_labels_are_one_whatever_their_case(town, issue):
    town.person("alice").create_label(REPO, "Turn", "#5319e7")
    for _ in range(2):
        town.person("tina").label(REPO, issue.number, "TURN", "Brand New")
    assert town.labels(REPO, issue.number) == {"Turn", "Brand New"}
    assert kinds(issue) == [EventKind.LABELED] * 2
    town.person("tina").unlabel(REPO, issue.number, "turn")
    assert town.labels(REPO, issue.number) == {"Brand New"}
    issues.set_labels(town.world, caller(town, "tina"), issue, ["brand new", "bug"])
    assert town.labels(REPO, issue.number) == {"Brand New", "bug"}
    assert kinds(issue)[2:] == [EventKind.UNLABELED, EventKind.LABELED]
    assert town.world.label(town.world.repo(REPO), "tUrN").color == "5319e7"


def test_a_label_is_renamed_and_deleted_everywhere(town, issue):
    repo, alice = town.world.repo(REPO), caller(town, "alice")
    town.person("alice").label(REPO, issue.number, "bug")
    issues.rename_label(town.world, alice, repo, "BUG", "Defect")
    assert town.labels(REPO, issue.number) == {"Defect"}
    with pytest.raises(NotFound):
        town.world.label(repo, "bug")
    issues.delete_label(town.world, alice, repo, "defect")
    assert town.labels(REPO, issue.number) == set()
    with pytest.raises(NotFound):
        town.world.label(repo, "Defect")
    town.person("alice").create_label(REPO, "defect", "")
    assert town.world.label(repo, "DEFECT").color == "ededed"


# ---------------------------------------------------------------- people


def test_who_cannot_be_assigned_is_dropped_and_nobody_is_assigned_twice(town, issue):
    town.person("alice").assign(REPO, issue.number, "bot", "BOT", "mallory", "nobody", "tina")
    assert town.assignees(REPO, issue.number) == ["bot", "tina"]
    assert kinds(issue) == [EventKind.ASSIGNED] * 2
    assert threads(town, "bot") == [("Bug", Reason.ASSIGN)]
    change(town, "alice", issue, assignees=["tina", "alice"])
    assert town.assignees(REPO, issue.number) == ["tina", "alice"]
    town.person("alice").unassign(REPO, issue.number, "bot", "nobody", "tina")
    assert town.assignees(REPO, issue.number) == ["alice"]
    assert kinds(issue).count(EventKind.UNASSIGNED) == 2


def test_the_eleventh_is_dropped(town, issue):
    logins = [f"person{n}" for n in range(11)]
    for login in logins:
        town.add_user(login)
        town.person("alice").invite(REPO, login, "read")
    town.person("alice").assign(REPO, issue.number, *logins)
    assert town.assignees(REPO, issue.number) == logins[:10]


# ---------------------------------------------------------------- who is told


def test_only_people_who_are_newly_mentioned_by_an_edit_are_told(town, issue):
    alice = town.person("alice")
    alice.edit_body(REPO, issue.number, "It breaks, @bot.")
    town.world.inbox.clear()
    alice.edit_body(REPO, issue.number, "It breaks, @bot and @tina and @alice.")
    assert [threads(town, login) for login in ("bot", "tina", "alice")] == [[], [("Bug", Reason.MENTION)], []]
    written = alice.comment(REPO, issue.number, "hm, @tina")
    town.world.inbox.clear()
    alice.edit_comment(REPO, written.id, "hm, @tina and @mallory and @alice")
    assert [threads(town, login) for login in ("mallory", "tina", "alice")] == [
        [("Bug", Reason.MENTION)],
        [],
        [],
    ]
    assert written.edited_at == issue.updated_at == town.world.now()


def test_whoever_comments_follows(town, issue):
    town.person("bot").comment(REPO, issue.number, "me too")
    town.person("alice").comment(REPO, issue.number, "ok")
    assert threads(town, "bot") == [("Bug", Reason.COMMENT)]


def test_nobody_is_told_of_their_own_doing(town, issue):
    alice = town.person("alice")
    alice.comment(REPO, issue.number, "me, @alice")
    alice.assign(REPO, issue.number, "alice")
    alice.edit_body(REPO, issue.number, "@alice again")
    assert threads(town, "alice") == []


# ---------------------------------------------------------------- dependencies


def test_blockers_are_counted_open_and_all(town, issue):
    alice, bot = town.person("alice"), caller(town, "bot")
    other = town.issue(REPO, alice.open_issue(REPO, "First"))
    for _ in range(2):
        alice.block(REPO, issue.number, other.number)
    assert issues.count_dependencies(town.world, issue) == (1, 1, 0, 0)
    assert issues.count_dependencies(town.world, other) == (0, 0, 1, 1)
    alice.close(REPO, other.number)
    alice.close(REPO, issue.number)
    assert issues.count_dependencies(town.world, issue) == (0, 1, 0, 0)
    assert issues.count_dependencies(town.world, other) == (0, 0, 0, 1)
    for _ in range(2):
        issues.unblock(town.world, bot, issue, other)
    assert (
        issues.count_dependencies(town.world, issue)
        == issues.count_dependencies(town.world, other)
        == (0, 0, 0, 0)
    )
    moves = [event.kind for event in issue.events if event.kind is not EventKind.CLOSED]
    assert moves == [EventKind.BLOCKED_BY_ADDED, EventKind.BLOCKED_BY_REMOVED]


def test_a_blocker_in_a_repository_that_is_gone_counts_no_more(town, issue):
    town.add_repo("alice/other")
    number = town.person("alice").open_issue("alice/other", "First")
    town.person("alice").block(REPO, issue.number, number, in_repo="alice/other")
    town.person("alice").delete_repo("alice/other")
    assert issues.count_dependencies(town.world, issue) == (0, 0, 0, 0)


# ---------------------------------------------------------------- names


def test_names_are_found_without_regard_to_case_and_old_ones_redirect(town):
    world, alice = town.world, town.person("alice")
    repo = world.repo(REPO)
    with pytest.raises(ValueError, match="taken"):
        town.add_user("ALICE")
    assert world.find_account("Alice") is world.account("alice")
    assert world.find_repo("Alice/SHOP") is repo
    assert (world.find_repo("nobody/shop"), world.find_repo("alice/nothing"), world.find_account("x")) == (
        None,
    ) * 3
    alice.rename_repo(REPO, "Store")
    assert (world.find_repo(REPO), world.find_moved_repo("ALICE/Shop"), world.repo("alice/store")) == (
        None,
        repo,
        repo,
    )
    alice.rename_repo("alice/store", "shop")
    assert (world.find_repo(REPO), world.find_moved_repo(REPO), world.find_moved_repo("alice/store")) == (
        repo,
        None,
        repo,
    )
    world.rename_account(world.account("alice"), "alicia")
    assert world.find_account("alice") is None
    assert world.full_name(world.repo("Alicia/shop")) == "alicia/shop"
    with pytest.raises(NotFound):
        world.account("alice")


def test_a_deleted_repository_is_gone_with_its_issues_and_notifications(town, issue):
    town.person("alice").comment(REPO, issue.number, "@bot")
    town.add_repo("alice/other")
    town.person("alice").open_issue("alice/other", "Stays", "@bot")
    town.person("alice").delete_repo(REPO)
    assert town.world.find_repo(REPO) is None
    assert town.world.issue_by_id(issue.id) is None
    assert [title for title, _ in threads(town, "bot")] == ["Stays"]


def test_times_are_whole_seconds(clock):
    assert clock().microsecond
    assert scene_in_memory(clock).world.now().microsecond == 0
