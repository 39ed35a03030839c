"""The search language of GitHub, as far as a dispatcher speaks it."""

# ruff: noqa: ARG001  (functions in one table share one shape, whether they need every argument or not)
from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from dispatcher.simulator import inbox
from dispatcher.simulator.access import Caller, can_see
from dispatcher.simulator.exchange import stamp
from dispatcher.simulator.model import Issue, Reason
from dispatcher.simulator.world import World

_TERM = re.compile(r'(-?)([\w-]+):("[^"]*"|\S+)|("[^"]*"|\S+)')
_TOP = 1000


@dataclass(frozen=True, slots=True)
class _Term:
    key: str
    value: str
    negated: bool


def search_issues(world: World, caller: Caller, text: str) -> list[Issue]:
    """Find issues and pull requests; without `repo:`, `user:` or `org:` in everything that the caller sees.

    Eventually consistent when `settings.search_delay_s` is set: what changed since then is not found yet. Unknown
    qualifiers are ignored, as GitHub does. At most 1,000 results.
    """
    terms = [_term(match) for match in _TERM.finditer(text)]
    horizon = world.now() - timedelta(seconds=world.settings.search_delay_s)
    found = [
        issue
        for repo in world.repos.values()
        if can_see(world, caller, repo) and _in_scope(world, repo.id, terms)
        for issue in repo.issues.values()
        if issue.updated_at <= horizon and all(_holds(world, caller, issue, term) for term in terms)
    ]
    return _sorted(found, next((t.value for t in terms if t.key == "sort"), "created-desc"))[:_TOP]


def _term(match: re.Match[str]) -> _Term:
    if match[4]:
        return _Term("", match[4].strip('"').lower(), negated=False)
    return _Term(match[2].lower(), match[3].strip('"'), negated=match[1] == "-")


def _in_scope(world: World, repo_id: int, terms: list[_Term]) -> bool:
    repo = world.repos[repo_id]
    owner = world.accounts[repo.owner_id].login.lower()
    names = {"repo": world.full_name(repo).lower(), "user": owner, "org": owner}
    named = [(names[term.key] == term.value.lower(), term.negated) for term in terms if term.key in names]
    wanted = [is_it for is_it, negated in named if not negated]
    return (any(wanted) or not wanted) and (True, True) not in named


def _sorted(found: list[Issue], order: str) -> list[Issue]:
    by, _, direction = order.partition("-")
    return sorted(
        found,
        key=lambda issue: (issue.updated_at if by == "updated" else issue.created_at, issue.id),
        reverse=direction != "asc",
    )


def _holds(world: World, caller: Caller, issue: Issue, term: _Term) -> bool:
    test = _TESTS.get(term.key)
    return test is None or test(world, caller, issue, term.value) != term.negated


def _is(world: World, caller: Caller, issue: Issue, value: str) -> bool:
    pull = issue.pull
    words = {
        "open": issue.is_open,
        "closed": not issue.is_open,
        "issue": pull is None,
        "pr": pull is not None,
        "merged": pull is not None and pull.merged_at is not None,
        "unmerged": pull is not None and pull.merged_at is None,
        "draft": pull is not None and pull.draft,
        "private": world.repos[issue.repo_id].private,
        "public": not world.repos[issue.repo_id].private,
    }
    return words.get(value.lower(), True)


def _label(world: World, caller: Caller, issue: Issue, value: str) -> bool:
    names = {label.name.lower() for label in issue.labels.values()}
    return any(name.strip('" ').lower() in names for name in value.split(","))


def _no(world: World, caller: Caller, issue: Issue, value: str) -> bool:
    return {"assignee": not issue.assignee_ids, "label": not issue.labels}.get(value.lower(), True)


def _who(world: World, caller: Caller, value: str) -> int:
    if value == "@me":
        return caller.account.id
    account = world.find_account(value.lstrip("@"))
    return 0 if account is None else account.id


def _assignee(world: World, caller: Caller, issue: Issue, value: str) -> bool:
    return bool(issue.assignee_ids) if value == "*" else _who(world, caller, value) in issue.assignee_ids


def _author(world: World, caller: Caller, issue: Issue, value: str) -> bool:
    return issue.author_id == _who(world, caller, value)


def _mentions(world: World, caller: Caller, issue: Issue, value: str) -> bool:
    texts = [issue.body, *(comment.body for comment in issue.comments)]
    account_id = _who(world, caller, value)
    return any(inbox.mentioned(world, text).get(account_id) is Reason.MENTION for text in texts)


def _commenter(world: World, caller: Caller, issue: Issue, value: str) -> bool:
    return any(comment.author_id == _who(world, caller, value) for comment in issue.comments)


def _review_requested(world: World, caller: Caller, issue: Issue, value: str) -> bool:
    return issue.pull is not None and _who(world, caller, value) in issue.pull.requested_reviewers


def _involves(world: World, caller: Caller, issue: Issue, value: str) -> bool:
    return any(test(world, caller, issue, value) for test in (_author, _assignee, _mentions, _commenter))


def _in_range(shown: str, value: str) -> bool:
    low, dots, high = value.partition("..")
    if dots:
        # no low end, be it "" or "*", sorts before every digit
        return shown >= low and (high in {"", "*"} or shown[: len(high)] <= high)
    operator = re.match(r"[<>]=?", value)
    bound = value[operator.end() :] if operator else value
    bound = bound.replace("+00:00", "Z")
    cut = shown[: len(bound)]
    tests = {">=": shown >= bound, ">": cut > bound, "<=": cut <= bound, "<": shown < bound}
    return tests[operator[0]] if operator else cut == bound


def _updated(world: World, caller: Caller, issue: Issue, value: str) -> bool:
    return _in_range(stamp(issue.updated_at) or "", value)


def _created(world: World, caller: Caller, issue: Issue, value: str) -> bool:
    return _in_range(stamp(issue.created_at) or "", value)


def _head(world: World, caller: Caller, issue: Issue, value: str) -> bool:
    return issue.pull is not None and issue.pull.head_ref.startswith(value)


def _archived(world: World, caller: Caller, issue: Issue, value: str) -> bool:
    return world.repos[issue.repo_id].archived == (value == "true")


def _word(world: World, caller: Caller, issue: Issue, value: str) -> bool:
    texts = [issue.title, issue.body or "", *(comment.body for comment in issue.comments)]
    return any(value in text.lower() for text in texts)


_TESTS: dict[str, Callable[[World, Caller, Issue, str], bool]] = {
    "": _word,
    "is": _is,
    "type": _is,
    "state": _is,
    "label": _label,
    "no": _no,
    "assignee": _assignee,
    "author": _author,
    "mentions": _mentions,
    "commenter": _commenter,
    "involves": _involves,
    "review-requested": _review_requested,
    "updated": _updated,
    "created": _created,
    "head": _head,
    "archived": _archived,
}
