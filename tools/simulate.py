"""Runs the seeded simulation and prints steps, violations and steps per second; `make simulate SEEDS=n` or `SEED=123`."""

import argparse
import logging
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.simulation.rehearsal import DEFAULT_STEPS, is_on_sqlite, simulate  # noqa: E402
from tests.simulation.simulation import Simulation  # noqa: E402


@dataclass(slots=True)
class Tally:
    """What the worlds on one kind of journal came to. `took_s` is seconds of work."""

    name: str
    seeds: int = 0
    steps: int = 0
    violations: int = 0
    kills: int = 0
    faults: int = 0
    runs: int = 0
    took_s: float = 0.0
    failed: list[int] = field(default_factory=list)

    def add(self, world: Simulation, took_s: float) -> None:
        """Count one world."""
        self.seeds += 1
        self.steps += world.steps
        self.violations += len(world.violations)
        self.kills += sum(machine.kills for machine in world.machines)
        self.faults += sum(machine.weather.faults for machine in world.machines)
        self.runs += len(world.watch.runs)
        self.took_s += took_s
        if world.violations:
            self.failed.append(world.seed)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=500, help="how many worlds")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--seed", type=int, default=None, help="replay this one, telling every step")
    parser.add_argument("--steps", type=int, default=DEFAULT_STEPS, help="steps of trouble in each world")
    return parser.parse_args()


def _render(tallies: list[Tally]) -> str:
    rows = [
        f"{'journal':<8} {'seeds':>6} {'steps':>9} {'runs':>7} {'kills':>6} {'faults':>7} {'violations':>10} {'steps/s':>8}"
    ]
    for one in tallies:
        speed = round(one.steps / one.took_s) if one.took_s else 0
        rows.append(
            f"{one.name:<8} {one.seeds:>6,} {one.steps:>9,} {one.runs:>7,} {one.kills:>6,} {one.faults:>7,}"
            f" {one.violations:>10,} {speed:>8,}"
        )
    return "\n".join(rows)


def _replay(seed: int, steps: int) -> int:
    with tempfile.TemporaryDirectory() as folder:
        world = simulate(seed, Path(folder), steps, keeps_trace=True)
    print("\n".join(world.trace))
    for violation in world.violations:
        print(f"VIOLATION {violation}")
    print(f"seed {seed}: {world.steps} steps, {len(world.violations)} violations, digest {world.digest}")
    return 1 if world.violations else 0


def _run_many(first: int, seeds: int, steps: int) -> int:
    memory, sqlite = Tally("memory"), Tally("sqlite")
    for seed in range(first, first + seeds):
        with tempfile.TemporaryDirectory() as folder:
            began = time.process_time()
            world = simulate(seed, Path(folder), steps)
            (sqlite if is_on_sqlite(seed) else memory).add(world, time.process_time() - began)
        for violation in world.violations:
            print(f"seed {seed}: {violation}")
            print(f"  replay: make simulate SEED={seed} STEPS={steps}")
    total = Tally("all")
    for one in (memory, sqlite):
        for name in ("seeds", "steps", "violations", "kills", "faults", "runs", "took_s"):
            setattr(total, name, getattr(total, name) + getattr(one, name))
    print(_render([memory, sqlite, total]))
    return 1 if total.violations else 0


def main() -> int:
    """Run many worlds, or replay one; 1 when an invariant was violated."""
    logging.disable(logging.CRITICAL)
    wanted = _parse()
    if wanted.seed is not None:
        return _replay(wanted.seed, wanted.steps)
    return _run_many(wanted.first, wanted.seeds, wanted.steps)


if __name__ == "__main__":
    sys.exit(main())
