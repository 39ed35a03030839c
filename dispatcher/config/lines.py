"""Which line of a TOML text a key stands on: good enough to point at, never needed to read the file."""

import re

Path = tuple[str, ...]

_KEY = r"""(?:[A-Za-z0-9_-]+|"(?:[^"\\]|\\.)*"|'[^']*')"""
_DOTTED = rf"{_KEY}(?:[ \t]*\.[ \t]*{_KEY})*"
_HEADER = re.compile(rf"[ \t]*\[\[?[ \t]*({_DOTTED})[ \t]*\]")
_ASSIGN = re.compile(rf"[ \t]*({_DOTTED})[ \t]*=")
_PART = re.compile(_KEY)
_FENCE = re.compile(r'"""|\'\'\'')


def find_lines(text: str) -> dict[Path, int]:
    """Line numbers, from 1, of every table header and key that stands at the beginning of a line."""
    found: dict[Path, int] = {}
    table: Path = ()
    fence = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if not fence:
            if header := _HEADER.match(line):
                table = _parts(header[1])
                found.setdefault(table, number)
            elif assign := _ASSIGN.match(line):
                found.setdefault(table + _parts(assign[1]), number)
        fence = _fence_after(line, fence)
    return found


def line_of(lines: dict[Path, int], path: Path) -> int | None:
    """The line of this key, else of the innermost table around it that has one."""
    for end in range(len(path), 0, -1):
        if path[:end] in lines:
            return lines[path[:end]]
    return None


def _parts(dotted: str) -> Path:
    return tuple(part.strip("\"'") for part in _PART.findall(dotted))


def _fence_after(line: str, fence: str) -> str:
    """Whether the next line lies inside a text of several lines, and which quotes will end it."""
    for mark in _FENCE.findall(line):
        if not fence:
            fence = mark
        elif mark == fence:
            fence = ""
    return fence
