"""Showing a stage: labels, assignees and the status comment of a task's items, in one request, differences only."""

import logging
from dataclasses import dataclass, field, replace
from datetime import datetime
from urllib.parse import quote

from dispatcher.core.errors import Gone, RetryLater
from dispatcher.core.markers import parse_markers, render_claim_marker, render_status_marker, seal
from dispatcher.core.model import ItemKey
from dispatcher.forge import graphql
from dispatcher.forge.client import GraphAnswer, GraphError
from dispatcher.forge.known import KnownComment, KnownItem, Numbers
from dispatcher.forge.refusals import explain_graphql
from dispatcher.forge.snapshot import parse_known
from dispatcher.forge.wire import Node
from dispatcher.forge.writes import Writer
from dispatcher.ports import ItemOrder, StageOrder, Written

LOG = logging.getLogger(__name__)


@dataclass(slots=True)
class Plan:
    """Aliased mutations and their variables; `targets` says which item an alias is about, `what` what it does."""

    parts: list[str] = field(default_factory=list)
    declared: list[str] = field(default_factory=list)
    variables: dict[str, object] = field(default_factory=dict)
    targets: dict[str, ItemKey] = field(default_factory=dict)
    what: dict[str, str] = field(default_factory=dict)

    def change_set(self, what: str, known: KnownItem, ids: list[str]) -> None:
        """Add or remove labels or assignees; nothing for an empty list."""
        if not ids:
            return
        alias = self._alias(what, known.key)
        build = {
            "addLabels": graphql.add_labels,
            "removeLabels": graphql.remove_labels,
            "assign": graphql.add_assignees,
            "unassign": graphql.remove_assignees,
        }[what]
        self.parts.append(build(alias))
        self.declared += [f"${alias}On: ID!", f"${alias}Ids: [ID!]!"]
        self.variables |= {f"{alias}On": known.node_id, f"{alias}Ids": ids}

    def write_comment(self, on: KnownItem, comment: KnownComment | None, body: str) -> None:
        """Rewrite a comment, or add one."""
        alias = self._alias("edit" if comment else "comment", on.key)
        self.parts.append(graphql.edit_comment(alias) if comment else graphql.add_comment(alias))
        self.declared += [f"${alias}On: ID!", f"${alias}Body: String!"]
        self.variables |= {f"{alias}On": comment.node_id if comment else on.node_id, f"{alias}Body": body}

    @property
    def adds_comment(self) -> bool:
        """Whether a repetition would leave a second comment."""
        return "comment" in self.what.values()

    @property
    def text(self) -> str:
        """The whole mutation."""
        with_state = any(what != "edit" for what in self.what.values())
        return graphql.stage_mutation(self.parts, self.declared, with_state=with_state)

    def _alias(self, what: str, key: ItemKey) -> str:
        alias = f"{what}{len(self.parts)}"
        self.targets[alias], self.what[alias] = key, what
        return alias


@dataclass(slots=True)
class StageWriter:
    """The one place that writes labels."""

    writer: Writer
    instance: str = ""

    def show(self, order: StageOrder) -> Written:
        """Make everything as ordered; people whom GitHub does not let be assigned come back in the receipt."""
        orders = [item for item in (order.pull, order.issue) if item]
        keys = [item.key for item in orders]
        if order.issue and order.pull:
            self._remember_pair(order.issue.key, order.pull.key)
        with self.writer.careful(*keys, order.status_on):
            plan = Plan()
            for item in orders:
                self._plan_item(plan, item)
            status = self._plan_status(plan, order)
            if not plan.parts:
                return Written(None, status.id if status else None)
            answer = self.writer.connection.mutate(
                "ShowStage", plan.text, plan.variables, safe_to_repeat=not plan.adds_comment
            )
            return self._take_over(answer, plan, order, status)

    def _remember_pair(self, issue: ItemKey, pull: ItemKey) -> None:
        self.writer.memory.keep_numbers(issue.repo_id, Numbers(issue.number, pull.number))

    # -- planning --

    def _plan_item(self, plan: Plan, order: ItemOrder) -> None:
        known = self.writer.know(order.key)
        add = [name for name in sorted(order.add_labels) if not known.has_label(name)]
        remove = {name.lower() for name in order.remove_labels - order.add_labels}
        drop = {login.lower() for login in order.unassign}
        join = [login for login in order.assign if not known.has_assignee(login)]
        plan.change_set("addLabels", known, [self._label_id(order.key.repo_id, name) for name in add])
        plan.change_set("removeLabels", known, [id_ for name, id_ in known.labels if name.lower() in remove])
        plan.change_set("assign", known, [id_ for login in join if (id_ := self._user_id(login))])
        plan.change_set("unassign", known, [id_ for who, id_ in known.assignees if who.login.lower() in drop])

    def _plan_status(self, plan: Plan, order: StageOrder) -> KnownComment | None:
        if not order.status_text:
            return None
        on = self.writer.know(order.status_on)
        comment = self._find_status_comment(on, order.status_comment_id)
        body = self._render_status(order, comment)
        if comment is None or comment.body != body:
            plan.write_comment(on, comment, body)
        return comment

    def _find_status_comment(self, on: KnownItem, known_id: int | None) -> KnownComment | None:
        return find_own_status(self.writer.related(on.key), self.instance, known_id)

    def _render_status(self, order: StageOrder, comment: KnownComment | None) -> str:
        """Status text and markers; a claim stays as long as the bot stays assigned to the item that has the turn."""
        instance = (comment.notes.status_of if comment else None) or self.instance
        claim = comment.notes.claim if comment else None
        markers = [render_status_marker(instance)]
        if claim and self._keeps_claim(order):
            markers.append(render_claim_marker(claim))
        return seal(order.status_text, *markers)

    def _keeps_claim(self, order: StageOrder) -> bool:
        front = order.pull or order.issue
        if front is None:
            return True
        bot = self.writer.reader.identity().login.lower()
        if bot in {login.lower() for login in front.unassign}:
            return False
        assigned = {login.lower() for login in front.assign}
        return bot in assigned or self.writer.know(front.key).has_assignee(bot)

    def _label_id(self, repo_id: int, name: str) -> str:
        known = self.writer.memory.label_id(repo_id, name)
        if known is None:
            self.writer.create_label(repo_id, name)
            known = self.writer.memory.label_id(repo_id, name)
        if known is None:
            raise RetryLater(f"the label {name} was created, but GitHub does not show it yet")
        return known

    def _user_id(self, login: str) -> str | None:
        known = self.writer.memory.user_id(login)
        if known is None:
            try:
                known = self.writer.connection.get(f"/users/{quote(login)}").node.text("node_id")
            except Gone:
                return None
            self.writer.memory.keep_user(login, known)
        return known

    # -- reading the receipt --

    def _take_over(
        self, answer: GraphAnswer, plan: Plan, order: StageOrder, status: KnownComment | None
    ) -> Written:
        for error in answer.errors:
            self._judge(error, plan, answer.operation, order)
        times: list[datetime] = []
        status_id = status.id if status else None
        for alias, key in plan.targets.items():
            payload = answer.data.child(alias)
            if payload is None:
                continue
            node = payload.child("labelable") or payload.child("assignable") or payload.child("subject")
            if node is not None:
                times.append(self._refresh(key, node))
            if written := _written_comment(payload):
                status_id = written.number("databaseId")
                times.append(written.moment("updatedAt"))
                self._remember_status(key, written, str(plan.variables[f"{alias}Body"]))
        missing = self._find_missing(order)
        return Written(max(times, default=None), status_id, missing)

    def _judge(self, error: GraphError, plan: Plan, operation: str, order: StageOrder) -> None:
        alias = error.path[0] if error.path else ""
        if plan.what.get(alias) in {"assign", "unassign"}:
            LOG.warning("%s: GitHub did not change the assignees: %s", order.repo, error.message)
            return
        if error.kind == "NOT_FOUND":
            self.writer.memory.forget_labels(order.status_on.repo_id)
            raise RetryLater(
                f"{order.repo}: something that was there is gone, looking again: {error.message}"
            )
        raise explain_graphql(error.kind, error.message, operation)

    def _refresh(self, key: ItemKey, node: Node) -> datetime:
        known, fresh = self.writer.memory.items.get(key), parse_known(node, key)
        if known:
            fresh = replace(fresh, comments=known.comments, keys=known.keys, head=known.head, base=known.base)
        self.writer.memory.keep(fresh)
        return fresh.updated_at

    def _remember_status(self, on: ItemKey, written: Node, body: str) -> None:
        for known in self.writer.related(on):
            rest = tuple(c for c in known.comments if c.id != written.number("databaseId"))
            if len(rest) < len(known.comments) or known.key == on:
                self.writer.memory.keep(
                    replace(
                        known,
                        comments=(*rest, remember_comment(written, body)),
                        updated_at=max(known.updated_at, written.moment("updatedAt")),
                    )
                )
                return

    def _find_missing(self, order: StageOrder) -> tuple[str, ...]:
        missing: list[str] = []
        for item in filter(None, (order.issue, order.pull)):
            if known := self.writer.memory.items.get(item.key):
                missing += [login for login in item.assign if not known.has_assignee(login)]
        if missing:
            LOG.warning("%s: GitHub did not assign %s; do they have access?", order.repo, ", ".join(missing))
        return tuple(dict.fromkeys(missing))


def find_own_status(items: tuple[KnownItem, ...], instance: str, known_id: int | None) -> KnownComment | None:
    """The status comment that this instance may rewrite: never another instance's, whose claim may be written there."""
    status = [c for item in items for c in item.comments if c.notes.status_of is not None]
    own = [c for c in status if instance in {"", c.notes.status_of}]
    named = [c for c in own if c.id == known_id]
    return max(named or own, key=lambda c: (c.stamped_at, c.id), default=None)


def remember_comment(written: Node, body: str) -> KnownComment:
    """What is known of a comment that was just written."""
    return KnownComment(
        id=written.number("databaseId"),
        node_id=written.text("id"),
        notes=parse_markers(body),
        body=body,
        stamped_at=written.moment("updatedAt"),
    )


def _written_comment(payload: Node) -> Node | None:
    if edited := payload.child("issueComment"):
        return edited
    edge = payload.child("commentEdge")
    return edge.must("node") if edge else None
