"""What a check said: the end of it, fit to be read, and a name for the way it failed."""

import re
from hashlib import sha256
from typing import Final

from dispatcher.workspace.redact import printable

TAIL_BYTES: Final = 8192
_KEPT_BYTES: Final = 4 * TAIL_BYTES  # terminal escapes are dropped later, so keep more than is shown
_COMPARED_LINES: Final = 40

# In this order: what is left of one pattern must not feed the next.
_VARYING: Final = (
    (re.compile(r"(?:[A-Za-z]:)?(?:/[\w.+@~-]+){2,}/?"), "<path>"),
    (re.compile(r"\b0x[0-9a-fA-F]+\b"), "<address>"),
    (re.compile(r"\b(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{7,64}\b"), "<hash>"),
    (re.compile(r"\d+(?:[.,:]\d+)*"), "#"),
    (re.compile(r"[=_*~-]{3,}"), "--"),
    (re.compile(r"[ \t]+"), " "),
)


class Tail:
    """Keeps the end of a stream, however long it is."""

    def __init__(self) -> None:
        self._kept = bytearray()

    def add(self, chunk: bytes) -> None:
        """Take the next piece of output."""
        self._kept += chunk
        if len(self._kept) > 2 * _KEPT_BYTES:
            del self._kept[:-_KEPT_BYTES]

    def text(self) -> str:
        """The last 8 KB, beginning with a whole line where lines are not longer than that."""
        shown = printable(self._kept.decode(errors="replace")).strip()
        if len(shown.encode()) <= TAIL_BYTES:
            return shown
        cut = shown.encode()[-TAIL_BYTES:].decode(errors="ignore")
        return cut.partition("\n")[2] or cut


def fingerprint(tail: str, ending: str) -> str:
    """The same for two failures that differ in paths, times, addresses, hashes and numbers only: 64 hex digits.

    `ending` (exit code, signal) counts as it is.
    """
    lines = [_plain(line) for line in tail.splitlines()]
    compared = [line for line in lines if line][-_COMPARED_LINES:]
    return sha256("\n".join([*compared, ending]).encode()).hexdigest()


def _plain(line: str) -> str:
    for pattern, replacement in _VARYING:
        line = pattern.sub(replacement, line)
    return line.strip()
