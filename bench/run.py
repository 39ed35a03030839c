"""`make bench`: the project's numbers as one table. Counts, ratios and memory; times only where people wait for them.

python bench/run.py [--json] [PART ...]     parts: traffic, engine, workspace, runs, crash, kills, leaks, startup, attacks

Always ends with code 0: a missed goal is a line to read, not a test that depends on how busy the machine is.
"""

import argparse
import json
import re
import sys
import traceback
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from importlib import import_module

from rich.console import Console
from rich.table import Table

PARTS = ("traffic", "engine", "workspace", "runs", "crash", "kills", "leaks", "startup", "attacks")
_BOUND = re.compile(r"(?:<= )?([0-9.,]+)(?: \w+)?")
_NUMBER = re.compile(r"[0-9][0-9,]*(?:\.[0-9]+)?")


@dataclass(frozen=True)
class Measured:
    """One row; `met` is None for a number without a goal."""

    part: str
    name: str
    value: str
    goal: str
    met: bool | None


def main() -> None:
    asked = argparse.ArgumentParser(description="The project's numbers, as one table.")
    asked.add_argument("parts", nargs="*", metavar="PART", help=f"any of: {', '.join(PARTS)}; default: all")
    asked.add_argument("--json", action="store_true", help="one JSON document instead of the table")
    options = asked.parse_args()
    unknown = [part for part in options.parts if part not in PARTS]
    if unknown:
        asked.error(f"no such part: {', '.join(unknown)}; there are {', '.join(PARTS)}")
    rows = list(measure(options.parts or PARTS))
    if options.json:
        print(json.dumps([asdict(row) for row in rows], indent=2))
    else:
        show(rows)


def measure(parts: Iterable[str]) -> Iterator[Measured]:
    """Part by part; one that fails becomes a row that says so."""
    with Console(stderr=True).status("Measuring ...") as status:
        for part in parts:
            status.update(f"Measuring: {part} ...")
            try:
                for name, value, goal in import_module(part).measure():
                    yield Measured(part, name, value, goal, judge(value, goal))
            except Exception as error:  # noqa: BLE001  (the other parts still have something to tell)
                traceback.print_exc()
                yield Measured(
                    part, "could not be measured", f"{type(error).__name__}: {error}", "", met=False
                )


def judge(value: str, goal: str) -> bool | None:
    """Whether the value's first number is within the goal's; a goal in words must be met to the letter."""
    if goal == "-":
        return None
    bound, found = _BOUND.fullmatch(goal), _NUMBER.search(value)
    if bound is None or found is None:
        return value == goal
    return _number(found[0]) <= _number(bound[1])


def _number(text: str) -> float:
    return float(text.replace(",", ""))


def show(rows: list[Measured]) -> None:
    """The table, and how many goals are met."""
    table = Table("what", "measured", "goal", "met", show_edge=False)
    before = rows[0].part if rows else ""
    for row in rows:
        if row.part != before:
            table.add_section()
        before = row.part
        table.add_row(
            row.name, row.value, row.goal, {None: "", True: "yes", False: "[bold red]no[/]"}[row.met]
        )
    console = Console(width=None if sys.stdout.isatty() else 140)
    console.print(table)
    goals = [row for row in rows if row.met is not None]
    console.print(f"\n{sum(bool(row.met) for row in goals)} of {len(goals)} goals are met.")


if __name__ == "__main__":
    main()
