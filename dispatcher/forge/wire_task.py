"""The snapshot query's answer to model: items, pull requests, comments, reviews, CI."""

from dataclasses import dataclass, replace

from dispatcher.core.model import (
    AssignEvent,
    Ci,
    Comment,
    Item,
    ItemKey,
    LabelEvent,
    Mergeable,
    Person,
    Pull,
    Review,
)
from dispatcher.forge.wire import Node, is_open, parse_person

_RED = frozenset({"FAILURE", "ERROR", "TIMED_OUT", "STARTUP_FAILURE", "ACTION_REQUIRED"})
"""Conclusions and states that are red; cancelled, skipped, neutral and stale are not."""
_WAITING = frozenset({"PENDING", "EXPECTED"})


@dataclass(frozen=True, slots=True)
class Place:
    """Where an item lies."""

    repo_id: int
    repo: str


def parse_item(node: Node, place: Place) -> Item:
    """An issue, or the issue side of a pull request, with its comments and events (newest hundred of each)."""
    editor, edited_at = node.child("editor"), node.moment_or_none("lastEditedAt")
    renamed = _parse_last_renaming(node)
    dependencies = node.child("issueDependenciesSummary")
    return Item(
        key=ItemKey(place.repo_id, node.number("number")),
        repo=place.repo,
        title=node.text("title", ""),
        body=node.text("body", ""),
        author=parse_person(node.child("author")),
        is_open=is_open(node),
        labels=frozenset(label.text("name") for label in node.nodes("labels")),
        assignees=tuple(parse_person(person) for person in node.nodes("assignees")),
        created_at=node.moment("createdAt"),
        updated_at=node.moment("updatedAt"),
        url=node.text("url", ""),
        blocked_by=dependencies.number("blockedBy", 0) if dependencies else 0,
        body_editor=parse_person(editor) if edited_at else None,
        body_edited_at=edited_at,
        title_editor=_actor(renamed) if renamed else None,
        title_edited_at=renamed.moment("createdAt") if renamed else None,
        comments=tuple(parse_comment(comment) for comment in node.nodes("comments")),
        label_events=_parse_label_events(node),
        assign_events=_parse_assign_events(node),
    )


def parse_comment(node: Node, kind: str = "comment") -> Comment:
    """A comment, a review's text (`kind` "review") or a review's line comment ("line")."""
    created_at = node.moment_or_none("createdAt") or node.moment("submittedAt")
    return Comment(
        id=node.number("databaseId"),
        author=parse_person(node.child("author")),
        body=node.text("body", ""),
        created_at=created_at,
        edited_at=node.moment_or_none("lastEditedAt"),
        kind=kind,
        path=node.text("path", ""),
        line=node.number("line") if node.fields.get("line") is not None else None,
        url=node.text("url", ""),
    )


def _parse_label_events(node: Node) -> tuple[LabelEvent, ...]:
    return tuple(
        LabelEvent(
            label=event.must("label").text("name"),
            actor=_actor(event),
            at=event.moment("createdAt"),
            added=event.text("__typename") == "LabeledEvent",
        )
        for event in node.nodes("timelineItems")
        if event.text("__typename") in {"LabeledEvent", "UnlabeledEvent"}
    )


def _parse_assign_events(node: Node) -> tuple[AssignEvent, ...]:
    return tuple(
        AssignEvent(
            assignee=parse_person(event.child("assignee")),
            actor=_actor(event),
            at=event.moment("createdAt"),
            added=event.text("__typename") == "AssignedEvent",
        )
        for event in node.nodes("timelineItems")
        if event.text("__typename") in {"AssignedEvent", "UnassignedEvent"}
    )


def _parse_last_renaming(node: Node) -> Node | None:
    """The event of the last change of the title; None if nobody changed it."""
    renamed = [e for e in node.nodes("timelineItems") if e.text("__typename") == "RenamedTitleEvent"]
    return max(renamed, key=lambda event: event.moment("createdAt"), default=None)


def _parse_review_requests(node: Node) -> tuple[AssignEvent, ...]:
    """Who asked whom for a review; teams are left out."""
    asked = [e for e in node.nodes("timelineItems") if e.text("__typename") == "ReviewRequestedEvent"]
    return tuple(
        AssignEvent(parse_person(reviewer), _actor(event), event.moment("createdAt"), added=True)
        for event in asked
        if (reviewer := event.child("requestedReviewer")) and "login" in reviewer.fields
    )


def _actor(event: Node) -> Person | None:
    actor = event.child("actor")
    return parse_person(actor) if actor else None


def parse_pull(node: Node, place: Place) -> Pull:
    """A pull request; its item carries issue comments, review texts and line comments, oldest first."""
    base = node.child("baseRef")
    ci, summary = _parse_ci(node)
    return Pull(
        item=_with_review_comments(parse_item(node, place), node),
        head=node.text("headRefOid"),
        branch=node.text("headRefName"),
        base=node.text("baseRefName"),
        base_head=base.must("target").text("oid") if base else node.text("baseRefOid", ""),
        same_repo=not node.flag("isCrossRepository"),
        is_draft=node.flag("isDraft"),
        is_merged=node.flag("merged"),
        mergeable=_parse_mergeable(node.text("mergeable", "UNKNOWN")),
        ci=ci,
        ci_summary=summary,
        reviews=tuple(_parse_reviews(node)),
        review_requested_from=tuple(
            parse_person(reviewer)
            for request in node.nodes("reviewRequests")
            if (reviewer := request.child("requestedReviewer")) and "login" in reviewer.fields
        ),
        review_requests=_parse_review_requests(node),
        closes=parse_closes(node, place.repo_id),
    )


def parse_closes(node: Node, repo_id: int) -> tuple[int, ...]:
    """The numbers of this repository's issues that a merge closes."""
    return tuple(
        issue.number("number")
        for issue in node.nodes("closingIssuesReferences")
        if issue.must("repository").number("databaseId") == repo_id
    )


def _with_review_comments(item: Item, node: Node) -> Item:
    texts = [parse_comment(review, "review") for review in _submitted(node) if review.text("body", "")]
    lines = [
        parse_comment(comment, "line")
        for thread in node.nodes("reviewThreads")
        for comment in thread.nodes("comments")
    ]
    both = sorted((*item.comments, *texts, *lines), key=lambda comment: comment.created_at)
    return replace(item, comments=tuple(both))


def _submitted(node: Node) -> list[Node]:
    """Reviews without those that are still being written (only their author sees them)."""
    return [review for review in node.nodes("reviews") if review.fields.get("submittedAt") is not None]


def _parse_reviews(node: Node) -> list[Review]:
    found: list[Review] = []
    for review in _submitted(node):
        commit = review.child("commit")
        found.append(
            Review(
                id=review.number("databaseId"),
                author=parse_person(review.child("author")),
                state=review.text("state"),
                body=review.text("body", ""),
                head=commit.text("oid") if commit else "",
                submitted_at=review.moment("submittedAt"),
            )
        )
    return found


def _parse_mergeable(word: str) -> Mergeable:
    return {"MERGEABLE": Mergeable.CLEAN, "CONFLICTING": Mergeable.CONFLICTING}.get(word, Mergeable.UNKNOWN)


def _parse_ci(node: Node) -> tuple[Ci, str]:
    """The CI of the newest commit and, when red, the names of what is red. Pending beats red: it has not settled."""
    commits = node.nodes("commits")
    rollup = commits[-1].must("commit").child("statusCheckRollup") if commits else None
    if rollup is None:
        return Ci.NONE, ""
    results = [(_check_name(check), _check_result(check)) for check in rollup.nodes("contexts")]
    total = rollup.must("contexts").number("totalCount", len(results))
    if total > len(results):  # more checks than one page shows: GitHub's own sum speaks for the rest
        results.append(("the other checks", rollup.text("state")))
    red = [f"{name}: {result.lower().replace('_', ' ')}" for name, result in results if result in _RED]
    if any(result in _WAITING for _, result in results):
        return Ci.PENDING, ""
    if red:
        return Ci.RED, ", ".join(red)
    return (Ci.GREEN, "") if results else (Ci.NONE, "")


def _check_name(check: Node) -> str:
    return check.text("name", "") or check.text("context", "check")


def _check_result(check: Node) -> str:
    if check.text("__typename") == "StatusContext":
        return check.text("state")
    return check.text("conclusion", "") or "NEUTRAL" if check.text("status") == "COMPLETED" else "PENDING"
