"""The connection: what is repeated and what is not, what each refusal becomes, and what is counted."""

import pytest

from dispatcher.core.errors import BadCredential, Gone, NeedsPerson, QuotaSpent, RetryLater
from dispatcher.forge.client import Connection
from dispatcher.forge.credentials import Secret
from dispatcher.forge.refusals import Refused
from dispatcher.simulator.faults import Fault, What

SHOP = "acme/shop"
TOKEN = "ghp_0123456789abcdefghijABCDEF"


# ---------------------------------------------------------------- repeating


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_read_is_repeated_after_a_server_fault(script, line, clock, status):
    script.says(status, "<html>oops").says(status).says(200, {"id": 1})
    assert line.get("/x").node.number("id") == 1
    assert clock.waited_s == [0.5, 1.0]


def test_a_read_is_given_up_after_four_tries(script, line):
    for _ in range(5):
        script.says(502)
    with pytest.raises(RetryLater, match="502"):
        line.get("/x")
    assert len(script.asked) == 4


def test_a_write_that_may_have_acted_is_not_repeated(script, line):
    script.says(502)
    with pytest.raises(RetryLater):
        line.write("POST", "/x", {}, safe_to_repeat=False)
    assert len(script.asked) == 1


def test_a_write_that_is_the_same_twice_is_repeated(script, line):
    script.says(502).says(200, {})
    line.write("PATCH", "/x", {}, safe_to_repeat=True)
    assert len(script.asked) == 2


@pytest.mark.parametrize("safe_to_repeat", [True, False])
def test_a_short_limit_is_waited_for_because_nothing_was_done(script, line, clock, safe_to_repeat):
    script.says(429, {"message": "slow down"}, Retry_After="2").says(201, {})
    line.write("POST", "/x", {}, safe_to_repeat=safe_to_repeat)
    assert 2.0 in clock.waited_s


def test_a_long_limit_is_not_waited_for(script, line, clock):
    script.says(403, {"message": "You have exceeded a secondary rate limit"}, Retry_After="90")
    with pytest.raises(QuotaSpent):
        line.get("/x")
    assert clock.waited_s == []


def test_a_dropped_connection_is_repeated_for_reads_only(office):
    number = office.issue()
    fault = office.box.faults.add(Fault(What.DROP_BEFORE, path="graphql"))
    assert office.look_at(number).issue.key.number == number
    assert fault.hits == 1


def test_nobody_listening_is_for_later_and_shows_no_token(clock, closed_door):
    connection = Connection(closed_door, Secret(TOKEN), clock, write_pause_s=0, timeout_s=5)
    with pytest.raises(RetryLater) as caught:
        connection.get("/x")
    assert TOKEN not in str(caught.value)
    connection.close()


def test_writes_keep_their_distance(script, line, clock):
    script.says(200, {}).says(200, {}).says(200, {})
    line.get("/x")
    line.write("PUT", "/x", {}, safe_to_repeat=True)
    clock.passes(0.25)
    line.write("PUT", "/x", {}, safe_to_repeat=True)
    assert clock.waited_s == [0.75]


# ---------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("status", "body", "headers", "error", "words"),
    [
        (401, {"message": "Bad credentials"}, {}, BadCredential, "refuses the token"),
        (404, {"message": "Not Found"}, {}, Gone, "404"),
        (410, {"message": "This issue was deleted"}, {}, Gone, "deleted"),
        (451, {"message": "Repository access blocked"}, {}, Gone, "blocked"),
        (409, {"message": "Conflict"}, {}, RetryLater, "409"),
        (307, {"message": "Moved"}, {"Location": "/repositories/1/x"}, RetryLater, "307"),
        (
            422,
            {"message": "Invalid", "errors": [{"field": "head", "code": "invalid"}]},
            {},
            Refused,
            "head invalid",
        ),
        (422, {"message": "Invalid", "errors": ["plain words"]}, {}, Refused, "plain words"),
        (422, {"message": "Invalid", "errors": "one text"}, {}, Refused, "one text"),
        (403, {"message": "Repository was archived"}, {}, NeedsPerson, "Unarchive"),
        (403, {"message": "Must have push access"}, {}, NeedsPerson, "write access"),
        (403, {"message": "no"}, {"X-GitHub-SSO": "required"}, BadCredential, "single sign-on"),
        (
            403,
            {"message": "no"},
            {"X-OAuth-Scopes": "gist", "X-Accepted-OAuth-Scopes": "repo"},
            BadCredential,
            "`repo`",
        ),
        (
            403,
            {"message": "Resource not accessible by personal access token"},
            {},
            BadCredential,
            "permission",
        ),
        (403, {"message": "no"}, {"X-RateLimit-Remaining": "0"}, QuotaSpent, "rate limit"),
        (403, {"message": "You have triggered an abuse detection mechanism"}, {}, QuotaSpent, "rate limit"),
        (429, ["odd"], {}, QuotaSpent, "rate limit"),
        (400, "not json", {}, Refused, "no reason given"),
    ],
)
def test_each_refusal_says_who_must_act(script, line, status, body, headers, error, words):
    script.answers.append((status, headers, body))
    with pytest.raises(error, match=words):
        line.write("POST", "/x", {}, safe_to_repeat=False)


def test_a_token_in_an_answer_is_not_repeated_in_the_error(script, line):
    script.says(422, {"message": f"what is {TOKEN}?"})
    with pytest.raises(Refused) as caught:
        line.get("/x")
    assert TOKEN not in str(caught.value)


def test_a_redirect_to_another_host_is_not_followed(script, line):
    script.says(301, {}, Location="https://elsewhere.example/x")
    with pytest.raises(NeedsPerson, match="base_url"):
        line.get("/x")


# ---------------------------------------------------------------- GraphQL


def graph(line):
    return line.query("Snapshot", "query Snapshot { x }", {})


def failed(kind, message="no", **more):
    return (
        {"errors": [{"type": kind, "message": message} | more]}
        if kind
        else {"errors": [{"message": message}]}
    )


@pytest.mark.parametrize(
    ("kind", "message", "error"),
    [
        ("NOT_FOUND", "Could not resolve", Gone),
        ("FORBIDDEN", "Resource not accessible", BadCredential),
        ("INSUFFICIENT_SCOPES", "needs repo", BadCredential),
        ("UNPROCESSABLE", "bad", Refused),
        ("", "Something went wrong while executing your query", RetryLater),
        ("INTERNAL", "oops", RetryLater),
        ("", "Field 'x' doesn't exist on type 'Query'", Refused),
    ],
)
def test_an_answer_of_errors_alone_is_an_error(script, line, kind, message, error):
    script.says(200, failed(kind, message))
    with pytest.raises(error):
        graph(line)


def test_graphql_exhaustion_is_a_hold_until_the_reset(script, line, clock):
    reset = int(clock.now().timestamp()) + 600
    limit = {"x_ratelimit_resource": "graphql", "x_ratelimit_limit": "5000", "x_ratelimit_remaining": "0"}
    script.says(200, failed("RATE_LIMITED"), **limit, x_ratelimit_reset=str(reset))
    with pytest.raises(QuotaSpent) as caught:
        graph(line)
    assert caught.value.until.timestamp() == reset
    with pytest.raises(QuotaSpent):
        graph(line)
    assert len(script.asked) == 1


def test_an_answer_with_data_and_errors_keeps_both(script, line):
    script.says(200, {"data": {"a": {"id": "1"}, "b": None}} | failed("NOT_FOUND", path=["b", 0]))
    answer = graph(line)
    assert answer.data.must("a").text("id") == "1"
    assert [(error.kind, error.path) for error in answer.errors] == [("NOT_FOUND", ("b", "0"))]
    with pytest.raises(Gone):
        answer.raise_first()


@pytest.mark.parametrize("body", [None, "<html>", [], {"data": None}, {"data": 7}])
def test_an_answer_of_another_shape_is_for_later(script, line, body):
    script.says(200, body)
    with pytest.raises(RetryLater):
        graph(line)


# ---------------------------------------------------------------- counting


def test_requests_are_counted_by_kind_without_names_and_numbers(script, line):
    script.says(200, {}).says(200, {}).says(200, {}).says(200, {"data": {}}).says(404, {})
    line.get("/repositories/12/issues/7")
    line.get("/repositories/34/issues/8")
    line.get("/repos/acme/shop")
    graph(line)
    with pytest.raises(Gone):
        line.get("/repositories/1/collaborators/ann/permission")
    assert line.requests_made == {
        ("GET /repositories/*/issues/*", 200): 2,
        ("GET /repos/*", 200): 1,
        ("GRAPHQL Snapshot", 200): 1,
        ("GET /repositories/*/collaborators/*/permission", 404): 1,
    }


def test_a_server_that_knows_no_issue_dependencies_is_asked_without_them(script, line, clock):
    from dispatcher.core.model import Person
    from dispatcher.forge.known import Memory, Numbers
    from dispatcher.forge.permissions import Permissions
    from dispatcher.forge.snapshot import Reader

    memory = Memory()
    memory.keep_repo(1, SHOP)
    reader = Reader(line, memory, Permissions(line, clock, memory), lambda: Person(9, "bot"))
    script.says(200, failed("", "Field 'issueDependenciesSummary' doesn't exist on type 'Issue'"))
    item = {
        "__typename": "Issue",
        "id": "I_1",
        "number": 7,
        "title": "t",
        "body": "b",
        "state": "OPEN",
        "createdAt": "2026-01-01T00:00:00Z",
        "updatedAt": "2026-01-01T00:00:00Z",
        "author": None,
        "comments": {"pageInfo": {"hasPreviousPage": False}, "nodes": []},
    }
    script.says(
        200, {"data": {"repository": {"id": "R", "databaseId": 1, "nameWithOwner": SHOP, "item": item}}}
    )
    assert reader.fetch(1, Numbers(7)).issue.author.login == "ghost"
    assert "issueDependenciesSummary" not in script.asked[1][2]
