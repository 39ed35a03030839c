"""`retry`, `stop`, `drain`: orders that the journal keeps for the daemon, and the one signal that stops it."""

import os
import signal
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime

from dispatcher.config import Settings
from dispatcher.core.errors import NeedsPerson
from dispatcher.surfaces.exits import UsageProblem
from dispatcher.surfaces.explain import find_task, parse_item
from dispatcher.surfaces.looking import find_daemon, looking_into_journal
from dispatcher.surfaces.parts import Parts
from dispatcher.surfaces.screen import one_line

KILL_PATIENCE_S = 30.0


@dataclass(frozen=True, slots=True)
class Said:
    """What became of an order."""

    order: str
    item: str
    text: str
    daemon_is_running: bool


def order_for_item(parts: Parts, settings: Settings, name: str, item: str, now: datetime) -> Said:
    """Leave an order about one task. Raises UsageProblem when there is no such task."""
    repo, number = parse_item(item)
    if not settings.journal_path.exists():
        raise UsageProblem(
            f"{repo}#{number} is no task: nothing was ever dispatched from {settings.state_dir}."
        )
    with closing(parts.open_journal(settings)) as journal:
        task = find_task(journal.load_tasks(with_over=True), repo, number)
        if task is None:
            raise UsageProblem(f"{repo}#{number} is no task; `dispatcher explain {repo}#{number}` says why.")
        journal.give_order(name, task.name, now)
    is_running = find_daemon(settings).is_running
    when = "is carried out in a moment" if is_running else "waits until `dispatcher run` or `once` is started"
    return Said(name, task.name, f"{name} {task.name}: {when}.", is_running)


def order_for_agent(parts: Parts, settings: Settings, agent: str, now: datetime) -> Said:
    """Take an agent off hold. Raises UsageProblem when there is no such agent."""
    if agent not in settings.agents:
        known = ", ".join(sorted(settings.agents)) or "none"
        raise UsageProblem(f'There is no agent "{one_line(agent)}"; the configuration has {known}.')
    if not settings.journal_path.exists():
        raise UsageProblem(f"Nothing was ever dispatched from {settings.state_dir}: no agent is on hold.")
    with closing(parts.open_journal(settings)) as journal:
        journal.give_order("free-agent", agent, now)
    is_running = find_daemon(settings).is_running
    when = "in a moment" if is_running else "when `dispatcher run` or `once` is started"
    return Said("free-agent", agent, f"{agent} gets runs again {when}.", is_running)


def stop_daemon(parts: Parts, settings: Settings, now: datetime, *, kill: bool) -> Said:
    """Stop the dispatcher: by a signal, or with `kill` by an order that ends its runs too."""
    order, daemon = "kill" if kill else "stop", find_daemon(settings)
    if not daemon.is_running:
        ended = _end_orphans(parts, settings) if kill else ""
        text = f"No dispatcher is running in {settings.state_dir}.{ended}"
        return Said(order, "", text, daemon_is_running=False)
    if kill or daemon.pid is None:
        _order_all(parts, settings, order, now)
        what = "ends its runs and stops" if kill else "stops"
        return Said(
            order, "", f"The dispatcher ({daemon.holder}) {what} in a moment.", daemon_is_running=True
        )
    try:
        os.kill(daemon.pid, signal.SIGTERM)
    except ProcessLookupError:
        return Said(order, "", "The dispatcher has just ended.", daemon_is_running=False)
    except PermissionError:
        raise NeedsPerson(
            f"The dispatcher ({daemon.holder}) belongs to another user.", "Stop it as that user."
        ) from None
    text = f"The dispatcher ({daemon.holder}) stops; its runs go on and are adopted at the next start."
    return Said(order, "", text, daemon_is_running=True)


def drain_daemon(parts: Parts, settings: Settings, now: datetime) -> Said:
    """Let live runs finish, start no new ones, then stop."""
    daemon = find_daemon(settings)
    if not daemon.is_running:
        return Said(
            "drain", "", f"No dispatcher is running in {settings.state_dir}.", daemon_is_running=False
        )
    _order_all(parts, settings, "drain", now)
    text = f"The dispatcher ({daemon.holder}) starts nothing new and stops when its runs have ended."
    return Said("drain", "", text, daemon_is_running=True)


def _end_orphans(parts: Parts, settings: Settings) -> str:
    """End the runs that a dispatcher which is gone left behind; what to say about it."""
    with looking_into_journal(parts, settings) as journal:
        live = journal.load_live_runs() if journal else ()
    if not live:
        return ""
    with closing(parts.build_engine(settings, log_to_stderr=False)) as daemon:
        if not daemon.end_runs(KILL_PATIENCE_S):
            names = ", ".join(run.run.id for run in live)
            raise NeedsPerson(f"Runs that it left do not end: {names}.", "Look at their processes.")
    return f" {len(live)} run(s) that it left were ended; the next start takes note."


def _order_all(parts: Parts, settings: Settings, name: str, now: datetime) -> None:
    with closing(parts.open_journal(settings)) as journal:
        journal.give_order(name, "", now)
