"""The doorkeeper as a process: it gets its secrets on stdin, keeps them to itself, and ends when it is no longer wanted."""

import http.client
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.loopback import origin_server

ROOT = Path(__file__).parents[2]
KEEP = (
    "import sys, json; sys.path.append(sys.argv[1]); from dispatcher.runs.doorkeeper import keep_doors; "
    "keep_doors(sys.stdin.buffer.raw.read(65536), 0, json.loads(sys.argv[2]))"
)
KEY, TOKEN = "sk-real-9876543210", "ghp_9876543210abcdef9876"


@dataclass
class Kept:
    """A doorkeeper and the ports of its doors."""

    process: subprocess.Popen[bytes]
    ports: dict[str, int]
    log: Path

    def ask(self, door: str, target: str, headers: Mapping[str, str] | None = None) -> tuple[int, bytes]:
        link = http.client.HTTPConnection("127.0.0.1", self.ports[door], timeout=20)
        try:
            link.request("GET", target, headers=headers or {})
            answer = link.getresponse()
            return answer.status, answer.read()
        finally:
            link.close()


@contextmanager
def doorkeeper(
    folder: Path, environment: Mapping[str, str] | None = None, /, **doors: object
) -> Iterator[Kept]:
    names = {"hosts": "egress", "upstreams": "model", "forge": "forge"}
    listeners = {names[key]: socket.create_server(("127.0.0.1", 0)) for key in doors}
    order = {
        "ticket": "t1",
        "parent": ["", ""],
        "log": str(folder / "net.log"),
        "log_bytes": 10_000,
        "listeners": {name: listener.fileno() for name, listener in listeners.items()},
        **doors,
    }
    ports = {name: listener.getsockname()[1] for name, listener in listeners.items()}
    descriptors = [listener.fileno() for listener in listeners.values()]
    argv = [sys.executable, "-I", "-S", "-E", "-c", KEEP, str(ROOT), json.dumps(descriptors)]
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, env=environment or {"MARK": "m"}, pass_fds=descriptors
    ) as process:
        for listener in listeners.values():
            listener.close()
        assert process.stdin
        process.stdin.write(json.dumps(order).encode() + b"\n")
        process.stdin.flush()
        yield Kept(process, ports, folder / "net.log")
        if process.poll() is None:
            process.kill()


def test_all_doors_are_served_by_one_process(tmp_path):
    with origin_server() as origin:
        doors = {
            "hosts": [f"127.0.0.1:{origin.port}"],
            "upstreams": [{"name": "anthropic", "base_url": origin.url, "key": KEY}],
            "forge": {
                "base_url": origin.url, "token": TOKEN, "repo_id": 5, "full_name": "a/b", "reads": 9, "reads_per_minute": 9,
                "own_url": "http://127.0.0.1:1",
            },
        }  # fmt: skip
        with doorkeeper(tmp_path, **doors) as kept:
            assert kept.ask("egress", f"{origin.url}/plain") == (200, b"hello")
            assert kept.ask("model", "/t1/anthropic/v1") == (200, b"hello")
            assert kept.ask("forge", "/t1/repos/a/b/issues") == (200, b"hello")
            pid = kept.process.pid
            assert KEY not in Path(f"/proc/{pid}/cmdline").read_text()
    assert [heard.target for heard in origin.heard] == ["/plain", "/v1", "/repositories/5/issues"]
    written = kept.log.read_text()
    assert [line.split()[1] for line in written.splitlines()] == ["egress", "model", "forge"]
    assert KEY not in written
    assert TOKEN not in written
    assert kept.log.stat().st_mode & 0o777 == 0o600


def test_signals_that_are_meant_for_the_agent_do_not_end_it(tmp_path):
    with doorkeeper(tmp_path, hosts=[]) as kept:
        assert kept.ask("egress", "http://example.com/")[0] == 403
        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            kept.process.send_signal(signum)
        assert kept.ask("egress", "http://example.com/")[0] == 403


def test_it_ends_with_whoever_holds_the_other_end_of_its_stdin(tmp_path):
    with doorkeeper(tmp_path, hosts=[]) as kept:
        assert kept.ask("egress", "http://example.com/")[0] == 403
        assert kept.process.stdin
        kept.process.stdin.close()
        assert kept.process.wait(20) == 0


def test_other_processes_of_the_same_user_cannot_look_into_it(tmp_path):
    with doorkeeper(tmp_path, hosts=[]) as kept:
        kept.ask("egress", "http://example.com/")
        owner = Path(f"/proc/{kept.process.pid}/mem").stat().st_uid
        if os.geteuid() == 0:
            pytest.skip("skipped: root may look into everything")
        assert owner == 0


def test_a_doorkeeper_to_whom_nobody_comes_ends_as_well(tmp_path):
    with doorkeeper(tmp_path, hosts=[]) as kept:
        assert kept.process.stdin
        kept.process.stdin.close()
        assert kept.process.wait(20) == 0
    assert not kept.log.exists()


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for localhost that signs itself, with its key in the same file."""
    if shutil.which("openssl") is None:
        pytest.skip("skipped: no openssl to make a certificate with")
    made = tmp_path / "localhost.pem"
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    form = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc", "-days", "2"]
    subprocess.run(
        ["openssl", "req", *form, *names, "-keyout", str(made), "-out", str(tmp_path / "cert.pem")],
        check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    made.write_text(made.read_text() + (tmp_path / "cert.pem").read_text())
    return made


@pytest.mark.parametrize("is_trusted", [True, False])
def test_a_key_goes_to_a_server_whose_certificate_is_trusted_and_to_no_other(
    tmp_path, certificate, is_trusted
):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    trust = {"SSL_CERT_FILE": str(certificate if is_trusted else tmp_path / "nothing")}
    with origin_server(tls=context) as origin:
        upstreams = [{"name": "vendor", "base_url": f"https://localhost:{origin.port}/v1", "key": KEY}]
        with doorkeeper(tmp_path, trust, upstreams=upstreams) as kept:
            status, body = kept.ask("model", "/t1/vendor/models", {"authorization": "Bearer -"})
    if is_trusted:
        assert (status, body) == (200, b"hello")
        assert origin.heard[0].headers["authorization"] == f"Bearer {KEY}"
    else:
        assert status == 502
        assert b"CERTIFICATE_VERIFY_FAILED" in body
        assert origin.heard == []
