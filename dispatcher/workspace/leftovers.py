"""What an agent left uncommitted, turned into a commit of ours: its files are read as bytes, no git runs among them."""

import hashlib
import os
import shutil
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from dispatcher.core.errors import NeedsPerson
from dispatcher.workspace.changes import SUBMODULE, SYMLINK
from dispatcher.workspace.git import Git, GitFailed, Identity
from dispatcher.workspace.process import Call

MOST_BYTES: Final = 50_000_000
MOST_FILES: Final = 50_000
_MOST_PATTERNS_BYTES: Final = 100_000
_PART_BYTES: Final = 1_000_000
_MESSAGE: Final = b"Keep work that was not committed"


@dataclass(frozen=True, slots=True)
class Found:
    """One file on the disk: its path below the checkout, its mode as git names it."""

    path: bytes
    mode: str


@dataclass(frozen=True, slots=True)
class Leftovers:
    """The difference between a checkout's files and one commit, both by path."""

    changed: tuple[Found, ...]
    gone: tuple[bytes, ...]


def find_leftovers(git: Git, place: Path, commit: str, checkout: Path, ignored: Path) -> Leftovers:
    """What differs from `commit`, without what git's ignore files and the patterns in `ignored` leave out.

    `place` is a bare repository of ours that has the commit. Raises NeedsPerson when there is too much to read.
    """
    tracked = _load_tree(git, place, commit)
    patterns = place.with_name(f"{place.name}-patterns")
    try:
        found = {
            one.path: one for one in _Walk(git, place, checkout, patterns, ignored, set(tracked)).files()
        }
    finally:
        shutil.rmtree(patterns, ignore_errors=True)
    changed = tuple(one for one in found.values() if not _is_as_in(checkout, one, tracked.get(one.path)))
    gone = tuple(path for path, (mode, _) in tracked.items() if path not in found and mode != SUBMODULE)
    return Leftovers(changed, gone)


def _is_as_in(checkout: Path, one: Found, tracked: tuple[str, str] | None) -> bool:
    """Whether the file is what the commit has."""
    if tracked is None or tracked[0] != one.mode:
        return False
    digest = (hashlib.sha1 if len(tracked[1]) == 40 else hashlib.sha256)()
    if one.mode == SYMLINK:
        content = read_content(checkout, one)
        digest.update(b"blob %d\0%s" % (len(content), content))
    else:
        with _opened(_below(checkout, one.path)) as file:
            digest.update(b"blob %d\0" % os.fstat(file.fileno()).st_size)
            while part := file.read(_PART_BYTES):
                digest.update(part)
    return digest.hexdigest() == tracked[1]


def commit_leftovers(
    git: Git, place: Path, left: Leftovers, source: tuple[Path, str], ref: str, identity: Identity
) -> None:
    """Make a commit of the leftovers on top of a commit, and point `ref` at it. `source` is (checkout, commit)."""
    checkout, commit = source
    newest = max([int(os.lstat(_below(checkout, one.path)).st_mtime) for one in left.changed] or [0])
    signed = f"{identity.name} <{identity.email}> {newest} +0000".encode()
    parts = [b"commit %s\ncommitter %s\n" % (ref.encode(), signed), _as_data(_MESSAGE)]
    parts.append(b"from %s\n" % commit.encode())
    parts += [b"D %s\n" % _quoted(path) for path in left.gone]
    size_bytes = 0
    for one in left.changed:
        content = read_content(checkout, one)
        size_bytes += len(content)
        if size_bytes > MOST_BYTES:
            raise _too_much(checkout, f"more than {MOST_BYTES:,} bytes")
        parts.append(b"M %s inline %s\n%s" % (one.mode.encode(), _quoted(one.path), _as_data(content)))
    parts.append(b"done\n")
    stream = b"".join(parts)
    git.output(place, "fast-import", "--quiet", "--force", "--done", call=Call(stdin=stream))


def read_content(checkout: Path, one: Found) -> bytes:
    """The bytes that git would store: a file's content, a link's target. Follows no link in the last step."""
    path = _below(checkout, one.path)
    if one.mode == SYMLINK:
        return os.readlink(path)  # noqa: PTH115  (bytes)
    with _opened(path) as file:
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise _too_much(checkout, f"a file of more than {MOST_BYTES:,} bytes")
    return content


@dataclass(slots=True)
class _Walk:
    """One walk through a checkout, level by level, so that ignored folders are never entered.

    `patterns` grows into a copy of the folders and their ignore files: all that git gets to see.
    """

    git: Git
    place: Path
    checkout: Path
    patterns: Path
    ignored: Path
    tracked: set[bytes]
    _seen: int = 0

    def files(self) -> Iterator[Found]:
        """Regular files and links that are tracked or not ignored; nothing called `.git`, no link is followed."""
        holding = {above for path in self.tracked for above in _folders_above(path)}
        level = [b""]
        while level:
            files, folders = self._list(level)
            new = [one.path for one in files if one.path not in self.tracked]
            left_out = self._ignored_among([*new, *(path for path in folders if path not in holding)])
            yield from (one for one in files if one.path not in left_out)
            level = [path for path in folders if path not in left_out]

    def _list(self, level: Sequence[bytes]) -> tuple[list[Found], list[bytes]]:
        """Files and folders right below these folders."""
        files: list[Found] = []
        folders: list[bytes] = []
        for folder in level:
            copy = self.patterns / os.fsdecode(folder)
            copy.mkdir(parents=True, exist_ok=True)
            _copy_patterns(_below(self.checkout, folder), copy)
            with os.scandir(_below(self.checkout, folder)) as entries:
                for entry in sorted(entries, key=lambda one: one.name):
                    path = os.path.join(folder, entry.name)  # noqa: PTH118  (paths of an agent are bytes)
                    if entry.name.lower() == b".git":
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(path)
                        (self.patterns / os.fsdecode(path)).mkdir()
                    elif mode := _mode_of(entry.stat(follow_symlinks=False).st_mode):
                        files.append(Found(path, mode))
        self._seen += len(files) + len(folders)
        if self._seen > MOST_FILES:
            raise _too_much(self.checkout, f"more than {MOST_FILES:,} files")
        return files, folders

    def _ignored_among(self, paths: Sequence[bytes]) -> frozenset[bytes]:
        """Those of the untracked paths that ignore files leave out."""
        if not paths:
            return frozenset()
        call = Call(
            stdin=b"".join(path + b"\0" for path in paths),
            settings=(("core.excludesFile", str(self.ignored)), ("core.bare", "false")),
            env={"GIT_DIR": str(self.place), "GIT_WORK_TREE": str(self.patterns)},
        )
        done = self.git.attempt(self.patterns, "check-ignore", "--no-index", "-z", "--stdin", call=call)
        if done.code not in {0, 1}:
            raise GitFailed("check-ignore", done.code, self.git.said(done))
        return frozenset(filter(None, done.out.split(b"\0")))


def _folders_above(path: bytes) -> Iterator[bytes]:
    while path := os.path.dirname(path):  # noqa: PTH120  (bytes)
        yield path


def _copy_patterns(folder: bytes, copy: Path) -> None:
    """Copy the folder's ignore file, if it is a plain one."""
    name = os.path.join(folder, b".gitignore")  # noqa: PTH118  (bytes)
    try:
        opened = _opened(name)
    except OSError:
        return
    with opened as file:
        if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            (copy / ".gitignore").write_bytes(file.read(_MOST_PATTERNS_BYTES))


def _mode_of(st_mode: int) -> str:
    if stat.S_ISLNK(st_mode):
        return SYMLINK
    if stat.S_ISREG(st_mode):
        return "100755" if st_mode & stat.S_IXUSR else "100644"
    return ""  # sockets, pipes, devices: git knows none of them


def _load_tree(git: Git, place: Path, commit: str) -> dict[bytes, tuple[str, str]]:
    """Path -> (mode, object name) of every file of a commit."""
    out = git.output(place, "ls-tree", "-r", "-z", "--full-tree", commit)
    tree = {}
    for line in filter(None, out.split(b"\0")):
        words, _, path = line.partition(b"\t")
        mode, _, blob = words.decode().split(" ")
        tree[path] = (mode, blob)
    return tree


def _opened(path: bytes) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb")


def _below(checkout: Path, path: bytes) -> bytes:
    return os.path.join(os.fsencode(checkout), path)  # noqa: PTH118  (bytes)


def _too_much(where: Path, what: str) -> NeedsPerson:
    return NeedsPerson(
        f"{where} holds {what} of uncommitted work.", "Look at it, and remove the run's folder yourself."
    )


def _quoted(path: bytes) -> bytes:
    return b'"' + path.replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n") + b'"'


def _as_data(content: bytes) -> bytes:
    return b"data %d\n%s\n" % (len(content), content)
