"""Text from outside programs, made fit for logs and comments: no secrets, no control characters."""

import re
from collections.abc import Iterable
from typing import Final

from dispatcher.core.secrecy import know_secrets

SHORTEST_SECRET: Final = 8
"""Characters. Here a secret that is an ordinary word would stop a task, so a shorter one is not looked for."""

_ANSI: Final = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
_CONTROL: Final = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]"
)


def redact(text: str, secrets: Iterable[str]) -> str:
    """The text without these secrets, whatever has the shape of one, and control characters."""
    return printable(know_secrets(secrets, SHORTEST_SECRET).redact(text))


def printable(text: str) -> str:
    """The text without terminal escapes and control characters; a lone carriage return becomes a line break."""
    text = _ANSI.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    return _CONTROL.sub("", text).encode(errors="replace").decode()
