"""The door to the internet, with real sockets: the list decides, for names and for what they resolve to."""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dispatcher.core.hosts import parse_hosts
from dispatcher.runs.doors.egress import EgressDoor
from dispatcher.runs.doors.netlog import NetLog
from tests.support.loopback import Origin, Said, listening, origin_server, say


@pytest.fixture
def origin() -> Iterator[Origin]:
    with origin_server() as server:
        yield server


@pytest.fixture
def log(tmp_path: Path) -> Iterator[NetLog]:
    kept = NetLog(str(tmp_path / "net.log"), 100_000)
    yield kept
    kept.close()


@pytest.fixture
def words(tmp_path: Path) -> Callable[[], str]:
    return (tmp_path / "net.log").read_text


@contextmanager
def door(log: NetLog, *listed: str) -> Iterator[int]:
    with listening(EgressDoor(parse_hosts(listed), log).serve) as port:
        yield port


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def tunnel(port: int, target: str) -> tuple[socket.socket, bytes]:
    link = socket.create_connection(("127.0.0.1", port), timeout=20)
    link.sendall(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
    return link, link.recv(1000)


def test_a_listed_host_is_reached_through_a_tunnel(origin, log, words):
    with door(log, f"127.0.0.1:{origin.port}") as port:
        link, first = tunnel(port, f"127.0.0.1:{origin.port}")
        with link:
            assert status_of(first) == 200
            link.sendall(b"GET /x HTTP/1.1\r\nHost: o\r\nConnection: close\r\n\r\n")
            answer = b""
            while piece := link.recv(1000):
                answer += piece
    assert answer.endswith(b"hello")
    assert [heard.target for heard in origin.heard] == ["/x"]
    assert f"egress CONNECT 127.0.0.1:{origin.port}: allowed" in words()


def test_what_comes_right_behind_the_connect_is_not_lost(origin, log):
    target = f"127.0.0.1:{origin.port}"
    with door(log, target) as port:
        early = b"GET /early HTTP/1.1\r\nHost: o\r\nConnection: close\r\n\r\n"
        answer = say(port, f"CONNECT {target} HTTP/1.1\r\n\r\n".encode() + early)
    assert answer.endswith(b"hello")


def test_a_host_that_nobody_listed_is_refused_and_written_down(origin, log, words):
    with door(log, "example.com") as port:
        answer = say(port, f"CONNECT 127.0.0.1:{origin.port} HTTP/1.1\r\n\r\n".encode())
    assert status_of(answer) == 403
    assert b"allow_hosts" in answer
    assert origin.heard == []
    assert f"egress CONNECT 127.0.0.1:{origin.port}: refused (403)" in words()


@pytest.mark.parametrize("inside", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "fe80::1%eth0"])
def test_a_listed_name_that_leads_inside_the_house_is_refused(log, inside):
    """No rebinding: the name is listed, but what it resolves to is not."""
    family = socket.AF_INET6 if ":" in inside else socket.AF_INET
    made = EgressDoor(parse_hosts(["shop.example"]), log, lambda _host, _port: [(int(family), inside)])
    with listening(made.serve) as port:
        answer = say(port, b"CONNECT shop.example:443 HTTP/1.1\r\n\r\n")
    assert status_of(answer) == 403
    assert b"inside this network" in answer


def test_a_name_is_resolved_once_and_the_connection_goes_to_what_was_judged(origin, log):
    answers = [[(int(socket.AF_INET), "127.0.0.1")]]
    rules = parse_hosts([f"shop.example:{origin.port}", f"127.0.0.1:{origin.port}"])
    with listening(EgressDoor(rules, log, lambda _host, _port: answers.pop()).serve) as port:
        answer = say(port, f"GET http://shop.example:{origin.port}/ HTTP/1.1\r\n\r\n".encode())
    assert status_of(answer) == 200
    assert answers == []


def test_loopback_by_name_needs_the_name_in_the_list(origin, log):
    with door(log, f"localhost:{origin.port}") as port:
        answer = say(port, f"GET http://localhost:{origin.port}/a HTTP/1.1\r\nHost: evil\r\n\r\n".encode())
    assert status_of(answer) == 200
    assert origin.heard[0].headers["host"] == f"localhost:{origin.port}"


@pytest.mark.parametrize(
    "target",
    ["2130706433", "0x7f000001", "127.1", "[::ffff:127.0.0.1]", "0.0.0.0", "localhost.", "127.0.0.1."],
)
def test_odd_spellings_of_loopback_are_refused(origin, log, target):
    with door(log, "example.com", "*.example.com") as port:
        assert status_of(say(port, f"CONNECT {target}:{origin.port} HTTP/1.1\r\n\r\n".encode())) == 403
    assert origin.heard == []


@pytest.mark.parametrize(
    "request_line",
    ["CONNECT example.com HTTP/1.1", "CONNECT :443 HTTP/1.1", "CONNECT u@example.com:443 HTTP/1.1",
     "CONNECT example.com:0 HTTP/1.1", "CONNECT example.com:4430000000000000 HTTP/1.1", "GET / HTTP/1.1",
     "GET https://example.com/ HTTP/1.1", "GET http://u:p@example.com/ HTTP/1.1", "GET ftp://example.com/ HTTP/1.1",
     "GET http://[/ HTTP/1.1", "GET http://example.com/", "GET  http://example.com/ HTTP/1.1", "\x16\x03\x01\x02"],
)  # fmt: skip
def test_what_is_no_proxy_request_is_refused(log, request_line):
    with door(log, "example.com:*", "*.example.com:*") as port:
        answer = say(port, f"{request_line}\r\n\r\n".encode("latin-1"), hang_up=True)
    assert status_of(answer) == 400


def test_plain_http_is_forwarded_without_what_is_for_the_proxy(origin, log, words):
    lines = [
        f"POST http://127.0.0.1:{origin.port}/up?x=1 HTTP/1.1",
        "Host: elsewhere.example",
        "Proxy-Authorization: Basic c2VjcmV0",
        "Connection: keep-alive",
        "Content-Length: 4",
        "X-Mine: yes",
    ]
    with door(log, f"127.0.0.1:{origin.port}") as port:
        answer = say(port, ("\r\n".join(lines) + "\r\n\r\nbody").encode())
    [heard] = origin.heard
    assert (heard.method, heard.target, heard.body) == ("POST", "/up?x=1", b"body")
    assert heard.headers["host"] == f"127.0.0.1:{origin.port}"
    assert heard.headers["x-mine"] == "yes"
    assert "proxy-authorization" not in heard.headers
    assert b"connection: close" in answer
    assert "/up?x=1: 200 after" in words()


def test_a_second_request_behind_the_first_is_not_smuggled_through(origin, log):
    first = f"GET http://127.0.0.1:{origin.port}/one HTTP/1.1\r\n\r\n"
    second = "GET /two HTTP/1.1\r\nHost: other.example\r\n\r\n"
    with door(log, f"127.0.0.1:{origin.port}") as port:
        say(port, (first + second).encode(), hang_up=True)
    assert [heard.target for heard in origin.heard] == ["/one"]


@pytest.mark.parametrize(
    "headers",
    ["Content-Length: 5\r\nTransfer-Encoding: chunked", "Content-Length: 5\r\nContent-Length: 4",
     "Transfer-Encoding: gzip, chunked", "Content-Length: +5", "Content-Length : 5", "Bad Header: x", "X-A: b\x00c"],
)  # fmt: skip
def test_two_opinions_about_a_requests_length_are_refused(origin, log, headers):
    with door(log, f"127.0.0.1:{origin.port}") as port:
        raw = f"POST http://127.0.0.1:{origin.port}/ HTTP/1.1\r\n{headers}\r\n\r\n0\r\n\r\n"
        assert status_of(say(port, raw.encode(), hang_up=True)) == 400
    assert origin.heard == []


def test_a_stream_arrives_piece_by_piece_with_its_framing(log):
    pieces = (b"one ", b"two ", b"three")
    with (
        origin_server(lambda _: Said(pieces=pieces)) as origin,
        door(log, f"127.0.0.1:{origin.port}") as port,
    ):
        answer = say(port, f"GET http://127.0.0.1:{origin.port}/ HTTP/1.1\r\n\r\n".encode())
    assert answer.endswith(b"4\r\none \r\n4\r\ntwo \r\n5\r\nthree\r\n0\r\n\r\n")


def test_a_chunked_upload_arrives_whole(log):
    with origin_server() as origin, door(log, f"127.0.0.1:{origin.port}") as port:
        head = f"POST http://127.0.0.1:{origin.port}/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
        say(port, head.encode() + b"4\r\nabcd\r\n2;x=y\r\nef\r\n0\r\nTrailer: t\r\n\r\n")
        assert origin.heard[0].body == b"abcdef"


def test_endless_lines_and_heads_are_refused(log):
    with door(log, "example.com") as port:
        long_line = b"GET http://example.com/" + b"a" * 40_000 + b" HTTP/1.1\r\n\r\n"
        many = b"GET http://example.com/ HTTP/1.1\r\n" + b"X-A: b\r\n" * 1000 + b"\r\n"
        assert status_of(say(port, long_line)) == 431
        assert status_of(say(port, many)) == 431


def test_a_name_without_an_address_is_told_apart_from_a_refused_one(log):
    with door(log, "nowhere.invalid") as port:
        assert status_of(say(port, b"CONNECT nowhere.invalid:443 HTTP/1.1\r\n\r\n")) == 502


def test_a_door_that_is_hammered_fills_its_own_part_of_the_log_only(tmp_path):
    log = NetLog(str(tmp_path / "net.log"), 2_000)
    for number in range(1000):
        log.note("egress", f"CONNECT host{number}.example:443", "refused")
    log.note("forge", "GET /issues/1\nfake line\x1b[31m", "200")
    log.close()
    lines = (tmp_path / "net.log").read_text().splitlines()
    assert sum(len(line) + 1 for line in lines) < 2_500
    assert "nothing more is written" in lines[-2]
    assert lines[-1].endswith("forge GET /issues/1?fake line?[31m: 200")
