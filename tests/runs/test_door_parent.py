"""A machine that must itself go through a proxy: the doors do so too, but never for what is inside the house."""

import base64
import socket
from pathlib import Path

import pytest

from dispatcher.core.hosts import parse_hosts
from dispatcher.runs.doors.egress import EgressDoor
from dispatcher.runs.doors.netlog import NetLog
from dispatcher.runs.doors.parent import ParentProxy, find_parent
from dispatcher.runs.doors.serving import open_upstream
from dispatcher.runs.doors.wire import Refusal
from dispatcher.runs.relay import carry
from tests.support.loopback import listening, origin_server, say


class Parent:
    """A proxy that leads every host to one server, and writes down what it was asked."""

    def __init__(self, to_port: int, status: int = 200) -> None:
        self.to_port, self.status = to_port, status
        self.heard: list[bytes] = []

    def serve(self, link: socket.socket) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += link.recv(1)
        self.heard.append(head)
        link.sendall(f"HTTP/1.1 {self.status} As You Like\r\nX: y\r\n\r\n".encode())
        if self.status == 200:
            carry(link, socket.create_connection(("127.0.0.1", self.to_port)))


@pytest.fixture
def log(tmp_path: Path):
    kept = NetLog(str(tmp_path / "net.log"), 100_000)
    yield kept
    kept.close()


def test_a_listed_host_is_reached_through_the_machines_own_proxy(log):
    with origin_server() as origin:
        parent = Parent(origin.port)
        with listening(parent.serve) as parent_port:
            outer = ParentProxy(f"http://ann:p%40ss@127.0.0.1:{parent_port}", "")
            door = EgressDoor(parse_hosts(["shop.example"]), log, None, outer)
            with listening(door.serve) as port:
                answer = say(port, b"GET http://shop.example/x HTTP/1.1\r\n\r\n")
                refused = say(port, b"GET http://other.example/x HTTP/1.1\r\n\r\n")
    assert answer.endswith(b"hello")
    assert refused.startswith(b"HTTP/1.1 403")
    [head] = parent.heard
    assert head.startswith(b"CONNECT shop.example:80 HTTP/1.1\r\n")
    assert base64.b64encode(b"ann:p@ss") in head


def test_a_proxy_that_refuses_is_said_to(log):
    with listening(Parent(0, status=407).serve) as parent_port:
        outer = ParentProxy(f"http://127.0.0.1:{parent_port}", "")
        with listening(EgressDoor(parse_hosts(["shop.example"]), log, None, outer).serve) as port:
            answer = say(port, b"CONNECT shop.example:443 HTTP/1.1\r\n\r\n")
        with pytest.raises(Refusal, match="does not let"):
            open_upstream("https", "models.example", 443, outer)
    assert answer.startswith(b"HTTP/1.1 502")


def test_a_proxy_that_is_gone_is_said_to_be():
    with pytest.raises(Refusal, match="does not answer"):
        ParentProxy("http://127.0.0.1:1", "").dial("shop.example", 443)


@pytest.mark.parametrize(
    ("host", "takes"),
    [("shop.example", True), ("corp.example", False), ("a.corp.example", False), ("notcorp.example", True), ("localhost", False),
     ("127.0.0.1", False), ("10.0.0.1", False), ("8.8.8.8", True)],
)  # fmt: skip
def test_what_is_inside_the_house_goes_without_it(host, takes):
    assert ParentProxy("http://proxy.example:3128", "other.example, .corp.example").takes(host) is takes


def test_a_star_leaves_everything_out():
    assert not ParentProxy("http://proxy.example:3128", "*").takes("shop.example")


@pytest.mark.parametrize(
    ("environment", "found"),
    [
        ({}, ("", "")),
        ({"HTTPS_PROXY": "http://p:1", "no_proxy": "a,b"}, ("http://p:1", "a,b")),
        ({"https_proxy": "p:1", "HTTP_PROXY": "http://q:2"}, ("http://p:1", "")),
        ({"ALL_PROXY": "socks5://p:1", "NO_PROXY": "a"}, ("", "")),
    ],
)
def test_the_proxy_is_found_in_the_environment(environment, found):
    assert find_parent(environment) == found
