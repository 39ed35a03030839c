"""JSON to model: the only place that sees raw dicts. A field of another shape is an error that names its path."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from dispatcher.core.errors import RetryLater
from dispatcher.core.model import ItemKey, ItemSummary, Permission, Person

GHOST = Person(0, "ghost")
"""Whoever deleted their account: GitHub shows null."""


@dataclass(frozen=True, slots=True)
class Node:
    """A JSON object that is read with types. `where` is its path, for messages."""

    fields: Mapping[str, object]
    where: str

    @classmethod
    def of(cls, value: object, where: str) -> "Node":
        """The value as an object; raises RetryLater when it is none."""
        if not isinstance(value, dict):
            raise _odd(where, "an object", value)
        return cls(value, where)

    @classmethod
    def list_of(cls, value: object, where: str) -> "tuple[Node, ...]":
        """The value as a list of objects (nulls left out); raises RetryLater when it is none."""
        if not isinstance(value, list):
            raise _odd(where, "a list", value)
        return tuple(cls.of(entry, f"{where}[{i}]") for i, entry in enumerate(value) if entry is not None)

    def text(self, name: str, default: str | None = None) -> str:
        """A string; `default` stands in for a missing field or null."""
        value = self.fields.get(name)
        if isinstance(value, str):
            return value
        if value is None and default is not None:
            return default
        raise _odd(f"{self.where}.{name}", "a text", value)

    def number(self, name: str, default: int | None = None) -> int:
        """A whole number (GraphQL sends big ones as text)."""
        value = self.fields.get(name)
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        if isinstance(value, str) and value.isascii() and value.isdigit():
            return int(value)
        if value is None and default is not None:
            return default
        raise _odd(f"{self.where}.{name}", "a number", value)

    def flag(self, name: str, *, default: bool = False) -> bool:
        """A truth value."""
        value = self.fields.get(name)
        return value if isinstance(value, bool) else default

    def moment(self, name: str) -> datetime:
        """A time, aware UTC."""
        found = self.moment_or_none(name)
        if found is None:
            raise _odd(f"{self.where}.{name}", "a time", None)
        return found

    def moment_or_none(self, name: str) -> datetime | None:
        """A time, aware UTC, or None for null."""
        value = self.fields.get(name)
        if value is None:
            return None
        try:
            return datetime.fromisoformat(str(value)).astimezone(UTC)
        except ValueError:
            raise _odd(f"{self.where}.{name}", "a time", value) from None

    def child(self, name: str) -> "Node | None":
        """An object below, or None for null or missing."""
        value = self.fields.get(name)
        return None if value is None else Node.of(value, f"{self.where}.{name}")

    def must(self, *names: str) -> "Node":
        """The object at the end of these names; raises RetryLater when one is missing."""
        found = self
        for name in names:
            found = Node.of(found.fields.get(name), f"{found.where}.{name}")
        return found

    def children(self, name: str) -> "tuple[Node, ...]":
        """A list of objects below; empty for null or missing."""
        value = self.fields.get(name)
        return () if value is None else Node.list_of(value, f"{self.where}.{name}")

    def nodes(self, name: str) -> "tuple[Node, ...]":
        """What a GraphQL connection below holds; empty for null or missing."""
        connection = self.child(name)
        return connection.children("nodes") if connection else ()

    def words(self, name: str) -> tuple[str, ...]:
        """A list of plain values below, each as text; empty for null or missing."""
        value = self.fields.get(name)
        return tuple(str(entry) for entry in value) if isinstance(value, list) else ()

    def subs(self) -> "Iterator[tuple[str, Node]]":
        """Every field that holds an object, with its name."""
        for name, value in self.fields.items():
            if isinstance(value, dict):
                yield name, Node(value, f"{self.where}.{name}")


def _odd(where: str, wanted: str, value: object) -> RetryLater:
    shown = "nothing" if value is None else type(value).__name__
    return RetryLater(f"GitHub's {where} should be {wanted}, but it is {shown}")


# ---------------------------------------------------------------- refusals


def read_message(body: object) -> str:
    """The words of a REST refusal; "" when it has none."""
    message = body.get("message") if isinstance(body, dict) else None
    return message if isinstance(message, str) else ""


def read_errors(body: object) -> tuple[str, ...]:
    """The reasons of a 422, one text per entry."""
    entries = body.get("errors") if isinstance(body, dict) else None
    if not isinstance(entries, list):
        return (str(entries),) if entries else ()
    return tuple(_render_error(entry) for entry in entries)


def _render_error(entry: object) -> str:
    if not isinstance(entry, dict):
        return str(entry)
    return " ".join(str(entry[name]) for name in ("field", "code", "message") if entry.get(name))


# ---------------------------------------------------------------- people


def parse_rest_person(node: Node | None) -> Person:
    """A REST `user` object; null is the ghost."""
    if node is None:
        return GHOST
    return Person(node.number("id"), node.text("login"), is_bot=node.text("type", "User") == "Bot")


def parse_person(node: Node | None) -> Person:
    """A GraphQL `Actor`; null is the ghost. Bots get the `[bot]` suffix that REST shows."""
    if node is None or "login" not in node.fields:
        return GHOST
    is_bot = node.text("__typename", "User") == "Bot"
    login = node.text("login")
    if is_bot and not login.endswith("[bot]"):
        login += "[bot]"
    return Person(node.number("databaseId", 0), login, is_bot)


def parse_permission(role: str, coarse: str = "none") -> Permission:
    """A permission from REST's `role_name` (custom roles fall back to `permission`) or GraphQL's enum."""
    for name in (role.lower(), coarse.lower()):
        try:
            return Permission(name)
        except ValueError:
            continue
    return Permission.NONE


def parse_rights(permissions: Node | None) -> Permission:
    """A permission from a repository's `permissions` flags."""
    if permissions is None:
        return Permission.NONE
    for flag, permission in (
        ("admin", Permission.ADMIN),
        ("maintain", Permission.MAINTAIN),
        ("push", Permission.WRITE),
        ("triage", Permission.TRIAGE),
        ("pull", Permission.READ),
    ):
        if permissions.flag(flag):
            return permission
    return Permission.NONE


# ---------------------------------------------------------------- lists


def is_open(node: Node) -> bool:
    """Whether a GraphQL issue (`state`) or pull request (`pullState`) is open."""
    return node.text("pullState", "") == "OPEN" or node.text("state", "") == "OPEN"


def parse_rest_item(node: Node, repo_id: int, repo: str) -> ItemSummary:
    """One entry of a REST issue list (pull requests are issues too)."""
    dependencies = node.child("issue_dependencies_summary")
    return ItemSummary(
        key=ItemKey(repo_id, node.number("number")),
        repo=repo,
        is_pull=node.child("pull_request") is not None,
        title=node.text("title", ""),
        author=parse_rest_person(node.child("user")),
        state=node.text("state"),
        labels=frozenset(label.text("name") for label in node.children("labels")),
        assignees=tuple(parse_rest_person(person) for person in node.children("assignees")),
        updated_at=node.moment("updated_at"),
        blocked_by=dependencies.number("blocked_by", 0) if dependencies else 0,
    )


def parse_listed_item(node: Node) -> ItemSummary:
    """One entry of `GET /issues`, which embeds its repository."""
    repository = node.must("repository")
    return parse_rest_item(node, repository.number("id"), repository.text("full_name"))


def parse_found_item(node: Node) -> ItemSummary:
    """One entry of a GraphQL search."""
    repository = node.must("repository")
    dependencies = node.child("issueDependenciesSummary")
    return ItemSummary(
        key=ItemKey(repository.number("databaseId"), node.number("number")),
        repo=repository.text("nameWithOwner"),
        is_pull=node.text("__typename") == "PullRequest",
        title=node.text("title", ""),
        author=parse_person(node.child("author")),
        state="open" if is_open(node) else "closed",
        labels=frozenset(label.text("name") for label in node.nodes("labels")),
        assignees=tuple(parse_person(person) for person in node.nodes("assignees")),
        updated_at=node.moment("updatedAt"),
        blocked_by=dependencies.number("blockedBy", 0) if dependencies else 0,
    )
