"""A GitHub in a box: one object that holds the world, serves it on loopback, and lets tests and demos set the scene."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from dispatcher.simulator import repos
from dispatcher.simulator.access import Caller
from dispatcher.simulator.faults import Faults
from dispatcher.simulator.frontdoor import FrontDoor, Logged
from dispatcher.simulator.git_port import GitStore, Writing
from dispatcher.simulator.git_store import BareGit, branch_of
from dispatcher.simulator.memory_git import MemoryGit
from dispatcher.simulator.model import (
    LEVELS,
    Account,
    AccountKind,
    Comment,
    Issue,
    Protection,
    Repo,
    Review,
    Team,
    Token,
    TokenKind,
)
from dispatcher.simulator.people import Person
from dispatcher.simulator.quota import Quota
from dispatcher.simulator.server import serving
from dispatcher.simulator.world import Clock, Settings, World, wall_clock

_TOKEN_PREFIXES = {
    TokenKind.CLASSIC: "ghp",
    TokenKind.FINE_GRAINED: "github_pat",
    TokenKind.INSTALLATION: "ghs",
}


@dataclass(frozen=True, slots=True)
class Scene:
    """Sets the stage in a world, with or without a server in front of it: accounts, tokens, repositories."""

    world: World

    def person(self, login: str) -> Person:
        """Act as an account that exists."""
        with self.world.lock:
            return Person(self.world, self.world.account(login).login)

    def add_user(self, login: str) -> Person:
        """Create a user."""
        with self.world.lock:
            return Person(self.world, self.world.add_account(login).login)

    def add_app(self, slug: str) -> Person:
        """Create an App's bot account, `slug[bot]`; it can write check runs and cannot be assigned."""
        with self.world.lock:
            return Person(self.world, self.world.add_account(f"{slug}[bot]", AccountKind.BOT).login)

    def add_org(
        self, login: str, members: tuple[str, ...] = (), teams: Mapping[str, tuple[str, ...]] | None = None
    ) -> Account:
        """Create an organization; teams map a slug to logins, which become members."""
        with self.world.lock:
            org = self.world.add_account(login, AccountKind.ORGANIZATION)
            org.member_ids |= {self.world.account(member).id for member in members}
            for slug, logins in (teams or {}).items():
                ids = {self.world.account(member).id for member in logins}
                org.teams[slug] = Team(self.world.new_id(), slug, slug.replace("-", " ").title(), ids)
                org.member_ids |= ids
            return org

    def add_token(self, login: str, *scopes: str) -> str:
        """Create a classic token; without scopes given it has `repo`, `notifications` and `read:org`."""
        return self._token(
            login, TokenKind.CLASSIC, scopes or ("repo", "notifications", "read:org"), {}, None
        )

    def add_fine_grained_token(
        self, login: str, permissions: Mapping[str, str] | None = None, only: tuple[str, ...] | None = None
    ) -> str:
        """Create a fine-grained token; `only` limits it to these repositories (full names)."""
        full = dict.fromkeys(("contents", "issues", "pull_requests", "statuses"), "write") | {
            "metadata": "read"
        }
        return self._token(login, TokenKind.FINE_GRAINED, (), permissions or full, only)

    def add_app_token(self, slug: str, permissions: Mapping[str, str] | None = None) -> str:
        """Create an installation token of an App made by `add_app`."""
        areas = ("contents", "issues", "pull_requests", "statuses", "checks")
        full = dict.fromkeys(areas, "write") | {"metadata": "read"}
        return self._token(f"{slug}[bot]", TokenKind.INSTALLATION, (), permissions or full, None)

    def _token(
        self,
        login: str,
        kind: TokenKind,
        scopes: tuple[str, ...],
        permissions: Mapping[str, str],
        only: tuple[str, ...] | None,
    ) -> str:
        with self.world.lock:
            account = self.world.account(login)
            number = self.world.new_id()
            value = f"{_TOKEN_PREFIXES[kind]}_simulated{number:027d}"
            repo_ids = None if only is None else frozenset(self.world.repo(name).id for name in only)
            self.world.tokens[value] = Token(value, account.id, kind, scopes, dict(permissions), repo_ids)
            return value

    def revoke_token(self, value: str) -> None:
        """Make a token worthless: 401 from now on."""
        with self.world.lock:
            self.world.tokens[value].revoked = True

    def add_repo(
        self,
        full_name: str,
        files: Mapping[str, bytes | str] | None = None,
        *,
        folder: Path | None = None,
        collaborators: Mapping[str, str] | None = None,
        teams: Mapping[str, str] | None = None,
        private: bool = False,
    ) -> Repo:
        """Create a repository with one commit on `main`, from `files` or from what lies in `folder`.

        Levels are words: read, triage, write, maintain, admin. A folder that is a git repository keeps its history (the
        branch that is checked out becomes the default one). The owner is created as an organization when missing.
        """
        owner_login, _, name = full_name.partition("/")
        with self.world.lock:
            owner = self.world.find_account(owner_login) or self.add_org(owner_login)
            history = folder if folder is not None and (folder / ".git").exists() else None
            current = None if history is None else branch_of(history)
            branch = current or "main"
            repo = repos.create_repo(self.world, owner, name, private=private, default_branch=branch)
            self.world.git.create(repo.id, branch)
            repo.collaborators = {
                self.world.account(k).id: LEVELS[v] for k, v in (collaborators or {}).items()
            }
            repo.team_levels = {slug: LEVELS[word] for slug, word in (teams or {}).items()}
            if history is not None and isinstance(self.world.git, BareGit):
                self.world.git.load(repo.id, history, None if current else branch)
            else:
                self._first_commit(
                    repo, _files_in(folder) if folder is not None else files or {"README.md": name}
                )
            return repo

    def _first_commit(self, repo: Repo, files: Mapping[str, bytes | str]) -> None:
        content = {path: text.encode() if isinstance(text, str) else text for path, text in files.items()}
        author = self.world.signature(self.world.accounts[repo.owner_id])
        self.world.git.write(repo.id, Writing(repo.default_branch, content, "First commit", author, None))

    def protect(
        self,
        full_name: str,
        branch: str = "main",
        *,
        approvals: int = 0,
        contexts: tuple[str, ...] = (),
        ruleset: bool = False,
        writers: tuple[str, ...] | None = None,
        bypass: Mapping[str, str] | None = None,
    ) -> None:
        """Protect a branch: no direct pushes through git, and what a merge needs; with a ruleset also for whom it does not hold."""
        with self.world.lock:
            repo = self.world.repo(full_name)
            repo.protections[branch] = Protection(
                required_approvals=approvals,
                required_contexts=contexts,
                is_ruleset=ruleset,
                writers=None if writers is None else tuple(self.world.account(login).id for login in writers),
                bypass={self.world.account(login).id: how for login, how in (bypass or {}).items()},
            )
            if isinstance(self.world.git, BareGit):
                self.world.git.protect(repo.id, tuple(repo.protections))

    # -- looking at what became of it ----------------------------------------------------------------------------

    def issue(self, full_name: str, number: int) -> Issue:
        """Get an issue or pull request (a live record: look, do not touch)."""
        with self.world.lock:
            return self.world.issue(self.world.repo(full_name), number)

    def labels(self, full_name: str, number: int) -> set[str]:
        """Get the names of the labels that an issue carries."""
        with self.world.lock:
            return {label.name for label in self.issue(full_name, number).labels.values()}

    def assignees(self, full_name: str, number: int) -> list[str]:
        """Get the logins of those who are assigned."""
        with self.world.lock:
            return [self.world.accounts[i].login for i in self.issue(full_name, number).assignee_ids]

    def comments(self, full_name: str, number: int) -> list[Comment]:
        """Get the comments, oldest first."""
        with self.world.lock:
            return list(self.issue(full_name, number).comments)

    def reviews(self, full_name: str, number: int) -> list[Review]:
        """Get the reviews, oldest first."""
        with self.world.lock:
            pull = self.issue(full_name, number).pull
            return [] if pull is None else list(pull.reviews)

    def pulls(self, full_name: str) -> list[Issue]:
        """Get the pull requests, oldest first."""
        with self.world.lock:
            return [issue for issue in self.world.repo(full_name).issues.values() if issue.pull is not None]

    def head(self, full_name: str, branch: str = "main") -> str | None:
        """Get the sha of a branch; None when there is no such branch."""
        with self.world.lock:
            repo = self.world.repo(full_name)
            return self.world.git.refs(repo.id).get(f"refs/heads/{branch}")

    def read_file(self, full_name: str, path: str, ref: str = "main") -> bytes | None:
        """Read a file of a branch or commit."""
        with self.world.lock:
            repo = self.world.repo(full_name)
            sha = self.world.git.resolve(repo.id, ref)
            found = None if sha is None else self.world.git.read(repo.id, sha, path)
            return found if isinstance(found, bytes) else None


@dataclass(slots=True)
class GitHubBox:
    """The server with everything in it; `with GitHubBox(folder) as box:` serves until the block ends.

    `folder` holds the bare repositories; `clock` is the forge's clock. `url` is the API's base (and, with
    `/owner/name.git`, git's); `enterprise_url` is the same API under the prefix of GitHub Enterprise Server.
    """

    folder: Path
    clock: Clock = wall_clock
    settings: Settings = field(default_factory=Settings)
    scene: Scene = field(init=False)
    door: FrontDoor = field(init=False)
    url: str = field(init=False, default="")
    _stack: ExitStack = field(init=False, default_factory=ExitStack)

    def __post_init__(self) -> None:
        git = BareGit(self.folder)
        world = World(self.clock, git, self.settings)
        self.scene = Scene(world)
        self.door = FrontDoor(world, git, Quota(world))

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> str:
        """Start serving; the address."""
        self.url = self._stack.enter_context(serving(self.door))
        return self.url

    def stop(self) -> None:
        """Stop serving; the repositories stay where they are. Raises RuntimeError when the simulator itself failed."""
        self._stack.close()
        if self.door.crashes:
            raise RuntimeError("the simulator failed:\n" + "\n".join(self.door.crashes))

    @property
    def world(self) -> World:
        """Get the state."""
        return self.scene.world

    @property
    def enterprise_url(self) -> str:
        """Get the API's base in the form of GitHub Enterprise Server."""
        return f"{self.url}/api/v3"

    @property
    def faults(self) -> Faults:
        """Get the fault rules."""
        return self.door.faults

    @property
    def requests(self) -> list[Logged]:
        """Get the log of requests so far."""
        with self.world.lock:
            return list(self.door.log)

    def clone_url(self, full_name: str) -> str:
        """Get the address to clone from (without any token)."""
        return f"{self.url}/{full_name}.git"

    @contextmanager
    def watching(self) -> Iterator[list[Logged]]:
        """Collect the requests that arrive inside the block (the list is filled when it ends)."""
        start = len(self.requests)
        seen: list[Logged] = []
        try:
            yield seen
        finally:
            seen += self.requests[start:]


def scene_in_memory(clock: Clock = wall_clock, settings: Settings | None = None) -> Scene:
    """Build a world without HTTP and without real git, for simulations of many thousand steps."""
    git: GitStore = MemoryGit()
    return Scene(World(clock, git, settings or Settings(mergeable_unknown_reads=0)))


def caller_of(world: World, token: str) -> Caller:
    """Say who a token belongs to, for an in-memory forge that calls the rules itself."""
    found = world.tokens[token]
    return Caller(world.accounts[found.account_id], found)


def _files_in(folder: Path) -> dict[str, bytes | str]:
    found = sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}
