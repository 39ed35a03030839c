"""GraphQL mutations, with GitHub's payloads."""

# ruff: noqa: ARG001  (functions in one table share one shape, whether they need every argument or not)
from __future__ import annotations

from typing import Any

from dispatcher.simulator import issues, pulls
from dispatcher.simulator.graphql_nodes import (
    Arguments,
    At,
    CommentAt,
    Fields,
    LabelAt,
    Resolve,
    failure,
    find_node,
)
from dispatcher.simulator.model import Account, Issue, Repo


def _thread(at: At, node_id: str) -> Issue:
    found = find_node(at, node_id)
    if not isinstance(found, Issue):
        raise failure(
            "NOT_FOUND", f"Could not resolve to Issue or PullRequest node with the global id of '{node_id}'."
        )
    return found


def _pull(at: At, node_id: str) -> Issue:
    found = _thread(at, node_id)
    if found.pull is None:
        raise failure(
            "NOT_FOUND", f"Could not resolve to PullRequest node with the global id of '{node_id}'."
        )
    return found


def _comment(at: At, node_id: str) -> CommentAt:
    found = find_node(at, node_id)
    if not isinstance(found, CommentAt):
        raise failure(
            "NOT_FOUND", f"Could not resolve to IssueComment node with the global id of '{node_id}'."
        )
    return found


def _label_names(at: At, node_ids: list[str]) -> list[str]:
    found = [find_node(at, node_id) for node_id in node_ids]
    return [held.label.name for held in found if isinstance(held, LabelAt)]


def _logins(at: At, node_ids: list[str]) -> list[str]:
    found = [find_node(at, node_id) for node_id in node_ids]
    return [account.login for account in found if isinstance(account, Account)]


def _add_comment(at: At, wanted: Arguments) -> dict[str, Any]:
    issue = _thread(at, wanted["subjectId"])
    written = issues.comment(at.world, at.caller, issue, wanted["body"])
    return {
        "commentEdge": {"cursor": f"comment:{written.id}", "node": CommentAt(issue, written)},
        "subject": issue,
    }


def _update_comment(at: At, wanted: Arguments) -> dict[str, Any]:
    held = _comment(at, wanted["id"])
    issues.edit_comment(at.world, at.caller, held.issue, held.comment, wanted["body"])
    return {"issueComment": held}


def _delete_comment(at: At, wanted: Arguments) -> dict[str, Any]:
    held = _comment(at, wanted["id"])
    issues.delete_comment(at.world, at.caller, held.issue, held.comment)
    return {}


def _add_labels(at: At, wanted: Arguments) -> dict[str, Any]:
    issue = _thread(at, wanted["labelableId"])
    issues.add_labels(at.world, at.caller, issue, _label_names(at, wanted["labelIds"]))
    return {"labelable": issue}


def _remove_labels(at: At, wanted: Arguments) -> dict[str, Any]:
    issue = _thread(at, wanted["labelableId"])
    held = {label.name for label in issue.labels.values()}
    for name in _label_names(at, wanted["labelIds"]):
        # A label that the issue does not carry is passed over, as GraphQL does (REST answers 404).
        if name in held:
            issues.remove_label(at.world, at.caller, issue, name)
    return {"labelable": issue}


def _add_assignees(at: At, wanted: Arguments) -> dict[str, Any]:
    issue = _thread(at, wanted["assignableId"])
    issues.add_assignees(at.world, at.caller, issue, _logins(at, wanted["assigneeIds"]))
    return {"assignable": issue}


def _remove_assignees(at: At, wanted: Arguments) -> dict[str, Any]:
    issue = _thread(at, wanted["assignableId"])
    issues.remove_assignees(at.world, at.caller, issue, _logins(at, wanted["assigneeIds"]))
    return {"assignable": issue}


def _create_label(at: At, wanted: Arguments) -> dict[str, Any]:
    repo = find_node(at, wanted["repositoryId"])
    if not isinstance(repo, Repo):
        raise failure("NOT_FOUND", "Could not resolve to Repository node.")
    label = issues.create_label(
        at.world, at.caller, repo, (wanted["name"], wanted["color"], wanted.get("description"))
    )
    return {"label": LabelAt(repo, label)}


def _mark_ready(at: At, wanted: Arguments) -> dict[str, Any]:
    issue = _pull(at, wanted["pullRequestId"])
    pulls.set_draft(at.world, at.caller, issue, draft=False)
    return {"pullRequest": issue}


def _to_draft(at: At, wanted: Arguments) -> dict[str, Any]:
    issue = _pull(at, wanted["pullRequestId"])
    pulls.set_draft(at.world, at.caller, issue, draft=True)
    return {"pullRequest": issue}


_ACTIONS = {
    "addComment": _add_comment,
    "updateIssueComment": _update_comment,
    "deleteIssueComment": _delete_comment,
    "addLabelsToLabelable": _add_labels,
    "removeLabelsFromLabelable": _remove_labels,
    "addAssigneesToAssignable": _add_assignees,
    "removeAssigneesFromAssignable": _remove_assignees,
    "createLabel": _create_label,
    "markPullRequestReadyForReview": _mark_ready,
    "convertPullRequestToDraft": _to_draft,
}


def _mutation(name: str) -> Resolve:
    def resolve(source: object, at: At, asked: Arguments) -> dict[str, Any]:
        wanted = asked["input"]
        return {"clientMutationId": wanted.get("clientMutationId")} | _ACTIONS[name](at, wanted)

    return resolve


MUTATION: Fields = {name: _mutation(name) for name in _ACTIONS}
