"""Reading one task: one GraphQL query, and more only for threads of over a hundred comments."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

from dispatcher.core.errors import Gone, RetryLater
from dispatcher.core.markers import parse_markers
from dispatcher.core.model import ClaimMarker, Item, ItemKey, Person, Pull, Snapshot
from dispatcher.forge import graphql
from dispatcher.forge.client import Connection, GraphAnswer
from dispatcher.forge.known import KnownComment, KnownItem, Memory, Numbers
from dispatcher.forge.permissions import Permissions
from dispatcher.forge.refusals import Refused, explain_graphql
from dispatcher.forge.wire import Node, is_open, parse_person
from dispatcher.forge.wire_task import Place, parse_closes, parse_comment, parse_item, parse_pull

LOG = logging.getLogger(__name__)
COMMENT_PAGES = 20
"""How many further pages of a hundred comments are read at most."""
_DEPENDENCIES = "issueDependenciesSummary"


@dataclass(slots=True)
class Reader:
    """Asks for tasks and remembers what writing to them will need."""

    connection: Connection
    memory: Memory
    permissions: Permissions
    identity: Callable[[], Person]
    instance: str = ""
    knows_dependencies: bool = True

    def fetch(self, repo_id: int, numbers: Numbers) -> Snapshot:
        """Read a task; its pull request is looked for when `numbers` does not name one. Raises Gone."""
        repository = self._fetch_repository(repo_id, numbers)
        if numbers.pull is None and (found := self._find_pull(repository, numbers.key)):
            numbers = Numbers(numbers.key, found)
            repository = self._fetch_repository(repo_id, numbers)
        return self.read(repository, numbers)

    def fetch_item(self, key: ItemKey) -> Snapshot:
        """Read the task that an item belongs to, when all that is known is the item."""
        known = self.memory.numbers.get(key)
        snapshot = self.fetch(key.repo_id, known or Numbers(key.number))
        issue_number = _issue_of_branch(snapshot.pull, self.identity()) if snapshot.issue is None else None
        if known is None and issue_number is not None:
            return self.fetch(key.repo_id, Numbers(issue_number, key.number))
        return snapshot

    def variables(self, repo_id: int, numbers: Numbers) -> dict[str, object]:
        """What the fragment `TaskParts` needs, besides the repository itself."""
        names = self.memory.label_names.get(repo_id, ())
        return {
            "number": numbers.key,
            "pull": numbers.pull or 0,
            "withPull": numbers.pull is not None,
            "findPull": numbers.pull is None,
            "withPeople": self.permissions.wants_warming(repo_id),
        } | {f"label{i}": name for i, name in enumerate(names)}

    def text(self, build: "Callable[..., str]", repo_id: int) -> str:
        """A query or mutation with this repository's label names."""
        names = self.memory.label_names.get(repo_id, ())
        return build(names, with_dependencies=self.knows_dependencies)

    def read(self, repository: Node, numbers: Numbers) -> Snapshot:
        """A snapshot out of the repository's part of an answer; remembers ids and rights on the way."""
        repo_id = repository.number("databaseId")
        place = Place(repo_id, repository.text("nameWithOwner"))
        self._remember_repository(repository, repo_id)
        found = repository.child("item")
        if found is None:
            raise Gone(f"{place.repo}#{numbers.key} is not there.", "Was it deleted, moved or converted?")
        issue, pull = None, None
        items = [found]
        if found.text("__typename") == "PullRequest":
            pull = self._read_pull(found, place)
        else:
            issue = self._read_item(found, place)
        if extra := repository.child("pull"):
            pull = self._read_pull(extra, place)
            items.append(extra)
        number = pull.item.key.number if pull and issue else None
        self.memory.keep_numbers(repo_id, Numbers(numbers.key, number))
        return self._with_markers(Snapshot(issue, pull), items, repo_id)

    # -- asking --

    def _fetch_repository(self, repo_id: int, numbers: Numbers) -> Node:
        found = self._fetch_by_name(repo_id, numbers, self._repo_name(repo_id))
        if found is None:  # renamed, and somebody else has the old name: the number knows the new one
            name = self._fetch_repo_name(repo_id)
            found = self._fetch_by_name(repo_id, numbers, name)
            if found is None:
                raise Gone(f"{name} is not the repository {repo_id} any more.", "Correct the configuration.")
        return found

    def _fetch_by_name(self, repo_id: int, numbers: Numbers, name: str) -> Node | None:
        owner, _, short = name.partition("/")
        answer = self._ask(repo_id, self.variables(repo_id, numbers) | {"owner": owner, "name": short})
        repository = answer.data.child("repository")
        if repository is None and any(error.kind != "NOT_FOUND" for error in answer.errors):
            answer.raise_first()
        if repository is None or repository.number("databaseId") != repo_id:
            return None
        self._tolerate(answer, repository)
        return repository

    def _ask(self, repo_id: int, variables: dict[str, object]) -> GraphAnswer:
        try:
            return self.connection.query("Snapshot", self.text(graphql.snapshot_query, repo_id), variables)
        except Refused as error:
            if not self.lost_dependencies(error):
                raise
            return self.connection.query("Snapshot", self.text(graphql.snapshot_query, repo_id), variables)

    def lost_dependencies(self, error: Refused) -> bool:
        """Whether this server does not know issue dependencies; from now on they are not asked for."""
        if not self.knows_dependencies or not error.mentions(_DEPENDENCIES):
            return False
        self.knows_dependencies = False
        return True

    def _repo_name(self, repo_id: int) -> str:
        return self.memory.repo_names.get(repo_id) or self._fetch_repo_name(repo_id)

    def _fetch_repo_name(self, repo_id: int) -> str:
        name = self.connection.get(f"/repositories/{repo_id}").node.text("full_name")
        self.memory.keep_repo(repo_id, name)
        return name

    def _tolerate(self, answer: GraphAnswer, repository: Node) -> None:
        """Let errors on parts pass that the task can do without: the list of collaborators, a missing item."""
        for error in answer.errors:
            if "collaborators" in error.path:  # without push access; people are asked for one by one then
                self.permissions.warm(repository.number("databaseId"), ())
                continue
            if error.kind == "NOT_FOUND":
                continue
            if repository.child("item") is None or not error.path:
                raise explain_graphql(error.kind, error.message, answer.operation)
            raise RetryLater(f"GitHub's answer to {answer.operation} is not complete: {error.message}")

    def _find_pull(self, repository: Node, number: int) -> int | None:
        """The bot's own open pull request for this issue: by its branch, else because it says that it closes it."""
        item, bot, repo_id = repository.child("item"), self.identity(), repository.number("databaseId")
        if item is None or item.text("__typename") == "PullRequest":
            return None
        ours = [
            pull
            for pull in repository.nodes("open")
            if parse_person(pull.child("author")).id == bot.id and not pull.flag("isCrossRepository")
        ]
        by_branch = [pull for pull in ours if pull.text("headRefName").startswith(f"bot/{number}-")]
        by_words = [pull for pull in ours if number in parse_closes(pull, repo_id)]
        chosen = next(iter([*by_branch, *by_words]), None)
        return chosen.number("number") if chosen else None

    # -- remembering --

    def _remember_repository(self, repository: Node, repo_id: int) -> None:
        self.memory.keep_repo(repo_id, repository.text("nameWithOwner"))
        for name, label in repository.subs():
            if name.startswith("label") and name != "labels":
                self.memory.keep_label(repo_id, label.text("name"), label.text("id"))
        if people := repository.child("collaborators"):
            self.permissions.warm(repo_id, people.children("edges"))

    def _read_item(self, node: Node, place: Place) -> Item:
        return self._with_older_comments(node, parse_item(node, place))

    def _read_pull(self, node: Node, place: Place) -> Pull:
        pull = parse_pull(node, place)
        return replace(pull, item=self._with_older_comments(node, pull.item))

    def _with_older_comments(self, node: Node, item: Item) -> Item:
        page, older = node.must("comments", "pageInfo"), list[Node]()
        for _ in range(COMMENT_PAGES):
            if not page.flag("hasPreviousPage"):
                break
            variables = {"id": node.text("id"), "before": page.text("startCursor")}
            answer = self.connection.query("Comments", graphql.COMMENTS_QUERY, variables)
            answer.raise_first()
            comments = answer.data.must("node", "comments")
            older = [*comments.children("nodes"), *older]
            page = comments.must("pageInfo")
        self._keep(node, item, older)
        return replace(item, comments=(*map(parse_comment, older), *item.comments)) if older else item

    def _keep(self, node: Node, item: Item, older: list[Node]) -> None:
        comments = [*older, *node.nodes("comments")]
        bodies = [*comments, *node.nodes("reviews")]
        bot_id = self.identity().id
        ours = [body for body in bodies if parse_person(body.child("author")).id == bot_id]
        keys = (parse_markers(body.text("body", "")).keys for body in ours)
        for person in (
            node.child("author"),
            *(event.child("actor") for event in node.nodes("timelineItems")),
        ):
            if person and person.text("id", ""):
                self.memory.keep_user(person.text("login"), person.text("id"))
        self.memory.keep(
            replace(
                parse_known(node, item.key),
                comments=tuple(_known_comment(body) for body in ours if "id" in body.fields),
                keys=frozenset[str]().union(*keys),
                head=node.text("headRefOid", ""),
                base=node.text("baseRefName", ""),
            )
        )

    def _with_markers(self, snapshot: Snapshot, nodes: list[Node], repo_id: int) -> Snapshot:
        bot_id = self.identity().id
        comments = [
            comment
            for node in nodes
            if (known := self.memory.items.get(ItemKey(repo_id, node.number("number"))))
            for comment in known.comments
        ]
        markers = tuple(
            ClaimMarker(
                instance=comment.notes.claim.instance,
                run_id=comment.notes.claim.run_id,
                expires_at=comment.notes.claim.expires_at,
                comment_id=comment.id,
                created_at=comment.stamped_at,
                by_id=bot_id,
            )
            for comment in comments
            if comment.notes.claim
        )
        status = choose_status_comment(tuple(comments), self.instance)
        return replace(snapshot, markers=markers, status_comment_id=status.id if status else None)


def choose_status_comment(comments: tuple[KnownComment, ...], instance: str) -> KnownComment | None:
    """Our own status comment: the newest of this instance, else (to know that the item is the bot's) of any."""
    status = [comment for comment in comments if comment.notes.status_of is not None]
    own = [comment for comment in status if instance in {"", comment.notes.status_of}]
    return max(own or status, key=lambda comment: (comment.stamped_at, comment.id), default=None)


def parse_known(node: Node, key: ItemKey) -> KnownItem:
    """The writable side of an item out of a snapshot or a mutation's payload."""
    return KnownItem(
        key=key,
        node_id=node.text("id"),
        is_open=is_open(node),
        labels=tuple((label.text("name"), label.text("id")) for label in node.nodes("labels")),
        assignees=tuple((parse_person(who), who.text("id")) for who in node.nodes("assignees")),
        updated_at=node.moment("updatedAt"),
    )


def _known_comment(node: Node) -> KnownComment:
    body = node.text("body", "")
    return KnownComment(
        id=node.number("databaseId"),
        node_id=node.text("id"),
        notes=parse_markers(body),
        body=body,
        stamped_at=node.moment_or_none("lastEditedAt") or node.moment("createdAt"),
    )


def _issue_of_branch(pull: Pull | None, bot: Person) -> int | None:
    """The issue that a branch of ours names (`bot/7-fix-it` -> 7)."""
    if pull is None or pull.item.author.id != bot.id or not pull.branch.startswith("bot/"):
        return None
    digits = pull.branch.removeprefix("bot/").partition("-")[0]
    return int(digits) if digits.isdecimal() and digits.isascii() and len(digits) < 12 else None
