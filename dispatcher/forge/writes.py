"""Comments, reviews, pull requests and labels: writes that carry a key and are looked up before they are sent again."""

import logging
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from urllib.parse import quote

from dispatcher.core.errors import NeedsPerson, RetryLater
from dispatcher.core.markers import parse_markers, render_key_marker, seal
from dispatcher.core.model import Finding, ItemKey
from dispatcher.forge.client import Connection
from dispatcher.forge.diff import parse_new_lines, split_findings
from dispatcher.forge.known import KnownItem, Memory
from dispatcher.forge.refusals import Moved, Refused
from dispatcher.forge.snapshot import Reader
from dispatcher.forge.wire import Node
from dispatcher.ports import OpenedPull, PullOrder, Repo, ReviewOrder, Written

LOG = logging.getLogger(__name__)
_LABEL_PAGES = 50
_PLAIN_COLOUR = "ededed"


@dataclass(slots=True)
class Writer:
    """Writes over REST, each with the look that makes a second sending harmless."""

    connection: Connection
    memory: Memory
    reader: Reader

    def know(self, key: ItemKey) -> KnownItem:
        """The last known state of an item; read now when nothing is known."""
        if key not in self.memory.items:
            self.reader.fetch_item(key)
        known = self.memory.items.get(key)
        if known is None:
            raise RetryLater(f"{key} was read, but GitHub's answer did not contain it")
        return known

    def related(self, key: ItemKey) -> tuple[KnownItem, ...]:
        """What is known of all items of the task that this item belongs to."""
        numbers = self.memory.numbers.get(key)
        wanted = {key.number} | ({numbers.key, numbers.pull or numbers.key} if numbers else set())
        keys = (ItemKey(key.repo_id, number) for number in sorted(wanted))
        return tuple(item for k in keys if (item := self.memory.items.get(k)))

    @contextmanager
    def careful(self, *keys: ItemKey) -> Iterator[None]:
        """When a write fails, forget what is known of these items, so that the next attempt looks first."""
        try:
            yield
        except Exception:
            self.memory.forget(*keys)
            raise

    # -- comments --

    def post_comment(self, item: ItemKey, text: str, key: str) -> Written:
        """Post one comment, unless one with this key is there."""
        known = self.know(item)
        if key in known.keys:
            return Written(known.updated_at)
        path = f"/repositories/{item.repo_id}/issues/{item.number}/comments"
        with self.careful(item):
            answer = self.connection.write(
                "POST", path, {"body": seal(text, render_key_marker(key))}, safe_to_repeat=False
            ).node
            _assert_id(answer, "comment")
            return self._written(known, key, answer.moment("created_at"))

    # -- reviews --

    def post_review(self, order: ReviewOrder) -> Written:
        """Post one COMMENT review on exactly `order.head`; findings outside its diff go into the body."""
        known = self.know(order.item)
        if order.key in known.keys:
            return Written(known.updated_at)
        inside, outside = self._sort_findings(order, known)
        with self.careful(order.item):
            try:
                answer = self._send_review(order, inside, outside)
            except Refused as error:
                answer = self._send_again(order, (inside, outside), error)
            _assert_id(answer, "review")
            submitted_at = answer.moment_or_none("submitted_at")
            return self._written(known, order.key, submitted_at or known.updated_at)

    def _sort_findings(
        self, order: ReviewOrder, known: KnownItem
    ) -> tuple[tuple[Finding, ...], tuple[Finding, ...]]:
        with_line = tuple(finding for finding in order.findings if finding.path and finding.line)
        if not with_line:
            return (), ()
        return split_findings(with_line, self._fetch_diff_lines(order, known))

    def _fetch_diff_lines(self, order: ReviewOrder, known: KnownItem) -> dict[str, frozenset[int]]:
        """Of exactly this commit: the comparison of merge base and head is what the pull request's diff is made of."""
        base = known.base or self._fetch_base(order.item)
        path = f"/repositories/{order.item.repo_id}/compare/{quote(base, safe='/')}...{order.head}"
        files = self.connection.get(path).node.children("files")
        return {file.text("filename"): parse_new_lines(file.text("patch", "")) for file in files}

    def _fetch_base(self, item: ItemKey) -> str:
        answer = self.connection.get(f"/repositories/{item.repo_id}/pulls/{item.number}").node
        return answer.must("base").text("ref")

    def _send_review(
        self, order: ReviewOrder, inside: tuple[Finding, ...], outside: tuple[Finding, ...]
    ) -> Node:
        payload = {
            "commit_id": order.head,
            "event": "COMMENT",
            "body": seal(_body_with(order.body, outside), render_key_marker(order.key)),
            "comments": [
                {
                    "path": finding.path,
                    "line": finding.line,
                    "side": "RIGHT",
                    "body": seal(_words_of(finding)),
                }
                for finding in inside
            ],
        }
        path = f"/repositories/{order.item.repo_id}/pulls/{order.item.number}/reviews"
        return self.connection.write("POST", path, payload, safe_to_repeat=False).node

    def _send_again(
        self, order: ReviewOrder, findings: tuple[tuple[Finding, ...], tuple[Finding, ...]], error: Refused
    ) -> Node:
        """GitHub refused: a half-written review of ours is in the way, or a line is bad and it does not say which."""
        inside, outside = findings
        if self._drop_pending_review(order.item):
            try:
                return self._send_review(order, inside, outside)
            except Refused as second:
                error = second
        if not inside:
            raise error
        LOG.warning(
            "%s#%s: review lines refused, posted in the body: %s", order.repo, order.item.number, error
        )
        return self._send_review(order, (), (*inside, *outside))

    def _drop_pending_review(self, item: ItemKey) -> bool:
        path = f"/repositories/{item.repo_id}/pulls/{item.number}/reviews"
        bot_id = self.reader.identity().id
        for review in self.connection.get(path, {"per_page": "100"}).nodes:
            author = review.child("user")
            if review.text("state", "") == "PENDING" and author and author.number("id") == bot_id:
                number = review.number("id")
                self.connection.write("DELETE", f"{path}/{number}", None, safe_to_repeat=True)
                return True
        return False

    # -- pull requests --

    def open_pull(self, order: PullOrder) -> OpenedPull:
        """Open the pull request, unless it is there: it was opened before an answer got lost, and a person may have closed or
        merged it since. GitHub itself refuses a second open one for a branch, and then it is looked up.
        """
        place = self._place_of(order.repo)
        if found := self._find_pull(place, order):
            return self._opened(found)
        payload = {
            "title": order.title,
            "head": order.branch,
            "base": order.base,
            "body": seal(order.body, render_key_marker(order.key)),
        }
        try:
            answer = self.connection.write("POST", f"{place}/pulls", payload, safe_to_repeat=False).node
        except Refused as error:
            if not error.mentions("already exists"):
                raise
            answer = self._find_open_pull(place, order)
        except Moved:
            raise RetryLater(f"{order.repo} was renamed while the pull request was opened") from None
        return self._opened(answer)

    def _place_of(self, repo: str) -> str:
        """The repository's path by number; asked for by name once when it was never seen (a GET follows a rename)."""
        repo_id = self.memory.find_repo_id(repo)
        if repo_id is None:
            repo_id = self.connection.get(f"/repos/{repo}").node.number("id")
            self.memory.keep_repo(repo_id, repo)
        return f"/repositories/{repo_id}"

    def _find_pull(self, place: str, order: PullOrder) -> Node | None:
        """What this very order opened, in whatever state it is by now; else the open one of the branch.

        One that an earlier order opened for the branch and that is over is no matter: somebody asked again.
        """
        owner, bot_id = order.repo.partition("/")[0], self.reader.identity().id
        params = {"state": "all", "per_page": "100", "head": f"{owner}:{order.branch}"}
        pulls = [
            pull
            for pull in self.connection.get(f"{place}/pulls", params).nodes
            if pull.must("head").text("ref") == order.branch
        ]
        ours = [
            pull
            for pull in pulls
            if (author := pull.child("user"))
            and author.number("id") == bot_id
            and order.key in parse_markers(pull.text("body", "")).keys
        ]
        still_open = [pull for pull in pulls if pull.text("state", "") == "open"]
        return next(iter([*ours, *still_open]), None)

    def _find_open_pull(self, place: str, order: PullOrder) -> Node:
        owner = order.repo.partition("/")[0]
        every_open = {"state": "open", "per_page": "100"}
        for params in (every_open | {"head": f"{owner}:{order.branch}"}, every_open):
            for pull in self.connection.get(f"{place}/pulls", params).nodes:
                if pull.must("head").text("ref") == order.branch:
                    return pull
        raise RetryLater(f"{order.repo}: GitHub says that {order.branch} has a pull request, but lists none")

    def _opened(self, answer: Node) -> OpenedPull:
        number, head, base = answer.number("number", 0), answer.must("head"), answer.must("base")
        if not number:
            raise RetryLater("GitHub answered to a new pull request without its number")
        repo_id = base.must("repo").number("id")
        key = ItemKey(repo_id, number)
        if not answer.children("labels") and not answer.children("assignees"):
            self.memory.keep(
                KnownItem(
                    key=key,
                    node_id=answer.text("node_id"),
                    is_open=answer.text("state") == "open",
                    labels=(),
                    assignees=(),
                    updated_at=answer.moment("updated_at"),
                    head=head.text("sha"),
                    base=base.text("ref"),
                )
            )
        return OpenedPull(number, head.text("sha"), answer.moment_or_none("updated_at"))

    # -- labels --

    def create_labels(self, repo: Repo, also: Collection[str] = ()) -> tuple[str, ...]:
        """Create the labels that are missing, ours and others that are wanted; returns their names."""
        names = repo.rules.labels
        colours = {getattr(names, field): colour for field, colour in names.colours}
        missing = self.missing_labels(repo, also)
        return tuple(
            name for name in missing if self.create_label(repo.id, name, colours.get(name, _PLAIN_COLOUR))
        )

    def missing_labels(self, repo: Repo, also: Collection[str] = ()) -> tuple[str, ...]:
        """The names of ours, and of others that are wanted, that the repository lacks."""
        there: set[str] = set()
        page, link = 1, 'rel="next"'
        while 'rel="next"' in link and page <= _LABEL_PAGES:
            answer = self.connection.get(
                f"/repositories/{repo.id}/labels", {"per_page": "100", "page": str(page)}
            )
            for label in answer.nodes:
                there.add(label.text("name").lower())
                self.memory.keep_label(repo.id, label.text("name"), label.text("node_id"))
            page, link = page + 1, answer.headers.get("link", "")
        return tuple(sorted(name for name in {*repo.rules.labels.ours, *also} if name.lower() not in there))

    def create_label(self, repo_id: int, name: str, colour: str = _PLAIN_COLOUR) -> bool:
        """Create one label; False when it was there already."""
        try:
            answer = self.connection.write(
                "POST",
                f"/repositories/{repo_id}/labels",
                {"name": name, "color": colour},
                safe_to_repeat=True,
            ).node
        except Refused as error:
            if not error.mentions("already_exists"):
                raise
            self._look_up_label(repo_id, name)
            return False
        _assert_id(answer, "label")
        self.memory.keep_label(repo_id, name, answer.text("node_id"))
        return True

    def _look_up_label(self, repo_id: int, name: str) -> None:
        label = self.connection.get(f"/repositories/{repo_id}/labels/{quote(name, safe='')}").node
        self.memory.keep_label(repo_id, label.text("name"), label.text("node_id"))

    def _written(self, known: KnownItem, key: str, at: datetime) -> Written:
        newest = max(known.updated_at, at)
        self.memory.keep(replace(known, keys=known.keys | {key}, updated_at=newest))
        return Written(newest)


def _assert_id(answer: Node, what: str) -> None:
    """A redirected POST answers without an id and has done nothing."""
    if not answer.number("id", 0):
        raise NeedsPerson(f"GitHub answered to a new {what} without its number; nothing was posted.")


def _words_of(finding: Finding) -> str:
    return f"**{finding.severity}**: {finding.text}" if finding.severity else finding.text


def _body_with(body: str, findings: tuple[Finding, ...]) -> str:
    """The review's text, with the findings whose line is not in the diff below it."""
    # A path that an agent made up must not end the code in which it stands.
    rows = [
        f"- `{finding.path.replace('`', chr(39))}:{finding.line}` {_words_of(finding)}"
        for finding in findings
    ]
    return "\n".join([body, "", *rows])
