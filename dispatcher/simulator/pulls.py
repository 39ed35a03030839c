"""What can be done to a pull request: open, push, mark ready, merge; and how mergeable it looks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from dispatcher.simulator import inbox
from dispatcher.simulator.access import Caller, level_of, may, require_read, require_write
from dispatcher.simulator.git_port import FileChange, MergeConflict, Merging
from dispatcher.simulator.issues import announce, close_unchecked, new_thread
from dispatcher.simulator.model import (
    Account,
    EventKind,
    Issue,
    Level,
    Protection,
    Pull,
    Reason,
    Repo,
    ReviewState,
)
from dispatcher.simulator.refusals import Conflict, FieldError, Forbidden, Invalid, NotAllowed, NotFound
from dispatcher.simulator.world import World

_CLOSING = re.compile(
    r"\b(?:close[sd]?|fix(?:e[sd])?|resolve[sd]?):?\s+"
    r"(?:(?P<repo>[\w.-]+/[\w.-]+)?#|https?://\S+?/(?P<url>[\w.-]+/[\w.-]+)/issues/)(?P<number>\d+)",
    re.IGNORECASE,
)
_METHODS = frozenset({"merge", "squash", "rebase"})


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a new pull request asks for; head is `branch` or `owner:branch`."""

    title: str
    head: str
    base: str
    body: str | None = None
    draft: bool = False


def pull_of(issue: Issue) -> Pull:
    """Get the pull request's part; raises NotFound for a plain issue."""
    if issue.pull is None:
        raise NotFound
    return issue.pull


def every_pull(repo: Repo) -> Iterator[tuple[Issue, Pull]]:
    """Walk over a repository's pull requests, oldest first."""
    return ((issue, issue.pull) for issue in repo.issues.values() if issue.pull is not None)


def open_pull(world: World, caller: Caller, repo: Repo, wanted: Proposal) -> Issue:
    """Open a pull request; raises Invalid as GitHub does for a missing head, no commits between, and a second one."""
    head_repo, head_ref = _head(world, repo, wanted.head)
    require_write(world, caller, repo, "pull_requests", Level.WRITE if head_repo is repo else Level.READ)
    head_sha = world.git.refs(head_repo.id).get(f"refs/heads/{head_ref}")
    base_sha = world.git.refs(repo.id).get(f"refs/heads/{wanted.base}")
    if head_sha is None or base_sha is None:
        wrong = "head" if head_sha is None else "base"
        raise Invalid(errors=(FieldError("PullRequest", "invalid", wrong),))
    if head_repo is not repo:
        world.git.bring(repo.id, head_repo.id, head_sha)
    _refuse_pointless(world, repo, wanted, (head_repo, head_ref, head_sha, base_sha))
    issue = new_thread(world, caller.account, repo, wanted.title, wanted.body)
    issue.pull = Pull(
        world.new_id(), head_repo.id, head_ref, head_sha, wanted.base, base_sha, draft=wanted.draft
    )
    world.add_issue(repo, issue)
    world.git.set_ref(repo.id, f"refs/pull/{issue.number}/head", head_sha)
    announce(world, issue, caller.account)
    return issue


def _head(world: World, repo: Repo, head: str) -> tuple[Repo, str]:
    owner_login, colon, branch = head.partition(":")
    if not colon:
        return repo, head
    owner = world.find_account(owner_login)
    if owner is None:
        raise Invalid(errors=(FieldError("PullRequest", "invalid", "head"),))
    if owner.id == repo.owner_id:
        return repo, branch
    forks = (fork for fork in world.repos.values() if fork.owner_id == owner.id and fork.parent_id == repo.id)
    fork = next(forks, None)
    if fork is None:
        raise Invalid(errors=(FieldError("PullRequest", "invalid", "head"),))
    return fork, branch


def _refuse_pointless(world: World, repo: Repo, wanted: Proposal, ends: tuple[Repo, str, str, str]) -> None:
    head_repo, head_ref, head_sha, base_sha = ends
    same = (
        issue
        for issue, pull in every_pull(repo)
        if issue.is_open
        and (pull.head_repo_id, pull.head_ref, pull.base_ref) == (head_repo.id, head_ref, wanted.base)
    )
    owner = world.accounts[head_repo.owner_id].login
    if next(same, None) is not None:
        text = f"A pull request already exists for {owner}:{head_ref}."
        raise Invalid(errors=(FieldError("PullRequest", "custom", "", text),))
    if world.git.merge_base(repo.id, base_sha, head_sha) in {head_sha, None}:
        text = f"No commits between {wanted.base} and {wanted.head}"
        raise Invalid(errors=(FieldError("PullRequest", "custom", "", text),))


def change_base(world: World, caller: Caller, issue: Issue, base: str) -> None:
    """Point a pull request at another base branch."""
    repo, pull = world.repos[issue.repo_id], pull_of(issue)
    require_write(world, caller, repo, "pull_requests", Level.WRITE)
    sha = world.git.refs(repo.id).get(f"refs/heads/{base}")
    if sha is None:
        raise Invalid(errors=(FieldError("PullRequest", "invalid", "base"),))
    pull.base_ref, pull.base_sha, issue.updated_at = base, sha, world.now()


def set_draft(world: World, caller: Caller, issue: Issue, *, draft: bool) -> None:
    """Turn a draft into a real pull request, or back (GraphQL only, on GitHub)."""
    repo, pull = world.repos[issue.repo_id], pull_of(issue)
    own = issue.author_id == caller.account.id
    require_write(world, caller, repo, "pull_requests", Level.READ if own else Level.WRITE)
    if pull.draft != draft:
        pull.draft = draft
        kind = EventKind.CONVERTED_TO_DRAFT if draft else EventKind.READY_FOR_REVIEW
        world.note(issue, kind, caller.account.id)


# -- what git tells ----------------------------------------------------------------------------------------------


def synchronise(world: World, repo: Repo, actor: Account) -> None:
    """Bring the pull requests in line with the branches after a push: heads follow, deleted heads close."""
    repo.pushed_at = repo.updated_at = world.now()
    involved = [repo] + [other for other in world.repos.values() if other.id == repo.parent_id]
    for target in involved:
        base_refs, head_refs = world.git.refs(target.id), world.git.refs(repo.id)
        for issue, pull in every_pull(target):
            if not issue.is_open:
                continue
            if pull.head_repo_id == repo.id:
                _follow(world, issue, actor, head_refs.get(f"refs/heads/{pull.head_ref}"))
            _follow_base(world, issue, actor, base_refs.get(f"refs/heads/{pull.base_ref}"))


def _follow_base(world: World, issue: Issue, actor: Account, sha: str | None) -> None:
    # A head that somebody pushed into the base by hand: the forge then shows the pull request as merged.
    pull = pull_of(issue)
    if not issue.is_open or sha == pull.base_sha:
        return
    if sha is None:
        close_unchecked(world, issue, actor, "completed")
    elif world.git.merge_base(issue.repo_id, sha, pull.head_sha) == pull.head_sha:
        _finish(world, issue, actor, sha)
    else:
        pull.base_sha = sha


def _follow(world: World, issue: Issue, actor: Account, sha: str | None) -> None:
    pull = pull_of(issue)
    if sha == pull.head_sha:
        return
    if sha is None:
        world.note(issue, EventKind.HEAD_DELETED, actor.id)
        close_unchecked(world, issue, actor, "completed")
        return
    if pull.head_repo_id != issue.repo_id:
        world.git.bring(issue.repo_id, pull.head_repo_id, sha)
    forced = world.git.merge_base(issue.repo_id, pull.head_sha, sha) != pull.head_sha
    event = world.note(issue, EventKind.HEAD_FORCE_PUSHED if forced else EventKind.COMMITTED, actor.id)
    event.sha, event.old, event.new = sha, pull.head_sha, sha
    pull.head_sha = sha
    world.git.set_ref(issue.repo_id, f"refs/pull/{issue.number}/head", sha)
    inbox.tell(world, issue, actor)


def changed_files(world: World, issue: Issue) -> tuple[FileChange, ...]:
    """List what the pull request changes against its base."""
    pull = pull_of(issue)
    return world.git.changes(issue.repo_id, pull.base_sha, pull.head_sha)


def mergeable(world: World, issue: Issue) -> bool | None:
    """Say whether it merges cleanly; None while the forge computes, which each look brings one step further."""
    pull = pull_of(issue)
    if pull.merged_at is not None:
        return None
    ends = (pull.base_sha, pull.head_sha)
    if pull.mergeable_for != ends:
        pull.mergeable_for, pull.unknown_reads_left = ends, world.settings.mergeable_unknown_reads
    if pull.unknown_reads_left > 0:
        pull.unknown_reads_left -= 1
        return None
    return world.git.can_merge(issue.repo_id, *ends)


def merge_state(world: World, issue: Issue, *, clean: bool | None) -> str:
    """Render `mergeable_state` (REST; GraphQL has it in capitals)."""
    pull, repo = pull_of(issue), world.repos[issue.repo_id]
    rules = repo.protections.get(pull.base_ref, Protection())
    if clean is None:
        return "unknown"
    if not clean:
        return "dirty"
    if pull.draft:
        return "draft"
    if missing_for_merge(world, issue):
        return "blocked"
    if rules.strict and world.git.merge_base(repo.id, pull.base_sha, pull.head_sha) != pull.base_sha:
        return "behind"
    return "clean" if ci_state(repo, pull.head_sha) in {None, "success"} else "unstable"


def missing_for_merge(world: World, issue: Issue) -> str | None:
    """Say which rule of the base branch is not met yet."""
    pull, repo = pull_of(issue), world.repos[issue.repo_id]
    rules = repo.protections.get(pull.base_ref, Protection())
    if rules.required_approvals and review_decision(world, issue) != "APPROVED":
        return f"At least {rules.required_approvals} approving review is required by reviewers with write access."
    if any(
        latest_states(repo, pull.head_sha).get(context) != "success" for context in rules.required_contexts
    ):
        return "Required status check is expected."
    return None


def review_decision(world: World, issue: Issue) -> str | None:
    """Work out GraphQL's `reviewDecision`; null unless the base branch asks for reviews. Only writers' verdicts count."""
    pull, repo = pull_of(issue), world.repos[issue.repo_id]
    rules = repo.protections.get(pull.base_ref, Protection())
    if not rules.required_approvals:
        return None
    verdicts = {
        review.author_id: review.state
        for review in pull.reviews
        if review.state in {ReviewState.APPROVED, ReviewState.CHANGES_REQUESTED}
        and level_of(world, world.accounts[review.author_id], repo) >= Level.WRITE
    }
    if ReviewState.CHANGES_REQUESTED in verdicts.values():
        return "CHANGES_REQUESTED"
    approvals = sum(1 for state in verdicts.values() if state is ReviewState.APPROVED)
    return "APPROVED" if approvals >= rules.required_approvals else "REVIEW_REQUIRED"


def latest_states(repo: Repo, sha: str) -> dict[str, str]:
    """Get the newest word of each context and check run on a commit; skipped and neutral count as success."""
    states = {status.context: status.state for status in repo.statuses.get(sha, [])}
    for run in repo.check_runs.get(sha, []):
        good = run.conclusion in {"success", "neutral", "skipped"}
        states[run.name] = "pending" if run.conclusion is None else "success" if good else "failure"
    return states


def ci_state(repo: Repo, sha: str) -> str | None:
    """Sum up a commit: failure, pending or success; None when nothing was reported."""
    states = set(latest_states(repo, sha).values())
    if not states:
        return None
    if states & {"failure", "error"}:
        return "failure"
    return "pending" if "pending" in states else "success"


# -- merging -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class MergeWish:
    """How a merge is wanted; `sha` is the head that the caller has seen."""

    method: str = "merge"
    sha: str | None = None
    title: str | None = None
    message: str | None = None


def merge(world: World, caller: Caller, issue: Issue, wish: MergeWish) -> str:
    """Merge a pull request and close what it closes; the new commit's sha. Raises NotAllowed or Conflict."""
    pull, repo = pull_of(issue), world.repos[issue.repo_id]
    require_write(world, caller, repo, "contents", Level.WRITE)
    if wish.method not in _METHODS:
        raise Invalid(errors=(FieldError("PullRequest", "invalid", "merge_method"),))
    if not issue.is_open or pull.draft:
        raise NotAllowed("Pull Request is still a draft" if pull.draft else "Pull Request is not mergeable")
    if wish.sha is not None and wish.sha != pull.head_sha:
        raise Conflict
    missing = missing_for_merge(world, issue)
    if missing is not None and not may(world, caller, repo, "administration", Level.ADMIN):
        raise NotAllowed(missing)
    title = wish.title or f"Merge pull request #{issue.number} from {pull.head_ref}"
    message = f"{title}\n\n{wish.message or issue.title}\n"
    try:
        sha = world.git.merge(
            repo.id,
            Merging(pull.base_ref, pull.head_sha, wish.method, message, world.signature(caller.account)),
        )
    except MergeConflict as error:
        raise NotAllowed("Merge conflict") from error
    _finish(world, issue, caller.account, sha)
    synchronise(world, repo, caller.account)
    return sha


def _finish(world: World, issue: Issue, actor: Account, sha: str) -> None:
    pull, repo = pull_of(issue), world.repos[issue.repo_id]
    event = world.note(issue, EventKind.MERGED, actor.id)
    event.sha = sha
    pull.merged_at, pull.merged_by, pull.merge_sha = event.at, actor.id, sha
    repo.contributor_ids.add(issue.author_id)
    close_unchecked(world, issue, actor, "completed")
    world.subscribe(issue, actor.id, Reason.STATE_CHANGE)
    inbox.tell(world, issue, actor)
    if pull.base_ref != repo.default_branch:
        return
    for closed in closes(world, issue):
        if closed.is_open:
            close_unchecked(world, closed, actor, "completed")
            inbox.tell(world, closed, actor)


def closes(world: World, issue: Issue) -> list[Issue]:
    """Find the issues that this pull request's text says it closes."""
    own = world.repos[issue.repo_id]
    found: dict[int, Issue] = {}
    for match in _CLOSING.finditer(issue.body or ""):
        name = match["repo"] or match["url"]
        repo = own if name is None else world.find_repo(name)
        closed = None if repo is None else repo.issues.get(int(match["number"]))
        if closed is not None and closed.pull is None:
            found[closed.id] = closed
    return list(found.values())


def closed_by(world: World, issue: Issue, *, with_closed: bool) -> list[Issue]:
    """Find the pull requests of the same repository, open or merged, that say they close this issue."""
    repo = world.repos[issue.repo_id]
    return [
        other
        for other, pull in every_pull(repo)
        if (with_closed or other.is_open or pull.merged_at is not None) and issue in closes(world, other)
    ]


def update_branch(world: World, caller: Caller, issue: Issue, expected: str | None) -> None:
    """Merge the base into the head; raises Invalid on a conflict or another head than expected."""
    pull, repo = pull_of(issue), world.repos[issue.repo_id]
    require_read(world, caller, repo)
    head_repo = world.repos[pull.head_repo_id]
    if not may(world, caller, head_repo, "contents", Level.WRITE):
        raise Forbidden
    if expected is not None and expected != pull.head_sha:
        raise Invalid("expected head sha didn't match current head ref.")
    if head_repo is not repo:
        world.git.bring(head_repo.id, repo.id, pull.base_sha)
    message = f"Merge branch '{pull.base_ref}' into {pull.head_ref}\n"
    plan = Merging(pull.head_ref, pull.base_sha, "merge", message, world.signature(caller.account))
    try:
        world.git.merge(head_repo.id, plan)
    except MergeConflict as error:
        raise Invalid("merge conflict between base and head") from error
    synchronise(world, head_repo, caller.account)
