"""What git costs: a checkout against `git worktree add`, and the way from an agent's commit to the forge."""

import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from dispatcher.core.model import Permission
from dispatcher.core.rules import RepoRules
from dispatcher.ports import CheckoutOrder, HarvestOrder, Repo
from dispatcher.workspace import GitWorkspaces, Identity, Surroundings

FILES = 2500
FILE_BYTES = 12_000
ROUNDS = 8
BRANCH = "bot/1-bench"


def measure() -> list[tuple[str, str, str]]:
    """Rows of (what, measured, goal)."""
    with tempfile.TemporaryDirectory(prefix="bench-workspace-") as folder:
        return _Bench(Path(folder)).rows()


class _Bench:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.forge = root / "forge.git"
        _make_forge(self.forge, root / "source")
        rules = RepoRules("bench", "acme", "bench", check_is_off=True)
        self.repo = Repo(1, "acme/bench", "main", rules, Permission.WRITE, f"file://{self.forge}")
        self.workspaces = GitWorkspaces(root / "state", Surroundings(Identity("bench", "bench@example.com")))

    def rows(self) -> list[tuple[str, str, str]]:
        self._checkout(0)  # the first one clones the mirror
        mirror = self.root / "state" / "repos" / "1" / "mirror.git"
        ours, theirs, back = [], [], []
        for number in range(1, ROUNDS + 1):  # in turn, so that a busy machine slows both alike
            theirs.append(_timed(partial(_worktree, mirror, self.root / f"w{number}")))
            ours.append(_timed(partial(self._checkout, number)))
            back.append(self._harvest_and_push(number))
        ratio = min(ours) / min(theirs)
        return [
            (
                f"checkout of {FILES:,} files, against `git worktree add`",
                f"{ratio:.2f} x ({min(ours):.2f} s)",
                "<= 1.3 x",
            ),
            ("harvest and push, without the check", f"{min(back):.2f} s", "<= 0.3 s"),
        ]

    def _checkout(self, number: int) -> str:
        return self.workspaces.make_checkout(
            CheckoutOrder(self.repo, "main", "", BRANCH, self.root / f"c{number}")
        )

    def _harvest_and_push(self, number: int) -> float:
        checkout = self.root / f"c{number}"
        start = _git(checkout, "rev-parse", "HEAD")
        for name in ("d0/f0.txt", "d1/f1.txt", "new.txt"):
            (checkout / name).write_text(f"round {number}\n" * 40)
        _git(checkout, "add", "-A")
        _git(checkout, "commit", "-q", "-m", "work")
        head = _git(checkout, "rev-parse", "HEAD")
        order = HarvestOrder(self.repo, f"r{number}", checkout, "main", BRANCH, start, "", "")

        def back() -> None:
            self.workspaces.harvest(order)
            self.workspaces.push(self.repo, f"{BRANCH}-{number}", head, "")

        return _timed(back)


def _make_forge(forge: Path, source: Path) -> None:
    source.mkdir()
    for number in range(FILES):
        path = source / f"d{number % 50}" / f"f{number}.txt"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(os.urandom(FILE_BYTES // 2).hex().encode())
    _git(source, "init", "-q", "-b", "main")
    _git(source, "add", "-A")
    _git(source, "commit", "-q", "-m", "everything")
    _git(source.parent, "clone", "-q", "--bare", str(source), str(forge))


def _timed(step: Callable[[], object]) -> float:
    begun = time.perf_counter()
    step()
    return time.perf_counter() - begun


def _worktree(mirror: Path, folder: Path) -> None:
    _git(mirror, "worktree", "add", "-q", "--detach", str(folder), "main")


def _git(folder: Path, *args: str) -> str:
    who = dict.fromkeys(
        ("GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"), "bench"
    )
    plain = {"PATH": os.environ["PATH"], "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull}
    done = subprocess.run(
        ("git", *args), cwd=folder, env={**plain, **who}, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


if __name__ == "__main__":
    for row in measure():
        print(*row, sep=" | ")
