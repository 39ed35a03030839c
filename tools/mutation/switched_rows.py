"""Faults of the table's rows, put in when the table is imported. Copied into the instrumented tree; the table ends by calling it."""

import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

VARIANTS = ("dropped", "redirected", "without its effects", "without its change")


def mutated(rows: Sequence[Any], first_site: int) -> tuple[Any, ...]:
    """The rows with the fault that MUTANT names; row 0 is site `first_site`. With MUTANT_NOTES set, each row notes that it was taken."""
    site, _, variant = os.environ.get("MUTANT", "").partition(":")
    number = int(site) - first_site if site.isdigit() else -1
    if "MUTANT_NOTES" in os.environ:
        return tuple(_noting(row, first_site + place) for place, row in enumerate(rows))
    if not 0 <= number < len(rows) or variant not in VARIANTS:
        return tuple(rows)
    row = rows[number]
    others = {
        "dropped": (),
        "redirected": (replace(row, dest=other_end(rows, number)),),
        "without its effects": (replace(row, then=()),),
        "without its change": (replace(row, change=type(row).__dataclass_fields__["change"].default),),
    }[variant]
    return (*rows[:number], *others, *rows[number + 1 :])


def put_in(first_site: int) -> None:
    """Put the fault that MUTANT names into the table of this process, in every module that has it, and forget what was made of it."""
    from dispatcher.core import table

    before = table.TABLE
    rows = mutated(before, first_site)
    for name, module in tuple(sys.modules.items()):
        if name.startswith("dispatcher."):
            if vars(module).get("TABLE") is before:
                module.TABLE = rows  # type: ignore[attr-defined]
            for value in tuple(vars(module).values()):
                if hasattr(value, "cache_clear"):
                    value.cache_clear()


def other_end(rows: Sequence[Any], number: int) -> Any:
    """Where the next row leads that leads elsewhere than this one."""
    behind = (*rows[number + 1 :], *rows[:number])
    return next(row.dest for row in behind if row.dest is not rows[number].dest)


def _noting(row: Any, site: int) -> Any:
    from dispatcher import mutant_switch  # only the instrumented tree has it

    change = row.change

    def noted(*args: Any) -> Any:
        mutant_switch.seen.add(2 * site + 1)
        return change(*args)

    return replace(row, change=noted)
