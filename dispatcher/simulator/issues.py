"""What can be done to an issue (a pull request is one, too): open, change, label, assign, comment."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dispatcher.simulator import inbox
from dispatcher.simulator.access import Caller, area_of, assignable, may, require_read, require_write
from dispatcher.simulator.model import Account, Comment, EventKind, Issue, Label, Level, Reason, Repo
from dispatcher.simulator.refusals import FieldError, Forbidden, Invalid, NotFound
from dispatcher.simulator.world import World


@dataclass(frozen=True, slots=True)
class Changes:
    """What a PATCH asks for; None leaves a field as it is, an empty text clears the body."""

    title: str | None = None
    body: str | None = None
    state: str | None = None
    state_reason: str | None = None
    labels: Sequence[str] | None = None
    assignees: Sequence[str] | None = None


def open_issue(world: World, caller: Caller, repo: Repo, wanted: Changes) -> Issue:
    """Open an issue; labels and assignees are dropped silently without triage rights."""
    require_write(world, caller, repo, "issues", Level.READ)
    if not wanted.title:
        raise Invalid(errors=(FieldError("Issue", "missing_field", "title"),))
    issue = new_thread(world, caller.account, repo, wanted.title, wanted.body)
    world.add_issue(repo, issue)
    announce(world, issue, caller.account)
    if may(world, caller, repo, "issues", Level.TRIAGE):
        add_labels_unchecked(world, issue, caller.account, wanted.labels or ())
        assign_unchecked(world, issue, caller.account, wanted.assignees or ())
    return issue


def new_thread(world: World, author: Account, repo: Repo, title: str, body: str | None) -> Issue:
    """Take the next number; the caller puts the thread into the world."""
    check_length(world, body)
    repo.last_number += 1
    now = world.now()
    return Issue(world.new_id(), repo.id, repo.last_number, author.id, title, body, now, now)


def announce(world: World, issue: Issue, author: Account) -> None:
    """Subscribe the author and tell those whom the body mentions."""
    world.subscribe(issue, author.id, Reason.AUTHOR)
    inbox.tell(world, issue, author, _without(inbox.mentioned(world, issue.body), author.id))


def check_length(world: World, text: str | None) -> None:
    """Raise Invalid for a text beyond the limit of 65,536 characters."""
    if len(text or "") > world.settings.comment_limit_chars:
        raise Invalid(
            "Validation Failed", (FieldError("IssueComment", "unprocessable", "data", "Body is too long"),)
        )


def change(world: World, caller: Caller, issue: Issue, wanted: Changes) -> Issue:
    """Do a PATCH: everything in one go; labels and assignees are dropped silently without triage rights."""
    repo = world.repos[issue.repo_id]
    area = area_of(issue)
    own = issue.author_id == caller.account.id
    require_write(world, caller, repo, area, Level.READ if own else Level.TRIAGE)
    if wanted.title is not None and wanted.title != issue.title:
        event = world.note(issue, EventKind.RENAMED, caller.account.id)
        event.old, event.new, issue.title = issue.title, wanted.title, wanted.title
    if wanted.body is not None and wanted.body != (issue.body or ""):
        edit_body(world, issue, caller.account, wanted.body)
    if may(world, caller, repo, area, Level.TRIAGE):
        if wanted.labels is not None:
            set_labels_unchecked(world, issue, caller.account, wanted.labels)
        if wanted.assignees is not None:
            _set_assignees(world, issue, caller.account, wanted.assignees)
    if wanted.state is not None:
        set_state(world, issue, caller.account, wanted.state, wanted.state_reason)
    return issue


def edit_body(world: World, issue: Issue, editor: Account, body: str) -> None:
    """Replace the body; people who are newly mentioned are told."""
    check_length(world, body)
    before = inbox.mentioned(world, issue.body)
    issue.body, issue.editor_id = body, editor.id
    issue.edited_at = issue.updated_at = world.now()
    fresh = {k: v for k, v in inbox.mentioned(world, body).items() if k not in before}
    inbox.call(world, issue, editor, _without(fresh, editor.id))


def set_state(world: World, issue: Issue, actor: Account, state: str, reason: str | None = None) -> None:
    """Close or reopen; the same state again changes nothing. Raises Invalid for a merged pull request."""
    if state not in {"open", "closed"}:
        raise Invalid(errors=(FieldError("Issue", "invalid", "state"),))
    if issue.is_open == (state == "open"):
        return
    if issue.pull is not None and issue.pull.merged_at is not None:
        raise Invalid(
            errors=(FieldError("PullRequest", "invalid", "state", "Cannot reopen a merged pull request"),)
        )
    if state == "open":
        world.note(issue, EventKind.REOPENED, actor.id)
        issue.is_open, issue.closed_at, issue.closed_by = True, None, None
        issue.state_reason = None if issue.pull is not None else "reopened"
    else:
        close_unchecked(world, issue, actor, reason or "completed")
    world.subscribe(issue, actor.id, Reason.STATE_CHANGE)
    inbox.tell(world, issue, actor)


def close_unchecked(world: World, issue: Issue, actor: Account, reason: str) -> None:
    """Close without telling anybody."""
    event = world.note(issue, EventKind.CLOSED, actor.id)
    issue.is_open, issue.closed_at, issue.closed_by = False, event.at, actor.id
    issue.state_reason = None if issue.pull is not None else reason


# -- labels ------------------------------------------------------------------------------------------------------


def create_label(world: World, caller: Caller, repo: Repo, label: tuple[str, str, str | None]) -> Label:
    """Create a label (name, colour, description) of the repository; raises Invalid when the name is taken."""
    require_write(world, caller, repo, "issues", Level.TRIAGE)
    name, color, description = label
    if name.lower() in repo.labels:
        raise Invalid(errors=(FieldError("Label", "already_exists", "name"),))
    created = Label(world.new_id(), name, color.lstrip("#") or "ededed", description)
    repo.labels[name.lower()] = created
    return created


def delete_label(world: World, caller: Caller, repo: Repo, name: str) -> None:
    """Delete a label everywhere in the repository."""
    require_write(world, caller, repo, "issues", Level.TRIAGE)
    label = world.label(repo, name)
    del repo.labels[name.lower()]
    for issue in repo.issues.values():
        issue.labels.pop(label.id, None)


def rename_label(world: World, caller: Caller, repo: Repo, name: str, new_name: str) -> Label:
    """Rename a label everywhere."""
    require_write(world, caller, repo, "issues", Level.TRIAGE)
    label = world.label(repo, name)
    del repo.labels[name.lower()]
    label.name = new_name
    repo.labels[new_name.lower()] = label
    return label


def add_labels(world: World, caller: Caller, issue: Issue, names: Iterable[str]) -> None:
    """Put labels on; names that do not exist yet are created, as REST does."""
    require_write(world, caller, world.repos[issue.repo_id], area_of(issue), Level.TRIAGE)
    add_labels_unchecked(world, issue, caller.account, names)


def remove_label(world: World, caller: Caller, issue: Issue, name: str) -> None:
    """Take a label off; raises NotFound when the issue does not carry it."""
    require_write(world, caller, world.repos[issue.repo_id], area_of(issue), Level.TRIAGE)
    label = next((held for held in issue.labels.values() if held.name.lower() == name.lower()), None)
    if label is None:
        raise NotFound("Label does not exist")
    _take_off(world, issue, caller.account, label)


def set_labels(world: World, caller: Caller, issue: Issue, names: Sequence[str]) -> None:
    """Replace all labels."""
    require_write(world, caller, world.repos[issue.repo_id], area_of(issue), Level.TRIAGE)
    set_labels_unchecked(world, issue, caller.account, names)


def add_labels_unchecked(world: World, issue: Issue, actor: Account, names: Iterable[str]) -> None:
    """Put labels on without asking for rights."""
    repo = world.repos[issue.repo_id]
    for name in names:
        label = repo.labels.get(name.lower())
        if label is None:
            label = repo.labels[name.lower()] = Label(world.new_id(), name)
        if label.id not in issue.labels:
            issue.labels[label.id] = label
            world.note(issue, EventKind.LABELED, actor.id).label = label


def set_labels_unchecked(world: World, issue: Issue, actor: Account, names: Sequence[str]) -> None:
    """Replace all labels without asking for rights."""
    wanted = {name.lower() for name in names}
    for label in [held for held in issue.labels.values() if held.name.lower() not in wanted]:
        _take_off(world, issue, actor, label)
    add_labels_unchecked(world, issue, actor, names)


def _take_off(world: World, issue: Issue, actor: Account, label: Label) -> None:
    del issue.labels[label.id]
    world.note(issue, EventKind.UNLABELED, actor.id).label = label


# -- assignees ---------------------------------------------------------------------------------------------------


def add_assignees(world: World, caller: Caller, issue: Issue, logins: Iterable[str]) -> None:
    """Assign people; those who cannot be assigned are dropped silently, and everything without rights."""
    repo = world.repos[issue.repo_id]
    require_read(world, caller, repo)
    if may(world, caller, repo, area_of(issue), Level.TRIAGE):
        assign_unchecked(world, issue, caller.account, logins)


def remove_assignees(world: World, caller: Caller, issue: Issue, logins: Iterable[str]) -> None:
    """Unassign people; those who are not assigned are ignored."""
    require_write(world, caller, world.repos[issue.repo_id], area_of(issue), Level.TRIAGE)
    leaving = {account.id for login in logins if (account := world.find_account(login)) is not None}
    _unassign(world, issue, caller.account, leaving)


def assign_unchecked(world: World, issue: Issue, actor: Account, logins: Iterable[str]) -> None:
    """Assign without asking for rights, at most ten people."""
    repo = world.repos[issue.repo_id]
    for login in logins:
        account = world.find_account(login)
        if account is None or account.id in issue.assignee_ids or not assignable(world, repo, account):
            continue
        if len(issue.assignee_ids) >= world.settings.assignee_limit:
            return
        issue.assignee_ids.append(account.id)
        world.note(issue, EventKind.ASSIGNED, actor.id).subject_id = account.id
        inbox.call(world, issue, actor, {account.id: Reason.ASSIGN})


def _set_assignees(world: World, issue: Issue, actor: Account, logins: Sequence[str]) -> None:
    wanted = {account.id for login in logins if (account := world.find_account(login)) is not None}
    _unassign(world, issue, actor, set(issue.assignee_ids) - wanted)
    assign_unchecked(world, issue, actor, logins)


def _unassign(world: World, issue: Issue, actor: Account, leaving: set[int]) -> None:
    for account_id in [held for held in issue.assignee_ids if held in leaving]:
        issue.assignee_ids.remove(account_id)
        world.note(issue, EventKind.UNASSIGNED, actor.id).subject_id = account_id


# -- comments ----------------------------------------------------------------------------------------------------


def comment(world: World, caller: Caller, issue: Issue, body: str) -> Comment:
    """Add a comment; raises Invalid for an empty or over-long one."""
    repo = world.repos[issue.repo_id]
    require_write(world, caller, repo, area_of(issue), Level.READ)
    if issue.locked and not may(world, caller, repo, area_of(issue), Level.WRITE):
        raise Forbidden("Unable to create comment because issue is locked.")
    if not body.strip():
        raise Invalid(errors=(FieldError("IssueComment", "missing_field", "body"),))
    check_length(world, body)
    now = world.now()
    written = Comment(world.new_id(), caller.account.id, body, now, now)
    issue.comments.append(written)
    world.note(issue, EventKind.COMMENTED, caller.account.id).subject_id = written.id
    world.subscribe(issue, caller.account.id, Reason.COMMENT)
    inbox.tell(
        world, issue, caller.account, _without(inbox.mentioned(world, body), caller.account.id), written.id
    )
    return written


def find_comment(repo: Repo, comment_id: int) -> tuple[Issue, Comment]:
    """Find a comment of a repository with its issue; raises NotFound."""
    for issue in repo.issues.values():
        for written in issue.comments:
            if written.id == comment_id:
                return issue, written
    raise NotFound


def edit_comment(world: World, caller: Caller, issue: Issue, written: Comment, body: str) -> Comment:
    """Change a comment: one's own, or anybody's with write access."""
    own = written.author_id == caller.account.id
    require_write(
        world, caller, world.repos[issue.repo_id], area_of(issue), Level.READ if own else Level.WRITE
    )
    check_length(world, body)
    before = inbox.mentioned(world, written.body)
    written.body, written.editor_id = body, caller.account.id
    written.updated_at = written.edited_at = issue.updated_at = world.now()
    fresh = {k: v for k, v in inbox.mentioned(world, body).items() if k not in before}
    inbox.call(world, issue, caller.account, _without(fresh, caller.account.id))
    return written


def delete_comment(world: World, caller: Caller, issue: Issue, written: Comment) -> None:
    """Delete a comment: one's own, or anybody's with write access."""
    own = written.author_id == caller.account.id
    require_write(
        world, caller, world.repos[issue.repo_id], area_of(issue), Level.READ if own else Level.WRITE
    )
    issue.comments.remove(written)
    issue.events = [event for event in issue.events if event.subject_id != written.id]
    issue.updated_at = world.now()


# -- dependencies ------------------------------------------------------------------------------------------------


def block(world: World, caller: Caller, issue: Issue, blocker: Issue) -> None:
    """Record that an issue waits for another one."""
    require_write(world, caller, world.repos[issue.repo_id], "issues", Level.TRIAGE)
    if blocker.id not in issue.blocked_by:
        issue.blocked_by.append(blocker.id)
        blocker.blocking.append(issue.id)
        world.note(issue, EventKind.BLOCKED_BY_ADDED, caller.account.id).subject_id = blocker.id


def unblock(world: World, caller: Caller, issue: Issue, blocker: Issue) -> None:
    """Forget a dependency."""
    require_write(world, caller, world.repos[issue.repo_id], "issues", Level.TRIAGE)
    if blocker.id in issue.blocked_by:
        issue.blocked_by.remove(blocker.id)
        blocker.blocking.remove(issue.id)
        world.note(issue, EventKind.BLOCKED_BY_REMOVED, caller.account.id).subject_id = blocker.id


def count_dependencies(world: World, issue: Issue) -> tuple[int, int, int, int]:
    """Count (open blockers, all blockers, open issues that wait for this one, all of them)."""
    blockers, waiting = _known(world, issue.blocked_by), _known(world, issue.blocking)
    return _open(blockers), len(blockers), _open(waiting), len(waiting)


def _known(world: World, issue_ids: list[int]) -> list[Issue]:
    found = (world.issue_by_id(issue_id) for issue_id in issue_ids)
    return [issue for issue in found if issue is not None]


def _open(found: list[Issue]) -> int:
    return sum(1 for issue in found if issue.is_open)


def _without(called: dict[int, Reason], account_id: int) -> dict[int, Reason]:
    return {key: reason for key, reason in called.items() if key != account_id}
