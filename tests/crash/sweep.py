"""The full sweep: a whole life for every boundary that an undisturbed one crosses, with a sudden death there.

    python -m tests.crash.sweep [--real] [--every N] [--jobs N]

In memory by default, which takes about a minute; with --real on HTTP, git, processes and the real journal. Prints how many
boundaries there are and where the end was another one; code 1 if there was any.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.crash.endings import End, describe_difference
from tests.crash.fate import Fate
from tests.crash.in_memory import QuickLife
from tests.crash.lifecycle import living
from tests.crash.with_people import TalkativeLife

SPREAD = 11
"""In a sample: so many boundaries apart, beside the first of every kind."""


@dataclass(frozen=True)
class Told:
    """What became of one life: whether it died there, and how its end differs from the undisturbed one."""

    boundary: str
    has_died: bool
    differs: str


@dataclass(frozen=True)
class Swept:
    """All lives of a sweep together."""

    boundaries: int
    swept: int
    converged: int


def sample_of(boundaries: Sequence[str]) -> tuple[int, ...]:
    """The number of the first boundary of every kind, and of more all over the life; counted from 1."""
    first = {name: number for number, name in reversed(list(enumerate(boundaries, 1)))}
    return tuple(sorted({*first.values(), *range(SPREAD, len(boundaries) + 1, SPREAD)}))


# ---------------------------------------------------------------- with real parts


def undisturbed(root: Path) -> tuple[tuple[str, ...], End]:
    """Every boundary between two writes, and the end."""
    fate = Fate()
    with living(root, fate) as life:
        life.live()
        return gaps(fate.crossed), life.end()


def gaps(crossed: Sequence[str]) -> tuple[str, ...]:
    """Where a death can make a difference of its own.

    The moment after one write is the moment before the next, because nothing that lasts lies in between: so each is counted once.
    Calls of git and starts of runs are long under way, beside the loop, and requests can be lost on both ways: those count twice.
    """
    return tuple(name for name in crossed if name.startswith("after") or " journal." not in name)


def _die_for_real(order: tuple[str, End]) -> Told:
    boundary, end = order
    fate = Fate(ends_at=boundary)
    with tempfile.TemporaryDirectory(prefix="crash-") as folder:
        try:
            with living(Path(folder), fate) as life:
                life.live()
                difference = describe_difference(end, life.end())
        except Exception as error:  # noqa: BLE001  (the other boundaries still have something to tell)
            difference = f"  {type(error).__name__}: {error}"
    return Told(boundary, bool(fate.deaths), difference)


# ---------------------------------------------------------------- in memory


LIVES = {"alone": QuickLife, "among people": TalkativeLife}


def _die_in_memory(order: tuple[str, End]) -> Told:
    boundary, ends = order
    name, _, rest = boundary.partition(": ")
    number, end = int(rest.partition(" ")[0]), ends[name]
    with tempfile.TemporaryDirectory(prefix="crash-") as folder:
        life = LIVES[name](Path(folder), frozenset({number}))
        try:
            difference = describe_difference(end, life.live())
        except Exception as error:  # noqa: BLE001  (as above)
            difference = f"  {type(error).__name__}: {error}"
    return Told(boundary, bool(life.deaths), difference)


def _calm_in_memory(root: Path) -> tuple[tuple[str, ...], End]:
    boundaries, ends = [], {}
    for name, kind in LIVES.items():
        life = kind(root / name)
        ends[name] = life.live()
        boundaries += [f"{name}: {number} {what}" for number, what in enumerate(life.boundaries, 1)]
    return tuple(boundaries), ends


# ---------------------------------------------------------------- both


def sweep(*, real: bool, every: int = 1, jobs: int = 1) -> Iterator[Told | Swept]:
    """Tell of every life, and at last of all together."""
    with tempfile.TemporaryDirectory(prefix="crash-") as folder:
        found, end = (undisturbed if real else _calm_in_memory)(Path(folder))
    chosen, told = found[::every], []
    with ProcessPoolExecutor(jobs) as pool:
        for one in pool.map(_die_for_real if real else _die_in_memory, ((name, end) for name in chosen)):
            told.append(one)
            yield one
    died = [one for one in told if one.has_died]
    yield Swept(len(found), len(died), sum(not one.differs for one in died))


def main() -> int:
    asked = argparse.ArgumentParser(description="A sudden death at every boundary of a whole life.")
    asked.add_argument("--real", action="store_true", help="with real HTTP, git, processes and journal")
    asked.add_argument("--every", type=int, default=1, help="only every N-th boundary")
    asked.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="how many lives at a time")
    options = asked.parse_args()
    code, missed = 0, list[str]()
    for one in sweep(real=options.real, every=options.every, jobs=options.jobs):
        if isinstance(one, Swept):
            where = "with real parts" if options.real else "in memory"
            print(
                f"crash boundaries {where}: {one.boundaries} found, {one.swept} swept, {one.converged} converged"
            )
            code = max(code, int(bool(missed)))
        elif not one.has_died:
            print(f"not met again, so not swept: {one.boundary}", flush=True)
            missed.append(one.boundary)
        elif one.differs:
            print(f"died {one.boundary}:\n{one.differs}", flush=True)
            code = 1
    return code


if __name__ == "__main__":
    sys.exit(main())
