"""From inside of a sandbox: an agent looks for keys, other runs, the journal, the token, the kernel's settings, and for anybody who listens."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.attacks.conftest import boxed, ground_at, unboxed
from tests.attacks.ground import HOSTILE, Ground, hostile
from tests.story.office import writes

CANARY = "canary-of-this-host"
SLEEPER = ("/bin/sleep", "301.25")

HOME_FILES = {
    "ssh key": ".ssh/id_ed25519",
    "ssh settings": ".ssh/config",
    "cloud key": ".aws/credentials",
    "other cloud key": ".config/gcloud/credentials.db",
    "gh login": ".config/gh/hosts.yml",
    "git credentials": ".git-credentials",
    "netrc": ".netrc",
    "npm token": ".npmrc",
    "docker login": ".docker/config.json",
    "cluster key": ".kube/config",
    "pgp keyring": ".gnupg/private-keys-v1.d/key",
    "keyring": ".local/share/keyrings/login.keyring",
    "shell history": ".bash_history",
    "a file at home": "diary.txt",
}
STATE_FILES = {
    "journal": "state/journal.sqlite3",
    "log": "state/dispatcher.log",
    "instance": "state/instance-id",
    "lock": "state/lock",
    "configuration": "config.toml",
}
READS = [
    *HOME_FILES,
    *STATE_FILES,
    "another run",
    "another run's outcome",
    "another repository",
    "passwords",
    "our own plan",
    "our own order",
]
WRITES = [
    "journal", "configuration", "another run's outcome", "our own prompt", "our own context", "our own exit", "our own plan", "our own log",
    "prompts of the dispatcher", "rules of the dispatcher", "code of the dispatcher", "kernel's core_pattern", "kernel's sysrq", "kernel's hostname",
    "passwords", "hosts", "process group control",
]  # fmt: skip
FOLDERS = ["programs", "system settings", "timers", "runs", "mirror", "our own run", "net"]
REACHES = ["a port of the host", "an abstract socket", "a named socket", "an agent for keys"]
RIGHTS = [
    "become_root:",
    "mount:",
    "new_user_namespace:",
    "trace:",
    "devices:",
    "descriptors:",
    "processes:",
    "kill:victim",
    "link:journal",
]
HARMLESS = [f"read:{name}" for name in READS] + [
    "environments:",
    "connect:a port of the host",
    "connect:a named socket",
]
CONTROLS = [
    *(
        f"read:{name}"
        for name in (
            *HOME_FILES,
            *STATE_FILES,
            "another run",
            "another run's outcome",
            "another repository",
            "our own plan",
        )
    ),
    "connect:a port of the host",
    "connect:an abstract socket",
    "connect:a named socket",
]


@dataclass
class Raid:
    """One run that tried everything, and the token that it was after."""

    ground: Ground
    token: str
    victim: subprocess.Popen[bytes]

    def reached(self, trick: str) -> str:
        return str(self.ground.loot("raid", trick)["reached"])


@contextmanager
def raid(root: Path, rules: dict[str, Any], tricks: list[str]) -> Iterator[Raid]:
    """A host full of things that are worth something, and one agent that tries all tricks on them."""
    with ExitStack() as stack:
        ground = stack.enter_context(ground_at(root, rules=rules))
        targets: dict[str, Any] = {"token": ground.office.token, **furnish(root)}
        targets |= {
            "a port of the host": stack.enter_context(
                listening(socket.AF_INET, ("127.0.0.1", 0))
            ).getsockname()[1]
        }
        targets["an abstract socket"] = f"@attack-{root.name}"
        stack.enter_context(listening(socket.AF_UNIX, f"\0attack-{root.name}"))
        targets["a named socket"] = f"{root}/s"
        stack.enter_context(listening_at(root / "s"))
        targets["an agent for keys"] = "/run/dbus/system_bus_socket"
        victim = stack.enter_context(subprocess.Popen(SLEEPER))
        stack.callback(victim.kill)
        targets |= {"victim": victim.pid, "words of the victim": " ".join(SLEEPER)}
        ground.plan("first")
        ground.go()
        targets |= own_and_others(ground)
        ground.plan("raid", worker=[[*hostile(*tricks, **targets), *writes()]])
        ground.go()
        yield Raid(ground, ground.office.token, victim)


def listening(family: int, address: Any) -> socket.socket:
    server = socket.socket(family, socket.SOCK_STREAM)
    server.bind(address)
    server.listen()
    return server


def listening_at(path: Path) -> socket.socket:
    """A named socket at a path of any length: the kernel takes 107 bytes, and a way through a descriptor is shorter."""
    folder = os.open(path.parent, os.O_PATH)
    try:
        return listening(socket.AF_UNIX, f"/proc/self/fd/{folder}/{path.name}")
    finally:
        os.close(folder)


def furnish(root: Path) -> dict[str, str]:
    """Put a canary into everything that a home holds; returns where it is."""
    for name in (*HOME_FILES.values(), "state/dispatcher.log", "config.toml"):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            path.write_text(f"# {CANARY}\n")
    product = Path(__file__).parents[2]
    return {
        **{name: str(root / path) for name, path in {**HOME_FILES, **STATE_FILES}.items()},
        "passwords": "/etc/shadow",
        "hosts": "/etc/hosts",
        "kernel's core_pattern": "/proc/sys/kernel/core_pattern",
        "kernel's sysrq": "/proc/sysrq-trigger",
        "kernel's hostname": "/proc/sys/kernel/hostname",
        "process group control": "/sys/fs/cgroup/cgroup.procs",
        "prompts of the dispatcher": str(next(iter(product.glob("**/prompts/worker.md")))),
        "rules of the dispatcher": str(product / "WORKFLOW.md"),
        "code of the dispatcher": str(product / "dispatcher" / "app.py"),
        "programs": "/usr/bin",
        "system settings": "/etc",
        "timers": "/var/spool",
        "runs": str(root / "state" / "runs"),
    }


def own_and_others(ground: Ground) -> dict[str, str]:
    """What is known only when a first run was there; `..` is what the raid's own folder is to itself."""
    other = ground.runs("first")[0]
    repo = next(iter((ground.office.root / "state" / "git" / "repos").iterdir()))
    return {
        "another run": str(other / "prompt.md"),
        "another run's outcome": str(other / "out" / "outcome.json"),
        "another repository": str(repo / "vault.git" / "HEAD"),
        "mirror": str(repo / "mirror.git"),
        **{
            f"our own {name.partition('.')[0]}": f"../{name}"
            for name in ("plan.json", "prompt.md", "context.json", "exit.json")
        },
        "our own order": "../run.json",
        "our own log": "../agent.log",
        "our own run": "..",
        "net": "../net",
    }


TRICKS = [
    *(f"read:{name}" for name in READS),
    *(f"append:{name}" for name in WRITES),
    *(f"create:{name}" for name in FOLDERS),
    *(f"connect:{name}" for name in REACHES),
    *RIGHTS,
    "environment:",
    "environments:",
]


@pytest.fixture(scope="module")
def inside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Raid]:
    with raid(tmp_path_factory.mktemp("host"), boxed(), TRICKS) as one:
        yield one


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Raid]:
    with raid(tmp_path_factory.mktemp("open"), unboxed(), CONTROLS) as one:
        yield one


@pytest.mark.parametrize("trick", TRICKS)
def test_an_agent_in_a_sandbox_can(inside: Raid, trick: str) -> None:
    assert inside.reached(trick) == ""


@pytest.mark.control
@pytest.mark.parametrize("trick", CONTROLS)
def test_control_without_a_sandbox_it_can(outside: Raid, trick: str) -> None:
    assert outside.reached(trick)


@pytest.mark.control
def test_control_who_shares_our_namespace_sees_the_processes_of_the_host(
    inside: Raid, tmp_path: Path
) -> None:
    (tmp_path / "tmp").mkdir()
    (tmp_path / "out").mkdir()
    script = tmp_path / "tmp" / "hostile.py"
    script.write_text(HOSTILE)
    script.with_name("targets.json").write_text(json.dumps({"words of the victim": " ".join(SLEEPER)}))
    subprocess.run([sys.executable, "-I", "-S", script, "processes:"], check=True)
    seen = json.loads((tmp_path / "out" / "loot.json").read_text())["processes:"]["reached"]
    assert str(inside.victim.pid) in seen.split()


def test_a_process_of_the_host_is_ended(inside: Raid) -> None:
    assert inside.ground.loot("raid", "kill:victim")
    assert inside.victim.poll() is None


def test_what_was_looted_is_published(inside: Raid) -> None:
    assert CANARY not in inside.ground.published()
    assert inside.token not in json.dumps(inside.ground.loot("raid", TRICKS[0]))
