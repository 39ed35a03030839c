"""Relays: bytes between a port inside and a unix socket that leads out, and nothing else."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from dispatcher.runs import proctree, relay
from tests.runs.conftest import until

ROOT = Path(__file__).parents[2]
INIT = (
    "import sys, os; sys.path.append(sys.argv[1]); from dispatcher.runs.relay import start_relays; "
    "print(start_relays([(int(sys.argv[2]), sys.argv[3])]), flush=True); sys.stdin.read()"
)


@contextmanager
def echo_at(path: Path) -> Iterator[None]:
    """A unix socket that says everything again, in capitals."""
    folder = os.open(path.parent, os.O_PATH)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(f"/proc/self/fd/{folder}/{path.name}")
    os.close(folder)
    listener.listen()
    threading.Thread(target=_echo_for_ever, args=(listener,), daemon=True).start()
    try:
        yield
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def _echo_for_ever(listener: socket.socket) -> None:
    while True:
        try:
            link, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_echo, args=(link,), daemon=True).start()


def _echo(link: socket.socket) -> None:
    with link:
        while piece := link.recv(65_536):
            link.sendall(piece.upper())


@contextmanager
def init_with_relay(port: int, path: Path) -> Iterator[int]:
    """A process that starts a relay as a sandbox's init does; yields the relay's pid."""
    argv = [sys.executable, "-I", "-S", "-E", "-c", INIT, str(ROOT), str(port), str(path)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as init:
        assert init.stdout
        pid = int(init.stdout.readline())
        yield pid
        init.kill()
    until(lambda: has_ended(pid))


def has_ended(pid: int) -> bool:
    process = proctree.load_process(pid)
    return process is None or not process.is_alive  # whether it was buried is its new parent's business


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def exchange(port: int, words: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as link:
        threading.Thread(target=_send, args=(link, words), daemon=True).start()
        heard = b""
        while piece := link.recv(65_536):
            heard += piece
        return heard


def _send(link: socket.socket, words: bytes) -> None:
    with suppress(OSError):  # the other side may have hung up; what was heard tells
        link.sendall(words)
        link.shutdown(socket.SHUT_WR)


def test_bytes_go_both_ways_and_each_side_may_end_first(tmp_path, port):
    with echo_at(tmp_path / "door"), init_with_relay(port, tmp_path / "door"):
        assert exchange(port, b"hello") == b"HELLO"
        assert exchange(port, b"") == b""
        big = os.urandom(3_000_000).hex().encode()
        assert exchange(port, big) == big.upper()


def test_a_path_longer_than_the_kernel_takes_is_no_hindrance(tmp_path, port):
    folder = tmp_path / ("a" * 100) / ("b" * 100)
    folder.mkdir(parents=True)
    with echo_at(folder / "door"), init_with_relay(port, folder / "door"):
        assert exchange(port, b"far away") == b"FAR AWAY"


def test_a_door_that_is_not_there_ends_the_connection_and_not_the_relay(tmp_path, port):
    with init_with_relay(port, tmp_path / "door"):
        with suppress(ConnectionResetError):
            assert exchange(port, b"anybody?") == b""
        with echo_at(tmp_path / "door"):
            assert exchange(port, b"now") == b"NOW"


def test_it_survives_what_is_meant_for_the_agent_and_dies_with_its_init(tmp_path, port):
    with echo_at(tmp_path / "door"), init_with_relay(port, tmp_path / "door") as pid:
        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            os.kill(pid, signum)
        assert exchange(port, b"still here") == b"STILL HERE"


def test_more_connections_than_it_carries_at_once_wait_their_turn(tmp_path, port):
    with echo_at(tmp_path / "door"), init_with_relay(port, tmp_path / "door"):
        waiting = [
            socket.create_connection(("127.0.0.1", port), timeout=20)
            for _ in range(relay.MOST_CONNECTIONS + 8)
        ]
        for link in waiting:
            link.close()
        assert exchange(port, b"my turn") == b"MY TURN"


def test_a_port_that_is_taken_is_an_error_at_once(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        relay.start_relays([(taken.getsockname()[1], str(tmp_path / "door"))])


def test_nothing_to_relay_starts_nothing():
    assert relay.start_relays([]) == 0


def test_a_side_on_which_nothing_moves_is_let_go():
    near, far = socket.socketpair()
    outer, inner = socket.socketpair()
    with near, outer:
        assert relay.carry(far, inner, 0.05) == (0, 0)
        assert near.recv(1) == b""
        assert outer.recv(1) == b""
