"""Every row of the table as it is lived: usual tasks in every stage, every event, and what was decided.

What is ignored or refused is left out (`test_machine` asks about that). The expected page is `what_happens.txt`. After a wanted change: `python -m tests.core.what_happens`, and read the difference.
"""

from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path

from dispatcher.core import events as e
from dispatcher.core.causes import BlockCause, render_why
from dispatcher.core.events import ALL_EVENTS
from dispatcher.core.machine import Decision, Verdict, decide
from dispatcher.core.model import Command, Stage, Task
from tests.core.situations import ALIEN, ASK, HEAD, NOW, PULL, approved, kinds, sample_event, task_in

EXPECTED = Path(__file__).with_name("what_happens.txt")
SHOWN = (Stage.QUEUED, Stage.NEEDS_REVIEW, Stage.NEEDS_REWORK, Stage.MERGE_READY, Stage.BLOCKED)
RESUMES = (Stage.QUEUED, Stage.NEEDS_REVIEW, Stage.NEEDS_REWORK, Stage.ASKED)
PUSH_REFUSED = render_why(BlockCause.EFFECT_REFUSED, "Push: the branch is protected")


def tasks_in(stage: Stage, kind: type[e.Event]) -> Iterator[tuple[str, Task]]:
    """The usual task, and what else it may be like in this stage where the event asks for it."""
    task = task_in(stage)
    yield "", task
    if task.pull is None:
        yield "with a pull request", replace(task, pull=PULL, head=HEAD, checked_head=HEAD)
    else:
        yield "without a pull request", replace(task, pull=None, head="", checked_head="")
    if stage is Stage.REVIEWING:
        yield "approved", approved(stage)
        yield "approved, asked meanwhile", approved(stage, ask=ASK)
    if stage is Stage.ANSWERING:
        yield "approved", approved(stage, ask=ASK)
        yield "reviewed", approved(stage, ask=ASK, approved_head="")
        yield "asked again", replace(task, asked_again=True)
        yield "closed", replace(task, is_open=False)
    if stage is Stage.BLOCKED:
        yield "push refused", replace(task, blocked_why=PUSH_REFUSED)
        for resumed in RESUMES:
            yield f"was {resumed}", replace(task, pull=None, resume_stage=resumed)
            yield f"was {resumed}, with a pull request", replace(task, resume_stage=resumed)
    if kind is e.OutcomeMalformed and task.run is not None:
        yield "in a repair run", replace(task, run=replace(task.run, is_repair=True))
    if kind is e.CommandGiven:
        yield "cooling down", replace(task, cooldown_until=NOW)
    if kind in {e.HeadUnchecked, e.CheckPassed}:
        yield "unchecked", replace(task, checked_head="", run=None)


def events_for(kind: type[e.Event], task: Task) -> Iterator[tuple[str, e.Event]]:
    """The event that fits the task, and its other forms."""
    event = sample_event(kind, task)
    match event:
        case e.CommandGiven():
            yield from ((f" {command}", replace(event, command=command)) for command in Command)
        case e.StageShown():
            yield from ((f" {stage}", replace(event, stage=stage)) for stage in SHOWN)
        case e.EffectRefused():
            yield from (
                (f" {name}", replace(event, effect=name)) for name in ("StartRun", "ShowStage", "PostComment")
            )
        case e.BudgetSpent():
            yield " of the task", event
            yield " of a day", replace(event, comes_back=NOW)
        case e.Rebased():
            yield from ((f" {word}", replace(event, same_patch=word == "same")) for word in ("same", "other"))
        case _:
            yield "", event
    if "head" in kind.__dataclass_fields__ and not isinstance(event, e.HeadMoved | e.StageShown):
        yield " of another head", replace(event, head=ALIEN)
    if isinstance(event, e.CheckPassed | e.CheckFailed) and event.run_id:
        yield " of the head", replace(event, run_id="", head=task.head)


def lived(kind: type[e.Event]) -> Iterator[tuple[str, str, Decision]]:
    """Every case of an event: what happened, in which situation, and the decision."""
    for stage in Stage:
        for what, task in tasks_in(stage, kind):
            for form, event in events_for(kind, task):
                decision = decide(task, event, NOW)
                if decision.verdict is Verdict.TAKEN:
                    situation = f"{stage} ({what})" if what else str(stage)
                    yield f"{kind.__name__}{form} -> {render(task, decision)}", situation, decision


def render(task: Task, decision: Decision) -> str:
    """Where it leads, what it makes happen, and what it changes in the task."""
    after = decision.task
    changed = [one.name for one in fields(Task) if getattr(task, one.name) != getattr(after, one.name)]
    noted = [name for name in changed if name not in {"stage", "moves"}]
    return f"{after.stage}; {', '.join(kinds(decision)) or 'no effect'}; {', '.join(noted) or 'no change'}"


def render_page(kind: type[e.Event]) -> str:
    """One paragraph for each thing that can follow the event, with the situations in which it does."""
    found: dict[str, list[str]] = {}
    for what, situation, _ in lived(kind):
        found.setdefault(what, []).append(situation)
    lines = (f"{what}\n    {'; '.join(situations)}\n" for what, situations in found.items())
    return f"# {kind.__name__}\n{''.join(lines)}\n"


if __name__ == "__main__":
    EXPECTED.write_text("".join(map(render_page, ALL_EVENTS)), encoding="utf-8")
