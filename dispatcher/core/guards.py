"""Questions that a row of the table may ask: pure functions of (task, event)."""

from collections.abc import Callable

from dispatcher.core.causes import BlockCause, parse_why
from dispatcher.core.changes import describe_reason
from dispatcher.core.events import Event, ResultKept
from dispatcher.core.model import Ask, Command, Stage, Task

Guard = Callable[[Task, Event], bool]


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
    """The event brings another head than the one that we know."""
    return not same_head(task, event)


def of_our_run(_task: Task, event: Event) -> bool:
    """The check was that of the run's harvest, not of a head that was on the forge before."""
    return bool(getattr(event, "run_id", ""))


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


def approval_moves_along(task: Task, event: Event) -> bool:
    """The rebase started from the present, approved head and did not change the patch: the approval stays true."""
    started_here = getattr(event, "old_head", None) == task.head == task.approved_head
    return agent_is_gone(task, event) and started_here and getattr(event, "same_patch", False) is True


def was_under_review(task: Task, _event: Event) -> bool:
    """A reviewer run of ours has judged the open pull request before: it is in our care, not only asked about."""
    return task.pull is not None and task.is_open and bool(task.reviewed_head)


def first_malformed(task: Task, _event: Event) -> bool:
    """The run was not itself a repair: one repair is allowed."""
    return task.run is not None and not task.run.is_repair


def is_continued(task: Task, event: Event) -> bool:
    """What was kept was made on the present head, and the next worker shall go on from it."""
    return isinstance(event, ResultKept) and bool(event.head) and event.continues == task.head


def budget_comes_back(_task: Task, event: Event) -> bool:
    """The budget is one of a day: it comes back by itself."""
    return getattr(event, "comes_back", None) is not None


def orders_stop(_task: Task, event: Event) -> bool:
    """The command is `stop`."""
    return getattr(event, "command", None) is Command.STOP


def orders_review(task: Task, event: Event) -> bool:
    """The command is `review`, and there is something to review."""
    return getattr(event, "command", None) is Command.REVIEW and task.pull is not None and task.is_open


def orders_work(task: Task, event: Event) -> bool:
    """The command is `retry` or `resume`, and the item is open."""
    return getattr(event, "command", None) in {Command.RETRY, Command.RESUME} and task.is_open


def orders_work_on_pull(task: Task, event: Event) -> bool:
    """The command is `retry` or `resume`, and the pull request is open."""
    return orders_work(task, event) and task.pull is not None


def is_new_ask(task: Task, event: Event) -> bool:
    """The mention is newer than the one that waits."""
    ask = getattr(event, "ask", None)
    return isinstance(ask, Ask) and (task.ask is None or ask.at >= task.ask.at)


def is_asked_again(task: Task, _event: Event) -> bool:
    """A newer mention came while the responder was at work."""
    return task.asked_again


def is_new_ask_after_verdict(task: Task, event: Event) -> bool:
    """The reviewer has approved and is gone, only the gates are awaited: nobody else would hear the mention."""
    return agent_is_gone(task, event) and is_new_ask(task, event)


def is_new_request(task: Task, event: Event) -> bool:
    """No worker was sent for this request for changes yet, and nothing but the request stands against going on."""
    is_suspended = parse_why(task.blocked_why)[0] is BlockCause.EDITED
    return not is_suspended and describe_reason(event) not in task.told


def refused(*effects: str) -> Guard:
    """The effect that failed for good is one of these."""

    def is_refused(_task: Task, event: Event) -> bool:
        return getattr(event, "effect", "") in effects

    is_refused.__doc__ = f"What was refused is {' or '.join(effects)}."
    return is_refused


def needs_other_words(_task: Task, event: Event) -> bool:
    """What was refused is neither the labels nor the comment that say whose turn it is."""
    return getattr(event, "effect", "") not in {"ShowStage", "PostComment"}


def publishing_failed(task: Task, _event: Event) -> bool:
    """A checked commit could not be pushed or opened as a pull request: that is all that is missing."""
    cause, detail = parse_why(task.blocked_why)
    return cause is BlockCause.EFFECT_REFUSED and detail.startswith(("push:", "Push:", "OpenPull:"))


def resumes_at(stage: Stage) -> Guard:
    """The blocked task goes on at `stage`; with a pull request it never goes back to the queue."""

    def resumes(task: Task, _event: Event) -> bool:
        goes_on = task.resume_stage or Stage.QUEUED
        return (Stage.NEEDS_REVIEW if task.pull and goes_on is Stage.QUEUED else goes_on) is stage

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
