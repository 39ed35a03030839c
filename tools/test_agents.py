"""Installs the agent programs at pinned versions and runs each through the dispatcher; prints kind x scenario. No model is asked."""

import argparse
import ctypes
import fcntl
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from dispatcher.core.model import Stage  # noqa: E402 - the clone is no installed package
from dispatcher.core.rules import Limits  # noqa: E402
from tests.agents.lab import INSTALLED, PROGRAMS, Lab, Program, lab  # noqa: E402
from tests.support.model import Script  # noqa: E402
from tests.support.model_scripts import good_colleague, mumbler, runaway  # noqa: E402
from tests.support.model_server import ModelServer, Trouble, model_server  # noqa: E402

ONE_TRY = Limits(redispatch_cooldown_s=60, attempts=1, worker_s=20, reviewer_s=20)
INSTALL_S = 600
_NEW_USERS, _NEW_NETWORK = 0x10000000, 0x40000000  # CLONE_NEWUSER, CLONE_NEWNET of <sched.h>
_SET_FLAGS, _UP = 0x8914, 0x1  # SIOCSIFFLAGS, IFF_UP of <net/if.h>


@dataclass(frozen=True, slots=True)
class Scenario:
    """One way in which the model's server behaves, and what the dispatcher must make of it."""

    name: str
    script: Script
    trouble: Trouble
    limits: Limits
    is_right: Callable[[Lab, int, str], bool]


@dataclass(frozen=True, slots=True)
class Cell:
    """What came of one kind in one scenario."""

    kind: str
    scenario: str
    verdict: str
    recorded: int
    served: int
    leftovers: int


def _names(*words: str) -> Callable[[Lab, int, str], bool]:
    def is_right(office: Lab, number: int, kind: str) -> bool:
        told = office.explained(number)
        return office.stage(number) is Stage.BLOCKED and any(f"{kind}: {word}" in told for word in words)

    return is_right


def _is_blocked(office: Lab, number: int, _kind: str) -> bool:
    return office.stage(number) is Stage.BLOCKED


def _is_ready(office: Lab, number: int, _kind: str) -> bool:
    return office.stage(number) is Stage.MERGE_READY and len(office.run_ids()) == 4


NO_TROUBLE = Trouble.NONE
SCENARIOS = (
    Scenario("merge-ready", good_colleague, NO_TROUBLE, Limits(redispatch_cooldown_s=60), _is_ready),
    Scenario("401", good_colleague, Trouble.UNAUTHORIZED, ONE_TRY, _names("401")),
    Scenario("429", good_colleague, Trouble.RATE_LIMITED, ONE_TRY, _names("429")),
    Scenario("500", good_colleague, Trouble.BROKEN, ONE_TRY, _names("")),
    Scenario("hang", good_colleague, Trouble.HANGS, ONE_TRY, _is_blocked),
    Scenario("endless", runaway, NO_TROUBLE, ONE_TRY, _is_blocked),
    Scenario("malformed", mumbler, NO_TROUBLE, ONE_TRY, _is_blocked),
)


def main() -> int:
    """Install, leave the network, play, print. The exit code is 1 when a program did not do what it must."""
    wish = _parse()
    chosen = [PROGRAMS[kind] for kind in wish.kind or PROGRAMS]
    missing = {one.kind: why for one in chosen if (why := "" if one.path.exists() else install(one))}
    alone = "loopback only" if leave_network() else "WITH the network: no namespace can be made here"
    print(f"network: {alone}; user id {os.getuid()}", flush=True)
    print(f"{'kind':16}{'scenario':14}{'verdict':10}{'tokens recorded / served':28}leftovers", flush=True)
    cells = []
    for program in chosen:
        if program.kind in missing:
            print(f"{program.kind:16}skipped: {missing[program.kind]}", flush=True)
            continue
        for scenario in SCENARIOS:
            if not wish.scenario or scenario.name in wish.scenario:
                cells.append(play(program, scenario))
                print(render(cells[-1]), flush=True)
    return int(any(cell.verdict != "ok" or cell.leftovers for cell in cells))


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kind", action="append", choices=list(PROGRAMS))
    parser.add_argument("--scenario", action="append", choices=[one.name for one in SCENARIOS])
    return parser.parse_args()


def install(program: Program) -> str:
    """Put a program into the clone; why it could not be done, or ""."""
    folder = INSTALLED / program.kind
    folder.mkdir(parents=True, exist_ok=True)
    try:
        for command in _install_commands(program, folder):
            subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, timeout=INSTALL_S)
    except (OSError, subprocess.SubprocessError) as error:
        words = getattr(error, "stderr", "") or str(error)
        return " ".join(str(words).split())[-160:]
    return "" if program.path.exists() else f"{program.binary} is not there after the installation"


def _install_commands(program: Program, folder: Path) -> list[list[str]]:
    if program.source == "npm":
        quiet = ["--no-save", "--no-package-lock", "--no-audit", "--no-fund"]
        return [["npm", "install", "--prefix", str(folder), *quiet, *program.packages]]
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    return [[sys.executable, "-m", "venv", str(folder)], [*pip, *program.packages]]


def leave_network() -> bool:
    """Put this process into a network of its own that has loopback only; whether that worked. As root, or with user namespaces."""
    user, group = os.getuid(), os.getgid()
    flags = _NEW_NETWORK if user == 0 else _NEW_NETWORK | _NEW_USERS
    if ctypes.CDLL(None, use_errno=True).unshare(flags) != 0:
        return False
    if user != 0:
        Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1", encoding="ascii")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1", encoding="ascii")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
        fcntl.ioctl(handle, _SET_FLAGS, struct.pack("16sh", b"lo", _UP))
    return True


def play(program: Program, scenario: Scenario) -> Cell:
    """One kind in one scenario, in a folder of its own."""
    root = Path(tempfile.mkdtemp(prefix=f"test-agents-{program.kind}-"))
    try:
        with (
            model_server(scenario.script, scenario.trouble) as model,
            lab(root, program, model, scenario.limits) as office,
        ):
            return _watch(office, model, program, scenario)
    finally:
        shutil.rmtree(root, ignore_errors=True)


def _watch(office: Lab, model: ModelServer, program: Program, scenario: Scenario) -> Cell:
    number = office.asks()
    try:
        office.finishes(number)
        verdict = "ok" if scenario.is_right(office, number, program.kind) else "WRONG"
    except AssertionError:
        verdict = "NEVER ENDS"
    if verdict != "ok":
        print(office.why_not_settled(), office.last_words(), file=sys.stderr)
    recorded = sum(report.tokens or 0 for report in office.reports())
    return Cell(program.kind, scenario.name, verdict, recorded, model.total.total, len(office.leftovers()))


def render(cell: Cell) -> str:
    """One line of the table."""
    tokens = f"{cell.recorded} / {cell.served}"
    return f"{cell.kind:16}{cell.scenario:14}{cell.verdict:10}{tokens:28}{cell.leftovers}"


if __name__ == "__main__":
    sys.exit(main())
