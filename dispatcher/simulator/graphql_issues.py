"""GraphQL fields of people, repositories, issues, comments, labels and timelines."""

# ruff: noqa: ARG001, ARG005  (functions in one table share one shape, whether they need every argument or not)
from __future__ import annotations

from datetime import datetime
from typing import Any

from dispatcher.simulator import pulls
from dispatcher.simulator.access import association, can_see, level_of
from dispatcher.simulator.exchange import parse_stamp, stamp
from dispatcher.simulator.graphql_nodes import (
    EVENT_TYPES,
    Arguments,
    At,
    CommentAt,
    CommitAt,
    EventAt,
    Fields,
    LabelAt,
    PullCommitAt,
    RefAt,
    Resolve,
    ReviewAt,
    connect,
    failure,
    find_node,
    type_name,
)
from dispatcher.simulator.issues import count_dependencies
from dispatcher.simulator.model import Account, AccountKind, EventKind, Issue, Level, Repo
from dispatcher.simulator.render import account_node_id, issue_node_id
from dispatcher.simulator.searching import search_issues


def listing(name: str, find: Resolve) -> Resolve:
    """Turn a function that finds everything into a connection's resolver."""
    return lambda source, at, asked: connect(name, find(source, at, asked), asked)


def account_of(at: At, account_id: int | None) -> Account | None:
    """Find an account; None for nobody."""
    return None if account_id is None else at.world.accounts[account_id]


def repo_of(at: At, issue: Issue) -> Repo:
    """Find the repository of an issue."""
    return at.world.repos[issue.repo_id]


# -- people ------------------------------------------------------------------------------------------------------

ACCOUNT: Fields = {
    # GraphQL shows an App without the suffix that REST puts behind its login.
    "login": lambda account, at, asked: account.login.removesuffix("[bot]"),
    "id": lambda account, at, asked: account_node_id(account),
    "databaseId": lambda account, at, asked: account.id,
    "name": lambda account, at, asked: account.login,
    "email": lambda account, at, asked: "",
    "url": lambda account, at, asked: f"{at.show.web}/{account.login}",
    "avatarUrl": lambda account, at, asked: f"{at.show.web}/avatars/{account.id}",
    "createdAt": lambda account, at, asked: stamp(account.created_at),
    "isViewer": lambda account, at, asked: account.id == at.caller.account.id,
    "isSiteAdmin": lambda account, at, asked: account.site_admin,
}
TEAM: Fields = {
    "id": lambda team, at, asked: f"T_{team.id}",
    "databaseId": lambda team, at, asked: team.id,
}

# -- repositories ------------------------------------------------------------------------------------------------


def _branch(repo: Repo, at: At, name: str) -> RefAt | None:
    name = name.removeprefix("refs/heads/")
    sha = at.world.git.refs(repo.id).get(f"refs/heads/{name}")
    return None if sha is None else RefAt(repo, name, sha)


def _object(repo: Repo, at: At, asked: Arguments) -> CommitAt | None:
    sha = at.world.git.resolve(repo.id, asked.get("oid") or asked.get("expression") or repo.default_branch)
    return None if sha is None else CommitAt(repo, sha)


def _label(repo: Repo, at: At, asked: Arguments) -> LabelAt | None:
    label = repo.labels.get(asked["name"].lower())
    return None if label is None else LabelAt(repo, label)


def _issue(repo: Repo, asked: Arguments, kinds: tuple[str, ...]) -> Issue:
    issue = repo.issues.get(asked["number"])
    if issue is None or type_name(issue) not in kinds:
        words = {"Issue": "an Issue", "PullRequest": "a PullRequest"}
        what = words[kinds[0]] if len(kinds) == 1 else "an issue or pull request"
        raise failure("NOT_FOUND", f"Could not resolve to {what} with the number of {asked['number']}.")
    return issue


def _threads(repo: Repo, at: At, asked: Arguments, *, pull: bool) -> list[Issue]:
    labels = {name.lower() for name in asked.get("labels") or ()}
    states, head, base = asked.get("states"), asked.get("headRefName"), asked.get("baseRefName")
    found = [
        issue
        for issue in repo.issues.values()
        if (issue.pull is not None) == pull
        and (not states or state_of(issue, at, {}) in states)
        and (not labels or labels & {label.name.lower() for label in issue.labels.values()})
        and (head is None or (issue.pull is not None and issue.pull.head_ref == head))
        and (base is None or (issue.pull is not None and issue.pull.base_ref == base))
    ]
    order = asked.get("orderBy") or {"field": "CREATED_AT", "direction": "ASC"}
    if order["field"] == "UPDATED_AT":
        found.sort(key=lambda issue: (issue.updated_at, issue.id))
    return found[::-1] if order["direction"] == "DESC" else found


def _collaborators(repo: Repo, at: At, asked: Arguments) -> dict[str, Any]:
    if level_of(at.world, at.caller.account, repo) < Level.WRITE:
        raise failure("FORBIDDEN", "Must have push access to view repository collaborators.")
    text = (asked.get("login") or asked.get("query") or "").lower()
    owner = at.world.accounts[repo.owner_id]
    ids = {*repo.collaborators, *owner.member_ids} | ({owner.id} if owner.kind is AccountKind.USER else set())
    ids |= {i for slug in repo.team_levels if slug in owner.teams for i in owner.teams[slug].member_ids}
    found = [at.world.accounts[i] for i in sorted(ids) if text in at.world.accounts[i].login.lower()]
    shown = connect("collaborators", found, asked)
    for edge in shown["edges"]:
        edge["permission"] = level_of(at.world, edge["node"], repo).name
    return shown


def _permission(repo: Repo, at: At, asked: Arguments) -> str | None:
    level = level_of(at.world, at.caller.account, repo)
    return None if level is Level.NONE else level.name


REPOSITORY: Fields = {
    "id": lambda repo, at, asked: f"R_{repo.id}",
    "databaseId": lambda repo, at, asked: repo.id,
    "nameWithOwner": lambda repo, at, asked: at.world.full_name(repo),
    "owner": lambda repo, at, asked: at.world.accounts[repo.owner_id],
    "url": lambda repo, at, asked: at.show.repo_page(repo),
    "isArchived": lambda repo, at, asked: repo.archived,
    "isPrivate": lambda repo, at, asked: repo.private,
    "isFork": lambda repo, at, asked: repo.parent_id is not None,
    "isDisabled": lambda repo, at, asked: False,
    "visibility": lambda repo, at, asked: "PRIVATE" if repo.private else "PUBLIC",
    "createdAt": lambda repo, at, asked: stamp(repo.created_at),
    "updatedAt": lambda repo, at, asked: stamp(repo.updated_at),
    "pushedAt": lambda repo, at, asked: stamp(repo.pushed_at),
    "defaultBranchRef": lambda repo, at, asked: _branch(repo, at, repo.default_branch),
    "ref": lambda repo, at, asked: _branch(repo, at, asked["qualifiedName"]),
    "object": _object,
    "viewerPermission": _permission,
    "hasIssuesEnabled": lambda repo, at, asked: True,
    "label": _label,
    "labels": listing(
        "labels", lambda repo, at, asked: [LabelAt(repo, held) for held in repo.labels.values()]
    ),
    "collaborators": _collaborators,
    "issue": lambda repo, at, asked: _issue(repo, asked, ("Issue",)),
    "pullRequest": lambda repo, at, asked: _issue(repo, asked, ("PullRequest",)),
    "issueOrPullRequest": lambda repo, at, asked: _issue(repo, asked, ("Issue", "PullRequest")),
    "issues": listing("issues", lambda repo, at, asked: _threads(repo, at, asked, pull=False)),
    "pullRequests": listing("pullRequests", lambda repo, at, asked: _threads(repo, at, asked, pull=True)),
}
LABEL: Fields = {
    "id": lambda held, at, asked: f"LA_{held.label.id}",
    "name": lambda held, at, asked: held.label.name,
    "color": lambda held, at, asked: held.label.color,
    "description": lambda held, at, asked: held.label.description,
    "createdAt": lambda held, at, asked: None,
    "url": lambda held, at, asked: f"{at.show.repo_page(held.repo)}/labels/{held.label.name}",
}

# -- issues ------------------------------------------------------------------------------------------------------


def state_of(issue: Issue, at: At, asked: Arguments) -> str:
    """Render IssueState or PullRequestState."""
    if issue.pull is not None and issue.pull.merged_at is not None:
        return "MERGED"
    return "OPEN" if issue.is_open else "CLOSED"


def _participants(issue: Issue, at: At, asked: Arguments) -> list[Account]:
    ids = {issue.author_id, *issue.assignee_ids, *(comment.author_id for comment in issue.comments)}
    return [at.world.accounts[account_id] for account_id in sorted(ids)]


def _dependencies(issue: Issue, at: At, asked: Arguments) -> dict[str, int]:
    names = ("blockedBy", "totalBlockedBy", "blocking", "totalBlocking")
    return dict(zip(names, count_dependencies(at.world, issue), strict=True))


def _blockers(issue: Issue, at: At, asked: Arguments) -> list[Issue]:
    found = (at.world.issue_by_id(issue_id) for issue_id in issue.blocked_by)
    return [blocker for blocker in found if blocker is not None]


def _closers(issue: Issue, at: At, asked: Arguments) -> list[Issue]:
    found = pulls.closed_by(at.world, issue, with_closed=bool(asked.get("includeClosedPrs")))
    return [other for other in found if can_see(at.world, at.caller, repo_of(at, other))]


def _timeline(issue: Issue, at: At, asked: Arguments) -> dict[str, Any]:
    wanted, since = asked.get("itemTypes"), asked.get("since")
    floor: datetime | None = parse_stamp(since) if since else None
    found = [
        item
        for event in issue.events
        if (floor is None or event.at >= floor)
        and (item := _timeline_item(issue, at, EventAt(issue, event))) is not None
        and (not wanted or _ITEM_TYPES[type_name(item)] in wanted)
    ]
    return connect("timelineItems", found, asked) | {"updatedAt": stamp(issue.updated_at)}


def _timeline_item(issue: Issue, at: At, entry: EventAt) -> object | None:
    event = entry.event
    if event.kind is EventKind.COMMENTED:
        return next((CommentAt(issue, c) for c in issue.comments if c.id == event.subject_id), None)
    if event.kind is EventKind.REVIEWED and issue.pull is not None:
        return next((ReviewAt(issue, r) for r in issue.pull.reviews if r.id == event.subject_id), None)
    if event.kind is EventKind.COMMITTED and event.sha is not None:
        return PullCommitAt(issue, CommitAt(repo_of(at, issue), event.sha))
    return entry if event.kind in EVENT_TYPES else None


_ITEM_TYPES = {
    "LabeledEvent": "LABELED_EVENT",
    "UnlabeledEvent": "UNLABELED_EVENT",
    "AssignedEvent": "ASSIGNED_EVENT",
    "UnassignedEvent": "UNASSIGNED_EVENT",
    "ClosedEvent": "CLOSED_EVENT",
    "ReopenedEvent": "REOPENED_EVENT",
    "MergedEvent": "MERGED_EVENT",
    "RenamedTitleEvent": "RENAMED_TITLE_EVENT",
    "ReviewRequestedEvent": "REVIEW_REQUESTED_EVENT",
    "ReviewRequestRemovedEvent": "REVIEW_REQUEST_REMOVED_EVENT",
    "ReadyForReviewEvent": "READY_FOR_REVIEW_EVENT",
    "ConvertToDraftEvent": "CONVERT_TO_DRAFT_EVENT",
    "HeadRefForcePushedEvent": "HEAD_REF_FORCE_PUSHED_EVENT",
    "HeadRefDeletedEvent": "HEAD_REF_DELETED_EVENT",
    "MentionedEvent": "MENTIONED_EVENT",
    "IssueComment": "ISSUE_COMMENT",
    "PullRequestReview": "PULL_REQUEST_REVIEW",
    "PullRequestCommit": "PULL_REQUEST_COMMIT",
}

THREAD: Fields = {
    "id": lambda issue, at, asked: issue_node_id(issue),
    "databaseId": lambda issue, at, asked: issue.id if issue.pull is None else issue.pull.id,
    "fullDatabaseId": lambda issue, at, asked: str(issue.id if issue.pull is None else issue.pull.id),
    "body": lambda issue, at, asked: issue.body or "",
    "url": lambda issue, at, asked: at.show.issue_page(issue),
    "closed": lambda issue, at, asked: not issue.is_open,
    "state": state_of,
    "author": lambda issue, at, asked: account_of(at, issue.author_id),
    "editor": lambda issue, at, asked: account_of(at, issue.editor_id),
    "authorAssociation": lambda issue, at, asked: association(at.world, repo_of(at, issue), issue.author_id),
    "viewerDidAuthor": lambda issue, at, asked: issue.author_id == at.caller.account.id,
    "createdAt": lambda issue, at, asked: stamp(issue.created_at),
    "publishedAt": lambda issue, at, asked: stamp(issue.created_at),
    "updatedAt": lambda issue, at, asked: stamp(issue.updated_at),
    "closedAt": lambda issue, at, asked: stamp(issue.closed_at),
    "lastEditedAt": lambda issue, at, asked: stamp(issue.edited_at),
    "repository": lambda issue, at, asked: repo_of(at, issue),
    "labels": listing(
        "labels",
        lambda issue, at, asked: [LabelAt(repo_of(at, issue), held) for held in issue.labels.values()],
    ),
    "assignees": listing(
        "assignees",
        lambda issue, at, asked: [at.world.accounts[account_id] for account_id in issue.assignee_ids],
    ),
    "participants": listing("participants", _participants),
    "comments": listing("comments", lambda issue, at, asked: [CommentAt(issue, c) for c in issue.comments]),
    "timelineItems": _timeline,
}
ISSUE: Fields = THREAD | {
    "stateReason": lambda issue, at, asked: issue.state_reason.upper() if issue.state_reason else None,
    "issueDependenciesSummary": _dependencies,
    "blockedBy": listing("blockedBy", _blockers),
    "closedByPullRequestsReferences": listing("closedByPullRequestsReferences", _closers),
}
COMMENT: Fields = {
    "id": lambda said, at, asked: f"IC_{said.comment.id}",
    "databaseId": lambda said, at, asked: said.comment.id,
    "fullDatabaseId": lambda said, at, asked: str(said.comment.id),
    "body": lambda said, at, asked: said.comment.body,
    "url": lambda said, at, asked: at.show.comment_page(said.issue, said.comment.id),
    "author": lambda said, at, asked: account_of(at, said.comment.author_id),
    "editor": lambda said, at, asked: account_of(at, said.comment.editor_id),
    "authorAssociation": lambda said, at, asked: association(
        at.world, repo_of(at, said.issue), said.comment.author_id
    ),
    "createdAt": lambda said, at, asked: stamp(said.comment.created_at),
    "publishedAt": lambda said, at, asked: stamp(said.comment.created_at),
    "updatedAt": lambda said, at, asked: stamp(said.comment.updated_at),
    "lastEditedAt": lambda said, at, asked: stamp(said.comment.edited_at),
    "viewerDidAuthor": lambda said, at, asked: said.comment.author_id == at.caller.account.id,
    "isMinimized": lambda said, at, asked: said.comment.minimized,
    "includesCreatedEdit": lambda said, at, asked: said.comment.edited_at is not None,
    "issue": lambda said, at, asked: said.issue,
    "pullRequest": lambda said, at, asked: None if said.issue.pull is None else said.issue,
    "repository": lambda said, at, asked: repo_of(at, said.issue),
}


# -- events ------------------------------------------------------------------------------------------------------


def _commit(entry: EventAt, at: At, sha: str | None) -> CommitAt | None:
    return None if not sha else CommitAt(repo_of(at, entry.issue), sha)


EVENT: Fields = {
    "id": lambda entry, at, asked: f"EV_{entry.event.id}",
    "databaseId": lambda entry, at, asked: entry.event.id,
    "actor": lambda entry, at, asked: account_of(at, entry.event.actor_id),
    "createdAt": lambda entry, at, asked: stamp(entry.event.at),
    "label": lambda entry, at, asked: LabelAt(repo_of(at, entry.issue), entry.event.label),
    "labelable": lambda entry, at, asked: entry.issue,
    "assignable": lambda entry, at, asked: entry.issue,
    "assignee": lambda entry, at, asked: account_of(at, entry.event.subject_id),
    "requestedReviewer": lambda entry, at, asked: account_of(at, entry.event.subject_id),
    "commit": lambda entry, at, asked: _commit(entry, at, entry.event.sha),
    "beforeCommit": lambda entry, at, asked: _commit(entry, at, entry.event.old),
    "afterCommit": lambda entry, at, asked: _commit(entry, at, entry.event.new),
    "mergeRefName": lambda entry, at, asked: pulls.pull_of(entry.issue).base_ref,
    "headRefName": lambda entry, at, asked: pulls.pull_of(entry.issue).head_ref,
    "currentTitle": lambda entry, at, asked: entry.event.new,
    "previousTitle": lambda entry, at, asked: entry.event.old,
}

# -- the root ----------------------------------------------------------------------------------------------------


def _find_repo(source: object, at: At, asked: Arguments) -> Repo:
    name = f"{asked['owner']}/{asked['name']}"
    repo = at.world.find_repo(name)
    if repo is None and asked.get("followRenames") is not False:
        repo = at.world.find_moved_repo(name)
    if repo is None or not can_see(at.world, at.caller, repo):
        raise failure("NOT_FOUND", f"Could not resolve to a Repository with the name '{name}'.")
    return repo


def _find_account(at: At, login: str, kind: AccountKind) -> Account:
    account = at.world.find_account(login)
    if account is None or account.kind is not kind:
        raise failure("NOT_FOUND", f"Could not resolve to a {kind.value} with the login of '{login}'.")
    return account


def _rate_limit(source: object, at: At, asked: Arguments) -> dict[str, Any]:
    # The request that asks counts itself already.
    return {
        "cost": 1,
        "limit": at.window.limit,
        "nodeCount": 0,
        "remaining": max(0, at.window.remaining - 1),
        "used": at.window.used + 1,
        "resetAt": stamp(at.window.resets_at),
    }


def _nodes(source: object, at: At, asked: Arguments) -> list[Any]:
    return [find_node(at, node_id) for node_id in asked["ids"]]


QUERY: Fields = {
    "viewer": lambda source, at, asked: at.caller.account,
    "rateLimit": _rate_limit,
    "repository": _find_repo,
    "user": lambda source, at, asked: _find_account(at, asked["login"], AccountKind.USER),
    "organization": lambda source, at, asked: _find_account(at, asked["login"], AccountKind.ORGANIZATION),
    "node": lambda source, at, asked: find_node(at, asked["id"]),
    "nodes": _nodes,
    "search": listing("search", lambda source, at, asked: search_issues(at.world, at.caller, asked["query"])),
}
