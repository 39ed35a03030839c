"""The login files that an agent's program needs: copied into its private HOME, and nothing else of the person's."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dispatcher.runs.sandbox.person import home_of_person

_MOST_BYTES: Final = 1_000_000
_KEYS: Final = ("_KEY", "_TOKEN")


@dataclass(frozen=True, slots=True)
class Login:
    """Where a program keeps its login: a file in a folder of HOME, which a variable may put elsewhere."""

    folder: str
    file: str
    variable: str = ""


def copy_logins(
    logins: Iterable[Login], home: Path, host: Mapping[str, str], given: Mapping[str, str]
) -> dict[str, str]:
    """Copy what is there, for this user only; returns the variables that must say so.

    Nothing is copied when the agent was given a key: then it needs no login. The copy is the run's own: what a program renews in it
    does not come back, because an agent could have written it.
    """
    if any(name.endswith(_KEYS) for name in given):
        return {}
    changed: dict[str, str] = {}
    for login in logins:
        place = home / login.folder
        if login.variable in given:
            changed[login.variable] = str(place)
        text = _load(_find(login, host))
        if text:
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
            _write(place / login.file, text)
    return changed


def has_login_file(logins: Iterable[Login], host: Mapping[str, str]) -> bool:
    """Whether there is anything to copy."""
    return any(_load(_find(login, host)) for login in logins)


def _find(login: Login, host: Mapping[str, str]) -> Path:
    return Path(host.get(login.variable) or home_of_person(host) / login.folder) / login.file


def _load(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_MOST_BYTES)
    except OSError:
        return b""


def _write(path: Path, text: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(text)
