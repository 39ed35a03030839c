"""Git made of dictionaries: for simulations that need the forge's rules a thousand times per second.

Simplified on purpose: a file merges only when one side alone changed it, and there are no modes and no tags.
"""

from __future__ import annotations

import difflib
import hashlib
import heapq
from collections.abc import Mapping
from dataclasses import dataclass, field

from dispatcher.simulator.git_port import (
    CommitFacts,
    Entry,
    FileChange,
    MergeConflict,
    Merging,
    Signature,
    Writing,
)

_Tree = dict[str, bytes]


@dataclass(slots=True)
class _Store:
    refs: dict[str, str] = field(default_factory=dict)
    commits: dict[str, CommitFacts] = field(default_factory=dict)
    trees: dict[str, _Tree] = field(default_factory=dict)
    generation: dict[str, int] = field(default_factory=dict)


def _sha(*parts: object) -> str:
    return hashlib.sha1(repr(parts).encode(), usedforsecurity=False).hexdigest()


class MemoryGit:
    """A GitStore without files and processes."""

    def __init__(self) -> None:
        self._stores: dict[int, _Store] = {}

    def create(self, key: int, default_branch: str) -> None:  # noqa: ARG002  (nothing to point HEAD at)
        """Make an empty repository."""
        self._stores[key] = _Store()

    def fork(self, key: int, source: int) -> None:
        """Make a repository with everything that source has."""
        old = self._stores[source]
        heads = {name: sha for name, sha in old.refs.items() if name.startswith("refs/heads/")}
        self._stores[key] = _Store(heads, dict(old.commits), dict(old.trees), dict(old.generation))

    def delete(self, key: int) -> None:
        """Remove a repository."""
        self._stores.pop(key, None)

    def refs(self, key: int) -> Mapping[str, str]:
        """Read all refs with the shas they point to."""
        return self._stores[key].refs

    def resolve(self, key: int, name: str) -> str | None:
        """Find the commit of a branch or (shortened) sha."""
        store = self._stores[key]
        for ref in (name, f"refs/{name}", f"refs/heads/{name}"):
            if ref in store.refs:
                return store.refs[ref]
        if name in store.commits:
            return name
        return next((sha for sha in store.commits if len(name) >= 7 and sha.startswith(name)), None)

    def set_ref(self, key: int, ref: str, sha: str | None) -> None:
        """Move, create or (None) delete a ref."""
        if sha is None:
            self._stores[key].refs.pop(ref, None)
        else:
            self._stores[key].refs[ref] = sha

    def bring(self, key: int, source: int, sha: str) -> None:
        """Copy a commit with its history from another repository."""
        here, there = self._stores[key], self._stores[source]
        for found in self._ancestors(there, sha):
            here.commits[found] = there.commits[found]
            here.generation[found] = there.generation[found]
            tree = there.commits[found].tree
            here.trees[tree] = there.trees[tree]

    def commit(self, key: int, sha: str) -> CommitFacts:
        """Read one commit."""
        return self._stores[key].commits[sha]

    def merge_base(self, key: int, one: str, other: str) -> str | None:
        """Find the best common ancestor; None for unrelated histories."""
        store = self._stores[key]
        sides = {one: 1}
        sides[other] = sides.get(other, 0) | 2
        # Children before parents: the first commit that both sides reach is the one with the highest generation.
        todo = [(-store.generation[sha], sha) for sha in sides]
        heapq.heapify(todo)
        while todo:
            _, sha = heapq.heappop(todo)
            if sides[sha] == 3 or one == other:
                return sha
            for parent in store.commits[sha].parents:
                if parent not in sides:
                    heapq.heappush(todo, (-store.generation[parent], parent))
                sides[parent] = sides.get(parent, 0) | sides[sha]
        return None

    def commits(self, key: int, base: str, head: str) -> tuple[CommitFacts, ...]:
        """Read the commits of head that base lacks, oldest first."""
        store = self._stores[key]
        fresh = self._ancestors(store, head) - self._ancestors(store, base)
        return tuple(store.commits[sha] for sha in sorted(fresh, key=lambda sha: store.generation[sha]))

    def changes(self, key: int, base: str, head: str) -> tuple[FileChange, ...]:
        """Compare head with its common ancestor with base."""
        fork_point = self.merge_base(key, base, head)
        before = {} if fork_point is None else self._tree(key, fork_point)
        after = self._tree(key, head)
        paths = sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))
        return tuple(_change(path, before.get(path), after.get(path)) for path in paths)

    def diff(self, key: int, base: str, head: str) -> str:
        """Render the same comparison as one unified diff."""
        return "".join(
            f"diff --git a/{c.path} b/{c.path}\n--- a/{c.path}\n+++ b/{c.path}\n{c.patch}\n"
            for c in self.changes(key, base, head)
        )

    def can_merge(self, key: int, base: str, head: str) -> bool:
        """Say whether no file was changed by both sides."""
        try:
            self._merged(key, base, head)
        except MergeConflict:
            return False
        return True

    def merge(self, key: int, merging: Merging) -> str:
        """Merge and move the branch; raises MergeConflict. A rebase is done as a squash."""
        base = self._stores[key].refs[f"refs/heads/{merging.branch}"]
        tree = self._merged(key, base, merging.head_sha)
        parents = (base, merging.head_sha) if merging.method == "merge" else (base,)
        sha = self._put(key, tree, parents, (merging.message, merging.author))
        self._stores[key].refs[f"refs/heads/{merging.branch}"] = sha
        return sha

    def write(self, key: int, writing: Writing) -> str:
        """Commit files onto a branch, which is created when missing."""
        tree = {} if writing.parent is None else dict(self._tree(key, writing.parent))
        for path, content in writing.files.items():
            if content is None:
                tree.pop(path, None)
            else:
                tree[path] = content
        parents = () if writing.parent is None else (writing.parent,)
        sha = self._put(key, tree, parents, (writing.message, writing.author))
        self._stores[key].refs[f"refs/heads/{writing.branch}"] = sha
        return sha

    def read(self, key: int, sha: str, path: str) -> bytes | tuple[Entry, ...] | None:
        """Read a file, list a folder, or None."""
        tree = self._tree(key, sha)
        if path in tree:
            return tree[path]
        prefix = f"{path}/" if path else ""
        below = sorted({name[len(prefix) :].split("/")[0] for name in tree if name.startswith(prefix)})
        entries = tuple(
            Entry(prefix + name, "file", _sha(tree[prefix + name]), len(tree[prefix + name]))
            if prefix + name in tree
            else Entry(prefix + name, "dir", _sha(prefix, name), 0)
            for name in below
        )
        return entries or None

    def _tree(self, key: int, sha: str) -> _Tree:
        store = self._stores[key]
        return store.trees[store.commits[sha].tree]

    def _put(self, key: int, tree: _Tree, parents: tuple[str, ...], words: tuple[str, Signature]) -> str:
        store = self._stores[key]
        message, author = words
        tree_sha = _sha(sorted(tree.items()))
        sha = _sha(tree_sha, parents, message, author, len(store.commits))
        store.trees[tree_sha] = tree
        store.commits[sha] = CommitFacts(sha, tree_sha, parents, message, author)
        store.generation[sha] = 1 + max((store.generation[parent] for parent in parents), default=0)
        return sha

    def _merged(self, key: int, base: str, head: str) -> _Tree:
        fork_point = self.merge_base(key, base, head)
        if fork_point is None:
            raise MergeConflict
        origin, ours, theirs = (self._tree(key, sha) for sha in (fork_point, base, head))
        merged = dict(ours)
        for path in origin.keys() | theirs.keys():
            if origin.get(path) == theirs.get(path) or ours.get(path) == theirs.get(path):
                continue
            if ours.get(path) != origin.get(path):
                raise MergeConflict
            if path in theirs:
                merged[path] = theirs[path]
            else:
                del merged[path]
        return merged

    @staticmethod
    def _ancestors(store: _Store, sha: str) -> set[str]:
        seen, todo = set(), [sha]
        while todo:
            current = todo.pop()
            if current not in seen:
                seen.add(current)
                todo.extend(store.commits[current].parents)
        return seen


def _change(path: str, before: bytes | None, after: bytes | None) -> FileChange:
    old, new = ((side or b"").decode(errors="replace").splitlines() for side in (before, after))
    lines = list(difflib.unified_diff(old, new, lineterm=""))[2:]
    status = "added" if before is None else "removed" if after is None else "modified"
    plus = sum(1 for line in lines if line.startswith("+"))
    minus = sum(1 for line in lines if line.startswith("-"))
    return FileChange(path, status, plus, minus, "\n".join(lines), _sha(after))
