"""The caches of toolchains: a person's own to read, or one per repository. Two repositories never share one."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from dispatcher.core.rules import CacheSharing
from dispatcher.runs.sandbox.person import home_of_person

_TOOLS: Final = (
    ("pip", "PIP_CACHE_DIR", ".cache/pip"),
    ("npm", "npm_config_cache", ".npm"),
    ("cargo", "CARGO_HOME", ".cargo"),
)
"""Folder name, variable that names it, and where it is in a person's HOME unless the variable says otherwise."""

_PRIVATE_IN_CARGO: Final = ("credentials", "credentials.toml")


@dataclass(frozen=True, slots=True)
class Caches:
    """What a sandbox shows of caches, and the variables that lead there.

    `owner` is whose they are, where several runs write them: those must be one user, or each would take them from the other.
    """

    readable: tuple[Path, ...] = ()
    writable: tuple[Path, ...] = ()
    hidden: tuple[Path, ...] = ()
    variables: tuple[tuple[str, str], ...] = ()
    owner: str = ""


def make_caches(sharing: CacheSharing, root: Path, repo: str, host: Mapping[str, str]) -> Caches:
    """The caches of a run or a check; makes the repository's own folders below `root` where they are not there yet."""
    match sharing:
        case CacheSharing.OFF:
            return Caches()
        case CacheSharing.READ_ONLY:
            home = home_of_person(host)
            found = {name: Path(host.get(name) or home / usual) for _, name, usual in _TOOLS}
            there = {name: path for name, path in found.items() if path.is_dir()}
            hidden = tuple(path / name for path in there.values() for name in _PRIVATE_IN_CARGO)
            variables = tuple((name, str(path)) for name, path in there.items())
            return Caches(tuple(there.values()), hidden=hidden, variables=variables)
        case CacheSharing.PER_REPO:
            folder = root / folder_name(repo)
            made = {name: folder / tool for tool, name, _ in _TOOLS}
            for path in made.values():
                path.mkdir(mode=0o700, parents=True, exist_ok=True)
            return Caches(
                writable=tuple(made.values()),
                variables=tuple((name, str(path)) for name, path in made.items()),
                owner=folder_name(repo),
            )


def folder_name(repo: str) -> str:
    """A folder name that no other repository has, whatever its name holds."""
    readable = re.sub(r"[^a-z0-9._-]", "-", repo.casefold())
    return f"{readable[:60]}-{sha256(repo.casefold().encode()).hexdigest()[:12]}"
