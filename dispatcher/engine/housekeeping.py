"""Keeps the disk from filling up: once an hour run folders, once a day mirrors and old decisions. Never what is needed."""

from concurrent.futures import Future, wait
from contextlib import suppress
from datetime import datetime, timedelta
from threading import Event

from dispatcher.core.housekeeping import Cleared, Clearing, KeepRules, render_bytes
from dispatcher.core.model import ItemKey
from dispatcher.engine.desk import Desk
from dispatcher.engine.house import House

EVERY = timedelta(hours=1)
EVERY_DAY = timedelta(days=1)
FIRST_AFTER = timedelta(minutes=10)
MOST_AT_ONCE = 50
"""Folders removed in one round: the next round follows at once, and sees the world anew."""

KEPT_AT, TIDIED_AT = "housekeeping-at", "tidied-at"


class Housekeeper:
    """Keeps house beside the loop: begins a round when it is due, and tells what became of it."""

    def __init__(self, desk: Desk, house: House) -> None:
        self._desk = desk
        self._house = house
        self._next_at: datetime | None = None
        self._round: Future[int] | None = None
        self._stopping = Event()

    @property
    def is_at_work(self) -> bool:
        """Whether a round was begun and not collected."""
        return self._round is not None

    def keep_house(self) -> None:
        """Begin or collect a round. Returns at once; raises what a round raised."""
        desk, now = self._desk, self._desk.clock.now()
        if self._round is not None:
            if not self._round.done():
                return
            ended, self._round = self._round, None
            self._next_at = now + EVERY
            if ended.result() >= MOST_AT_ONCE:
                self._next_at = now
        if self._is_due(now):
            rules, watched = desk.settings.keep, frozenset(desk.repos)
            may_forget = bool(watched) and not desk.troubles
            self._round = desk.jobs.aside(lambda: self._keep(rules, now, watched if may_forget else None))

    def keep_house_now(self) -> None:
        """One whole round before returning, if it is due: for those who start once and end."""
        last = self._moment(KEPT_AT)
        if last is None or self._desk.clock.now() - last >= EVERY:
            self._keep(self._desk.settings.keep, self._desk.clock.now(), None)

    def close(self, patience_s: float = 10.0) -> None:
        """Begin nothing more, and wait for the folder that is being removed now."""
        self._stopping.set()
        if self._round is not None:
            self._round.cancel()
            wait([self._round], timeout=patience_s)

    def _is_due(self, now: datetime) -> bool:
        if self._next_at is None:
            last = self._moment(KEPT_AT)
            self._next_at = last + EVERY if last else now + FIRST_AFTER
        return now >= self._next_at

    def _keep(self, rules: KeepRules, now: datetime, watched: frozenset[int] | None) -> int:
        """One round; returns how many folders went. `watched` None: it is not known for certain which mirrors are needed."""
        house, journal = self._house, self._desk.journal
        house.finish_removals()
        clearing = house.survey(rules, now)
        went = 0
        for removal in clearing.removals[:MOST_AT_ONCE]:
            if self._stopping.is_set():
                return 0
            cleared = house.clear(removal, rules, now)
            went += cleared is not None and not cleared.trouble
            if cleared and cleared.trouble:
                self._desk.note_once(
                    f"housekeeping {cleared.run_id}", cleared.trouble, self._task_of(cleared)
                )
        if clearing.is_over:
            self._tell_full(clearing)
        if self._is_tidying_due(now):
            house.tidy(rules, now)
            if watched is not None:
                house.forget_repos(rules, now, watched)
            journal.save_cursor(TIDIED_AT, now.isoformat())
        journal.save_cursor(KEPT_AT, now.isoformat())
        return went

    def _tell_full(self, clearing: Clearing) -> None:
        limit = render_bytes(clearing.limit_bytes)
        text = f"run folders take more than {limit} (housekeeping.max_runs_gb): what is left belongs to tasks that go on"
        self._desk.note_once("housekeeping size", text)

    def _task_of(self, cleared: Cleared) -> ItemKey | None:
        record = self._desk.journal.load_run(cleared.run_id)
        return record.task if record else None

    def _is_tidying_due(self, now: datetime) -> bool:
        last = self._moment(TIDIED_AT)
        return last is None or now - last >= EVERY_DAY

    def _moment(self, cursor: str) -> datetime | None:
        with suppress(ValueError):
            text = self._desk.journal.load_cursor(cursor)
            return datetime.fromisoformat(text) if text else None
        return None
