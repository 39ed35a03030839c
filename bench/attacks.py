"""Hostile agents and hostile texts: how many ran, how many got through."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

_TOLD = re.compile(r"(\d+) attacks ran, (\d+) got through, (\d+) skipped")


def measure() -> Iterator[tuple[str, str, str]]:
    words = [sys.executable, "-m", "pytest", "-q", "-n", "2", "--dist", "loadfile", "tests/attacks"]
    done = subprocess.run(
        words,
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    told = _TOLD.search(done.stdout)
    if told is None:
        raise RuntimeError(f"no tally: {done.stdout[-500:]}")
    skipped = [line for line in done.stdout.splitlines() if line.startswith("skipped: ")]
    yield "attacks that ran", told[1], "-"
    yield "attacks that got through", told[2], "0"
    yield "attacks that were skipped", "; ".join([told[3], *skipped]), "-"
