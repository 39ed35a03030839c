"""Repositories and what hangs on them: creation, people, branches, statuses and check runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dispatcher.simulator.access import Caller, require_write
from dispatcher.simulator.git_port import Writing
from dispatcher.simulator.model import (
    Account,
    AccountKind,
    CheckRun,
    Label,
    Level,
    Repo,
    Status,
    TokenKind,
)
from dispatcher.simulator.pulls import synchronise
from dispatcher.simulator.refusals import FieldError, Forbidden, Invalid
from dispatcher.simulator.world import World

_FIRST_LABELS = {
    "bug": ("d73a4a", "Something isn't working"),
    "enhancement": ("a2eeef", "New feature or request"),
    "question": ("d876e3", "Further information is requested"),
}
CONCLUSIONS = frozenset(
    {None, "action_required", "cancelled", "failure", "neutral", "skipped", "stale", "success", "timed_out"}
)
_STATES = frozenset({"error", "failure", "pending", "success"})


def create_repo(
    world: World, owner: Account, name: str, *, private: bool = False, default_branch: str = "main"
) -> Repo:
    """Create an empty repository with a few of GitHub's default labels."""
    now = world.now()
    repo = Repo(world.new_id(), owner.id, name, now, now, now, private=private, default_branch=default_branch)
    for label_name, (color, description) in _FIRST_LABELS.items():
        repo.labels[label_name] = Label(world.new_id(), label_name, color, description)
    world.add_repo(repo)
    return repo


def fork(world: World, owner: Account, source: Repo) -> Repo:
    """Copy a repository into somebody's account."""
    copy = create_repo(
        world, owner, source.name, private=source.private, default_branch=source.default_branch
    )
    copy.parent_id = source.id
    world.git.fork(copy.id, source.id)
    return copy


@dataclass(frozen=True, slots=True)
class Push:
    """A commit that somebody pushes; None as content deletes a file, `base` names where a new branch starts."""

    branch: str
    files: Mapping[str, bytes | str | None]
    message: str = "Change files"
    base: str | None = None
    force: bool = False


def push(world: World, caller: Caller, repo: Repo, wanted: Push) -> str:
    """Commit files and push them; the new head's sha."""
    require_write(world, caller, repo, "contents", Level.WRITE)
    refs = world.git.refs(repo.id)
    start = refs.get(f"refs/heads/{wanted.branch}")
    if wanted.force or start is None:
        name = wanted.base or repo.default_branch
        start = world.git.resolve(repo.id, name) or start
    files = {
        path: content.encode() if isinstance(content, str) else content
        for path, content in wanted.files.items()
    }
    author = world.signature(caller.account)
    sha = world.git.write(repo.id, Writing(wanted.branch, files, wanted.message, author, start))
    synchronise(world, repo, caller.account)
    return sha


def delete_branch(world: World, caller: Caller, repo: Repo, branch: str) -> None:
    """Delete a branch; open pull requests of it close."""
    require_write(world, caller, repo, "contents", Level.WRITE)
    if f"refs/heads/{branch}" not in world.git.refs(repo.id):
        raise Invalid("Reference does not exist")
    if branch == repo.default_branch:
        raise Invalid("Cannot delete the default branch")
    world.git.set_ref(repo.id, f"refs/heads/{branch}", None)
    synchronise(world, repo, caller.account)


@dataclass(frozen=True, slots=True)
class StatusReport:
    """What somebody says about a commit; state is error, failure, pending or success."""

    sha: str
    state: str
    context: str = "default"
    description: str | None = None
    target_url: str | None = None


def set_status(world: World, caller: Caller, repo: Repo, report: StatusReport) -> Status:
    """Report on a commit, as anyone with push access may."""
    require_write(world, caller, repo, "statuses", Level.WRITE)
    if report.state not in _STATES or world.git.resolve(repo.id, report.sha) is None:
        wrong = "state" if report.state not in _STATES else "sha"
        raise Invalid(errors=(FieldError("Status", "invalid", wrong),))
    written = Status(
        world.new_id(),
        report.context,
        report.state,
        caller.account.id,
        world.now(),
        report.description,
        report.target_url,
    )
    repo.statuses.setdefault(report.sha, []).append(written)
    return written


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What an App says about a commit."""

    name: str
    sha: str
    status: str = "completed"
    conclusion: str | None = None
    details_url: str | None = None
    title: str | None = None
    summary: str | None = None


def create_check_run(world: World, caller: Caller, repo: Repo, report: CheckReport) -> CheckRun:
    """Write a check run, which only an App can."""
    if caller.account.kind is not AccountKind.BOT or caller.kind not in {None, TokenKind.INSTALLATION}:
        raise Forbidden("You must authenticate via a GitHub App.")
    require_write(world, caller, repo, "checks", Level.READ)
    if report.conclusion not in CONCLUSIONS:
        raise Invalid(errors=(FieldError("CheckRun", "invalid", "conclusion"),))
    now = world.now()
    done = report.conclusion is not None
    run = CheckRun(
        world.new_id(),
        report.name,
        report.sha,
        "completed" if done else report.status if report.status != "completed" else "in_progress",
        report.conclusion,
        caller.account.id,
        now,
        now if done else None,
        report.details_url,
        report.title,
        report.summary,
    )
    repo.check_runs.setdefault(report.sha, []).append(run)
    return run
