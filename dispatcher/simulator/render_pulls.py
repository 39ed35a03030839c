"""Model to JSON in GitHub's shapes: pull requests, reviews, commits, files, statuses, check runs."""

from __future__ import annotations

from dispatcher.simulator.access import association
from dispatcher.simulator.exchange import Json, stamp
from dispatcher.simulator.git_port import CommitFacts, FileChange
from dispatcher.simulator.model import CheckRun, Issue, LineComment, Repo, Review, Status
from dispatcher.simulator.pulls import changed_files, ci_state, merge_state, mergeable, pull_of
from dispatcher.simulator.render import Render


def _end(show: Render, repo: Repo, ref: str, sha: str) -> Json:
    owner = show.world.accounts[repo.owner_id]
    return {
        "label": f"{owner.login}:{ref}",
        "ref": ref,
        "sha": sha,
        "user": show.user(owner),
        "repo": show.repo(repo),
    }


def pull_json(show: Render, issue: Issue) -> Json:
    """Render a pull request as lists hold it (without `mergeable`)."""
    pull, repo = pull_of(issue), show.world.repos[issue.repo_id]
    base = show.issue(issue)
    url = f"{show.repo_url(repo)}/pulls/{issue.number}"
    page = show.issue_page(issue)
    issue_url = f"{show.repo_url(repo)}/issues/{issue.number}"
    comments, review_comments = f"{issue_url}/comments", f"{url}/comments"
    status_url = f"{show.repo_url(repo)}/statuses/{pull.head_sha}"
    head_repo = show.world.repos.get(pull.head_repo_id, repo)
    hrefs = {
        "self": url,
        "html": page,
        "issue": issue_url,
        "comments": comments,
        "review_comments": review_comments,
        "review_comment": f"{show.repo_url(repo)}/pulls/comments{{/number}}",
        "commits": f"{url}/commits",
        "statuses": status_url,
    }
    same = [
        "node_id",
        "number",
        "title",
        "user",
        "labels",
        "state",
        "locked",
        "active_lock_reason",
        "assignee",
        "assignees",
        "milestone",
        "created_at",
        "updated_at",
        "closed_at",
        "author_association",
        "body",
    ]
    return {
        **{name: base[name] for name in same},
        "id": pull.id,
        "url": url,
        "html_url": page,
        "diff_url": f"{page}.diff",
        "patch_url": f"{page}.patch",
        "issue_url": issue_url,
        "commits_url": f"{url}/commits",
        "review_comments_url": review_comments,
        "review_comment_url": f"{show.repo_url(repo)}/pulls/comments{{/number}}",
        "comments_url": comments,
        "statuses_url": status_url,
        "merged_at": stamp(pull.merged_at),
        "merge_commit_sha": pull.merge_sha,
        "requested_reviewers": [show.user(show.world.accounts[i]) for i in pull.requested_reviewers],
        "requested_teams": [team_json(show, repo, slug) for slug in pull.requested_teams],
        "head": _end(show, head_repo, pull.head_ref, pull.head_sha),
        "base": _end(show, repo, pull.base_ref, pull.base_sha),
        "_links": {name: {"href": href} for name, href in hrefs.items()},
        "auto_merge": None,
        "draft": pull.draft,
    }


def full_pull_json(show: Render, issue: Issue) -> Json:
    """Render a pull request as its own endpoint answers it; looking makes the forge compute `mergeable`."""
    pull = pull_of(issue)
    clean = mergeable(show.world, issue)
    files = changed_files(show.world, issue)
    return pull_json(show, issue) | {
        "merged": pull.merged_at is not None,
        "mergeable": clean,
        "rebaseable": clean,
        "mergeable_state": merge_state(show.world, issue, clean=clean),
        "merged_by": show.user_by_id(pull.merged_by),
        "comments": len(issue.comments),
        "review_comments": len(pull.line_comments),
        "maintainer_can_modify": False,
        "commits": len(show.world.git.commits(issue.repo_id, pull.base_sha, pull.head_sha)),
        "additions": sum(change.additions for change in files),
        "deletions": sum(change.deletions for change in files),
        "changed_files": len(files),
    }


def team_json(show: Render, repo: Repo, slug: str) -> Json:
    """Render a team of the repository's owner."""
    owner = show.world.accounts[repo.owner_id]
    team = owner.teams[slug]
    url = f"{show.api}/organizations/{owner.id}/team/{team.id}"
    return {
        "id": team.id,
        "node_id": f"T_{team.id}",
        "url": url,
        "html_url": f"{show.web}/orgs/{owner.login}/teams/{slug}",
        "members_url": f"{url}/members{{/member}}",
        "repositories_url": f"{url}/repos",
        "name": team.name,
        "slug": slug,
        "description": None,
        "privacy": "closed",
        "notification_setting": "notifications_enabled",
        "permission": "pull",
        "parent": None,
        "type": "organization",
        "organization_id": owner.id,
    }


def review_json(show: Render, issue: Issue, review: Review) -> Json:
    """Render a review."""
    repo = show.world.repos[issue.repo_id]
    page = f"{show.issue_page(issue)}#pullrequestreview-{review.id}"
    pull_url = f"{show.repo_url(repo)}/pulls/{issue.number}"
    shown = {
        "id": review.id,
        "node_id": f"PRR_{review.id}",
        "user": show.user_by_id(review.author_id),
        "body": review.body,
        "state": review.state.value,
        "html_url": page,
        "pull_request_url": pull_url,
        "author_association": association(show.world, repo, review.author_id),
        "_links": {"html": {"href": page}, "pull_request": {"href": pull_url}},
        "commit_id": review.sha,
    }
    if review.submitted_at is not None:
        shown["submitted_at"] = stamp(review.submitted_at)
    return shown


def line_comment_json(show: Render, issue: Issue, comment: LineComment) -> Json:
    """Render a review comment on a line."""
    repo = show.world.repos[issue.repo_id]
    url = f"{show.repo_url(repo)}/pulls/comments/{comment.id}"
    page = f"{show.issue_page(issue)}#discussion_r{comment.id}"
    pull_url = f"{show.repo_url(repo)}/pulls/{issue.number}"
    current = comment.sha == pull_of(issue).head_sha
    shown = {
        "url": url,
        "pull_request_review_id": comment.review_id,
        "id": comment.id,
        "node_id": f"PRRC_{comment.id}",
        "diff_hunk": comment.diff_hunk,
        "path": comment.path,
        "position": 1 if current else None,
        "original_position": 1,
        "commit_id": comment.sha,
        "original_commit_id": comment.sha,
        "user": show.user_by_id(comment.author_id),
        "body": comment.body,
        "created_at": stamp(comment.created_at),
        "updated_at": stamp(comment.updated_at),
        "html_url": page,
        "pull_request_url": pull_url,
        "author_association": association(show.world, repo, comment.author_id),
        "_links": {"self": {"href": url}, "html": {"href": page}, "pull_request": {"href": pull_url}},
        "reactions": show.reactions(url),
        "start_line": comment.start_line,
        "original_start_line": comment.start_line,
        "start_side": comment.side if comment.start_line is not None else None,
        "line": comment.line if current else None,
        "original_line": comment.line,
        "side": comment.side,
        "subject_type": "line",
    }
    if comment.reply_to is not None:
        shown["in_reply_to_id"] = comment.reply_to
    return shown


def file_json(show: Render, repo: Repo, sha: str, change: FileChange) -> Json:
    """Render a file of a diff."""
    shown: Json = {
        "sha": change.blob,
        "filename": change.path,
        "status": change.status,
        "additions": change.additions,
        "deletions": change.deletions,
        "changes": change.additions + change.deletions,
        "blob_url": f"{show.repo_page(repo)}/blob/{sha}/{change.path}",
        "raw_url": f"{show.repo_page(repo)}/raw/{sha}/{change.path}",
        "contents_url": f"{show.repo_url(repo)}/contents/{change.path}?ref={sha}",
    }
    if change.patch is not None:
        shown["patch"] = change.patch
    if change.previous is not None:
        shown["previous_filename"] = change.previous
    return shown


def commit_json(show: Render, repo: Repo, facts: CommitFacts) -> Json:
    """Render a commit."""
    url = f"{show.repo_url(repo)}/commits/{facts.sha}"
    git_url = f"{show.repo_url(repo)}/git"
    signed = {"name": facts.author.name, "email": facts.author.email, "date": stamp(facts.author.at)}
    account = show.world.find_account(facts.author.name)
    author = None if account is None else show.user(account)
    return {
        "sha": facts.sha,
        "node_id": f"C_{facts.sha}",
        "url": url,
        "html_url": f"{show.repo_page(repo)}/commit/{facts.sha}",
        "comments_url": f"{url}/comments",
        "commit": {
            "url": f"{git_url}/commits/{facts.sha}",
            "author": signed,
            "committer": signed,
            "message": facts.message,
            "comment_count": 0,
            "tree": {"sha": facts.tree, "url": f"{git_url}/trees/{facts.tree}"},
            "verification": {
                "verified": False,
                "reason": "unsigned",
                "payload": None,
                "signature": None,
                "verified_at": None,
            },
        },
        "author": author,
        "committer": author,
        "parents": [
            {
                "sha": sha,
                "url": f"{show.repo_url(repo)}/commits/{sha}",
                "html_url": f"{show.repo_page(repo)}/commit/{sha}",
            }
            for sha in facts.parents
        ],
    }


def status_json(show: Render, repo: Repo, sha: str, status: Status) -> Json:
    """Render a commit status."""
    return {
        "url": f"{show.repo_url(repo)}/statuses/{sha}",
        "avatar_url": f"{show.web}/avatars/{status.creator_id}",
        "id": status.id,
        "node_id": f"SC_{status.id}",
        "state": status.state,
        "description": status.description,
        "target_url": status.target_url,
        "context": status.context,
        "created_at": stamp(status.created_at),
        "updated_at": stamp(status.created_at),
    }


def combined_status_json(show: Render, repo: Repo, sha: str) -> Json:
    """Render the combined status: pending when nothing was reported; check runs do not count here."""
    newest = {status.context: status for status in repo.statuses.get(sha, [])}
    states = {status.state for status in newest.values()}
    red = bool(states & {"error", "failure"})
    return {
        "state": "failure" if red else "pending" if not states or "pending" in states else "success",
        "statuses": [status_json(show, repo, sha, status) for status in newest.values()],
        "sha": sha,
        "total_count": len(newest),
        "repository": show.minimal_repo(repo),
        "commit_url": f"{show.repo_url(repo)}/commits/{sha}",
        "url": f"{show.repo_url(repo)}/commits/{sha}/status",
    }


def check_run_json(show: Render, repo: Repo, run: CheckRun) -> Json:
    """Render a check run."""
    url = f"{show.repo_url(repo)}/check-runs/{run.id}"
    app = show.world.accounts[run.creator_id]
    return {
        "id": run.id,
        "name": run.name,
        "node_id": f"CR_{run.id}",
        "head_sha": run.sha,
        "external_id": "",
        "url": url,
        "html_url": f"{show.repo_page(repo)}/runs/{run.id}",
        "details_url": run.details_url,
        "status": run.status,
        "conclusion": run.conclusion,
        "started_at": stamp(run.started_at),
        "completed_at": stamp(run.completed_at),
        "output": {
            "title": run.title,
            "summary": run.summary,
            "text": None,
            "annotations_count": 0,
            "annotations_url": f"{url}/annotations",
        },
        "check_suite": {"id": run.id},
        "app": {
            "id": app.id,
            "slug": app.login.removesuffix("[bot]"),
            "node_id": f"A_{app.id}",
            "owner": show.user(app),
            "name": app.login.removesuffix("[bot]"),
            "description": None,
            "external_url": show.web,
            "html_url": f"{show.web}/apps/{app.login.removesuffix('[bot]')}",
            "created_at": stamp(app.created_at),
            "updated_at": stamp(app.created_at),
            "permissions": {},
            "events": [],
        },
        "pull_requests": [],
    }


def rollup_state(repo: Repo, sha: str) -> str | None:
    """Render GraphQL's StatusState of a commit: statuses and check runs together."""
    state = ci_state(repo, sha)
    return None if state is None else state.upper()
