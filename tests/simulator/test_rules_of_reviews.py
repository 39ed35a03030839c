"""Reviews without HTTP: which lines can be commented, what stays with a comment, who is told, who may not."""

from __future__ import annotations

import pytest

from dispatcher.simulator import Finding, caller_of, reviews
from dispatcher.simulator.model import EventKind, Issue, Reason, Review
from dispatcher.simulator.refusals import Forbidden, Invalid, NotFound
from tests.simulator.conftest import REPO

SECRET = "alice/secret"
BEFORE = "".join(f"{number}\n" for number in range(1, 21))
AFTER = BEFORE.replace("2\n3\n4\n", "two\n", 1)
"""Three lines became one: on the right there are two lines fewer."""


@pytest.fixture
def fix(town) -> Issue:
    """The bot's pull request that shortens a file."""
    bot = town.person("bot")
    town.person("alice").push(REPO, "main", {"list.txt": BEFORE})
    bot.push(REPO, "fix", {"list.txt": AFTER}, base="main")
    return town.issue(REPO, bot.open_pull(REPO, "fix", "Fix"))


def review(town, login: str, pull: Issue, body: str, *findings: Finding) -> Review:
    verdict = reviews.Verdict("COMMENT", body, None, findings)
    return reviews.review(town.world, town.person(login).caller, pull, verdict)


def refuses(town, pull: Issue, finding: Finding) -> bool:
    try:
        review(town, "alice", pull, "see below", finding)
    except Invalid:
        return True
    return False


def reason(town, login: str) -> Reason | None:
    return next((thread.reason for thread in town.person(login).inbox()), None)


def test_a_line_counts_on_the_side_that_is_named(town, fix):
    """The old file shows the lines 1 to 7 in the diff, the new one 1 to 5."""
    assert not refuses(town, fix, Finding("list.txt", "x", 5))
    assert refuses(town, fix, Finding("list.txt", "x", 6))
    assert not refuses(town, fix, Finding("list.txt", "x", 7, side="LEFT"))
    assert refuses(town, fix, Finding("list.txt", "x", 8, side="LEFT"))


def test_a_position_counts_every_line_of_the_diff_also_those_that_are_gone(town, fix):
    assert [refuses(town, fix, Finding("list.txt", "x", position=place)) for place in (0, 1, 2, 8, 9)] == [
        True, False, False, False, True,
    ]  # fmt: skip


def test_a_line_comment_keeps_the_diff_down_to_its_line(town, fix):
    review(town, "alice", fix, "", Finding("list.txt", "why?", 2))
    (comment,) = fix.pull.line_comments
    header, *lines = comment.diff_hunk.splitlines()
    assert header.startswith("@@ -1,")
    assert lines == [" 1", "-2", "-3", "-4", "+two"]


def test_only_the_words_of_this_review_call_people(town, fix):
    review(town, "alice", fix, "", Finding("list.txt", "what does @tina think?", 2))
    assert reason(town, "tina") is Reason.MENTION
    town.person("alice").assign(REPO, fix.number, "tina")
    assert reason(town, "tina") is Reason.ASSIGN
    review(town, "alice", fix, "and one more thing")
    assert reason(town, "tina") is Reason.ASSIGN


def test_who_reviewed_follows(town, fix):
    review(town, "tina", fix, "hm")
    town.person("alice").comment(REPO, fix.number, "indeed")
    assert reason(town, "tina") is Reason.COMMENT


def test_the_timeline_says_who_was_asked_and_who_no_more(town, fix):
    reviews.request_reviewers(town.world, town.person("alice").caller, fix, ["tina"])
    reviews.unrequest_reviewers(town.world, town.person("alice").caller, fix, ["tina"])
    kinds = (EventKind.REVIEW_REQUESTED, EventKind.REVIEW_REQUEST_REMOVED)
    asked = [(event.kind, event.subject_id) for event in fix.events if event.kind in kinds]
    assert asked == [(kind, town.world.account("tina").id) for kind in kinds]


@pytest.fixture
def hidden(town) -> Issue:
    """A pull request in a private repository, where the bot may write, with a line comment."""
    alice = town.person("alice")
    town.add_repo(SECRET, {"a.txt": "1\n"}, collaborators={"bot": "write"}, private=True)
    alice.push(SECRET, "x", {"a.txt": "2\n"}, base="main")
    pull = town.issue(SECRET, alice.open_pull(SECRET, "x", "X"))
    review(town, "bot", pull, "", Finding("a.txt", "why?", 1))
    return pull


def test_strangers_neither_review_nor_answer_what_they_cannot_see(town, hidden):
    mallory = town.person("mallory").caller
    (first,) = hidden.pull.line_comments
    with pytest.raises(NotFound):
        review(town, "mallory", hidden, "hi")
    with pytest.raises(NotFound):
        reviews.reply(town.world, mallory, hidden, first, "hi")
    with pytest.raises(NotFound):
        reviews.find_line_comment(town.world, mallory, hidden, first.id)


def test_a_token_that_only_reads_neither_reviews_nor_answers(town, hidden):
    reader = caller_of(town.world, town.add_fine_grained_token("bot", {"pull_requests": "read"}))
    (first,) = hidden.pull.line_comments
    assert reviews.find_line_comment(town.world, reader, hidden, first.id) is first
    with pytest.raises(Forbidden):
        reviews.review(town.world, reader, hidden, reviews.Verdict("COMMENT", "hi"))
    with pytest.raises(Forbidden):
        reviews.reply(town.world, reader, hidden, first, "hi")


# ---------------------------------------------------------------- names and ends of a repository


def test_a_repository_that_comes_back_to_its_name_is_redirected_from_there_no_more(town):
    alice = town.person("alice")
    alice.rename_repo(REPO, "depot")
    assert town.world.find_moved_repo(REPO) is town.world.repo("alice/depot")
    alice.rename_repo("alice/depot", "Shop")
    assert town.world.find_moved_repo(REPO) is None


def test_a_deleted_repository_leaves_no_commits(town):
    gone = town.world.repo(REPO)
    assert town.world.git.refs(gone.id)
    town.person("alice").delete_repo(REPO)
    with pytest.raises(KeyError):
        town.world.git.refs(gone.id)
