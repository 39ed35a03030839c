"""Who may do what: answers about people, kept for a quarter of an hour."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import quote

from dispatcher.core.errors import Gone
from dispatcher.core.model import Permission, Person
from dispatcher.forge.client import Connection
from dispatcher.forge.known import Memory
from dispatcher.forge.wire import Node, parse_permission
from dispatcher.ports import Clock

TRUST_S = 900
"""How long an answer about a person's rights is believed."""


@dataclass(slots=True)
class Permissions:
    """A cache in front of the two endpoints that know people's rights."""

    connection: Connection
    clock: Clock
    memory: Memory
    _rights: dict[tuple[int, int], tuple[Permission, datetime]] = field(default_factory=dict)
    _members: dict[tuple[str, int], tuple[bool, datetime]] = field(default_factory=dict)
    _warm_until: dict[int, datetime] = field(default_factory=dict)

    def wants_warming(self, repo_id: int) -> bool:
        """Whether the next snapshot should bring the list of collaborators along."""
        return self._warm_until.get(repo_id, self.clock.now()) <= self.clock.now()

    def warm(self, repo_id: int, edges: Iterable[Node]) -> None:
        """Take over the collaborators that a snapshot brought; people who are not among them are asked for."""
        expires_at = self.clock.now() + timedelta(seconds=TRUST_S)
        self._warm_until[repo_id] = expires_at
        for edge in edges:
            person = edge.must("node")
            permission = parse_permission(edge.text("permission"))
            self._rights[repo_id, person.number("databaseId")] = (permission, expires_at)
            self.memory.keep_user(person.text("login"), person.text("id"))

    def fetch(self, repo_id: int, person: Person) -> Permission:
        """What this person may do there; NONE for a login that has changed hands or is gone."""
        known = self._rights.get((repo_id, person.id))
        if known and known[1] > self.clock.now():
            return known[0]
        permission = self._ask(repo_id, person)
        self._rights[repo_id, person.id] = (permission, self._expiry())
        return permission

    def fetch_is_member(self, team: str, person: Person) -> bool:
        """Whether the person is an active member of `@org/team`; False for a team that the token cannot see."""
        known = self._members.get((team, person.id))
        if known and known[1] > self.clock.now():
            return known[0]
        org, _, slug = team.removeprefix("@").partition("/")
        path = f"/orgs/{quote(org)}/teams/{quote(slug)}/memberships/{quote(person.login)}"
        try:
            is_member = self.connection.get(path).node.text("state", "") == "active"
        except Gone:
            is_member = False
        self._members[team, person.id] = (is_member, self._expiry())
        return is_member

    def _ask(self, repo_id: int, person: Person) -> Permission:
        if not person.id:
            return Permission.NONE
        path = f"/repositories/{repo_id}/collaborators/{quote(person.login)}/permission"
        try:
            answer = self.connection.get(path).node
        except Gone:
            return Permission.NONE
        user = answer.child("user")
        if user and user.number("id") != person.id:
            return Permission.NONE
        return parse_permission(answer.text("role_name", ""), answer.text("permission", "none"))

    def _expiry(self) -> datetime:
        return self.clock.now() + timedelta(seconds=TRUST_S)
