"""REST: issues, comments, labels, assignees, events of one repository."""

from __future__ import annotations

from dispatcher.simulator import issues, reviews
from dispatcher.simulator.access import area_of, assignable, require_read
from dispatcher.simulator.exchange import Answer, Json, stamp
from dispatcher.simulator.model import TIMELINE_ONLY, Comment, Event, EventKind, Issue
from dispatcher.simulator.refusals import FieldError, Invalid, NotFound
from dispatcher.simulator.render_pulls import review_json
from dispatcher.simulator.rest_call import Call
from dispatcher.simulator.rest_people import select_issues, sort_issues


def _changes(call: Call) -> issues.Changes:
    body = call.json
    assignees = call.texts("assignees") if body.get("assignees") is not None else None
    if assignees is None and isinstance(body.get("assignee"), str):
        assignees = [body["assignee"]]  # "" is nobody, and nobody cannot be assigned
    return issues.Changes(
        title=call.text_or_none("title"),
        body=call.new_body(),
        state=call.text_or_none("state"),
        state_reason=call.text_or_none("state_reason"),
        labels=call.texts("labels") if body.get("labels") is not None else None,
        assignees=assignees,
    )


def list_issues(call: Call) -> Answer:
    """GET issues: pull requests are among them."""
    require_read(call.world, call.caller, call.repo, "issues")
    found = select_issues(call, call.repo.issues.values())
    assignee, creator = call.query("assignee"), call.query("creator")
    if assignee == "none":
        found = [issue for issue in found if not issue.assignee_ids]
    elif assignee == "*":
        found = [issue for issue in found if issue.assignee_ids]
    elif assignee:
        account_id = call.world.account(assignee).id
        found = [issue for issue in found if account_id in issue.assignee_ids]
    if creator:
        found = [issue for issue in found if issue.author_id == call.world.account(creator).id]
    return call.page(sort_issues(call, found), call.show.issue)


def create_issue(call: Call) -> Answer:
    """POST issues."""
    issue = issues.open_issue(call.world, call.caller, call.repo, _changes(call))
    return Answer(201, call.show.issue(issue))


def get_issue(call: Call) -> Answer:
    """GET issues/{n}."""
    require_read(call.world, call.caller, call.repo, area_of(call.issue))
    return Answer(200, call.show.issue(call.issue))


def change_issue(call: Call) -> Answer:
    """PATCH issues/{n}: title, body, state, labels and assignees in one go."""
    issues.change(call.world, call.caller, call.issue, _changes(call))
    return Answer(200, call.show.issue(call.issue))


# -- comments ----------------------------------------------------------------------------------------------------


def list_comments(call: Call) -> Answer:
    """GET issues/{n}/comments, oldest first."""
    issue, since = call.issue, call.since()
    require_read(call.world, call.caller, call.repo, area_of(issue))
    found = [comment for comment in issue.comments if (stamp(comment.updated_at) or "") >= since]
    return call.page(found, lambda comment: call.show.comment(issue, comment))


def create_comment(call: Call) -> Answer:
    """POST issues/{n}/comments."""
    issue = call.issue
    written = issues.comment(call.world, call.caller, issue, call.text("body"))
    shown = call.show.comment(issue, written)
    return Answer(201, shown, {"Location": str(shown["url"])})


def list_repo_comments(call: Call) -> Answer:
    """GET issues/comments: of the whole repository, by id unless `sort` says otherwise."""
    require_read(call.world, call.caller, call.repo, "issues")
    since, by = call.since(), call.query("sort")
    found = [
        (issue, comment)
        for issue in call.repo.issues.values()
        for comment in issue.comments
        if (stamp(comment.updated_at) or "") >= since
    ]

    def key(pair: tuple[Issue, Comment]) -> tuple[float, int]:
        comment = pair[1]
        at = comment.updated_at if by == "updated" else comment.created_at  # ids grow with time
        return (at.timestamp(), comment.id)

    found.sort(key=key, reverse=bool(by) and call.query("direction", "desc") == "desc")
    return call.page(found, lambda pair: call.show.comment(*pair))


def _comment(call: Call) -> tuple[Issue, Comment]:
    return issues.find_comment(call.repo, int(call.args["comment_id"]))


def get_comment(call: Call) -> Answer:
    """GET issues/comments/{id}."""
    require_read(call.world, call.caller, call.repo, "issues")
    return Answer(200, call.show.comment(*_comment(call)))


def edit_comment(call: Call) -> Answer:
    """PATCH issues/comments/{id}."""
    issue, comment = _comment(call)
    issues.edit_comment(call.world, call.caller, issue, comment, call.text("body"))
    return Answer(200, call.show.comment(issue, comment))


def delete_comment(call: Call) -> Answer:
    """DELETE issues/comments/{id}."""
    issues.delete_comment(call.world, call.caller, *_comment(call))
    return Answer(204)


# -- labels ------------------------------------------------------------------------------------------------------


def list_repo_labels(call: Call) -> Answer:
    """GET labels."""
    require_read(call.world, call.caller, call.repo, "issues")
    return call.page(list(call.repo.labels.values()), lambda label: call.show.label(call.repo, label))


def create_label(call: Call) -> Answer:
    """POST labels."""
    wanted = (call.text("name"), call.text_or_none("color") or "", call.text_or_none("description"))
    label = issues.create_label(call.world, call.caller, call.repo, wanted)
    return Answer(201, call.show.label(call.repo, label))


def get_label(call: Call) -> Answer:
    """GET labels/{name}."""
    require_read(call.world, call.caller, call.repo, "issues")
    return Answer(200, call.show.label(call.repo, call.world.label(call.repo, call.args["name"])))


def change_label(call: Call) -> Answer:
    """PATCH labels/{name}."""
    new_name = call.text_or_none("new_name") or call.args["name"]
    label = issues.rename_label(call.world, call.caller, call.repo, call.args["name"], new_name)
    label.color = (call.text_or_none("color") or label.color).lstrip("#")
    if "description" in call.json:
        label.description = call.text_or_none("description")
    return Answer(200, call.show.label(call.repo, label))


def delete_label(call: Call) -> Answer:
    """DELETE labels/{name}."""
    issues.delete_label(call.world, call.caller, call.repo, call.args["name"])
    return Answer(204)


def _labels_of(call: Call) -> Answer:
    return Answer(200, [call.show.label(call.repo, label) for label in call.issue.labels.values()])


def _label_names(call: Call) -> list[str]:
    bare = call.json.get("")
    return [str(name) for name in bare] if isinstance(bare, list) else call.texts("labels")


def list_issue_labels(call: Call) -> Answer:
    """GET issues/{n}/labels."""
    require_read(call.world, call.caller, call.repo, "issues")
    return _labels_of(call)


def add_labels(call: Call) -> Answer:
    """POST issues/{n}/labels; answers all labels of the issue."""
    issues.add_labels(call.world, call.caller, call.issue, _label_names(call))
    return _labels_of(call)


def set_labels(call: Call) -> Answer:
    """PUT issues/{n}/labels: replaces all, whatever somebody else did meanwhile."""
    issues.set_labels(call.world, call.caller, call.issue, _label_names(call))
    return _labels_of(call)


def clear_labels(call: Call) -> Answer:
    """DELETE issues/{n}/labels."""
    issues.set_labels(call.world, call.caller, call.issue, [])
    return Answer(204)


def remove_label(call: Call) -> Answer:
    """DELETE issues/{n}/labels/{name}; answers what is left."""
    issues.remove_label(call.world, call.caller, call.issue, call.args["name"])
    return _labels_of(call)


# -- assignees, events, dependencies -----------------------------------------------------------------------------


def add_assignees(call: Call) -> Answer:
    """POST issues/{n}/assignees."""
    issues.add_assignees(call.world, call.caller, call.issue, call.texts("assignees"))
    return Answer(201, call.show.issue(call.issue))


def remove_assignees(call: Call) -> Answer:
    """DELETE issues/{n}/assignees."""
    issues.remove_assignees(call.world, call.caller, call.issue, call.texts("assignees"))
    return Answer(200, call.show.issue(call.issue))


def check_assignee(call: Call) -> Answer:
    """GET assignees/{login}: 204 when this person can be assigned."""
    account = call.world.find_account(call.args["login"])
    if account is None or not assignable(call.world, call.repo, account):
        raise NotFound
    return Answer(204)


def list_assignees(call: Call) -> Answer:
    """GET assignees: who can be assigned."""
    world = call.world
    found = [account for account in world.accounts.values() if assignable(world, call.repo, account)]
    return call.page(found, call.show.user)


def list_events(call: Call) -> Answer:
    """GET issues/{n}/events, oldest first."""
    issue = call.issue
    require_read(call.world, call.caller, call.repo, area_of(issue))
    found = [event for event in issue.events if event.kind not in TIMELINE_ONLY]
    return call.page(found, lambda event: call.show.event(issue, event))


def list_timeline(call: Call) -> Answer:
    """GET issues/{n}/timeline: events, comments, reviews and commits, oldest first."""
    issue = call.issue
    require_read(call.world, call.caller, call.repo, area_of(issue))
    return call.page(issue.events, lambda event: _timeline_entry(call, issue, event))


def _timeline_entry(call: Call, issue: Issue, event: Event) -> Json:
    show = call.show
    if event.kind is EventKind.COMMENTED:
        comment = next(c for c in issue.comments if c.id == event.subject_id)
        shown = show.comment(issue, comment)
        return shown | {"event": "commented", "actor": shown["user"]}
    if event.kind is EventKind.REVIEWED and event.subject_id is not None:
        written = reviews.find_review(issue, event.subject_id)
        return review_json(show, issue, written) | {"event": "reviewed", "state": written.state.value.lower()}
    if event.kind is EventKind.COMMITTED and event.sha is not None:
        facts = call.world.git.commit(call.repo.id, event.sha)
        url = f"{show.repo_url(call.repo)}/git/commits/{facts.sha}"
        page = f"{show.repo_page(call.repo)}/commit/{facts.sha}"
        signed = {"name": facts.author.name, "email": facts.author.email, "date": stamp(facts.author.at)}
        return {
            "event": "committed",
            "sha": facts.sha,
            "node_id": f"C_{facts.sha}",
            "url": url,
            "html_url": page,
            "author": signed,
            "committer": signed,
            "message": facts.message,
            "tree": {"sha": facts.tree, "url": url},
            "parents": [{"sha": sha, "url": url, "html_url": page} for sha in facts.parents],
            "verification": {"verified": False, "reason": "unsigned", "payload": None, "signature": None},
        }
    return show.event(issue, event)


def list_blockers(call: Call) -> Answer:
    """GET issues/{n}/dependencies/blocked_by."""
    require_read(call.world, call.caller, call.repo, "issues")
    found = [call.world.issue_by_id(issue_id) for issue_id in call.issue.blocked_by]
    return call.page([issue for issue in found if issue is not None], call.show.issue)


def add_blocker(call: Call) -> Answer:
    """POST issues/{n}/dependencies/blocked_by."""
    issue_id = call.json.get("issue_id")
    blocker = call.world.issue_by_id(issue_id) if isinstance(issue_id, int) else None
    if blocker is None:
        raise Invalid(errors=(FieldError("IssueDependency", "invalid", "issue_id"),))
    issues.block(call.world, call.caller, call.issue, blocker)
    return Answer(201, call.show.issue(call.issue))
