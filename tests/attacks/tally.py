"""Counts attacks: how many ran, how many got through, how many could not be tried here and why."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

FOLDER = "tests/attacks/"
CONTROL = "control"


@dataclass
class Tally:
    """`through` are attacks whose goal was reached (or that could not be judged); `blunt` are controls that failed: their attacks prove nothing."""

    ran: list[str] = field(default_factory=list)
    through: list[str] = field(default_factory=list)
    skipped: dict[str, list[str]] = field(default_factory=dict)
    controls: int = 0
    blunt: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """What a person reads."""
        left_out = sum(len(names) for names in self.skipped.values())
        told = [
            f"{len(self.ran)} attacks ran, {len(self.through)} got through, {left_out} skipped; {self.controls} controls"
        ]
        told += [f"GOT THROUGH: {name}" for name in self.through]
        told += [f"control failed, the attack is blunt: {name}" for name in self.blunt]
        return told + [
            f"skipped: {name} ({why})" for why, names in sorted(self.skipped.items()) for name in names
        ]


def count(reports: Iterable[Any]) -> Tally:
    """The tally of what pytest reports, whatever else ran beside it."""
    tally = Tally()
    for report in reports:
        if FOLDER in f"{PurePosixPath(report.nodeid)}":
            _add(tally, report)
    return tally


def _add(tally: Tally, report: Any) -> None:
    name = report.nodeid.partition(FOLDER)[2]
    is_control = CONTROL in report.keywords
    if report.skipped:
        why = str(report.longrepr[2]) if isinstance(report.longrepr, tuple) else str(report.longrepr)
        tally.skipped.setdefault(why.removeprefix("Skipped: "), []).append(name)
    elif is_control:
        tally.controls += report.when == "call"
        tally.blunt += [name] if report.failed else []
    else:
        tally.ran += [name] if report.when == "call" or report.failed else []
        tally.through += [name] if report.failed else []
