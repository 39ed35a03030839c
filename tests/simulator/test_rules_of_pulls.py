"""Pull requests, reviews, branches and reports without HTTP: what is refused, what follows, who is told."""

from __future__ import annotations

import pytest

from dispatcher.simulator import Finding, issues, pulls, repos, reviews
from dispatcher.simulator.access import Caller
from dispatcher.simulator.model import EventKind, Reason, ReviewState
from dispatcher.simulator.pulls import MergeWish, Proposal
from dispatcher.simulator.refusals import Conflict, Forbidden, Invalid, NotAllowed, NotFound
from tests.simulator.conftest import REPO

CHANGED = {"app.py": "one\nTWO\nthree\n"}


@pytest.fixture
def fix(town):
    """The bot's pull request for issue 1."""
    town.person("alice").open_issue(REPO, "Bug")
    town.person("bot").push(REPO, "fix", CHANGED)
    return town.issue(REPO, town.person("bot").open_pull(REPO, "fix", "Fix", "Closes #1"))


def caller(town, login) -> Caller:
    return town.person(login).caller


def kinds(issue) -> list[EventKind]:
    return [event.kind for event in issue.events]


def told(town, login) -> dict[str, Reason]:
    titles = {issue.number: issue.title for issue in town.world.repo(REPO).issues.values()}
    return {titles[thread.number]: thread.reason for thread in town.person(login).inbox()}


# ---------------------------------------------------------------- opening


@pytest.mark.parametrize("head", ["nothing", "nobody:fix", "mallory:fix"])
def test_a_head_that_is_not_there_is_refused(town, head):
    with pytest.raises(Invalid) as refused:
        town.person("bot").open_pull(REPO, head, "Fix")
    assert refused.value.errors[0].field == "head"


def test_a_base_that_is_not_there_is_refused(town, fix):
    for attempt in (
        lambda: town.person("bot").open_pull(REPO, "fix", "Fix", base="nothing"),
        lambda: pulls.change_base(town.world, caller(town, "bot"), fix, "nothing"),
    ):
        with pytest.raises(Invalid) as refused:
            attempt()
        assert refused.value.errors[0].field == "base"


def test_one_head_has_one_open_pull_request_for_a_base(town, fix):
    bot = town.person("bot")
    with pytest.raises(Invalid) as refused:
        bot.open_pull(REPO, "alice:fix", "Again")
    assert refused.value.errors[0].message == "A pull request already exists for alice:fix."
    bot.push(REPO, "next", {"b.txt": "b\n"})
    assert bot.open_pull(REPO, "fix", "For next", base="next") == 3
    bot.close(REPO, fix.number)
    assert bot.open_pull(REPO, "fix", "Again") == 4


def test_without_commits_of_its_own_there_is_nothing_to_open(town):
    bot = town.person("bot")
    bot.push(REPO, "old", CHANGED)
    sha = bot.push(REPO, "new", {"b.txt": "b\n"}, base="old")
    assert sha == town.head(REPO, "new")
    with pytest.raises(Invalid) as refused:
        bot.open_pull(REPO, "old", "Nothing", base="new")
    assert refused.value.errors[0].message == "No commits between new and old"


def test_strangers_open_pull_requests_from_their_forks_only(town):
    mallory = town.person("mallory")
    town.person("bot").push(REPO, "fix", CHANGED)
    with pytest.raises(Forbidden):
        mallory.open_pull(REPO, "fix", "Mine")
    copy = mallory.fork(REPO)
    mallory.push(copy, "idea", CHANGED)
    number = mallory.open_pull(REPO, "mallory:idea", "Mine")
    assert town.world.git.refs(town.world.repo(REPO).id)[f"refs/pull/{number}/head"] == town.head(
        copy, "idea"
    )
    sha = mallory.push(copy, "idea", {"b.txt": "b\n"})
    assert town.issue(REPO, number).pull.head_sha == sha
    assert [change.path for change in pulls.changed_files(town.world, town.issue(REPO, number))] == [
        "app.py",
        "b.txt",
    ]


def test_a_head_in_a_fork_is_looked_for_in_the_fork_of_its_owner(town):
    mallory, tina = town.person("mallory"), town.person("tina")
    copies = [person.fork(REPO) for person in (mallory, tina)]
    mallory.push(copies[0], "idea", {"m.txt": "m\n"})
    wanted = tina.push(copies[1], "idea", {"t.txt": "t\n"})
    assert town.issue(REPO, tina.open_pull(REPO, "tina:idea", "Mine")).pull.head_sha == wanted


def test_a_plain_issue_is_no_pull_request(town, fix):
    with pytest.raises(NotFound):
        pulls.pull_of(town.issue(REPO, 1))
    assert [issue.number for issue, _ in pulls.every_pull(town.world.repo(REPO))] == [fix.number]


# ---------------------------------------------------------------- what pushes do


def test_the_head_follows_pushes_and_tells_a_push_from_a_forced_one(town, fix):
    bot = town.person("bot")
    first = fix.pull.head_sha
    second = bot.push(REPO, "fix", {"b.txt": "b\n"})
    third = bot.push(REPO, "fix", {"c.txt": "c\n"}, base="main", force=True)
    assert fix.pull.head_sha == town.world.git.refs(fix.repo_id)[f"refs/pull/{fix.number}/head"] == third
    moves = [(event.kind, event.old, event.new) for event in fix.events]
    assert moves == [
        (EventKind.COMMITTED, first, second),
        (EventKind.HEAD_FORCE_PUSHED, second, third),
    ]
    town.world.inbox.clear()
    town.person("alice").push(REPO, "fix", {"d.txt": "d\n"})
    assert told(town, "bot") == {"Fix": Reason.AUTHOR}


def test_a_push_elsewhere_or_to_a_closed_one_moves_nothing(town, fix):
    bot, head = town.person("bot"), fix.pull.head_sha
    bot.push(REPO, "other", {"b.txt": "b\n"})
    bot.close(REPO, fix.number)
    bot.push(REPO, "fix", {"b.txt": "b\n"})
    assert fix.pull.head_sha == head


def test_a_deleted_head_or_base_closes(town, fix):
    bot = town.person("bot")
    bot.push(REPO, "next", {"n.txt": "n\n"})
    other = town.issue(REPO, bot.open_pull(REPO, "fix", "For next", base="next"))
    bot.delete_branch(REPO, "next")
    assert (other.is_open, fix.is_open) == (False, True)
    bot.delete_branch(REPO, "fix")
    assert not fix.is_open
    assert kinds(fix) == [EventKind.HEAD_DELETED, EventKind.CLOSED]
    assert fix.pull.merged_at is None


def test_the_base_sha_follows_the_base(town, fix):
    sha = town.person("alice").push(REPO, "main", {"b.txt": "b\n"})
    assert (fix.pull.base_sha, fix.is_open) == (sha, True)


def test_a_push_is_noted_and_what_it_closed_follows_nothing_more(town, fix, clock):
    repo, git, base = town.world.repo(REPO), town.world.git, fix.pull.base_sha
    other = town.person("bot").push(REPO, "other", {"o.txt": "o\n"})
    clock.advance(60)
    git.set_ref(repo.id, "refs/heads/fix", None)
    git.set_ref(repo.id, "refs/heads/main", other)
    pulls.synchronise(town.world, repo, town.world.account("bot"))
    assert (fix.is_open, fix.pull.base_sha) == (False, base)
    assert repo.pushed_at == repo.updated_at == town.world.now()


def test_a_head_that_is_pushed_into_the_base_by_hand_shows_as_merged(town, fix):
    repo = town.world.repo(REPO)
    town.world.git.set_ref(repo.id, "refs/heads/main", fix.pull.head_sha)
    pulls.synchronise(town.world, repo, town.world.account("alice"))
    assert fix.pull.merged_at == town.world.now()
    assert (fix.pull.merge_sha, fix.is_open) == (fix.pull.head_sha, False)
    assert not town.issue(REPO, 1).is_open


def test_branches_are_deleted_by_writers_and_never_the_default_one(town):
    town.person("bot").push(REPO, "fix", CHANGED)
    with pytest.raises(Forbidden):
        town.person("tina").delete_branch(REPO, "fix")
    with pytest.raises(Forbidden):
        town.person("tina").push(REPO, "more", CHANGED)
    for branch in ("main", "nothing"):
        with pytest.raises(Invalid):
            town.person("bot").delete_branch(REPO, branch)
    town.person("bot").delete_branch(REPO, "fix")
    assert town.head(REPO, "fix") is None


# ---------------------------------------------------------------- drafts, bases, mergeability


def test_a_draft_is_made_ready_by_its_author_or_a_writer(town):
    mallory = town.person("mallory")
    copy = mallory.fork(REPO)
    mallory.push(copy, "idea", CHANGED)
    pull = town.issue(REPO, mallory.open_pull(REPO, "mallory:idea", "Mine", draft=True))
    with pytest.raises(Forbidden):
        pulls.set_draft(town.world, caller(town, "tina"), pull, draft=False)
    for _ in range(2):
        mallory.mark_ready(REPO, pull.number)
    pulls.set_draft(town.world, caller(town, "bot"), pull, draft=True)
    assert kinds(pull) == [EventKind.READY_FOR_REVIEW, EventKind.CONVERTED_TO_DRAFT]
    assert pull.pull.draft
    with pytest.raises(NotAllowed, match="draft"):
        town.person("bot").merge(REPO, pull.number)


def test_a_writer_points_it_at_another_base(town, fix, clock):
    bot = town.person("bot")
    sha = bot.push(REPO, "next", {"n.txt": "n\n"})
    with pytest.raises(Forbidden):
        pulls.change_base(town.world, caller(town, "tina"), fix, "next")
    clock.advance(5)
    pulls.change_base(town.world, caller(town, "bot"), fix, "next")
    assert (fix.pull.base_ref, fix.pull.base_sha, fix.updated_at) == ("next", sha, town.world.now())
    bot.merge(REPO, fix.number)
    assert town.issue(REPO, 1).is_open, "only a merge into the default branch closes"


def test_mergeable_is_unknown_first_for_every_new_pair_of_ends(town, fix):
    town.world.settings.mergeable_unknown_reads = 2
    looks = [pulls.mergeable(town.world, fix) for _ in range(4)]
    town.person("alice").push(REPO, "main", {"b.txt": "b\n"})
    looks += [pulls.mergeable(town.world, fix) for _ in range(3)]
    assert looks == [None, None, True, True, None, None, True]
    town.person("alice").merge(REPO, fix.number)
    assert pulls.mergeable(town.world, fix) is None


def state(town, fix, *, clean: bool | None = True) -> str:
    return pulls.merge_state(town.world, fix, clean=clean)


def test_the_merge_state_says_the_first_thing_in_the_way(town, fix):
    repo, bot = town.world.repo(REPO), town.person("bot")
    assert [state(town, fix, clean=clean) for clean in (True, None, False)] == ["clean", "unknown", "dirty"]
    bot.set_status(REPO, fix.pull.head_sha, "pending")
    assert state(town, fix) == "unstable"
    bot.set_status(REPO, fix.pull.head_sha, "success")
    assert state(town, fix) == "clean"
    town.protect(REPO, contexts=("ci",))
    assert state(town, fix) == "clean"
    town.protect(REPO, contexts=("ci", "lint"))
    assert (state(town, fix), pulls.missing_for_merge(town.world, fix)) == (
        "blocked",
        "Required status check is expected.",
    )
    town.protect(REPO, approvals=1)
    assert state(town, fix) == "blocked"
    repo.protections["main"].strict = True
    town.person("alice").approve(REPO, fix.number)
    assert state(town, fix) == "clean"
    repo.protections.pop("main")
    town.person("alice").push(REPO, "main", {"b.txt": "b\n"})
    assert state(town, fix) == "clean"
    town.protect(REPO)
    repo.protections["main"].strict = True
    assert state(town, fix) == "behind"
    pulls.set_draft(town.world, bot.caller, fix, draft=True)
    assert state(town, fix) == "draft"


def test_ci_is_red_pending_or_green_and_nothing_when_nobody_reported(town, fix):
    repo, sha, bot = town.world.repo(REPO), fix.pull.head_sha, town.person("bot")
    app = town.add_app("ci")
    assert pulls.ci_state(repo, sha) is None
    for conclusion in ("neutral", "skipped", "success"):
        app.create_check_run(REPO, sha, conclusion, conclusion)
    assert pulls.ci_state(repo, sha) == "success"
    app.create_check_run(REPO, sha, "slow")
    assert pulls.ci_state(repo, sha) == "pending"
    bot.set_status(REPO, sha, "error")
    assert pulls.ci_state(repo, sha) == "failure"
    bot.set_status(REPO, sha, "success")
    app.create_check_run(REPO, sha, "slow", "cancelled")
    assert pulls.ci_state(repo, sha) == "failure"


# ---------------------------------------------------------------- merging


def test_a_merge_closes_what_it_says_and_tells_people(town, fix, clock):
    alice = town.person("alice")
    alice.open_issue(REPO, "Second")
    town.add_repo("alice/other")
    alice.open_issue("alice/other", "Elsewhere")
    alice.edit_body(
        REPO,
        fix.number,
        "fixes: #1, Resolved alice/other#1, close https://forge/alice/shop/issues/3; fix #2 #99",
    )
    assert [issue.title for issue in pulls.closes(town.world, fix)] == ["Bug", "Elsewhere", "Second"]
    clock.advance(9)
    sha = alice.merge(REPO, fix.number)
    assert (fix.pull.merge_sha, fix.pull.merged_at, fix.is_open) == (sha, town.world.now(), False)
    assert fix.pull.merged_by == town.world.account("alice").id
    assert town.head(REPO) == sha
    assert not any(town.issue(*place).is_open for place in ((REPO, 1), (REPO, 3), ("alice/other", 1)))
    assert kinds(fix)[-2:] == [EventKind.MERGED, EventKind.CLOSED]
    assert told(town, "bot")["Fix"] is Reason.AUTHOR
    assert town.world.account("bot").id in town.world.repo(REPO).contributor_ids
    with pytest.raises(NotAllowed, match="not mergeable"):
        alice.merge(REPO, fix.number)


def test_a_squashed_merge_is_a_merge_too(town, fix):
    sha = town.person("alice").merge(REPO, fix.number, "squash")
    assert (fix.pull.merged_at, fix.pull.merge_sha) == (town.world.now(), sha)
    assert next(event for event in fix.events if event.kind is EventKind.MERGED).sha == sha


def test_whoever_merges_follows_and_the_closed_issues_people_are_told(town, fix):
    town.person("tina").comment(REPO, 1, "me too")
    town.world.inbox.clear()
    town.person("alice").merge(REPO, fix.number)
    assert told(town, "tina") == {"Bug": Reason.COMMENT}
    town.person("bot").comment(REPO, fix.number, "thanks")
    assert told(town, "alice") == {"Fix": Reason.STATE_CHANGE}


def test_what_one_does_not_see_one_does_not_update(town):
    alice = town.person("alice")
    town.add_repo("alice/secret", {"a.txt": "1\n"}, private=True)
    alice.push("alice/secret", "x", {"a.txt": "2\n"})
    hidden = town.issue("alice/secret", alice.open_pull("alice/secret", "x", "X"))
    with pytest.raises(NotFound):
        pulls.update_branch(town.world, caller(town, "mallory"), hidden, None)


def test_an_issue_that_is_closed_already_is_not_closed_again(town, fix):
    town.person("alice").close(REPO, 1)
    town.person("alice").merge(REPO, fix.number)
    assert kinds(town.issue(REPO, 1)) == [EventKind.CLOSED]


def test_who_says_that_they_close_an_issue(town, fix):
    bot, bug = town.person("bot"), town.issue(REPO, 1)
    bot.push(REPO, "more", {"m.txt": "m\n"})
    other = town.issue(REPO, bot.open_pull(REPO, "more", "More", "Closes #1"))
    bot.close(REPO, other.number)
    assert pulls.closed_by(town.world, bug, with_closed=False) == [fix]
    assert pulls.closed_by(town.world, bug, with_closed=True) == [fix, other]
    town.person("alice").merge(REPO, fix.number)
    assert pulls.closed_by(town.world, bug, with_closed=False) == [fix]


def test_what_stands_against_a_merge(town, fix):
    merge = lambda login, wish: pulls.merge(town.world, caller(town, login), fix, wish)  # noqa: E731
    with pytest.raises(Forbidden):
        merge("tina", MergeWish())
    with pytest.raises(Invalid):
        merge("bot", MergeWish("octopus"))
    with pytest.raises(Conflict):
        merge("bot", MergeWish(sha="0" * 40))
    town.protect(REPO, approvals=1)
    with pytest.raises(NotAllowed, match="approving review"):
        merge("bot", MergeWish(sha=fix.pull.head_sha))
    merge("alice", MergeWish(sha=fix.pull.head_sha, title="T", message="M"))
    assert town.world.git.commit(fix.repo_id, fix.pull.merge_sha).message == "T\n\nM\n"


def test_a_conflict_stands_against_a_merge_and_an_update(town, fix):
    town.person("alice").push(REPO, "main", {"app.py": "one\nzwei\nthree\n"})
    with pytest.raises(NotAllowed, match="Merge conflict"):
        town.person("bot").merge(REPO, fix.number)
    with pytest.raises(Invalid, match="merge conflict"):
        pulls.update_branch(town.world, caller(town, "bot"), fix, None)


def test_a_merge_moves_the_base_of_the_others(town, fix):
    bot = town.person("bot")
    bot.push(REPO, "more", {"m.txt": "m\n"})
    other = town.issue(REPO, bot.open_pull(REPO, "more", "More"))
    sha = bot.merge(REPO, fix.number)
    assert other.pull.base_sha == sha
    assert (
        town.world.git.commit(fix.repo_id, sha).message
        == f"Merge pull request #{fix.number} from fix\n\nFix\n"
    )


def test_update_branch_brings_the_base_in(town, fix):
    town.person("alice").push(REPO, "main", {"b.txt": "b\n"})
    with pytest.raises(Forbidden):
        pulls.update_branch(town.world, caller(town, "tina"), fix, None)
    with pytest.raises(Invalid, match="expected head sha"):
        pulls.update_branch(town.world, caller(town, "bot"), fix, "0" * 40)
    pulls.update_branch(town.world, caller(town, "bot"), fix, fix.pull.head_sha)
    assert town.read_file(REPO, "b.txt", "fix") == b"b\n"
    assert fix.pull.head_sha == town.head(REPO, "fix")


# ---------------------------------------------------------------- reviews


def review(town, login, fix, event=None, body="", *findings, sha=None):
    verdict = reviews.Verdict(event, body, sha, findings)
    return reviews.review(town.world, caller(town, login), fix, verdict)


@pytest.mark.parametrize("event", ["APPROVE", "REQUEST_CHANGES"])
def test_authors_do_not_judge_their_own(town, fix, event):
    with pytest.raises(Invalid):
        review(town, "bot", fix, event, "good")
    pending = review(town, "bot", fix)
    with pytest.raises(Invalid):
        reviews.submit(town.world, caller(town, "bot"), fix, pending, reviews.Verdict(event, "good"))
    assert (
        reviews.submit(town.world, caller(town, "bot"), fix, pending, reviews.Verdict("COMMENT", "hm")).body
        == "hm"
    )


def test_what_a_review_must_have(town, fix):
    for event, body in (("COMMENT", " "), ("REQUEST_CHANGES", ""), ("PRAISE", "good")):
        with pytest.raises(Invalid):
            review(town, "alice", fix, event, body)
    with pytest.raises(Invalid):
        review(town, "alice", fix, "COMMENT", "x" * 65_537)
    with pytest.raises(Invalid):
        review(town, "alice", fix, "COMMENT", "x", sha="f" * 40)
    assert review(town, "alice", fix, "APPROVE").state is ReviewState.APPROVED


def test_one_pending_review_blocks_the_next_of_the_same_person(town, fix):
    pending = review(town, "alice", fix, None, "", Finding("app.py", "hm", 2))
    with pytest.raises(Invalid):
        review(town, "alice", fix, "COMMENT", "x")
    review(town, "tina", fix, "COMMENT", "x")
    assert pending.submitted_at is None
    assert pending not in reviews.visible_reviews(fix, town.world.account("bot"))
    assert pending in reviews.visible_reviews(fix, town.world.account("alice"))
    assert reviews.visible_line_comments(fix, town.world.account("alice")) == []
    with pytest.raises(NotFound):
        reviews.discard(caller(town, "tina"), fix, pending)
    with pytest.raises(NotFound):
        reviews.submit(town.world, caller(town, "tina"), fix, pending, reviews.Verdict("COMMENT", "x"))
    with pytest.raises(Invalid):
        reviews.submit(town.world, caller(town, "alice"), fix, pending, reviews.Verdict(None))
    reviews.discard(caller(town, "alice"), fix, pending)
    assert fix.pull.line_comments == []
    done = review(town, "alice", fix, "COMMENT", "x")
    for attempt in (
        lambda: reviews.discard(caller(town, "alice"), fix, done),
        lambda: reviews.submit(town.world, caller(town, "alice"), fix, done, reviews.Verdict("COMMENT", "y")),
    ):
        with pytest.raises(Invalid):
            attempt()


PLACES = [
    (Finding("app.py", "x", 2), True),
    (Finding("app.py", "x", 3), True),
    (Finding("app.py", "x", 4), False),
    (Finding("app.py", "x", 2, side="LEFT"), True),
    (Finding("app.py", "x", 2, start_line=1), True),
    (Finding("app.py", "x", 2, start_line=9), False),
    (Finding("app.py", "x", position=1), True),
    (Finding("app.py", "x", position=3), True),
    (Finding("app.py", "x", position=9), False),
    (Finding("app.py", " ", 2), False),
    (Finding("README.md", "x", 1), False),
]


@pytest.mark.parametrize(("finding", "fits"), PLACES)
def test_a_line_must_be_in_the_diff(town, fix, finding, fits):
    if not fits:
        with pytest.raises(Invalid):
            review(town, "alice", fix, "COMMENT", "see below", finding)
        assert (fix.pull.reviews, fix.pull.line_comments) == ([], [])
        return
    review(town, "alice", fix, "COMMENT", "see below", finding)
    (comment,) = fix.pull.line_comments
    assert comment.diff_hunk.startswith("@@ -1,3 +1,3 @@")
    assert (comment.side, comment.start_line) == (finding.side, finding.start_line)


def test_lines_are_those_of_the_reviewed_commit(town, fix):
    reviewed = fix.pull.head_sha
    town.person("bot").push(REPO, "fix", {"app.py": "one\ntwo\nthree\nfour\n"})
    assert review(town, "alice", fix, "COMMENT", "x", Finding("app.py", "x", 4)).sha == fix.pull.head_sha
    with pytest.raises(Invalid):
        review(town, "alice", fix, "COMMENT", "x", Finding("app.py", "x", 4), sha=reviewed)
    assert review(town, "alice", fix, "COMMENT", "x", sha=reviewed).sha == reviewed


def test_a_review_is_told_noted_and_answers_its_request(town, fix, clock):
    alice = town.person("alice")
    alice.request_review(REPO, fix.number, "tina", "tina")
    assert told(town, "tina") == {"Fix": Reason.REVIEW_REQUESTED}
    assert kinds(fix) == [EventKind.REVIEW_REQUESTED]
    clock.advance(5)
    written = review(town, "tina", fix, "COMMENT", "hm, @mallory", Finding("app.py", "@alice and @tina", 2))
    assert fix.pull.requested_reviewers == []
    reviewed = next(event for event in fix.events if event.kind is EventKind.REVIEWED)
    assert (reviewed.subject_id, written.submitted_at) == (written.id, town.world.now())
    assert told(town, "mallory") == told(town, "alice") == {"Fix": Reason.MENTION}
    town.world.inbox.clear()
    alice.comment(REPO, fix.number, "thanks")
    assert told(town, "tina") == {"Fix": Reason.REVIEW_REQUESTED}


def test_whom_one_can_ask_for_a_review(town, fix):
    alice = town.person("alice")
    town.add_repo("alice/secret", {"a.txt": "1\n"}, private=True)
    alice.push("alice/secret", "x", {"a.txt": "2\n"})
    hidden = alice.open_pull("alice/secret", "x", "X")
    for place in (
        (REPO, fix.number, "bot"),
        (REPO, fix.number, "nobody"),
        ("alice/secret", hidden, "mallory"),
    ):
        with pytest.raises(Invalid):
            alice.request_review(*place)
    with pytest.raises(Forbidden):
        town.person("mallory").request_review(REPO, fix.number, "alice")
    alice.request_review(REPO, fix.number, "mallory")
    for attempt in (["mallory"], ["tina", "nobody"]):
        reviews.unrequest_reviewers(town.world, alice.caller, fix, attempt)
    assert fix.pull.requested_reviewers == []
    assert kinds(fix).count(EventKind.REVIEW_REQUEST_REMOVED) == 1
    with pytest.raises(Forbidden):
        reviews.unrequest_reviewers(town.world, caller(town, "mallory"), fix, ["alice"])


def test_a_team_is_asked_once(town):
    town.add_org("acme", teams={"core": ("tina",)})
    town.add_repo("acme/tools", {"a.txt": "1\n"}, collaborators={"bot": "write"})
    bot = town.person("bot")
    bot.push("acme/tools", "x", {"a.txt": "2\n"})
    pull = town.issue("acme/tools", bot.open_pull("acme/tools", "x", "X"))
    for _ in range(2):
        reviews.request_reviewers(town.world, bot.caller, pull, (), ("core",))
    assert pull.pull.requested_teams == ["core"]
    assert [thread.reason for thread in town.person("tina").inbox()] == [Reason.REVIEW_REQUESTED]
    with pytest.raises(Invalid):
        reviews.request_reviewers(town.world, bot.caller, pull, (), ("gone",))


def test_an_answer_to_a_line_is_a_review_of_its_own(town, fix):
    review(town, "alice", fix, "COMMENT", "see", Finding("app.py", "why?", 2))
    (first,) = fix.pull.line_comments
    answer = reviews.reply(town.world, caller(town, "bot"), fix, first, "because")
    again = reviews.reply(town.world, caller(town, "alice"), fix, answer, "ah")
    assert (answer.reply_to, again.reply_to, again.line) == (first.id, first.id, 2)
    assert len(fix.pull.reviews) == 3
    assert kinds(fix).count(EventKind.REVIEWED) == 3
    found = reviews.find_line_comment(town.world, caller(town, "tina"), fix, again.id)
    assert found is again
    with pytest.raises(NotFound):
        reviews.find_line_comment(town.world, caller(town, "tina"), fix, 1)
    with pytest.raises(NotFound):
        reviews.find_review(fix, 1)


def test_a_dismissed_verdict_counts_no_more(town, fix, clock):
    town.protect(REPO, approvals=1)
    decided = [pulls.review_decision(town.world, fix)]
    refusal = review(town, "alice", fix, "REQUEST_CHANGES", "no")
    decided.append(pulls.review_decision(town.world, fix))
    with pytest.raises(Forbidden):
        reviews.dismiss(town.world, caller(town, "tina"), fix, refusal)
    clock.advance(5)
    reviews.dismiss(town.world, caller(town, "alice"), fix, refusal)
    assert refusal.updated_at == fix.updated_at == town.world.now()
    decided.append(pulls.review_decision(town.world, fix))
    review(town, "mallory", fix, "APPROVE")
    review(town, "tina", fix, "APPROVE")
    decided.append(pulls.review_decision(town.world, fix))
    review(town, "alice", fix, "APPROVE")
    review(town, "alice", fix, "COMMENT", "still good")
    decided.append(pulls.review_decision(town.world, fix))
    assert decided == [
        "REVIEW_REQUIRED",
        "CHANGES_REQUESTED",
        "REVIEW_REQUIRED",
        "REVIEW_REQUIRED",
        "APPROVED",
    ]
    town.protect(REPO)
    assert pulls.review_decision(town.world, fix) is None


# ---------------------------------------------------------------- reports


def test_statuses_are_for_writers_and_check_runs_for_apps(town, fix):
    sha, bot = fix.pull.head_sha, town.person("bot")
    with pytest.raises(Forbidden):
        town.person("tina").set_status(REPO, sha, "success")
    for field, wrong in (("state", (sha, "fine")), ("sha", ("f" * 40, "success"))):
        with pytest.raises(Invalid) as refused:
            bot.set_status(REPO, *wrong)
        assert refused.value.errors[0].field == field
    with pytest.raises(Forbidden):
        bot.create_check_run(REPO, sha, "ci")
    app = town.add_app("ci")
    with pytest.raises(Invalid):
        app.create_check_run(REPO, sha, "ci", "fine")
    running = app.create_check_run(REPO, sha, "ci", status="completed")
    queued = app.create_check_run(REPO, sha, "ci", status="queued")
    done = app.create_check_run(REPO, sha, "ci", "success")
    assert [(run.status, run.completed_at) for run in (running, queued, done)] == [
        ("in_progress", None), ("queued", None), ("completed", town.world.now()),
    ]  # fmt: skip
    narrow = town.world.tokens[town.add_app_token("ci", {"checks": "read"})]
    with pytest.raises(Forbidden):
        repos.create_check_run(
            town.world,
            Caller(app.caller.account, narrow),
            town.world.repo(REPO),
            repos.CheckReport("ci", sha),
        )
    classic = Caller(town.world.account("ci[bot]"), town.world.tokens[town.add_token("ci[bot]")])
    with pytest.raises(Forbidden):
        repos.create_check_run(town.world, classic, town.world.repo(REPO), repos.CheckReport("ci", sha))


def test_a_proposal_is_judged_with_the_rights_of_its_author(town):
    town.person("bot").push(REPO, "fix", CHANGED)
    with pytest.raises(Forbidden):
        pulls.open_pull(
            town.world, caller(town, "tina"), town.world.repo(REPO), Proposal("Fix", "fix", "main")
        )
    with pytest.raises(Invalid):
        issues.change(
            town.world,
            caller(town, "alice"),
            town.issue(REPO, town.person("alice").open_issue(REPO, "x")),
            issues.Changes(state="merged"),
        )
