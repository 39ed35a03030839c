"""What GraphQL hands from field to field: model records together with the thing they hang on, ids, and connections."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from graphql import GraphQLError

from dispatcher.simulator.access import Caller, can_see
from dispatcher.simulator.model import (
    Account,
    AccountKind,
    CheckRun,
    Comment,
    Event,
    EventKind,
    Issue,
    Label,
    LineComment,
    Repo,
    Review,
    Status,
    Team,
)
from dispatcher.simulator.quota import Window
from dispatcher.simulator.render import Render
from dispatcher.simulator.world import World


@dataclass(frozen=True, slots=True)
class At:
    """Where a field is resolved: the world, who asks, what is left of the limit, what was answered already."""

    world: World
    caller: Caller
    show: Render
    window: Window
    mergeable: dict[int, bool | None] = field(default_factory=dict)


Arguments = dict[str, Any]
Resolve = Callable[[Any, At, Arguments], Any]
Fields = dict[str, Resolve]


@dataclass(frozen=True, slots=True)
class LabelAt:
    """A label of a repository."""

    repo: Repo
    label: Label


@dataclass(frozen=True, slots=True)
class CommentAt:
    """A comment of an issue."""

    issue: Issue
    comment: Comment


@dataclass(frozen=True, slots=True)
class ReviewAt:
    """A review of a pull request."""

    issue: Issue
    review: Review


@dataclass(frozen=True, slots=True)
class LineCommentAt:
    """A line comment of a pull request."""

    issue: Issue
    comment: LineComment


@dataclass(frozen=True, slots=True)
class ThreadAt:
    """A line comment with its answers."""

    issue: Issue
    comments: tuple[LineComment, ...]


@dataclass(frozen=True, slots=True)
class EventAt:
    """An event of a timeline."""

    issue: Issue
    event: Event


@dataclass(frozen=True, slots=True)
class CommitAt:
    """A commit of a repository."""

    repo: Repo
    sha: str


@dataclass(frozen=True, slots=True)
class PullCommitAt:
    """A commit as part of a pull request."""

    issue: Issue
    commit: CommitAt


@dataclass(frozen=True, slots=True)
class RefAt:
    """A branch."""

    repo: Repo
    name: str
    sha: str


@dataclass(frozen=True, slots=True)
class RequestAt:
    """A request for a review."""

    issue: Issue
    reviewer: Account | Team


EVENT_TYPES = {
    EventKind.LABELED: "LabeledEvent",
    EventKind.UNLABELED: "UnlabeledEvent",
    EventKind.ASSIGNED: "AssignedEvent",
    EventKind.UNASSIGNED: "UnassignedEvent",
    EventKind.CLOSED: "ClosedEvent",
    EventKind.REOPENED: "ReopenedEvent",
    EventKind.MERGED: "MergedEvent",
    EventKind.RENAMED: "RenamedTitleEvent",
    EventKind.REVIEW_REQUESTED: "ReviewRequestedEvent",
    EventKind.REVIEW_REQUEST_REMOVED: "ReviewRequestRemovedEvent",
    EventKind.READY_FOR_REVIEW: "ReadyForReviewEvent",
    EventKind.CONVERTED_TO_DRAFT: "ConvertToDraftEvent",
    EventKind.HEAD_FORCE_PUSHED: "HeadRefForcePushedEvent",
    EventKind.HEAD_DELETED: "HeadRefDeletedEvent",
    EventKind.MENTIONED: "MentionedEvent",
}
_PLAIN_TYPES: dict[type, str] = {
    Repo: "Repository",
    Team: "Team",
    LabelAt: "Label",
    CommentAt: "IssueComment",
    ReviewAt: "PullRequestReview",
    LineCommentAt: "PullRequestReviewComment",
    ThreadAt: "PullRequestReviewThread",
    CommitAt: "Commit",
    PullCommitAt: "PullRequestCommit",
    RefAt: "Ref",
    RequestAt: "ReviewRequest",
    CheckRun: "CheckRun",
    Status: "StatusContext",
}
_ACCOUNT_TYPES = {AccountKind.USER: "User", AccountKind.BOT: "Bot", AccountKind.ORGANIZATION: "Organization"}


def type_name(source: object) -> str:
    """Name the GraphQL type of a record, for interfaces and unions."""
    if isinstance(source, Issue):
        return "Issue" if source.pull is None else "PullRequest"
    if isinstance(source, Account):
        return _ACCOUNT_TYPES[source.kind]
    if isinstance(source, EventAt):
        return EVENT_TYPES[source.event.kind]
    return _PLAIN_TYPES[type(source)]


def failure(kind: str, message: str) -> GraphQLError:
    """Make an error whose `type` GitHub would send beside the message."""
    return GraphQLError(message, extensions={"type": kind})


def connect(name: str, found: Sequence[Any], asked: Arguments) -> dict[str, Any]:
    """Cut a connection's page out of everything: first/after, last/before; raises as GitHub when neither is given."""
    first, last = asked.get("first"), asked.get("last")
    if first is None and last is None:
        text = f"You must provide a `first` or `last` value to properly paginate the `{name}` connection."
        raise failure("MISSING_PAGINATION_BOUNDARIES", text)
    size = first if first is not None else last
    if not 0 <= (size or 0) <= 100:
        text = f"Requesting {size} records on the `{name}` connection exceeds the limit of 100 records."
        raise failure("EXCESSIVE_PAGINATION", text)
    start = _position(asked.get("after"), -1) + 1
    stop = _position(asked.get("before"), len(found))
    if first is not None:
        stop = min(stop, start + first)
    elif last is not None:
        start = max(start, stop - last)
    nodes = list(found[start:stop])
    return {
        "nodes": nodes,
        "edges": [{"cursor": _cursor(start + index), "node": node} for index, node in enumerate(nodes)],
        "totalCount": len(found),
        "filteredCount": len(found),
        "issueCount": len(found),
        "pageInfo": {
            "startCursor": _cursor(start) if nodes else None,
            "endCursor": _cursor(start + len(nodes) - 1) if nodes else None,
            "hasNextPage": stop < len(found),
            "hasPreviousPage": start > 0,
        },
    }


def _cursor(index: int) -> str:
    return f"cursor:{index}"


def _position(cursor: str | None, default: int) -> int:
    if cursor is None:
        return default
    head, _, number = cursor.partition(":")
    if head != "cursor" or not number.isdigit():
        raise failure("INVALID_CURSOR_ARGUMENTS", f"`{cursor}` does not appear to be a valid cursor.")
    return int(number)


def find_node(at: At, node_id: str) -> Any:
    """Find a record by its GraphQL id, among what the caller sees; raises NOT_FOUND."""
    prefix, _, number = node_id.rpartition("_")
    found = _FINDERS[prefix](at, int(number)) if prefix in _FINDERS and number.isdigit() else None
    if found is None:
        raise failure("NOT_FOUND", f"Could not resolve to a node with the global id of '{node_id}'")
    return found


def _visible_repos(at: At) -> list[Repo]:
    return [repo for repo in at.world.repos.values() if can_see(at.world, at.caller, repo)]


def _find_repo(at: At, repo_id: int) -> Repo | None:
    return next((repo for repo in _visible_repos(at) if repo.id == repo_id), None)


def _find_issue(at: At, issue_id: int) -> Issue | None:
    issue = at.world.issue_by_id(issue_id)
    return issue if issue is not None and _find_repo(at, issue.repo_id) is not None else None


def _find_comment(at: At, comment_id: int) -> CommentAt | None:
    every = (CommentAt(i, c) for repo in _visible_repos(at) for i in repo.issues.values() for c in i.comments)
    return next((found for found in every if found.comment.id == comment_id), None)


def _find_label(at: At, label_id: int) -> LabelAt | None:
    every = (LabelAt(repo, label) for repo in _visible_repos(at) for label in repo.labels.values())
    return next((found for found in every if found.label.id == label_id), None)


def _find_review(at: At, review_id: int) -> ReviewAt | None:
    issues = (issue for repo in _visible_repos(at) for issue in repo.issues.values())
    every = (ReviewAt(issue, r) for issue in issues if issue.pull is not None for r in issue.pull.reviews)
    return next((found for found in every if found.review.id == review_id), None)


def _find_account(at: At, account_id: int) -> Account | None:
    return at.world.accounts.get(account_id)


_FINDERS: dict[str, Callable[[At, int], Any]] = {
    "R": _find_repo,
    "I": _find_issue,
    "PR": _find_issue,
    "IC": _find_comment,
    "LA": _find_label,
    "PRR": _find_review,
    "U": _find_account,
    "BOT": _find_account,
    "O": _find_account,
}
