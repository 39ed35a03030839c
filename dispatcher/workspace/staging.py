"""Fetching an agent's commit into a throw-away repository of ours."""

import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import uuid4

from dispatcher.workspace.checkout import remove_tree
from dispatcher.workspace.git import MOST_MEMORY_BYTES, Git
from dispatcher.workspace.process import Call, limited
from dispatcher.workspace.refused import Refused
from dispatcher.workspace.sandbox import Confinement, Reach
from dispatcher.workspace.store import Store, borrow

_OFFERED: Final = "refs/heads/offered"
HARVESTED: Final = "refs/harvest/new"

# The agent's object folder may hold indexes that say something else than its objects.
_OBJECTS_ALONE: Final = (
    "[core]\n\tcommitGraph = false\n\tmultiPackIndex = false\n[pack]\n\tuseBitmaps = false\n"
)

_FETCHING: Final = (
    ("fetch.fsckObjects", "true"),
    ("fetch.unpackLimit", "1"),  # keep one pack file, so that the size limit is a limit on the whole
)


class Unfetchable(Refused):
    """The agent's objects are missing, damaged, malicious, or too large; the message says which."""


@dataclass(frozen=True, slots=True)
class Staging:
    """A throw-away repository with one judged-to-be commit; it borrows the mirror's and the vault's objects."""

    path: Path
    commit: str


@contextmanager
def staged(
    git: Git, store: Store, scratch: Path, source: tuple[Path, str], limits: tuple[int, Confinement]
) -> Iterator[Staging]:
    """Fetch a commit out of an agent's checkout; the repository is gone when the block ends.

    `source` is (checkout, commit), `limits` (bytes of the pack, sandbox for the side that reads the agent's files).
    git's upload-pack never sees the agent's configuration: it serves a repository of ours that borrows the
    agent's object files, and nothing else of the checkout. Raises Unfetchable.
    """
    checkout, commit = source
    folder = scratch / f"staging-{uuid4().hex}"
    try:
        reader = _make_reader(git, folder / "reader.git", checkout, commit)
        path = folder / "staging.git"
        path.mkdir(parents=True)
        git.output(path, "init", "--quiet", "--bare", "--template=", ".")
        borrow(path, *_ours(store))
        reach = Reach(readable=(reader, checkout / ".git" / "objects", store.mirror_objects))
        _fetch(git, path, reader, (limits[0], limits[1].wrap(("git", "upload-pack"), reach)))
        yield Staging(path, commit)
    finally:
        remove_tree(folder)


def _ours(store: Store) -> tuple[Path, ...]:
    # The vault borrows the mirror itself; naming both keeps the way short when the vault is not there yet.
    vault = store.vault / "objects"
    return (store.mirror_objects, vault) if vault.exists() else (store.mirror_objects,)


def _make_reader(git: Git, path: Path, checkout: Path, commit: str) -> Path:
    path.mkdir(parents=True, mode=0o700)
    git.output(path, "init", "--quiet", "--bare", "--template=", ".")
    borrow(path, checkout / ".git" / "objects")
    with (path / "config").open("a") as config:
        config.write(_OBJECTS_ALONE)
    offered = path / _OFFERED
    offered.parent.mkdir(parents=True, exist_ok=True)
    offered.write_text(f"{commit}\n")
    return path


def _fetch(git: Git, path: Path, reader: Path, limits: tuple[int, Sequence[str]]) -> None:
    limit_bytes, upload_pack = limits
    done = git.attempt(
        path,
        "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--recurse-submodules=no", "--no-auto-gc",
        f"--upload-pack={shlex.join(upload_pack)}", str(reader), f"+{_OFFERED}:{HARVESTED}",
        call=Call(settings=_FETCHING, prefix=limited(file_bytes=limit_bytes, memory_bytes=MOST_MEMORY_BYTES)),
    )  # fmt: skip
    if done.code == 0:
        return
    said = git.said(done)
    # index-pack dies of SIGXFSZ without a word; what it had written by then is as long as it may be, in blocks.
    if any(one.stat().st_size > limit_bytes - 512 for one in path.joinpath("objects", "pack").iterdir()):
        raise Unfetchable(f"the commits are larger than {limit_bytes:,} bytes")
    raise Unfetchable(f"git could not take the commits over: {said.replace(str(reader), 'the checkout')}")
