"""Finding what is new: notifications wake, lists decide; two conditional requests while nothing happens.

Cursors are proposed by one look and stored at the start of the next one, when its answer has been dealt with: a
crash in between repeats the answer instead of losing it.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime

from dispatcher.core.model import ItemKey, ItemSummary
from dispatcher.forge.client import Answer, Connection
from dispatcher.forge.wire import Node, parse_listed_item
from dispatcher.ports import Clock, Cursors, Wake

LOG = logging.getLogger(__name__)
POLL_S = 60.0
"""How long GitHub usually wants between two looks at the notifications (its header says so, and is obeyed)."""
UNCONDITIONAL_S = 1800.0
"""How often a full answer is asked for even though GitHub says that nothing changed."""
_PAGES = 1000
"""Pages of a list that are read at most, so that a server that never ends does not hold the loop up for ever."""
_SHORT = 20
"""Up to so many items a list may hold without being emptied by a new cursor; well below a page."""
_SETTLED_S = 2.0
"""A second is over for sure when the answer is this much younger than the newest change in it."""


@dataclass(slots=True)
class Trail:
    """Cursors of one credential: read through, written late. Names carry the token's fingerprint, as etags belong to a token."""

    cursors: Cursors
    prefix: str
    _proposed: dict[str, str] = field(default_factory=dict)
    _stored: dict[str, str] = field(default_factory=dict)

    def load(self, name: str) -> str:
        """The newest value of a cursor; "" when there is none."""
        if name in self._proposed:
            return self._proposed[name]
        if name not in self._stored:
            self._stored[name] = self.cursors.load_cursor(f"{self.prefix}:{name}") or ""
        return self._stored[name]

    def propose(self, name: str, value: str) -> None:
        """A value to be stored when the present answer has been dealt with."""
        if value != self.load(name):
            self._proposed[name] = value

    def settle(self) -> None:
        """Store what was proposed."""
        for name, value in self._proposed.items():
            self.cursors.save_cursor(f"{self.prefix}:{name}", value)
        self._stored |= self._proposed
        self._proposed.clear()

    def discard(self) -> None:
        """Forget what was proposed: the look failed half way, and what it found was given to nobody."""
        self._proposed.clear()


@dataclass(slots=True)
class Inbox:
    """The notifications of the bot account."""

    connection: Connection
    clock: Clock
    trail: Trail
    poll_s: float = 0.0
    due_at: datetime | None = None
    full_at: datetime | None = None

    @property
    def wait_s(self) -> float:
        """Seconds until GitHub wants to be asked again."""
        return max(0.0, (self.due_at - self.clock.now()).total_seconds()) if self.due_at else 0.0

    def look(self) -> tuple[tuple[Wake, ...], datetime | None]:
        """Unread threads, and up to when; nothing at all before GitHub's poll interval is over."""
        now = self.clock.now()
        if self.wait_s > 0:
            return (), None
        answer = self._ask(now)
        wanted_s = _seconds(answer.headers.get("x-poll-interval", ""), POLL_S)
        self.due_at = now + timedelta(seconds=max(wanted_s, self.poll_s))
        if answer.status == 304:
            return (), None
        self._keep_last_modified(answer)
        threads = all_pages(self.connection, "/notifications", {"participating": "true"}, answer, 50)
        read_to = max((thread.moment("updated_at") for thread in threads), default=None)
        return tuple(wake for thread in threads if (wake := _parse_wake(thread))), read_to

    def mark_read(self, until: datetime) -> None:
        """Clear everything up to `until` (inclusive) in one request; later threads stay unread."""
        stamp = until.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        self.connection.write(
            "PUT", "/notifications", {"last_read_at": stamp, "read": True}, safe_to_repeat=True
        )

    def _ask(self, now: datetime) -> Answer:
        since = self.trail.load("notifications")
        headers = {"If-Modified-Since": since} if since and self.full_at and now < self.full_at else {}
        answer = self.connection.get("/notifications", {"participating": "true", "per_page": "50"}, headers)
        if not headers:
            self.full_at = now + timedelta(seconds=UNCONDITIONAL_S)
        return answer

    def _keep_last_modified(self, answer: Answer) -> None:
        """The largest one: the header goes backwards when threads are marked read."""
        fresh, known = (
            _http_date(answer.headers.get("last-modified", "")),
            _http_date(self.trail.load("notifications")),
        )
        if fresh and (known is None or fresh > known):
            self.trail.propose("notifications", format_datetime(fresh, usegmt=True))


@dataclass(slots=True)
class Lists:
    """Every item with the turn label, in every repository that the account sees, newest change first."""

    connection: Connection
    clock: Clock
    trail: Trail
    full_at: dict[str, datetime] = field(default_factory=dict)
    _seen: dict[str, frozenset[tuple[ItemKey, datetime]]] = field(default_factory=dict)
    _given: dict[str, frozenset[tuple[ItemKey, datetime]]] = field(default_factory=dict)

    def settle(self) -> None:
        """What the last look gave out has been dealt with."""
        self._seen |= self._given
        self._given.clear()

    def discard(self) -> None:
        """What the last look found was given to nobody."""
        self._given.clear()

    def look(self, label: str) -> tuple[ItemSummary, ...]:
        """Items that changed since the last look; the cursor stands still while nothing does, so that a 304 is possible."""
        since, now = self.trail.load(f"since:{label}"), self.clock.now()
        params = _list_params(label, "all") | ({"since": since} if since else {})
        etag = self.trail.load(f"etag:{label}")
        is_full = now >= self.full_at.get(label, now)
        headers = {"If-None-Match": etag} if etag and not is_full else {}
        answer = self.connection.get("/issues", params, headers)
        if is_full:
            self.full_at[label] = now + timedelta(seconds=UNCONDITIONAL_S)
        if answer.status == 304:
            return ()
        nodes = all_pages(self.connection, "/issues", params, answer, 100)
        items = tuple(parse_listed_item(node) for node in nodes)
        return self._advance(label, items, answer)

    def _advance(self, label: str, items: tuple[ItemSummary, ...], answer: Answer) -> tuple[ItemSummary, ...]:
        self.trail.propose(f"etag:{label}", answer.headers.get("etag", ""))
        if not items:
            return ()
        before, versions = self._seen.get(label, frozenset()), frozenset((i.key, i.updated_at) for i in items)
        self._given[label] = versions
        fresh = tuple(item for item in items if (item.key, item.updated_at) not in before)
        # A short answer with news stays as it is: asked for again it is a 304, and a new cursor would cost a request.
        if not fresh or len(items) > _SHORT:
            self._move_cursor(label, items, answer, is_old=not fresh)
        return fresh

    def _move_cursor(
        self, label: str, items: tuple[ItemSummary, ...], answer: Answer, *, is_old: bool
    ) -> None:
        """Leave behind what was seen, so that the list is empty and nothing around its items changes the answer."""
        newest = max(item.updated_at for item in items)
        # The earlier of the two clocks: a wrong one costs one more request, never a change.
        now = self.clock.now()
        answered_at = min(_http_date(answer.headers.get("date", "")) or now, now)
        second_is_over = is_old or answered_at - newest >= timedelta(seconds=_SETTLED_S)
        # Times are whole seconds: until the newest one is over, another change may still get the same stamp.
        cursor = newest + timedelta(seconds=1) if second_is_over else newest
        stamp = cursor.strftime("%Y-%m-%dT%H:%M:%SZ")
        if stamp != self.trail.load(f"since:{label}"):
            self.trail.propose(f"since:{label}", stamp)
            self.trail.propose(f"etag:{label}", "")

    def sweep(self, labels: Sequence[str]) -> tuple[ItemSummary, ...]:
        """Every open item with one of the labels, assigned to the bot, or opened by it."""
        wanted = [_list_params(label, "open") for label in labels]
        wanted += [_list_params("", "open") | {"filter": name} for name in ("assigned", "created")]
        found: dict[ItemKey, ItemSummary] = {}
        for params in wanted:
            answer = self.connection.get("/issues", params)
            for node in all_pages(self.connection, "/issues", params, answer, 100):
                item = parse_listed_item(node)
                found[item.key] = item
        return tuple(found.values())


def _list_params(label: str, state: str) -> dict[str, str]:
    named = {"labels": label} if label else {}
    return {
        "filter": "all",
        "state": state,
        "sort": "updated",
        "direction": "desc",
        "per_page": "100",
    } | named


def all_pages(
    connection: Connection, path: str, params: Mapping[str, str], first: Answer, size: int
) -> tuple[Node, ...]:
    """The first answer's entries and those of all further pages."""
    nodes = [*first.nodes]
    page, link = 1, first.headers.get("link", "")
    while 'rel="next"' in link and page < _PAGES:
        page += 1
        answer = connection.get(path, {**params, "per_page": str(size), "page": str(page)})
        nodes += answer.nodes
        link = answer.headers.get("link", "")
    if 'rel="next"' in link:
        LOG.warning("%s is longer than %d entries: the rest was not read in this look", path, len(nodes))
    return tuple(nodes)


def _parse_wake(thread: Node) -> Wake | None:
    """A notification about an issue or pull request; None for releases, discussions, invitations."""
    subject, repository = thread.must("subject"), thread.must("repository")
    number = subject.text("url", "").rpartition("/")[2]
    if subject.text("type", "") not in {"Issue", "PullRequest"} or not number.isdecimal():
        return None
    return Wake(
        key=ItemKey(repository.number("id"), int(number)),
        repo=repository.text("full_name"),
        thread_id=thread.text("id"),
        reason=thread.text("reason", ""),
        updated_at=thread.moment("updated_at"),
    )


def _http_date(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text) if text else None
    except ValueError:
        return None
    return moment.astimezone(UTC) if moment else None


def _seconds(text: str, default: float) -> float:
    return max(1.0, float(text)) if text.isdecimal() and text.isascii() else default
