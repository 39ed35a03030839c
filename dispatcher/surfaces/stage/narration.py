"""From what the journal recorded and the forge shows to the steps that a person reads. Pure."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from dispatcher.core.model import HoldKind, Role, Stage, Task
from dispatcher.ports import DecisionRecord, RunRecord
from dispatcher.surfaces.screen import one_line
from dispatcher.surfaces.stage.sight import ShownReview, Sight

ENDS = frozenset({Stage.MERGE_READY, Stage.BLOCKED, Stage.DONE, Stage.DROPPED})
"""Stages in which the play is over: it is nobody's turn any more, or a person's."""
_NO_AGENT_LEFT = frozenset({HoldKind.AGENTS_ON_HOLD, HoldKind.BUDGET})


def is_over(task: Task) -> bool:
    """Whether watching on shows nothing new: a play has one agent, and one that cannot work pauses for minutes at least."""
    return task.stage in ENDS or (task.hold is not None and task.hold.kind in _NO_AGENT_LEFT)


class Mood(StrEnum):
    """How a step feels."""

    PLAIN = "plain"
    GOOD = "good"
    BAD = "bad"
    END = "end"


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happened: who did what; `detail` are further lines."""

    who: str
    what: str
    detail: tuple[str, ...] = ()
    mood: Mood = Mood.PLAIN


@dataclass(frozen=True, slots=True)
class Story:
    """Everything that is known. Decisions and runs oldest first; `check` names the check, `has_check` whether there is one."""

    decisions: tuple[DecisionRecord, ...]
    runs: tuple[RunRecord, ...]
    task: Task
    sight: Sight
    check: str
    has_check: bool = True


_WORDS: Mapping[str, tuple[str, str, Mood]] = {
    "Labelled": ("{person}", "labelled #{issue} `bot`", Mood.PLAIN),
    "WorkDelivered": ("{role}", "finished: {title}", Mood.PLAIN),
    "CheckFailed": ("check", "red: {check}", Mood.BAD),
    "PullOpened": ("dispatcher", "pushed {branch}, opened pull request #{pull}", Mood.PLAIN),
    "NothingNew": ("{role}", "said that it was done, but there is no new commit", Mood.BAD),
    "HarvestRefused": ("dispatcher", "kept the commits back: they may not leave the machine", Mood.BAD),
    "OutcomeWithheld": ("dispatcher", "kept the agent's words back: they hold a secret", Mood.BAD),
    "OutcomeMalformed": ("{role}", "ended without a result that can be read", Mood.BAD),
    "RunDied": ("{role}", "ended without a word", Mood.BAD),
    "RunStalled": ("{role}", "was silent for too long and was ended", Mood.BAD),
    "RunTimedOut": ("{role}", "took too long and was ended", Mood.BAD),
    "RunCancelled": ("dispatcher", "ended the run", Mood.PLAIN),
    "AgentFaulted": ("dispatcher", "the {role} could not work", Mood.BAD),
    "QuestionAsked": ("{role}", "asks a question", Mood.BAD),
    "GaveUp": ("{role}", "gave up", Mood.BAD),
    "NothingToDo": ("{role}", "found nothing to change", Mood.BAD),
    "LimitReached": ("dispatcher", "stopped: a limit is reached", Mood.BAD),
    "EffectRefused": ("dispatcher", "stopped: something was refused", Mood.BAD),
}
"""Who and what, by the event's name; whatever is missing is told by its name."""

_VERDICTS = {"ReviewApproved", "ReviewRejected"}
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_WIDEST = 2_000


def narrate(story: Story) -> tuple[Step, ...]:
    """The steps so far. A step whose effect does not show yet ends the narration: it is told when people can see it."""
    return tuple(_steps(story))


def _steps(story: Story) -> Iterator[Step]:
    starts = verdicts = 0
    for decision in story.decisions:
        if decision.verdict != "taken":
            continue
        starts += decision.event == "Dispatched"
        verdicts += decision.event in _VERDICTS
        told = _tell(story, decision, starts, verdicts)
        yield from told
        if not told or (decision.event == "Dispatched" and len(told) == 1):
            return


def _tell(story: Story, decision: DecisionRecord, starts: int, verdicts: int) -> tuple[Step, ...]:
    """The steps of one decision; none while the forge does not show it."""
    names = _names(story, starts)
    if decision.event == "Dispatched":
        return _tell_start(story, decision, names, starts)
    if decision.event in _VERDICTS:
        reviews = story.sight.reviews
        return _tell_verdict(decision, reviews[verdicts - 1]) if len(reviews) >= verdicts else ()
    if decision.event == "GatesPassed":
        return _tell_end(story)
    if decision.event == "CheckPassed":
        return _tell_check(story, decision, names)
    if decision.event == "WorkDelivered" and decision.stage_before is Stage.REWORKING:
        return (Step(names["role"], "finished the rework"),)
    who, what, mood = _WORDS.get(decision.event, ("dispatcher", _by_name(decision), Mood.PLAIN))
    detail = _DETAILS[decision.event](story, starts) if decision.event in _DETAILS else ()
    return (Step(who.format(**names), one_line(what.format(**names), _WIDEST), detail, mood),)


def _names(story: Story, starts: int) -> dict[str, str]:
    task = story.task
    run = story.runs[starts - 1].run if 0 < starts <= len(story.runs) else None
    return {
        "person": task.requester.login if task.requester else "a person",
        "issue": str(task.key.number),
        "pull": str(task.pull or "?"),
        "branch": task.branch,
        "title": task.pull_title or task.title,
        "check": story.check,
        "role": str(run.role) if run else "agent",
        "agent": run.agent if run else "",
    }


def _tell_start(
    story: Story, decision: DecisionRecord, names: dict[str, str], starts: int
) -> tuple[Step, ...]:
    """The claim at once, the start when the run's process is there."""
    number = names["pull"] if decision.stage_after in {Stage.REVIEWING, Stage.REWORKING} else names["issue"]
    claimed = Step("dispatcher", f"claimed #{number}")
    if starts > len(story.runs) or story.runs[starts - 1].state == "reserved":
        return (claimed,)
    return (claimed, Step(names["role"], _STARTS[decision.stage_after, story.runs[starts - 1].run.role]))


class _Starts(dict[tuple[Stage, Role], str]):
    def __missing__(self, key: tuple[Stage, Role]) -> str:
        return "started: a fresh agent"


_STARTS = _Starts(
    {
        (Stage.WORKING, Role.WORKER): "started: a fresh agent in a checkout of its own",
        (Stage.REVIEWING, Role.REVIEWER): "started: a fresh agent that never saw this code",
        (Stage.REWORKING, Role.WORKER): "started: a fresh agent takes up the findings",
    }
)


def _tell_verdict(decision: DecisionRecord, review: ShownReview) -> tuple[Step, ...]:
    is_good = decision.event == "ReviewApproved"
    summary = one_line(review.body.replace("**", ""), _WIDEST)
    for opening in ("Approved.", "Changes requested."):
        summary = summary.removeprefix(opening).strip()
    remarks = tuple(
        one_line(f"{remark.path}:{remark.line or 'all'} {remark.text}", _WIDEST).replace("**", "")
        for remark in review.remarks
    )
    detail = (*((summary,) if summary else ()), *remarks)
    what = "approved" if is_good else "requested changes"
    return (Step("reviewer", what, detail, Mood.GOOD if is_good else Mood.BAD),)


def _tell_end(story: Story) -> tuple[Step, ...]:
    shown = story.sight.item(story.task.pull)
    if shown is None or "merge-ready" not in shown.labels:
        return ()
    people = ", ".join(shown.assignees) or "nobody"
    return (Step("dispatcher", f"#{shown.number} is merge-ready and assigned to {people}", (), Mood.END),)


def _tell_check(story: Story, decision: DecisionRecord, names: dict[str, str]) -> tuple[Step, ...]:
    """A green check, and what it opens; the push of a rework is not a decision of its own."""
    if story.has_check:
        check = Step("check", one_line(f"green: {story.check}", _WIDEST), (), Mood.GOOD)
    else:
        check = Step("check", f"none: {story.check}", (), Mood.BAD)
    if decision.stage_before is not Stage.REWORKING:
        return (check,)
    return (check, Step("dispatcher", f"pushed the rework, asked for another review of #{names['pull']}"))


def _why_red(story: Story, starts: int) -> tuple[str, ...]:  # noqa: ARG001 - the shape of all details
    """The end of the check's output, as far as the task remembers it."""
    tail = [line for text in story.task.told for line in text.splitlines() if line.strip(" `~")]
    return tuple(one_line(line) for line in tail[-3:])


def _why_faulted(story: Story, starts: int) -> tuple[str, ...]:
    """What kept the agent from working, by the run's result: the event's name and the reason in brackets."""
    result = story.runs[starts - 1].result if 0 < starts <= len(story.runs) else ""
    _, _, why = result.partition(" (")
    return (one_line(why.removesuffix(")")),) if why else ()


_DETAILS: Mapping[str, Callable[[Story, int], tuple[str, ...]]] = {
    "CheckFailed": _why_red,
    "AgentFaulted": _why_faulted,
}


def _by_name(decision: DecisionRecord) -> str:
    words = _CAMEL.sub(" ", decision.event).lower()
    moved = decision.stage_before is not decision.stage_after
    return f"{words}: {decision.stage_before} -> {decision.stage_after}" if moved else words


def describe_present(task: Task, runs: tuple[RunRecord, ...], check: str) -> str:
    """What goes on right now, in a few words."""
    live = [record for record in runs if record.state in {"reserved", "running"}]
    if live:
        record = live[-1]
        return (
            f"the {record.run.role} is at work"
            if record.state == "running"
            else f"preparing the {record.run.role}"
        )
    if task.stage in {Stage.WORKING, Stage.REWORKING}:
        return f"checking the commits: {check}"
    if task.hold is not None and task.hold.until is not None:
        return (
            f"waiting: {str(task.hold.kind).replace('-', ' ')} until {task.hold.until.astimezone():%H:%M:%S}"
        )
    return "deciding"
