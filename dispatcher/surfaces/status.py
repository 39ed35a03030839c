"""`dispatcher status`: what is going on, as one value, and that value as a page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from dispatcher.core.agents import AgentHold
from dispatcher.core.model import Hold, Role, Stage, Task
from dispatcher.core.money import add_up, day_began_at, render_usd
from dispatcher.core.usage import Usage
from dispatcher.ports import Journal, RunRecord
from dispatcher.surfaces.looking import Daemon, find_daemon, load_outlook, looking_into_journal
from dispatcher.surfaces.parts import Parts
from dispatcher.surfaces.screen import one_line, render_age, render_clock

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

SHOWN_TASKS = 50
SHOWN_NOTES = 5
_STYLES: Mapping[Stage, str] = {
    Stage.MERGE_READY: "green",
    Stage.BLOCKED: "red",
    Stage.WORKING: "cyan",
    Stage.REVIEWING: "cyan",
    Stage.REWORKING: "cyan",
    Stage.ANSWERING: "cyan",
}


@dataclass(frozen=True, slots=True)
class TaskLine:
    """One task, as status shows it. `moved_at` is when its present step began."""

    name: str
    title: str
    stage: Stage
    rounds: int
    max_rounds: int
    attempts: int
    max_attempts: int
    pull: int | None
    hold: Hold | None
    run: str
    agent: str
    moved_at: datetime | None
    why_blocked: str


@dataclass(frozen=True, slots=True)
class RunLine:
    """One live run."""

    id: str
    task: str
    role: Role
    agent: str
    state: str
    dispatched_at: datetime


@dataclass(frozen=True, slots=True)
class Status:
    """Everything that status shows, at one moment."""

    at: datetime
    daemon: Daemon
    state_dir: str
    config_problem: str
    intake: str
    sandbox: str = ""
    tasks: tuple[TaskLine, ...] = ()
    runs: tuple[RunLine, ...] = ()
    notes: tuple[tuple[datetime, str], ...] = ()
    agents_on_hold: tuple[AgentHold, ...] = ()
    used_today: Usage = field(default_factory=Usage)
    usd_per_day: float = 0.0


def load_status(parts: Parts, file: Path | None, environ: Mapping[str, str], now: datetime) -> Status:
    """Look at the journal, the lock and the configuration; nothing is asked of the forge. Raises BadConfig for no file."""
    outlook = load_outlook(file, environ)
    status = Status(
        at=now,
        daemon=find_daemon(outlook.settings),
        state_dir=str(outlook.settings.state_dir),
        config_problem=outlook.problem,
        intake="",
    )
    with looking_into_journal(parts, outlook.settings) as journal:
        if journal is None:
            return status
        tasks, runs = load_lines(journal)
        intake, notes = journal.load_cursor("intake") or "", journal.load_notes(limit=SHOWN_NOTES)
        told = (
            outlook.problem or journal.load_cursor("config-problem"),
            journal.load_cursor("prompt-problem"),
        )
        problem = "\n".join(text for text in told if text)
        return replace(
            status,
            config_problem=problem,
            intake=intake,
            sandbox=journal.load_cursor("sandbox-warning") or "",
            tasks=tasks,
            runs=runs,
            notes=notes,
            agents_on_hold=tuple(hold for hold in journal.load_agent_holds() if hold.holds_at(now)),
            used_today=add_up(journal.sum_usage_since(day_began_at(now)).values()),
            usd_per_day=outlook.settings.caps.usd_per_day,
        )


def load_lines(journal: Journal) -> tuple[tuple[TaskLine, ...], tuple[RunLine, ...]]:
    """The open tasks, those that moved last first, and the live runs."""
    tasks = journal.load_tasks()
    names = {task.key: task.name for task in tasks}
    lines = tuple(_task_line(task) for task in reversed(tasks))
    runs = tuple(
        _run_line(run, names.get(run.task, f"{run.repo}#{run.task.number}"))
        for run in journal.load_live_runs()
    )
    return lines, runs


def render_status(status: Status) -> "tuple[RenderableType, ...]":
    """The page."""
    from rich.text import Text

    page: list[RenderableType] = [_headline(status)]
    if status.config_problem:
        page.append(Text(each_line(status.config_problem), style="red"))
    if status.sandbox:
        page.append(Text(each_line(status.sandbox), style="yellow"))
    page.append(
        _task_table(status) if status.tasks else Text("No open tasks. Put the turn label on an issue.")
    )
    if status.runs:
        page.append(_run_table(status))
    page += [Text(_hold_line(hold, status.at), style="yellow") for hold in status.agents_on_hold]
    if status.used_today != Usage():
        page.append(Text(_today_line(status), style="dim"))
    page += [
        Text(f"{render_clock(at, status.at)}  {one_line(what)}", style="dim") for at, what in status.notes
    ]
    return tuple(page)


def _hold_line(hold: AgentHold, now: datetime) -> str:
    until = f"until {render_clock(hold.until, now)}" if hold.until else "until a person acts"
    return f"Agent {hold.agent} is on hold {until}: {one_line(hold.why, 200)} (dispatcher retry --agent {hold.agent})"


def _today_line(status: Status) -> str:
    used = status.used_today
    if used.cost_usd is None and used.tokens:
        return f"Used today (UTC): cost unknown, {used.tokens:,} tokens"
    budget = f" of {render_usd(status.usd_per_day)}" if status.usd_per_day else ""
    return f"Used today (UTC): {render_usd(used.cost_usd or 0.0)}{budget}, {used.tokens:,} tokens"


def each_line(text: str) -> str:
    """Every line of a text cleaned, the lines kept."""
    return "\n".join(one_line(line, 400) for line in text.splitlines())


def render_hold(hold: Hold | None, now: datetime) -> str:
    """Why nothing happens, and until when."""
    if hold is None:
        return ""
    words = str(hold.kind).replace("-", " ")
    return (
        f"{words} until {render_clock(hold.until, now)}"
        if hold.until
        else f"{words}: until {one_line(hold.ends_with, 60)}"
    )


def _task_line(task: Task) -> TaskLine:
    return TaskLine(
        name=task.name,
        title=task.title,
        stage=task.stage,
        rounds=task.rounds,
        max_rounds=task.limits.rounds,
        attempts=task.attempts,
        max_attempts=task.limits.attempts,
        pull=task.pull,
        hold=task.hold,
        run=task.run.id if task.run else "",
        agent=task.run.agent if task.run else "",
        moved_at=task.step_started_at,
        why_blocked=task.blocked_why,
    )


def _run_line(run: RunRecord, name: str) -> RunLine:
    return RunLine(run.run.id, name, run.run.role, run.run.agent, run.state, run.run.dispatched_at)


def _headline(status: Status) -> "RenderableType":
    from rich.text import Text

    state = f"running ({status.daemon.holder})" if status.daemon.is_running else "not running"
    intake = f"; intake: {status.intake}" if status.intake else ""
    text = f"Dispatcher {one_line(state, 200)}{one_line(intake, 200)}; state in {status.state_dir}"
    return Text(text, style="bold" if status.daemon.is_running else "bold yellow")


def _task_table(status: Status) -> "Table":
    from rich.text import Text

    table = _table(("task", "stage", "round", "waits for", "run", "agent", "age"))
    for line in status.tasks[:SHOWN_TASKS]:
        waits = line.why_blocked or render_hold(line.hold, status.at)
        name = f"{line.name} (PR #{line.pull})" if line.pull else line.name
        table.add_row(
            Text(one_line(name)),
            Text(str(line.stage), style=_STYLES.get(line.stage, "")),
            f"{line.rounds}/{line.max_rounds}",
            Text(one_line(waits)),
            Text(one_line(line.run)),
            Text(one_line(line.agent)),
            render_age(line.moved_at, status.at),
        )
    if len(status.tasks) > SHOWN_TASKS:
        table.caption = f"and {len(status.tasks) - SHOWN_TASKS} more; --json shows all"
    return table


def _run_table(status: Status) -> "Table":
    from rich.text import Text

    table = _table(("live run", "task", "role", "agent", "state", "since"))
    for run in status.runs:
        cells = (run.id, run.task, str(run.role), run.agent, run.state)
        table.add_row(*(Text(one_line(cell)) for cell in cells), render_age(run.dispatched_at, status.at))
    return table


def _table(headings: Sequence[str]) -> "Table":
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table
