"""The check of one commit: found, run in a clean checkout, judged."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from dispatcher.ports import Repo
from dispatcher.workspace.check import CheckRun, CheckRunner, Verdict, must_be_installed
from dispatcher.workspace.checkout import Standing, make_checkout, remove_tree
from dispatcher.workspace.detect import NOTHING, Check, detect_check
from dispatcher.workspace.git import Git
from dispatcher.workspace.store import Store
from dispatcher.workspace.surroundings import Surroundings

SWITCHED_OFF = Check((), "the check is switched off for this repository")


@dataclass(frozen=True, slots=True)
class CommitCheck:
    """Checks commits, each in a folder of its own below `scratch` that is gone afterwards."""

    git: Git
    scratch: Path
    runner: CheckRunner
    surroundings: Surroundings

    def choose(self, repo: Repo, store: Store, base_head: str, commit: str) -> Check:
        """The configured check, else what the base's files suggest, else what the commit's own files suggest.

        The base goes first: a commit must not get rid of its check by deleting it.
        """
        if repo.rules.check_is_off:
            return SWITCHED_OFF
        if repo.rules.check:
            return Check(repo.rules.check, f"`{' '.join(repo.rules.check)}`, as configured")
        for place, at in ((store.mirror, base_head), (store.ensure(commit), commit)):
            if (found := detect_check(self.git, place, at, self.surroundings.machine)).argv:
                return found
        return NOTHING

    def run(self, repo: Repo, store: Store, check: Check, commit: str) -> Verdict:
        """Run the check on exactly this commit. Raises RetryLater when the dispatcher stops meanwhile."""
        if not check.argv:
            return Verdict(is_green=True)
        with self.clean_checkout(store, Standing(commit, "check")) as checkout:
            home = checkout.with_name("home")
            (home / "tmp").mkdir(parents=True, mode=0o700)
            limit_s = repo.rules.limits.check_s
            env = self.surroundings.check_env
            return self.runner.run(
                CheckRun(check.argv, checkout, home, limit_s, (store.mirror_objects,), env, repo.rules)
            )

    def must_be_possible(self, repo: Repo) -> None:
        """Raises ProgramAbsent when the configured check needs a program that is not there."""
        if repo.rules.check and not repo.rules.check_is_off:
            path = dict(self.surroundings.check_env).get("PATH") or os.environ.get("PATH", os.defpath)
            must_be_installed(repo.rules.check, path)

    @contextmanager
    def clean_checkout(self, store: Store, standing: Standing) -> Iterator[Path]:
        """A checkout that is gone when the block ends."""
        folder = self.scratch / f"commit-{uuid4().hex}"
        try:
            make_checkout(self.git, store, standing, self.surroundings.identity, folder / "checkout")
            yield folder / "checkout"
        finally:
            remove_tree(folder)
