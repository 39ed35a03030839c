"""Finds the outcome that an agent printed instead of writing it to its file."""

import json
import re
from collections.abc import Iterator

_PRINTED_TAIL = 1_000_000
_JSON_FENCE = re.compile(r"\s*(`{3,}|~{3,})\s*json\b", re.IGNORECASE)
_OBJECT_START = re.compile(r'\{\s*+"')
_BRACE = re.compile(r"[{}]")
_BRACE_OR_STRING = re.compile(r'[{}]|"(?:[^"\\\n]++|\\.)*+"?+')


def last_json_block(log_text: str) -> str | None:
    """The JSON in which printed output ends: a fenced `json` block, or a bare object; None if there is neither.

    The last one that has an `outcome` wins, else the last one. Only the last million characters are looked at.
    """
    blocks = list(_find_blocks(log_text[-_PRINTED_TAIL:]))
    named = [block for block in blocks if '"outcome"' in block]
    return next(reversed(named or blocks), None)


def _find_blocks(text: str) -> Iterator[str]:
    """Fenced blocks as they stand, and the objects between them. A block that is never closed ends with the text."""
    outside: list[str] = []
    inside: list[str] = []
    fence = ""
    for line in text.splitlines(keepends=True):
        if opening := _JSON_FENCE.match(line):
            yield from _find_objects("".join(outside))
            outside, inside, fence = [], [], opening[1]
        elif fence and line.strip() == fence:
            yield "".join(inside).strip()
            fence = ""
        else:
            (inside if fence else outside).append(line)
    yield from ["".join(inside).strip()] if fence else _find_objects("".join(outside))


def _find_objects(text: str) -> list[str]:
    """The outermost JSON objects in a text, in their order.

    Tries pairs of braces from the end, so that the work, which is bounded by the text's length, goes into the last ones.
    """
    found: list[str] = []
    work_left = 10 * len(text)
    before = len(text)
    for start, end in reversed(_pair_braces(text)):
        if end > before or not _OBJECT_START.match(text, start):
            continue
        work_left -= end - start
        if work_left < 0:
            break
        if _is_json(text[start:end]):
            found.append(text[start:end])
            before = start
    return found[::-1]


def _pair_braces(text: str) -> list[tuple[int, int]]:
    """Where braces open and close, by their closing; a quote counts only behind an open brace, and ends with its line."""
    pairs: list[tuple[int, int]] = []
    opened: list[int] = []
    at = 0
    while token := (_BRACE_OR_STRING if opened else _BRACE).search(text, at):
        at = token.end()
        if token[0] == "{":
            opened.append(token.start())
        elif token[0] == "}" and opened:
            pairs.append((opened.pop(), at))
    return pairs


def _is_json(text: str) -> bool:
    """Whether the text is JSON, apart from what `parse_outcome` can complain about more precisely."""
    try:
        json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return False
    return True
