"""REST: pull requests, reviews and line comments."""

from __future__ import annotations

from typing import Any

from dispatcher.simulator import issues, pulls, reviews
from dispatcher.simulator.access import require_read
from dispatcher.simulator.exchange import Answer, Json, stamp
from dispatcher.simulator.model import Issue, LineComment, Review
from dispatcher.simulator.refusals import Invalid, NotFound
from dispatcher.simulator.render_pulls import (
    commit_json,
    file_json,
    full_pull_json,
    line_comment_json,
    pull_json,
    review_json,
    team_json,
)
from dispatcher.simulator.rest_call import Call


def list_pulls(call: Call) -> Answer:
    """GET pulls: filters `state`, `head` (`owner:branch`) and `base`; newest first."""
    require_read(call.world, call.caller, call.repo, "pull_requests")
    state, head, base = call.query("state", "open"), call.query("head"), call.query("base")
    found = [
        issue
        for issue, pull in pulls.every_pull(call.repo)
        if (state == "all" or issue.is_open == (state == "open"))
        and (":" not in head or _head_label(call, issue) == head.lower())
        and (not base or pull.base_ref == base)
    ]
    by_update = call.query("sort") == "updated"
    found.sort(
        key=lambda issue: (issue.updated_at if by_update else issue.created_at, issue.id),
        reverse=call.query("direction", "desc") != "asc",
    )
    return call.page(found, lambda issue: pull_json(call.show, issue))


def _head_label(call: Call, issue: Issue) -> str:
    pull = pulls.pull_of(issue)
    head_repo = call.world.repos.get(pull.head_repo_id, call.repo)
    return f"{call.world.accounts[head_repo.owner_id].login}:{pull.head_ref}".lower()


def create_pull(call: Call) -> Answer:
    """POST pulls."""
    body = call.text_or_none("body")
    wanted = pulls.Proposal(
        call.text("title"), call.text("head"), call.text("base"), body, draft=bool(call.json.get("draft"))
    )
    issue = pulls.open_pull(call.world, call.caller, call.repo, wanted)
    return Answer(201, full_pull_json(call.show, issue))


def get_pull(call: Call) -> Answer:
    """GET pulls/{n}; as a diff or patch when the Accept header asks for it."""
    issue = call.pull
    require_read(call.world, call.caller, call.repo, "pull_requests")
    accept = call.request.headers.get("accept", "")
    if "diff" in accept or "patch" in accept:
        pull = pulls.pull_of(issue)
        text = call.world.git.diff(call.repo.id, pull.base_sha, pull.head_sha)
        return Answer(200, text.encode(), {"Content-Type": "application/vnd.github.diff; charset=utf-8"})
    return Answer(200, full_pull_json(call.show, issue))


def change_pull(call: Call) -> Answer:
    """PATCH pulls/{n}: title, body, state, base."""
    issue, base = call.pull, call.text_or_none("base")
    wanted = issues.Changes(call.text_or_none("title"), call.new_body(), call.text_or_none("state"))
    issues.change(call.world, call.caller, issue, wanted)
    if base:
        pulls.change_base(call.world, call.caller, issue, base)
    return Answer(200, full_pull_json(call.show, issue))


def list_files(call: Call) -> Answer:
    """GET pulls/{n}/files."""
    issue = call.pull
    require_read(call.world, call.caller, call.repo, "pull_requests")
    head_sha = pulls.pull_of(issue).head_sha
    found = pulls.changed_files(call.world, issue)
    return call.page(found, lambda change: file_json(call.show, call.repo, head_sha, change))


def list_commits(call: Call) -> Answer:
    """GET pulls/{n}/commits, oldest first."""
    pull = pulls.pull_of(call.pull)
    require_read(call.world, call.caller, call.repo, "pull_requests")
    found = call.world.git.commits(call.repo.id, pull.base_sha, pull.head_sha)
    return call.page(found, lambda facts: commit_json(call.show, call.repo, facts))


def merge_pull(call: Call) -> Answer:
    """PUT pulls/{n}/merge."""
    wish = pulls.MergeWish(
        call.text_or_none("merge_method") or "merge",
        call.text_or_none("sha"),
        call.text_or_none("commit_title"),
        call.text_or_none("commit_message"),
    )
    sha = pulls.merge(call.world, call.caller, call.pull, wish)
    return Answer(200, {"sha": sha, "merged": True, "message": "Pull Request successfully merged"})


def get_merged(call: Call) -> Answer:
    """GET pulls/{n}/merge: 204 when it is merged."""
    require_read(call.world, call.caller, call.repo, "pull_requests")
    if pulls.pull_of(call.pull).merged_at is None:
        raise NotFound
    return Answer(204)


def update_branch(call: Call) -> Answer:
    """PUT pulls/{n}/update-branch."""
    issue = call.pull
    pulls.update_branch(call.world, call.caller, issue, call.text_or_none("expected_head_sha"))
    return Answer(
        202, {"message": "Updating pull request branch.", "url": pull_json(call.show, issue)["url"]}
    )


# -- reviews -----------------------------------------------------------------------------------------------------


def list_reviews(call: Call) -> Answer:
    """GET pulls/{n}/reviews, oldest first."""
    issue = call.pull
    require_read(call.world, call.caller, call.repo, "pull_requests")
    shown = reviews.visible_reviews(issue, call.caller.account)
    return call.page(shown, lambda review: review_json(call.show, issue, review))


def _finding(entry: Any) -> reviews.Finding:
    if not isinstance(entry, dict) or not isinstance(entry.get("path"), str):
        raise Invalid("Unprocessable Entity", ("Path could not be resolved",))
    return reviews.Finding(
        entry["path"],
        str(entry.get("body") or ""),
        _whole_number(entry, "line"),
        str(entry.get("side") or reviews.RIGHT),
        _whole_number(entry, "start_line"),
        _whole_number(entry, "position"),
    )


def _whole_number(entry: dict[str, Any], name: str) -> int | None:
    value = entry.get(name)
    if value is not None and not isinstance(value, int):
        raise Invalid(f"Invalid request.\n\nFor 'properties/{name}', {value!r} is not an integer.")
    return value


def _verdict(call: Call) -> reviews.Verdict:
    entries = call.json.get("comments") or []
    if not isinstance(entries, list):
        raise Invalid("Invalid request.\n\nFor 'properties/comments', it is not an array.")
    findings = tuple(_finding(entry) for entry in entries)
    event, sha = call.text_or_none("event"), call.text_or_none("commit_id")
    return reviews.Verdict(event, call.text_or_none("body") or "", sha, findings)


def create_review(call: Call) -> Answer:
    """POST pulls/{n}/reviews."""
    issue = call.pull
    written = reviews.review(call.world, call.caller, issue, _verdict(call))
    return Answer(200, review_json(call.show, issue, written))


def get_review(call: Call) -> Answer:
    """GET pulls/{n}/reviews/{id}."""
    require_read(call.world, call.caller, call.repo, "pull_requests")
    return Answer(200, review_json(call.show, call.pull, _review(call)))


def _review(call: Call) -> Review:
    written = reviews.find_review(call.pull, int(call.args["review_id"]))
    if written not in reviews.visible_reviews(call.pull, call.caller.account):
        raise NotFound
    return written


def submit_review(call: Call) -> Answer:
    """POST pulls/{n}/reviews/{id}/events."""
    written = reviews.submit(call.world, call.caller, call.pull, _review(call), _verdict(call))
    return Answer(200, review_json(call.show, call.pull, written))


def delete_review(call: Call) -> Answer:
    """DELETE pulls/{n}/reviews/{id}: pending ones only."""
    written = _review(call)
    reviews.discard(call.caller, call.pull, written)
    return Answer(200, review_json(call.show, call.pull, written))


def dismiss_review(call: Call) -> Answer:
    """PUT pulls/{n}/reviews/{id}/dismissals."""
    written = reviews.dismiss(call.world, call.caller, call.pull, _review(call))
    return Answer(200, review_json(call.show, call.pull, written))


def list_review_comments(call: Call) -> Answer:
    """GET pulls/{n}/comments, and pulls/{n}/reviews/{id}/comments."""
    issue, since = call.pull, call.since()
    require_read(call.world, call.caller, call.repo, "pull_requests")
    found = [
        comment
        for comment in reviews.visible_line_comments(issue, call.caller.account)
        if (stamp(comment.updated_at) or "") >= since
        and ("review_id" not in call.args or comment.review_id == int(call.args["review_id"]))
    ]
    return call.page(found, lambda comment: line_comment_json(call.show, issue, comment))


def list_repo_review_comments(call: Call) -> Answer:
    """GET pulls/comments: line comments of the whole repository."""
    require_read(call.world, call.caller, call.repo, "pull_requests")
    since = call.since()
    found: list[tuple[Issue, LineComment]] = [
        (issue, comment)
        for issue, _ in pulls.every_pull(call.repo)
        for comment in reviews.visible_line_comments(issue, call.caller.account)
        if (stamp(comment.updated_at) or "") >= since
    ]
    return call.page(found, lambda pair: line_comment_json(call.show, *pair))


def create_review_comment(call: Call) -> Answer:
    """POST pulls/{n}/comments: a review with one line comment, or a reply."""
    issue = call.pull
    if isinstance(call.json.get("in_reply_to"), int):
        return _reply(call, call.json["in_reply_to"])
    verdict = reviews.Verdict("COMMENT", "", call.text_or_none("commit_id"), (_finding(call.json),))
    written = reviews.review(call.world, call.caller, issue, verdict)
    comment = next(c for c in pulls.pull_of(issue).line_comments if c.review_id == written.id)
    return Answer(201, line_comment_json(call.show, issue, comment))


def reply_to_review_comment(call: Call) -> Answer:
    """POST pulls/{n}/comments/{id}/replies."""
    return _reply(call, int(call.args["comment_id"]))


def _reply(call: Call, comment_id: int) -> Answer:
    issue = call.pull
    to = reviews.find_line_comment(call.world, call.caller, issue, comment_id)
    answer = reviews.reply(call.world, call.caller, issue, to, call.text("body"))
    return Answer(201, line_comment_json(call.show, issue, answer))


def get_requested_reviewers(call: Call) -> Answer:
    """GET pulls/{n}/requested_reviewers."""
    require_read(call.world, call.caller, call.repo, "pull_requests")
    pull = pulls.pull_of(call.pull)
    shown: Json = {
        "users": [call.show.user_by_id(account_id) for account_id in pull.requested_reviewers],
        "teams": [team_json(call.show, call.repo, slug) for slug in pull.requested_teams],
    }
    return Answer(200, shown)


def request_reviewers(call: Call) -> Answer:
    """POST pulls/{n}/requested_reviewers."""
    logins = call.texts("reviewers") if "reviewers" in call.json else []
    slugs = call.texts("team_reviewers") if "team_reviewers" in call.json else []
    reviews.request_reviewers(call.world, call.caller, call.pull, logins, slugs)
    return Answer(201, pull_json(call.show, call.pull))


def unrequest_reviewers(call: Call) -> Answer:
    """DELETE pulls/{n}/requested_reviewers."""
    reviews.unrequest_reviewers(call.world, call.caller, call.pull, call.texts("reviewers"))
    return Answer(200, pull_json(call.show, call.pull))
