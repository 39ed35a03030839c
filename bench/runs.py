"""Numbers of the runs room: what a supervisor weighs, and how long it takes until an agent works."""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from dispatcher.core.model import LiveRun, Role
from dispatcher.core.rules import AgentConfig, NetworkAccess, RepoRules, SandboxKind, SandboxRules
from dispatcher.ports import RunOrder
from dispatcher.runs.environment import GitIdentity
from dispatcher.runs.launch import RunSettings, can_isolate
from dispatcher.runs.process_runs import ProcessRuns
from dispatcher.runs.prompts import PromptBook, find_shipped_prompts
from dispatcher.runs.sandbox.trial import try_bwrap

REPEATS = 15
AGENT = 'date +%s%N > "$DISPATCHER_RUN_DIR/out/first"; while ! [ -e go ]; do sleep 0.02; done'


def measure() -> list[tuple[str, str, str]]:
    """Rows of (name, value, goal)."""
    with tempfile.TemporaryDirectory() as folder:
        seen = [measure_once(Path(folder), number) for number in range(REPEATS)]
    bare_ms = statistics.median(time_bare_interpreter_ms() for _ in range(REPEATS))
    first_ms = statistics.median(row[2] for row in seen)
    kind = "in a process namespace" if can_isolate() else "without a namespace"
    return [
        ("supervisor, resident", f"{max(row[0] for row in seen) / 1024:.1f} MB", "15 MB"),
        ("supervisor, memory of its own", f"{max(row[1] for row in seen) / 1024:.1f} MB", "-"),
        (f"start to the agent's first command, {kind}", f"{first_ms:.0f} ms", "20 ms"),
        ("the same, against a bare interpreter's start and end", f"{first_ms / bare_ms:.1f} times", "-"),
        ("sandbox start overhead, median, against none", measure_sandbox(first_ms, bare_ms), "-"),
        ("start() as the daemon sees it", f"{statistics.median(row[3] for row in seen):.0f} ms", "-"),
    ]


def measure_sandbox(none_ms: float, bare_ms: float) -> str:
    """How much later the agent's first command comes in bubblewrap; none and bubblewrap take turns, so that both see the same weather."""
    trial = try_bwrap()
    if trial.machine is None:
        return f"skipped: {trial.why}"
    with tempfile.TemporaryDirectory() as folder:
        pairs = [
            (
                measure_once(Path(folder), 2 * n)[2],
                measure_once(Path(folder), 2 * n + 1, SandboxKind.BWRAP)[2],
            )
            for n in range(REPEATS)
        ]
    more_ms = statistics.median(boxed - bare for bare, boxed in pairs)
    return f"{more_ms:.0f} ms (none: {none_ms:.0f} ms; {more_ms / bare_ms:.1f} times a bare interpreter)"


def time_bare_interpreter_ms() -> float:
    """How long this machine takes at present to start and end a Python that does nothing."""
    began_ns = time.perf_counter_ns()
    subprocess.run([sys.executable, "-I", "-S", "-E", "-c", ""], env={}, check=True)
    return (time.perf_counter_ns() - began_ns) / 1e6


def measure_once(
    root: Path, number: int, sandbox: SandboxKind = SandboxKind.NONE
) -> tuple[int, int, float, float]:
    """Resident and private kB of the supervisor, ms to the first command, ms that start() took."""
    runs = ProcessRuns(
        RunSettings(root, GitIdentity("bot", "bot@bench.invalid")),
        {"agent": AgentConfig("agent", "command", ("/bin/sh", "-c", AGENT))},
        PromptBook(find_shipped_prompts()),
        host={"PATH": os.environ["PATH"]},
    )
    run = LiveRun(f"run-{number}", Role.REVIEWER, "agent", "", datetime.now(UTC))
    order = RunOrder(
        run,
        "a/b",
        RepoRules("b", "a", "b", sandbox=SandboxRules(sandbox, NetworkAccess.OFF)),
        Role.REVIEWER,
        {"task": "a/b#1"},
        60,
        60,
    )
    checkout = runs.prepare(order)
    checkout.mkdir()
    began_ns = time.time_ns()
    runs.start(order)
    started_ms = (time.time_ns() - began_ns) / 1e6
    first = checkout.parent / "out" / "first"
    while not first.exists() or not first.read_text().strip():
        time.sleep(0.001)
    first_ms = (int(first.read_text()) - began_ns) / 1e6
    resident_kb, private_kb = memory_of(str(checkout.parent / "run.json"))
    (checkout / "go").touch()
    while runs.report(run.id).state != "ended":
        time.sleep(0.005)
    return resident_kb, private_kb, first_ms, started_ms


def memory_of(order: str) -> tuple[int, int]:
    """Of the supervisor of this order: all resident memory, and what is not shared with a file."""
    found = subprocess.run(["pgrep", "-of", order], capture_output=True, text=True, check=True)
    lines = Path(f"/proc/{found.stdout.split()[0]}/status").read_text().splitlines()
    fields = {line.split(":")[0]: line.split()[1] for line in lines if line.startswith(("VmRSS", "RssAnon"))}
    return int(fields["VmRSS"]), int(fields["RssAnon"])


if __name__ == "__main__":
    for row in measure():
        print(*row, sep=" | ")
