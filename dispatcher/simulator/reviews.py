"""Reviews of pull requests: verdicts, line comments validated against the diff, review requests."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from dispatcher.simulator import inbox
from dispatcher.simulator.access import Caller, may, require_read, require_write
from dispatcher.simulator.issues import check_length
from dispatcher.simulator.model import (
    Account,
    EventKind,
    Issue,
    Level,
    LineComment,
    Reason,
    Review,
    ReviewState,
)
from dispatcher.simulator.pulls import pull_of
from dispatcher.simulator.refusals import FieldError, Invalid, NotFound
from dispatcher.simulator.world import World

_HUNK = re.compile(r"^@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@")
_STATES = {
    "APPROVE": ReviewState.APPROVED,
    "REQUEST_CHANGES": ReviewState.CHANGES_REQUESTED,
    "COMMENT": ReviewState.COMMENTED,
}
LEFT, RIGHT = "LEFT", "RIGHT"


@dataclass(frozen=True, slots=True)
class Finding:
    """A line comment that a review wants to leave; `position` counts lines below the first hunk header (old style)."""

    path: str
    body: str
    line: int | None = None
    side: str = RIGHT
    start_line: int | None = None
    position: int | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a new review says; `event` is APPROVE, REQUEST_CHANGES or COMMENT, None leaves it pending."""

    event: str | None
    body: str = ""
    sha: str | None = None
    findings: Sequence[Finding] = ()


def review(world: World, caller: Caller, issue: Issue, verdict: Verdict) -> Review:
    """Leave a review; raises Invalid as GitHub does, for the whole review when one line is not in the diff."""
    pull, repo = pull_of(issue), world.repos[issue.repo_id]
    require_write(world, caller, repo, "pull_requests", Level.READ)
    state = _state(verdict.event)
    if (
        state in {ReviewState.APPROVED, ReviewState.CHANGES_REQUESTED}
        and issue.author_id == caller.account.id
    ):
        what = "approve" if state is ReviewState.APPROVED else "request changes on"
        raise Invalid("Unprocessable Entity", (f"Can not {what} your own pull request",))
    if any(r.author_id == caller.account.id and r.state is ReviewState.PENDING for r in pull.reviews):
        raise Invalid("Unprocessable Entity", ("User can only have one pending review per pull request",))
    empty = not verdict.body.strip() and not verdict.findings
    if empty and state in {ReviewState.COMMENTED, ReviewState.CHANGES_REQUESTED}:
        raise Invalid("Unprocessable Entity", ("Review Can not be blank",))
    check_length(world, verdict.body)
    sha = _known_commit(world, issue, verdict.sha)
    placed = _place(world, issue, sha, verdict.findings)
    now = world.now()
    written = Review(world.new_id(), caller.account.id, state, verdict.body, sha, now, now, None)
    pull.reviews.append(written)
    for finding, line, hunk in placed:
        pull.line_comments.append(_line_comment(world, written, finding, line, hunk))
    if state is not ReviewState.PENDING:
        _publish(world, issue, caller.account, written)
    return written


def _state(event: str | None) -> ReviewState:
    if not event:
        return ReviewState.PENDING
    if event not in _STATES:
        raise Invalid(errors=(FieldError("PullRequestReview", "invalid", "event"),))
    return _STATES[event]


def _known_commit(world: World, issue: Issue, sha: str | None) -> str:
    pull = pull_of(issue)
    if sha is None:
        return pull.head_sha
    known = world.git.resolve(issue.repo_id, sha)
    if known is None:
        raise Invalid("Unprocessable Entity", ("The commit_id is not part of the pull request",))
    return known


def _place(
    world: World, issue: Issue, sha: str, findings: Sequence[Finding]
) -> list[tuple[Finding, int | None, str]]:
    if not findings:
        return []
    pull = pull_of(issue)
    patches = {change.path: change.patch for change in world.git.changes(issue.repo_id, pull.base_sha, sha)}
    placed: list[tuple[Finding, int | None, str]] = []
    for finding in findings:
        if finding.path not in patches:
            raise Invalid("Unprocessable Entity", ("Path could not be resolved",))
        place = _line_of(patches[finding.path] or "", finding)
        if place is None or not finding.body.strip():
            raise Invalid("Unprocessable Entity", ("Line could not be resolved",))
        placed.append((finding, *place))
    return placed


def _line_of(patch: str, finding: Finding) -> tuple[int, str] | None:
    found = None
    start_ok = finding.start_line is None
    for position, side, line, hunk in commentable_lines(patch):
        if finding.position is not None:
            if position == finding.position:
                found = (line, hunk)
        elif side == finding.side:
            start_ok = start_ok or line == finding.start_line
            if line == finding.line:
                found = (line, hunk)
    return found if start_ok else None


def commentable_lines(patch: str) -> Iterator[tuple[int, str, int, str]]:
    """Walk over (position, side, line, hunk so far) of every line of a patch that a comment may be put on."""
    old = new = 0
    hunk: list[str] = []
    for position, text in enumerate(patch.splitlines()):
        header = _HUNK.match(text)
        if header:
            old, new, hunk = int(header[1]), int(header[2]), [text]
            continue
        hunk.append(text)
        if text.startswith(("-", " ")):
            yield position, LEFT, old, "\n".join(hunk)
            old += 1
        if text.startswith(("+", " ")):
            yield position, RIGHT, new, "\n".join(hunk)
            new += 1


def _line_comment(
    world: World, written: Review, finding: Finding, line: int | None, hunk: str
) -> LineComment:
    now = world.now()
    return LineComment(
        world.new_id(),
        written.id,
        written.author_id,
        finding.path,
        line,
        finding.side,
        finding.body,
        written.sha,
        now,
        now,
        diff_hunk=hunk,
        start_line=finding.start_line,
    )


def _publish(world: World, issue: Issue, author: Account, written: Review) -> None:
    pull = pull_of(issue)
    written.submitted_at = written.updated_at = world.now()
    world.note(issue, EventKind.REVIEWED, author.id).subject_id = written.id
    if author.id in pull.requested_reviewers:
        pull.requested_reviewers.remove(author.id)
    texts = [written.body, *(c.body for c in pull.line_comments if c.review_id == written.id)]
    called = inbox.mentioned(world, "\n\n".join(texts))
    called.pop(author.id, None)
    world.subscribe(issue, author.id, Reason.COMMENT)
    inbox.tell(world, issue, author, called)


def find_review(issue: Issue, review_id: int) -> Review:
    """Find a review by its id; raises NotFound."""
    found = next((r for r in pull_of(issue).reviews if r.id == review_id), None)
    if found is None:
        raise NotFound
    return found


def submit(world: World, caller: Caller, issue: Issue, written: Review, verdict: Verdict) -> Review:
    """Submit a pending review."""
    state = _state(verdict.event)
    if written.author_id != caller.account.id:
        raise NotFound
    if written.state is not ReviewState.PENDING or state is ReviewState.PENDING:
        raise Invalid("Unprocessable Entity", ("Could not submit the review",))
    if state is not ReviewState.COMMENTED and issue.author_id == caller.account.id:
        raise Invalid("Unprocessable Entity", ("Can not approve your own pull request",))
    written.state, written.body = state, verdict.body or written.body
    _publish(world, issue, caller.account, written)
    return written


def discard(caller: Caller, issue: Issue, written: Review) -> None:
    """Delete a pending review with its comments."""
    pull = pull_of(issue)
    if written.author_id != caller.account.id:
        raise NotFound
    if written.state is not ReviewState.PENDING:
        raise Invalid("Unprocessable Entity", ("Can not delete a non-pending pull request review",))
    pull.reviews.remove(written)
    pull.line_comments = [c for c in pull.line_comments if c.review_id != written.id]


def dismiss(world: World, caller: Caller, issue: Issue, written: Review) -> Review:
    """Take the force out of somebody's verdict."""
    require_write(world, caller, world.repos[issue.repo_id], "pull_requests", Level.WRITE)
    written.state, written.updated_at, issue.updated_at = ReviewState.DISMISSED, world.now(), world.now()
    return written


def reply(world: World, caller: Caller, issue: Issue, to: LineComment, body: str) -> LineComment:
    """Answer a line comment; GitHub makes a review of its own around it."""
    pull, repo = pull_of(issue), world.repos[issue.repo_id]
    require_write(world, caller, repo, "pull_requests", Level.READ)
    now = world.now()
    around = Review(
        world.new_id(), caller.account.id, ReviewState.COMMENTED, "", pull.head_sha, now, now, None
    )
    pull.reviews.append(around)
    answer = _line_comment(world, around, Finding(to.path, body, to.line, to.side), to.line, to.diff_hunk)
    answer.reply_to = to.reply_to or to.id
    pull.line_comments.append(answer)
    _publish(world, issue, caller.account, around)
    return answer


def request_reviewers(
    world: World, caller: Caller, issue: Issue, logins: Iterable[str], team_slugs: Iterable[str] = ()
) -> None:
    """Ask people for a review; raises Invalid for the author and for people without access."""
    pull, repo = pull_of(issue), world.repos[issue.repo_id]
    require_write(world, caller, repo, "pull_requests", Level.TRIAGE)
    for login in logins:
        account = world.find_account(login)
        if account is not None and account.id == issue.author_id:
            raise Invalid("Review cannot be requested from pull request author.")
        if account is None or not may(world, Caller(account), repo, "pull_requests", Level.READ):
            raise Invalid("Reviews may only be requested from collaborators.")
        if account.id not in pull.requested_reviewers:
            pull.requested_reviewers.append(account.id)
            event = world.note(issue, EventKind.REVIEW_REQUESTED, caller.account.id)
            event.subject_id = account.id
            inbox.call(world, issue, caller.account, {account.id: Reason.REVIEW_REQUESTED})
    owner = world.accounts[repo.owner_id]
    for slug in team_slugs:
        if slug not in owner.teams:
            raise Invalid("Reviews may only be requested from collaborators.")
        if slug not in pull.requested_teams:
            pull.requested_teams.append(slug)
            members = dict.fromkeys(owner.teams[slug].member_ids, Reason.REVIEW_REQUESTED)
            inbox.call(world, issue, caller.account, members)


def unrequest_reviewers(world: World, caller: Caller, issue: Issue, logins: Iterable[str]) -> None:
    """Withdraw review requests."""
    pull = pull_of(issue)
    require_write(world, caller, world.repos[issue.repo_id], "pull_requests", Level.TRIAGE)
    for login in logins:
        account = world.find_account(login)
        if account is not None and account.id in pull.requested_reviewers:
            pull.requested_reviewers.remove(account.id)
            event = world.note(issue, EventKind.REVIEW_REQUEST_REMOVED, caller.account.id)
            event.subject_id = account.id


def find_line_comment(world: World, caller: Caller, issue: Issue, comment_id: int) -> LineComment:
    """Find a line comment of a pull request; raises NotFound."""
    require_read(world, caller, world.repos[issue.repo_id], "pull_requests")
    found = next((c for c in visible_line_comments(issue, caller.account) if c.id == comment_id), None)
    if found is None:
        raise NotFound
    return found


def visible_reviews(issue: Issue, reader: Account) -> list[Review]:
    """List the reviews that a reader sees: pending ones only show to their author."""
    return [r for r in pull_of(issue).reviews if r.submitted_at is not None or r.author_id == reader.id]


def visible_line_comments(issue: Issue, reader: Account) -> list[LineComment]:
    """List the line comments of the reviews that a reader sees."""
    shown = {r.id for r in visible_reviews(issue, reader) if r.submitted_at is not None}
    return [c for c in pull_of(issue).line_comments if c.review_id in shown]
