"""What lies on this disk, and how it is cleared away without losing anybody's work."""

import logging
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from dispatcher.core.effects import (
    AnyEffect,
    CheckHead,
    Claim,
    Harvest,
    KeepResult,
    PostReview,
    Push,
    Rebase,
    StartRun,
    StopRun,
)
from dispatcher.core.errors import NeedsPerson, RetryLater
from dispatcher.core.housekeeping import (
    Cleared,
    Clearing,
    Footprint,
    KeepOrder,
    KeepRules,
    Removal,
    StoredRun,
    choose_removals,
    why_it_stays,
)
from dispatcher.core.model import Task
from dispatcher.engine.stores import PrunableJournal, StoredRuns, StoredWork
from dispatcher.ports import RunRecord

LIVE = {"reserved", "running"}

log = logging.getLogger(__name__)


@dataclass(slots=True)
class House:
    """What lies on this disk. Needs no forge, and may work beside the loop and beside another process."""

    journal: PrunableJournal
    runs: StoredRuns
    work: StoredWork
    bundles: Path
    _weighed: dict[str, Footprint] = field(default_factory=dict)

    def survey(self, rules: KeepRules, now: datetime) -> Clearing:
        """Which run folders may go now. Walks through every folder that was not weighed before."""
        needed = self._named_runs()
        stored = self.runs.stored()
        self._weighed = {run_id: print_ for run_id, print_ in self._weighed.items() if run_id in set(stored)}
        return choose_removals([self._look_at(run_id, needed) for run_id in stored], rules, now)

    def clear(self, removal: Removal, rules: KeepRules, now: datetime) -> Cleared | None:
        """Keep what a run alone has, then remove its folder; None when it may not go any more, or is gone."""
        run_id, record = removal.run_id, self.journal.load_run(removal.run_id)
        if run_id not in self.runs.stored():
            return None
        self._weighed.pop(run_id, None)
        if why_it_stays(self._look_at(run_id, self._named_runs()), rules, now):
            return None
        try:
            bundle = self._keep_work(run_id, record)
            self.runs.remove(run_id)
        except (NeedsPerson, RetryLater) as error:
            return Cleared(run_id, 0, removal.why, trouble=str(error))
        self.work.forget_checkout(self.runs.folder(run_id) / "checkout")
        self._weighed.pop(run_id, None)
        if bundle:
            what = f"what run {run_id} left and nobody else has is kept in {bundle}"
            self.journal.note(record.task if record else None, what, now)
        log.info("removed run=%s bytes=%d: %s", run_id, removal.size_bytes, removal.why)
        return Cleared(run_id, removal.size_bytes, removal.why, bundle)

    def finish_removals(self) -> None:
        """Remove what an interrupted removal left."""
        self.runs.clear_removed()

    def tidy(self, rules: KeepRules, now: datetime) -> int:
        """Forget old decisions, and harvested commits that no task needs; returns how many rows went."""
        rows = self.journal.prune(now - timedelta(seconds=rules.decisions_s))
        heads = self._named_heads()
        for repo_id in self.work.stored_repos():
            self.work.tidy(repo_id, heads)
        return rows

    def forget_repos(self, rules: KeepRules, now: datetime, watched: frozenset[int]) -> tuple[int, ...]:
        """Remove mirrors of repositories that are not watched, have no open task and no run folder, and were not used for long."""
        records = [self.journal.load_run(run_id) for run_id in self.runs.stored()]
        if not all(records):
            return ()  # a run that the journal does not know could borrow from any of them
        used = {record.task.repo_id for record in records if record}
        used |= watched | {task.key.repo_id for task in self.journal.load_tasks()}
        unused_since = now - timedelta(seconds=rules.runs_s)
        gone = [
            repo for repo, at in self.work.stored_repos().items() if repo not in used and at < unused_since
        ]
        for repo_id in gone:
            bundle = self.bundles / f"repository-{repo_id}.bundle"
            if self.work.forget_repo(repo_id, bundle):
                self.journal.note(
                    None, f"unpublished commits of repository {repo_id} are kept in {bundle}", now
                )
            log.info("removed mirror repo_id=%d", repo_id)
        return tuple(gone)

    # ------------------------------------------------------------ what is known of a run

    def _look_at(self, run_id: str, needed: frozenset[str]) -> StoredRun:
        record = self.journal.load_run(run_id)
        task = self.journal.load_task(record.task) if record else None
        footprint = self._weigh(run_id, record)
        is_live = footprint.is_running or (record is not None and record.state in LIVE)
        is_awaited = task is not None and task.run is not None and task.run.id == run_id
        return StoredRun(
            run_id=run_id,
            size_bytes=footprint.size_bytes,
            ended_at=record.ended_at if record and record.ended_at else footprint.changed_at,
            stage=task.stage if task else None,
            is_needed=is_live or is_awaited or run_id in needed,
        )

    def _weigh(self, run_id: str, record: RunRecord | None) -> Footprint:
        """The folder of a run that is over does not change: it is walked through once."""
        if run_id in self._weighed:
            return self._weighed[run_id]
        footprint = self.runs.weigh(run_id)
        if record is not None and record.state not in LIVE and not footprint.is_running:
            self._weighed[run_id] = footprint
        return footprint

    def _keep_work(self, run_id: str, record: RunRecord | None) -> Path | None:
        if not self.runs.weigh(run_id).leaves_work:
            return None
        task = self.journal.load_task(record.task) if record else None
        folder = self.runs.folder(run_id)
        order = KeepOrder(
            repo_id=record.task.repo_id if record else None,
            run_id=run_id,
            checkout=folder / "checkout",
            branch=task.branch if task else "",
            shown=(task.head,) if task and task.head else (),
            bundle=self.bundles / f"{run_id}.bundle",
            ignored=folder / "ignore",
        )
        return order.bundle if self.work.bundle(order) else None

    # ------------------------------------------------------------ what is still to be done

    def _named_runs(self) -> frozenset[str]:
        """Runs that a pending effect is about."""
        return frozenset(
            run for stored in self.journal.load_effects() for run in _runs_in(stored.effect) if run
        )

    def _named_heads(self) -> frozenset[str]:
        """Commits that an open task or a pending effect is about."""
        heads = {head for task in self.journal.load_tasks() for head in _heads_of(task)}
        heads |= {head for stored in self.journal.load_effects() for head in _heads_in(stored.effect)}
        return frozenset(filter(None, heads))


def _runs_in(effect: AnyEffect) -> tuple[str, ...]:
    match effect:
        case StartRun():
            return (effect.run.id, effect.repairs)
        case Claim():
            return (effect.run.id,)
        case StopRun() | Harvest() | KeepResult():
            return (effect.run_id,)
        case _:
            return ()


def _heads_in(effect: AnyEffect) -> tuple[str, ...]:
    match effect:
        case Push():
            return (effect.head, effect.expected)
        case Rebase() | CheckHead() | PostReview():
            return (effect.head,)
        case _:
            return ()


def _heads_of(task: Task) -> tuple[str, ...]:
    run = (task.run.head,) if task.run else ()
    return (task.head, task.draft_head, task.checked_head, task.approved_head, *run)
