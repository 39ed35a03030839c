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
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from dispatcher.core.faults import FaultKind  # noqa: E402 - the clone is no installed package
from dispatcher.core.model import Stage  # noqa: E402 - the clone is no installed package
from dispatcher.core.rules import Limits  # noqa: E402
from tests.agents.lab import INSTALLED, KEY, PROGRAMS, Lab, Program, lab  # noqa: E402
from tests.support.model import Script  # noqa: E402
from tests.support.model_scripts import good_colleague, mumbler, penitent, runaway  # noqa: E402
from tests.support.model_server import ModelServer, Trouble, model_server  # noqa: E402

WORKING = Limits(redispatch_cooldown_s=60)
FAULTY = Limits(redispatch_cooldown_s=60, attempts=1, worker_s=100, silence_s=60)
HANGING = Limits(redispatch_cooldown_s=60, attempts=1, worker_s=100, silence_s=30)
LOOPING = Limits(redispatch_cooldown_s=60, attempts=1, worker_s=30)
FEW_ANSWERS = 5
INSTALL_S = 600
_NEW_USERS, _NEW_NETWORK = 0x10000000, 0x40000000  # CLONE_NEWUSER, CLONE_NEWNET of <sched.h>
_SET_FLAGS, _UP = 0x8914, 0x1  # SIOCSIFFLAGS, IFF_UP of <net/if.h>


@dataclass(frozen=True, slots=True)
class Scenario:
    """One way in which the model or its server behaves, and what the dispatcher must make of it: `ends` waits for it, `judge` says what is wrong."""

    name: str
    script: Script
    trouble: Trouble
    limits: Limits
    ends: Callable[[Lab, int], object]
    judge: Callable[[Lab, int, ModelServer], str]
    denies: bool = False


@dataclass(frozen=True, slots=True)
class Cell:
    """What came of one kind in one scenario; `wrong` is "" when it is what it must be."""

    kind: str
    scenario: str
    wrong: str
    told: str
    recorded: int
    served: int
    leftovers: int
    key: str
    seconds: float

    @property
    def is_right(self) -> bool:
        """Whether everything is as it must be."""
        return not self.wrong and not self.leftovers


def _must_fault(*kinds: FaultKind) -> Callable[[Lab, int, ModelServer], str]:
    """A fault of the set-up: recognised, named by `explain`, and the task keeps its attempt."""

    def judge(office: Lab, number: int, _model: ModelServer) -> str:
        fault = office.reports()[0].fault
        if fault is None or fault.kind not in kinds:
            return f"{fault} is none of {', '.join(kinds)}"
        if fault.text[:60] not in office.explained(number):
            return "explain does not name it"
        return "it cost an attempt" if office.task(number).attempts else ""

    return judge


def _must_end(*ends: str) -> Callable[[Lab, int, ModelServer], str]:
    def judge(office: Lab, _number: int, model: ModelServer) -> str:
        ended = office.reports()[0].ended_because
        if not model.served:
            return "it never asked its model"
        return "" if ended in ends else f"it ended as {ended}"

    return judge


def _must_end_or_be_over(office: Lab, number: int, model: ModelServer) -> str:
    """Ended by us; or over by itself after a handful of answers, where the program has no loop."""
    is_over = not office.program_loops and model.turns <= FEW_ANSWERS
    return "" if is_over else _must_end("timed-out")(office, number, model)


def _must_mend(office: Lab, number: int, _model: ModelServer) -> str:
    repairs = sum(run.endswith("-repair") for run in office.run_ids())
    return (
        "" if office.task(number).pull and repairs == 1 else f"{office.stage(number)} after {repairs} repairs"
    )


def _must_be_ready(office: Lab, number: int, model: ModelServer) -> str:
    if model.keys != {KEY}:
        return "the server was shown another key"
    if any(KEY in one.asked.last_output for one in model.served if one.asked):
        return "an agent's command could read the key"
    if office.stage(number) is not Stage.MERGE_READY or len(office.run_ids()) != 4:
        return f"{office.stage(number)} after {len(office.run_ids())} runs"
    recorded = sum(report.tokens or 0 for report in office.reports())
    return "" if recorded == model.total.total else "the tokens are not those that were served"


def _must_be_repaired(office: Lab, number: int, _model: ModelServer) -> str:
    why, runs = office.task(number).blocked_why, len(office.run_ids())
    return "" if why.startswith("malformed") and runs == 2 else f"blocked: {why!r} after {runs} runs"


NONE = Trouble.NONE
SCENARIOS = (
    Scenario("merge-ready", good_colleague, NONE, WORKING, Lab.finishes, _must_be_ready),
    Scenario("401", good_colleague, Trouble.UNAUTHORIZED, FAULTY, Lab.fails, _must_fault(FaultKind.LOGIN)),
    Scenario(
        "429", good_colleague, Trouble.RATE_LIMITED, FAULTY, Lab.fails, _must_fault(FaultKind.RATE_LIMIT)
    ),
    Scenario("500", good_colleague, Trouble.BROKEN, FAULTY, Lab.fails, _must_fault(FaultKind.OVERLOAD)),
    Scenario("denied", good_colleague, NONE, FAULTY, Lab.fails, _must_fault(FaultKind.SETTINGS), denies=True),
    Scenario("hang", good_colleague, Trouble.HANGS, HANGING, Lab.fails, _must_end("stalled", "timed-out")),
    Scenario("endless", runaway, NONE, LOOPING, Lab.fails, _must_end_or_be_over),
    Scenario("malformed", mumbler, NONE, FAULTY, Lab.finishes, _must_be_repaired),
    Scenario("mended", penitent, NONE, FAULTY, Lab.publishes, _must_mend),
)


def main() -> int:
    """Install, leave the network, play, print. The exit code is 1 when a program did not do what it must."""
    wish = _parse()
    chosen = [PROGRAMS[kind] for kind in wish.kind or PROGRAMS]
    missing = {one.kind: why for one in chosen if (why := install(one))}
    if wish.install:
        for one in chosen:
            print(
                f"{one.kind}: {'skipped: ' + missing[one.kind] if missing.get(one.kind) else 'installed'}",
                flush=True,
            )
        return 0
    alone = "loopback only" if leave_network() else "WITH the network: no namespace can be made here"
    print(f"network: {alone}; user id {os.getuid()}", flush=True)
    print(HEADER, flush=True)
    cells = []
    for program in chosen:
        if program.kind in missing:
            print(f"{program.kind:16}skipped: {missing[program.kind]}", flush=True)
            continue
        for scenario in SCENARIOS:
            if wish.scenario and scenario.name not in wish.scenario:
                continue
            if scenario.denies and not program.can_deny:
                print(
                    f"{program.kind:16}{scenario.name:13}it has no permissions that could be denied",
                    flush=True,
                )
                continue
            cells.append(play(program, scenario))
            print(render(cells[-1]), flush=True)
    wrong = sum(not cell.is_right for cell in cells)
    print(f"{len(cells) - wrong} of {len(cells)} as they must be", flush=True)
    return int(wrong > 0)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kind", action="append", choices=list(PROGRAMS))
    parser.add_argument(
        "--install", action="store_true", help="only install; what cannot be is skipped, by name"
    )
    parser.add_argument("--scenario", action="append", choices=[one.name for one in SCENARIOS])
    return parser.parse_args()


def install(program: Program) -> str:
    """Put a program into the clone, unless exactly these packages are there; why it could not be done, or ""."""
    folder, pinned = INSTALLED / program.kind, "\n".join(program.packages)
    stamp = folder / "packages.txt"
    if program.path.exists() and stamp.exists() and stamp.read_text() == pinned:
        return ""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        for command in _install_commands(program, folder):
            subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, timeout=INSTALL_S)
    except (OSError, subprocess.SubprocessError) as error:
        words = getattr(error, "stderr", "") or str(error)
        return " ".join(str(words).split())[-160:]
    if not program.path.exists():
        return f"{program.binary} is not there after the installation"
    stamp.write_text(pinned)
    return ""


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
    chosen = program.denied() if scenario.denies else program
    try:
        with (
            model_server(scenario.script, scenario.trouble) as model,
            lab(root, chosen, model, scenario.limits) as office,
        ):
            return _watch(office, model, chosen, scenario)
    finally:
        shutil.rmtree(root, ignore_errors=True)


def _watch(office: Lab, model: ModelServer, program: Program, scenario: Scenario) -> Cell:
    number, began_s = office.asks(), time.monotonic()
    try:
        scenario.ends(office, number)
        wrong = scenario.judge(office, number, model)
    except AssertionError:
        wrong = "never ends"
    if wrong:
        print(office.why_not_settled(), office.last_words(), file=sys.stderr)
    reports = office.reports()
    return Cell(
        program.kind,
        scenario.name,
        wrong,
        _told(office, number),
        sum(report.tokens or 0 for report in reports),
        model.total.total,
        len(office.leftovers()),
        "outside" if office.keys_are_outside else "-",
        time.monotonic() - began_s,
    )


def _told(office: Lab, number: int) -> str:
    """What was made of it, in a word or two."""
    first = next(iter(office.reports()), None)
    if first is None or not office.has_task(number):
        return "no run"
    if first.fault and office.stage(number) is not Stage.MERGE_READY:
        return f"fault: {first.fault.kind}"
    return first.ended_because if office.stage(number) is Stage.QUEUED else str(office.stage(number))


HEADER = f"{'kind':16}{'scenario':13}{'told':20}{'tokens: recorded / served':27}{'left':6}{'key':9}{'s':>5}  verdict"


def render(cell: Cell) -> str:
    """One line of the table."""
    tokens = f"{cell.recorded} / {cell.served}"
    verdict = "ok" if cell.is_right else f"WRONG: {cell.wrong or 'processes are left'}"
    return f"{cell.kind:16}{cell.scenario:13}{cell.told:20}{tokens:27}{cell.leftovers:<6}{cell.key:9}{cell.seconds:5.0f}  {verdict}"


if __name__ == "__main__":
    sys.exit(main())
