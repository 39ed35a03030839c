"""What an agent is given: a folder with its context, a checkout, and nothing else. Built in the loop, made beside it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dispatcher.core.effects import StartRun
from dispatcher.core.errors import RetryLater
from dispatcher.core.events import BranchFound, Event
from dispatcher.core.model import Comment, Item, Role, Snapshot, Task
from dispatcher.core.policy import usd_left, wall_limit_s
from dispatcher.engine.desk import Desk
from dispatcher.engine.jobs import Work
from dispatcher.engine.looking import Watcher
from dispatcher.ports import CheckoutOrder, Repo, RunOrder

DIFF_LIMIT_BYTES = 400_000
"""How much of a diff a reviewer's prompt carries; the checkout has all of it."""


CHANGES_LIMIT_BYTES = 60_000
"""How much of what changed since the last review a prompt carries."""


@dataclass(frozen=True, slots=True)
class _Thread:
    """What was said on issue and pull request by people who may ask, and how many others spoke."""

    comments: tuple[Comment, ...]
    withheld: int


class Briefer:
    """Turns a dispatched run into a folder, a checkout and a supervisor."""

    def __init__(self, desk: Desk, watcher: Watcher) -> None:
        self._desk = desk
        self._watcher = watcher

    def start_work(self, effect: StartRun, task: Task, repo: Repo, before_start: Callable[[], None]) -> Work:
        """Gather what only the loop may ask the forge for; the returned work clones, writes and starts.

        `before_start` is called right before the start and may raise.
        """
        desk = self._desk
        context = self._context(effect, task, repo)
        role = effect.run.role

        def start() -> Sequence[Event]:
            extra: dict[str, object] = {"repo_rules": desk.workspaces.load_repo_rules_text(repo, task.base)}
            newest = (task.draft_head if role is Role.WORKER else "") or task.head
            extra["changed_since"] = desk.workspaces.fetch_changes(
                repo, task.reviewed_head, newest, CHANGES_LIMIT_BYTES
            )
            if task.head and role is not Role.WORKER:
                extra["diff"] = desk.workspaces.fetch_diff(repo, task.base, task.head, DIFF_LIMIT_BYTES)
            order = self._order(effect, task, repo, {**context, **extra})
            checkout = desk.runs.prepare(order)
            found: Sequence[Event] = ()
            if not effect.repairs:
                commit, found = self._start_commit(effect, task, repo)
                wanted = CheckoutOrder(
                    repo,
                    task.base,
                    commit,
                    task.branch,
                    checkout,
                    will_be_checked=role is Role.WORKER,
                    from_base=() if _trusts_head(role, task) else repo.rules.instruction_files,
                )
                desk.workspaces.make_checkout(wanted)
            before_start()
            desk.runs.start(order)
            return found

        return start

    def _start_commit(self, effect: StartRun, task: Task, repo: Repo) -> tuple[str, Sequence[Event]]:
        """Where the checkout stands: a worker goes on from what was harvested last, everybody else reads the head."""
        if effect.run.role is not Role.WORKER:
            return task.head, ()
        if task.continues_branch and not task.head and not task.draft_head:
            found = self._desk.workspaces.find_branch(repo, task.branch)
            return found, ((BranchFound(effect.run.id, found),) if found else ())
        return task.draft_head or task.head, ()

    def _order(self, effect: StartRun, task: Task, repo: Repo, context: dict[str, object]) -> RunOrder:
        limits = task.limits
        return RunOrder(
            run=effect.run,
            repo=task.repo,
            rules=repo.rules,
            role=effect.run.role,
            context=context,
            wall_s=wall_limit_s(effect.run.role, task),
            silence_s=limits.silence_s,
            repo_id=repo.id,
            repairs=effect.repairs,
            repair_error=effect.repair_error,
            shared=self._desk.workspaces.shared_paths(repo),
            usd_left=usd_left(task),
        )

    def _context(self, effect: StartRun, task: Task, repo: Repo) -> dict[str, object]:
        """Everything that the prompt may show; texts of people are data and stay data."""
        snapshot = self._snapshot(task, repo)
        source = snapshot.issue or snapshot.front
        thread = self._thread(repo, snapshot)
        return {
            "repo": task.repo,
            "task": task.name,
            "role": str(effect.run.role),
            "run_id": effect.run.id,
            "round": task.rounds + 1,
            "attempt": task.attempts,
            "title": source.title if source else task.title,
            "issue_body": source.body if source else "",
            "author": source.author.login if source else "",
            "comments": [_describe_comment(comment) for comment in thread.comments],
            "withheld_comments": thread.withheld,
            "told": list(task.told),
            "found_before": list(task.found_before) if effect.run.role is Role.REVIEWER else [],
            "minutes": wall_limit_s(effect.run.role, task) // 60,
            "branch": task.branch,
            "base": task.base,
            "head": task.head,
            "check_command": " ".join(repo.rules.check),
            "pull_title": snapshot.pull.item.title if snapshot.pull else task.pull_title,
            "pull_body": snapshot.pull.item.body if snapshot.pull else task.pull_body,
            "mention": self._mention(task, thread, source),
            "mention_author": task.ask.by.login if task.ask else "",
        }

    def _snapshot(self, task: Task, repo: Repo) -> Snapshot:
        """The snapshot that the claim read back; after a restart it is read anew."""
        known = self._desk.snapshots.get(task.key)
        has_all = (
            known is not None
            and (known.issue is not None or not task.has_issue)
            and (known.pull is not None or task.pull is None)
        )
        if known is None or not has_all:
            known = self._desk.forge.fetch_snapshot(repo, task)
            self._desk.snapshots[task.key] = known
        if known.front is None:
            raise RetryLater(f"{task.name} cannot be read now")
        return known

    def _thread(self, repo: Repo, snapshot: Snapshot) -> _Thread:
        """Comments of people who may ask; our own are left out, the others are counted."""
        items = [item for item in (snapshot.issue, snapshot.pull.item if snapshot.pull else None) if item]
        said = [
            comment for item in items for comment in item.comments if comment.author.id != self._desk.me.id
        ]
        allowed = self._watcher.allowed_of(repo, [comment.author for comment in said])
        heard = tuple(
            sorted((c for c in said if c.author.id in allowed), key=lambda comment: comment.created_at)
        )
        return _Thread(heard, len(said) - len(heard))

    def _mention(self, task: Task, thread: _Thread, source: Item | None) -> str:
        if task.ask is None:
            return ""
        said = next((comment.body for comment in thread.comments if comment.id == task.ask.comment_id), None)
        return said if said is not None else (source.body if source else "")


def _trusts_head(role: Role, task: Task) -> bool:
    """Whether what the head says to agents may be obeyed: on our own branch it is our workers' own, and theirs to change."""
    return role is Role.WORKER and not task.began_as_pull


def _describe_comment(comment: Comment) -> dict[str, object]:
    return {
        "author": comment.author.login,
        "at": comment.created_at.isoformat(),
        "body": comment.body,
        "path": comment.path,
        "line": comment.line,
    }
