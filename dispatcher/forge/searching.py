"""Finding what is new with a token that has no notifications: one GraphQL request with searches per owner.

Search is eventually consistent, so each look overlaps the one before and drops what it has already given out.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from dispatcher.core.model import ItemKey, ItemSummary, Person
from dispatcher.forge import graphql
from dispatcher.forge.client import Connection
from dispatcher.forge.polling import Trail
from dispatcher.forge.wire import parse_found_item
from dispatcher.ports import Clock, Wake

LOG = logging.getLogger(__name__)
SEARCH_POLL_S = 60.0
"""How often searching is worth it; 30 searches a minute are allowed."""
OVERLAP_S = 300
"""How far back each search looks again, because an index can be late."""
_SEARCHES_PER_REQUEST = 10
_PAGES = 10
_MOST = 1000
"""What one search gives out at most, however many items match (GitHub's documentation of search)."""


@dataclass(slots=True)
class Searcher:
    """Label, mention and assignment as searches. Every one names an owner: without it all of GitHub is searched."""

    connection: Connection
    clock: Clock
    trail: Trail
    _seen: dict[tuple[str, ItemKey], datetime] = field(default_factory=dict)
    _given: dict[tuple[str, ItemKey], datetime] = field(default_factory=dict)

    def settle(self) -> None:
        """What the last look gave out has been dealt with."""
        keep_from = self.clock.now() - timedelta(seconds=4 * OVERLAP_S)
        self._seen = {key: at for key, at in (self._seen | self._given).items() if at > keep_from}
        self._given.clear()

    def discard(self) -> None:
        """What the last look found was given to nobody."""
        self._given.clear()

    def look(
        self, owners: Sequence[str], labels: Sequence[str], bot: Person
    ) -> tuple[tuple[Wake, ...], tuple[ItemSummary, ...]]:
        """Mentions and review requests as wakes, labelled items as items; only what has not been given out yet."""
        now = self.clock.now()
        since = self._load_since(now)
        labelled = [f'{_owner(owner)} label:"{label}" {since}' for owner in owners for label in labels]
        wakes = [
            f"{_owner(owner)} is:open {how}:{bot.login} {since}"
            for owner in owners
            for how in ("mentions", "assignee", "review-requested")
        ]
        items = self._fresh("item", self._search(labelled))
        calls = self._fresh("wake", self._search(wakes))
        self.trail.propose("searched", now.astimezone(UTC).isoformat())
        return tuple(_wake_of(item) for item in calls), items

    def sweep(self, owners: Sequence[str], labels: Sequence[str], bot: Person) -> tuple[ItemSummary, ...]:
        """Every open item with one of the labels, assigned to the bot, or opened by it."""
        wanted = [f'{_owner(owner)} is:open label:"{label}"' for owner in owners for label in labels]
        wanted += [f"{_owner(o)} is:open {how}:{bot.login}" for o in owners for how in ("assignee", "author")]
        return self._search(wanted)

    def _load_since(self, now: datetime) -> str:
        """Nothing at the first look: everything that carries the label is wanted then."""
        stored = self.trail.load("searched")
        if not stored:
            return "is:open sort:updated-desc"
        start = min(datetime.fromisoformat(stored), now) - timedelta(seconds=OVERLAP_S)
        return f"updated:>={start:%Y-%m-%dT%H:%M:%SZ} sort:updated-desc"

    def _fresh(self, kind: str, items: tuple[ItemSummary, ...]) -> tuple[ItemSummary, ...]:
        fresh = tuple(i for i in items if self._seen.get((kind, i.key)) != i.updated_at)
        self._given |= {(kind, item.key): item.updated_at for item in fresh}
        return fresh

    def _search(self, texts: Sequence[str]) -> tuple[ItemSummary, ...]:
        found: dict[ItemKey, ItemSummary] = {}
        for start in range(0, len(texts), _SEARCHES_PER_REQUEST):
            pending: list[tuple[str, str | None]] = [
                (t, None) for t in texts[start : start + _SEARCHES_PER_REQUEST]
            ]
            for _ in range(_PAGES):
                pending = self._search_page(pending, found)
                if not pending:
                    break
            for text, _ in pending:
                LOG.warning("more than %d items match `%s`: the rest was not read in this look", _MOST, text)
        return tuple(found.values())

    def _search_page(
        self, pending: list[tuple[str, str | None]], found: dict[ItemKey, ItemSummary]
    ) -> list[tuple[str, str | None]]:
        variables: dict[str, object] = {}
        for i, (text, after) in enumerate(pending):
            variables |= {f"q{i}": text, f"after{i}": after}
        answer = self.connection.query("Search", graphql.search_query(len(pending)), variables)
        answer.raise_first()
        further: list[tuple[str, str | None]] = []
        for i, (text, _) in enumerate(pending):
            result = answer.data.must(f"search{i}")
            for node in result.children("nodes"):
                if node.text("__typename") in {"Issue", "PullRequest"}:
                    item = parse_found_item(node)
                    found[item.key] = item
            page = result.must("pageInfo")
            if page.flag("hasNextPage"):
                further.append((text, page.text("endCursor")))
        return further


def _owner(owner: str) -> str:
    return f"user:{owner}"


def _wake_of(item: ItemSummary) -> Wake:
    return Wake(item.key, item.repo, "", "search", item.updated_at)
