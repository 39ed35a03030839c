"""Sudden deaths at every boundary of a whole life, in memory; `make crash` does the same with real parts as well."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from tests.crash.sweep import Swept, sweep  # noqa: E402  (needs the line above)


def measure() -> Iterator[tuple[str, str, str]]:
    """Name, value and goal of each number."""
    for one in sweep(real=False, jobs=os.cpu_count() or 1):
        if isinstance(one, Swept):
            yield "crash boundaries found, in memory", f"{one.boundaries:,}", "-"
            yield "of these swept and converged to the undisturbed end", f"{one.converged:,}", "-"
            yield "not swept, or with another end", f"{one.boundaries - one.converged:,}", "0"
