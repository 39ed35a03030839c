"""Bringing a branch up to its base, in a throw-away checkout of our own objects."""

import re
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from dispatcher.core.errors import DispatcherError
from dispatcher.workspace.changes import list_commits, merge_base
from dispatcher.workspace.git import Git, GitFailed, Identity
from dispatcher.workspace.process import Call
from dispatcher.workspace.redact import printable

_SHOWN = 20
_BOUND_TO_BASE = re.compile(rb"^(?:index [0-9a-f]+\.\.[0-9a-f]+(?: \d+)?|@@ .*? @@.*)$", re.MULTILINE)
_PERSON = "%an%n%ae%n%ad%n%cn%n%ce%n%cd"


class Conflict(DispatcherError):
    """git could not do it by itself; the message names the files."""


@dataclass(frozen=True, slots=True)
class Rebaser:
    """Rebases inside one checkout. `identity` signs merge commits only: replayed commits keep author and committer."""

    git: Git
    checkout: Path
    identity: Identity

    def onto(self, base_head: str, head: str) -> str:
        """Replay the commits of `head` on `base_head`; a branch that has merges in it gets the base merged in.

        Returns the new commit. Raises Conflict.
        """
        commits = list_commits(self.git, self.checkout, head, (base_head,))
        if any(len(commit.parents) > 1 for commit in commits):
            return self._merge(base_head, head)
        self._run("checkout", "--quiet", "--detach", base_head)
        for commit in reversed(commits):
            self._replay(commit.sha)
        return self.git.text(self.checkout, "rev-parse", "HEAD")

    def _replay(self, commit: str) -> None:
        shown = self.git.text(
            self.checkout, "show", "--no-patch", "--date=raw", f"--format={_PERSON}", commit
        )
        _, _, _, name, email, date = shown.split("\n")
        signed = {"GIT_COMMITTER_NAME": name, "GIT_COMMITTER_EMAIL": email, "GIT_COMMITTER_DATE": date}
        picked = self.git.attempt(
            self.checkout,
            "cherry-pick",
            "--allow-empty",
            "--allow-empty-message",
            commit,
            call=Call(env=signed),
        )
        if picked.code == 0:
            return
        self._raise_conflict()
        if self.git.text(self.checkout, "status", "--porcelain", "--untracked-files=no"):
            raise GitFailed("cherry-pick", picked.code, self.git.said(picked))
        self._run("cherry-pick", "--skip")  # the base has the same change already

    def _merge(self, base_head: str, head: str) -> str:
        self._run("checkout", "--quiet", "--detach", head)
        us = self.identity
        signed = {
            "GIT_AUTHOR_NAME": us.name, "GIT_AUTHOR_EMAIL": us.email,
            "GIT_COMMITTER_NAME": us.name, "GIT_COMMITTER_EMAIL": us.email,
        }  # fmt: skip
        words = ("merge", "--quiet", "--no-ff", "--no-verify", "-m", "Merge the base branch", base_head)
        merged = self.git.attempt(self.checkout, *words, call=Call(env=signed))
        if merged.code:
            self._raise_conflict()
            raise GitFailed("merge", merged.code, self.git.said(merged))
        return self.git.text(self.checkout, "rev-parse", "HEAD")

    def _raise_conflict(self) -> None:
        names = self.git.text(self.checkout, "diff", "--name-only", "--diff-filter=U", "-z").split("\0")
        conflicting = sorted({name for name in names if name})
        if conflicting:
            more = f" and {len(conflicting) - _SHOWN} more" if len(conflicting) > _SHOWN else ""
            raise Conflict(printable(f"conflicts with the base in: {', '.join(conflicting[:_SHOWN])}{more}"))

    def _run(self, *args: str) -> None:
        self.git.output(self.checkout, *args)


def patch_name(git: Git, place: Path, base_head: str, head: str) -> str:
    """Names what a branch changes, whatever it stands on: equal for equal patches (context and white space count)."""
    root = merge_base(git, place, base_head, head)
    words = (
        "diff-tree",
        "-p",
        "-r",
        "--full-index",
        "--binary",
        "--no-ext-diff",
        "--no-textconv",
        "--no-renames",
    )
    diff = git.output(place, *words, root, head)
    # Line numbers and blob names change with the base; `git patch-id` drops them too, but white space as well.
    return sha256(_BOUND_TO_BASE.sub(b"", diff)).hexdigest()
