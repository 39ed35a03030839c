"""One task, one request: what a snapshot shows."""

import pytest

from dispatcher.core.errors import Gone
from dispatcher.core.markers import render_status_marker, seal
from dispatcher.core.model import Ci, Finding, ItemKey, Mergeable, Permission, Person, Task

SHOP = "acme/shop"


def test_an_issue_with_its_people_words_and_events_is_one_request(office):
    number = office.issue("It breaks", "Please mend it.")
    office.ann.comment(SHOP, number, "and soon")
    office.ann.assign(SHOP, number, "ann")
    with office.box.watching() as seen:
        item = office.look_at(number).issue
    assert [r.method for r in seen if r.path != "/user"] == ["POST"]
    assert (item.title, item.body, item.author.login, item.is_open) == (
        "It breaks",
        "Please mend it.",
        "ann",
        True,
    )
    assert item.labels == {"bot"}
    assert [c.body for c in item.comments] == ["and soon"]
    assert [(e.label, e.actor.login, e.added) for e in item.label_events] == [("bot", "ann", True)]
    assert [(e.assignee.login, e.actor.login) for e in item.assign_events] == [("ann", "ann")]


def test_a_pull_request_that_the_journal_forgot_is_found_by_its_branch(office):
    number = office.issue()
    pull = office.pull(number)
    snapshot = office.look_at(number)
    assert snapshot.pull.item.key.number == pull
    assert snapshot.front.key.number == pull


def test_a_pull_request_is_found_by_the_issue_that_it_closes(office):
    number = office.issue()
    office.bot.push(SHOP, "odd-name", {"app.py": "changed\n"}, base="main")
    pull = office.bot.open_pull(SHOP, "odd-name", "Mend", f"Fixes #{number}")
    assert office.look_at(number).pull.item.key.number == pull


def test_a_persons_pull_request_for_the_issue_is_not_taken_for_ours(office):
    number = office.issue()
    office.ann.push(SHOP, f"bot/{number}-mine", {"app.py": "changed\n"}, base="main")
    office.ann.open_pull(SHOP, f"bot/{number}-mine", "Mend", f"Fixes #{number}")
    assert office.look_at(number).pull is None


def test_a_pull_request_shows_head_reviews_and_every_kind_of_comment(office):
    number = office.issue()
    pull = office.pull(number)
    office.ann.comment(SHOP, pull, "a comment")
    office.clock.passes(5)
    office.ann.request_changes(SHOP, pull, "a review")
    shown = office.look_at(number, pull).pull
    assert shown.head == office.box.scene.head(SHOP, f"bot/{number}-mend")
    assert shown.base_head == office.box.scene.head(SHOP)
    assert (shown.base, shown.same_repo, shown.is_draft, shown.is_merged) == ("main", True, False, False)
    assert [(c.kind, c.body) for c in shown.item.comments] == [
        ("comment", "a comment"),
        ("review", "a review"),
    ]
    assert [(r.state, r.head) for r in shown.reviews] == [("CHANGES_REQUESTED", shown.head)]
    assert shown.closes == (number,)
    assert shown.mergeable is Mergeable.CLEAN


def test_line_comments_show_where_they_stand(office):
    number = office.issue()
    pull = office.pull(number)
    office.forge.post_review(office.review_order(pull, Finding("why?", "nit", "app.py", 2)))
    lines = [c for c in office.look_at(number, pull).pull.item.comments if c.kind == "line"]
    assert [(c.path, c.line, c.author.login, c.body) for c in lines] == [
        ("app.py", 2, "bot", "**nit**: why?")
    ]


def test_a_bot_that_may_only_read_still_sees_everything_and_asks_for_the_list_of_people_once(office):
    number = office.issue()
    office.ann.invite(SHOP, "bot", "read")
    assert office.look_at(number).issue.title == "It breaks"
    assert office.look_at(number).issue.title == "It breaks"


def test_a_task_that_began_as_a_pull_request_has_no_issue(office):
    office.ann.push(SHOP, "topic", {"app.py": "changed\n"}, base="main")
    pull = office.ann.open_pull(SHOP, "topic", "Mine")
    snapshot = office.forge.fetch_snapshot(
        office.repo, Task(office.key(pull), SHOP, pull=pull, began_as_pull=True)
    )
    assert snapshot.issue is None
    assert snapshot.pull.item.key.number == pull


@pytest.mark.parametrize(
    ("state", "ci", "summary"),
    [("success", Ci.GREEN, ""), ("failure", Ci.RED, "lint: failure"), ("pending", Ci.PENDING, "")],
)
def test_ci_is_the_newest_commits(office, state, ci, summary):
    number = office.issue()
    pull = office.pull(number)
    assert office.look_at(number, pull).pull.ci is Ci.NONE
    office.ann.set_status(SHOP, office.box.scene.head(SHOP, f"bot/{number}-mend"), state, "lint")
    shown = office.look_at(number, pull).pull
    assert (shown.ci, shown.ci_summary) == (ci, summary)


@pytest.mark.parametrize(
    ("conclusion", "ci"),
    [
        ("cancelled", Ci.GREEN),
        ("skipped", Ci.GREEN),
        ("neutral", Ci.GREEN),
        ("timed_out", Ci.RED),
        (None, Ci.PENDING),
    ],
)
def test_cancelled_skipped_and_neutral_checks_are_not_red(office, conclusion, ci):
    number = office.issue()
    pull = office.pull(number)
    app = office.box.scene.add_app("builder")
    status = "completed" if conclusion else "in_progress"
    sha = office.box.scene.head(SHOP, f"bot/{number}-mend")
    office.ann.invite(SHOP, "builder[bot]", "write")
    app.create_check_run(SHOP, sha, "build", conclusion, status=status)
    assert office.look_at(number, pull).pull.ci is ci


def test_a_thread_of_250_comments_is_read_whole(office):
    number = office.issue()
    for i in range(250):
        office.ann.comment(SHOP, number, f"word {i}")
    with office.box.watching() as seen:
        item = office.look_at(number).issue
    assert [c.body for c in item.comments] == [f"word {i}" for i in range(250)]
    assert len([r for r in seen if r.path != "/user"]) == 3


def test_an_edit_of_the_body_names_the_editor(office):
    number = office.issue()
    assert office.look_at(number).issue.body_editor is None
    office.ann.edit_body(SHOP, number, "something else")
    assert office.look_at(number).issue.body_editor.login == "ann"


def test_blocking_issues_are_counted(office):
    number, other = office.issue(), office.issue("first", "do this", "later")
    office.ann.block(SHOP, number, other)
    assert office.look_at(number).issue.blocked_by == 1


def test_markers_of_strangers_are_ignored(office):
    number = office.issue()
    office.eve.comment(SHOP, number, seal("hello", render_status_marker("here")))
    assert office.look_at(number).status_comment_id is None


def test_an_issue_that_is_gone_is_gone(office):
    with pytest.raises(Gone):
        office.look_at(99)


def test_a_renamed_repository_is_found_by_its_number(office):
    number = office.issue()
    office.ann.rename_repo(SHOP, "store")
    assert office.look_at(number).issue.repo == "acme/store"


def test_a_new_repository_under_the_old_name_is_not_mistaken_for_ours(office):
    number = office.issue("the real one")
    office.ann.rename_repo(SHOP, "store")
    office.box.scene.add_repo(SHOP, collaborators={"bot": "write", "ann": "write"})
    office.ann.open_issue(SHOP, "an impostor")
    assert office.look_at(number).issue.title == "the real one"


def test_a_deleted_repository_is_gone(office):
    number = office.issue()
    office.ann.delete_repo(SHOP)
    with pytest.raises(Gone):
        office.look_at(number)


def test_permissions_come_along_with_the_first_snapshot(office):
    number = office.issue()
    ann = office.look_at(number).issue.author
    with office.box.watching() as seen:
        assert office.forge.fetch_permission(office.repo, ann) is Permission.WRITE
    assert seen == []


def test_a_stranger_is_asked_for_once_and_believed_for_a_while(office):
    eve = Person(office.box.world.account("eve").id, "eve")
    with office.box.watching() as seen:
        assert not office.forge.fetch_permission(office.repo, eve).allows_write
        assert not office.forge.fetch_permission(office.repo, eve).allows_write
    assert len(seen) == 1
    office.clock.passes(901)
    office.ann.invite(SHOP, "eve", "write")
    assert office.forge.fetch_permission(office.repo, eve).allows_write


def test_a_login_that_changed_hands_has_no_rights(office):
    impostor = Person(424242, "ann")
    assert office.forge.fetch_permission(office.repo, impostor) is Permission.NONE
    assert office.forge.fetch_permission(office.repo, Person(0, "ghost")) is Permission.NONE


def test_team_members_are_known(office):
    office.box.scene.add_org("guild", teams={"core": ("ann", "bot")})
    ann = Person(office.box.world.account("ann").id, "ann")
    eve = Person(office.box.world.account("eve").id, "eve")
    assert office.forge.fetch_is_member("@guild/core", ann)
    assert not office.forge.fetch_is_member("@guild/core", eve)
    with office.box.watching() as seen:
        assert office.forge.fetch_is_member("@guild/core", ann)
    assert seen == []


def test_an_unwatched_key_is_read_by_number_alone(office):
    number = office.issue()
    office.forge = office.start()
    assert office.look_at(number).issue.key == ItemKey(office.shop.id, number)
