"""What is kept per repository: a bare mirror of the forge, and beside it a vault of harvested commits."""

import re
import shutil
from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from dispatcher.core.errors import Gone
from dispatcher.workspace.git import Git, GitFailed, explain_failure
from dispatcher.workspace.lock import hold_lock
from dispatcher.workspace.process import Call

_LOCK_S: Final = 600.0
_HARVESTED: Final = "refs/harvest/"
_REBASED: Final = "refs/rebased/"
_SHA: Final = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_BRANCHES: Final = "+refs/heads/*:refs/heads/*"


def is_sha(text: str) -> bool:
    """Whether this is a full object name."""
    return _SHA.fullmatch(text) is not None


class Store:
    """The repositories that belong to one numeric repository id. Safe to use from several threads and processes.

    The mirror holds what the forge shows. The vault holds accepted commits that may not be on the forge yet
    (`refs/harvest/<sha>`) and survives restarts; it borrows the mirror's objects.
    """

    def __init__(self, folder: Path, url: str, git: Git) -> None:
        self.folder = folder
        self.url = url
        self.mirror = folder / "mirror.git"
        self.vault = folder / "vault.git"
        self._git = git
        self._lock = folder / "lock"

    @property
    def mirror_objects(self) -> Path:
        """The folder that checkouts borrow from; read-only for everybody else."""
        return self.mirror / "objects"

    @property
    def used_at(self) -> datetime:
        """When the mirror was last refreshed."""
        return datetime.fromtimestamp(self._lock.stat().st_mtime, UTC)

    # ------------------------------------------------------------ from the forge

    def refresh(self) -> None:
        """Fetch every branch of the forge. Raises RetryLater, Gone, BadCredential, NeedsPerson."""
        with hold_lock(self._lock, _LOCK_S) as descriptor:
            self._lock.touch()  # says when the mirror was last of use
            if self.mirror.exists():
                self._fetch(self.mirror, descriptor, "--prune", _BRANCHES)
            else:
                self._begin(descriptor)

    def base_head(self, base: str) -> str:
        """The newest commit of a branch, as of the last refresh. Raises Gone."""
        found = self.find(f"refs/heads/{base}")
        if not found:
            raise Gone(
                f"{self.url} has no branch `{base}`.", "Set `base` for this repository, or create the branch."
            )
        return found

    def find(self, name: str) -> str:
        """The commit that a ref or object name stands for in the mirror, or ""."""
        return self._find(self.mirror, name)

    def ensure(self, sha: str) -> Path:
        """The repository that has this commit: mirror, else vault, else the forge is asked. Raises Gone, RetryLater."""
        for place in (self.mirror, self.vault):
            if self._find(place, sha):
                return place
        if not is_sha(sha):
            raise Gone(f"`{sha}` is no commit of {self.url}.")
        with hold_lock(self._lock, _LOCK_S) as descriptor:
            self._fetch(self.mirror, descriptor, f"+{sha}:refs/seen/{sha}")
        return self.mirror

    def _begin(self, descriptor: int) -> None:
        making = self.folder / "mirror.making"
        shutil.rmtree(making, ignore_errors=True)
        self._init(making)
        self._fetch(making, descriptor, _BRANCHES)
        making.rename(self.mirror)  # nobody ever sees half a mirror

    def _fetch(self, place: Path, descriptor: int, *what: str) -> None:
        args = (
            "fetch",
            "--quiet",
            "--no-tags",
            "--no-write-fetch-head",
            "--recurse-submodules=no",
            "--no-auto-gc",
        )
        options = tuple(one for one in what if one.startswith("--"))
        refs = tuple(one for one in what if not one.startswith("--"))
        command = (*args, *options, self.url, *refs)
        done = self._git.network(place, self.url, *command, keep_open=(descriptor,))
        if done.code and b".lock': File exists" in done.err:
            _remove_stale_locks(place)  # we hold the repository's lock, so their owners are dead
            done = self._git.network(place, self.url, *command, keep_open=(descriptor,))
        if done.code:
            raise explain_failure("cannot fetch", self.url, self._git.said(done))

    # ------------------------------------------------------------ harvested commits

    def accept(self, staging: Path, sha: str) -> None:
        """Take a judged commit out of a staging repository and keep it."""
        self._keep(staging, sha, _HARVESTED + sha)

    def remember_rebase(self, source: Path, old: str, new: str) -> None:
        """Keep the commit that a rebase of `old` made, so that a repeated effect finds its own work."""
        self._keep(source, new, _REBASED + old)

    def rebased(self, old: str) -> str:
        """What an earlier rebase made of this commit, or ""."""
        return self._find(self.vault, _REBASED + old)

    def prune(self, keep: Collection[str]) -> None:
        """Forget harvested commits that no task needs any more (all but `keep`), and join small packs."""
        with hold_lock(self._lock, _LOCK_S):
            if self.vault.exists():
                self._forget_all_but(keep)
            if self.mirror.exists():
                # Loses no object, also none that only a checkout still borrows.
                self._git.output(self.mirror, "repack", "--quiet", "-d", "--geometric=2")

    def _forget_all_but(self, keep: Collection[str]) -> None:
        words = ("for-each-ref", "--format=%(refname) %(objectname)", _HARVESTED, _REBASED)
        named = [line.split(" ") for line in self._git.text(self.vault, *words).splitlines()]
        gone = [name for name, sha in named if sha not in keep and name.rpartition("/")[2] not in keep]
        orders = "".join(f"delete {name}\n" for name in gone).encode()
        self._git.output(self.vault, "update-ref", "--stdin", call=Call(stdin=orders))
        self._git.output(self.vault, "gc", "--quiet", "--prune=1.day.ago")

    def _keep(self, source: Path, sha: str, ref: str) -> None:
        with hold_lock(self._lock, _LOCK_S) as descriptor:
            if not self.vault.exists():
                self._begin_vault()
            self._git.output(
                self.vault, "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--recurse-submodules=no",
                str(source), f"+{sha}:{ref}",
                call=Call(keep_open=(descriptor,)),
            )  # fmt: skip

    def _begin_vault(self) -> None:
        making = self.folder / "vault.making"
        shutil.rmtree(making, ignore_errors=True)
        self._init(making)
        borrow(making, self.mirror_objects)
        making.rename(self.vault)

    # ------------------------------------------------------------ small change

    def _init(self, place: Path) -> None:
        place.mkdir(parents=True, mode=0o700)
        self._git.output(place, "init", "--quiet", "--bare", "--template=", ".")

    def _find(self, place: Path, name: str) -> str:
        if not place.exists():
            return ""
        try:
            return self._git.text(
                place, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}"
            )
        except GitFailed:
            return ""


def borrow(repository: Path, *objects: Path) -> None:
    """Let a bare repository use the objects of others without copying them."""
    alternates = repository / "objects" / "info" / "alternates"
    alternates.parent.mkdir(parents=True, exist_ok=True)
    alternates.write_text("".join(f"{one}\n" for one in objects))


def _remove_stale_locks(place: Path) -> None:
    for stale in (*place.glob("*.lock"), *place.joinpath("refs").rglob("*.lock")):
        stale.unlink(missing_ok=True)
