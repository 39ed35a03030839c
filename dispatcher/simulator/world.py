"""The state of the simulated forge: who exists, what exists, and how things are found.

Nothing here speaks HTTP or knows whether git is real, so that a simulation of thousands of steps per second can use
the same rules as the server. Take `world.lock` around every call when more than one thread is about.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from threading import RLock

from dispatcher.simulator.git_port import GitStore, Signature
from dispatcher.simulator.model import (
    Account,
    AccountKind,
    Event,
    EventKind,
    InboxThread,
    Issue,
    Label,
    Reason,
    Repo,
    Token,
)
from dispatcher.simulator.refusals import NotFound

Clock = Callable[[], datetime]


def wall_clock() -> datetime:
    """Read the machine's clock."""
    return datetime.now(UTC)


@dataclass(slots=True)
class Settings:
    """The knobs of the box; times in seconds, limits as GitHub documents them.

    `mergeable_unknown_reads`: how often a changed pull request answers `mergeable: null` first.
    `mark_read_delay_s`: None marks notifications read at once (205); a number does it that much later (202).
    """

    poll_interval_s: int = 60
    notification_delay_s: int = 0
    search_delay_s: int = 0
    mergeable_unknown_reads: int = 1
    mark_read_delay_s: int | None = None
    core_limit: int = 5000
    graphql_limit: int = 5000
    search_limit: int = 30
    comment_limit_chars: int = 65_536
    assignee_limit: int = 10


@dataclass(slots=True)
class InboxFaults:
    """How many of the coming notifications are to be lost, doubled or late (by `late_s` seconds)."""

    lose: int = 0
    double: int = 0
    late: int = 0
    late_s: int = 16


@dataclass(slots=True)
class World:
    """Everything that the forge remembers; inboxes by account, then by (repository, number)."""

    clock: Clock
    git: GitStore
    settings: Settings = field(default_factory=Settings)
    inbox_faults: InboxFaults = field(default_factory=InboxFaults)
    lock: RLock = field(default_factory=RLock)
    accounts: dict[int, Account] = field(default_factory=dict)
    tokens: dict[str, Token] = field(default_factory=dict)
    repos: dict[int, Repo] = field(default_factory=dict)
    inbox: dict[int, dict[tuple[int, int], list[InboxThread]]] = field(default_factory=dict)
    read_later: list[tuple[datetime, int, datetime]] = field(default_factory=list)
    _logins: dict[str, int] = field(default_factory=dict)
    _names: dict[tuple[int, str], int] = field(default_factory=dict)
    _former_names: dict[str, int] = field(default_factory=dict)
    _issues_by_id: dict[int, Issue] = field(default_factory=dict)
    _ids: Iterator[int] = field(default_factory=lambda: count(1001))

    def now(self) -> datetime:
        """Read the world's clock in whole seconds, as GitHub stores times."""
        return self.clock().astimezone(UTC).replace(microsecond=0)

    def new_id(self) -> int:
        """Hand out a number that nothing else carries."""
        return next(self._ids)

    # -- accounts ------------------------------------------------------------------------------------------------

    def add_account(self, login: str, kind: AccountKind = AccountKind.USER) -> Account:
        """Create a user, bot or organization; logins are unique without regard to case."""
        if login.lower() in self._logins:
            raise ValueError(f"the login {login} is taken")
        account = Account(self.new_id(), login, kind, self.now())
        self.accounts[account.id] = account
        self._logins[login.lower()] = account.id
        return account

    def find_account(self, login: str) -> Account | None:
        """Look a login up; None when nobody has it."""
        found = self._logins.get(login.lower())
        return None if found is None else self.accounts[found]

    def account(self, login: str) -> Account:
        """Look a login up; raises NotFound."""
        account = self.find_account(login)
        if account is None:
            raise NotFound
        return account

    def rename_account(self, account: Account, login: str) -> None:
        """Give an account another login; its numeric id stays."""
        del self._logins[account.login.lower()]
        account.login = login
        self._logins[login.lower()] = account.id

    def signature(self, account: Account) -> Signature:
        """Say how this account signs commits."""
        return Signature(account.login, f"{account.id}+{account.login}@users.noreply.invalid", self.now())

    # -- repositories --------------------------------------------------------------------------------------------

    def add_repo(self, repo: Repo) -> None:
        """Make a repository findable."""
        self.repos[repo.id] = repo
        self._names[repo.owner_id, repo.name.lower()] = repo.id

    def full_name(self, repo: Repo) -> str:
        """Render owner/name."""
        return f"{self.accounts[repo.owner_id].login}/{repo.name}"

    def find_repo(self, full_name: str) -> Repo | None:
        """Look owner/name up; a former name is not found here."""
        owner_login, _, name = full_name.partition("/")
        owner = self.find_account(owner_login)
        found = None if owner is None else self._names.get((owner.id, name.lower()))
        return None if found is None else self.repos[found]

    def find_moved_repo(self, full_name: str) -> Repo | None:
        """Look up what a repository that was renamed or transferred is today."""
        return self.repos.get(self._former_names.get(full_name.lower(), 0))

    def repo(self, full_name: str) -> Repo:
        """Look owner/name up, following renames; raises NotFound."""
        repo = self.find_repo(full_name) or self.find_moved_repo(full_name)
        if repo is None:
            raise NotFound
        return repo

    def move_repo(self, repo: Repo, owner: Account, name: str) -> None:
        """Rename or transfer; the old name keeps redirecting."""
        self._former_names[self.full_name(repo).lower()] = repo.id
        del self._names[repo.owner_id, repo.name.lower()]
        repo.owner_id, repo.name, repo.updated_at = owner.id, name, self.now()
        self._names[owner.id, name.lower()] = repo.id
        self._former_names.pop(self.full_name(repo).lower(), None)

    def remove_repo(self, repo: Repo) -> None:
        """Forget a repository, its git objects and what people's inboxes say about it."""
        del self.repos[repo.id]
        del self._names[repo.owner_id, repo.name.lower()]
        for threads in self.inbox.values():
            for place in [place for place in threads if place[0] == repo.id]:
                del threads[place]
        self.git.delete(repo.id)

    # -- issues --------------------------------------------------------------------------------------------------

    def issue(self, repo: Repo, number: int) -> Issue:
        """Find an issue or pull request; raises NotFound."""
        issue = repo.issues.get(number)
        if issue is None:
            raise NotFound
        return issue

    def add_issue(self, repo: Repo, issue: Issue) -> None:
        """Make an issue or pull request findable."""
        repo.issues[issue.number] = issue
        self._issues_by_id[issue.id] = issue
        if issue.pull is not None:
            self._issues_by_id[issue.pull.id] = issue

    def issue_by_id(self, issue_id: int) -> Issue | None:
        """Find an issue by its id (or its pull request's id), in whatever repository it is."""
        issue = self._issues_by_id.get(issue_id)
        return issue if issue is not None and issue.repo_id in self.repos else None

    def label(self, repo: Repo, name: str) -> Label:
        """Find a label without regard to case; raises NotFound."""
        label = repo.labels.get(name.lower())
        if label is None:
            raise NotFound
        return label

    def note(self, issue: Issue, kind: EventKind, actor_id: int) -> Event:
        """Write an event into the issue's timeline and touch the issue."""
        event = Event(self.new_id(), kind, actor_id, self.now())
        issue.events.append(event)
        issue.updated_at = event.at
        return event

    def subscribe(self, issue: Issue, account_id: int, reason: Reason) -> None:
        """Make a person follow an issue; the first reason stays."""
        issue.subscribers.setdefault(account_id, reason)
