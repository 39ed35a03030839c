"""What people wait for, and what the daemon weighs: the installed program, as it is started from a shell."""

import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from stage import BOT, Row, add_repos, forge_without_git

from dispatcher.simulator.frontdoor import FrontDoor
from dispatcher.simulator.world import Settings as ForgeSettings

PROGRAM = Path(sys.executable).with_name("dispatcher")
HELP_RUNS = 5
WATCHED = 50
IDLE_TICKS = 20
PATIENCE_S = 60.0


def measure() -> list[Row]:
    """Rows of (name, value, goal)."""
    with tempfile.TemporaryDirectory(prefix="bench-startup-") as folder:
        home = {"HOME": folder, "PATH": os.environ["PATH"], "TMPDIR": folder, "no_proxy": "127.0.0.1"}
        return [*daemon_rows(Path(folder), home), *command_rows(home)]


def command_rows(home: Mapping[str, str]) -> list[Row]:
    helps = [_time_s(home, "--help") for _ in range(HELP_RUNS)]
    return [
        (
            f"`dispatcher --help`, median of {HELP_RUNS}",
            f"{statistics.median(helps):.2f} s",
            "<= 0.3 s",
        ),
        ("`dispatcher demo`", f"{_time_s(home, 'demo'):.1f} s", "<= 30 s"),
    ]


def _time_s(home: Mapping[str, str], *words: str) -> float:
    begun = time.perf_counter()
    subprocess.run([PROGRAM, *words], env=home, check=True, capture_output=True, stdin=subprocess.DEVNULL)
    return time.perf_counter() - begun


def daemon_rows(root: Path, home: Mapping[str, str]) -> list[Row]:
    """`dispatcher run` in front of the simulator, weighed after some ticks in which nothing happened."""
    with forge_without_git(settings=ForgeSettings(poll_interval_s=1)) as (scene, door, url):
        names = [f"acme/repo-{number}" for number in range(WATCHED)]
        add_repos(scene, names)
        config = root / "config.toml"
        config.write_text(_config(url, names, root / "state"))
        environment = {**home, "DISPATCHER_GITHUB_TOKEN": scene.add_token(BOT)}
        with (
            (root / "said").open("wb") as said,
            subprocess.Popen(
                [PROGRAM, "run", "--config", config], env=environment, stdout=said, stderr=said
            ) as daemon,
        ):
            try:
                _wait_for_ticks(daemon, door, root / "said")
                resident_kb = _resident_kb(daemon.pid)
            finally:
                daemon.send_signal(signal.SIGTERM)
                daemon.wait(timeout=10)
    name = f"daemon, resident after {IDLE_TICKS} idle ticks, {WATCHED} repositories"
    return [(name, f"{resident_kb / 1024:.1f} MB", "<= 90 MB")]


def _wait_for_ticks(daemon: subprocess.Popen, door: FrontDoor, said: Path) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while _unchanged_polls(door) < IDLE_TICKS:
        if daemon.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"the daemon does not poll:\n{said.read_text()}")
        time.sleep(0.1)


def _unchanged_polls(door: FrontDoor) -> int:
    return sum(logged.path == "/notifications" and logged.status == 304 for logged in tuple(door.log))


def _resident_kb(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1])


def _config(url: str, names: list[str], state: Path) -> str:
    """Polls once a second, so that twenty ticks take twenty seconds."""
    tables = [f'[forge]\nbase_url = "{url}"\nuse_gh = false\n[paths]\nstate_dir = "{state}"\n']
    for number, name in enumerate(names):
        owner, _, repo = name.partition("/")
        tables.append(f'[repo.r{number}]\nowner = "{owner}"\nname = "{repo}"\n')
    return "poll_interval_s = 1\nlist_poll_interval_s = 1\n" + "".join(tables)


if __name__ == "__main__":
    for row in measure():
        print(*row, sep=" | ")
