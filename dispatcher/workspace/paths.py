"""Protected paths: globs where `*` stays within a folder and `**` crosses folders."""

import re
from collections.abc import Iterable
from functools import cache

_PIECE = re.compile(r"\*\*/|\*\*|\*|\?|\[!?[^\]/]+\]|.", re.DOTALL)


def is_protected(path: str, patterns: Iterable[str]) -> bool:
    """Whether a pattern names the path or a folder above it. A pattern without a slash fits at any depth.

    Capital letters make no difference: on many machines `.GitHub` and `.github` are one folder.
    """
    return any(_compiled(pattern).fullmatch(path) for pattern in patterns)


def shadows_protected(path: str, patterns: Iterable[str]) -> bool:
    """Whether something protected would lie below `path`, so that a link there could stand in for it."""
    below = path.lower() + "/"
    return any(pattern.lower().lstrip("/").startswith(below) for pattern in patterns)


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    plain = pattern.strip().lstrip("/").rstrip("/")
    anywhere = "" if "/" in pattern.strip().rstrip("/") else r"(?:.*/)?"
    body = "".join(_translate(piece) for piece in _PIECE.findall(plain))
    return re.compile(f"{anywhere}{body}(?:/.*)?", re.IGNORECASE | re.DOTALL)


def _translate(piece: str) -> str:
    match piece:
        case "**/":
            return "(?:.*/)?"
        case "**":
            return ".*"
        case "*":
            return "[^/]*"
        case "?":
            return "[^/]"
        case _ if piece.startswith("[") and len(piece) > 1:
            return "[^" + piece[2:] if piece.startswith("[!") else piece
        case _:
            return re.escape(piece)
