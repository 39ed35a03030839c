"""The one place that knows how a secret looks: by its value in every usual spelling, and by the shape of its kind."""

import base64
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from dispatcher.core.tokens import MASK, hide_tokens

SHORTEST_SECRET: Final = 6
"""Characters. A shorter value would be found in the middle of ordinary words."""

_SHORTEST_PIECE: Final = 10
_USERS: Final = ("x-access-token", "git", "")
_TELLING_NAME: Final = re.compile(
    r"key|token|secret|passw|credential|auth|cookie|session|dsn|private", re.IGNORECASE
)
_TELLING_VALUE: Final = re.compile(r"(?=\S*\d)(?=\S*[A-Za-z])[A-Za-z0-9_.+=~-]{24,}")


@dataclass(frozen=True, slots=True)
class Secrets:
    """Values that must not be shown. `spellings` holds each of them in every form, the longest first."""

    spellings: tuple[str, ...] = ()

    def redact(self, text: str) -> str:
        """The text with every secret, and whatever has the shape of one, replaced by `[secret]`."""
        for spelling in self.spellings:
            if spelling in text:
                text = text.replace(spelling, MASK)
        return hide_tokens(text)

    def holds(self, text: str) -> str:
        """The first of our own secrets that the text has in it, as it is spelled there; "" for none."""
        return next((spelling for spelling in self.spellings if spelling in text), "")


def know_secrets(values: Iterable[str], shortest: int = SHORTEST_SECRET) -> Secrets:
    """The secrets by value; those with fewer than `shortest` characters are left out."""
    long_enough = {value.strip() for value in values if len(value.strip()) >= shortest}
    found = {spelling for value in long_enough for spelling in _spell(value)}
    return Secrets(tuple(sorted(found, key=lambda one: (-len(one), one))))


def secret_variables(variables: Mapping[str, str]) -> tuple[str, ...]:
    """The values among these environment variables that must be kept: by the name, or because they look drawn by lot."""
    return tuple(
        value
        for name, value in sorted(variables.items())
        if len(value) >= SHORTEST_SECRET
        and ((_TELLING_NAME.search(name) and not _is_plain(value)) or _TELLING_VALUE.fullmatch(value))
    )


def as_basic(token: str, user: str = "x-access-token") -> str:
    """The token as git's Authorization header carries it."""
    return base64.b64encode(f"{user}:{token}".encode(errors="replace")).decode()


def _is_plain(value: str) -> bool:
    """A path or an address without a password in it is told by many programs, and by ordinary code."""
    return value.startswith(("/", "~/", "./")) or (
        re.match(r"[a-z][a-z0-9+.-]*://", value) is not None and "@" not in value
    )


def _spell(secret: str) -> Iterator[str]:
    """As it is, in an address, in JSON, as git's header carries it, and in base64 wherever it stands in a longer text."""
    raw = secret.encode(errors="replace")
    yield secret
    yield quote(raw, safe="")
    yield json.dumps(secret)[1:-1]
    for user in _USERS:
        yield as_basic(secret, user)
    for altchars in (None, b"-_"):
        for before in range(3):
            if len(piece := _base64_core(raw, before, altchars)) >= _SHORTEST_PIECE:
                yield piece


def _base64_core(raw: bytes, before: int, altchars: bytes | None) -> str:
    """What stays the same of the base64 whatever stands around it, when `before` (0 to 2, modulo 3) bytes stand ahead."""
    longer = bytes(before) + raw
    code = base64.b64encode(longer, altchars).decode()
    return code[-(-before * 8 // 6) : len(longer) * 8 // 6]
