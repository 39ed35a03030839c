"""Files that agent programs take for orders, laid into a fresh checkout as the base has them."""

from pathlib import Path
from typing import Final

from dispatcher.workspace.changes import list_total
from dispatcher.workspace.git import Git
from dispatcher.workspace.paths import is_protected
from dispatcher.workspace.process import Call

_NOTHING: Final = "000000"
_LITERAL: Final = {"GIT_LITERAL_PATHSPECS": "1"}


def restore_from_base(git: Git, checkout: Path, base_head: str, patterns: tuple[str, ...]) -> tuple[str, ...]:
    """Lay the files that fit the patterns there as `base_head` has them; returns those that were otherwise, sorted.

    The commit that the checkout stands on stays, and `git status` shows nothing: who wants to see what the head has asks git
    for it. To be called before anybody else could write into the checkout.
    """
    changed = [
        one for one in list_total(git, checkout, base_head, "HEAD") if is_protected(one.path, patterns)
    ]
    in_head = [one.path for one in changed if not one.is_deletion]
    in_base = [one.path for one in changed if one.old_mode != _NOTHING]
    # git does it, because it follows no link on the way to a file.
    _with_paths(git, checkout, in_head, "rm", "--quiet", "--force", "--ignore-unmatch")
    _with_paths(git, checkout, in_base, "checkout", "--quiet", base_head)
    if changed:
        git.output(checkout, "reset", "--quiet", "--mixed")
        git.output(
            checkout, "update-index", "--skip-worktree", "-z", "--stdin", call=Call(stdin=_joined(in_head))
        )
        _exclude(checkout, [path for path in in_base if path not in set(in_head)])
    return tuple(sorted(one.path for one in changed))


def _with_paths(git: Git, checkout: Path, paths: list[str], *words: str) -> None:
    if paths:
        named = ("--pathspec-from-file=-", "--pathspec-file-nul")
        git.output(checkout, *words, *named, call=Call(stdin=_joined(paths), env=_LITERAL))


def _joined(paths: list[str]) -> bytes:
    return "".join(f"{path}\0" for path in paths).encode(errors="surrogateescape")


def _exclude(checkout: Path, paths: list[str]) -> None:
    """What only the base has would be seen as a new file."""
    if paths:
        info = checkout / ".git" / "info"
        info.mkdir(exist_ok=True)
        lines = "".join(f"/{_escaped(path)}\n" for path in paths if "\n" not in path)
        (info / "exclude").write_text(lines, encoding="utf-8", errors="surrogateescape")


def _escaped(path: str) -> str:
    return "".join(f"\\{sign}" if sign in "\\*?[! #" else sign for sign in path)
