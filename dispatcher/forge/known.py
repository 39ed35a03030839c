"""What the forge room remembers between two requests, so that a write need not be preceded by a read.

Everything here is a copy that may be stale; it is dropped for an item whenever a write to it failed, so that the next
attempt looks first. Losing it costs a request, never correctness.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime

from dispatcher.core.markers import Notes
from dispatcher.core.model import ItemKey, Person

REMEMBERED_ITEMS = 1000
"""How many items are kept; the one that was used least recently goes first."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """A task's items in one repository: the one it began with, and its pull request when that is another one."""

    key: int
    pull: int | None = None


@dataclass(frozen=True, slots=True)
class KnownComment:
    """A comment of the bot that carries markers. `node_id` is what GraphQL calls it."""

    id: int
    node_id: str
    notes: Notes
    body: str
    stamped_at: datetime


@dataclass(frozen=True, slots=True)
class KnownItem:
    """The writable side of an item as last read or written. `labels` and `assignees` carry their node ids."""

    key: ItemKey
    node_id: str
    is_open: bool
    labels: tuple[tuple[str, str], ...]
    assignees: tuple[tuple[Person, str], ...]
    updated_at: datetime
    comments: tuple[KnownComment, ...] = ()
    keys: frozenset[str] = frozenset()
    head: str = ""
    base: str = ""

    def has_label(self, name: str) -> bool:
        """Whether the item carries the label, as GitHub compares names: without regard to case."""
        return any(label.lower() == name.lower() for label, _ in self.labels)

    def has_assignee(self, login: str) -> bool:
        """Whether the person with this login is assigned."""
        return any(person.login.lower() == login.lower() for person, _ in self.assignees)


@dataclass(slots=True)
class Memory:
    """Names, node ids and the last known state of items."""

    items: OrderedDict[ItemKey, KnownItem] = field(default_factory=OrderedDict)
    numbers: OrderedDict[ItemKey, Numbers] = field(default_factory=OrderedDict)
    repo_names: dict[int, str] = field(default_factory=dict)
    label_names: dict[int, tuple[str, ...]] = field(default_factory=dict)
    _label_ids: dict[tuple[int, str], str] = field(default_factory=dict)
    _user_ids: dict[str, str] = field(default_factory=dict)

    def keep(self, item: KnownItem) -> None:
        """Remember an item's newest state."""
        self.items[item.key] = item
        self.items.move_to_end(item.key)
        while len(self.items) > REMEMBERED_ITEMS:
            self.items.popitem(last=False)
        for person, node_id in item.assignees:
            self.keep_user(person.login, node_id)

    def forget(self, *keys: ItemKey) -> None:
        """Drop what is known of these items: the next write to them reads first."""
        for key in keys:
            self.items.pop(key, None)

    def keep_numbers(self, repo_id: int, numbers: Numbers) -> None:
        """Remember which two items make a task."""
        for number in {numbers.key, numbers.pull or numbers.key}:
            self.numbers[ItemKey(repo_id, number)] = numbers
            self.numbers.move_to_end(ItemKey(repo_id, number))
        while len(self.numbers) > 2 * REMEMBERED_ITEMS:
            self.numbers.popitem(last=False)

    def keep_repo(self, repo_id: int, full_name: str) -> None:
        """Remember a repository's present name."""
        self.repo_names[repo_id] = full_name

    def find_repo_id(self, full_name: str) -> int | None:
        """The number of a repository that was seen under this name."""
        wanted = full_name.lower()
        return next((number for number, name in self.repo_names.items() if name.lower() == wanted), None)

    def keep_label(self, repo_id: int, name: str, node_id: str) -> None:
        """Remember a label's node id."""
        self._label_ids[repo_id, name.lower()] = node_id

    def label_id(self, repo_id: int, name: str) -> str | None:
        """A label's node id, if it was seen."""
        return self._label_ids.get((repo_id, name.lower()))

    def forget_labels(self, repo_id: int) -> None:
        """Drop a repository's label ids (somebody deleted one)."""
        self._label_ids = {key: value for key, value in self._label_ids.items() if key[0] != repo_id}

    def keep_user(self, login: str, node_id: str) -> None:
        """Remember a person's node id."""
        if len(self._user_ids) > 20 * REMEMBERED_ITEMS:
            self._user_ids.clear()
        self._user_ids[login.lower()] = node_id

    def user_id(self, login: str) -> str | None:
        """A person's node id, if it was seen."""
        return self._user_ids.get(login.lower())
