"""The loop: act on what is pending, look, collect, decide, act. One tick fits on one screen."""

import logging
from collections.abc import Callable

from dispatcher.core.errors import DispatcherError, JournalUnusable, RetryLater
from dispatcher.core.model import Stage
from dispatcher.engine.agents import free_after_edit
from dispatcher.engine.collecting import Collector
from dispatcher.engine.desk import Desk
from dispatcher.engine.dispatching import Starter
from dispatcher.engine.executor import Executor
from dispatcher.engine.housekeeping import Housekeeper
from dispatcher.engine.looking import Watcher
from dispatcher.engine.orders import obey
from dispatcher.engine.patience import Patience

log = logging.getLogger(__name__)


class Engine:
    """One synchronous loop that owns everything. Agents are other processes; slow work is done beside it."""

    def __init__(self, desk: Desk, housekeeper: Housekeeper | None = None) -> None:
        self.desk = desk
        self.housekeeper = housekeeper
        self.watcher = Watcher(desk)
        self._executor = Executor(desk, self.watcher)
        self._collector = Collector(desk, self.watcher)
        self._starter = Starter(desk)
        self._is_drained = False

    def recover(self) -> None:
        """Pick up where any predecessor stopped: every open task is looked at once, orphaned runs are ended."""
        desk, now = self.desk, self.desk.clock.now()
        known = set()
        for task in desk.journal.load_tasks():
            desk.agenda.touch(task.key)
            if (task.stage is Stage.REVIEWING and task.run is None) or task.has_two_stages:
                desk.look_alarms[task.key] = now
        for stored in desk.journal.load_effects():
            # While we were away people went on; our own late write would pass their change off as seen.
            desk.look_alarms[stored.task] = now
        self.watcher.remember_second_looks()
        for record in desk.journal.load_live_runs():
            known.add(record.run.id)
        for run_id in desk.runs.known():
            if run_id not in known and desk.runs.report(run_id).state in {"running", "lost"}:
                log.warning("run %s is not in the journal: ending it", run_id)
                desk.runs.stop(run_id, "not in the journal", at_once=True)
                desk.runs.reap(run_id)
                desk.orphans.add(run_id)

    def start(self) -> None:
        """Learn who we are, then pick up what is there. Raises BadCredential, BadConfig: no round would mend that."""
        self._connect_if_reachable()
        free_after_edit(self.desk)
        self.recover()

    def _connect_if_reachable(self) -> None:
        try:
            self.watcher.connect()
        except RetryLater as error:
            log.warning("the forge is not reachable yet: %s", error)

    def tick(self) -> None:
        """One round. Acting first makes a restart an ordinary tick; looking never waits for a free slot."""
        self._safely("connect", self.watcher.connect)
        if self.desk.bot is None:
            return
        self._safely("act", self._executor.act)
        self._safely("look", self.watcher.look)
        self._safely("look again", self.watcher.look_again)
        self._safely("collect", self._collector.collect)
        self._safely("orders", lambda: obey(self.desk))
        self._safely("act", self._executor.act)
        self._safely("dispatch", self._starter.dispatch)
        self._safely("act", self._executor.act)
        if self.housekeeper:
            self._safely("housekeeping", self.housekeeper.keep_house)

    def finish_round(self) -> None:
        """Wait for the slow work that is under way, and do what follows from it at once."""
        while len(self.desk.jobs):
            self.desk.jobs.settle(timeout_s=60.0)
            self._safely("act", self._executor.act)
        if self.housekeeper:
            self._safely("housekeeping", self.housekeeper.keep_house_now)

    def _safely(self, what: str, step: Callable[[], None]) -> None:
        """A step that fails is told and tried again in the next tick; only an unusable journal ends the loop."""
        try:
            step()
        except JournalUnusable:
            raise
        except RetryLater as error:
            log.warning("%s postponed: %s", what, error)
        except DispatcherError as error:
            log.error("%s: %s", what, error)  # noqa: TRY400  (the message says it all)
            self.desk.note_once(what, f"{what}: {error}")
        except Exception as error:  # noqa: BLE001 - the loop outlives every accident
            self.desk.note_accident(what, error)

    def run(self, before_tick: Callable[[], None] = lambda: None) -> None:
        """Tick until somebody asks to stop. Runs go on without us and are adopted by the next start."""
        self.start()
        patience = Patience(self.desk.clock, self.recover)
        while not self.desk.stop_asked and not self._is_drained:
            patience.bear(lambda: self._round(before_tick))
        if self.desk.kills_on_stop:
            self.kill_runs()
        self.desk.jobs.close()

    def _round(self, before_tick: Callable[[], None]) -> None:
        before_tick()
        self.tick()
        self._is_drained = self.desk.is_draining and not self.is_busy()
        if not self._is_drained:
            self.desk.clock.wait(self.pause_s())

    def is_busy(self) -> bool:
        """Whether a run is live, or an effect is still to be performed."""
        return bool(self.desk.in_flight or len(self.desk.jobs) or self.desk.journal.load_live_runs())

    def pause_s(self) -> float:
        """How long to wait until the next tick: short while something of ours is under way, else until the next poll."""
        if self.desk.orphans:
            return self.desk.settings.busy_tick_s
        if self.desk.agenda.has_news:
            return 0.0
        if self.is_busy():
            return self.desk.settings.busy_tick_s
        due = self.watcher.next_look_at
        until_look = (due - self.desk.clock.now()).total_seconds() if due else self.desk.settings.busy_tick_s
        return max(0.05, min(until_look, self.desk.settings.idle_tick_s))

    def kill_runs(self) -> None:
        """`stop --kill`: end every run now; it counts against nobody."""
        for record in self.desk.journal.load_live_runs():
            self.desk.runs.stop(record.run.id, "the dispatcher was stopped with --kill", at_once=True)
