"""Before something is cleared away: what nobody else has is kept as a git bundle. See `engine.stores.StoredWork`."""

import os
import stat
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Final
from uuid import uuid4

from dispatcher.core.errors import NeedsPerson
from dispatcher.core.housekeeping import KeepOrder
from dispatcher.core.naming import kept_branch
from dispatcher.workspace.checkout import alternates_of, load_signed, note_name, remove_tree
from dispatcher.workspace.git import Git, GitFailed
from dispatcher.workspace.leftovers import commit_leftovers, find_leftovers
from dispatcher.workspace.process import Call
from dispatcher.workspace.reading import find_commits
from dispatcher.workspace.refused import Refused
from dispatcher.workspace.staging import staged
from dispatcher.workspace.store import Store, borrow, is_sha
from dispatcher.workspace.surroundings import Surroundings

_HEADS: Final = "refs/heads/"
_OFFERED: Final = "refs/offered/"


class GitAttic:
    """Keeps, tidies and removes what lies below `root`, the folder of `GitWorkspaces`. Never talks to the forge."""

    def __init__(self, root: Path, surroundings: Surroundings) -> None:
        self._root = root
        self._with = surroundings
        self._scratch = root / "scratch"
        self._notes = root / "checkouts"
        self._git = Git()

    # ------------------------------------------------------------ one run's work

    def bundle(self, order: KeepOrder) -> bool:
        """Write what was committed or left uncommitted, and never shown, as a git bundle; False: there is no such work.

        Raises NeedsPerson when there is work that cannot be read, RetryLater.
        """
        if not os.path.lexists(order.checkout):
            return False
        store = self._store(self._repo_of(order))
        if order.checkout.is_symlink() or not store.mirror.exists():
            why = "it is a link" if order.checkout.is_symlink() else "the mirror that it borrows from is gone"
            raise _unreadable(order.checkout, why)
        try:
            with self._gathered(store, order) as place:
                shown = (*order.shown, *self._shown_as_ours(store, place, order))
                return self._write(store, place, _HEADS, shown, order.bundle)
        except (Refused, GitFailed, OSError) as error:
            raise _unreadable(order.checkout, str(error)) from error

    def _shown_as_ours(self, store: Store, place: Path, order: KeepOrder) -> tuple[str, ...]:
        """The agent's own commit, when the one that we made of it is on the forge or was shown."""
        theirs, ours = load_signed(self._notes, order.checkout)
        if not self._has(place, theirs):
            return ()
        known = [*self._public(store), *(sha for sha in order.shown if self._has(place, sha))]
        is_shown = ours in order.shown or (self._has(place, ours) and not self._count(place, [ours], known))
        return (theirs,) if is_shown else ()

    def _public(self, store: Store) -> list[str]:
        words = ("for-each-ref", "--format=%(objectname)", _HEADS)
        return self._git.text(store.mirror, *words).splitlines()

    def _repo_of(self, order: KeepOrder) -> int:
        """The repository that the checkout borrows from; 0, which is nobody's, when it is none of ours."""
        if order.repo_id is not None:
            return order.repo_id
        borrowed = order.checkout / ".git" / "objects" / "info" / "alternates"
        known = {alternates_of(self._store(repo_id)): repo_id for repo_id in self.stored_repos()}
        try:
            # Whatever the agent made of it only chooses among our own mirrors; it is looked at closely afterwards.
            return known.get(_read_start(borrowed), 0)
        except OSError:
            return 0

    @contextmanager
    def _gathered(self, store: Store, order: KeepOrder) -> Iterator[Path]:
        """A repository of ours with the run's commits as branches, and on top of HEAD what was not committed."""
        commits = find_commits(order.checkout, order.branch, alternates_of(store))
        head = _head_of(order, store)
        start = head if is_sha(head) else (commits or (self._start_of(order.checkout),))[0]
        with self._throw_away(store) as place:
            for number, commit in enumerate(dict.fromkeys((start, *commits))):
                self._take(store, order.checkout, commit, place)
                self._point(place, _name(order, number), commit)
            left = find_leftovers(self._git, place, start, order.checkout, order.ignored)
            if left.changed or left.gone:
                source = (order.checkout, start)
                commit_leftovers(self._git, place, left, source, _name(order, 0), self._with.identity)
            yield place

    def _take(self, store: Store, checkout: Path, commit: str, place: Path) -> None:
        limits = (self._with.pack_bytes, self._with.confinement)
        with staged(self._git, store, self._scratch, (checkout, commit), limits) as staging:
            self._git.output(
                place, "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--recurse-submodules=no",
                str(staging.path), f"+{commit}:{_OFFERED}{commit}",
            )  # fmt: skip

    def _point(self, place: Path, ref: str, commit: str) -> None:
        self._git.output(place, "update-ref", ref, commit)

    def _start_of(self, checkout: Path) -> str:
        """The commit that the checkout began with, as we noted it."""
        note = self._note(checkout)
        if not note.is_file():
            raise Refused("it names no commit, and none was noted for it")
        return note.read_text().strip()

    def forget_checkout(self, checkout: Path) -> None:
        """Drop what was noted about a checkout that is gone."""
        self._note(checkout).unlink(missing_ok=True)
        self._note(checkout).with_suffix(".signed").unlink(missing_ok=True)

    # ------------------------------------------------------------ one repository

    def stored_repos(self) -> Mapping[int, datetime]:
        """Numeric ids of the repositories that have a mirror here, and when each was last fetched."""
        folders = self._root / "repos"
        if not folders.is_dir():
            return {}
        ids = [int(entry.name) for entry in folders.iterdir() if entry.name.isdecimal()]
        stores = {repo_id: self._store(repo_id) for repo_id in sorted(ids)}
        return {repo_id: store.used_at for repo_id, store in stores.items() if store.mirror.exists()}

    def tidy(self, repo_id: int, keep: Collection[str]) -> None:
        """Forget harvested commits except those in `keep`, and join small packs. Raises RetryLater."""
        self._store(repo_id).prune(keep)

    def forget_repo(self, repo_id: int, bundle: Path) -> bool:
        """Remove a repository's mirror; True when commits that it alone had were first written to `bundle`."""
        store = self._store(repo_id)
        was_kept = store.vault.exists() and self._write(store, store.vault, "refs/", (), bundle)
        doomed = self._scratch / f"repo-{uuid4().hex}"
        store.folder.rename(doomed)
        remove_tree(doomed)
        return was_kept

    # ------------------------------------------------------------ bundles

    def _write(self, store: Store, place: Path, prefix: str, shown: Sequence[str], bundle: Path) -> bool:
        """Bundle the refs of `place` below `prefix`; what the mirror's branches have is needed to read it, not in it."""
        refs = self._git.text(place, "for-each-ref", "--format=%(refname)", prefix).splitlines()
        public = self._public(store)
        seen = [sha for sha in shown if self._has(place, sha)]
        if not refs or not self._count(place, refs, [*public, *seen]):
            return False
        bundle.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        unfinished = bundle.with_name(f".{bundle.name}.{uuid4().hex[:8]}")
        try:
            call = Call(stdin=_as_lines(refs, public))
            self._git.output(place, "bundle", "create", "--quiet", str(unfinished), "--stdin", call=call)
            self._git.output(place, "bundle", "verify", "--quiet", str(unfinished))
            unfinished.chmod(0o600)
            _flush(unfinished)
            unfinished.replace(bundle)
            _flush(bundle.parent)
        finally:
            unfinished.unlink(missing_ok=True)
        return True

    def _count(self, place: Path, refs: Sequence[str], known: Sequence[str]) -> int:
        """How many commits of the refs are not among what is known."""
        call = Call(stdin=_as_lines(refs, known))
        return int(self._git.text(place, "rev-list", "--count", "--stdin", call=call))

    def _has(self, place: Path, sha: str) -> bool:
        return is_sha(sha) and self._git.attempt(place, "cat-file", "-e", f"{sha}^{{commit}}").code == 0

    @contextmanager
    def _throw_away(self, store: Store) -> Iterator[Path]:
        """An empty repository that borrows the mirror's and the vault's objects."""
        place = self._scratch / f"keep-{uuid4().hex}"
        try:
            place.mkdir(parents=True, mode=0o700)
            self._git.output(place, "init", "--quiet", "--bare", "--template=", ".")
            vault = store.vault / "objects"
            borrow(place, store.mirror_objects, *((vault,) if vault.exists() else ()))
            yield place
        finally:
            remove_tree(place)

    def _store(self, repo_id: int) -> Store:
        return Store(self._root / "repos" / str(repo_id), "", self._git)

    def _note(self, checkout: Path) -> Path:
        return self._notes / note_name(checkout)


def _head_of(order: KeepOrder, store: Store) -> str:
    """The commit that HEAD stands for, or ""."""
    return next(iter(find_commits(order.checkout, "", alternates_of(store))), "")


def _name(order: KeepOrder, number: int) -> str:
    """The branch in the bundle: the run's, and for what the agent left on a second branch one with a number."""
    return f"{_HEADS}{kept_branch(order.run_id)}" + (f"-{number + 1}" if number else "")


def _as_lines(refs: Sequence[str], known: Sequence[str]) -> bytes:
    return "".join([*(f"{ref}\n" for ref in refs), *(f"^{sha}\n" for sha in known)]).encode()


def _read_start(path: Path, limit_bytes: int = 10_000) -> str:
    """The beginning of a plain file; "" for anything else. Raises OSError."""
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        is_plain = stat.S_ISREG(os.fstat(file.fileno()).st_mode)
        return file.read(limit_bytes).decode(errors="replace") if is_plain else ""


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unreadable(checkout: Path, why: str) -> NeedsPerson:
    return NeedsPerson(
        f"what lies in {checkout} cannot be kept as a bundle: {why}.",
        "Look at it, and remove the run's folder yourself.",
    )
