"""The door to the models: the key is added outside, for one vendor's address, and nothing the program sends goes with it."""

import http.client
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dispatcher.runs.doors.model import ModelDoor, Upstream
from dispatcher.runs.doors.netlog import NetLog
from tests.support.loopback import Heard, Origin, Said, listening, origin_server, say

TICKET = "0a1b2c3d"
KEY = "sk-real-0123456789"


@pytest.fixture
def log(tmp_path: Path) -> Iterator[NetLog]:
    kept = NetLog(str(tmp_path / "net.log"), 100_000)
    yield kept
    kept.close()


@pytest.fixture
def words(tmp_path: Path) -> Callable[[], str]:
    return (tmp_path / "net.log").read_text


@contextmanager
def door(log: NetLog, *upstreams: Upstream) -> Iterator[int]:
    with listening(ModelDoor(TICKET, upstreams, log).serve) as port:
        yield port


def anthropic(origin: Origin, path: str = "") -> Upstream:
    return Upstream("anthropic", origin.url + path, KEY)


def ask(
    port: int, target: str, method: str = "GET", body: bytes | None = None, **headers: str
) -> tuple[int, bytes]:
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        link.request(method, target, body=body, headers={k.replace("_", "-"): v for k, v in headers.items()})
        answer = link.getresponse()
        return answer.status, answer.read()
    finally:
        link.close()


def test_the_key_is_added_outside_and_the_programs_own_words_about_it_are_dropped(log, words):
    with origin_server() as origin, door(log, anthropic(origin)) as port:
        status, body = ask(
            port,
            f"/{TICKET}/anthropic/v1/messages?beta=true&key=placeholder",
            "POST",
            b'{"model": "x"}',
            x_api_key="placeholder",
            cookie="a=b",
            anthropic_version="2023-06-01",
        )
    [heard] = origin.heard
    assert (status, body) == (200, b"hello")
    assert (heard.method, heard.target, heard.body) == ("POST", "/v1/messages?beta=true", b'{"model": "x"}')
    assert heard.headers["x-api-key"] == KEY
    assert heard.headers["anthropic-version"] == "2023-06-01"
    assert heard.headers["host"] == f"127.0.0.1:{origin.port}"
    assert not {"authorization", "cookie", "x-goog-api-key"} & heard.headers.keys()
    assert "model POST anthropic /v1/messages: 200 after" in words()
    assert KEY not in words()


@pytest.mark.parametrize(
    ("shown", "sent"),
    [
        ({"authorization": "Bearer placeholder"}, {"authorization": f"Bearer {KEY}"}),
        ({"authorization": "Basic cGxhY2U="}, {"authorization": f"Bearer {KEY}"}),
        ({"x_goog_api_key": "placeholder"}, {"x-goog-api-key": KEY}),
        ({"api_key": "placeholder"}, {"api-key": KEY}),
        ({}, {}),
    ],
)
def test_the_key_goes_where_the_program_would_put_it(log, shown, sent):
    with origin_server() as origin, door(log, anthropic(origin)) as port:
        ask(port, f"/{TICKET}/anthropic/v1", **shown)
    heard = origin.heard[0].headers
    names = ("authorization", "x-api-key", "x-goog-api-key", "api-key")
    assert {name: heard[name] for name in names if name in heard} == sent


@pytest.mark.parametrize("header", ["anthropic_version", "user_agent", "accept", "x_request_id"])
def test_a_header_that_a_server_might_repeat_never_gets_the_key(log, header):
    with origin_server() as origin, door(log, anthropic(origin)) as port:
        ask(port, f"/{TICKET}/anthropic/v1", x_api_key="placeholder", **{header: "placeholder"})
    headers = origin.heard[0].headers
    assert [name for name, value in headers.items() if KEY in value] == ["x-api-key"]


def test_a_base_url_with_a_path_keeps_it(log):
    with origin_server() as origin, door(log, anthropic(origin, "/proxy/v1/")) as port:
        ask(port, f"/{TICKET}/anthropic/chat/completions")
        ask(port, f"/{TICKET}/anthropic")
    assert [heard.target for heard in origin.heard] == ["/proxy/v1/chat/completions", "/proxy/v1"]


def test_two_vendors_get_each_its_own_key(log):
    with origin_server() as one, origin_server() as two:
        openai = Upstream("openai", two.url, "other")
        with door(log, anthropic(one), openai) as port:
            ask(port, f"/{TICKET}/anthropic/a", x_api_key="-")
            ask(port, f"/{TICKET}/openai/b", authorization="Bearer -")
    assert (one.heard[0].target, one.heard[0].headers["x-api-key"]) == ("/a", KEY)
    assert (two.heard[0].target, two.heard[0].headers["authorization"]) == ("/b", "Bearer other")


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/anthropic/v1", 404),
        ("/wrong/anthropic/v1", 404),
        (f"/{TICKET}x/anthropic/v1", 404),
        (f"/{TICKET}/mistral/v1", 404),
        (f"/{TICKET}", 404),
        (f"{TICKET}/anthropic", 404),
        (f"/{TICKET}/anthropic/../admin", 400),
        (f"/{TICKET}/anthropic/%2e%2e/admin", 400),
        (f"/{TICKET}/anthropic/a%5Cb", 400),
        ("http://evil.example/anthropic", 404),
    ],
)
def test_the_door_opens_for_its_own_address_only(log, target, status):
    with origin_server() as origin, door(log, anthropic(origin, "/base")) as port:
        assert ask(port, target)[0] == status
    assert origin.heard == []


@pytest.mark.parametrize("method", ["DELETE", "PUT", "PATCH", "TRACE", "CONNECT", "OPTIONS"])
def test_only_what_a_model_needs_is_let_through(log, method):
    with origin_server() as origin, door(log, anthropic(origin)) as port:
        raw = f"{method} /{TICKET}/anthropic/v1/files/1 HTTP/1.1\r\n\r\n"
        assert say(port, raw.encode()).startswith(b"HTTP/1.1 405")
    assert origin.heard == []


def test_a_redirect_is_handed_over_and_never_followed_with_the_key(log):
    away = Said(302, b"", {"location": "http://127.0.0.1:9/steal"})
    with origin_server(lambda _: away) as origin, door(log, anthropic(origin)) as port:
        assert ask(port, f"/{TICKET}/anthropic/v1")[0] == 302
    assert len(origin.heard) == 1


def test_one_connection_carries_many_requests(log):
    def echo(heard: Heard) -> Said:
        return Said(body=heard.body)

    with origin_server(echo) as origin, door(log, anthropic(origin)) as port:
        link = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        said = []
        for number in range(5):
            body = iter([b"piece ", str(number).encode()]) if number % 2 else f"whole {number}".encode()
            link.request("POST", f"/{TICKET}/anthropic/v1", body=body, encode_chunked=bool(number % 2))
            said.append(link.getresponse().read())
        link.close()
    assert said == [b"whole 0", b"piece 1", b"whole 2", b"piece 3", b"whole 4"]


def test_a_stream_arrives_while_the_rest_is_still_being_thought_of(log):
    goes_on = threading.Event()

    def stream(link: socket.socket) -> None:
        link.recv(10_000)
        link.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
        assert goes_on.wait(20)
        link.sendall(b"4\r\nlast\r\n0\r\n\r\n")

    with (
        listening(stream) as vendor,
        door(log, Upstream("anthropic", f"http://127.0.0.1:{vendor}", KEY)) as port,
    ):
        link = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        link.request("POST", f"/{TICKET}/anthropic/v1", body=b"{}")
        answer = link.getresponse()
        assert answer.read1() == b"first"
        goes_on.set()
        assert answer.read() == b"last"
        link.close()


def test_a_server_that_is_gone_is_said_to_be_gone(log, words):
    with door(log, Upstream("anthropic", "http://127.0.0.1:1", KEY)) as port:
        status, body = ask(port, f"/{TICKET}/anthropic/v1")
    assert status == 502
    assert b"no answer from 127.0.0.1" in body
    assert KEY not in words()


def test_an_answer_that_is_cut_off_is_not_handed_over_as_a_whole_one(log):
    with (
        listening(_cut_off) as broken,
        door(log, Upstream("anthropic", f"http://127.0.0.1:{broken}", KEY)) as port,
        pytest.raises((http.client.IncompleteRead, ConnectionError)),
    ):
        ask(port, f"/{TICKET}/anthropic/v1")


def _cut_off(link) -> None:
    link.recv(10_000)
    link.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this")


def test_a_client_that_waits_for_continue_is_told_to_go_on(log):
    with origin_server() as origin, door(log, anthropic(origin)) as port:
        head = f"POST /{TICKET}/anthropic/v1 HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\nConnection: close\r\n\r\n"
        answer = say(port, head.encode() + b"ok")
    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200")
    assert origin.heard[0].body == b"ok"
