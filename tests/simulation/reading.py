"""The simulator's records as the values that the rules see: what the snapshot query's answer becomes."""

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from dispatcher.core.markers import Notes, parse_markers
from dispatcher.core.model import (
    AssignEvent,
    Ci,
    Comment,
    Item,
    ItemKey,
    ItemSummary,
    LabelEvent,
    Mergeable,
    Permission,
    Person,
    Pull,
    Review,
)
from dispatcher.simulator import model, pulls
from dispatcher.simulator.access import level_of
from dispatcher.simulator.model import EventKind
from dispatcher.simulator.world import World

read_markers = lru_cache(maxsize=8192)(parse_markers)

_PERMISSIONS = dict(zip(model.Level, Permission, strict=True))
_MERGEABLE = {None: Mergeable.UNKNOWN, True: Mergeable.CLEAN, False: Mergeable.CONFLICTING}


@dataclass(frozen=True, slots=True)
class OwnComment:
    """A comment or review of the bot, with the markers at its end."""

    id: int
    body: str
    notes: Notes
    stamped_at: datetime


def key_of(issue: model.Issue) -> ItemKey:
    return ItemKey(issue.repo_id, issue.number)


def person_of(world: World, account_id: int | None) -> Person:
    account = world.accounts.get(account_id or 0)
    if account is None:
        return Person(0, "ghost")
    return Person(account.id, account.login, is_bot=account.kind is model.AccountKind.BOT)


def permission_of(world: World, person: Person, repo: model.Repo) -> Permission:
    account = world.accounts.get(person.id)
    return Permission.NONE if account is None else _PERMISSIONS[level_of(world, account, repo)]


def label_names(issue: model.Issue) -> frozenset[str]:
    return frozenset(label.name for label in issue.labels.values())


def assignees(world: World, issue: model.Issue) -> tuple[Person, ...]:
    return tuple(person_of(world, account_id) for account_id in issue.assignee_ids)


def summary_of(world: World, issue: model.Issue) -> ItemSummary:
    return ItemSummary(
        key=key_of(issue),
        repo=world.full_name(world.repos[issue.repo_id]),
        is_pull=issue.pull is not None,
        title=issue.title,
        author=person_of(world, issue.author_id),
        state="open" if issue.is_open else "closed",
        labels=label_names(issue),
        assignees=assignees(world, issue),
        updated_at=issue.updated_at,
        blocked_by=_open_blockers(world, issue),
    )


def item_of(world: World, issue: model.Issue) -> Item:
    label_events: list[LabelEvent] = []
    assign_events: list[AssignEvent] = []
    for event in issue.events[-300:]:
        if event.label is not None:
            added = event.kind is EventKind.LABELED
            label_events.append(
                LabelEvent(event.label.name, person_of(world, event.actor_id), event.at, added)
            )
        elif event.kind in {EventKind.ASSIGNED, EventKind.UNASSIGNED}:
            who, actor = person_of(world, event.subject_id), person_of(world, event.actor_id)
            assign_events.append(AssignEvent(who, actor, event.at, event.kind is EventKind.ASSIGNED))
    return Item(
        key=key_of(issue),
        repo=world.full_name(world.repos[issue.repo_id]),
        title=issue.title,
        body=issue.body or "",
        author=person_of(world, issue.author_id),
        is_open=issue.is_open,
        labels=label_names(issue),
        assignees=assignees(world, issue),
        created_at=issue.created_at,
        updated_at=issue.updated_at,
        blocked_by=_open_blockers(world, issue),
        body_editor=person_of(world, issue.editor_id) if issue.edited_at else None,
        body_edited_at=issue.edited_at,
        comments=_comments(world, issue),
        label_events=tuple(label_events[-100:]),
        assign_events=tuple(assign_events[-100:]),
    )


def _open_blockers(world: World, issue: model.Issue) -> int:
    blockers = (world.issue_by_id(issue_id) for issue_id in issue.blocked_by)
    return sum(1 for blocker in blockers if blocker and blocker.is_open)


def _comments(world: World, issue: model.Issue) -> tuple[Comment, ...]:
    said = [
        Comment(one.id, person_of(world, one.author_id), one.body, one.created_at, one.edited_at)
        for one in issue.comments
    ]
    if issue.pull is not None:
        said += [
            Comment(one.id, person_of(world, one.author_id), one.body, one.submitted_at, None, kind="review")
            for one in issue.pull.reviews
            if one.submitted_at and one.body
        ]
    return tuple(sorted(said, key=lambda comment: comment.created_at))


def pull_of(world: World, issue: model.Issue) -> Pull:
    pull = pulls.pull_of(issue)
    ci, summary = ci_of(world.repos[issue.repo_id], pull.head_sha)
    return Pull(
        item=item_of(world, issue),
        head=pull.head_sha,
        branch=pull.head_ref,
        base=pull.base_ref,
        base_head=pull.base_sha,
        same_repo=pull.head_repo_id == issue.repo_id,
        is_draft=pull.draft,
        is_merged=pull.merged_at is not None,
        mergeable=_MERGEABLE[pulls.mergeable(world, issue)],
        ci=ci,
        ci_summary=summary,
        reviews=tuple(
            Review(
                one.id, person_of(world, one.author_id), str(one.state), one.body, one.sha, one.submitted_at
            )
            for one in pull.reviews
            if one.submitted_at
        ),
        review_requested_from=tuple(person_of(world, one) for one in pull.requested_reviewers),
        closes=tuple(
            closed.number for closed in pulls.closes(world, issue) if closed.repo_id == issue.repo_id
        ),
    )


def ci_of(repo: model.Repo, sha: str) -> tuple[Ci, str]:
    """Pending beats red: it has not settled."""
    states = pulls.latest_states(repo, sha)
    if not states:
        return Ci.NONE, ""
    if "pending" in states.values():
        return Ci.PENDING, ""
    red = sorted(name for name, state in states.items() if state in {"failure", "error"})
    return (Ci.RED, ", ".join(red)) if red else (Ci.GREEN, "")


def own_comments(issue: model.Issue, bot_id: int) -> tuple[OwnComment, ...]:
    return tuple(
        OwnComment(one.id, one.body, read_markers(one.body), one.edited_at or one.created_at)
        for one in issue.comments
        if one.author_id == bot_id
    )


def own_keys(issue: model.Issue, bot_id: int) -> frozenset[str]:
    """Hidden keys in what the bot wrote on the item: comments and reviews."""
    bodies = [one.body for one in issue.comments if one.author_id == bot_id]
    if issue.pull is not None:
        bodies += [one.body for one in issue.pull.reviews if one.author_id == bot_id]
    return frozenset(key for body in bodies for key in read_markers(body).keys)
