"""Looking at a checkout that an agent could write to, without running git in it and without following its links."""

import os
import stat
from pathlib import Path
from typing import Final

from dispatcher.workspace.refused import Refused
from dispatcher.workspace.store import is_sha

# git's own are objects/info/commit-graphs; a tree without end would be a walk without end.
_LEVELS: Final = 6
_LONGEST_REF_FILE: Final = 4_000_000
_SYMBOLIC: Final = "ref: "


class Tampered(Refused):
    """The checkout's `.git` is not what we made: it could lead to objects of another repository."""


def find_commits(checkout: Path, branch: str, alternates: str) -> tuple[str, ...]:
    """What the agent may mean by its result: the branch's commit, then HEAD's; without repeats. Raises Tampered.

    `alternates` is the text that we wrote into `objects/info/alternates`.
    """
    inside = checkout / ".git"
    _refuse_foreign_objects(inside, alternates)
    head = _read(inside, "HEAD").strip()
    named = head.removeprefix(_SYMBOLIC).strip() if head.startswith(_SYMBOLIC) else ""
    candidates = (
        _resolve(inside, f"refs/heads/{branch}") if branch else "",
        _resolve(inside, named) if named else head,
    )
    return tuple(dict.fromkeys(sha for sha in candidates if is_sha(sha)))


def _refuse_foreign_objects(inside: Path, alternates: str) -> None:
    _must_be_folder(inside)
    _must_be_folder(inside / "objects")
    for name in ("commondir", "gitdir"):
        if os.path.lexists(inside / name):
            raise Tampered(f"the checkout's .git has a `{name}`, which points to another repository")
    _must_be_plain(inside / "objects")
    if _read(inside, "objects/info/alternates") != alternates:
        raise Tampered("the checkout's objects/info/alternates was changed")


def _must_be_folder(path: Path) -> None:
    try:
        mode = path.lstat().st_mode
    except OSError:
        raise Tampered(f"the checkout's {path.name} is gone") from None
    if not stat.S_ISDIR(mode):
        raise Tampered(f"the checkout's {path.name} is not the folder that we made")


def _must_be_plain(folder: Path, levels: int = _LEVELS) -> None:
    """Refuse links, sockets, devices anywhere below: each could stand for a file that is not the agent's."""
    if not levels:
        raise Tampered("the checkout's .git has folders among its objects that git does not make")
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                _must_be_plain(Path(entry.path), levels - 1)
            elif not entry.is_file(follow_symlinks=False):
                raise Tampered(f"the checkout's .git has a link or device among its objects: {entry.name}")


def _resolve(inside: Path, ref: str) -> str:
    """The object name that a ref holds, loose or packed, or ""; symbolic refs are not followed further."""
    parts = ref.split("/")
    if not ref.startswith("refs/") or any(part in {"", ".", ".."} for part in parts):
        return ""
    loose = _read(inside, ref).strip()
    if loose:
        return loose
    for line in _read(inside, "packed-refs").splitlines():
        sha, _, name = line.partition(" ")
        if name == ref:
            return sha
    return ""


def _read(inside: Path, name: str) -> str:
    """The text of a regular file below `.git`, or ""; no step of the way may be a link. Raises Tampered."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    *folders, last = name.split("/")
    at = os.open(inside, flags | os.O_DIRECTORY)
    try:
        for folder in folders:
            at, before = os.open(folder, flags | os.O_DIRECTORY, dir_fd=at), at
            os.close(before)
        return _read_regular(last, flags, at)
    except FileNotFoundError:
        return ""
    except (OSError, ValueError) as error:
        raise Tampered(f"the checkout's .git/{name} is not a plain file ({type(error).__name__})") from None
    finally:
        os.close(at)


def _read_regular(name: str, flags: int, folder: int) -> str:
    with os.fdopen(os.open(name, flags, dir_fd=folder), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ValueError(name)
        return file.read(_LONGEST_REF_FILE).decode(errors="replace")
