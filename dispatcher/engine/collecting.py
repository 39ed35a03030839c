"""What became of the runs: outcomes, deaths and time-outs become events; nothing is lost because a tick was late."""

import logging
from dataclasses import replace
from datetime import datetime, timedelta

from dispatcher.core.effects import StartRun
from dispatcher.core.errors import BadCredential, DispatcherError, JournalUnusable, RetryLater
from dispatcher.core.events import (
    AgentFaulted,
    BudgetSpent,
    Event,
    OutcomeMalformed,
    RunCancelled,
    RunDied,
    RunStalled,
    RunTimedOut,
    WorkDelivered,
)
from dispatcher.core.faults import Fault, FaultKind
from dispatcher.core.model import Task
from dispatcher.core.policy import wall_limit_s
from dispatcher.core.usage import Usage
from dispatcher.engine.agents import fault_event, was_on_hold
from dispatcher.engine.desk import Desk
from dispatcher.engine.ledger import Closing, apply
from dispatcher.engine.looking import Watcher
from dispatcher.engine.spending import budget_spent, note_usage, used_today, with_spend
from dispatcher.ports import RunRecord, RunReport

SAYS_NOTHING = (RunDied, RunStalled, RunTimedOut, RunCancelled)
"""Ends that do not tell whether the agent can work."""

LAST_WORDS = timedelta(seconds=60)
"""How long a run may take to end by itself once its outcome is there and its budget used up."""

RELUCTANT_PAUSE = timedelta(seconds=60)
"""How long a run that could not be dealt with is left alone."""

SAID_ALL = "its outcome was there, and its budget used up"

log = logging.getLogger(__name__)


class Collector:
    """Reads the run folders of live runs and decides what their end means."""

    def __init__(self, desk: Desk, watcher: Watcher) -> None:
        self._desk = desk
        self._watcher = watcher
        self._last_words_at: dict[str, datetime] = {}
        self._again_at: dict[str, datetime] = {}

    def collect(self) -> None:
        """Look at every live run once; one that cannot be dealt with now is told, and looked at again after a pause."""
        now, live = self._desk.clock.now(), self._desk.journal.load_live_runs()
        today = used_today(self._desk, now) if live else {"": Usage()}
        self._again_at = {run_id: at for run_id, at in self._again_at.items() if at > now}
        for record in live:
            if record.run.id in self._again_at:
                continue
            try:
                self._collect_one(record, today)
            except RetryLater as error:
                # What would not die takes seconds to find out: in every tick, that would hold up all other tasks.
                self._again_at[record.run.id] = now + RELUCTANT_PAUSE
                log.warning("collect run=%s postponed: %s", record.run.id, error)
                self._desk.note_once(f"collect {record.run.id}", str(error), record.task)
            except (JournalUnusable, BadCredential):
                raise
            except DispatcherError as error:
                self._desk.journal.note(record.task, f"run {record.run.id}: {error}", self._desk.clock.now())
                log.exception("collect run=%s failed", record.run.id)
            except Exception as error:  # noqa: BLE001 - one run's accident must not stop the others
                self._desk.note_accident(f"run {record.run.id}", error, record.task)

    def _collect_one(self, record: RunRecord, today: dict[str, Usage]) -> None:
        desk, run_id = self._desk, record.run.id
        report = desk.runs.report(run_id)
        task = desk.journal.load_task(record.task)
        is_awaited = task is not None and task.run is not None and task.run.id == run_id
        if note_usage(desk, record, report) and task is not None:
            task = with_spend(desk, task)
            desk.journal.save_task(task)
        if report.state == "running":
            self._is_running(record, is_awaited=is_awaited)
            if is_awaited and task is not None:
                self._hold_to_budget(record, task, today)
        elif report.state == "absent":
            self._is_absent(record, task, is_awaited=is_awaited)
        elif task is None or not is_awaited:
            desk.runs.reap(run_id)
            desk.journal.mark_run_ended(run_id, desk.clock.now(), "superseded")
            desk.agenda.touch(record.task)
        else:
            self._has_ended(record, report, task)

    def _is_running(self, record: RunRecord, *, is_awaited: bool) -> None:
        if record.state == "reserved":
            self._desk.journal.mark_run_started(record.run.id, self._desk.clock.now())
        if not is_awaited:
            self._desk.runs.stop(record.run.id, "nobody waits for it")

    def _hold_to_budget(self, record: RunRecord, task: Task, today: dict[str, Usage]) -> None:
        """End a run that has used up a budget; that is nobody's failure. One that has said its last word is finished instead."""
        spent = self._budget_spent(record, task, today)
        if spent and not self._is_finishing(record):
            apply(self._desk, task, spent)

    def _budget_spent(
        self, record: RunRecord, task: Task, today: dict[str, Usage] | None = None
    ) -> BudgetSpent | None:
        desk = self._desk
        newest = desk.journal.load_run(record.run.id) or record
        return budget_spent(desk, newest, task, today or used_today(desk, desk.clock.now()))

    def _is_finishing(self, record: RunRecord) -> bool:
        """Whether the outcome is there already: ending the run now would throw away work that is paid for."""
        run_id, now = record.run.id, self._desk.clock.now()
        if isinstance(self._desk.runs.load_outcome(run_id, record.run.role), OutcomeMalformed):
            return False
        if now - self._last_words_at.setdefault(run_id, now) >= LAST_WORDS:
            self._desk.runs.stop(run_id, SAID_ALL)
        return True

    def _is_absent(self, record: RunRecord, task: Task | None, *, is_awaited: bool) -> None:
        """Nothing of it is there: fine while the start is still to be done; else it will never come, or its folder was taken away."""
        pending = any(
            isinstance(stored.effect, StartRun) and stored.effect.run.id == record.run.id
            for stored in self._desk.journal.load_effects()
        )
        if pending:
            return
        if is_awaited and task is not None:
            run_id = record.run.id
            # Whoever had begun has used its attempt: an agent that deletes its own folder would be started for ever.
            has_begun = record.state == "running"
            gone, never = RunDied(run_id, "its folder is gone"), RunCancelled(run_id, "it was never started")
            apply(self._desk, task, gone if has_begun else never, Closing(run_id))
        else:
            self._desk.journal.mark_run_ended(record.run.id, self._desk.clock.now(), "never started")
            self._desk.agenda.touch(record.task)

    def _has_ended(self, record: RunRecord, report: RunReport, task: Task) -> None:
        """The item is read again before a verdict or an answer is acted on: a person may have been quicker."""
        desk = self._desk
        desk.runs.reap(report.run_id)
        self._last_words_at.pop(report.run_id, None)
        event, closing = self._event_of(record, report, task), Closing(run_ended=report.run_id)
        if not isinstance(event, WorkDelivered):
            self._watcher.inspect(task.key)
            task = desk.journal.load_task(record.task) or task
        if isinstance(event, AgentFaulted):
            event, hold = fault_event(desk, record, task, event.fault)
            closing = replace(closing, agents_held=(hold,))
        elif not isinstance(event, SAYS_NOTHING) and was_on_hold(desk, record.run.agent):
            closing = replace(closing, agents_freed=(record.run.agent,))
        task = apply(desk, task, event, closing)
        desk.journal.mark_run_ended(report.run_id, desk.clock.now(), _result_of(event))
        self._watcher.look_for_gates(task)

    def _event_of(self, record: RunRecord, report: RunReport, task: Task) -> Event:
        """What the run's end means. A valid outcome counts, however the agent ended; the exit code only tells how it failed."""
        run_id = report.run_id
        if report.ended_because == "stopped" and report.detail != SAID_ALL:
            return RunCancelled(run_id, report.detail or "stopped")
        if report.ended_because == "could-not-start":
            return AgentFaulted(run_id, record.run.agent, Fault(FaultKind.SETTINGS, report.detail))
        outcome = self._desk.runs.load_outcome(run_id, record.run.role)
        if not isinstance(outcome, OutcomeMalformed):
            return outcome
        if report.fault is not None and not _could_work(report.fault, outcome):
            return AgentFaulted(run_id, record.run.agent, report.fault)
        if report.ended_because == "exited" and (spent := self._budget_spent(record, task)):
            return spent  # some programs hold to it themselves
        match report.ended_because:
            case "timed-out":
                return RunTimedOut(run_id, wall_limit_s(record.run.role, task))
            case "stalled":
                return RunStalled(run_id, task.limits.silence_s)
            case "exited" if report.exit_code == 0:
                return outcome
            case "exited":
                why = report.detail or f"it ended with code {report.exit_code} and without an outcome"
                return RunDied(run_id, why)
            case _:
                return RunDied(run_id, report.detail or report.ended_because or "its supervisor is gone")


def _could_work(fault: Fault, outcome: OutcomeMalformed) -> bool:
    """Whether the agent got as far as its outcome although the settings denied it something: that is repaired, not held."""
    return fault.kind is FaultKind.SETTINGS and not outcome.is_absent


def _result_of(event: Event) -> str:
    """The event's name; with what `explain` can name where the set-up was at fault, or where the run ended without an outcome."""
    match event:
        case AgentFaulted():
            return f"{type(event).__name__} ({event.fault.text})"
        case RunDied():
            return f"{type(event).__name__} ({event.why})"
        case _:
            return type(event).__name__
