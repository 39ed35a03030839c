"""The Forge port over the simulator's world: the rules of dispatcher/forge without its HTTP.

It keeps the same habits: what was read or written last is remembered and writes are planned against that, a failed write
makes it forget, keys are looked up before a comment or review is sent, a claim is written and read back.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TypeVar

from dispatcher.core.claims import CLOCK_SKEW, unexplained_assignment
from dispatcher.core.errors import ClaimLost, DispatcherError, Gone, NeedsPerson, RetryLater
from dispatcher.core.guarding import BaseGuard
from dispatcher.core.markers import (
    ClaimNote,
    render_claim_marker,
    render_key_marker,
    render_status_marker,
    seal,
)
from dispatcher.core.model import (
    ClaimMarker,
    Hold,
    HoldKind,
    ItemKey,
    ItemSummary,
    Permission,
    Person,
    Snapshot,
    Task,
)
from dispatcher.core.naming import branch_prefix, issue_of_branch
from dispatcher.core.rules import LabelNames, RepoRules
from dispatcher.forge.claims import ONE_REQUEST
from dispatcher.ports import (
    ClaimOrder,
    Clock,
    Cursors,
    Intake,
    ItemOrder,
    Look,
    OpenedPull,
    PullOrder,
    Repo,
    RepoTrouble,
    ReviewOrder,
    StageOrder,
    Wake,
    Written,
)
from dispatcher.simulator import inbox, issues, model, pulls, reviews
from dispatcher.simulator.access import Caller
from dispatcher.simulator.refusals import Refused
from dispatcher.simulator.world import World
from tests.simulation.invariants import Watch
from tests.simulation.reading import (
    OwnComment,
    item_of,
    key_of,
    own_comments,
    own_keys,
    permission_of,
    person_of,
    pull_of,
    read_markers,
    summary_of,
)
from tests.simulation.weather import Weather

POLL_S = 60.0
OVERLAP = timedelta(minutes=5)
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class _Known:
    """The writable side of an item as it was last read or written."""

    key: ItemKey
    is_open: bool
    labels: frozenset[str]
    assignees: frozenset[str]
    comments: tuple[OwnComment, ...]
    keys: frozenset[str]
    updated_at: datetime


@dataclass
class WorldForge:
    """One credential at the simulated forge, seen from one machine."""

    world: World
    caller: Caller
    clock: Clock
    cursors: Cursors
    weather: Weather
    watch: Watch
    instance: str
    index_late_s: float | None = None
    """A token without notifications: search instead, whose index lags behind by so much. None: a classic token."""
    _known: dict[ItemKey, _Known] = field(default_factory=dict)
    _pairs: dict[ItemKey, tuple[int, int | None]] = field(default_factory=dict)
    _since: str = ""
    _seen: frozenset[tuple[ItemKey, datetime]] = frozenset()
    _inbox_due_at: datetime | None = None
    _last_read: dict[ItemKey, Snapshot] = field(default_factory=dict)

    # ------------------------------------------------------------ the credential

    @property
    def bot_id(self) -> int:
        return self.caller.account.id

    def fetch_identity(self) -> Person:
        return self._ask(lambda: person_of(self.world, self.bot_id))

    def choose_intake(self) -> Intake:
        if self.index_late_s is not None:
            return Intake("search", "a fine-grained token")
        return Intake("lists", "a classic token")

    def fetch_repos(self, rules: Sequence[RepoRules]) -> tuple[tuple[Repo, ...], tuple[RepoTrouble, ...]]:
        def ask() -> tuple[tuple[Repo, ...], tuple[RepoTrouble, ...]]:
            found = [(rule, self.world.repo(rule.full_name)) for rule in rules]
            return tuple(
                Repo(repo.id, rule.full_name, repo.default_branch, rule, Permission.WRITE, "")
                for rule, repo in found
            ), ()

        return self._ask(ask)

    def fetch_base_guard(self, repo: Repo) -> BaseGuard:
        return BaseGuard(
            repo.default_branch, can_push=False, can_merge=False, why="the simulation's people merge"
        )

    def quota_hold(self) -> Hold | None:
        until = self.weather.spent_until
        if until is None or until <= self.weather.clock.moment:
            return None
        return Hold(HoldKind.QUOTA, "the quota coming back", self._on_our_clock(until))

    def _on_our_clock(self, moment: datetime) -> datetime:
        return moment + (self.clock.now() - self.weather.clock.moment)

    # ------------------------------------------------------------ looking

    def look(self, repos: Sequence[Repo], turn_labels: frozenset[str]) -> Look:
        self._settle()
        return self._ask(lambda: self._look({repo.id for repo in repos}, turn_labels))

    def _settle(self) -> None:
        if self._since and self._since != self.cursors.load_cursor("forge:since"):
            self.cursors.save_cursor("forge:since", self._since)

    def _look(self, watched: set[int], turn_labels: frozenset[str]) -> Look:
        if self.index_late_s is not None:
            return self._search(watched, turn_labels, self.index_late_s)
        now = self.clock.now()
        wakes: tuple[Wake, ...] = ()
        read_to: datetime | None = None
        if self._inbox_due_at is None or now >= self._inbox_due_at:
            self._inbox_due_at = now + timedelta(seconds=POLL_S)
            threads = [one for one in inbox.fetch_threads(self.world, self.caller.account) if one.unread]
            wakes = tuple(self._wake(one) for one in threads if one.repo_id in watched)
            read_to = max((one.updated_at for one in threads), default=None)
        items = () if self.weather.lists_are_stale() else self._listed(watched, turn_labels)
        return Look(wakes, items, read_to, 15.0)

    def _search(self, watched: set[int], turn_labels: frozenset[str], late_s: float) -> Look:
        """Labels, mentions, assignments and requests for review as one search with an overlap; what was given out is dropped."""
        now = self.world.now()
        stored = self._since or self.cursors.load_cursor("forge:since") or ""
        start = datetime.fromisoformat(stored) - OVERLAP if stored else None
        found = [
            issue
            for repo_id in sorted(watched)
            for issue in self.world.repos[repo_id].issues.values()
            if (start is None or issue.updated_at >= start)
            and issue.updated_at <= now - timedelta(seconds=late_s)
        ]
        if self.weather.lists_are_stale():
            found = []
        self._since = now.isoformat()
        versions = frozenset((key_of(issue), issue.updated_at) for issue in found)
        fresh = [issue for issue in found if (key_of(issue), issue.updated_at) not in self._seen]
        self._seen = versions
        calls = [issue for issue in fresh if issue.is_open and self._calls(issue)]
        return Look(
            tuple(
                Wake(
                    key_of(one),
                    self.world.full_name(self.world.repos[one.repo_id]),
                    "",
                    "search",
                    one.updated_at,
                )
                for one in calls
            ),
            tuple(summary_of(self.world, one) for one in fresh if _carries(one, turn_labels)),
            None,
            POLL_S,
        )

    def _calls(self, issue: model.Issue) -> bool:
        """Whether somebody mentioned the bot there, assigned it, or asked it for a review."""
        name = f"@{self.caller.account.login}"
        asked = issue.pull.requested_reviewers if issue.pull is not None else ()
        texts = [issue.body or "", *(one.body for one in issue.comments)]
        return (
            self.bot_id in issue.assignee_ids or self.bot_id in asked or any(name in text for text in texts)
        )

    def _wake(self, thread: model.InboxThread) -> Wake:
        repo = self.world.full_name(self.world.repos[thread.repo_id])
        return Wake(
            ItemKey(thread.repo_id, thread.number),
            repo,
            str(thread.id),
            str(thread.reason),
            thread.updated_at,
        )

    def _listed(self, watched: set[int], turn_labels: frozenset[str]) -> tuple[ItemSummary, ...]:
        stored = self._since or self.cursors.load_cursor("forge:since") or ""
        since = datetime.fromisoformat(stored) if stored else None
        found = [
            summary_of(self.world, issue)
            for repo_id in sorted(watched)
            for issue in self.world.repos[repo_id].issues.values()
            if (since is None or issue.updated_at >= since) and _carries(issue, turn_labels)
        ]
        if not found:
            return ()
        newest = max(one.updated_at for one in found)
        is_over = self.world.now() - newest >= timedelta(seconds=2)
        self._since = (newest + timedelta(seconds=1 if is_over else 0)).isoformat()
        versions = frozenset((one.key, one.updated_at) for one in found)
        fresh = tuple(one for one in found if (one.key, one.updated_at) not in self._seen)
        self._seen = versions
        return fresh

    def sweep(self, repos: Sequence[Repo], labels: Sequence[LabelNames]) -> tuple[ItemSummary, ...]:
        turn = frozenset(names.turn for names in labels)
        return self._ask(
            lambda: tuple(
                summary_of(self.world, issue)
                for repo in repos
                for issue in self.world.repos[repo.id].issues.values()
                if issue.is_open
                and (
                    _carries(issue, turn)
                    or self.bot_id in issue.assignee_ids
                    or issue.author_id == self.bot_id
                )
            )
        )

    def mark_read(self, until: datetime) -> None:
        self._ask(lambda: inbox.mark_read(self.world, self.caller, until))

    # ------------------------------------------------------------ reading

    def fetch_snapshot(self, repo: Repo, task: Task) -> Snapshot:
        pull = task.pull if task.pull != task.key.number else None
        before = self._last_read.get(task.key)
        if before is not None and self.weather.snapshot_is_stale():
            return self._ask(lambda: before)
        self._last_read[task.key] = snapshot = self._ask(lambda: self._read(task.key, pull))
        return snapshot

    def _read(self, key: ItemKey, pull_number: int | None) -> Snapshot:
        issue = self._issue(key)
        if issue.pull is not None:
            snapshot, items = Snapshot(None, pull_of(self.world, issue)), [issue]
            pull_number = None
        else:
            pull_number = pull_number or self._find_pull(issue)
            other = self._issue(ItemKey(key.repo_id, pull_number)) if pull_number else None
            items = [one for one in (issue, other) if one]
            snapshot = Snapshot(item_of(self.world, issue), pull_of(self.world, other) if other else None)
        self._pair(key.repo_id, key.number, pull_number)
        for one in items:
            self._remember(one)
        return self._with_markers(snapshot, items)

    def _issue(self, key: ItemKey) -> model.Issue:
        repo = self.world.repos.get(key.repo_id)
        issue = repo.issues.get(key.number) if repo else None
        if issue is None:
            raise Gone(f"{key} is not there.")
        return issue

    def _find_pull(self, issue: model.Issue) -> int | None:
        """The bot's own open pull request for this issue: by its branch, else because it says that it closes it."""
        ours = [
            (other, pull)
            for other, pull in pulls.every_pull(self.world.repos[issue.repo_id])
            if other.is_open and other.author_id == self.bot_id
        ]
        by_branch = [other for other, pull in ours if pull.head_ref.startswith(branch_prefix(issue.number))]
        by_words = [other for other, _ in ours if issue in pulls.closes(self.world, other)]
        return next((one.number for one in (*by_branch, *by_words)), None)

    def _pair(self, repo_id: int, number: int, pull: int | None) -> None:
        for one in {number, pull or number}:
            self._pairs[ItemKey(repo_id, one)] = (number, pull)

    def _remember(self, issue: model.Issue) -> _Known:
        known = _Known(
            key=key_of(issue),
            is_open=issue.is_open,
            labels=frozenset(label.name.lower() for label in issue.labels.values()),
            assignees=frozenset(self.world.accounts[one].login.lower() for one in issue.assignee_ids),
            comments=own_comments(issue, self.bot_id),
            keys=own_keys(issue, self.bot_id),
            updated_at=issue.updated_at,
        )
        self._known[known.key] = known
        return known

    def _with_markers(self, snapshot: Snapshot, items: Sequence[model.Issue]) -> Snapshot:
        comments = [comment for issue in items for comment in own_comments(issue, self.bot_id)]
        markers = tuple(
            ClaimMarker(c.instance, c.run_id, c.expires_at, comment.id, comment.stamped_at, self.bot_id)
            for comment in comments
            if (c := comment.notes.claim)
        )
        status = [one for one in comments if one.notes.status_of is not None]
        own = [one for one in status if one.notes.status_of == self.instance]
        chosen = max(own or status, key=lambda one: (one.stamped_at, one.id), default=None)
        return replace(snapshot, markers=markers, status_comment_id=chosen.id if chosen else None)

    def fetch_permission(self, repo: Repo, person: Person) -> Permission:
        return permission_of(self.world, person, self.world.repos[repo.id])

    def fetch_is_member(self, team: str, person: Person) -> bool:
        return False

    # ------------------------------------------------------------ claiming

    def claim(self, order: ClaimOrder) -> Snapshot:
        known = self._know(order.item)
        if self._sees_rival(order):
            snapshot = self._ask(lambda: self._read_item(order.item))
            if any(self._is_live_rival(order, marker) for marker in snapshot.markers):
                return snapshot
            known = self._know(order.item)
        return self._carefully((order.item,), lambda: self._claim(order, known))

    def _read_item(self, key: ItemKey) -> Snapshot:
        number, pull = self._pairs.get(key) or (key.number, None)
        snapshot = self._read(ItemKey(key.repo_id, number), pull)
        found = snapshot.pull
        if snapshot.issue is None and found and found.item.author.id == self.bot_id:
            behind = issue_of_branch(found.branch)
            if behind and behind in self.world.repos[key.repo_id].issues:
                return self._read(ItemKey(key.repo_id, behind), key.number)
        return snapshot

    def _sees_rival(self, order: ClaimOrder) -> bool:
        notes = [c.notes.claim for known in self._related(order.item) for c in known.comments]
        now = self.clock.now()
        return any(c.instance != order.instance and c.expires_at + CLOCK_SKEW > now for c in notes if c)

    def _is_live_rival(self, order: ClaimOrder, marker: ClaimMarker) -> bool:
        return marker.instance != order.instance and marker.expires_at + CLOCK_SKEW > self.clock.now()

    def _claim(self, order: ClaimOrder, known: _Known) -> Snapshot:
        issue = self._issue(order.item)
        comment = _own_status(self._related(order.item), order.instance, order.status_comment_id)
        claim = ClaimNote(order.instance, order.run_id, order.expires_at)
        body = seal(order.status_text, render_status_marker(order.instance), render_claim_marker(claim))

        def write() -> int:
            self.watch.bot_writes(order.item, "claim")
            issues.add_assignees(self.world, self.caller, issue, [self.caller.account.login])
            self.weather.interleave()
            return self._edit_or_add(issue, comment, body)

        mine_id = self._ask(write, writes=True)
        snapshot = self._read_item(order.item)
        mine = next(marker for marker in snapshot.markers if marker.comment_id == mine_id)
        others = tuple(marker for marker in snapshot.markers if marker.comment_id != mine_id)
        try:
            self._check_item(issue, known)
        except ClaimLost:
            self._withdraw(order, mine_id, existed=comment is not None)
            if self.caller.account.login.lower() not in known.assignees:
                self._try(
                    lambda: issues.remove_assignees(
                        self.world, self.caller, issue, [self.caller.account.login]
                    )
                )
            raise
        if not (comment and comment.notes.claim) and self._is_held_silently(order, snapshot, others, mine):
            self._withdraw(order, mine_id, existed=comment is not None)
            self._forget(order.item)
            raise ClaimLost("the bot was assigned by another dispatcher, whose claim somebody deleted")
        if any(self._came_first(order, rival, mine) for rival in others):
            self._withdraw(order, mine_id, existed=comment is not None)
            self._forget(order.item)
            return replace(snapshot, markers=others, status_comment_id=comment.id if comment else None)
        return replace(snapshot, markers=(*others, mine), status_comment_id=mine_id)

    def _edit_or_add(self, on: model.Issue, comment: OwnComment | None, body: str) -> int:
        if comment is not None and (place := self._find_comment(on.repo_id, comment.id)):
            return issues.edit_comment(self.world, self.caller, *place, body).id
        return issues.comment(self.world, self.caller, on, body).id

    def _find_comment(self, repo_id: int, comment_id: int) -> tuple[model.Issue, model.Comment] | None:
        try:
            return issues.find_comment(self.world.repos[repo_id], comment_id)
        except Refused:
            return None

    def _check_item(self, issue: model.Issue, known: _Known) -> None:
        if known.is_open and not issue.is_open:
            raise ClaimLost("it was closed")
        for person in (person_of(self.world, one) for one in issue.assignee_ids):
            if person.id != self.bot_id and person.login.lower() not in known.assignees:
                raise ClaimLost(f"{person.login} was assigned to it")
        if self.bot_id not in issue.assignee_ids:
            raise ClaimLost("GitHub did not assign the bot")

    def _came_first(self, order: ClaimOrder, rival: ClaimMarker, mine: ClaimMarker) -> bool:
        is_older = (rival.created_at, rival.comment_id) < (mine.created_at, mine.comment_id)
        return is_older and self._is_live_rival(order, rival)

    def _is_held_silently(
        self, order: ClaimOrder, snapshot: Snapshot, others: tuple[ClaimMarker, ...], mine: ClaimMarker
    ) -> bool:
        items = (snapshot.issue, snapshot.pull.item if snapshot.pull else None)
        item = next((one for one in items if one and one.key == order.item), None)
        at, now = unexplained_assignment(item, others, self.bot_id), self.clock.now()
        lasts = order.expires_at - now
        return at is not None and at < mine.created_at - ONE_REQUEST and at + lasts + CLOCK_SKEW > now

    def _withdraw(self, order: ClaimOrder, comment_id: int, *, existed: bool) -> None:
        body = seal(order.status_text, render_status_marker(order.instance))

        def write() -> None:
            place = self._find_comment(order.item.repo_id, comment_id)
            if place and existed:
                issues.edit_comment(self.world, self.caller, *place, body)
            elif place:
                issues.delete_comment(self.world, self.caller, *place)

        self._try(write)

    def _try(self, act: Callable[[], None]) -> None:
        try:
            self._ask(act, writes=True)
        except DispatcherError:
            return

    # ------------------------------------------------------------ showing a stage

    def show_stage(self, order: StageOrder) -> Written:
        orders = [item for item in (order.pull, order.issue) if item]
        keys = [item.key for item in orders]
        if order.issue and order.pull:
            self._pair(order.issue.key.repo_id, order.issue.key.number, order.pull.key.number)
        return self._carefully((*keys, order.status_on), lambda: self._show(order, orders))

    def _show(self, order: StageOrder, orders: list[ItemOrder]) -> Written:
        acts: list[Callable[[], None]] = []
        for item in orders:
            acts += self._plan_item(item, self._know(item.key))
        status, text = self._plan_status(order)
        touched = [item.key for item in orders] if acts else []
        written_id: list[int] = [status.id] if status else []

        def write() -> None:
            for act in acts:
                act()
            if text:
                on = self._issue(order.status_on)
                self.watch.bot_writes(order.status_on, "status")
                written_id[:] = [self._edit_or_add(on, status, text)]

        if not acts and not text:
            return Written(None, status.id if status else None)
        self._ask(write, writes=True)
        if text:
            touched.append(order.status_on)
        times = [self._remember(self._issue(key)).updated_at for key in dict.fromkeys(touched)]
        return Written(max(times), written_id[0] if written_id else None, self._missing(orders))

    def _plan_item(self, order: ItemOrder, known: _Known) -> list[Callable[[], None]]:
        issue, who = self._issue(order.key), self.caller
        add = [name for name in sorted(order.add_labels) if name.lower() not in known.labels]
        remove = sorted({name.lower() for name in order.remove_labels - order.add_labels} & known.labels)
        join = [login for login in order.assign if login.lower() not in known.assignees]
        leave = [login for login in order.unassign if login.lower() in known.assignees]
        acts: list[Callable[[], None]] = []
        if add:
            acts.append(lambda: self._add_labels(issue, add))
        if remove:
            acts.append(lambda: self._remove_labels(issue, remove))
        if join:
            acts.append(lambda: issues.add_assignees(self.world, who, issue, join))
        if leave:
            acts.append(lambda: issues.remove_assignees(self.world, who, issue, leave))
        return acts

    def _add_labels(self, issue: model.Issue, names: list[str]) -> None:
        self.watch.bot_labels(key_of(issue), names)
        issues.add_labels(self.world, self.caller, issue, names)

    def _remove_labels(self, issue: model.Issue, names: list[str]) -> None:
        self.watch.bot_writes(key_of(issue), "unlabel")
        for name in names:
            if any(label.name.lower() == name for label in issue.labels.values()):
                issues.remove_label(self.world, self.caller, issue, name)

    def _plan_status(self, order: StageOrder) -> tuple[OwnComment | None, str]:
        if not order.status_text:
            return None, ""
        self._know(order.status_on)
        status = _own_status(self._related(order.status_on), self.instance, order.status_comment_id)
        markers = [render_status_marker(self.instance)]
        claim = status.notes.claim if status else None
        if claim and self._keeps_claim(order):
            markers.append(render_claim_marker(claim))
        body = seal(order.status_text, *markers)
        return status, "" if status and status.body == body else body

    def _keeps_claim(self, order: StageOrder) -> bool:
        front = order.pull or order.issue
        if front is None:
            return True
        bot = self.caller.account.login.lower()
        if bot in {login.lower() for login in front.unassign}:
            return False
        return bot in {login.lower() for login in front.assign} or bot in self._know(front.key).assignees

    def _missing(self, orders: list[ItemOrder]) -> tuple[str, ...]:
        return tuple(
            login
            for item in orders
            for login in item.assign
            if login.lower() not in self._know(item.key).assignees
        )

    # ------------------------------------------------------------ comments, reviews, pull requests

    def post_comment(self, item: ItemKey, repo: str, text: str, key: str) -> Written:
        known = self._know(item)
        if key in known.keys:
            return Written(known.updated_at)
        issue = self._issue(item)

        def write() -> None:
            self.watch.bot_writes(item, "comment")
            issues.comment(self.world, self.caller, issue, seal(text, render_key_marker(key)))

        self._carefully((item,), lambda: self._ask(write, writes=True))
        return Written(self._remember(issue).updated_at)

    def post_review(self, order: ReviewOrder) -> Written:
        known = self._know(order.item)
        if order.key in known.keys:
            return Written(known.updated_at)
        issue = self._issue(order.item)
        verdict = reviews.Verdict("COMMENT", seal(order.body, render_key_marker(order.key)), order.head)

        def write() -> None:
            self.watch.bot_writes(order.item, "review")
            reviews.review(self.world, self.caller, issue, verdict)

        self._carefully((order.item,), lambda: self._ask(self._allowed(write), writes=True))
        return Written(self._remember(issue).updated_at)

    def open_pull(self, order: PullOrder) -> OpenedPull:
        repo = self.world.repo(order.repo)
        body = seal(order.body, render_key_marker(order.key))
        wanted = pulls.Proposal(order.title, order.branch, order.base, body)

        def look() -> model.Issue | None:
            found = [other for other, pull in pulls.every_pull(repo) if pull.head_ref == order.branch]
            ours = [
                one
                for one in found
                if one.author_id == self.bot_id and order.key in read_markers(one.body or "").keys
            ]
            return next(iter([*ours, *(one for one in found if one.is_open)]), None)

        def write() -> model.Issue:
            try:
                issue = pulls.open_pull(self.world, self.caller, repo, wanted)
            except Refused as error:
                if "already exists" in str(error.errors):
                    return next(
                        other
                        for other, pull in pulls.every_pull(repo)
                        if other.is_open and pull.head_ref == order.branch
                    )
                raise NeedsPerson(f"GitHub refused the pull request: {error} {error.errors}") from error
            self.watch.bot_opens(issue)
            return issue

        issue = self._ask(look) or self._ask(write, writes=True)
        self._remember(issue)
        return OpenedPull(issue.number, pulls.pull_of(issue).head_sha, issue.updated_at)

    def create_labels(self, repo: Repo, also: Collection[str] = ()) -> tuple[str, ...]:
        return ()

    # ------------------------------------------------------------ shared steps

    def _allowed(self, act: Callable[[], None]) -> Callable[[], None]:
        def attempt() -> None:
            try:
                act()
            except Refused as error:
                raise NeedsPerson(f"GitHub refused: {error} {error.errors}") from error

        return attempt

    def _ask(self, act: Callable[[], _T], *, writes: bool = False) -> _T:
        return self.weather.ask_forge(act, writes=writes)

    def _know(self, key: ItemKey) -> _Known:
        if key not in self._known:
            self._ask(lambda: self._read_item(key))
        known = self._known.get(key)
        if known is None:
            raise RetryLater(f"{key} was read, but GitHub's answer did not contain it")
        return known

    def _related(self, key: ItemKey) -> tuple[_Known, ...]:
        number, pull = self._pairs.get(key) or (key.number, None)
        wanted = sorted({key.number, number, pull or number})
        return tuple(known for one in wanted if (known := self._known.get(ItemKey(key.repo_id, one))))

    def _carefully(self, keys: Sequence[ItemKey], act: Callable[[], _T]) -> _T:
        """When a write fails, forget what is known of these items, so that the next attempt looks first."""
        try:
            return act()
        except Exception:
            self._forget(*keys)
            raise

    def _forget(self, *keys: ItemKey) -> None:
        for key in keys:
            for known in self._related(key):
                self._known.pop(known.key, None)


def _carries(issue: model.Issue, names: frozenset[str]) -> bool:
    return any(label.name in names for label in issue.labels.values())


def _own_status(items: Sequence[_Known], instance: str, known_id: int | None) -> OwnComment | None:
    own = [one for known in items for one in known.comments if one.notes.status_of == instance]
    named = [one for one in own if one.id == known_id]
    return max(named or own, key=lambda one: (one.stamped_at, one.id), default=None)
