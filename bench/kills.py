"""What SIGKILLs at random moments do to the work of the real daemon, and how soon its successor has the agents in hand."""

import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from tests.crash.real import begins, kill_again_and_again, served  # noqa: E402  (needs the line above)

Row = tuple[str, str, str]
ROUNDS = 50
ADOPTED = 50
SEED = 20
STARTS_WITHIN_S = 600.0


def measure(rounds: int = ROUNDS) -> list[Row]:
    """Rows of (name, value, goal)."""
    return [*measure_kills(rounds), *measure_adoption()]


def measure_kills(rounds: int = ROUNDS, seed: int = SEED) -> list[Row]:
    """New work and a SIGKILL, `rounds` times, then everything to its end: what got lost, what is there twice."""
    with tempfile.TemporaryDirectory(prefix="bench-kills-") as folder:
        told = kill_again_and_again(Path(folder), rounds, seed)
    for what in (*told.lost, *told.doubled):
        print(what, file=sys.stderr)
    return [
        (f"SIGKILLs of the daemon, {told.tasks} tasks: lost", str(len(told.lost)), "<= 0"),
        (f"the same {told.rounds} rounds: doubled", str(len(told.doubled)), "<= 0"),
        ("agents that were alive at a kill, for the successor to adopt", str(told.adopted), "-"),
    ]


def measure_adoption(count: int = ADOPTED) -> list[Row]:
    """A daemon is killed while `count` agents are at work; the next one's whole first round is timed, process start included."""
    with tempfile.TemporaryDirectory(prefix="bench-kills-") as folder:
        root = Path(folder)
        hangs = {"worker": [[begins(root / "diary"), {"hang": True}]]}
        with served(root, live_runs=count, script=hangs) as office:
            office.wait_until(office.has_looked)
            for number in range(count):
                office.asks(f"Wish {number}")
            office.wait_until(lambda: office.running() == count, STARTS_WITHIN_S)
            office.kill()
            begun = time.perf_counter()
            code = office.ask_program("once").wait(timeout=STARTS_WITHIN_S)
            taken_s = time.perf_counter() - begun
            kept = office.running() == office.live_agents() == len(set(office.begun())) == count
            if code or not kept:
                raise RuntimeError(f"not all of the {count} runs were adopted:\n{office.said_by_program()}")
    return [
        (f"from the start to having adopted {count} live runs, one whole round", f"{taken_s:.1f} s", "<= 2 s")
    ]


if __name__ == "__main__":
    for row in measure(int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS):
        print(*row, sep=" | ")
