"""GraphQL fields of pull requests, reviews, commits and checks."""

# ruff: noqa: ARG001, ARG005  (functions in one table share one shape, whether they need every argument or not)
from __future__ import annotations

from dispatcher.simulator import pulls, reviews
from dispatcher.simulator.access import association, level_of
from dispatcher.simulator.exchange import Json, stamp
from dispatcher.simulator.graphql_issues import THREAD, account_of, listing, repo_of
from dispatcher.simulator.graphql_nodes import (
    Arguments,
    At,
    CommitAt,
    Fields,
    LineCommentAt,
    PullCommitAt,
    RefAt,
    RequestAt,
    ReviewAt,
    ThreadAt,
)
from dispatcher.simulator.model import Account, CheckRun, Issue, Level, LineComment, Repo, Status, Team
from dispatcher.simulator.render_pulls import rollup_state

_CHANGE_WORDS = {"added": "ADDED", "removed": "DELETED", "renamed": "RENAMED", "copied": "COPIED"}
_MERGEABLE = {None: "UNKNOWN", True: "MERGEABLE", False: "CONFLICTING"}


def _head_repo(issue: Issue, at: At) -> Repo | None:
    return at.world.repos.get(pulls.pull_of(issue).head_repo_id)


def _end(repo: Repo | None, at: At, name: str) -> RefAt | None:
    sha = None if repo is None else at.world.git.refs(repo.id).get(f"refs/heads/{name}")
    return None if sha is None or repo is None else RefAt(repo, name, sha)


def _looked_at(issue: Issue, at: At) -> bool | None:
    # One request is one look, however many fields ask: `mergeable` and `mergeStateStatus` agree with each other.
    if issue.id not in at.mergeable:
        at.mergeable[issue.id] = pulls.mergeable(at.world, issue)
    return at.mergeable[issue.id]


def _mergeable(issue: Issue, at: At, asked: Arguments) -> str:
    return _MERGEABLE[_looked_at(issue, at)]


def _merge_state(issue: Issue, at: At, asked: Arguments) -> str:
    return pulls.merge_state(at.world, issue, clean=_looked_at(issue, at)).upper()


def _requests(issue: Issue, at: At, asked: Arguments) -> list[RequestAt]:
    pull = pulls.pull_of(issue)
    owner = at.world.accounts[repo_of(at, issue).owner_id]
    wanted: list[Account | Team] = [at.world.accounts[account_id] for account_id in pull.requested_reviewers]
    wanted += [owner.teams[slug] for slug in pull.requested_teams]
    return [RequestAt(issue, reviewer) for reviewer in wanted]


def _reviews(issue: Issue, at: At, asked: Arguments) -> list[ReviewAt]:
    states, author = asked.get("states"), asked.get("author")
    return [
        ReviewAt(issue, review)
        for review in reviews.visible_reviews(issue, at.caller.account)
        if (not states or review.state.value in states)
        and (author is None or at.world.accounts[review.author_id].login.lower() == author.lower())
    ]


def _latest_reviews(issue: Issue, at: At, asked: Arguments) -> list[ReviewAt]:
    return list({found.review.author_id: found for found in _reviews(issue, at, asked)}.values())


def _threads(issue: Issue, at: At, asked: Arguments) -> list[ThreadAt]:
    threads: dict[int, list[LineComment]] = {}
    for comment in reviews.visible_line_comments(issue, at.caller.account):
        threads.setdefault(comment.reply_to or comment.id, []).append(comment)
    return [ThreadAt(issue, tuple(comments)) for comments in threads.values()]


def _commits(issue: Issue, at: At, asked: Arguments) -> list[PullCommitAt]:
    pull, repo = pulls.pull_of(issue), repo_of(at, issue)
    found = at.world.git.commits(repo.id, pull.base_sha, pull.head_sha)
    return [PullCommitAt(issue, CommitAt(repo, facts.sha)) for facts in found]


def _files(issue: Issue, at: At, asked: Arguments) -> list[Json]:
    return [
        {
            "path": change.path,
            "additions": change.additions,
            "deletions": change.deletions,
            "changeType": _CHANGE_WORDS.get(change.status, "MODIFIED"),
        }
        for change in pulls.changed_files(at.world, issue)
    ]


def _merge_commit(issue: Issue, at: At, asked: Arguments) -> CommitAt | None:
    sha = pulls.pull_of(issue).merge_sha
    return None if sha is None else CommitAt(repo_of(at, issue), sha)


PULL: Fields = THREAD | {
    "headRefName": lambda issue, at, asked: issue.pull.head_ref,
    "headRefOid": lambda issue, at, asked: issue.pull.head_sha,
    "headRef": lambda issue, at, asked: _end(_head_repo(issue, at), at, issue.pull.head_ref),
    "headRepository": lambda issue, at, asked: _head_repo(issue, at),
    "headRepositoryOwner": lambda issue, at, asked: (
        None if (repo := _head_repo(issue, at)) is None else at.world.accounts[repo.owner_id]
    ),
    "baseRefName": lambda issue, at, asked: issue.pull.base_ref,
    "baseRefOid": lambda issue, at, asked: issue.pull.base_sha,
    "baseRef": lambda issue, at, asked: _end(repo_of(at, issue), at, issue.pull.base_ref),
    "baseRepository": lambda issue, at, asked: repo_of(at, issue),
    "isDraft": lambda issue, at, asked: issue.pull.draft,
    "isCrossRepository": lambda issue, at, asked: issue.pull.head_repo_id != issue.repo_id,
    "merged": lambda issue, at, asked: issue.pull.merged_at is not None,
    "mergedAt": lambda issue, at, asked: stamp(issue.pull.merged_at),
    "mergedBy": lambda issue, at, asked: account_of(at, issue.pull.merged_by),
    "mergeCommit": _merge_commit,
    "mergeable": _mergeable,
    "mergeStateStatus": _merge_state,
    "reviewDecision": lambda issue, at, asked: pulls.review_decision(at.world, issue),
    "additions": lambda issue, at, asked: sum(c.additions for c in pulls.changed_files(at.world, issue)),
    "deletions": lambda issue, at, asked: sum(c.deletions for c in pulls.changed_files(at.world, issue)),
    "changedFiles": lambda issue, at, asked: len(pulls.changed_files(at.world, issue)),
    "reviewRequests": listing("reviewRequests", _requests),
    "reviews": listing("reviews", _reviews),
    "latestReviews": listing("latestReviews", _latest_reviews),
    "reviewThreads": listing("reviewThreads", _threads),
    "commits": listing("commits", _commits),
    "closingIssuesReferences": listing(
        "closingIssuesReferences", lambda issue, at, asked: pulls.closes(at.world, issue)
    ),
    "files": listing("files", _files),
}
REQUEST: Fields = {
    "id": lambda wanted, at, asked: f"RR_{wanted.issue.id}_{wanted.reviewer.id}",
    "databaseId": lambda wanted, at, asked: wanted.reviewer.id,
    "requestedReviewer": lambda wanted, at, asked: wanted.reviewer,
    "asCodeOwner": lambda wanted, at, asked: False,
}

# -- reviews -----------------------------------------------------------------------------------------------------


def _review_comments(held: ReviewAt, at: At, asked: Arguments) -> list[LineCommentAt]:
    found = pulls.pull_of(held.issue).line_comments
    return [LineCommentAt(held.issue, comment) for comment in found if comment.review_id == held.review.id]


REVIEW: Fields = {
    "id": lambda held, at, asked: f"PRR_{held.review.id}",
    "databaseId": lambda held, at, asked: held.review.id,
    "fullDatabaseId": lambda held, at, asked: str(held.review.id),
    "body": lambda held, at, asked: held.review.body,
    "state": lambda held, at, asked: held.review.state.value,
    "url": lambda held, at, asked: f"{at.show.issue_page(held.issue)}#pullrequestreview-{held.review.id}",
    "author": lambda held, at, asked: account_of(at, held.review.author_id),
    "editor": lambda held, at, asked: None,
    "authorAssociation": lambda held, at, asked: association(
        at.world, repo_of(at, held.issue), held.review.author_id
    ),
    "viewerDidAuthor": lambda held, at, asked: held.review.author_id == at.caller.account.id,
    "isMinimized": lambda held, at, asked: False,
    "createdAt": lambda held, at, asked: stamp(held.review.created_at),
    "updatedAt": lambda held, at, asked: stamp(held.review.updated_at),
    "submittedAt": lambda held, at, asked: stamp(held.review.submitted_at),
    "lastEditedAt": lambda held, at, asked: stamp(held.review.edited_at),
    "commit": lambda held, at, asked: CommitAt(repo_of(at, held.issue), held.review.sha),
    "pullRequest": lambda held, at, asked: held.issue,
    "comments": listing("comments", _review_comments),
}
REVIEW_THREAD: Fields = {
    "id": lambda thread, at, asked: f"PRRT_{thread.comments[0].id}",
    "isResolved": lambda thread, at, asked: thread.comments[0].resolved,
    "isOutdated": lambda thread, at, asked: thread.comments[0].sha != thread.issue.pull.head_sha,
    "path": lambda thread, at, asked: thread.comments[0].path,
    "line": lambda thread, at, asked: _current_line(thread.issue, thread.comments[0]),
    "diffSide": lambda thread, at, asked: thread.comments[0].side,
    "comments": listing(
        "comments", lambda thread, at, asked: [LineCommentAt(thread.issue, c) for c in thread.comments]
    ),
}


def _current_line(issue: Issue, comment: LineComment) -> int | None:
    return comment.line if comment.sha == pulls.pull_of(issue).head_sha else None


def _around(held: LineCommentAt, at: At, asked: Arguments) -> ReviewAt:
    return ReviewAt(held.issue, reviews.find_review(held.issue, held.comment.review_id))


def _reply_to(held: LineCommentAt, at: At, asked: Arguments) -> LineCommentAt | None:
    found = pulls.pull_of(held.issue).line_comments
    return next((LineCommentAt(held.issue, c) for c in found if c.id == held.comment.reply_to), None)


LINE_COMMENT: Fields = {
    "id": lambda held, at, asked: f"PRRC_{held.comment.id}",
    "databaseId": lambda held, at, asked: held.comment.id,
    "fullDatabaseId": lambda held, at, asked: str(held.comment.id),
    "body": lambda held, at, asked: held.comment.body,
    "path": lambda held, at, asked: held.comment.path,
    "line": lambda held, at, asked: _current_line(held.issue, held.comment),
    "originalLine": lambda held, at, asked: held.comment.line,
    "startLine": lambda held, at, asked: held.comment.start_line,
    "diffHunk": lambda held, at, asked: held.comment.diff_hunk,
    "author": lambda held, at, asked: account_of(at, held.comment.author_id),
    "editor": lambda held, at, asked: None,
    "authorAssociation": lambda held, at, asked: association(
        at.world, repo_of(at, held.issue), held.comment.author_id
    ),
    "viewerDidAuthor": lambda held, at, asked: held.comment.author_id == at.caller.account.id,
    "isMinimized": lambda held, at, asked: False,
    "outdated": lambda held, at, asked: held.comment.sha != held.issue.pull.head_sha,
    "createdAt": lambda held, at, asked: stamp(held.comment.created_at),
    "updatedAt": lambda held, at, asked: stamp(held.comment.updated_at),
    "lastEditedAt": lambda held, at, asked: stamp(held.comment.edited_at),
    "url": lambda held, at, asked: f"{at.show.issue_page(held.issue)}#discussion_r{held.comment.id}",
    "commit": lambda held, at, asked: CommitAt(repo_of(at, held.issue), held.comment.sha),
    "pullRequestReview": _around,
    "replyTo": _reply_to,
}

# -- commits and checks ------------------------------------------------------------------------------------------


def _message(found: CommitAt, at: At) -> str:
    return at.world.git.commit(found.repo.id, found.sha).message


def _committed_at(found: CommitAt, at: At, asked: Arguments) -> str | None:
    return stamp(at.world.git.commit(found.repo.id, found.sha).author.at)


def _commit_author(found: CommitAt, at: At, asked: Arguments) -> Json:
    author = at.world.git.commit(found.repo.id, found.sha).author
    user = at.world.find_account(author.name)
    return {"date": stamp(author.at), "name": author.name, "email": author.email, "user": user}


def _contexts(found: CommitAt, at: At, asked: Arguments) -> list[CheckRun | Status]:
    runs = {run.name: run for run in found.repo.check_runs.get(found.sha, [])}
    statuses = {status.context: status for status in found.repo.statuses.get(found.sha, [])}
    return [*runs.values(), *statuses.values()]


def _rollup(found: CommitAt, at: At, asked: Arguments) -> CommitAt | None:
    return None if rollup_state(found.repo, found.sha) is None else found


def _statuses(found: CommitAt, at: At, asked: Arguments) -> Json | None:
    newest = {status.context: status for status in found.repo.statuses.get(found.sha, [])}
    if not newest:
        return None
    words = {status.state.upper() for status in newest.values()}
    state = next((word for word in ("ERROR", "FAILURE", "PENDING") if word in words), "SUCCESS")
    return {"id": f"S_{found.sha}", "state": state, "contexts": list(newest.values())}


COMMIT: Fields = {
    "id": lambda found, at, asked: f"C_{found.sha}",
    "oid": lambda found, at, asked: found.sha,
    "abbreviatedOid": lambda found, at, asked: found.sha[:7],
    "message": lambda found, at, asked: _message(found, at),
    "messageHeadline": lambda found, at, asked: _message(found, at).partition("\n")[0],
    "committedDate": _committed_at,
    "authoredDate": _committed_at,
    "author": _commit_author,
    "url": lambda found, at, asked: f"{at.show.repo_page(found.repo)}/commit/{found.sha}",
    "statusCheckRollup": _rollup,
    "status": _statuses,
    "parents": listing(
        "parents",
        lambda found, at, asked: [
            CommitAt(found.repo, sha) for sha in at.world.git.commit(found.repo.id, found.sha).parents
        ],
    ),
}
ROLLUP: Fields = {
    "id": lambda found, at, asked: f"SCR_{found.sha}",
    "state": lambda found, at, asked: rollup_state(found.repo, found.sha),
    "contexts": listing("contexts", _contexts),
}
PULL_COMMIT: Fields = {
    "id": lambda found, at, asked: f"PRC_{found.commit.sha}",
    "url": lambda found, at, asked: f"{at.show.issue_page(found.issue)}/commits/{found.commit.sha}",
}


def _update_rule(ref: RefAt, at: At, asked: Arguments) -> dict[str, object] | None:
    """What anybody who may read sees of a branch's protection; rulesets are told elsewhere."""
    rules = ref.repo.protections.get(ref.name)
    if rules is None or rules.is_ruleset:
        return None
    may_update = level_of(at.world, at.caller.account, ref.repo) >= Level.WRITE
    return {
        "pattern": ref.name,
        "viewerCanPush": may_update and (rules.writers is None or at.caller.account.id in rules.writers),
        "requiredApprovingReviewCount": rules.required_approvals if rules.requires_pull else None,
        "requiredStatusCheckContexts": list(rules.required_contexts),
    }


REF: Fields = {
    "id": lambda ref, at, asked: f"REF_{ref.repo.id}_{ref.name}",
    "prefix": lambda ref, at, asked: "refs/heads/",
    "target": lambda ref, at, asked: CommitAt(ref.repo, ref.sha),
    "refUpdateRule": _update_rule,
}
CHECK_RUN: Fields = {
    "id": lambda run, at, asked: f"CR_{run.id}",
    "databaseId": lambda run, at, asked: run.id,
    "status": lambda run, at, asked: run.status.upper(),
    "conclusion": lambda run, at, asked: run.conclusion.upper() if run.conclusion else None,
    "detailsUrl": lambda run, at, asked: run.details_url,
    "startedAt": lambda run, at, asked: stamp(run.started_at),
    "completedAt": lambda run, at, asked: stamp(run.completed_at),
}
STATUS: Fields = {
    "id": lambda status, at, asked: f"SC_{status.id}",
    "state": lambda status, at, asked: status.state.upper(),
    "targetUrl": lambda status, at, asked: status.target_url,
    "createdAt": lambda status, at, asked: stamp(status.created_at),
    "creator": lambda status, at, asked: account_of(at, status.creator_id),
}
