"""`dispatcher explain owner/repo#n`: why nothing happens, what would change that, what was spent."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from dispatcher.config import Settings
from dispatcher.core.model import Hold, HoldKind, Stage, Task
from dispatcher.core.money import render_usd
from dispatcher.core.rules import LabelNames
from dispatcher.ports import DecisionRecord, Journal, RunRecord, StoredEffect
from dispatcher.surfaces.exits import UsageProblem
from dispatcher.surfaces.looking import looking_into_journal
from dispatcher.surfaces.messages import render_used
from dispatcher.surfaces.parts import Parts
from dispatcher.surfaces.screen import one_line, render_age, render_clock

_ITEM = re.compile(r"([A-Za-z0-9][A-Za-z0-9_-]*/[A-Za-z0-9._-]+)(?:#|/issues/|/pull/)(\d{1,9})")
_SHOWN = 10
_SEARCHED = 1000


@dataclass(frozen=True, slots=True)
class Explanation:
    """What is known about one item."""

    item: str
    at: datetime
    text: str
    cure: str
    stage: Stage | None = None
    hold: Hold | None = None
    attempts: int = 0
    rounds: int = 0
    cost_usd: float = 0.0
    decisions: tuple[DecisionRecord, ...] = ()
    runs: tuple[RunRecord, ...] = ()
    effects: tuple[StoredEffect, ...] = ()
    notes: tuple[tuple[datetime, str], ...] = ()


def parse_item(text: str) -> tuple[str, int]:
    """`owner/repo#n`, or the item's address on the forge, as repository and number. Raises UsageProblem."""
    found = _ITEM.fullmatch(re.sub(r"^https?://[^/]+/", "", text.strip()).rstrip("/"))
    if not found:
        raise UsageProblem(
            f'"{one_line(text)}" names no issue or pull request; write owner/repo#number, such as acme/shop#7.'
        )
    return found[1], int(found[2])


def find_task(tasks: Iterable[Task], repo: str, number: int) -> Task | None:
    """The task of this issue or pull request; the newest when there are several."""
    wanted = repo.casefold()
    found = [
        task for task in tasks if task.repo.casefold() == wanted and number in {task.key.number, task.pull}
    ]
    return found[-1] if found else None


def explain_item(parts: Parts, settings: Settings, item: str, now: datetime) -> Explanation:
    """Everything about an item that is known here; the forge is not asked. Raises UsageProblem."""
    repo, number = parse_item(item)
    with looking_into_journal(parts, settings) as journal:
        task = find_task(journal.load_tasks(with_over=True), repo, number) if journal else None
        if journal is None or task is None:
            notes = journal.load_notes(limit=_SEARCHED) if journal else ()
            return explain_unknown(f"{repo}#{number}", settings, now, notes)
        return explain_task(task, journal, settings, now)


def explain_task(task: Task, journal: Journal, settings: Settings, now: datetime) -> Explanation:
    """Everything about a task that is known here."""
    return Explanation(
        item=task.name,
        at=now,
        text=f"{_reason(task, now)} {_spent(task)}",
        cure=_cure(task, settings, settings.bot_login or journal.load_cursor("bot") or "<the bot>"),
        stage=task.stage,
        hold=task.hold,
        attempts=task.attempts,
        rounds=task.rounds,
        cost_usd=task.cost_usd,
        decisions=journal.load_decisions(task.key, _SHOWN),
        runs=journal.load_runs(task.key, _SHOWN),
        effects=tuple(effect for effect in journal.load_effects() if effect.task == task.key),
        notes=journal.load_notes(task.key, _SHOWN),
    )


def explain_unknown(
    item: str, settings: Settings, now: datetime, notes: Iterable[tuple[datetime, str]] = ()
) -> Explanation:
    """Why an item is no task of ours; `notes` are all that were written down, newest first."""
    repo = item.partition("#")[0]
    rules = settings.repo_named(repo)
    if rules is None:
        known = ", ".join(one.full_name for one in settings.repos) or "none"
        text = f"{item}: {repo} is not in {settings.config_file.name} (repositories there: {known})."
        return Explanation(item, now, text, f'Add [repo.{repo.split("/")[1]}] with repo = "{repo}".')
    about = tuple(note for note in notes if note[1].casefold().startswith(f"{item.casefold()}: "))[:_SHOWN]
    text = f"{item} is no task: nobody who may ask has put `{rules.labels.turn}` on it, or the dispatcher has not looked yet."
    cure = f"Put the label `{rules.labels.turn}` on it, or mention the bot in a comment."
    return Explanation(item, now, text, cure, notes=about)


def render_explanation(told: Explanation) -> Sequence[str]:
    """The lines of the answer."""
    lines = [told.text, told.cure] if told.cure else [told.text]
    if told.effects:
        lines += ["", "Still to be carried out:"]
        lines += [f"  {_effect_line(effect, told.at)}" for effect in told.effects[:_SHOWN]]
    if told.runs:
        lines += ["", "Runs, newest first:"]
        lines += [f"  {_run_line(run, told.at)}" for run in told.runs]
    if told.decisions:
        lines += ["", "Decisions, newest first:"]
        lines += [f"  {_decision_line(one, told.at)}" for one in told.decisions]
    if told.notes:
        lines += ["", "Notes, newest first:"]
        lines += [f"  {render_clock(at, told.at)}  {one_line(what)}" for at, what in told.notes]
    return lines


def _reason(task: Task, now: datetime) -> str:
    match task.stage:
        case Stage.NEW:
            return f"{task.name} is no task: nobody who may ask has asked for it. The decisions below say what was heard."
        case Stage.DONE:
            return f"{task.name} is done: {'merged' if task.pull else 'answered'}."
        case Stage.DROPPED:
            return f"{task.name} is over: closed without a merge."
        case Stage.BLOCKED:
            why = one_line(task.blocked_why, 300).rstrip(".") or "see its last comment"
            return f"{task.name} waits for a person: {why}{'' if why.endswith(('?', '!')) else '.'}"
        case Stage.MERGE_READY:
            return f"{task.name} is merge-ready: PR #{task.pull} waits for a person to merge it."
        case _ if task.run:
            run = task.run
            age = render_age(run.dispatched_at, now)
            return f"{task.name} is {task.stage}: {run.role} run {run.id} ({run.agent}) for {age}."
        case _ if task.hold:
            return f"{task.name} waits: {_hold_words(task, task.hold, now)}."
        case _:
            return f"{task.name} is {task.stage}: it is looked at in the next cycle."


def _hold_words(task: Task, hold: Hold, now: datetime) -> str:
    words = str(hold.kind).replace("-", " ")
    if not hold.until:
        return f"{words}; ends with {one_line(hold.ends_with, 200)}"
    until = f"{words} until {render_clock(hold.until, now)}"
    if hold.kind is not HoldKind.COOLDOWN:
        return f"{until} ({one_line(hold.ends_with, 200)})"
    pause_min = task.limits.redispatch_cooldown_s // 60
    began = hold.until.timestamp() - task.limits.redispatch_cooldown_s
    last = render_clock(datetime.fromtimestamp(began, tz=hold.until.tzinfo), now)
    return f"{until} (last run {last}, re-dispatch after {pause_min} min)"


def _spent(task: Task) -> str:
    limits = task.limits
    return (
        f"{task.attempts} of {limits.attempts} attempts used, {task.rounds} of {limits.rounds} rounds, "
        f"{render_used(task)}."
    )


def _cure(task: Task, settings: Settings, bot: str) -> str:
    mention = f"@{bot}"
    rules = settings.repo_named(task.repo)
    turn = (rules.labels if rules else LabelNames()).turn
    if task.stage is Stage.BLOCKED:
        return f"To go on: answer there mentioning {mention}, or dispatcher retry {task.name}, or put `{turn}` back."
    if task.stage is Stage.NEW:
        return f"To begin: put the label `{turn}` on it, or mention {mention} in a comment."
    if task.stage in {Stage.MERGE_READY, Stage.DONE, Stage.DROPPED}:
        return ""
    if task.run:
        return f"To watch it: dispatcher logs {task.run.id} -f. To end it: dispatcher stop {task.name}."
    kinds = {
        HoldKind.ASSIGNED_TO_PERSON,
        HoldKind.TWO_STAGE_LABELS,
        HoldKind.BLOCKED_BY_ISSUES,
        HoldKind.REPO_UNUSABLE,
        HoldKind.BUDGET,
    }
    if task.hold and task.hold.kind in kinds:
        return f"To start it: {one_line(task.hold.ends_with, 200)}."
    return f'To start it now: dispatcher retry {task.name}, or comment "{mention} retry".'


def _effect_line(effect: StoredEffect, now: datetime) -> str:
    state = f"tried {effect.tries} times" if effect.tries else "not tried yet"
    again = f", again at {render_clock(effect.retry_at, now)}" if effect.retry_at else ""
    error = f": {one_line(effect.error)}" if effect.error else ""
    return f"{type(effect.effect).__name__} ({state}{again}){error}"


def _run_line(run: RunRecord, now: datetime) -> str:
    cost = f", {render_usd(run.cost_usd)}" if run.cost_usd is not None else ""
    cost += f", {run.usage.tokens:,} tokens" if run.usage.tokens else ""
    cost += f", prompts {run.prompt_digest}" if run.prompt_digest else ""
    result = f": {one_line(run.result)}" if run.result else ""
    began = render_clock(run.run.dispatched_at, now)
    return f"{began}  {run.run.id}  {run.run.role} ({one_line(run.run.agent)}) {run.state}{result}{cost}"


def _decision_line(one: DecisionRecord, now: datetime) -> str:
    stays = one.stage_before is one.stage_after
    move = f"{one.event}: {one.stage_before}" + ("" if stays else f" -> {one.stage_after}")
    verdict = "" if one.verdict == "taken" else f", {one_line(one.verdict)}"
    why = one.reason.removeprefix(move).strip(" ()")
    return f"{render_clock(one.at, now)}  {move}{verdict}" + (f" ({one_line(why)})" if why else "")
