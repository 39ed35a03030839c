"""Nothing that a client sends makes the box fail: nonsense is refused, and the box goes on."""

from __future__ import annotations

import pytest

from dispatcher.simulator.rest import route_names
from tests.simulator.conftest import REPO

FIELDS = [
    "assignees",
    "base",
    "body",
    "color",
    "comments",
    "commit_id",
    "commit_message",
    "conclusion",
    "content",
    "context",
    "description",
    "draft",
    "event",
    "expected_head_sha",
    "force",
    "head",
    "head_sha",
    "in_reply_to",
    "issue_id",
    "labels",
    "last_read_at",
    "line",
    "merge_method",
    "message",
    "name",
    "new_name",
    "output",
    "path",
    "ref",
    "reviewers",
    "sha",
    "state",
    "state_reason",
    "status",
    "target_url",
    "team_reviewers",
    "title",
]
PLACES = {
    "<int:number>": "2",
    "<int:account_id>": "1001",
    "<int:comment_id>": "1",
    "<int:review_id>": "1",
    "<int:thread_id>": "1",
    "<int:run_id>": "1",
    "<path:branch>": "main",
    "<path:ref>": "heads/main",
    "<path:path>": "app.py",
    "<path:basehead>": "main...main",
    "<ref>": "0" * 40,
    "<org>": "acme",
    "<slug>": "core",
    "<login>": "bot",
    "<name>": "bug",
}


def path_of(route: str) -> tuple[str, str]:
    method, _, path = route.partition(" ")
    for placeholder, value in PLACES.items():
        path = path.replace(placeholder, value)
    starts = ("/user", "/rate", "/meta", "/orgs", "/search")
    in_repo = not path.startswith(starts) and path not in {"/issues/", "/threads"} and "/threads/" not in path
    return method, f"/repos/{REPO}{path}" if in_repo else path


@pytest.mark.parametrize(
    "value", [5, "x", [], ["x", 5], {}, {"title": 5}, True, None, -1.5, "\ud83d\u0000"], ids=repr
)
def test_fields_of_the_wrong_kind_are_refused_not_crashed_on(street, alice, bot, value):
    alice.open_issue(REPO, "Bug")
    bot.push(REPO, "bot/1", {"app.py": "x\n"})
    bot.open_pull(REPO, "bot/1", "Fix")
    api = street.as_user("bot")
    for route in sorted(route_names()):
        method, path = path_of(route)
        answer = api(method, path, dict.fromkeys(FIELDS, value))
        assert answer.status_code < 500, (route, answer.text)
    assert street.box.door.crashes == []


@pytest.mark.parametrize("body", ["[]", "5", '"x"', "null", "{", "\x00"], ids=repr)
def test_bodies_of_the_wrong_kind_are_refused(street, body):
    api = street.as_user("bot")
    for path in (f"/repos/{REPO}/issues", "/graphql"):
        answer = api.session.post(
            api.base + path, body.encode(), headers={"Authorization": f"token {api.token}"}, timeout=20
        )
        assert answer.status_code in {400, 422}, answer.text


@pytest.mark.parametrize(
    "query",
    [
        "",
        "{",
        "query($n: Int!) { viewer { login } }",
        '{ node(id: "I_") { id } }',
        '{ node(id: "X_1") { id } }',
        '{ search(query: "updated:>= label: sort: is:", type: ISSUE, first: 1) { issueCount } }',
        '{ repository(owner: "", name: "") { id } }',
        '{ repository(owner: "alice", name: "shop") { ref(qualifiedName: "--all") { name } object(expression: "a b:..") { id } } }',
        'mutation { addComment(input: {subjectId: "R_1", body: ""}) { clientMutationId } }',
    ],
)
def test_odd_graphql_never_fails_the_box(street, query):
    shown = street.as_user("bot").graphql(query)
    assert "errors" in shown or "data" in shown
    assert street.box.door.crashes == []


def test_odd_paths_and_queries_never_fail_the_box(street):
    api = street.as_user("bot")
    for path in (
        "/",
        "//",
        "/repos/%2e%2e/x",
        "/repos/a",
        "/api/v3",
        "/issues?per_page=x&page=-1&labels=,,",
        "/%00",
    ):
        assert api.get(path).status_code < 500
    for path in (
        "/../../x.git/info/refs?service=git-upload-pack",
        f"/{REPO}.git/info/refs?service=rm",
        f"/{REPO}.git/HEAD",
    ):
        assert api.get(path).status_code in {403, 404}
    assert street.box.door.crashes == []


def test_a_huge_issue_is_refused_unless_the_forge_allows_it(street):
    api = street.as_user("bot")
    assert api.post(f"/repos/{REPO}/issues", {"title": "Big", "body": "x" * 1_000_000}).status_code == 422
    street.box.settings.comment_limit_chars = 2_000_000
    assert api.post(f"/repos/{REPO}/issues", {"title": "Big", "body": "x" * 1_000_000}).status_code == 201
