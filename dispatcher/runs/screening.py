"""Takes known secrets out of a stream of output, also where one is cut over two reads. Standard library only (the supervisor's part)."""

from collections.abc import Iterable

MASK = b"[secret]"

_LONGEST_HOLD = 4
"""How many times the longest secret is held back at most, however secrets overlap each other."""


class Screen:
    """`feed` gives output back without the secrets; what could be the beginning of one waits for what comes next, or for `flush`."""

    __slots__ = ("_longest", "_rest", "_spellings")

    def __init__(self, spellings: Iterable[bytes] = ()) -> None:
        self._spellings = sorted({one for one in spellings if one}, key=lambda one: (-len(one), one))
        self._longest = len(self._spellings[0]) if self._spellings else 0
        self._rest = b""

    def feed(self, chunk: bytes) -> bytes:
        """What of the output up to here can be shown."""
        if not self._spellings:
            return chunk
        text = self._rest + chunk
        cut = self._find_cut(text)
        self._rest = text[cut:]
        return self.mask(text[:cut])

    def flush(self) -> bytes:
        """What was held back: nothing comes behind it."""
        rest, self._rest = self._rest, b""
        return self.mask(rest)

    def mask(self, text: bytes) -> bytes:
        """A whole text without the secrets, the longest first."""
        for spelling in self._spellings:
            if spelling in text:
                text = text.replace(spelling, MASK)
        return text

    def _find_cut(self, text: bytes) -> int:
        """Where to cut: behind it is what may go on as a secret, and no whole one lies across."""
        cut = len(text) - max(_overlap(text, spelling) for spelling in self._spellings)
        earliest = max(0, len(text) - _LONGEST_HOLD * self._longest)
        while cut > earliest and (across := self._find_across(text, cut)) is not None:
            cut = across
        return max(cut, earliest)

    def _find_across(self, text: bytes, cut: int) -> int | None:
        for spelling in self._spellings:
            length = len(spelling)
            begin = text.find(spelling, max(0, cut - length + 1), min(len(text), cut + length - 1))
            if begin >= 0:
                return begin
        return None


def _overlap(text: bytes, spelling: bytes) -> int:
    """How many bytes at the end of the text begin this secret, without being all of it."""
    end, first = len(text), spelling[:1]
    begin = text.find(first, max(0, end - len(spelling) + 1))
    while begin >= 0:
        if spelling.startswith(text[begin:]):
            return end - begin
        begin = text.find(first, begin + 1)
    return 0
