"""REST: the caller, other people, limits, notifications, and issues across repositories."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from email.utils import format_datetime, parsedate_to_datetime

from dispatcher.simulator import inbox
from dispatcher.simulator.access import can_see, level_of
from dispatcher.simulator.exchange import Answer, Json, parse_stamp, stamp
from dispatcher.simulator.model import AccountKind, InboxThread, Issue, Level, Reason, Repo, TokenKind
from dispatcher.simulator.refusals import Forbidden, Invalid, NotFound
from dispatcher.simulator.rest_call import Call
from dispatcher.simulator.searching import search_issues

_NOT_PARTICIPATING = frozenset({Reason.SUBSCRIBED})


def get_user(call: Call) -> Answer:
    """GET /user."""
    if call.caller.kind is TokenKind.INSTALLATION:
        raise Forbidden("Resource not accessible by integration")
    account = call.caller.account
    private = {
        "private_gists": 0,
        "total_private_repos": 0,
        "owned_private_repos": 0,
        "disk_usage": 0,
        "collaborators": 0,
        "two_factor_authentication": True,
        "plan": {"name": "free", "space": 0, "collaborators": 0, "private_repos": 0},
    }
    return Answer(200, call.show.profile(account) | private)


def get_other_user(call: Call) -> Answer:
    """GET /users/{login} and /user/{id}."""
    if "login" in call.args:
        return Answer(200, call.show.profile(call.world.account(call.args["login"])))
    account = call.world.accounts.get(int(call.args["account_id"]))
    if account is None:
        raise NotFound
    return Answer(200, call.show.profile(account))


def get_rate_limit(call: Call) -> Answer:
    """GET /rate_limit, which costs nothing."""
    shown: Json = {}
    for resource in ("core", "graphql", "search"):
        window = call.quota.window(call.caller.account.id, resource)
        shown[resource] = {
            "limit": window.limit,
            "used": window.used,
            "remaining": window.remaining,
            "reset": int(window.resets_at.timestamp()),
        }
    return Answer(200, {"resources": shown, "rate": shown["core"]})


def get_meta(call: Call) -> Answer:
    """GET /meta; behind the prefix of GitHub Enterprise Server it names the installed version."""
    shown: Json = {"verifiable_password_authentication": False}
    if call.request.prefix:
        shown["installed_version"] = "3.17.0"
    return Answer(200, shown)


def get_membership(call: Call) -> Answer:
    """GET /orgs/{org}/teams/{slug}/memberships/{user}."""
    org = call.world.account(call.args["org"])
    team = org.teams.get(call.args["slug"])
    member = call.world.account(call.args["login"])
    token = call.caller.token
    readers = {"read:org", "write:org", "admin:org", "repo"}
    blind = token is not None and token.kind is TokenKind.CLASSIC and not readers & set(token.scopes)
    if team is None or blind or member.id not in team.member_ids:
        raise NotFound
    url = f"{call.show.api}/organizations/{org.id}/team/{team.id}/memberships/{member.login}"
    return Answer(200, {"url": url, "role": "member", "state": "active"})


def list_user_repos(call: Call) -> Answer:
    """GET /user/repos."""
    mine = [repo for repo in call.world.repos.values() if _takes_part(call, repo)]
    return call.page(mine, call.show.repo)


# -- issues across repositories ----------------------------------------------------------------------------------


def _takes_part(call: Call, repo: Repo) -> bool:
    account = call.caller.account
    if not can_see(call.world, call.caller, repo):
        return False
    owner = call.world.accounts[repo.owner_id]
    member = owner.kind is AccountKind.ORGANIZATION and account.id in owner.member_ids
    return member or account.id in repo.collaborators or level_of(call.world, account, repo) > Level.READ


def list_all_issues(call: Call) -> Answer:
    """GET /issues: over all repositories that the account takes part in; classic tokens only."""
    call.refuse_unless_classic()
    account_id, asked = call.caller.account.id, call.query("filter", "assigned")
    found = [
        issue
        for repo in call.world.repos.values()
        if _takes_part(call, repo)
        for issue in select_issues(call, repo.issues.values())
        if asked in {"all", "repos"}
        or (asked == "assigned" and account_id in issue.assignee_ids)
        or (asked == "created" and account_id == issue.author_id)
        or (asked == "subscribed" and account_id in issue.subscribers)
        or (asked == "mentioned" and issue.subscribers.get(account_id) is Reason.MENTION)
    ]
    return call.page(sort_issues(call, found), lambda issue: call.show.issue(issue, with_repo=True))


def select_issues(call: Call, issues: Iterable[Issue]) -> list[Issue]:
    """Filter by state, labels (all of them) and `since` (inclusive)."""
    state = call.query("state", "open")
    labels = {name.strip().lower() for name in call.query("labels").split(",") if name.strip()}
    since = call.since()
    floor = parse_stamp(since) if since else None
    return [
        issue
        for issue in issues
        if (state == "all" or issue.is_open == (state == "open"))
        and (floor is None or issue.updated_at >= floor)
        and labels <= {label.name.lower() for label in issue.labels.values()}
    ]


def sort_issues(call: Call, found: list[Issue]) -> list[Issue]:
    """Sort by created (default), updated or comments, newest first unless told otherwise."""
    by = call.query("sort", "created")

    def key(issue: Issue) -> tuple[float, int]:
        if by == "comments":
            return (len(issue.comments), issue.id)
        return ((issue.updated_at if by == "updated" else issue.created_at).timestamp(), issue.id)

    return sorted(found, key=key, reverse=call.query("direction", "desc") != "asc")


def search(call: Call) -> Answer:
    """GET /search/issues, on a limit of its own (30 per minute)."""
    found = search_issues(call.world, call.caller, call.query("q"))
    order = call.query("sort")
    if order:
        found.sort(
            key=lambda issue: issue.updated_at if order == "updated" else issue.created_at,
            reverse=call.query("order", "desc") != "asc",
        )
    chosen, headers = call.cut(found)
    items = [call.show.issue(issue) | {"score": 1.0} for issue in chosen]
    shown = {"total_count": len(found), "incomplete_results": False, "search_type": "lexical", "items": items}
    return Answer(200, shown, headers)


# -- notifications -----------------------------------------------------------------------------------------------


def _refuse_without_inbox(call: Call) -> None:
    call.refuse_unless_classic()
    token = call.caller.token
    if token is not None and not {"notifications", "repo"} & set(token.scopes):
        raise Forbidden("Missing the 'notifications' scope.")


def list_notifications(call: Call) -> Answer:
    """GET /notifications, with Last-Modified (which can go back after marking read) and X-Poll-Interval."""
    _refuse_without_inbox(call)
    world = call.world
    seen = {repo.id for repo in world.repos.values() if can_see(world, call.caller, repo)}
    threads = [
        thread
        for thread in inbox.fetch_threads(world, call.caller.account)
        if (thread.unread or call.query("all") == "true")
        and not (call.query("participating") == "true" and thread.reason in _NOT_PARTICIPATING)
        and thread.repo_id in seen
        and _in_window(call, thread)
        and (call.found_repo is None or call.found_repo.id == thread.repo_id)
    ]
    changed_at = max((t.visible_at for t in threads), default=call.caller.account.created_at)
    headers = {
        "Last-Modified": format_datetime(changed_at, usegmt=True),
        "X-Poll-Interval": str(world.settings.poll_interval_s),
    }
    if _unchanged_since(call, changed_at):
        return Answer(304, None, headers)
    answer = call.page(threads, call.show.thread, default=50, top=50)
    answer.headers |= headers
    return answer


def _in_window(call: Call, thread: InboxThread) -> bool:
    shown, before = stamp(thread.updated_at) or "", call.query("before")
    return shown >= call.since() and (not before or shown < before)


def _unchanged_since(call: Call, changed_at: datetime) -> bool:
    try:
        return parsedate_to_datetime(call.request.headers.get("if-modified-since", "")) >= changed_at
    except ValueError:
        return False


def mark_notifications(call: Call) -> Answer:
    """PUT /notifications: 205 when done at once, 202 when it will be done later."""
    _refuse_without_inbox(call)
    text = call.json.get("last_read_at")
    try:
        until = parse_stamp(text) if isinstance(text, str) else call.world.now()
    except ValueError as error:
        raise Invalid from error
    if inbox.mark_read(call.world, call.caller, until):
        return Answer(205)
    return Answer(202, {"message": "Some of your notifications are being marked as read in the background."})


def _thread(call: Call) -> InboxThread:
    _refuse_without_inbox(call)
    wanted = int(call.args["thread_id"])
    threads = inbox.every_thread(call.world, call.caller.account.id)
    thread = next((thread for thread in threads if thread.id == wanted), None)
    if thread is None:
        raise NotFound
    return thread


def get_thread(call: Call) -> Answer:
    """GET /notifications/threads/{id}."""
    return Answer(200, call.show.thread(_thread(call)))


def mark_thread(call: Call) -> Answer:
    """PATCH /notifications/threads/{id}."""
    thread = _thread(call)
    thread.unread, thread.last_read_at = False, call.world.now()
    return Answer(205)
