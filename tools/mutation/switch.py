"""What an instrumented module asks at run time: which fault is switched on. Copied into the instrumented tree.

The environment variable MUTANT chooses `<site>:<variant>` (or `row<number>:<variant>`) when a process starts, so that
processes that a test starts have the same fault; a forked test process chooses with `choose`.
"""

import operator
import os
from typing import Any, TypeVar

T = TypeVar("T")
FORCED: dict[str, object] = {"always": True, "never": False, "blind": None}
OTHERS = {"skipped", "flipped", "left out"}
COMPARE = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
OTHER_SIDE = {"<": "<=", "<=": "<", ">": ">=", ">=": ">"}

seen: set[int] = set()
"""Twice the site, and one more when the fault would have made a difference there: only such a test can notice it."""

_site = -1
_forced: object = None


def choose(mutant: str) -> None:
    """Switch one fault on ("": none), here and in every process that is started from here."""
    global _site, _forced  # noqa: PLW0603  (the one switch there is)
    os.environ["MUTANT"] = mutant
    site, _, variant = mutant.partition(":")
    _site = int(site) if site.isdigit() and variant in {*FORCED, *OTHERS} else -1
    _forced = FORCED.get(variant)


def at(site: int, value: T) -> T:
    """The answer to a question, or what the fault makes of it."""
    seen.add(2 * site + bool(value))
    return value if site != _site else _forced  # type: ignore[return-value]


def found(site: int, value: T) -> T:
    """What was looked for, or nothing."""
    seen.add(2 * site + (value is not None))
    return value if site != _site else _forced  # type: ignore[return-value]


def keep(site: int) -> bool:
    """Whether the statement behind it is carried out."""
    seen.add(2 * site + 1)
    return site != _site


def edge(site: int, left: Any, sign: str, right: Any) -> Any:
    """A comparison, or the same with the edge on the other side."""
    seen.add(2 * site + bool(left == right))
    return COMPARE[sign if site != _site else OTHER_SIDE[sign]](left, right)


def polish(site: int, rough: Any, how: str, *args: Any, **named: Any) -> Any:
    """A polished value, or the rough one."""
    polished = getattr(rough, how)(*args, **named)
    seen.add(2 * site + (polished != rough))
    return polished if site != _site else rough


def lacks(first: int, fields: dict[str, T], names: tuple[str, ...]) -> dict[str, T]:
    """The fields, without the one whose fault is switched on; the sites are numbered from `first`."""
    seen.update(2 * (first + number) + (name in fields) for number, name in enumerate(names))
    if first <= _site < first + len(names):
        fields.pop(names[_site - first], None)
    return fields


def take_seen() -> set[int]:
    """What was passed since the last time this was asked."""
    passed = set(seen)
    seen.clear()
    return passed


choose(os.environ.get("MUTANT", ""))
