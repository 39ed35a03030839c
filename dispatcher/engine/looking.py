"""Finding out what is new: wakes and lists say where to look, snapshots say what is."""

import logging
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta

from dispatcher.core.claims import CLOCK_SKEW, held_silently_until, rival
from dispatcher.core.errors import (
    BadCredential,
    DispatcherError,
    JournalUnusable,
    NeedsPerson,
    QuotaSpent,
    RetryLater,
)
from dispatcher.core.events import PersonApproved
from dispatcher.core.guarding import cure_guard, describe_guard
from dispatcher.core.intake import Heard, dealt_with, read_comments
from dispatcher.core.model import (
    Comment,
    Item,
    ItemKey,
    ItemSummary,
    Mergeable,
    Person,
    Snapshot,
    Stage,
    Task,
)
from dispatcher.core.naming import issue_of_branch
from dispatcher.core.observe import (
    Eyes,
    begins_again,
    body_digest,
    contradiction_due_at,
    forget_pull,
    learn,
    observe,
    people_to_judge,
)
from dispatcher.core.policy import is_named, may_ask, teams_of
from dispatcher.core.refused import refused_asks
from dispatcher.engine.desk import Desk
from dispatcher.engine.ledger import apply, with_limits
from dispatcher.ports import Look, Repo

CHANGES_UNSEEN = {Stage.MERGE_READY, Stage.NEEDS_REVIEW, Stage.REVIEWING}
"""Stages in which CI and conflicts matter; they change without touching the item's `updated_at`."""

SOON = timedelta(seconds=5)
"""When an answer that lags behind is asked for again."""

TRY_AGAIN = timedelta(seconds=30)
"""When an item that could not be read is read again."""

COMMENT_SHOWS_WITHIN = timedelta(seconds=30)
"""A notification may be there before the comment that it is about: an item where it brought no news is read once more."""

SECOND_LOOKS = "second-looks"
"""The cursor that holds the looks which a notification without news asked for."""

log = logging.getLogger(__name__)


class Watcher:
    """Looks at the forge when it is time to, and turns what it sees into decisions."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._next_look_at: datetime | None = None
        self._next_sweep_at: datetime | None = None
        self._next_connect_at: datetime | None = None
        self._second_looks: dict[ItemKey, datetime] = {}
        self._bases_seen: set[int] = set()

    @property
    def next_look_at(self) -> datetime | None:
        """When `look` will ask the forge again."""
        return self._next_look_at

    def look_now(self) -> None:
        """Forget the pause: the next tick asks."""
        self._next_look_at = None

    def connect(self) -> None:
        """Learn who we are, what the token can do and which repositories can be worked on; again every half hour."""
        desk, now = self._desk, self._desk.clock.now()
        if self._next_connect_at and now < self._next_connect_at:
            return
        if desk.bot is None:
            desk.bot = desk.forge.fetch_identity()
            desk.intake = desk.forge.choose_intake()
            desk.journal.save_cursor("bot", desk.bot.login)
            desk.journal.save_cursor("intake", f"{desk.intake.kind}: {desk.intake.why}")
        repos, troubles = desk.forge.fetch_repos(desk.settings.rules)
        desk.repos = {repo.id: repo for repo in repos}
        for trouble in troubles:
            if desk.troubles.get(trouble.full_name) != trouble.why:
                desk.journal.note(None, f"{trouble.full_name}: {trouble.why}", now)
        desk.troubles = {trouble.full_name: trouble.why for trouble in troubles}
        for repo in repos:
            self._look_at_base(repo)
        self._next_connect_at = now + timedelta(seconds=desk.settings.repos_refresh_s)

    def _look_at_base(self, repo: Repo) -> None:
        """Once per start: say plainly where the bot could do without a person; what was said before is not said again."""
        desk = self._desk
        if repo.id in self._bases_seen or repo.rules.require_protected_base:
            return
        try:
            guard = desk.forge.fetch_base_guard(repo)
        except BadCredential:
            raise
        except (NeedsPerson, RetryLater) as error:
            log.warning("base of %s cannot be judged: %s", repo.full_name, error)
            return
        self._bases_seen.add(repo.id)
        told, cursor = describe_guard(guard), f"base-guard:{repo.id}"
        if told == desk.journal.load_cursor(cursor):
            return
        if not guard.holds:
            cure = cure_guard(guard, repo.clone_url.removesuffix(".git"))
            desk.journal.note(None, f"{repo.full_name}: {told}. {cure}", desk.clock.now())
        desk.journal.save_cursor(cursor, told)

    def reconnect(self) -> None:
        """Look the repositories up again at the next tick (the configuration changed)."""
        self._next_connect_at = None

    def look(self) -> None:
        """One polling cycle, if it is due: two conditional requests; and now and then the sweep."""
        desk, now = self._desk, self._desk.clock.now()
        if self._next_look_at and now < self._next_look_at:
            return
        self._next_look_at = now + timedelta(seconds=desk.settings.idle_tick_s)
        self.connect()
        repos = tuple(desk.repos.values())
        seen = desk.forge.look(repos, frozenset(repo.rules.labels.turn for repo in repos))
        desk.forge_reached_at = now
        self._next_look_at = now + timedelta(seconds=seen.next_poll_s)
        moves = {wake.key: self._moves_of(wake.key) for wake in seen.wakes}
        all_read = self._inspect_all(self._worth_inspecting(seen))
        self._look_twice([key for key, before in moves.items() if self._moves_of(key) == before])
        if all_read and seen.wakes and seen.notifications_read_to:
            desk.forge.mark_read(seen.notifications_read_to)
        self._sweep(repos, now)

    def look_again(self) -> None:
        """Tasks that asked to be looked at again by now: CI pending, mergeability unknown."""
        now = self._desk.clock.now()
        due = [key for key, at in self._desk.look_alarms.items() if at <= now]
        for key in due:
            del self._desk.look_alarms[key]
        self._inspect_all(due)
        if self._second_looks and min(self._second_looks.values()) <= now:
            self._note_second_looks({key: at for key, at in self._second_looks.items() if at > now})

    def _look_twice(self, keys: Iterable[ItemKey]) -> None:
        """The notification is marked read and will not come again: the second look is noted, a restart may lie in between."""
        at = self._desk.clock.now() + COMMENT_SHOWS_WITHIN
        new = {key: at for key in keys if key.repo_id in self._desk.repos}
        for key in new:
            self._desk.look_alarms.setdefault(key, at)
        if new:
            self._note_second_looks(self._second_looks | new)

    def _note_second_looks(self, looks: dict[ItemKey, datetime]) -> None:
        self._second_looks = looks
        self._desk.journal.save_cursor(SECOND_LOOKS, render_looks(looks))

    def remember_second_looks(self) -> None:
        """Take over the looks that were still to come when the predecessor stopped."""
        self._second_looks = parse_looks(self._desk.journal.load_cursor(SECOND_LOOKS) or "")
        for key, at in self._second_looks.items():
            self._desk.look_alarms.setdefault(key, at)

    def _moves_of(self, key: ItemKey) -> int:
        """How much was decided about an item so far."""
        task = self._desk.journal.load_task(key)
        return task.moves if task else 0

    def _worth_inspecting(self, seen: Look) -> tuple[ItemKey, ...]:
        woken = [wake.key for wake in seen.wakes if wake.key.repo_id in self._desk.repos]
        listed = [summary.key for summary in seen.items if self._is_news(summary)]
        return tuple(dict.fromkeys((*woken, *listed)))

    def _is_news(self, summary: ItemSummary, known: Task | None = None) -> bool:
        """An entry is news when it is newer than all we know of the item, our own writes included."""
        if summary.key.repo_id not in self._desk.repos:
            return False
        task = known or self._desk.journal.load_task(summary.key)
        return task is None or task.seen_at is None or summary.updated_at > task.seen_at

    def _is_overlooked(self, summary: ItemSummary, known: Task | None) -> bool:
        """The turn label is there and the journal says that it is not the bot's turn, or a person who had the item has let
        go. Done in the second of a write of ours, or while it was under way, it is no newer than what we know.
        """
        people = {person.id for person in known.assignees} - {self._desk.me.id} if known else set()
        if known and known.front == summary.key and people - {person.id for person in summary.assignees}:
            return True
        repo = self._desk.repos.get(summary.key.repo_id)
        is_labelled = repo is not None and repo.rules.labels.turn in summary.labels
        return is_labelled and (known is None or known.stage in {Stage.MERGE_READY, Stage.BLOCKED})

    def _sweep(self, repos: tuple[Repo, ...], now: datetime) -> None:
        """Catch what lists with `since` cannot show: labels taken off, CI, conflicts, items that are gone."""
        if self._next_sweep_at and now < self._next_sweep_at:
            return
        desk = self._desk
        shown = {
            summary.key: summary for summary in desk.forge.sweep(repos, [repo.rules.labels for repo in repos])
        }
        self._next_sweep_at = now + timedelta(seconds=desk.settings.sweep_s)
        ours = [task for task in desk.journal.load_tasks() if task.key.repo_id in desk.repos]
        # All at once: asking the journal for each of ten thousand items would hold the loop up for seconds.
        known = {task.front: task for task in ours} | {task.key: task for task in ours}
        keys = [
            key
            for key, summary in shown.items()
            if self._is_overlooked(summary, known.get(key)) or self._is_news(summary, known.get(key))
        ]
        keys += [task.key for task in ours if task.front not in shown or task.stage in CHANGES_UNSEEN]
        self._inspect_all(keys)

    def _inspect_all(self, keys: Iterable[ItemKey]) -> bool:
        """Inspect each; one that fails stops nobody else. Whether all of them could be read."""
        unread = [key for key in dict.fromkeys(keys) if not self._inspect_safely(key)]
        return not unread

    def _inspect_safely(self, key: ItemKey) -> bool:
        desk, now = self._desk, self._desk.clock.now()
        try:
            self.inspect(key)
        except (JournalUnusable, BadCredential, QuotaSpent):
            desk.look_alarms[key] = now
            raise
        except RetryLater as error:
            log.warning("look item=%s postponed: %s", key, error)
            desk.look_alarms[key] = error.until or now + TRY_AGAIN
        except DispatcherError as error:
            desk.note_once(f"look {key}", f"could not look at it: {error}", key)
            log.warning("look item=%s failed: %s", key, error)
            return True  # looking again would not help; the sweep does it now and then
        except Exception as error:  # noqa: BLE001 - one item's accident must not stop the others
            desk.note_accident(f"look {key}", error, key)
        else:
            return True
        return False

    def inspect(self, key: ItemKey) -> Task | None:
        """Read one item as it is now and decide what the differences mean; returns the task afterwards."""
        desk = self._desk
        repo = desk.repos.get(key.repo_id)
        if repo is None:
            return None
        task = desk.journal.load_task(key) or Task(
            key=key, repo=repo.full_name, base=repo.rules.base or repo.default_branch
        )
        if str(task.key) in desk.writes_in_flight:
            desk.look_alarms[task.key] = desk.clock.now()
            return task
        snapshot = desk.forge.fetch_snapshot(repo, task)
        if task.stage is Stage.NEW and (issue := self._issue_behind(snapshot)):
            return self.inspect(issue)
        if _is_older_than_known(task, snapshot):
            log.info("look item=%s: the answer is older than our own last write", key)
            desk.look_alarms[task.key] = desk.clock.now() + SOON
            return task
        return self._left_to_another(task, snapshot) or self.take_in(repo, task, snapshot)

    def _left_to_another(self, task: Task, snapshot: Snapshot) -> Task | None:
        """While another dispatcher of this account holds the item we only watch: what we show would undo its claim."""
        desk, now = self._desk, self._desk.clock.now()
        if task.run is not None:
            return None
        other = rival(snapshot, desk.settings.instance, now)
        until = (
            other.expires_at
            if other
            else held_silently_until(with_limits(desk, task), snapshot, desk.me.id, now)
        )
        if until is None:
            return None
        desk.look_alarms[task.key] = until + CLOCK_SKEW
        left = replace(task, claimed_elsewhere_until=until)
        if task.stage is not Stage.NEW:
            desk.journal.save_task(left)
        return left

    def _issue_behind(self, snapshot: Snapshot) -> ItemKey | None:
        """The issue whose task this pull request of ours is, when only the pull request was known (journal lost)."""
        pull = snapshot.pull
        if snapshot.issue is not None or pull is None or pull.item.author.id != self._desk.me.id:
            return None
        number = issue_of_branch(pull.branch)
        return ItemKey(pull.item.key.repo_id, number) if number else None

    def take_in(self, repo: Repo, task: Task, snapshot: Snapshot) -> Task:
        """Learn from a snapshot, and apply every event that it means."""
        desk = self._desk
        desk.snapshots[task.key] = snapshot
        spoken = self._unheard(repo, task, snapshot)
        eyes = self._eyes_for(repo, task, snapshot, spoken)
        if begins_again(task, snapshot, eyes):
            task, snapshot = forget_pull(task), replace(snapshot, pull=None)
            desk.snapshots[task.key] = snapshot
        task = learn(with_limits(desk, task), snapshot, eyes)
        self._note_refusals(task, snapshot, eyes)
        for event in observe(task, snapshot, eyes, desk.clock.now()):
            task = apply(desk, task, event)
        desk.journal.mark_heard([heard.comment.version for heard in spoken], task.key, desk.clock.now())
        task = self._note_approvals(task, snapshot)
        task = self._settle(task, snapshot)
        if due_at := contradiction_due_at(task, snapshot, eyes):
            desk.look_alarms.setdefault(task.key, due_at)
        if task.stage is not Stage.NEW:
            desk.journal.save_task(task)
            desk.agenda.touch(task.key)
        return task

    def look_for_gates(self, task: Task) -> Task:
        """After an approval the snapshot that was read before it may already show that the last gate is open.

        Only then: in every other stage the labels of an old snapshot would contradict what was decided since.
        """
        repo, snapshot = self._desk.repo_of(task), self._desk.snapshots.get(task.key)
        is_approved = task.stage is Stage.REVIEWING and task.run is None
        return self.take_in(repo, task, snapshot) if repo and snapshot and is_approved else task

    def _note_refusals(self, task: Task, snapshot: Snapshot, eyes: Eyes) -> None:
        """An ask by somebody who may not ask starts nothing and costs no comment; `explain` tells it, once each."""
        journal, now = self._desk.journal, self._desk.clock.now()
        asks = {ask.version: ask for ask in refused_asks(task, snapshot, eyes)}
        new = journal.load_unheard(tuple(asks), task.key) if asks else ()
        for version in new:
            ask = asks[version]
            journal.note(task.key, f"{task.name}: @{ask.who.login} {ask.how}, but may not ask here", now)
        if new:
            journal.mark_heard(new, task.key, now)

    def _note_approvals(self, task: Task, snapshot: Snapshot) -> Task:
        """A person's formal approval, once each: it is written down, and a reviewer run still has to approve."""
        desk, reviews = (
            self._desk,
            snapshot.pull.reviews if snapshot.pull and task.stage is not Stage.NEW else (),
        )
        by_name = {
            f"approval:{r.id}": r for r in reviews if r.state == "APPROVED" and r.author.id != desk.me.id
        }
        new = desk.journal.load_unheard(tuple(by_name), task.key) if by_name else ()
        for name in new:
            task = apply(desk, task, PersonApproved(by_name[name].author))
        if new:
            desk.journal.mark_heard(new, task.key, desk.clock.now())
        return task

    def _settle(self, task: Task, snapshot: Snapshot) -> Task:
        """Bookkeeping after a look: the text as it was asked for, and when to look again."""
        desk, now = self._desk, self._desk.clock.now()
        source = snapshot.issue or snapshot.front
        if source is not None and task.stage is not Stage.BLOCKED:
            task = replace(task, body_digest=body_digest(source))
        unknown = snapshot.pull is not None and snapshot.pull.mergeable is Mergeable.UNKNOWN
        waits_for_gates = task.stage is Stage.REVIEWING and task.run is None and snapshot.pull is not None
        if not waits_for_gates:
            if unknown and task.stage is Stage.MERGE_READY:
                # The sweep made GitHub compute: the answer comes a little later, the next sweep in half an hour.
                desk.look_alarms[task.key] = now + timedelta(seconds=desk.settings.ci_look_s)
            return replace(task, look_again_at=None)
        pause_s = desk.settings.mergeable_wait_s if unknown else desk.settings.ci_look_s
        desk.look_alarms[task.key] = now + timedelta(seconds=pause_s)
        return replace(task, look_again_at=desk.look_alarms[task.key])

    # ------------------------------------------------------------ people

    def eyes_for(self, repo: Repo, task: Task, snapshot: Snapshot) -> Eyes:
        """Eyes that listen to nobody: for judging a claim."""
        return self._eyes_for(repo, task, snapshot, ())

    def _eyes_for(self, repo: Repo, task: Task, snapshot: Snapshot, spoken: tuple[Heard, ...]) -> Eyes:
        """Everything needed to read the snapshot: new comments for us, and who of the people concerned may ask."""
        people = [
            *people_to_judge(task, snapshot, repo.rules.labels),
            *(heard.comment.author for heard in spoken),
        ]
        allowed = self.allowed_of(repo, people)
        for heard in spoken:
            if heard.comment.author.id not in allowed:
                self._desk.journal.note(
                    task.key,
                    f"{task.name}: @{heard.comment.author.login} spoke to the bot, but may not ask here",
                    self._desk.clock.now(),
                )
        listened = tuple(heard for heard in spoken if heard.comment.author.id in allowed)
        return Eyes(self._desk.me, repo.rules.labels, allowed, listened)

    def allowed_of(self, repo: Repo, people: Iterable[Person]) -> frozenset[int]:
        """The ids of those who may set the bot to work in this repository."""
        unique = {person.id: person for person in people}
        return frozenset(person.id for person in unique.values() if self._may_ask(repo, person))

    def _may_ask(self, repo: Repo, person: Person) -> bool:
        forge, rules = self._desk.forge, repo.rules
        teams = frozenset(team for team in teams_of(rules) if forge.fetch_is_member(team, person))
        if not may_ask(person, rules, forge.fetch_permission(repo, person), teams, self._desk.me):
            return False
        return teams != frozenset() or not is_named(person, rules) or self._is_who_was_named(person)

    def _is_who_was_named(self, person: Person) -> bool:
        """Whoever came first under a name of the configuration is who was meant: a login can be given up and taken by somebody else."""
        journal, cursor = self._desk.journal, f"named:{person.login.lower()}"
        known = journal.load_cursor(cursor)
        if known is None:
            journal.save_cursor(cursor, str(person.id))
        elif known != str(person.id):
            told = (
                f"@{person.login} is another account ({person.id}) than the one that the configuration meant ({known}): "
                "not let in. If it is meant, `dispatcher journal rebuild` forgets who it was."
            )
            self._desk.note_once(cursor, told)
            return False
        return True

    def _unheard(self, repo: Repo, task: Task, snapshot: Snapshot) -> tuple[Heard, ...]:
        """Comments for the bot that it has not heard in this version; the text of the issue counts as the first."""
        texts = [
            text
            for item in (snapshot.issue, snapshot.pull.item if snapshot.pull else None)
            if item
            for text in _texts(item)
        ]
        meant = read_comments(
            texts, self._desk.me, trigger_regex=repo.rules.trigger_regex, allowed_bots=repo.rules.allowed_bots
        )
        if not meant:
            return ()
        if task.stage is Stage.NEW and (old := dealt_with(meant, texts, self._desk.me)):
            self._desk.journal.mark_heard(old, task.key, self._desk.clock.now())
        new = self._desk.journal.load_unheard([heard.comment.version for heard in meant], task.key)
        return tuple(heard for heard in meant if heard.comment.version in new)


def render_looks(looks: dict[ItemKey, datetime]) -> str:
    """Items and moments as text for a cursor."""
    return " ".join(f"{key}@{at.isoformat()}" for key, at in sorted(looks.items()))


def parse_looks(text: str) -> dict[ItemKey, datetime]:
    """What `render_looks` wrote; damaged entries are left out."""
    found: dict[ItemKey, datetime] = {}
    for entry in text.split():
        with suppress(ValueError):
            name, _, at = entry.partition("@")
            repo_id, _, number = name.partition("#")
            found[ItemKey(int(repo_id), int(number))] = datetime.fromisoformat(at)
    return found


def _is_older_than_known(task: Task, snapshot: Snapshot) -> bool:
    """Whether a lagging replica answered: our own write would look like a person's doing."""
    shown = [item.updated_at for item in (snapshot.issue, snapshot.front) if item]
    return task.seen_at is not None and bool(shown) and max(shown) < task.seen_at


def _texts(item: Item) -> tuple[Comment, ...]:
    body = Comment(item.key.number, item.author, item.body, item.created_at, item.body_edited_at, kind="body")
    return (body, *item.comments)
