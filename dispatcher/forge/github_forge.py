"""GitHub behind the Forge port: puts the parts of this room together."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from dispatcher.core.errors import RetryLater
from dispatcher.core.guarding import BaseGuard, cure_guard, describe_guard
from dispatcher.core.model import Hold, ItemKey, ItemSummary, Permission, Person, Snapshot, Task
from dispatcher.core.rules import LabelNames, RepoRules
from dispatcher.forge.account import Account
from dispatcher.forge.claims import Claimer
from dispatcher.forge.client import GITHUB_URL, Connection
from dispatcher.forge.comments import CommentLists
from dispatcher.forge.credentials import Secret
from dispatcher.forge.guard import Guards
from dispatcher.forge.known import Memory, Numbers
from dispatcher.forge.permissions import Permissions
from dispatcher.forge.polling import Inbox, Lists, Trail
from dispatcher.forge.searching import SEARCH_POLL_S, Searcher
from dispatcher.forge.snapshot import Reader
from dispatcher.forge.stage import StageWriter
from dispatcher.forge.writes import Writer
from dispatcher.ports import (
    ClaimOrder,
    Clock,
    Cursors,
    Intake,
    Look,
    OpenedPull,
    PullOrder,
    Repo,
    RepoTrouble,
    ReviewOrder,
    StageOrder,
    Written,
)


@dataclass(frozen=True, slots=True)
class Pace:
    """How hard the forge is asked. `write_pause_s` keeps writes apart (GitHub asks for about a second), an answer may take `timeout_s`.

    Notifications are asked for every `poll_s`, or as seldom as GitHub wants; lists every `list_poll_s` (0: at every look).
    """

    write_pause_s: float = 1.0
    timeout_s: int = 30
    poll_s: float = 0.0
    list_poll_s: float = 0.0


class GitHubForge:
    """One credential at GitHub or a GitHub Enterprise Server. Use it from one thread.

    `instance` names this dispatcher among others with the same bot account; it must outlive the journal. `bot_login`
    is checked against the token.
    """

    def __init__(
        self,
        base_url: str,
        token: Secret,
        clock: Clock,
        cursors: Cursors,
        *,
        bot_login: str | None = None,
        instance: str = "",
        pace: Pace | None = None,
    ) -> None:
        pace = pace or Pace()
        self._clock = clock
        self._list_poll_s = pace.list_poll_s
        self._lists_due_at: datetime | None = None
        self._connection = Connection(
            base_url or GITHUB_URL, token, clock, write_pause_s=pace.write_pause_s, timeout_s=pace.timeout_s
        )
        self._memory = Memory()
        self._account = Account(self._connection, self._memory, bot_login)
        self._guards = Guards(self._connection)
        self._permissions = Permissions(self._connection, clock, self._memory)
        self._reader = Reader(
            self._connection, self._memory, self._permissions, self._account.fetch_identity, instance
        )
        self._writer = Writer(self._connection, self._memory, self._reader)
        self._claimer = Claimer(self._writer, clock)
        self._stage = StageWriter(self._writer, instance)
        self._trail = Trail(cursors, f"forge:{token.fingerprint}")
        self._inbox = Inbox(self._connection, clock, self._trail, pace.poll_s)
        self._lists = Lists(self._connection, clock, self._trail)
        self._comments = CommentLists(self._connection, clock, self._trail)
        self._searcher = Searcher(self._connection, clock, self._trail)

    def close(self) -> None:
        """Close the sockets."""
        self._connection.close()

    # -- the credential --

    def fetch_identity(self) -> Person:
        """The bot account that the token belongs to."""
        return self._account.fetch_identity()

    def choose_intake(self) -> Intake:
        """Find out what the token can do and settle how new work is found."""
        return self._account.choose_intake()

    @property
    def scopes(self) -> tuple[str, ...] | None:
        """A classic token's scopes, None for other kinds; known after `fetch_identity`."""
        return self._account.scopes

    @property
    def requests_made(self) -> Mapping[tuple[str, int], int]:
        """How many requests were sent, by kind (`GET /issues`, `GRAPHQL Snapshot`) and status (0: no answer)."""
        return self._connection.requests_made

    def fetch_time(self) -> datetime:
        """GitHub's clock (its Date header), to be compared with ours; costs no quota."""
        date = self._connection.get("/rate_limit").headers.get("date", "")
        try:
            return parsedate_to_datetime(date).astimezone(UTC)
        except ValueError:
            raise RetryLater("GitHub's answer has no Date header") from None

    def quota_hold(self) -> Hold | None:
        """The hold of the credential, while its quota is spent."""
        return self._connection.gate.hold()

    # -- reading --

    def fetch_repos(self, rules: Sequence[RepoRules]) -> tuple[tuple[Repo, ...], tuple[RepoTrouble, ...]]:
        """Look the configured repositories up; those that cannot be used come back as troubles."""
        repos, troubles = self._account.fetch_repos(rules)
        unguarded = {repo.id: why for repo in repos if (why := self._why_unguarded(repo))}
        told = tuple(
            RepoTrouble(repo.full_name, unguarded[repo.id]) for repo in repos if repo.id in unguarded
        )
        return tuple(repo for repo in repos if repo.id not in unguarded), (*troubles, *told)

    def _why_unguarded(self, repo: Repo) -> str:
        """Why nothing may be done where a guarded base is asked for; "" where all is well."""
        if not repo.rules.require_protected_base:
            return ""
        guard = self.fetch_base_guard(repo)
        cure = cure_guard(guard, repo.clone_url.removesuffix(".git"))
        return "" if guard.holds else f"{describe_guard(guard)}; `require_protected_base` is set. {cure}"

    def fetch_base_guard(self, repo: Repo) -> BaseGuard:
        """Whether the bot could push to the repository's base branch, or merge into it, by itself."""
        return self._guards.fetch(repo, repo.rules.base or repo.default_branch)

    def look(self, repos: Sequence[Repo], turn_labels: frozenset[str]) -> Look:
        """Ask once what is new. Notifications are left out until GitHub's poll interval is over (`next_poll_s`)."""
        for part in (self._trail, self._lists, self._searcher):
            part.settle()
        try:
            return self._look(repos, sorted(turn_labels))
        except Exception:
            for part in (self._trail, self._lists, self._searcher):
                part.discard()
            raise

    def _look(self, repos: Sequence[Repo], labels: Sequence[str]) -> Look:
        watched = {repo.id for repo in repos}
        if self.choose_intake().kind == "search":
            calls, items = self._searcher.look(_owners(repos), labels, self.fetch_identity())
            read_to, next_poll_s, lists_are_due = None, SEARCH_POLL_S, True
        else:
            calls, read_to = self._inbox.look()
            lists_are_due = self._lists_wait_s() == 0
            items = self._look_at_lists(labels) if lists_are_due else ()
            next_poll_s = min(self._inbox.wait_s, self._lists_wait_s() or self._inbox.wait_s)
        calls += self._comments.look(repos) if lists_are_due else ()
        return Look(
            wakes=tuple(call for call in calls if call.key.repo_id in watched),
            items=tuple(item for item in items if item.key.repo_id in watched),
            notifications_read_to=read_to,
            next_poll_s=next_poll_s,
        )

    def _look_at_lists(self, labels: Sequence[str]) -> tuple[ItemSummary, ...]:
        items = tuple(item for label in labels for item in self._lists.look(label))
        self._lists_due_at = self._clock.now() + timedelta(seconds=self._list_poll_s)
        return items

    def _lists_wait_s(self) -> float:
        due = self._lists_due_at
        return max(0.0, (due - self._clock.now()).total_seconds()) if due else 0.0

    def sweep(self, repos: Sequence[Repo], labels: Sequence[LabelNames]) -> tuple[ItemSummary, ...]:
        """List every open item of ours, whatever the cursors say."""
        watched = {repo.id for repo in repos}
        turn_labels = sorted({names.turn for names in labels})
        if self.choose_intake().kind == "search":
            found = self._searcher.sweep(_owners(repos), turn_labels, self.fetch_identity())
        else:
            found = self._lists.sweep(turn_labels)
        return tuple(item for item in found if item.key.repo_id in watched)

    def fetch_snapshot(self, repo: Repo, task: Task) -> Snapshot:
        """Read issue, pull request, comments, reviews, CI and claim markers of a task: one request."""
        self._memory.label_names[repo.id] = tuple(sorted(repo.rules.labels.ours))
        pull = task.pull if task.pull != task.key.number else None
        return self._reader.fetch(task.key.repo_id, Numbers(task.key.number, pull))

    def fetch_permission(self, repo: Repo, person: Person) -> Permission:
        """What this person may do in the repository."""
        return self._permissions.fetch(repo.id, person)

    def fetch_is_member(self, team: str, person: Person) -> bool:
        """Whether the person is in `@org/team`."""
        return self._permissions.fetch_is_member(team, person)

    # -- writing --

    def claim(self, order: ClaimOrder) -> Snapshot:
        """Assign the bot, write the claim, read everything back; raises ClaimLost."""
        return self._claimer.claim(order)

    def show_stage(self, order: StageOrder) -> Written:
        """Make labels, assignees and status comment as ordered, in at most one request when all is known."""
        return self._stage.show(order)

    def open_pull(self, order: PullOrder) -> OpenedPull:
        """Open the pull request, or return the one that the branch already has."""
        return self._writer.open_pull(order)

    def post_review(self, order: ReviewOrder) -> Written:
        """Post one review, unless one with this key is there."""
        return self._writer.post_review(order)

    def post_comment(self, item: ItemKey, repo: str, text: str, key: str) -> Written:  # noqa: ARG002 - the port's shape
        """Post one comment, unless one with this key is there."""
        return self._writer.post_comment(item, text, key)

    def mark_read(self, until: datetime) -> None:
        """Mark notifications up to and including `until` as read, in one request."""
        self._inbox.mark_read(until)

    def create_labels(self, repo: Repo, also: Collection[str] = ()) -> tuple[str, ...]:
        """Create the labels that are missing, ours and others that are wanted; returns their names."""
        return self._writer.create_labels(repo, also)

    def missing_labels(self, repo: Repo) -> tuple[str, ...]:
        """The names of ours that the repository lacks."""
        return self._writer.missing_labels(repo)


def _owners(repos: Sequence[Repo]) -> tuple[str, ...]:
    return tuple(sorted({repo.full_name.partition("/")[0] for repo in repos}))
