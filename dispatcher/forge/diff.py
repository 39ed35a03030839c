"""Which lines a review may comment on: those on the new side of a file's hunks."""

import re

from dispatcher.core.model import Finding

_HUNK = re.compile(r"^@@ -\d+(?:,\d+)? \+(\d+)(?:,(\d+))? @@")


def parse_new_lines(patch: str) -> frozenset[int]:
    """The new side's line numbers (added and context) that a unified diff of one file shows."""
    lines: set[int] = set()
    number, left = 0, 0
    for row in patch.split("\n"):
        header = _HUNK.match(row) if left <= 0 else None
        if header:
            number, left = int(header[1]), int(header[2] or 1)
        elif left > 0 and row[:1] in {"+", " ", ""}:
            lines.add(number)
            number, left = number + 1, left - 1
    return frozenset(lines)


def split_findings(
    findings: tuple[Finding, ...], lines: dict[str, frozenset[int]]
) -> tuple[tuple[Finding, ...], tuple[Finding, ...]]:
    """Findings that lie in the diff (`lines` by path), and those that do not."""
    inside = tuple(finding for finding in findings if finding.line in lines.get(finding.path, frozenset()))
    outside = tuple(finding for finding in findings if finding not in inside)
    return inside, outside
