"""A person's own repository and issue: read, cloned, never written to."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dispatcher.core.intake import clean_text
from dispatcher.surfaces.exits import UsageProblem
from dispatcher.surfaces.screen import one_line

_LONGEST_ISSUE: Final = 1_000_000
_NOT_IN_A_NAME: Final = re.compile(r"[^A-Za-z0-9._-]+")
_HEADING: Final = re.compile(r"\A#(?:\s+|\Z)")
_BRANCH: Final = "rehearsal"


@dataclass(frozen=True, slots=True)
class Source:
    """A repository on this machine. `branch` is "" when a commit is checked out and no branch."""

    folder: Path
    branch: str
    commit: str
    has_uncommitted: bool

    @property
    def name(self) -> str:
        """A name for it that a forge would take."""
        return _NOT_IN_A_NAME.sub("-", self.folder.name.removesuffix(".git")).strip("-.") or "repository"


@dataclass(frozen=True, slots=True)
class Wanted:
    """An issue's text."""

    title: str
    body: str


def load_issue(file: str) -> Wanted:
    """The issue in a file, `-` for stdin: the first line is the title, the rest the body. Raises UsageProblem."""
    try:
        raw = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise UsageProblem(
            f'--issue "{file}" cannot be read: {error.strerror}. Name a text file, or - for stdin.'
        ) from error
    if len(raw) > _LONGEST_ISSUE:
        raise UsageProblem(
            f'--issue "{file}" has {len(raw):,} bytes; an issue has at most {_LONGEST_ISSUE:,}.'
        )
    title, _, body = clean_text(raw.decode("utf-8", "replace").lstrip("\ufeff")).strip().partition("\n")
    title = _HEADING.sub("", title).strip()
    if not title:
        raise UsageProblem(f'--issue "{file}" is empty. Its first line becomes the title, the rest the text.')
    return Wanted(one_line(title, 250), body.strip())


def inspect_source(path: Path) -> Source:
    """The git repository around a path. Raises UsageProblem when there is none that can be cloned."""
    if not path.is_dir():
        raise UsageProblem(f'--repo "{path}" is not a folder. Name a git repository on this machine.')
    found = _git(path, "rev-parse", "--is-bare-repository", "--is-shallow-repository", "--absolute-git-dir")
    if found.returncode:
        raise UsageProblem(f'--repo "{path}" is not a git repository: {_why(found)}')
    is_bare, is_shallow, git_dir = found.stdout.splitlines()
    if is_shallow == "true":
        raise UsageProblem(f'--repo "{path}" is a shallow clone. Complete it first: git fetch --unshallow.')
    commit = _git(path, "rev-parse", "--verify", "--quiet", "HEAD^{commit}").stdout.strip()
    if not commit:
        raise UsageProblem(f'--repo "{path}" has no commit yet. Commit something first.')
    top = git_dir if is_bare == "true" else _git(path, "rev-parse", "--show-toplevel").stdout.rstrip("\n")
    changed = "" if is_bare == "true" else _git(path, "status", "--porcelain").stdout
    branch = _git(path, "symbolic-ref", "--quiet", "--short", "HEAD").stdout.strip()
    return Source(Path(top), branch, commit, bool(changed.strip()))


def clone(source: Source, destination: Path) -> None:
    """Copy what is committed on the present branch, history and tags included. Raises UsageProblem."""
    done = _git(
        destination.parent,
        *("clone", "--quiet", "--no-hardlinks", "--no-checkout", "--single-branch", "--template="),
        str(source.folder),
        str(destination),
    )
    if done.returncode == 0 and not source.branch:
        done = _git(destination, "update-ref", f"refs/heads/{_BRANCH}", source.commit)
        _git(destination, "symbolic-ref", "HEAD", f"refs/heads/{_BRANCH}")
    if done.returncode:
        raise UsageProblem(f"{source.folder} cannot be cloned: {_why(done)}")


def _git(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Ask git, without locks: even a refreshed index would be a write to a person's repository."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return subprocess.run(
        ("git", "--no-optional-locks", "-C", str(folder), *arguments),
        env=environment | {"GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"},
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )


def _why(done: subprocess.CompletedProcess[str]) -> str:
    return one_line(done.stderr, 500) or f"git ended with code {done.returncode}"
