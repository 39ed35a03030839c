"""A shop: a forge made of one bare repository, an agent that works in checkouts, and the workspaces between them."""

import os
import subprocess
from dataclasses import dataclass, field, replace
from pathlib import Path

from dispatcher.core.model import Permission
from dispatcher.core.rules import HarvestLimits, Limits, RepoRules
from dispatcher.ports import CheckoutOrder, HarvestOrder, Repo
from dispatcher.workspace import GitWorkspaces, Identity, Surroundings
from dispatcher.workspace.detect import Machine

BRANCH = "bot/7-fix-it"
BOT = Identity("shop-bot", "bot@example.com")
TOKEN = "test-token-0123456789"
AS_A_RUN = {
    "GIT_AUTHOR_NAME": BOT.name,
    "GIT_AUTHOR_EMAIL": BOT.email,
    "GIT_COMMITTER_NAME": BOT.name,
    "GIT_COMMITTER_EMAIL": BOT.email,
}
"""What an agent finds in its environment; one that means well commits with it."""


def git(folder, *args, env=None, check=True):
    """What a person at a terminal gets from git: no configuration of this machine, a name of their own."""
    plain = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        **(env or {}),
    }
    done = subprocess.run(("git", *args), cwd=folder, env=plain, capture_output=True, text=True, check=False)
    assert done.returncode == 0 or not check, done.stderr
    return done.stdout.strip()


def write(folder: Path, files: dict[str, str | bytes | None]):
    for name, content in files.items():
        path = folder / name
        if content is None:
            path.unlink()
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)


@dataclass
class Shop:
    """The forge and everything around it, at file:// or at the address of a server."""

    folder: Path
    url: str = ""
    token: str | None = TOKEN
    secrets: list[str] = field(default_factory=list)
    rules: RepoRules = field(default_factory=lambda: RepoRules("shop", "acme", "shop", check=("true",)))
    confinement: object | None = None

    def __post_init__(self):
        self.forge = self.folder / "forge.git"
        self.person = self.folder / "person"
        self.url = self.url or f"file://{self.forge}"
        self.person.mkdir()
        git(self.folder, "init", "-q", "--bare", "-b", "main", str(self.forge))
        git(self.person, "init", "-q", "-b", "main")
        git(self.person, "remote", "add", "origin", str(self.forge))
        self.person_pushes({"README": "the shop\n", "src/app.py": "one\ntwo\nthree\n"})
        self.runs = 0
        self.open()

    def open(self):
        """Start the dispatcher's side, or start it again."""
        more = {"confinement": self.confinement} if self.confinement else {}
        self.workspaces = GitWorkspaces(
            self.folder / "state",
            Surroundings(
                BOT,
                token=(lambda: self.token) if self.token else None,
                secrets=lambda: self.secrets,
                pack_bytes=self.rules.harvest.pack_bytes,
                machine=Machine(docker_works=lambda: False),
                **more,
            ),
        )

    @property
    def repo(self):
        return Repo(1, "acme/shop", "main", self.rules, Permission.WRITE, self.url)

    def configure(self, **rules):
        self.rules = replace(self.rules, **rules)

    def limit_harvest(self, **limits):
        self.configure(harvest=HarvestLimits(**limits))

    def check_with(self, *argv, limit_s=60):
        self.configure(check=argv, limits=Limits(check_s=limit_s))

    # ---- people

    def person_pushes(self, files, branch="main"):
        known = git(self.person, "rev-parse", "--verify", "-q", branch, check=False)
        git(self.person, "checkout", "-q", *(() if known else ("-B",)), branch)
        write(self.person, files)
        sha = commit(self.person, "a person's change")
        git(self.person, "push", "-q", "--force", "origin", branch)
        return sha

    def on_forge(self, branch=BRANCH):
        return git(self.forge, "rev-parse", "--verify", "-q", f"refs/heads/{branch}", check=False)

    # ---- the agent

    def checkout(self, head="", branch=BRANCH):
        self.runs += 1
        destination = self.folder / "runs" / f"r{self.runs}" / "checkout"
        self.start = self.workspaces.make_checkout(
            CheckoutOrder(self.repo, "main", head, branch, destination)
        )
        return destination

    def agent_commits(self, checkout, files, message="work"):
        write(checkout, files)
        return commit(checkout, message, **AS_A_RUN)

    # ---- the dispatcher

    def harvest(self, checkout, expected="", start=None):
        order = HarvestOrder(
            self.repo, "r1", checkout, "main", BRANCH, self.start if start is None else start, expected, ""
        )
        return self.workspaces.harvest(order)

    def delivered(self, files, message="work"):
        """One run from checkout to harvest."""
        checkout = self.checkout()
        self.agent_commits(checkout, files, message)
        return self.harvest(checkout)


def commit(folder, message, **env):
    git(folder, "add", "-A")
    who = {
        "GIT_AUTHOR_NAME": "A",
        "GIT_AUTHOR_EMAIL": "a@x.org",
        "GIT_COMMITTER_NAME": "C",
        "GIT_COMMITTER_EMAIL": "c@x.org",
    }
    git(folder, "commit", "-q", "--allow-empty", "-m", message, env={**who, **env})
    return git(folder, "rev-parse", "HEAD")
