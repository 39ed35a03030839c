"""The door to the forge: one repository, GET only, counted, with a token that stays outside."""

import http.client
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dispatcher.runs.doors.forge import Allowance, ForgeDoor, ForgeRules, choose_path
from dispatcher.runs.doors.netlog import NetLog
from dispatcher.runs.doors.wire import Refusal
from tests.support.loopback import Heard, Origin, Said, listening, origin_server, say

TICKET = "7777aaaa"
TOKEN = "ghp_0123456789abcdef0123"


@pytest.fixture
def log(tmp_path: Path) -> Iterator[NetLog]:
    kept = NetLog(str(tmp_path / "net.log"), 100_000)
    yield kept
    kept.close()


@pytest.fixture
def words(tmp_path: Path) -> Callable[[], str]:
    return (tmp_path / "net.log").read_text


def rules_for(origin: Origin, reads: int = 50, per_minute: int = 40) -> ForgeRules:
    rules = ForgeRules(f"{origin.url}/api/v3", TOKEN, 4711, "acme/shop")
    rules.reads, rules.reads_per_minute = reads, per_minute
    rules.own_url = "http://127.0.0.1:47803"
    return rules


@contextmanager
def door(rules: ForgeRules, log: NetLog) -> Iterator[int]:
    with listening(ForgeDoor(TICKET, rules, log).serve) as port:
        yield port


def get(port: int, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        link.request("GET", f"/{TICKET}{path}", headers={k.replace("_", "-"): v for k, v in headers.items()})
        answer = link.getresponse()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
    finally:
        link.close()


def test_a_read_goes_by_the_repositorys_number_with_the_token_added_outside(log, words):
    with origin_server() as origin, door(rules_for(origin), log) as port:
        status, _, body = get(
            port,
            "/repos/Acme/Shop/issues/7/comments?per_page=5",
            authorization="token mine",
            cookie="x=y",
            x_extra="1",
        )
    [heard] = origin.heard
    assert (status, body) == (200, b"hello")
    assert heard.target == "/api/v3/repositories/4711/issues/7/comments?per_page=5"
    assert heard.headers["authorization"] == f"token {TOKEN}"
    assert not {"cookie", "x-extra"} & heard.headers.keys()
    assert "forge GET /repositories/4711/issues/7/comments?per_page=5: 200 after" in words()
    assert TOKEN not in words()


def test_what_a_reader_needs_is_handed_on(log):
    with origin_server() as origin, door(rules_for(origin), log) as port:
        get(port, "/repositories/4711/pulls/8", accept="application/vnd.github.diff", if_none_match='"abc"')
    headers = origin.heard[0].headers
    assert (headers["accept"], headers["if-none-match"]) == ("application/vnd.github.diff", '"abc"')


@pytest.mark.parametrize(
    "path",
    ["/user", "/repos/acme/other/issues", "/repos/acme", "/repositories/4712/issues", "/repositories/04711", "/graphql",
     "/repos/acme/shop2", "/repos/evil/acme/shop", "/orgs/acme/repos", "/search/issues?q=repo:acme/shop", "", "/"],
)  # fmt: skip
def test_everything_but_this_repository_is_refused(log, path):
    with origin_server() as origin, door(rules_for(origin), log) as port:
        assert get(port, path)[0] == 403
    assert origin.heard == []


@pytest.mark.parametrize(
    "path",
    ["/repos/acme/shop/../other/issues", "/repos/acme/shop/%2e%2e/other", "/repos/acme/shop/..%2fother", "/repos/acme/shop//issues",
     "/repos/acme/shop/contents/..%5c..", "/repos/acme/shop/./issues", "/repos/acme%2fshop/issues", "/repos/acme/shop/issues%00",
     "/repos/acme/shop/issues%3fx", "/repos/acme/shop/issues/%252e%252e", "/repos/acme/shop/issues#x", "/repos/acme/shop/issues?x=\x7f",
     "/repos/acme/shop/issues%0d%0aX:1", "/repos/acme/shop/contents/%ff"],
)  # fmt: skip
def test_path_tricks_are_refused(log, path):
    with origin_server() as origin, door(rules_for(origin), log) as port:
        raw = f"GET /{TICKET}{path} HTTP/1.1\r\nConnection: close\r\n\r\n"
        assert say(port, raw.encode("latin-1"))[9:12] in {b"400", b"403"}
    assert origin.heard == []


@pytest.mark.parametrize(
    "below",
    ["hooks", "keys", "collaborators", "actions/secrets", "actions/variables", "dependabot/alerts", "secret-scanning/alerts",
     "security-advisories", "branches/main/protection", "branches/a/b/protection/restrictions", "zipball/main", "forks", "invitations"],
)  # fmt: skip
def test_what_says_more_than_an_agent_needs_is_refused(log, below):
    with origin_server() as origin, door(rules_for(origin), log) as port:
        assert get(port, f"/repos/acme/shop/{below}")[0] == 403
    assert origin.heard == []


@pytest.mark.parametrize(
    "below",
    ["", "/issues/7", "/pulls/8/files", "/contents/src/a%20b.py?ref=main", "/compare/main...topic", "/commits/abc/check-runs",
     "/actions/runs/5/jobs", "/branches/main", "/git/trees/abc?recursive=1"],
)  # fmt: skip
def test_what_an_agent_needs_is_there(log, below):
    with origin_server() as origin, door(rules_for(origin), log) as port:
        assert get(port, f"/repos/acme/shop{below}")[0] == 200
    assert origin.heard[0].target == f"/api/v3/repositories/4711{below}"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "get"])
def test_nothing_but_get(log, method):
    with origin_server() as origin, door(rules_for(origin), log) as port:
        raw = f"{method} /{TICKET}/repos/acme/shop/issues HTTP/1.1\r\n\r\n"
        assert say(port, raw.encode()).startswith(b"HTTP/1.1 405")
    assert origin.heard == []


def test_a_get_that_carries_a_body_or_another_method_in_a_header_stays_a_plain_get(log):
    with origin_server() as origin, door(rules_for(origin), log) as port:
        with_body = f"GET /{TICKET}/repos/acme/shop HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi"
        assert say(port, with_body.encode()).startswith(b"HTTP/1.1 405")
        get(port, "/repos/acme/shop", x_http_method_override="DELETE")
    [heard] = origin.heard
    assert "x-http-method-override" not in heard.headers


def test_a_redirect_leads_nowhere(log):
    for status in (301, 302, 307, 308):
        away = Said(status, b"", {"location": "http://127.0.0.1:9/"})
        with origin_server(lambda _, away=away: away) as origin, door(rules_for(origin), log) as port:
            answered, headers, body = get(port, "/repos/acme/shop/issues")
        assert answered == 502
        assert "location" not in headers
        assert b"127.0.0.1:9" not in body


def test_a_log_that_is_kept_inside_this_network_or_without_tls_is_refused(log):
    for where in (
        "http://logs.example/x",
        "https://127.0.0.1:1/x",
        "https://u:p@logs.example/",
        "file:///etc/passwd",
    ):
        away = Said(302, b"", {"location": where})
        with origin_server(lambda _, away=away: away) as origin, door(rules_for(origin), log) as port:
            assert get(port, "/repos/acme/shop/actions/jobs/5/logs")[0] == 502


def test_links_lead_through_the_door_or_are_left_out(log):
    def pages(heard: Heard) -> Said:
        host = f"http://{heard.headers['host']}/api/v3"
        links = (
            f'<{host}/repositories/4711/issues?page=2>; rel="next", <{host}/repositories/9/issues?page=9>; rel="last", '
            '<https://evil.example/repositories/4711/x>; rel="prev"'
        )
        noise = {
            "link": links,
            "x-oauth-scopes": "repo, admin:org",
            "set-cookie": "a=b",
            "etag": '"e"',
            "x-ratelimit-limit": "5000",
        }
        return Said(headers=noise)

    with origin_server(pages) as origin, door(rules_for(origin), log) as port:
        _, headers, _ = get(port, "/repos/acme/shop/issues")
    assert headers["link"] == f'<http://127.0.0.1:47803/{TICKET}/repositories/4711/issues?page=2>; rel="next"'
    assert headers["etag"] == '"e"'
    assert not {"x-oauth-scopes", "set-cookie", "x-ratelimit-limit"} & headers.keys()


def test_a_run_has_so_many_reads_and_no_more(log, words):
    with origin_server() as origin, door(rules_for(origin, reads=3), log) as port:
        statuses = [get(port, "/repos/acme/shop")[0] for _ in range(5)]
    assert statuses == [200, 200, 200, 403, 403]
    assert len(origin.heard) == 3
    assert words().count("used up its reads") == 2


def test_reads_come_at_a_rate():
    now = [1000.0]
    rules = ForgeRules("https://api.example", TOKEN, 1, "a/b")
    rules.reads, rules.reads_per_minute = 10, 2
    allowance = Allowance(rules, lambda: now[0])
    allowance.take()
    allowance.take()
    with pytest.raises(Refusal) as refused:
        allowance.take()
    assert (refused.value.status, refused.value.retry_after_s) == (429, 61)
    now[0] += 60.0
    allowance.take()


def quota(**headers: str) -> http.client.HTTPMessage:
    message = http.client.HTTPMessage()
    for name, value in headers.items():
        message[name.replace("_", "-")] = value
    return message


@pytest.mark.parametrize(
    ("status", "headers", "wait_s"),
    [
        (200, {"x_ratelimit_remaining": "1000", "x_ratelimit_limit": "5000", "x_ratelimit_reset": "1300"}, 301),
        (200, {"x_ratelimit_remaining": "1001", "x_ratelimit_limit": "5000", "x_ratelimit_reset": "1300"}, None),
        (403, {"retry_after": "30"}, 31),
        (429, {}, 61),
        (403, {"x_ratelimit_remaining": "0", "x_ratelimit_limit": "5000", "x_ratelimit_reset": "1300"}, 301),
        (403, {}, None),
        (200, {"x_ratelimit_remaining": "junk", "x_ratelimit_limit": "5000", "x_ratelimit_reset": "1300"}, None),
    ],
)  # fmt: skip
def test_a_reserve_of_the_quota_is_the_dispatchers_own(status, headers, wait_s):
    allowance = Allowance(ForgeRules("https://api.example", TOKEN, 1, "a/b"), lambda: 1000.0)
    allowance.learn(status, quota(**headers))
    if wait_s is None:
        allowance.take()
        return
    with pytest.raises(Refusal) as refused:
        allowance.take()
    assert (refused.value.status, refused.value.retry_after_s) == (429, wait_s)


def test_the_reserve_is_learnt_from_real_answers(log):
    reset = str(int(time.time()) + 600)
    low = Said(
        headers={"x-ratelimit-remaining": "10", "x-ratelimit-limit": "5000", "x-ratelimit-reset": reset}
    )
    with origin_server(lambda _: low) as origin, door(rules_for(origin), log) as port:
        first, second = get(port, "/repos/acme/shop"), get(port, "/repos/acme/shop")
    assert (first[0], second[0]) == (200, 429)
    assert int(second[1]["retry-after"]) > 500
    assert len(origin.heard) == 1


def test_an_endless_answer_is_cut_off_and_not_taken_for_a_whole_one(log):
    piece = b"x" * 1_000_000
    with (
        origin_server(lambda _: Said(pieces=(piece,) * 40)) as origin,
        door(rules_for(origin), log) as port,
        pytest.raises(http.client.IncompleteRead),
    ):
        get(port, "/repos/acme/shop/contents/big")


def test_a_path_is_written_anew_from_its_parts():
    rules = ForgeRules("https://api.example", TOKEN, 1, "a/b")
    assert choose_path("/repos/a/b/contents/x%2By%20z/", rules) == ("/contents/x+y%20z", "")
