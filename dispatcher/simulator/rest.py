"""REST: the table of routes, and what happens around every endpoint (renames, refusals, ETags)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache

from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, Rule

from dispatcher.simulator import rest_checks as on_checks
from dispatcher.simulator import rest_git as on_git
from dispatcher.simulator import rest_issues as on_issues
from dispatcher.simulator import rest_people as on_people
from dispatcher.simulator import rest_pulls as on_pulls
from dispatcher.simulator import rest_repos as on_repos
from dispatcher.simulator.access import can_see
from dispatcher.simulator.exchange import Answer, Json
from dispatcher.simulator.refusals import FieldError, NotFound, Refused
from dispatcher.simulator.rest_call import Call

Endpoint = Callable[[Call], Answer]

_ANYWHERE: tuple[tuple[str, str, Endpoint], ...] = (
    ("GET", "/user", on_people.get_user),
    ("GET", "/user/repos", on_people.list_user_repos),
    ("GET", "/user/<int:account_id>", on_people.get_other_user),
    ("GET", "/users/<login>", on_people.get_other_user),
    ("GET", "/rate_limit", on_people.get_rate_limit),
    ("GET", "/meta", on_people.get_meta),
    ("GET", "/issues", on_people.list_all_issues),
    ("GET", "/search/issues", on_people.search),
    ("GET", "/notifications", on_people.list_notifications),
    ("PUT", "/notifications", on_people.mark_notifications),
    ("GET", "/notifications/threads/<int:thread_id>", on_people.get_thread),
    ("PATCH", "/notifications/threads/<int:thread_id>", on_people.mark_thread),
    ("GET", "/orgs/<org>/teams/<slug>/memberships/<login>", on_people.get_membership),
)

_IN_REPO: tuple[tuple[str, str, Endpoint], ...] = (
    ("GET", "", on_repos.get_repo),
    ("DELETE", "", on_repos.delete_repo),
    ("POST", "/forks", on_repos.create_fork),
    ("GET", "/notifications", on_people.list_notifications),
    ("GET", "/issues", on_issues.list_issues),
    ("POST", "/issues", on_issues.create_issue),
    ("GET", "/issues/<int:number>", on_issues.get_issue),
    ("PATCH", "/issues/<int:number>", on_issues.change_issue),
    ("GET", "/issues/<int:number>/comments", on_issues.list_comments),
    ("POST", "/issues/<int:number>/comments", on_issues.create_comment),
    ("GET", "/issues/comments", on_issues.list_repo_comments),
    ("GET", "/issues/comments/<int:comment_id>", on_issues.get_comment),
    ("PATCH", "/issues/comments/<int:comment_id>", on_issues.edit_comment),
    ("DELETE", "/issues/comments/<int:comment_id>", on_issues.delete_comment),
    ("GET", "/labels", on_issues.list_repo_labels),
    ("POST", "/labels", on_issues.create_label),
    ("GET", "/labels/<name>", on_issues.get_label),
    ("PATCH", "/labels/<name>", on_issues.change_label),
    ("DELETE", "/labels/<name>", on_issues.delete_label),
    ("GET", "/issues/<int:number>/labels", on_issues.list_issue_labels),
    ("POST", "/issues/<int:number>/labels", on_issues.add_labels),
    ("PUT", "/issues/<int:number>/labels", on_issues.set_labels),
    ("DELETE", "/issues/<int:number>/labels", on_issues.clear_labels),
    ("DELETE", "/issues/<int:number>/labels/<name>", on_issues.remove_label),
    ("POST", "/issues/<int:number>/assignees", on_issues.add_assignees),
    ("DELETE", "/issues/<int:number>/assignees", on_issues.remove_assignees),
    ("GET", "/assignees", on_issues.list_assignees),
    ("GET", "/assignees/<login>", on_issues.check_assignee),
    ("GET", "/issues/<int:number>/events", on_issues.list_events),
    ("GET", "/issues/<int:number>/timeline", on_issues.list_timeline),
    ("GET", "/issues/<int:number>/dependencies/blocked_by", on_issues.list_blockers),
    ("POST", "/issues/<int:number>/dependencies/blocked_by", on_issues.add_blocker),
    ("GET", "/collaborators", on_repos.list_collaborators),
    ("GET", "/collaborators/<login>", on_repos.check_collaborator),
    ("GET", "/collaborators/<login>/permission", on_repos.get_permission),
    ("GET", "/pulls", on_pulls.list_pulls),
    ("POST", "/pulls", on_pulls.create_pull),
    ("GET", "/pulls/<int:number>", on_pulls.get_pull),
    ("PATCH", "/pulls/<int:number>", on_pulls.change_pull),
    ("GET", "/pulls/<int:number>/files", on_pulls.list_files),
    ("GET", "/pulls/<int:number>/commits", on_pulls.list_commits),
    ("GET", "/pulls/<int:number>/merge", on_pulls.get_merged),
    ("PUT", "/pulls/<int:number>/merge", on_pulls.merge_pull),
    ("PUT", "/pulls/<int:number>/update-branch", on_pulls.update_branch),
    ("GET", "/pulls/<int:number>/reviews", on_pulls.list_reviews),
    ("POST", "/pulls/<int:number>/reviews", on_pulls.create_review),
    ("GET", "/pulls/<int:number>/reviews/<int:review_id>", on_pulls.get_review),
    ("DELETE", "/pulls/<int:number>/reviews/<int:review_id>", on_pulls.delete_review),
    ("POST", "/pulls/<int:number>/reviews/<int:review_id>/events", on_pulls.submit_review),
    ("PUT", "/pulls/<int:number>/reviews/<int:review_id>/dismissals", on_pulls.dismiss_review),
    ("GET", "/pulls/<int:number>/reviews/<int:review_id>/comments", on_pulls.list_review_comments),
    ("GET", "/pulls/comments", on_pulls.list_repo_review_comments),
    ("GET", "/pulls/<int:number>/comments", on_pulls.list_review_comments),
    ("POST", "/pulls/<int:number>/comments", on_pulls.create_review_comment),
    ("POST", "/pulls/<int:number>/comments/<int:comment_id>/replies", on_pulls.reply_to_review_comment),
    ("GET", "/pulls/<int:number>/requested_reviewers", on_pulls.get_requested_reviewers),
    ("POST", "/pulls/<int:number>/requested_reviewers", on_pulls.request_reviewers),
    ("DELETE", "/pulls/<int:number>/requested_reviewers", on_pulls.unrequest_reviewers),
    ("GET", "/branches", on_git.list_branches),
    ("GET", "/branches/<path:branch>", on_git.get_branch),
    ("GET", "/branches/<path:branch>/protection", on_git.get_protection),
    ("GET", "/rules/branches/<path:branch>", on_git.list_rules),
    ("GET", "/rulesets/<int:ruleset_id>", on_git.get_ruleset),
    ("GET", "/git/ref/<path:ref>", on_git.get_ref),
    ("GET", "/git/refs/<path:ref>", on_git.get_ref),
    ("GET", "/git/matching-refs/<path:ref>", on_git.list_matching_refs),
    ("POST", "/git/refs", on_git.create_ref),
    ("PATCH", "/git/refs/<path:ref>", on_git.change_ref),
    ("DELETE", "/git/refs/<path:ref>", on_git.delete_ref),
    ("GET", "/contents", on_git.get_contents),
    ("GET", "/contents/<path:path>", on_git.get_contents),
    ("PUT", "/contents/<path:path>", on_git.put_contents),
    ("GET", "/compare/<path:basehead>", on_git.compare),
    ("GET", "/commits/<path:ref>/status", on_checks.get_combined_status),
    ("GET", "/commits/<path:ref>/statuses", on_checks.list_statuses),
    ("GET", "/commits/<path:ref>/check-runs", on_checks.list_check_runs),
    ("GET", "/commits/<path:ref>", on_git.get_commit),
    ("POST", "/statuses/<ref>", on_checks.create_status),
    ("POST", "/check-runs", on_checks.create_check_run),
    ("PATCH", "/check-runs/<int:run_id>", on_checks.change_check_run),
)

_REPO_STARTS = ("/repos/<owner>/<repo_name>", "/repositories/<int:repo_id>")


@cache
def _routes() -> Map:
    rules = [Rule(path, methods=[method], endpoint=endpoint) for method, path, endpoint in _ANYWHERE]
    rules += [
        Rule(start + path, methods=[method], endpoint=endpoint)
        for method, path, endpoint in _IN_REPO
        for start in _REPO_STARTS
    ]
    return Map(rules, strict_slashes=False, merge_slashes=False)


def route_names() -> frozenset[str]:
    """Name every route as `METHOD /path`, paths in a repository without what comes before."""
    return frozenset(f"{method} {path}" for method, path, _ in (*_ANYWHERE, *_IN_REPO))


def route_of(method: str, path: str) -> str | None:
    """Name the route that a request takes, in the words of `route_names`; None when there is none."""
    try:
        rule, _ = _routes().bind("").match(path, method, return_rule=True)
    except HTTPException:
        return None
    for start in _REPO_STARTS:
        if rule.rule.startswith(start):
            return f"{method} {rule.rule.removeprefix(start)}"
    return f"{method} {rule.rule}"


def answer(call: Call) -> Answer:
    """Answer a request: find the endpoint and the repository, let the endpoint act, add the ETag."""
    try:
        endpoint, args = _routes().bind("").match(call.request.path, call.request.method)
    except HTTPException as error:
        raise NotFound from error
    call.args = {name: str(value) for name, value in args.items()}
    moved = _find_repo(call)
    if moved is not None:
        return moved
    done: Answer = endpoint(call)
    return _with_etag(call, done) if call.request.method == "GET" and done.status == 200 else done


def _find_repo(call: Call) -> Answer | None:
    world = call.world
    if "repo_id" in call.args:
        call.found_repo = world.repos.get(int(call.args["repo_id"]))
    elif "repo_name" in call.args:
        name = f"{call.args['owner']}/{call.args['repo_name']}"
        call.found_repo = world.find_repo(name)
        moved = world.find_moved_repo(name)
        if call.found_repo is None and moved is not None and can_see(world, call.caller, moved):
            return _redirect(call, moved.id)
    else:
        return None
    if call.found_repo is None or not can_see(world, call.caller, call.found_repo):
        raise NotFound
    return None


def _redirect(call: Call, repo_id: int) -> Answer:
    rest = call.request.path.split("/", 4)[4:]
    url = "/".join([f"{call.show.api}/repositories/{repo_id}", *rest])
    if call.request.query_text:
        url += f"?{call.request.query_text}"
    status = 301 if call.request.method in {"GET", "HEAD"} else 307
    text = "Moved Permanently" if status == 301 else "Temporary Redirect"
    return Answer(
        status, {"message": text, "url": url, "documentation_url": _documentation()}, {"Location": url}
    )


def _with_etag(call: Call, done: Answer) -> Answer:
    done.body = done.content()
    token = "" if call.caller.token is None else call.caller.token.value
    accept = call.request.headers.get("accept", "")
    digest = hashlib.sha256(b"\0".join([token.encode(), accept.encode(), done.body])).hexdigest()
    etag = f'W/"{digest}"'
    done.headers["ETag"] = etag
    wanted = {
        part.strip().removeprefix("W/") for part in call.request.headers.get("if-none-match", "").split(",")
    }
    if etag.removeprefix("W/") in wanted:
        return Answer(304, None, done.headers)
    return done


def refusal(error: Refused) -> Answer:
    """Render a refusal as GitHub's error object."""
    shown: Json = {
        "message": error.message,
        "documentation_url": _documentation(),
        "status": str(error.status),
    }
    if error.errors:
        shown["errors"] = [_field_error(entry) for entry in error.errors]
    return Answer(error.status, shown)


def _field_error(entry: FieldError | str) -> Json | str:
    if isinstance(entry, str):
        return entry
    shown: Json = {"resource": entry.resource, "code": entry.code}
    if entry.field:
        shown["field"] = entry.field
    if entry.message:
        shown["message"] = entry.message
    return shown


def _documentation() -> str:
    return "https://docs.github.com/rest"
