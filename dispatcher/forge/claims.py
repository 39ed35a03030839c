"""Claiming an item: assign the bot, write the claim down where every instance sees it, read both back: one request.

The assignment is an addition: replacing the list of assignees would push out a person who came in the meantime.

Assigning is no lock and a comment has no compare-and-set, so two instances (two machines with one bot account) are kept
apart like this: each writes its claim into a status comment of its own, never into another's, and reads all of them in
the answer of that very write. Whoever wrote later sees the earlier claim and takes its own out again; GitHub's clock
decides, and in the same second the smaller comment id. The snapshot then shows the rival's claim and none of ours, and
`core.claims` says what that means.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

from dispatcher.core.claims import CLOCK_SKEW, unexplained_assignment
from dispatcher.core.errors import ClaimLost, DispatcherError, Gone, NeedsPerson, RetryLater
from dispatcher.core.markers import ClaimNote, render_claim_marker, render_status_marker, seal
from dispatcher.core.model import ClaimMarker, Item, ItemKey, Snapshot
from dispatcher.forge import graphql
from dispatcher.forge.client import GraphAnswer
from dispatcher.forge.known import KnownComment, KnownItem, Numbers
from dispatcher.forge.refusals import Refused, explain_graphql
from dispatcher.forge.stage import find_own_status
from dispatcher.forge.wire import Node
from dispatcher.forge.writes import Writer
from dispatcher.ports import ClaimOrder, Clock

LOG = logging.getLogger(__name__)
ONE_REQUEST = timedelta(seconds=5)
"""Assignment and comment of one claim are written by one request: never further apart on the forge's clock."""


@dataclass(slots=True)
class Claimer:
    """Claims items for one instance."""

    writer: Writer
    clock: Clock

    def claim(self, order: ClaimOrder) -> Snapshot:
        """Assign, write, read back. Raises ClaimLost, having taken back what it did, when a person has the item or it was
        closed; a rival instance shows in the snapshot, which then has no marker of ours.
        """
        known = self.writer.know(order.item)
        if self._sees_rival(order):
            snapshot = self.writer.reader.fetch_item(order.item)
            if any(self._is_live_rival(order, marker) for marker in snapshot.markers):
                return snapshot
            known = self.writer.know(order.item)
        related = tuple(item.key for item in self.writer.related(order.item))
        with self.writer.careful(order.item, *related):
            return self._claim(order, known)

    def _claim(self, order: ClaimOrder, known: KnownItem) -> Snapshot:
        related = self.writer.related(order.item)
        comment = find_own_status(related, order.instance, order.status_comment_id)
        written, snapshot = self._write_claim(order, comment, known)
        mine = self._my_marker(order, written)
        others = tuple(marker for marker in snapshot.markers if marker.comment_id != mine.comment_id)
        try:
            self._check_item(order, known, snapshot)
        except (ClaimLost, NeedsPerson):
            self._withdraw(order, written, existed=comment is not None)
            self._unassign(order, known)
            raise
        if not (comment and comment.notes.claim) and self._is_held_silently(order, snapshot, others, mine):
            self._withdraw(order, written, existed=comment is not None)
            self.writer.memory.forget(*(item.key for item in related))
            raise ClaimLost("the bot was assigned by another dispatcher, whose claim somebody deleted")
        if any(self._came_first(order, rival, mine) for rival in others):
            self._withdraw(order, written, existed=comment is not None)
            self.writer.memory.forget(*(item.key for item in related))
            return replace(snapshot, markers=others, status_comment_id=comment.id if comment else None)
        return replace(snapshot, markers=(*others, mine), status_comment_id=mine.comment_id)

    def _sees_rival(self, order: ClaimOrder) -> bool:
        """Another instance's live claim is reason enough to look again before anything is written."""
        claims = (c.notes.claim for item in self.writer.related(order.item) for c in item.comments)
        return any(
            claim.instance != order.instance and claim.expires_at + CLOCK_SKEW > self.clock.now()
            for claim in claims
            if claim
        )

    def _is_live_rival(self, order: ClaimOrder, marker: ClaimMarker) -> bool:
        return marker.instance != order.instance and marker.expires_at + CLOCK_SKEW > self.clock.now()

    def _came_first(self, order: ClaimOrder, rival: ClaimMarker, mine: ClaimMarker) -> bool:
        is_older = (rival.created_at, rival.comment_id) < (mine.created_at, mine.comment_id)
        return is_older and self._is_live_rival(order, rival)

    def _is_held_silently(
        self, order: ClaimOrder, snapshot: Snapshot, others: tuple[ClaimMarker, ...], mine: ClaimMarker
    ) -> bool:
        """Whether the bot was assigned before this claim and no other claim tells why. For an earlier try of our own our
        comment tells.
        """
        item, bot_id = _item_of(snapshot, order.item), self.writer.reader.identity().id
        at, now = unexplained_assignment(item, others, bot_id), self.clock.now()
        lasts = order.expires_at - now
        return at is not None and at < mine.created_at - ONE_REQUEST and at + lasts + CLOCK_SKEW > now

    def _unassign(self, order: ClaimOrder, known: KnownItem) -> None:
        """Take the assignment back that this claim made."""
        login = self.writer.reader.identity().login
        path = f"/repositories/{order.item.repo_id}/issues/{order.item.number}/assignees"
        payload, connection = {"assignees": [login]}, self.writer.connection
        if not known.has_assignee(login):
            self._try(lambda: connection.write("DELETE", path, payload, safe_to_repeat=True))

    # -- writing --

    def _write_claim(
        self, order: ClaimOrder, comment: KnownComment | None, known: KnownItem
    ) -> tuple[Node, Snapshot]:
        claim = ClaimNote(order.instance, order.run_id, order.expires_at)
        body = seal(order.status_text, render_status_marker(order.instance), render_claim_marker(claim))
        answer = self._send(order.item, comment, known, body)
        for error in answer.errors:
            if "collaborators" not in error.path:
                LOG.warning("%s: while claiming, GitHub said: %s", order.repo, error.message)
        status = answer.data.must("status")
        written = (
            status.must("issueComment")
            if status.child("issueComment")
            else status.must("commentEdge", "node")
        )
        numbers = self.writer.memory.numbers.get(order.item) or Numbers(order.item.number)
        return written, self.writer.reader.read(written.must("repository"), numbers)

    def _send(self, key: ItemKey, comment: KnownComment | None, known: KnownItem, body: str) -> GraphAnswer:
        variables: dict[str, object] = {"item": known.node_id, "bot": self._bot_id(), "body": body}
        if comment is not None:
            try:
                return self._mutate("ClaimByEdit", key, variables | {"comment": comment.node_id})
            except Gone:
                LOG.info("%s: the status comment was deleted; writing another one", key)
        return self._mutate("ClaimByComment", key, variables)

    def _bot_id(self) -> str:
        login = self.writer.reader.identity().login
        known = self.writer.memory.user_id(login)
        if known is None:
            raise RetryLater(f"GitHub did not say what it calls {login}")
        return known

    def _mutate(self, operation: str, key: ItemKey, variables: dict[str, object]) -> GraphAnswer:
        reader, is_edit = self.writer.reader, operation == "ClaimByEdit"
        numbers = self.writer.memory.numbers.get(key) or Numbers(key.number)
        build = graphql.edit_status_mutation if is_edit else graphql.add_status_mutation
        values = reader.variables(key.repo_id, numbers) | variables | {"findPull": False}
        try:
            answer = self.writer.connection.mutate(
                operation, reader.text(build, key.repo_id), values, safe_to_repeat=is_edit
            )
        except Refused as error:  # a text that the server cannot read was not acted on
            if not reader.lost_dependencies(error):
                raise
            return self._mutate(operation, key, variables)
        if answer.data.child("status") is None:
            mine = [entry for entry in answer.errors if entry.path[:1] == ("status",)]
            for entry in mine:
                raise explain_graphql(entry.kind, entry.message, operation)
            answer.raise_first()
        return answer

    # -- reading back --

    def _check_item(self, order: ClaimOrder, known: KnownItem, snapshot: Snapshot) -> None:
        """Raises ClaimLost when the item is not as it was, NeedsPerson when GitHub did not assign the bot."""
        bot = self.writer.reader.identity()
        item = _item_of(snapshot, order.item)
        if item is None or (known.is_open and not item.is_open):
            raise ClaimLost("it was closed")
        for person in item.assignees:
            if person.id != bot.id and not known.has_assignee(person.login):
                raise ClaimLost(f"{person.login} was assigned to it")
        if not any(person.id == bot.id for person in item.assignees):
            raise NeedsPerson(
                f"GitHub did not assign {bot.login}.", "Give the account write access to the repository."
            )

    def _my_marker(self, order: ClaimOrder, written: Node) -> ClaimMarker:
        return ClaimMarker(
            instance=order.instance,
            run_id=order.run_id,
            expires_at=order.expires_at,
            comment_id=written.number("databaseId"),
            created_at=written.moment_or_none("lastEditedAt") or written.moment("createdAt"),
            by_id=self.writer.reader.identity().id,
        )

    def _withdraw(self, order: ClaimOrder, written: Node, *, existed: bool) -> None:
        """Take our claim out again: the comment goes if it is new, else only its marker."""
        path = f"/repositories/{order.item.repo_id}/issues/comments/{written.number('databaseId')}"
        body = seal(order.status_text, render_status_marker(order.instance))
        connection = self.writer.connection
        if existed:
            self._try(lambda: connection.write("PATCH", path, {"body": body}, safe_to_repeat=True))
        else:
            self._try(lambda: connection.write("DELETE", path, None, safe_to_repeat=True))

    def _try(self, act: Callable[[], object]) -> None:
        """Tidying up after a lost claim must not hide that it was lost; the claim's expiry covers the rest."""
        try:
            act()
        except DispatcherError as error:
            LOG.warning("could not take a lost claim back: %s", error)


def _item_of(snapshot: Snapshot, key: ItemKey) -> Item | None:
    items = (snapshot.issue, snapshot.pull.item if snapshot.pull else None)
    return next((item for item in items if item and item.key == key), None)
