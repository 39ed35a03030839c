"""The only ways out of a run, tried from inside it by a real agent process, with a real sandbox around it where one can be had."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from dispatcher.core.rules import AgentConfig, NetworkAccess, SandboxKind, SandboxRules
from dispatcher.runs import proctree
from dispatcher.runs.sandbox.trial import try_bwrap
from tests.runs.conftest import Desk, until
from tests.support.loopback import Origin, origin_server

BOXED = pytest.param(
    SandboxKind.BWRAP,
    marks=pytest.mark.skipif(
        try_bwrap().machine is None, reason=f"skipped: no sandbox here: {try_bwrap().why}"
    ),
)
LOOSE = SandboxKind.NONE
KEY, TOKEN = "sk-real-4242424242", "ghp_4242424242abcdef4242"

HELPERS = """
import json, os, socket, sys, urllib.request
from urllib.parse import urlsplit

def ask(url, body=None, **headers):
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(urllib.request.Request(url, body, headers), timeout=20) as answer:
            return [answer.status, answer.read().decode()]
    except urllib.error.HTTPError as error:
        return [error.code, error.read().decode()]
    except OSError as error:
        return [0, type(error).__name__]

def through_proxy(url):
    proxy = urlsplit(os.environ["HTTPS_PROXY"])
    with socket.create_connection((proxy.hostname, proxy.port), timeout=20) as link:
        link.sendall(f"GET {url} HTTP/1.1\\r\\nConnection: close\\r\\n\\r\\n".encode())
        whole = b""
        while piece := link.recv(65536):
            whole += piece
    return [int(whole.split()[1]), whole.partition(b"\\r\\n\\r\\n")[2].decode()]

def straight(host, port):
    try:
        socket.create_connection((host, port), timeout=3).close()
        return "connected"
    except OSError as error:
        return type(error).__name__

def tell(said):
    with open(os.environ["DISPATCHER_RUN_DIR"] + "/out/said.json", "w") as file:
        json.dump(said, file)
"""


def runs_as_agent(desk: Desk, script: str) -> None:
    desk.config = replace(desk.config, argv=(sys.executable, "-I", "-c", HELPERS + script))


def said(desk: Desk) -> dict[str, object]:
    report = desk.finished()
    told = desk.folder(report.run_id).out / "said.json"
    assert told.exists(), desk.log(report.run_id) + desk.folder(report.run_id).supervisor_log.read_text()
    found: dict[str, object] = json.loads(told.read_text())
    return found


def net_log(desk: Desk) -> str:
    path = desk.folder(desk.ordered[-1]).net_log
    return path.read_text() if path.exists() else ""


def list_of(kind: SandboxKind, *hosts: str) -> SandboxRules:
    return SandboxRules(kind, NetworkAccess.ALLOW_LIST, allow_hosts=hosts)


@pytest.fixture
def origin():
    with origin_server() as server:
        yield server


@pytest.mark.parametrize("kind", [BOXED, LOOSE])
def test_a_listed_host_is_reached_and_another_one_is_refused_and_written_down(
    desk: Desk, origin: Origin, kind: SandboxKind
) -> None:
    desk.sandbox = list_of(kind, f"127.0.0.1:{origin.port}")
    runs_as_agent(
        desk,
        f'tell({{"listed": through_proxy("{origin.url}/a"), "other": through_proxy("http://evil.example/b")}})',
    )
    told = said(desk)
    assert told["listed"] == [200, "hello"]
    assert told["other"][0] == 403  # type: ignore[index]
    assert "evil.example:80 is not among the hosts" in told["other"][1]  # type: ignore[index]
    assert f"GET {origin.url}/a: 200" in net_log(desk)
    assert "egress GET http://evil.example/b: refused (403)" in net_log(desk)


@pytest.mark.parametrize("kind", [BOXED])
def test_there_is_no_way_around_the_list(desk: Desk, origin: Origin, kind: SandboxKind) -> None:
    desk.sandbox = list_of(kind, "example.com")
    runs_as_agent(
        desk,
        f'tell({{"loopback": straight("127.0.0.1", {origin.port}), "address": straight("93.184.215.14", 443), '
        '"name": straight("example.com", 443), "interfaces": [n for _, n in socket.if_nameindex()]})',
    )
    told = said(desk)
    assert told["loopback"] == "ConnectionRefusedError"
    assert told["address"] == "OSError"
    assert told["name"] == "gaierror"
    assert told["interfaces"] == ["lo"]
    assert origin.heard == []


@pytest.mark.parametrize("kind", [BOXED])
def test_a_service_of_this_machine_is_there_when_a_person_listed_its_port(
    desk: Desk, origin: Origin, kind: SandboxKind
) -> None:
    desk.sandbox = list_of(kind, f"localhost:{origin.port}")
    runs_as_agent(desk, f'tell({{"service": ask("{origin.url}/v1")}})')
    assert said(desk) == {"service": [200, "hello"]}
    assert f"port-{origin.port} a connection: allowed" in net_log(desk)


LOOK_FOR_THE_KEY = f"""
import glob
files = [os.path.join(folder, name) for top in (os.environ["DISPATCHER_RUN_DIR"], os.environ["HOME"], os.environ["TMPDIR"], "/etc")
         for folder, _, names in os.walk(top) for name in names]
files += glob.glob("/proc/[0-9]*/environ") + glob.glob("/proc/[0-9]*/cmdline")
seen = []
for path in files:
    try:
        with open(path, "rb") as file:
            if ({KEY[:8]!r}.encode() + {KEY[8:]!r}.encode()) in file.read(5_000_000):
                seen.append(path)
    except OSError:
        pass
tell({{"model": ask(os.environ["ANTHROPIC_BASE_URL"] + "/v1/messages", b"{{}}", **{{"x-api-key": os.environ["ANTHROPIC_API_KEY"]}}),
      "environment": dict(os.environ), "seen": seen}})
"""


@pytest.mark.parametrize("kind", [BOXED, LOOSE])
def test_the_models_key_is_used_and_is_nowhere_inside(
    desk: Desk, origin: Origin, kind: SandboxKind, tmp_path: Path
) -> None:
    desk.sandbox = list_of(kind)
    desk.host |= {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": origin.url}
    desk.config = AgentConfig("agent", "claude")
    script = tmp_path / "programs" / "agent"
    script.parent.mkdir()
    script.write_text(f"#!{sys.executable}\n{HELPERS}{LOOK_FOR_THE_KEY}")
    script.chmod(0o755)
    desk.config = replace(desk.config, argv=(str(script),))
    folder = desk.folder(desk.finished().run_id)
    told = json.loads((folder.out / "said.json").read_text())
    assert told["model"] == [200, "hello"]
    assert told["seen"] == []
    assert not any(KEY in value for value in told["environment"].values())
    assert told["environment"]["ANTHROPIC_API_KEY"] == "held-by-the-dispatcher"
    assert [heard.headers["x-api-key"] for heard in origin.heard] == [KEY]
    written = [path for path in folder.path.rglob("*") if path.is_file()]
    assert not [path for path in written if KEY.encode() in path.read_bytes()]


@pytest.mark.parametrize("access", [NetworkAccess.OFF, NetworkAccess.ALLOW_LIST, NetworkAccess.ON])
@pytest.mark.parametrize("kind", [BOXED, LOOSE])
def test_the_forge_can_be_read_whatever_the_network_is(
    desk: Desk, origin: Origin, kind: SandboxKind, access: NetworkAccess
) -> None:
    desk.sandbox = SandboxRules(kind, access)
    desk.forge = (origin.url, lambda: TOKEN)
    desk.forge_proxy = True
    runs_as_agent(
        desk,
        'url = os.environ["DISPATCHER_FORGE_URL"]; '
        'tell({"mine": ask(url + "/repos/acme/shop/issues/7"), "other": ask(url + "/repos/acme/other/issues/7")[0],'
        ' "write": ask(url + "/repos/acme/shop/issues/7", b"{}")[0], "token": str(os.environ)})',
    )
    told = said(desk)
    assert (told["mine"], told["other"], told["write"]) == ([200, "hello"], 403, 405)
    assert TOKEN not in str(told["token"])
    [heard] = origin.heard
    assert (heard.target, heard.headers["authorization"]) == ("/repositories/55/issues/7", f"token {TOKEN}")
    assert "forge GET /repositories/55/issues/7: 200" in net_log(desk)


def test_without_the_setting_there_is_no_door_to_the_forge(desk: Desk, origin: Origin) -> None:
    desk.forge = (origin.url, lambda: TOKEN)
    runs_as_agent(desk, 'tell({"url": os.environ.get("DISPATCHER_FORGE_URL", "")})')
    assert said(desk) == {"url": ""}


@pytest.mark.parametrize("kind", [BOXED, LOOSE])
def test_the_doorkeeper_goes_with_the_run_and_outlives_everybody_else(
    desk: Desk, origin: Origin, kind: SandboxKind, tmp_path: Path
) -> None:
    """Nothing of the daemon's is needed while a run lives: each look at it here is by a new object."""
    desk.sandbox = list_of(kind, f"127.0.0.1:{origin.port}")
    runs_as_agent(
        desk,
        f'through_proxy("{origin.url}/first"); sys.stdin.read()\n'
        f'import time\nwhile not os.path.exists("go"): time.sleep(0.01)\ntell({{"later": through_proxy("{origin.url}/later")}})',
    )
    run_id = desk.started()
    until(lambda: len(origin.heard) == 1)
    processes = desk.living(run_id)
    (desk.folder(run_id).checkout / "go").touch()
    desk.finished(run_id)
    assert [heard.target for heard in origin.heard] == ["/first", "/later"]
    assert processes
    assert not desk.living(run_id)


@pytest.mark.parametrize("kind", [BOXED, LOOSE])
def test_nobody_is_left_when_the_supervisor_is_killed(desk: Desk, kind: SandboxKind, origin: Origin) -> None:
    desk.sandbox = list_of(kind, f"127.0.0.1:{origin.port}")
    runs_as_agent(desk, f'through_proxy("{origin.url}/first"); import time; time.sleep(60)')
    run_id = desk.started()
    until(lambda: len(origin.heard) == 1)
    started = json.loads(desk.folder(run_id).started.read_text())
    supervisor = proctree.load_process(started["supervisor"][0])
    assert supervisor
    children = proctree.find_descendants(supervisor.pid)
    assert len(children) >= 2
    proctree.send_signal(supervisor, 9)
    doorkeepers = [child for child in children if child.parent == supervisor.pid]
    desk.runs.reap(run_id)
    until(lambda: not any(_lives(child) for child in doorkeepers))


def _lives(child: proctree.Process) -> bool:
    now = proctree.load_process(child.pid)
    return now is not None and now.is_alive and child.is_same_as(now)
