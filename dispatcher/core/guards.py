"""Questions that a row of the table may ask: pure functions of (task, event)."""

from collections.abc import Callable

from dispatcher.core.events import Event
from dispatcher.core.model import Ask, Command, Stage, Task

Guard = Callable[[Task, Event], bool]


def is_pull_task(task: Task, _event: Event) -> bool:
    """The task began with a pull request that a person labelled."""
    return task.began_as_pull


def has_pull(task: Task, _event: Event) -> bool:
    """There is a pull request."""
    return task.pull is not None


def is_open(task: Task, _event: Event) -> bool:
    """The item that carries the stage is open."""
    return task.is_open


def same_head(task: Task, event: Event) -> bool:
    """The event speaks of the head that the pull request has now."""
    return bool(task.head) and getattr(event, "head", None) == task.head


def new_head(task: Task, event: Event) -> bool:
    """The event brings a head that we did not know (the one that our own push replaced may still be shown for a while)."""
    return not same_head(task, event) and getattr(event, "head", None) != task.replaced_head


def agent_is_gone(task: Task, _event: Event) -> bool:
    """No run is live for the task: the reviewer is finished and only the gates are awaited."""
    return task.run is None


def same_head_and_agent_gone(task: Task, event: Event) -> bool:
    """Both: the event speaks of the present head, and nobody is at work on it."""
    return same_head(task, event) and agent_is_gone(task, event)


def needs_check(task: Task, event: Event) -> bool:
    """Nobody is at work on this very head, and it is unchecked."""
    return same_head_and_agent_gone(task, event) and task.checked_head != task.head


def conflict_is_new(task: Task, event: Event) -> bool:
    """Nobody is at work, and this conflicting head is not yet being rebased."""
    return same_head_and_agent_gone(task, event) and task.rebasing_head != task.head


def approval_stands(task: Task, _event: Event) -> bool:
    """A reviewer run approved exactly the present head, and the check passed on it."""
    return bool(task.head) and task.approved_head == task.head == task.checked_head


def gates_are_ours(task: Task, event: Event) -> bool:
    """The one door to `merge-ready`: this very head is approved and checked, and nothing was asked meanwhile."""
    return approval_stands(task, event) and same_head_and_agent_gone(task, event) and task.ask is None


def asked_meanwhile(task: Task, event: Event) -> bool:
    """The verdict is on the present head, but a person said something that this reviewer has not read."""
    return same_head(task, event) and task.ask is not None


def same_patch(task: Task, event: Event) -> bool:
    """The rebase started from the present head and did not change the patch, so that an approval stays true."""
    return getattr(event, "old_head", None) == task.head and getattr(event, "same_patch", False) is True


def first_malformed(task: Task, _event: Event) -> bool:
    """The run was not itself a repair: one repair is allowed."""
    return task.run is not None and not task.run.is_repair


def orders_stop(_task: Task, event: Event) -> bool:
    """The command is `stop`."""
    return getattr(event, "command", None) is Command.STOP


def orders_review(task: Task, event: Event) -> bool:
    """The command is `review`, and there is something to review."""
    return getattr(event, "command", None) is Command.REVIEW and task.pull is not None


def orders_work(_task: Task, event: Event) -> bool:
    """The command is `retry` or `resume`."""
    return getattr(event, "command", None) in {Command.RETRY, Command.RESUME}


def is_new_ask(task: Task, event: Event) -> bool:
    """The mention is newer than the one that waits."""
    ask = getattr(event, "ask", None)
    return isinstance(ask, Ask) and (task.ask is None or ask.at >= task.ask.at)


def resumes_at(stage: Stage) -> Guard:
    """The blocked task goes on at `stage`."""

    def resumes(task: Task, _event: Event) -> bool:
        return (task.resume_stage or (Stage.NEEDS_REVIEW if task.pull else Stage.QUEUED)) is stage

    resumes.__doc__ = f"The blocked task goes on at {stage}."
    resumes.__name__ = f"resumes_at_{stage.name.lower()}"
    return resumes


def shows(stage: Stage) -> Guard:
    """The labels show `stage`."""

    def shown(_task: Task, event: Event) -> bool:
        return getattr(event, "stage", None) is stage

    shown.__doc__ = f"The labels show {stage}."
    shown.__name__ = f"shows_{stage.name.lower()}"
    return shown
