"""Who runs next: policy's answers become dispatches, holds and limits."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from dispatcher.core.agents import choose_agent
from dispatcher.core.events import Dispatched, Event, HeadUnchecked, RunVanished
from dispatcher.core.model import Hold, HoldKind, ItemKey, LiveRun, Stage, Task
from dispatcher.core.policy import (
    ROLE_OF,
    LiveCount,
    Situation,
    agents_to_try,
    choose_next,
    limit_reached,
    why_no_slot,
    why_waiting,
)
from dispatcher.core.rules import AgentConfig
from dispatcher.engine.agenda import SLOT_HOLDS
from dispatcher.engine.agents import ask_about, load_holds
from dispatcher.engine.desk import Desk
from dispatcher.engine.ledger import Closing, apply, with_limits
from dispatcher.engine.spending import used_today
from dispatcher.ports import RunRecord

HOUR = timedelta(hours=1)
_NOBODY = ItemKey(0, 0)

MANY = 200
"""From so many due tasks on they are read all at once instead of one by one."""


class Starter:
    """Gives free slots to the tasks that wait for one, fairest first."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._last_batch_at: datetime | None = None

    def dispatch(self) -> None:
        """Look at every task that may have changed; start what may start, and write down why the others wait."""
        if self._waits_for_orphans():
            return
        situation = self.situation()
        now = self._desk.clock.now()
        ready: list[Task] = []
        due = self._desk.agenda.take_due(now, slot_is_free=self._slot_is_free(situation, now))
        at_once = self._load_at_once(due)
        for key in due:
            task = at_once.get(key) or self._desk.journal.load_task(key)
            if task is None or self._is_orphaned(task):
                continue
            if waiting := self._prepare(with_limits(self._desk, task), situation, now):
                ready.append(waiting)
        self._start_batch(ready, situation, now)

    def _waits_for_orphans(self) -> bool:
        """Whether an agent that the journal does not know is still at work: it may be at any task, so nothing begins beside it."""
        desk = self._desk
        desk.orphans = {run_id for run_id in desk.orphans if desk.runs.report(run_id).state == "running"}
        for run_id in sorted(desk.orphans):
            desk.note_once(f"orphan {run_id}", f"run {run_id} is not in the journal, and is being ended")
        return bool(desk.orphans)

    def _load_at_once(self, due: Sequence[ItemKey]) -> Mapping[ItemKey, Task]:
        """After a start every open task is due: asking the journal for each of them would hold the loop up for seconds."""
        if len(due) < MANY:
            return {}
        return {task.key: task for task in self._desk.journal.load_tasks()}

    def _is_orphaned(self, task: Task) -> bool:
        """Whether its repository is out of reach: taken from the configuration, gone, or not to be used now."""
        if self._desk.repo_of(task) is not None:
            return False
        why = self._desk.troubles.get(task.repo, "the repository being in the configuration again")
        hold = Hold(HoldKind.REPO_UNUSABLE, why)
        self._desk.agenda.park(task.key, hold)
        if task.hold != hold:
            self._desk.journal.save_task(replace(task, hold=hold))
        return True

    def _prepare(self, task: Task, situation: Situation, now: datetime) -> Task | None:
        """Settle what needs no slot (limits, an unchecked head, a run that vanished); the task if it wants a slot."""
        if event := self._overdue(task, situation):
            apply(self._desk, task, event)
            return None
        hold = why_waiting(task, situation, now)
        if hold is None or hold.kind in SLOT_HOLDS:
            return task
        if hold.kind is HoldKind.AGENTS_ON_HOLD and hold.until is None and self._asks(task, situation):
            return None
        if hold != task.hold and not _is_passing(hold, task, now):
            self._desk.journal.save_task(replace(task, hold=hold))
        self._desk.agenda.park(task.key, hold)
        return None

    def _asks(self, task: Task, situation: Situation) -> bool:
        """Only a person can mend the agents that the task waits for: ask one, once, on the first task that needs them."""
        asking = ask_about(self._desk, task, agents_to_try(task, situation))
        if asking is None:
            return False
        event, holds = asking
        apply(self._desk, task, event, Closing(agents_held=holds))
        return True

    def _overdue(self, task: Task, situation: Situation) -> Event | None:
        """The watchdog: what must be decided now because nobody else will (spec invariant 9)."""
        if str(task.key) in situation.in_flight or any(live.task == str(task.key) for live in situation.live):
            return None
        if task.stage in {Stage.WORKING, Stage.REWORKING, Stage.ANSWERING} or (
            task.stage is Stage.REVIEWING and (task.run is not None or task.approved_head != task.head)
        ):
            return RunVanished()
        if (
            task.stage in {Stage.NEEDS_REVIEW, Stage.REVIEWING}
            and task.head
            and task.checked_head != task.head
        ):
            return HeadUnchecked(task.head)
        return limit_reached(task) if task.stage in ROLE_OF else None

    def _start_batch(self, ready: list[Task], situation: Situation, now: datetime) -> None:
        started = False
        while ready:
            going = [task for task in ready if why_no_slot(task, situation, now) is None]
            chosen = choose_next(going, situation)
            if chosen is None:
                break
            ready.remove(chosen)
            situation = self._start(chosen, situation, now)
            started = True
        for task in ready:
            self._park_for_slot(task, situation, now)
        if started:
            self._last_batch_at = now

    def _start(self, task: Task, situation: Situation, now: datetime) -> Situation:
        role, agents = ROLE_OF[task.stage], self._desk.settings.agents
        name = choose_agent(agents_to_try(task, situation), situation.agent_holds, now)
        assert isinstance(name, str)  # else `why_waiting` had said so
        config = agents.get(name) or AgentConfig(name, "")
        run_id = _run_id(task, str(role), self._desk.nonce())
        run = LiveRun(run_id, role, name, task.head, now, kind=config.kind, model=config.model)
        self._tell_of_wish(task)
        apply(self._desk, replace(task, hold=None), Dispatched(run))
        live = (*situation.live, LiveCount(str(task.key), task.repo, role))
        return replace(situation, live=live, dispatched_last_hour=situation.dispatched_last_hour + 1)

    def _tell_of_wish(self, task: Task) -> None:
        """A label that names no agent is told: the run goes to another one than the person wanted."""
        wish, agents = task.agent_wish, self._desk.settings.agents
        if wish and wish not in agents:
            told = f"the label agent:{wish} names no agent; there are {', '.join(sorted(agents))}"
            self._desk.note_once(f"wish {task.key}", told, task.key)

    def _park_for_slot(self, task: Task, situation: Situation, now: datetime) -> None:
        hold = why_no_slot(task, situation, now)
        if hold is None:
            return
        self._desk.agenda.park(task.key, hold)
        if task.hold is None or task.hold.kind is not hold.kind:
            self._desk.journal.save_task(replace(task, hold=hold))

    # ------------------------------------------------------------ the situation

    def situation(self) -> Situation:
        """Everything outside a task that decides whether it may run now."""
        desk, now = self._desk, self._desk.clock.now()
        live = desk.journal.load_live_runs()
        return Situation(
            caps=desk.settings.caps,
            rules={repo.full_name: repo.rules for repo in desk.repos.values()},
            bot=desk.me,
            live=tuple(_count(record) for record in live),
            in_flight=frozenset(desk.in_flight),
            dispatched_last_hour=desk.journal.count_dispatches_since(now - HOUR),
            last_dispatch_at=self._last_batch_at,
            quota=desk.forge.quota_hold(),
            is_draining=desk.is_draining,
            troubles=desk.troubles,
            agents=desk.settings.agents,
            agent_holds=load_holds(desk),
            used_today=used_today(desk, now),
        )

    def _slot_is_free(self, situation: Situation, now: datetime) -> bool:
        """Whether any task at all could start: else those that wait for a slot need no look."""
        nobody = Task(key=_NOBODY, repo="", stage=Stage.NEEDS_REVIEW)
        hold = why_no_slot(nobody, situation, now)
        return hold is None or hold.kind not in {
            HoldKind.CAP,
            HoldKind.RUNS_PER_HOUR,
            HoldKind.BATCH_PAUSE,
            HoldKind.QUOTA,
            HoldKind.BUDGET,
            HoldKind.DRAINING,
        }


def _is_passing(hold: Hold, task: Task, now: datetime) -> bool:
    """While a decision is carried out, a wait that lasts longer is what the status comment should tell."""
    lasts = task.hold is not None and task.hold.until is not None and task.hold.until > now
    return hold.kind is HoldKind.EFFECTS_PENDING and lasts


def _count(record: RunRecord) -> LiveCount:
    return LiveCount(str(record.task), record.repo, record.run.role)


def _run_id(task: Task, role: str, nonce: str) -> str:
    """Readable in a process list, unique for ever: repository, number, role, a random part."""
    name = task.repo.rpartition("/")[2].lower()[:24]
    return f"{name}-{task.key.number}-{role}-{nonce}"
