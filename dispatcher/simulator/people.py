"""Acting as a person: everything that somebody could do in the browser or with their own git, in one call each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dispatcher.simulator import inbox, issues, pulls, repos, reviews
from dispatcher.simulator.access import Caller
from dispatcher.simulator.model import LEVELS, CheckRun, Comment, InboxThread, Issue, Repo, Review, Status
from dispatcher.simulator.world import World


@dataclass(frozen=True, slots=True)
class Person:
    """An account with hands; repositories are named `owner/name`, issues and pull requests by number.

    What GitHub would refuse raises Refused (NotFound, Forbidden, Invalid...).
    """

    world: World
    login: str

    @property
    def caller(self) -> Caller:
        """Be this person in the browser: the account's own rights, no token."""
        return Caller(self.world.account(self.login))

    def _repo(self, repo: str) -> Repo:
        return self.world.repo(repo)

    def _issue(self, repo: str, number: int) -> Issue:
        return self.world.issue(self.world.repo(repo), number)

    # -- issues and what hangs on them ---------------------------------------------------------------------------

    def open_issue(
        self,
        repo: str,
        title: str,
        body: str = "",
        *,
        labels: tuple[str, ...] = (),
        assignees: tuple[str, ...] = (),
    ) -> int:
        """Open an issue; its number."""
        with self.world.lock:
            wanted = issues.Changes(title, body, labels=labels, assignees=assignees)
            return issues.open_issue(self.world, self.caller, self._repo(repo), wanted).number

    def label(self, repo: str, number: int, *names: str) -> None:
        """Put labels on."""
        with self.world.lock:
            issues.add_labels(self.world, self.caller, self._issue(repo, number), names)

    def unlabel(self, repo: str, number: int, *names: str) -> None:
        """Take labels off."""
        with self.world.lock:
            for name in names:
                issues.remove_label(self.world, self.caller, self._issue(repo, number), name)

    def create_label(
        self, repo: str, name: str, color: str = "ededed", description: str | None = None
    ) -> None:
        """Create a label of the repository."""
        with self.world.lock:
            issues.create_label(self.world, self.caller, self._repo(repo), (name, color, description))

    def assign(self, repo: str, number: int, *logins: str) -> None:
        """Assign people."""
        with self.world.lock:
            issues.add_assignees(self.world, self.caller, self._issue(repo, number), logins)

    def unassign(self, repo: str, number: int, *logins: str) -> None:
        """Unassign people."""
        with self.world.lock:
            issues.remove_assignees(self.world, self.caller, self._issue(repo, number), logins)

    def comment(self, repo: str, number: int, body: str) -> Comment:
        """Write a comment."""
        with self.world.lock:
            return issues.comment(self.world, self.caller, self._issue(repo, number), body)

    def edit_comment(self, repo: str, comment_id: int, body: str) -> Comment:
        """Change a comment."""
        with self.world.lock:
            issue, comment = issues.find_comment(self._repo(repo), comment_id)
            return issues.edit_comment(self.world, self.caller, issue, comment, body)

    def delete_comment(self, repo: str, comment_id: int) -> None:
        """Delete a comment."""
        with self.world.lock:
            issues.delete_comment(self.world, self.caller, *issues.find_comment(self._repo(repo), comment_id))

    def edit_body(self, repo: str, number: int, body: str) -> None:
        """Change the text of an issue or pull request."""
        with self.world.lock:
            issues.change(self.world, self.caller, self._issue(repo, number), issues.Changes(body=body))

    def rename_issue(self, repo: str, number: int, title: str) -> None:
        """Change the title of an issue or pull request."""
        with self.world.lock:
            issues.change(self.world, self.caller, self._issue(repo, number), issues.Changes(title=title))

    def close(self, repo: str, number: int) -> None:
        """Close an issue or pull request."""
        with self.world.lock:
            issues.change(self.world, self.caller, self._issue(repo, number), issues.Changes(state="closed"))

    def reopen(self, repo: str, number: int) -> None:
        """Reopen an issue or pull request."""
        with self.world.lock:
            issues.change(self.world, self.caller, self._issue(repo, number), issues.Changes(state="open"))

    def block(self, repo: str, number: int, by: int, *, in_repo: str | None = None) -> None:
        """Record that an issue is blocked by another one (of `in_repo`, else the same repository)."""
        with self.world.lock:
            blocker = self._issue(in_repo or repo, by)
            issues.block(self.world, self.caller, self._issue(repo, number), blocker)

    # -- pull requests -------------------------------------------------------------------------------------------

    def push(
        self,
        repo: str,
        branch: str,
        files: Mapping[str, bytes | str | None],
        *,
        message: str = "Change files",
        base: str | None = None,
        force: bool = False,
    ) -> str:
        """Push a commit (None deletes a file) onto a branch, created from `base` when missing; the commit's sha.

        With `force` the branch starts from `base` again. `push(repo, "main", ...)` moves the base of pull requests.
        """
        with self.world.lock:
            wanted = repos.Push(branch, files, message, base, force)
            return repos.push(self.world, self.caller, self._repo(repo), wanted)

    def delete_branch(self, repo: str, branch: str) -> None:
        """Delete a branch."""
        with self.world.lock:
            repos.delete_branch(self.world, self.caller, self._repo(repo), branch)

    def open_pull(
        self,
        repo: str,
        head: str,
        title: str,
        body: str = "",
        *,
        base: str | None = None,
        draft: bool = False,
    ) -> int:
        """Open a pull request; its number."""
        with self.world.lock:
            target = self._repo(repo)
            wanted = pulls.Proposal(title, head, base or target.default_branch, body, draft)
            return pulls.open_pull(self.world, self.caller, target, wanted).number

    def review(
        self, repo: str, number: int, event: str, body: str = "", findings: tuple[reviews.Finding, ...] = ()
    ) -> Review:
        """Review: event is APPROVE, REQUEST_CHANGES or COMMENT."""
        with self.world.lock:
            verdict = reviews.Verdict(event, body, findings=findings)
            return reviews.review(self.world, self.caller, self._issue(repo, number), verdict)

    def approve(self, repo: str, number: int, body: str = "") -> Review:
        """Approve a pull request."""
        return self.review(repo, number, "APPROVE", body)

    def request_changes(self, repo: str, number: int, body: str) -> Review:
        """Request changes on a pull request."""
        return self.review(repo, number, "REQUEST_CHANGES", body)

    def request_review(self, repo: str, number: int, *logins: str) -> None:
        """Ask people for a review."""
        with self.world.lock:
            reviews.request_reviewers(self.world, self.caller, self._issue(repo, number), logins)

    def merge(self, repo: str, number: int, method: str = "merge") -> str:
        """Merge a pull request; the new commit's sha."""
        with self.world.lock:
            return pulls.merge(self.world, self.caller, self._issue(repo, number), pulls.MergeWish(method))

    def mark_ready(self, repo: str, number: int) -> None:
        """Turn a draft into a pull request that wants reviews."""
        with self.world.lock:
            pulls.set_draft(self.world, self.caller, self._issue(repo, number), draft=False)

    def set_status(self, repo: str, sha: str, state: str, context: str = "ci") -> Status:
        """Report a commit status: error, failure, pending or success."""
        with self.world.lock:
            report = repos.StatusReport(sha, state, context)
            return repos.set_status(self.world, self.caller, self._repo(repo), report)

    def create_check_run(
        self, repo: str, sha: str, name: str, conclusion: str | None = None, *, status: str = "in_progress"
    ) -> CheckRun:
        """Write a check run; only bots can (`GitHubBox.add_app`)."""
        with self.world.lock:
            report = repos.CheckReport(name, sha, status, conclusion)
            return repos.create_check_run(self.world, self.caller, self._repo(repo), report)

    # -- repositories --------------------------------------------------------------------------------------------

    def invite(self, repo: str, login: str, level: str) -> None:
        """Give somebody a place in a repository: read, triage, write, maintain, admin; `none` takes it away."""
        with self.world.lock:
            account = self.world.account(login)
            self._repo(repo).collaborators.pop(account.id, None)
            if level != "none":
                self._repo(repo).collaborators[account.id] = LEVELS[level]

    def fork(self, repo: str) -> str:
        """Fork a repository; the copy's full name."""
        with self.world.lock:
            return self.world.full_name(repos.fork(self.world, self.caller.account, self._repo(repo)))

    def delete_repo(self, repo: str) -> None:
        """Delete a repository."""
        with self.world.lock:
            self.world.remove_repo(self._repo(repo))

    def rename_repo(self, repo: str, name: str) -> None:
        """Rename a repository; the old name redirects."""
        with self.world.lock:
            found = self._repo(repo)
            self.world.move_repo(found, self.world.accounts[found.owner_id], name)

    def transfer_repo(self, repo: str, owner: str) -> None:
        """Hand a repository over to another account; the old name redirects."""
        with self.world.lock:
            found = self._repo(repo)
            self.world.move_repo(found, self.world.account(owner), found.name)

    def archive_repo(self, repo: str) -> None:
        """Make a repository read-only."""
        with self.world.lock:
            self._repo(repo).archived = True

    def inbox(self) -> list[InboxThread]:
        """Look at this person's notifications, newest first."""
        with self.world.lock:
            return inbox.fetch_threads(self.world, self.caller.account)
