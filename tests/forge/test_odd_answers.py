"""Answers that the simulator does not give: GitHub's half-truths, written down by hand."""

from dataclasses import replace

import pytest

from dispatcher.core.errors import Gone, NeedsPerson, QuotaSpent, RetryLater
from dispatcher.core.markers import parse_markers, render_key_marker
from dispatcher.core.model import Finding, ItemKey, Permission, Person
from dispatcher.core.rules import RepoRules
from dispatcher.forge.claims import Claimer
from dispatcher.forge.known import KnownComment, KnownItem, Memory, Numbers
from dispatcher.forge.permissions import Permissions
from dispatcher.forge.refusals import Refused
from dispatcher.forge.snapshot import Reader
from dispatcher.forge.stage import StageWriter, find_own_status
from dispatcher.forge.writes import Writer
from dispatcher.ports import ClaimOrder, ItemOrder, PullOrder, Repo, ReviewOrder, StageOrder

SHOP = "acme/shop"
KEY = ItemKey(1, 7)
BOT = Person(9, "bot")
DIFF = {
    "files": [{"filename": "app.py", "patch": "@@ -1,2 +1,2 @@\n one\n-two\n+TWO"}, {"filename": "logo.png"}]
}


@pytest.fixture
def writer(line, clock):
    """A writer that knows one open pull request, a label and the bot."""
    memory = Memory()
    memory.keep_repo(1, SHOP)
    memory.keep_label(1, "bot", "L_bot")
    memory.keep_user("bot", "U_bot")
    memory.keep_user("ann", "U_ann")
    memory.keep(
        KnownItem(KEY, "PR_7", is_open=True, labels=(), assignees=(), updated_at=clock.now(), base="main")
    )
    memory.keep_numbers(1, Numbers(7))
    reader = Reader(line, memory, Permissions(line, clock, memory), lambda: BOT)
    return Writer(line, memory, reader)


def review(*findings):
    return ReviewOrder(KEY, SHOP, "abc", "Two things.", findings, "review-1")


def written(clock, **more):
    return {"id": 5, "submitted_at": clock.now().isoformat(), "created_at": clock.now().isoformat()} | more


def graph(**aliases):
    return {"data": aliases}


def failure(alias, kind, message="no"):
    return {"errors": [{"type": kind, "message": message, "path": [alias]}]}


def state(**more):
    base = {
        "__typename": "PullRequest",
        "id": "PR_7",
        "number": 7,
        "pullState": "OPEN",
        "updatedAt": "2026-11-21T09:00:05Z",
    }
    return base | {"labels": {"nodes": []}, "assignees": {"nodes": []}} | more


def stage(**order):
    return StageOrder(SHOP, None, ItemOrder(KEY, **order), "", KEY, None)


# ---------------------------------------------------------------- reviews


def test_when_github_refuses_a_line_everything_is_posted_in_the_body(script, line, clock, writer):
    script.says(200, DIFF).says(422, {"message": "line must be part of the diff"}).says(200, []).says(
        200, written(clock)
    )
    writer.post_review(review(Finding("why?", "minor", "app.py", 2)))
    assert [method for method, _, _ in script.asked] == ["GET", "POST", "GET", "POST"]
    assert '"comments": []' in script.asked[-1][2]
    assert "`app.py:2` **minor**: why?" in script.asked[-1][2]


def test_a_review_that_github_refuses_without_lines_is_a_persons_matter(script, writer):
    script.says(422, {"message": "commit is not part of the pull request"}).says(200, [])
    with pytest.raises(Refused, match="not part"):
        writer.post_review(review())
    assert writer.memory.items == {}


def test_a_pending_review_of_ours_is_deleted_and_a_strangers_is_not(script, writer, clock):
    pending = [
        {"id": 3, "state": "PENDING", "user": {"id": 8}},
        {"id": 4, "state": "PENDING", "user": {"id": 9}},
    ]
    script.says(200, DIFF).says(422, {"message": "pending"}).says(200, pending).says(200, {}).says(
        422, {"message": "bad line"}
    )
    script.says(200, written(clock))
    writer.post_review(review(Finding("why?", "minor", "app.py", 2)))
    assert script.asked[3][:2] == ("DELETE", "/repositories/1/pulls/7/reviews/4")


def test_an_answer_without_an_id_is_not_taken_for_a_success(script, writer):
    script.says(200, {})
    with pytest.raises(NeedsPerson, match="without its number"):
        writer.post_comment(KEY, "Hello.", "k")
    assert writer.memory.items == {}


# ---------------------------------------------------------------- pull requests


def test_a_pull_request_that_github_denies_and_hides_is_for_later(script, writer):
    script.says(200, [])
    script.says(422, {"message": "no", "errors": [{"message": "A pull request already exists for acme:b."}]})
    script.says(200, []).says(200, [{"head": {"ref": "other"}}])
    with pytest.raises(RetryLater, match="lists none"):
        writer.open_pull(PullOrder(SHOP, "b", "main", "t", "b", "k"))


def test_a_rename_between_two_requests_is_for_later(script, writer):
    script.says(200, [])
    script.says(307, {"message": "Moved Permanently"}, Location="/repositories/1/pulls")
    with pytest.raises(RetryLater, match="renamed"):
        writer.open_pull(PullOrder(SHOP, "b", "main", "t", "b", "k"))


# ---------------------------------------------------------------- stages


def test_an_assignment_that_is_refused_leaves_the_rest_standing(script, writer, caplog):
    body = graph(
        addLabels0={"labelable": state(labels={"nodes": [{"name": "bot", "id": "L_bot"}]})}, assign1=None
    )
    script.says(200, body | failure("assign1", "UNPROCESSABLE", "ann cannot be assigned"))
    receipt = StageWriter(writer).show(stage(add_labels=frozenset({"bot"}), assign=("ann",)))
    assert receipt.missing_assignees == ("ann",)
    assert writer.memory.items[KEY].has_label("BOT")
    assert "ann cannot be assigned" in caplog.text


def test_a_label_that_was_deleted_is_looked_up_again_next_time(script, writer):
    script.says(200, graph(addLabels0=None) | failure("addLabels0", "NOT_FOUND"))
    with pytest.raises(RetryLater, match="looking again"):
        StageWriter(writer).show(stage(add_labels=frozenset({"bot"})))
    assert writer.memory.label_id(1, "bot") is None
    assert writer.memory.items == {}


def test_a_refused_label_is_a_persons_matter(script, writer):
    script.says(200, graph(addLabels0=None) | failure("addLabels0", "FORBIDDEN", "must have triage rights"))
    with pytest.raises(NeedsPerson, match="triage"):
        StageWriter(writer).show(stage(add_labels=frozenset({"bot"})))


def test_a_label_that_somebody_else_just_created_is_looked_up(script, writer):
    script.says(
        422, {"message": "Validation Failed", "errors": [{"code": "already_exists", "field": "name"}]}
    )
    script.says(200, {"name": "new", "node_id": "L_new"})
    script.says(
        200, graph(addLabels0={"labelable": state(labels={"nodes": [{"name": "new", "id": "L_new"}]})})
    )
    StageWriter(writer).show(stage(add_labels=frozenset({"new"})))
    assert "L_new" in script.asked[-1][2]


def test_a_label_that_somebody_else_just_created_does_not_count_as_ours(script, writer):
    script.says(422, {"message": "Validation Failed", "errors": [{"code": "already_exists"}]})
    script.says(200, {"name": "new", "node_id": "L_new"})
    assert not writer.create_label(1, "new")


def test_a_status_comment_is_remembered_on_the_item_that_it_is_on(script, writer, clock):
    """The issue of the task is known, too, and has none."""
    issue = ItemKey(1, 6)
    writer.memory.keep(replace(writer.memory.items[KEY], key=issue, node_id="I_6"))
    writer.memory.keep_numbers(1, Numbers(6, 7))
    node = {"id": "C", "databaseId": 3, "updatedAt": "2026-11-21T09:00:05Z"}
    script.says(200, graph(comment0={"commentEdge": {"node": node}, "subject": state()}))

    StageWriter(writer, "here").show(StageOrder(SHOP, None, ItemOrder(KEY), "At work.", KEY, None))

    known = writer.memory.items
    assert ([c.id for c in known[KEY].comments], known[issue].comments) == ([3], ())


def test_a_label_that_was_just_created_but_does_not_show_is_for_later(script, writer):
    script.says(422, {"message": "Validation Failed", "errors": [{"code": "already_exists"}]})
    script.says(200, {"name": "other", "node_id": "L_other"})
    with pytest.raises(RetryLater, match="does not show it yet"):
        StageWriter(writer).show(stage(add_labels=frozenset({"new"})))


def test_a_label_that_github_does_not_want_is_a_persons_matter(script, writer):
    script.says(422, {"message": "Validation Failed", "errors": [{"code": "invalid", "field": "name"}]})
    with pytest.raises(Refused):
        writer.create_label(1, "no, thanks")


def test_the_labels_of_a_repository_are_listed_for_fifty_pages_at_most(script, writer):
    for _ in range(51):
        script.says(200, [{"name": "x", "node_id": "L"}], Link='<https://forge.invalid?page=9>; rel="next"')
    rules = RepoRules("shop", "acme", "shop")
    assert "bot" in writer.missing_labels(Repo(1, SHOP, "main", rules, Permission.WRITE, ""))
    assert len(script.asked) == 50


def test_labels_that_others_created_meanwhile_are_not_named_as_ours(script, writer):
    rules = RepoRules("shop", "acme", "shop")
    ours = rules.labels.ours
    script.says(200, [{"name": name, "node_id": "L"} for name in sorted(ours)[1:]])
    script.says(422, {"message": "Validation Failed", "errors": [{"code": "already_exists"}]})
    script.says(200, {"name": min(ours), "node_id": "L"})
    assert writer.create_labels(Repo(1, SHOP, "main", rules, Permission.WRITE, "")) == ()


def test_an_error_that_names_no_part_is_a_persons_matter(script, writer):
    script.says(
        200, {"errors": [{"type": "FORBIDDEN", "message": "no", "path": []}], "data": {"addLabels0": None}}
    )
    with pytest.raises(NeedsPerson):
        StageWriter(writer).show(stage(add_labels=frozenset({"bot"})))


def test_somebody_who_was_never_seen_is_asked_for_by_name(script, writer):
    script.says(200, {"login": "kim", "node_id": "U_kim"})
    script.says(200, graph(assign0={"assignable": state()}))
    StageWriter(writer).show(stage(assign=("kim",)))
    assert script.asked[0][:2] == ("GET", "/users/kim")
    assert "U_kim" in script.asked[1][2]


def test_a_comment_that_tells_no_stage_is_never_rewritten_as_one_that_does(writer, clock):
    notes = parse_markers(render_key_marker("answer-1"))
    said = KnownComment(3, "C", notes, "It is the sum.", clock.now())
    item = replace(writer.memory.items[KEY], comments=(said,))
    assert find_own_status((item,), "", 3) is None


def test_what_is_related_is_what_is_known(writer):
    assert writer.related(ItemKey(1, 99)) == ()
    writer.memory.keep_numbers(1, Numbers(6, 7))
    assert [item.key for item in writer.related(KEY)] == [KEY]


# ---------------------------------------------------------------- pull requests and reviews


def pull_json(number=5, branch="bot/7", **more):
    repo = {"id": 1, "full_name": SHOP}
    shown = {
        "number": number, "node_id": "PR", "state": "open", "body": "", "user": {"id": 9},
        "head": {"ref": branch, "sha": "abc"}, "base": {"ref": "main", "repo": repo},
        "labels": [], "assignees": [], "updated_at": "2026-11-21T09:00:05Z",
    }  # fmt: skip
    return shown | more


ORDER = PullOrder(SHOP, "bot/7", "main", "Mend", "Closes #7", "pull-1")


def test_a_list_that_holds_more_than_was_asked_for_hides_nothing(script, writer):
    """A head whose name only begins like ours, one of a person who is gone, and then ours."""
    theirs = pull_json(3, "bot/70"), pull_json(4, state="closed", user=None, body=render_key_marker("pull-1"))
    script.says(200, [*theirs, pull_json()])
    assert writer.open_pull(ORDER).number == 5


def test_which_of_the_open_ones_stands_in_the_way_is_looked_up_by_its_branch(script, writer):
    script.says(200, [])
    script.says(422, {"message": "A pull request already exists for acme:bot/7."})
    script.says(200, [pull_json(3, "bot/70")]).says(200, [pull_json(3, "bot/70"), pull_json()])
    assert writer.open_pull(ORDER).number == 5


def test_a_new_pull_request_without_a_number_is_none(script, writer):
    script.says(200, []).says(201, pull_json(0))
    with pytest.raises(RetryLater, match="without its number"):
        writer.open_pull(ORDER)


@pytest.mark.parametrize(
    ("more", "is_known"),
    [({}, True), ({"labels": [{"name": "bot"}]}, False), ({"assignees": [{"login": "ann"}]}, False)],
)
def test_a_new_pull_request_that_somebody_touched_already_is_looked_at_first(script, writer, more, is_known):
    script.says(200, []).says(201, pull_json(**more))
    writer.open_pull(ORDER)
    assert (ItemKey(1, 5) in writer.memory.items) is is_known


def test_only_a_half_written_review_of_ours_is_deleted(script, writer, clock):
    there = [
        {"id": 2, "state": "COMMENTED", "user": {"id": 9}},
        {"id": 3, "state": "PENDING", "user": None},
    ]
    script.says(200, DIFF).says(422, {"message": "bad line"}).says(200, there).says(200, written(clock))
    writer.post_review(review(Finding("why?", "minor", "app.py", 2)))
    assert [method for method, _, _ in script.asked] == ["GET", "POST", "GET", "POST"]


def test_a_finding_without_a_weight_is_told_as_it_is(script, writer, clock):
    script.says(200, DIFF).says(200, written(clock))
    writer.post_review(review(Finding("why?", "", "app.py", 2)))
    assert '"body": "why?"' in script.asked[-1][2]


# ---------------------------------------------------------------- claims


def claim_order(clock):
    return ClaimOrder(KEY, SHOP, "run-1", "here", clock.now(), "At work.", None)


def test_a_claim_that_runs_into_the_quota_is_for_later(script, writer, clock):
    script.says(200, failure("status", "RATE_LIMITED"), x_ratelimit_remaining="0")
    with pytest.raises(QuotaSpent):
        Claimer(writer, clock).claim(claim_order(clock))
    assert writer.memory.items == {}


def test_a_claim_on_an_item_that_is_gone_says_so(script, writer, clock):
    script.says(200, graph(assign=None, status=None) | failure("status", "NOT_FOUND"))
    with pytest.raises(Gone):
        Claimer(writer, clock).claim(claim_order(clock))


def test_a_claim_whose_comment_is_gone_says_so_whatever_else_went_wrong(script, writer, clock):
    gone = failure("status", "NOT_FOUND")["errors"]
    script.says(
        200, graph(assign=None, status=None) | {"errors": [*failure("assign", "FORBIDDEN")["errors"], *gone]}
    )
    with pytest.raises(Gone):
        Claimer(writer, clock).claim(claim_order(clock))


def test_a_claim_of_a_bot_whom_github_does_not_name_is_for_later(writer, clock):
    writer.memory = replace_memory(writer.memory)
    with pytest.raises(RetryLater, match="what it calls bot"):
        Claimer(writer, clock).claim(claim_order(clock))


def replace_memory(before):
    """What is known, but for the people."""
    memory = Memory()
    for item in before.items.values():
        memory.keep(item)
    return memory


def test_a_claim_that_github_cannot_read_is_not_sent_again_and_again(script, writer, clock):
    script.says(200, {"errors": [{"message": "Field 'status' doesn't exist on type 'Mutation'"}]})
    with pytest.raises(Refused):
        Claimer(writer, clock).claim(claim_order(clock))
    assert len(script.asked) == 1


def claimed_item():
    """What the answer to a claim shows: the comment, and in it the item with the bot on it."""
    comment = {
        "id": "C",
        "databaseId": 3,
        "body": "x",
        "createdAt": "2026-11-21T09:00:05Z",
        "lastEditedAt": None,
    }
    bot = {"__typename": "User", "login": "bot", "databaseId": 9, "id": "U_bot"}
    item = state(
        title="t", headRefOid="abc", headRefName="b", baseRefName="main", baseRefOid="old", createdAt="2026-11-21T09:00:00Z",
        assignees={"nodes": [bot]}, comments={"pageInfo": {"hasPreviousPage": False}, "nodes": [comment | {"author": bot}]},
    )  # fmt: skip
    repository = {"databaseId": 1, "nameWithOwner": SHOP, "item": item}
    return {"commentEdge": {"node": comment | {"repository": repository}}}


@pytest.mark.parametrize(("part", "is_told"), [("collaborators", False), ("labels", True)])
def test_a_claim_holds_though_a_part_of_what_was_read_back_is_withheld(
    script, writer, clock, caplog, part, is_told
):
    """Who the collaborators are is not shown to every token, and no news; anything else is told."""
    withheld = {
        "type": "FORBIDDEN",
        "message": "not for you",
        "path": ["status", "commentEdge", "node", part],
    }
    script.says(200, graph(assign={}, status=claimed_item()) | {"errors": [withheld]})
    snapshot = Claimer(writer, clock).claim(claim_order(clock))
    assert [marker.run_id for marker in snapshot.markers] == ["run-1"]
    assert ("not for you" in caplog.text) is is_told


def test_a_claim_on_a_server_without_dependencies_is_sent_again_without_them(script, writer, clock):
    script.says(
        200, {"errors": [{"message": "Field 'issueDependenciesSummary' doesn't exist on type 'Issue'"}]}
    )
    script.says(200, graph(assign={}, status=claimed_item()))
    snapshot = Claimer(writer, clock).claim(claim_order(clock))
    assert [marker.run_id for marker in snapshot.markers] == ["run-1"]
    assert "issueDependenciesSummary" not in script.asked[1][2]
