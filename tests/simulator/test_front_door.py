"""What happens around every request: prefixes, who is asking, limits, faults, the log."""

from __future__ import annotations

import time

import pytest

from dispatcher.simulator import Fault, What
from dispatcher.simulator.exchange import Answer, Request, parse_stamp
from dispatcher.simulator.frontdoor import Dropped
from dispatcher.simulator.rest import route_of
from tests.simulator.conftest import REPO, Street


def ask(
    street: Street, path: str, token: str = "", method: str = "GET", body: bytes = b"", **headers: str
) -> Answer:
    if token:
        headers["authorization"] = f"Bearer {token}"
    where, _, query = path.partition("?")
    return street.box.door.answer(Request(method, where, query, headers, body))


@pytest.fixture
def token(street: Street) -> str:
    return street.scene.add_token("bot", "repo", "notifications")


def test_the_prefixes_of_an_enterprise_server_are_taken_off_and_nothing_else_is(street, token):
    assert ask(street, "/api/v3/user", token).status == 200
    assert ask(street, "/api/graphql", token, "POST", b'{"query": "{viewer{login}}"}').status == 200
    assert ask(street, "/api/user", token).status == 404
    assert ask(street, "/api/v3", token).status == 404
    shown = ask(street, f"/api/v3/repos/{REPO}", token).content()
    assert f"{street.box.url}/api/v3/repos/{REPO}".encode() in shown
    plain = ask(street, f"/repos/{REPO}", token).content()
    assert b"/api/v3" not in plain


def test_search_graphql_and_the_rest_have_limits_of_their_own(street, token):
    headers = [
        ask(street, "/search/issues?q=is:open", token).headers,
        ask(street, "/graphql", token, "POST", b'{"query": "{viewer{login}}"}').headers,
        ask(street, "/user", token).headers,
    ]
    assert [(h["X-RateLimit-Resource"], h["X-RateLimit-Limit"], h["X-RateLimit-Used"]) for h in headers] == [
        ("search", "30", "1"), ("graphql", "5000", "1"), ("core", "5000", "1"),
    ]  # fmt: skip


def test_asking_for_the_limits_costs_nothing_even_when_nothing_is_left(street, token):
    street.box.settings.core_limit = 1
    for _ in range(2):
        assert ask(street, "/rate_limit", token).headers["X-RateLimit-Used"] == "0"
    assert ask(street, "/user", token).status == 200
    assert ask(street, "/user", token).status == 403
    assert ask(street, "/rate_limit", token).status == 200


def test_a_limit_that_is_changed_counts_at_once(street, token):
    assert ask(street, "/user", token).headers["X-RateLimit-Limit"] == "5000"
    street.box.settings.core_limit = 1
    assert ask(street, "/user", token).headers["X-RateLimit-Limit"] == "1"


def test_a_route_has_one_name_however_the_repository_is_named():
    paths = ("/repos/alice/shop/issues", "/repositories/7/issues", "/user", "/nothing")
    assert [route_of("GET", path) for path in paths] == ["GET /issues", "GET /issues", "GET /user", None]


def test_a_spent_graphql_limit_answers_200_with_an_error(street, token):
    street.box.settings.graphql_limit = 0
    answer = ask(street, "/graphql", token, "POST", b'{"query": "{viewer{login}}"}')
    assert (answer.status, answer.body["errors"][0]["type"]) == (200, "RATE_LIMITED")
    assert answer.headers["X-RateLimit-Remaining"] == "0"


def test_an_error_of_graphql_has_a_type_only_where_github_gives_one(street, token):
    odd = ask(street, "/graphql", token, "POST", b'{"query": "{viewer{"}')
    gone = ask(
        street, "/graphql", token, "POST", b'{"query": "{repository(owner: \\"x\\", name: \\"y\\") {id}}"}'
    )
    assert "type" not in odd.body["errors"][0]
    assert gone.body["errors"][0]["type"] == "NOT_FOUND"


def test_classic_tokens_show_their_scopes_and_what_would_be_accepted(street, token):
    headers = ask(street, "/user", token).headers
    assert (headers["X-OAuth-Scopes"], headers["X-Accepted-OAuth-Scopes"]) == ("repo, notifications", "")
    assert set(headers) >= {"ETag", "X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"}


def test_a_fault_is_looked_for_in_path_and_query_as_they_were_sent(street, token):
    street.box.faults.add(Fault(What.FAIL_BEFORE, "^/user$"))
    street.box.faults.add(Fault(What.FAIL_BEFORE, r"^/user\?x=1$", status=503))
    assert [ask(street, path, token).status for path in ("/user", "/user?x=1", "/user")] == [502, 503, 200]


def test_a_delay_is_as_long_as_was_asked(street, token):
    street.box.faults.add(Fault(What.DELAY, delay_s=0.2))
    began = time.perf_counter()
    ask(street, "/user", token)
    middle = time.perf_counter()
    assert middle - began >= 0.2


def test_a_dropped_request_is_no_accident_of_the_box(street, token):
    for what in (What.DROP_BEFORE, What.DROP_AFTER):
        street.box.faults.add(Fault(what))
        with pytest.raises(Dropped):
            ask(street, "/user", token)
    assert street.box.door.crashes == []


def test_a_stale_answer_is_the_last_good_one_of_the_same_question_and_token(street, alice, token):
    path = f"/repos/{REPO}/issues"
    other = street.scene.add_token("bot")
    first = ask(street, path, token).body
    ask(street, f"{path}?state=all", token)
    assert (
        ask(street, path, token, **{"if-none-match": ask(street, path, token).headers["ETag"]}).status == 304
    )
    ask(street, path, token, "POST", b'{"title": "Bug"}')
    for shown, asked in ((first, token), (None, other)):
        street.box.faults.add(Fault(What.STALE, "/issues$"))
        answer = ask(street, path, asked)
        assert (answer.body == first) is (shown == first)
    assert b"Bug" in ask(street, path, token).content()


def test_what_a_change_answered_is_no_stale_answer_to_a_question(street, alice, token):
    alice.open_issue(REPO, "Bug")
    path = f"/repos/{REPO}/issues/1"
    before = ask(street, path, token).body
    assert ask(street, path, token, "PATCH", b'{"title": "New"}').status == 200
    street.box.faults.add(Fault(What.STALE, "/issues/1$"))
    assert ask(street, path, token).body == before


@pytest.mark.parametrize(("status", "shown"), [(403, 403), (429, 429), (500, 403)])
def test_a_limit_is_403_or_429(street, token, status, shown):
    for primary in (True, False):
        street.box.faults.add(Fault(What.LIMIT, status=status, primary=primary))
        assert ask(street, "/user", token).status == shown


def test_an_accident_of_the_box_is_told_and_kept(street, token):
    street.scene.world.repo(REPO).issues[5] = None  # type: ignore[assignment]
    answer = ask(street, f"/repos/{REPO}/issues", token)
    assert answer.status == 500
    assert "The simulator itself failed" in answer.body["message"]
    assert len(street.box.door.crashes) == 1
    street.box.door.crashes.clear()


def test_the_log_has_the_body_of_the_api_and_not_of_git(street, token):
    ask(street, f"/repos/{REPO}/issues?x=1", token, "POST", b'{"title": "Bug"}')
    ask(street, f"/{REPO}.git/git-receive-pack", token, "POST", b"a pack")
    ask(street, "/user", "ghp_nobody")
    api, git, nobody = street.box.requests[-3:]
    assert (api.body, api.line) == (b'{"title": "Bug"}', f"POST /repos/{REPO}/issues?x=1 -> 201")
    assert (git.body, git.login) == (b"", "bot")
    assert (nobody.login, nobody.status, nobody.conditional) == ("", 401, False)


def test_a_body_that_is_no_object_is_told_from_one_that_is_no_json(street, token):
    path = f"/repos/{REPO}/issues"
    assert [ask(street, path, token, "POST", body).status for body in (b"{", b"[]", b"")] == [400, 422, 422]
    assert Answer(204).content() == b""
    assert Answer(200, b"raw").content() == b"raw"
    assert Answer(200, {"a": 1}).content() == b'{"a":1}'


@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo"])
def test_a_time_with_a_zone_is_brought_to_utc_and_one_without_is_utc_on_every_machine(zone, monkeypatch):
    with monkeypatch.context() as machine:
        machine.setenv("TZ", zone)
        time.tzset()
        told = {
            parse_stamp(text).isoformat() for text in ("2026-03-01T13:00:00+01:00", " 2026-03-01T12:00:00 ")
        }
    time.tzset()
    assert told == {"2026-03-01T12:00:00+00:00"}


# ---------------------------------------------------------------- the words of REST


def send(street: Street, token: str, method: str, path: str, body: str) -> Answer:
    return ask(street, path, token, method, body.encode())


def test_only_what_was_found_has_an_etag(street, token):
    assert "ETag" in ask(street, f"/repos/{REPO}/assignees", token).headers
    there = ask(street, f"/repos/{REPO}/assignees/bot", token)
    assert (there.status, "ETag" in there.headers) == (204, False)


def test_a_new_repository_under_an_old_name_is_found_itself(street, alice, token):
    alice.rename_repo(REPO, "store")
    moved = [ask(street, f"/repos/{REPO}", token), send(street, token, "POST", f"/repos/{REPO}/issues", "{}")]
    assert [(answer.status, answer.body["message"]) for answer in moved] == [
        (301, "Moved Permanently"), (307, "Temporary Redirect"),
    ]  # fmt: skip
    street.scene.add_repo(REPO)
    assert ask(street, f"/repos/{REPO}", token).status == 200


def test_errors_say_what_they_have_to_say_and_no_more(street, bot, token):
    gone = ask(street, f"/repos/{REPO}/issues/99", token)
    assert "errors" not in gone.body
    nameless = send(street, token, "POST", f"/repos/{REPO}/issues", '{"title": ""}')
    assert nameless.body["errors"] == [{"resource": "Issue", "code": "missing_field", "field": "title"}]
    bot.push(REPO, "fix", {"a.txt": "1\n"})
    bot.open_pull(REPO, "fix", "Fix")
    twice = send(
        street, token, "POST", f"/repos/{REPO}/pulls", '{"title": "x", "head": "fix", "base": "main"}'
    )
    (error,) = twice.body["errors"]
    assert (error["code"], "field" in error, "already exists" in error["message"]) == ("custom", False, True)


def test_an_issue_is_no_pull_request_and_null_empties_a_body(street, alice, token):
    alice.open_issue(REPO, "Bug", "words")
    assert ask(street, f"/repos/{REPO}/pulls/1", token).status == 404
    path = f"/repos/{REPO}/issues/1"
    assert send(street, token, "PATCH", path, '{"title": "A bug"}').status == 200
    assert street.scene.issue(REPO, 1).body == "words"
    assert send(street, token, "PATCH", path, '{"body": null}').status == 200
    assert street.scene.issue(REPO, 1).body == ""


def test_assignees_count_more_than_the_old_single_one(street, alice, token):
    alice.open_issue(REPO, "Bug")
    path = f"/repos/{REPO}/issues/1"
    told = []
    for body in ('{"assignees": ["alice"], "assignee": "bot"}', '{"assignee": "bot"}', '{"assignee": ""}'):
        send(street, token, "PATCH", path, body)
        told.append(street.scene.assignees(REPO, 1))
    assert told == [["alice"], ["bot"], []]
