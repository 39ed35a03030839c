"""Real bare repositories behind the simulated forge, driven through git's plumbing.

What never changes (commits, comparisons of two shas) is remembered; refs are remembered until somebody pushes.
Needs git 2.38 or newer (`git merge-tree --write-tree`).
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from dispatcher.simulator.git_port import (
    CommitFacts,
    Entry,
    FileChange,
    MergeConflict,
    Merging,
    Signature,
    Writing,
)

_UPDATE_HOOK = """#!/bin/sh
# Refuses direct pushes to protected branches, as the forge would.
if [ -f "$GIT_DIR/protected-refs" ] && grep -qxF "$1" "$GIT_DIR/protected-refs"; then
    echo "GH006: Protected branch update failed for $1." >&2
    exit 1
fi
"""
_LIST_FORMAT = "%H%x00%T%x00%P%x00%an%x00%ae%x00%at%x00%B%x01"
_STATUS_WORDS = {"A": "added", "D": "removed", "M": "modified", "R": "renamed", "C": "copied", "T": "changed"}


def branch_of(folder: Path) -> str | None:
    """Name the branch that a person has checked out in a folder; None for a detached HEAD."""
    done = subprocess.run(
        ["git", "-C", str(folder), "symbolic-ref", "-q", "--short", "HEAD"],
        env=clean_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    return done.stdout.decode().strip() or None


class GitFailed(RuntimeError):
    """A git command of the simulator failed; the text holds the command and what git said."""


def clean_environment() -> dict[str, str]:
    """Build the environment for git: nothing of the person's own configuration, no prompts, one language."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "LC_ALL": "C",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "safe.directory",
        "GIT_CONFIG_VALUE_0": "*",
    }


class BareGit:
    """A GitStore of bare repositories in one folder, `<key>.git` each."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._environment = clean_environment()
        self._refs: dict[int, dict[str, str]] = {}
        self._commits: dict[str, CommitFacts] = {}
        self._bases: dict[tuple[str, str], str | None] = {}
        self._merges: dict[tuple[str, str], bool] = {}
        self._changes: dict[tuple[int, str, str], tuple[FileChange, ...]] = {}
        folder.mkdir(parents=True, exist_ok=True)

    def path(self, key: int) -> Path:
        """Say where a repository lies."""
        return self._folder / f"{key}.git"

    def create(self, key: int, default_branch: str) -> None:
        """Make an empty repository."""
        path = self.path(key)
        for name in ("refs/heads", "refs/tags", "objects/info", "objects/pack", "hooks", "info"):
            (path / name).mkdir(parents=True)
        (path / "HEAD").write_text(f"ref: refs/heads/{default_branch}\n")
        (path / "config").write_text(
            "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = true\n"
            "[http]\n\treceivepack = true\n[uploadpack]\n\tallowReachableSHA1InWant = true\n"
            "\tallowFilter = true\n[gc]\n\tauto = 0\n[receive]\n\tautogc = false\n"
            "[transfer]\n\thideRefs = refs/internal\n"
        )

    def fork(self, key: int, source: int) -> None:
        """Make a repository with everything that source has."""
        head = (self.path(source) / "HEAD").read_text().strip().removeprefix("ref: refs/heads/")
        self.create(key, head)
        self.load(key, self.path(source))

    def load(self, key: int, source: Path, checked_out: str | None = None) -> None:
        """Copy all branches and tags of a repository on disk; `checked_out` names the branch that a detached HEAD becomes.

        Raises GitFailed when the source holds no commit.
        """
        fetch = ("fetch", "-q", "--update-shallow", str(source.resolve()))
        self._run(key, *fetch, "+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
        if checked_out is not None:
            self._run(key, *fetch, f"+HEAD:refs/heads/{checked_out}")
        self.forget_refs(key)
        if not self.refs(key):
            raise GitFailed(f"{source} is a git repository without any commit")

    def delete(self, key: int) -> None:
        """Remove a repository."""
        shutil.rmtree(self.path(key), ignore_errors=True)
        self._refs.pop(key, None)

    def protect(self, key: int, branches: tuple[str, ...]) -> None:
        """Refuse direct pushes to these branches."""
        text = "".join(f"refs/heads/{branch}\n" for branch in branches)
        (self.path(key) / "protected-refs").write_text(text)
        hook = self.path(key) / "hooks" / "update"
        hook.write_text(_UPDATE_HOOK)
        hook.chmod(0o755)

    def forget_refs(self, key: int) -> None:
        """Read the refs anew next time, because somebody pushed."""
        self._refs.pop(key, None)

    def refs(self, key: int) -> Mapping[str, str]:
        """Read all refs with the shas they point to."""
        if key not in self._refs:
            listing = self._run(key, "for-each-ref", "--format=%(objectname) %(refname)").decode()
            self._refs[key] = {
                ref: sha for sha, _, ref in (line.partition(" ") for line in listing.splitlines())
            }
        return self._refs[key]

    def resolve(self, key: int, name: str) -> str | None:
        """Find the commit of a branch, tag or (shortened) sha; None when there is none."""
        refs = self.refs(key)
        for ref in (name, f"refs/{name}", f"refs/heads/{name}", f"refs/tags/{name}"):
            if ref in refs:
                return refs[ref]
        if name.startswith("-") or any(character in name for character in " :^~?*[\\"):
            return None
        done = self._try(key, "rev-parse", "-q", "--verify", "--end-of-options", f"{name}^{{commit}}")
        return done.stdout.decode().strip() or None

    def set_ref(self, key: int, ref: str, sha: str | None) -> None:
        """Move, create or (None) delete a ref."""
        self.refs(key)
        if sha is None:
            self._run(key, "update-ref", "-d", ref)
            self._refs[key].pop(ref, None)
        elif self._refs[key].get(ref) != sha:
            self._run(key, "update-ref", ref, sha)
            self._refs[key][ref] = sha

    def bring(self, key: int, source: int, sha: str) -> None:
        """Copy a commit with its history from another repository."""
        self._run(key, "fetch", "-q", "--no-tags", "--no-write-fetch-head", str(self.path(source)), sha)

    def commit(self, key: int, sha: str) -> CommitFacts:
        """Read one commit."""
        if sha not in self._commits:
            self._list(key, "-1", sha)
        return self._commits[sha]

    def merge_base(self, key: int, one: str, other: str) -> str | None:
        """Find the best common ancestor; None for unrelated histories."""
        if one == other:
            return one
        if (one, other) not in self._bases:
            done = self._try(key, "merge-base", one, other)
            self._bases[one, other] = self._bases[other, one] = done.stdout.decode().strip() or None
        return self._bases[one, other]

    def commits(self, key: int, base: str, head: str) -> tuple[CommitFacts, ...]:
        """Read the commits of head that base lacks, oldest first."""
        return self._list(key, "--reverse", "--topo-order", f"{base}..{head}")

    def _list(self, key: int, *arguments: str) -> tuple[CommitFacts, ...]:
        text = self._run(key, "log", f"--format=tformat:{_LIST_FORMAT}", *arguments, "--").decode(
            errors="replace"
        )
        found = []
        for record in text.split("\x01"):
            if "\x00" not in record:
                continue
            sha, tree, parents, name, email, stamp, message = record.lstrip("\n").split("\x00", 6)
            author = Signature(name, email, datetime.fromtimestamp(int(stamp), UTC))
            facts = CommitFacts(sha, tree, tuple(parents.split()), message.rstrip("\n"), author)
            found.append(self._commits.setdefault(sha, facts))
        return tuple(found)

    def changes(self, key: int, base: str, head: str) -> tuple[FileChange, ...]:
        """Compare head with its common ancestor with base."""
        if (key, base, head) not in self._changes:
            start = self._start(key, base, head)
            raw = self._run(key, "diff-tree", "-r", "-M", "--raw", "-z", "--abbrev=40", start, head)
            self._changes[key, base, head] = _parse_changes(
                raw.decode(errors="replace"), self.diff(key, base, head)
            )
        return self._changes[key, base, head]

    def diff(self, key: int, base: str, head: str) -> str:
        """Render the same comparison as one unified diff."""
        start = self._start(key, base, head)
        return self._run(key, "diff-tree", "-r", "-M", "-p", "--no-ext-diff", start, head).decode(
            errors="replace"
        )

    def _start(self, key: int, base: str, head: str) -> str:
        # The empty tree's sha is a constant of git: unrelated histories compare against nothing.
        return self.merge_base(key, base, head) or "4b825dc642cb6eb9a060e54bf8d69288fbee4904"

    def can_merge(self, key: int, base: str, head: str) -> bool:
        """Say whether git merges head into base without a person."""
        if (base, head) not in self._merges:
            self._merges[base, head] = (
                self._try(key, "merge-tree", "--write-tree", base, head).returncode == 0
            )
        return self._merges[base, head]

    def merge(self, key: int, merging: Merging) -> str:
        """Merge and move the branch; raises MergeConflict. A rebase of several commits is done one by one."""
        base = self.refs(key)[f"refs/heads/{merging.branch}"]
        if merging.method == "rebase":
            sha = self._rebase(key, base, merging)
        else:
            tree = self._merged_tree(key, base, merging.head_sha)
            parents = (base, merging.head_sha) if merging.method == "merge" else (base,)
            sha = self._commit_tree(key, tree, parents, (merging.message, merging.author))
        self.set_ref(key, f"refs/heads/{merging.branch}", sha)
        return sha

    def _rebase(self, key: int, onto: str, merging: Merging) -> str:
        # Each step merges one commit's tree as a change on top: a synthetic commit makes `onto` share its parent.
        for facts in self.commits(key, onto, merging.head_sha):
            if len(facts.parents) > 1:
                continue
            bridge = self._commit_tree(
                key, self.commit(key, onto).tree, facts.parents, ("bridge", merging.author)
            )
            tree = self._merged_tree(key, bridge, facts.sha)
            onto = self._commit_tree(key, tree, (onto,), (facts.message, facts.author))
        return onto

    def _merged_tree(self, key: int, base: str, head: str) -> str:
        done = self._try(key, "merge-tree", "--write-tree", base, head)
        if done.returncode != 0:
            raise MergeConflict(done.stdout.decode(errors="replace"))
        return done.stdout.decode().split()[0]

    def _commit_tree(
        self, key: int, tree: str, parents: tuple[str, ...], words: tuple[str, Signature]
    ) -> str:
        message, author = words
        date = f"{int(author.at.timestamp())} +0000"
        names = {f"GIT_{role}_{part}": value for role in ("AUTHOR", "COMMITTER") for part, value in (
            ("NAME", author.name), ("EMAIL", author.email), ("DATE", date))}  # fmt: skip
        flags = [flag for parent in parents for flag in ("-p", parent)]
        return self._run(key, "commit-tree", tree, *flags, text=message, extra=names).decode().strip()

    def write(self, key: int, writing: Writing) -> str:
        """Commit files onto a branch, which is created when missing; scripts with `#!` become executable."""
        ref = f"refs/heads/{writing.branch}"
        stamp = f"{writing.author.name} <{writing.author.email}> {int(writing.author.at.timestamp())} +0000"
        message = writing.message.encode()
        parts = [
            f"commit {ref}\nauthor {stamp}\ncommitter {stamp}\ndata {len(message)}\n".encode(),
            message,
            b"\n",
        ]
        if writing.parent is not None:
            parts.append(f"from {writing.parent}\n".encode())
        for path, content in writing.files.items():
            name = '"' + path.replace("\\", "\\\\").replace('"', '\\"') + '"'
            if content is None:
                parts.append(f"D {name}\n".encode())
                continue
            mode = "100755" if content.startswith(b"#!") else "100644"
            parts += [f"M {mode} inline {name}\ndata {len(content)}\n".encode(), content, b"\n"]
        self._run(key, "fast-import", "--quiet", "--force", "--date-format=raw", text=b"".join(parts))
        self.forget_refs(key)
        return self.refs(key)[ref]

    def read(self, key: int, sha: str, path: str) -> bytes | tuple[Entry, ...] | None:
        """Read a file, list a folder, or None."""
        done = self._try(key, "cat-file", "-t", f"{sha}:{path}")
        kind = done.stdout.decode().strip()
        if kind == "blob":
            return self._run(key, "cat-file", "blob", f"{sha}:{path}")
        if kind != "tree":
            return None
        listing = self._run(key, "ls-tree", "-l", "-z", f"{sha}:{path}").decode(errors="replace")
        prefix = f"{path}/" if path else ""
        entries = []
        for line in listing.split("\0")[:-1]:
            head, _, name = line.partition("\t")
            _, entry_kind, entry_sha, size = head.split()
            word = "dir" if entry_kind == "tree" else "file"
            entries.append(Entry(prefix + name, word, entry_sha, int(size) if size != "-" else 0))
        return tuple(entries)

    # -- running git ---------------------------------------------------------------------------------------------

    def _try(self, key: int, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            ["git", "--git-dir", str(self.path(key)), *arguments],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )

    def _run(
        self, key: int, *arguments: str, text: str | bytes = b"", extra: Mapping[str, str] | None = None
    ) -> bytes:
        done = subprocess.run(
            ["git", "--git-dir", str(self.path(key)), *arguments],
            env=self._environment | dict(extra or {}),
            input=text.encode() if isinstance(text, str) else text,
            capture_output=True,
            check=False,
        )
        if done.returncode != 0:
            raise GitFailed(f"git {' '.join(arguments)}: {done.stderr.decode(errors='replace').strip()}")
        return done.stdout


def _parse_changes(raw: str, diff: str) -> tuple[FileChange, ...]:
    patches = ("\n" + diff).split("\ndiff --git ")[1:]
    fields = iter(raw.split("\0")[:-1])
    found = []
    for patch in patches:
        meta = next(fields).split(" ")
        word = _STATUS_WORDS.get(meta[4][0], "modified")
        previous = next(fields) if meta[4][0] in "RC" else None
        path = next(fields)
        hunks = patch[patch.index("\n@@ ") + 1 :].rstrip("\n") if "\n@@ " in patch else None
        lines = (hunks or "").splitlines()
        plus = sum(1 for line in lines if line.startswith("+"))
        minus = sum(1 for line in lines if line.startswith("-"))
        found.append(FileChange(path, word, plus, minus, hunks, meta[3], previous))
    return tuple(found)
