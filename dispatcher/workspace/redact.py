"""Text from outside programs, made fit for logs and comments: no secrets, no control characters."""

import re
from base64 import b64encode
from collections.abc import Iterable
from typing import Final

_HIDDEN: Final = "[hidden]"
_SHORTEST_SECRET: Final = 8

_AUTHORISATION: Final = re.compile(r"(authorization:\s*\w+\s+)\S+", re.IGNORECASE)
_USER_IN_URL: Final = re.compile(r"(\b[a-z][a-z0-9+.-]*://)[^/@\s]+@", re.IGNORECASE)
_ANSI: Final = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
_CONTROL: Final = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]"
)


def redact(text: str, secrets: Iterable[str]) -> str:
    """The text without these secrets (also as git sends them), credentials in addresses, and control characters."""
    for secret in worth_hiding(secrets):
        text = text.replace(secret, _HIDDEN).replace(as_basic(secret), _HIDDEN)
    text = _AUTHORISATION.sub(rf"\g<1>{_HIDDEN}", text)
    return printable(_USER_IN_URL.sub(rf"\g<1>{_HIDDEN}@", text))


def worth_hiding(secrets: Iterable[str]) -> tuple[str, ...]:
    """The secrets long enough not to be ordinary words, longest first."""
    return tuple(sorted({one for one in secrets if len(one) >= _SHORTEST_SECRET}, key=len, reverse=True))


def as_basic(token: str) -> str:
    """The token as git's Authorization header carries it."""
    return b64encode(f"x-access-token:{token}".encode()).decode()


def printable(text: str) -> str:
    """The text without terminal escapes and control characters; a lone carriage return becomes a line break."""
    text = _ANSI.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    return _CONTROL.sub("", text).encode(errors="replace").decode()
