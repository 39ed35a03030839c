"""The full sweep: a whole life for every boundary that an undisturbed one crosses, with a sudden death there.

    python -m tests.crash.sweep [--every N] [--jobs N] [PART OF A NAME ...]

Prints how many boundaries there are and where the end was another one; code 1 if there was any.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.crash.fate import Fate
from tests.crash.lifecycle import living


@dataclass(frozen=True)
class Told:
    """What became of one life: where it died, and how its end differs from the undisturbed one."""

    boundary: str
    deaths: tuple[str, ...]
    differs: str


def undisturbed(root: Path) -> tuple[tuple[str, ...], dict[str, Any]]:
    """Every boundary between two writes, and the end."""
    fate = Fate()
    with living(root, fate) as life:
        life.live()
        return gaps(fate.crossed), life.end()


def gaps(crossed: Sequence[str]) -> tuple[str, ...]:
    """The moment after one write is the moment before the next: nothing that lasts lies in between. What is left is one before each
    request to the forge and each call of git, which may be long under way, and one after everything.
    """
    return tuple(name for name in crossed if name.startswith("after") or " forge " in name)


def disturbed(root: Path, boundary: str, end: dict[str, Any]) -> Told:
    """A life with a death at that boundary; one that did not come by there says so."""
    fate = Fate(ends_at=boundary)
    try:
        with living(root, fate) as life:
            life.live()
            return Told(boundary, tuple(fate.deaths), describe_difference(end, life.end()))
    except Exception as error:  # noqa: BLE001  (the other boundaries still have something to tell)
        return Told(boundary, tuple(fate.deaths), f"{type(error).__name__}: {error}")


def describe_difference(wanted: dict[str, Any], found: dict[str, Any]) -> str:
    """In words, part by part; "" if there is none."""
    parts = [name for name in {**wanted, **found} if wanted.get(name) != found.get(name)]
    return "\n".join(f"{name}: {found.get(name)} instead of {wanted.get(name)}" for name in parts)


def sweep(boundaries: Iterable[str], end: dict[str, Any], jobs: int) -> Iterator[Told]:
    with ProcessPoolExecutor(jobs) as pool:
        yield from pool.map(_disturb, ((boundary, end) for boundary in boundaries))


def _disturb(order: tuple[str, dict[str, Any]]) -> Told:
    with tempfile.TemporaryDirectory(prefix="crash-") as folder:
        return disturbed(Path(folder), *order)


def main() -> int:
    asked = argparse.ArgumentParser(description="A sudden death at every boundary of a whole life.")
    asked.add_argument("names", nargs="*", help="only boundaries with one of these words in their name")
    asked.add_argument("--every", type=int, default=1, help="only every N-th boundary")
    asked.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="how many lives at a time")
    options = asked.parse_args()
    with tempfile.TemporaryDirectory(prefix="crash-") as folder:
        found, end = undisturbed(Path(folder))
    chosen = [name for name in found if not options.names or any(word in name for word in options.names)]
    chosen = chosen[:: options.every]
    print(f"{len(found)} boundaries found, {len(chosen)} chosen", flush=True)
    missed, differing = 0, 0
    for told in sweep(chosen, end, options.jobs):
        missed += not told.deaths
        differing += bool(told.differs)
        if told.differs:
            print(f"died {told.boundary}:\n{told.differs}", flush=True)
    swept = len(chosen) - missed
    print(f"{swept} boundaries swept, {swept - differing} converged, {missed} not met again")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
