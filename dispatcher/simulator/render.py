"""Model to JSON in GitHub's shapes: people, repositories, issues, comments, events, notifications."""

from __future__ import annotations

from dataclasses import dataclass, field

from dispatcher.simulator.access import area_of, association, level_of
from dispatcher.simulator.exchange import Json, stamp
from dispatcher.simulator.issues import count_dependencies
from dispatcher.simulator.model import (
    Account,
    AccountKind,
    Comment,
    Event,
    EventKind,
    InboxThread,
    Issue,
    Label,
    Level,
    Repo,
)
from dispatcher.simulator.world import World

_USER_URLS = ("followers", "subscriptions", "repos", "received_events")
_REPO_URLS = {
    "archive_url": "/{archive_format}{/ref}",
    "assignees_url": "/assignees{/user}",
    "blobs_url": "/git/blobs{/sha}",
    "branches_url": "/branches{/branch}",
    "collaborators_url": "/collaborators{/collaborator}",
    "comments_url": "/comments{/number}",
    "commits_url": "/commits{/sha}",
    "compare_url": "/compare/{base}...{head}",
    "contents_url": "/contents/{+path}",
    "contributors_url": "/contributors",
    "deployments_url": "/deployments",
    "downloads_url": "/downloads",
    "events_url": "/events",
    "forks_url": "/forks",
    "git_commits_url": "/git/commits{/sha}",
    "git_refs_url": "/git/refs{/sha}",
    "git_tags_url": "/git/tags{/sha}",
    "hooks_url": "/hooks",
    "issue_comment_url": "/issues/comments{/number}",
    "issue_events_url": "/issues/events{/number}",
    "issues_url": "/issues{/number}",
    "keys_url": "/keys{/key_id}",
    "labels_url": "/labels{/name}",
    "languages_url": "/languages",
    "merges_url": "/merges",
    "milestones_url": "/milestones{/number}",
    "notifications_url": "/notifications{?since,all,participating}",
    "pulls_url": "/pulls{/number}",
    "releases_url": "/releases{/id}",
    "stargazers_url": "/stargazers",
    "statuses_url": "/statuses/{sha}",
    "subscribers_url": "/subscribers",
    "subscription_url": "/subscription",
    "tags_url": "/tags",
    "teams_url": "/teams",
    "trees_url": "/git/trees{/sha}",
}
_REACTIONS = ("+1", "-1", "laugh", "confused", "heart", "hooray", "eyes", "rocket")
_NODE_PREFIXES = {AccountKind.USER: "U", AccountKind.BOT: "BOT", AccountKind.ORGANIZATION: "O"}


def account_node_id(account: Account) -> str:
    """Render the GraphQL id of an account."""
    return f"{_NODE_PREFIXES[account.kind]}_{account.id}"


def issue_node_id(issue: Issue) -> str:
    """Render the GraphQL id of an issue or pull request."""
    return f"I_{issue.id}" if issue.pull is None else f"PR_{issue.pull.id}"


@dataclass(frozen=True, slots=True)
class Render:
    """Renders for one reader; `api` and `web` are the addresses that links start with, without a slash at the end."""

    world: World
    api: str
    web: str
    reader: Account
    _repos: dict[int, Json] = field(default_factory=dict)

    # -- addresses -----------------------------------------------------------------------------------------------

    def repo_url(self, repo: Repo) -> str:
        """Render a repository's API address."""
        return f"{self.api}/repos/{self.world.full_name(repo)}"

    def repo_page(self, repo: Repo) -> str:
        """Render a repository's page address."""
        return f"{self.web}/{self.world.full_name(repo)}"

    def issue_page(self, issue: Issue) -> str:
        """Render the page address of an issue or pull request."""
        kind = "issues" if issue.pull is None else "pull"
        return f"{self.repo_page(self.world.repos[issue.repo_id])}/{kind}/{issue.number}"

    # -- people --------------------------------------------------------------------------------------------------

    def user(self, account: Account) -> Json:
        """Render a simple user."""
        url = f"{self.api}/users/{account.login}"
        return {
            "login": account.login,
            "id": account.id,
            "node_id": account_node_id(account),
            "avatar_url": f"{self.web}/avatars/{account.id}",
            "gravatar_id": "",
            "url": url,
            "html_url": f"{self.web}/{account.login}",
            "following_url": f"{url}/following{{/other_user}}",
            "gists_url": f"{url}/gists{{/gist_id}}",
            "starred_url": f"{url}/starred{{/owner}}{{/repo}}",
            "events_url": f"{url}/events{{/privacy}}",
            "organizations_url": f"{url}/orgs",
            **{f"{name}_url": f"{url}/{name}" for name in _USER_URLS},
            "type": account.kind.value,
            "user_view_type": "public",
            "site_admin": account.site_admin,
        }

    def user_by_id(self, account_id: int | None) -> Json | None:
        """Render a simple user; None for nobody."""
        return None if account_id is None else self.user(self.world.accounts[account_id])

    def profile(self, account: Account) -> Json:
        """Render a public profile."""
        blank = ("company", "location", "email", "hireable", "bio", "twitter_username")
        return {
            **self.user(account),
            **dict.fromkeys(blank),
            "name": account.login,
            "blog": "",
            "public_repos": sum(1 for repo in self.world.repos.values() if repo.owner_id == account.id),
            "public_gists": 0,
            "followers": 0,
            "following": 0,
            "created_at": stamp(account.created_at),
            "updated_at": stamp(account.created_at),
        }

    def organization(self, account: Account) -> Json:
        """Render a simple organization."""
        url = f"{self.api}/orgs/{account.login}"
        urls = ("repos", "events", "hooks", "issues")
        return {
            "login": account.login,
            "id": account.id,
            "node_id": account_node_id(account),
            "url": url,
            **{f"{name}_url": f"{url}/{name}" for name in urls},
            "members_url": f"{url}/members{{/member}}",
            "public_members_url": f"{url}/public_members{{/member}}",
            "avatar_url": f"{self.web}/avatars/{account.id}",
            "description": None,
        }

    # -- repositories --------------------------------------------------------------------------------------------

    def minimal_repo(self, repo: Repo) -> Json:
        """Render a repository as it is embedded in other answers."""
        url = self.repo_url(repo)
        return {
            "id": repo.id,
            "node_id": f"R_{repo.id}",
            "name": repo.name,
            "full_name": self.world.full_name(repo),
            "private": repo.private,
            "owner": self.user(self.world.accounts[repo.owner_id]),
            "html_url": self.repo_page(repo),
            "description": repo.description,
            "fork": repo.parent_id is not None,
            "url": url,
            **{name: url + suffix for name, suffix in _REPO_URLS.items()},
        }

    def repo(self, repo: Repo) -> Json:
        """Render a repository as lists and other objects hold it; once, however many issues embed it."""
        if repo.id not in self._repos:
            self._repos[repo.id] = self._repo(repo)
        return self._repos[repo.id]

    def _repo(self, repo: Repo) -> Json:
        level = level_of(self.world, self.reader, repo)
        page = self.repo_page(repo)
        open_count = sum(1 for issue in repo.issues.values() if issue.is_open)
        return {
            **self.minimal_repo(repo),
            "git_url": f"{page}.git",
            "ssh_url": f"{page}.git",
            "clone_url": f"{page}.git",
            "svn_url": page,
            "mirror_url": None,
            "homepage": None,
            "language": None,
            "license": None,
            "created_at": stamp(repo.created_at),
            "updated_at": stamp(repo.updated_at),
            "pushed_at": stamp(repo.pushed_at),
            "size": 0,
            "stargazers_count": repo.stars,
            "watchers_count": repo.stars,
            "forks_count": 0,
            "open_issues_count": open_count,
            "forks": 0,
            "open_issues": open_count,
            "watchers": repo.stars,
            "has_issues": True,
            "has_projects": True,
            "has_downloads": True,
            "has_wiki": False,
            "has_pages": False,
            "has_discussions": False,
            "archived": repo.archived,
            "disabled": False,
            "visibility": "private" if repo.private else "public",
            "default_branch": repo.default_branch,
            "is_template": False,
            "topics": [],
            "allow_forking": True,
            "web_commit_signoff_required": False,
            "permissions": {
                "admin": level >= Level.ADMIN,
                "maintain": level >= Level.MAINTAIN,
                "push": level >= Level.WRITE,
                "triage": level >= Level.TRIAGE,
                "pull": level >= Level.READ,
            },
        }

    def full_repo(self, repo: Repo) -> Json:
        """Render a repository as its own endpoint answers it."""
        owner = self.world.accounts[repo.owner_id]
        full = self.repo(repo) | {
            "network_count": 0,
            "subscribers_count": len(repo.watcher_ids),
            "allow_squash_merge": True,
            "allow_merge_commit": True,
            "allow_rebase_merge": True,
            "allow_auto_merge": False,
            "delete_branch_on_merge": False,
        }
        if owner.kind is AccountKind.ORGANIZATION:
            full["organization"] = self.user(owner)
        parent = self.world.repos.get(repo.parent_id or 0)
        if parent is not None:
            full["parent"] = full["source"] = self.repo(parent)
        return full

    # -- issues --------------------------------------------------------------------------------------------------

    def label(self, repo: Repo, label: Label) -> Json:
        """Render a label."""
        return {
            "id": label.id,
            "node_id": f"LA_{label.id}",
            "url": f"{self.repo_url(repo)}/labels/{label.name}",
            "name": label.name,
            "color": label.color,
            "default": False,
            "description": label.description,
            "archived_at": None,
            "archived_by": None,
        }

    def issue(self, issue: Issue, *, with_repo: bool = False) -> Json:
        """Render an issue; a pull request carries the key `pull_request` on top."""
        repo = self.world.repos[issue.repo_id]
        url = f"{self.repo_url(repo)}/issues/{issue.number}"
        assignees = [self.user(self.world.accounts[account_id]) for account_id in issue.assignee_ids]
        shown: Json = {
            "url": url,
            "repository_url": self.repo_url(repo),
            "labels_url": f"{url}/labels{{/name}}",
            "comments_url": f"{url}/comments",
            "events_url": f"{url}/events",
            "timeline_url": f"{url}/timeline",
            "html_url": self.issue_page(issue),
            "id": issue.id,
            "node_id": issue_node_id(issue),
            "number": issue.number,
            "title": issue.title,
            "user": self.user_by_id(issue.author_id),
            "labels": [self.label(repo, label) for label in issue.labels.values()],
            "state": "open" if issue.is_open else "closed",
            "state_reason": issue.state_reason,
            "locked": issue.locked,
            "active_lock_reason": None,
            "assignee": assignees[0] if assignees else None,
            "assignees": assignees,
            "milestone": None,
            "comments": len(issue.comments),
            "created_at": stamp(issue.created_at),
            "updated_at": stamp(issue.updated_at),
            "closed_at": stamp(issue.closed_at),
            "closed_by": self.user_by_id(issue.closed_by),
            "author_association": association(self.world, repo, issue.author_id),
            "body": issue.body,
            "reactions": self.reactions(url),
            "performed_via_github_app": None,
            "sub_issues_summary": {"total": 0, "completed": 0, "percent_completed": 0},
            "issue_dependencies_summary": self._dependencies(issue),
        }
        if issue.pull is not None:
            pull_url, page = f"{self.repo_url(repo)}/pulls/{issue.number}", self.issue_page(issue)
            shown["draft"] = issue.pull.draft
            shown["pull_request"] = {
                "url": pull_url,
                "html_url": page,
                "diff_url": f"{page}.diff",
                "patch_url": f"{page}.patch",
                "merged_at": stamp(issue.pull.merged_at),
            }
        if with_repo:
            shown["repository"] = self.repo(repo)
        return shown

    def _dependencies(self, issue: Issue) -> Json:
        names = ("blocked_by", "total_blocked_by", "blocking", "total_blocking")
        return dict(zip(names, count_dependencies(self.world, issue), strict=True))

    @staticmethod
    def reactions(url: str) -> Json:
        """Render that nobody reacted."""
        return {"url": f"{url}/reactions", "total_count": 0, **dict.fromkeys(_REACTIONS, 0)}

    def comment_page(self, issue: Issue, comment_id: int) -> str:
        """Render the page address of a comment."""
        return f"{self.issue_page(issue)}#issuecomment-{comment_id}"

    def comment(self, issue: Issue, comment: Comment) -> Json:
        """Render an issue comment."""
        repo = self.world.repos[issue.repo_id]
        url = f"{self.repo_url(repo)}/issues/comments/{comment.id}"
        return {
            "url": url,
            "html_url": self.comment_page(issue, comment.id),
            "issue_url": f"{self.repo_url(repo)}/issues/{issue.number}",
            "id": comment.id,
            "node_id": f"IC_{comment.id}",
            "user": self.user_by_id(comment.author_id),
            "created_at": stamp(comment.created_at),
            "updated_at": stamp(comment.updated_at),
            "author_association": association(self.world, repo, comment.author_id),
            "body": comment.body,
            "reactions": self.reactions(url),
            "performed_via_github_app": None,
        }

    def event(self, issue: Issue, event: Event) -> Json:
        """Render an entry of the events list."""
        repo = self.world.repos[issue.repo_id]
        shown: Json = {
            "id": event.id,
            "node_id": f"EV_{event.id}",
            "url": f"{self.repo_url(repo)}/issues/events/{event.id}",
            "actor": self.user_by_id(event.actor_id),
            "event": event.kind.value,
            "commit_id": event.sha,
            "commit_url": None if event.sha is None else f"{self.repo_url(repo)}/commits/{event.sha}",
            "created_at": stamp(event.at),
            "performed_via_github_app": None,
        }
        if event.label is not None:
            shown["label"] = {"name": event.label.name, "color": event.label.color}
        if event.kind in {EventKind.ASSIGNED, EventKind.UNASSIGNED}:
            shown["assignee"] = self.user_by_id(event.subject_id)
            shown["assigner"] = self.user_by_id(event.actor_id)
        if event.kind in {EventKind.REVIEW_REQUESTED, EventKind.REVIEW_REQUEST_REMOVED}:
            shown["review_requester"] = self.user_by_id(event.actor_id)
            shown["requested_reviewer"] = self.user_by_id(event.subject_id)
        if event.kind is EventKind.RENAMED:
            shown["rename"] = {"from": event.old, "to": event.new}
        return shown

    # -- notifications -------------------------------------------------------------------------------------------

    def thread(self, thread: InboxThread) -> Json:
        """Render a notification thread."""
        repo = self.world.repos[thread.repo_id]
        issue = repo.issues[thread.number]
        kind = "pulls" if area_of(issue) == "pull_requests" else "issues"
        subject = f"{self.repo_url(repo)}/{kind}/{issue.number}"
        latest = subject
        if thread.latest_comment_id is not None:
            latest = f"{self.repo_url(repo)}/issues/comments/{thread.latest_comment_id}"
        url = f"{self.api}/notifications/threads/{thread.id}"
        return {
            "id": str(thread.id),
            "repository": self.minimal_repo(repo),
            "subject": {
                "title": issue.title,
                "url": subject,
                "latest_comment_url": latest,
                "type": "Issue" if issue.pull is None else "PullRequest",
            },
            "reason": thread.reason.value,
            "unread": thread.unread,
            "updated_at": stamp(thread.updated_at),
            "last_read_at": stamp(thread.last_read_at),
            "url": url,
            "subscription_url": f"{url}/subscription",
        }
