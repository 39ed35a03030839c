"""Fresh checkouts that borrow the mirror's objects: own refs, own configuration, no remote, no hooks."""

import os
import shutil
import subprocess
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final
from uuid import uuid4

from dispatcher.core.errors import NeedsPerson
from dispatcher.workspace.git import Git, Identity
from dispatcher.workspace.process import Call
from dispatcher.workspace.restoring import restore_from_base
from dispatcher.workspace.store import Store

_PARALLEL: Final = (
    ("checkout.workers", str(min(4, os.cpu_count() or 1))),
    ("checkout.thresholdForParallelism", "200"),
)


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a checkout stands: the commit, the local branch, and the base to show as `origin/<base>`.

    `from_base` are patterns of files that lie there as the base has them.
    """

    commit: str
    branch: str
    base: str = ""
    base_head: str = ""
    from_base: tuple[str, ...] = ()


def make_checkout(git: Git, store: Store, standing: Standing, identity: Identity, folder: Path) -> None:
    """Make a checkout in `folder`, which is absent or empty; it appears there complete or not at all.

    Raises NeedsPerson when something else is in the way.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise NeedsPerson(f"{folder} is in the way of a fresh checkout.", "Move it away.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    making = folder.with_name(f".{folder.name}.{uuid4().hex[:8]}")
    try:
        _assemble(git, store, standing, identity, making)
        making.rename(folder)
    finally:
        remove_tree(making)


def _assemble(git: Git, store: Store, standing: Standing, identity: Identity, making: Path) -> None:
    source = store.ensure(standing.commit)
    making.mkdir(mode=0o700)
    git.output(making, "init", "--quiet", "--template=", f"--initial-branch={standing.branch}", ".")
    inside = making / ".git"
    _write(inside / "objects" / "info" / "alternates", alternates_of(store))
    _write(inside / "config", _config(identity))
    if source != store.mirror:
        # Only this commit's objects: what other runs left in the vault is none of this agent's business.
        git.output(
            making, "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", str(source), standing.commit,
            call=Call(settings=(("fetch.unpackLimit", "1"),)),
        )  # fmt: skip
    _write(inside / "refs" / "heads" / standing.branch, f"{standing.commit}\n")
    if standing.base_head:
        _write(inside / "refs" / "remotes" / "origin" / standing.base, f"{standing.base_head}\n")
    git.output(making, "reset", "--quiet", "--hard", call=Call(settings=_PARALLEL))
    if standing.base_head and standing.from_base:
        restore_from_base(git, making, standing.base_head, standing.from_base)


def alternates_of(store: Store) -> str:
    """The text of `objects/info/alternates` in every checkout that we make; anything else was not ours."""
    return f"{store.mirror_objects}\n"


def note_name(destination: Path) -> str:
    """The name of the file in which we note what a checkout began with: outside of what the agent can write."""
    return sha256(str(destination.absolute()).encode()).hexdigest()[:32]


def note_signed(notes: Path, destination: Path, theirs: str, ours: str) -> None:
    """Note under which commit an agent's own was published, so that housekeeping does not take it for unpublished work."""
    if theirs != ours:
        (notes / f"{note_name(destination)}.signed").write_text(f"{theirs} {ours}\n")


def load_signed(notes: Path, destination: Path) -> tuple[str, str]:
    """The agent's own commit and the one under which it was published; two empty texts when they are the same."""
    note = notes / f"{note_name(destination)}.signed"
    theirs, _, ours = (note.read_text() if note.is_file() else "").strip().partition(" ")
    return theirs, ours


def remove_tree(folder: Path) -> None:
    """Remove a folder, also where an agent or a check took write permissions away; leaves what it may not remove."""

    def open_up(retry: Callable[[str], object], path: str, _error: object) -> None:
        with suppress(OSError):
            Path(path).parent.chmod(0o700)
            if not Path(path).is_symlink():
                Path(path).chmod(0o700)
            retry(path)

    try:
        shutil.rmtree(folder, onerror=open_up)
        shutil.rmtree(
            folder, ignore_errors=True
        )  # what could only be listed after its permissions were mended
    except RecursionError:  # a tree deeper than Python follows: what a check runs is an agent's program
        for command in (("chmod", "-R", "u+rwX"), ("rm", "-rf")):
            subprocess.run(
                (*command, "--", folder), stdin=subprocess.DEVNULL, capture_output=True, check=False
            )


def _config(identity: Identity) -> str:
    return (
        "[core]\n\trepositoryformatversion = 0\n\tbare = false\n\tlogallrefupdates = true\n"
        "[gc]\n\tauto = 0\n"
        f'[user]\n\tname = "{_escaped(identity.name)}"\n\temail = "{_escaped(identity.email)}"\n'
    )


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
