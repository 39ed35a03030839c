"""Performs effects: in order per task, one task's trouble never another's. One `match` over all of them."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import assert_never

from dispatcher.core.causes import BlockCause
from dispatcher.core.claims import rival, why_claim_fails
from dispatcher.core.effects import (
    CheckHead,
    Claim,
    Harvest,
    KeepResult,
    OpenPull,
    PostComment,
    PostReview,
    Push,
    Rebase,
    ShowStage,
    StartRun,
    StopRun,
)
from dispatcher.core.errors import (
    BadCredential,
    ClaimLost,
    DispatcherError,
    JournalUnusable,
    NeedsPerson,
    ProgramAbsent,
    QuotaSpent,
    RetryLater,
)
from dispatcher.core.events import (
    CheckPassed,
    ClaimRefused,
    EffectRefused,
    Event,
    PullOpened,
    PushRefused,
    ResultKept,
    RunCancelled,
)
from dispatcher.core.model import Snapshot, Stage, Task
from dispatcher.core.observe import learn, pull_events
from dispatcher.core.policy import claim_covers_run, claim_lasts
from dispatcher.engine.briefing import Briefer
from dispatcher.engine.desk import Desk
from dispatcher.engine.display import KEEPS_LABELS, people_to_hand_to, stage_order
from dispatcher.engine.jobs import Work
from dispatcher.engine.ledger import READ_ONLY, Closing, apply
from dispatcher.engine.looking import Watcher
from dispatcher.ports import (
    ClaimOrder,
    HarvestOrder,
    Kept,
    PullOrder,
    Repo,
    ReviewOrder,
    StoredEffect,
    Written,
)

MAX_TRIES = 3
"""Spec section 9: three failures of one kind, and a person must look."""

BACKOFF = (timedelta(seconds=30), timedelta(minutes=2), timedelta(minutes=10))

HANDS_OVER_WITHIN = timedelta(seconds=5)
"""How old the look may be on which a hand-over was decided."""

log = logging.getLogger(__name__)


class NotYet(Exception):
    """The effect waits for something of ours (a run that is ending, a job under way); not a failure."""


class Executor:
    """Crosses off what the journal says is to be done."""

    def __init__(self, desk: Desk, watcher: Watcher) -> None:
        self._desk = desk
        self._watcher = watcher
        self._briefer = Briefer(desk, watcher)

    def act(self) -> None:
        """Perform every pending effect that can be performed now; effects that follow from results are performed too."""
        tried: set[int] = set()
        while True:
            pending = self._desk.journal.load_effects()
            self._note_in_flight(pending)
            first = {stored.task: stored for stored in reversed(pending)}
            ready = [stored for stored in first.values() if stored.id not in tried and self._is_ready(stored)]
            if not ready:
                return
            for stored in sorted(ready, key=lambda one: one.id):
                tried.add(stored.id)
                self._attempt(stored)

    def _note_in_flight(self, pending: Sequence[StoredEffect]) -> None:
        desk = self._desk
        before = desk.in_flight
        desk.in_flight = {str(stored.task) for stored in pending if stored.task.repo_id in desk.repos}
        desk.writes_in_flight = {
            str(stored.task) for stored in pending if not isinstance(stored.effect, READ_ONLY)
        }
        desk.jobs.keep_only({stored.id for stored in pending})
        for task in {stored.task for stored in pending if str(stored.task) not in before}:
            desk.agenda.touch(task)

    def _is_ready(self, stored: StoredEffect) -> bool:
        if self._desk.jobs.is_known(stored.id):
            return self._desk.jobs.is_done(stored.id)
        return stored.retry_at is None or stored.retry_at <= self._desk.clock.now()

    def _attempt(self, stored: StoredEffect) -> None:
        """Perform one effect; every way in which it can fail ends here."""
        desk = self._desk
        task = desk.journal.load_task(stored.task)
        repo = desk.repos.get(stored.task.repo_id)
        if task is None or repo is None:
            return
        try:
            self._finish(stored, self._perform(stored, task, repo))
        except NotYet:
            return
        except (JournalUnusable, BadCredential):
            raise  # not this task's trouble: nothing can be done for any task until a person mends it
        except ClaimLost as error:
            self._let_go(stored, task, str(error))
        except QuotaSpent as error:
            desk.journal.postpone(stored.id, str(error), error.until or desk.clock.now() + BACKOFF[0])
        except RetryLater as error:
            self._fail(stored, task, error, counts=self._forge_answers())
        except DispatcherError as error:
            final = isinstance(error, NeedsPerson)
            self._fail(stored, task, error, counts=True, final=final)
        except Exception as error:  # noqa: BLE001 - one task's accident must not stop the others
            desk.note_accident(f"effect {stored.effect.key}", error, stored.task)
            self._fail(stored, task, error, counts=True)

    def _finish(self, stored: StoredEffect, events: Sequence[Event]) -> None:
        desk = self._desk
        if any(isinstance(event, CheckPassed) and event.run_id for event in events):
            self._watcher.inspect(stored.task)
        for event in events:
            if task := desk.journal.load_task(stored.task):
                apply(desk, task, event, Closing(effect_done=stored.id))
        if isinstance(stored.effect, StartRun):
            desk.journal.mark_run_started(stored.effect.run.id, desk.clock.now())
        desk.journal.mark_applied(stored.id, desk.clock.now())
        if stored.error:
            # It had to wait, and people went on: our own late write would pass their change off as seen.
            desk.look_alarms[stored.task] = desk.clock.now()
        desk.agenda.touch(stored.task)

    def _fail(
        self, stored: StoredEffect, task: Task, error: Exception, *, counts: bool, final: bool = False
    ) -> None:
        """Count the failure and try later; at the third, or when no trying helps, a person must look."""
        now = self._desk.clock.now()
        tries = stored.tries + 1 if counts else stored.tries
        log.warning("effect task=%s %s try=%d: %s", task.name, stored.effect.key, tries, error)
        if final or tries >= MAX_TRIES:
            cause = str(BlockCause.CHECK_ABSENT) if isinstance(error, ProgramAbsent) else ""
            self._give_up(task, EffectRefused(type(stored.effect).__name__, str(error), cause))
            return
        until = error.until if isinstance(error, RetryLater) else None
        retry_at = until or now + BACKOFF[min(max(tries - 1, 0), len(BACKOFF) - 1)]
        if counts:
            self._desk.journal.mark_failed(stored.id, str(error), retry_at)
        else:
            self._desk.journal.postpone(stored.id, str(error), retry_at)

    def _give_up(self, task: Task, event: Event) -> None:
        """Nothing more of this decision is carried out; the machine says what follows."""
        task = self._desk.journal.load_task(task.key) or task
        ended = task.run.id if task.run and isinstance(event, ClaimRefused) else ""
        apply(self._desk, task, event, Closing(run_ended=ended, cancels_pending=True))

    def _let_go(self, stored: StoredEffect, task: Task, why: str) -> None:
        """Somebody was quicker. What they did is looked at first: the machine then knows what to keep."""
        effect = stored.effect
        match effect:
            case Claim() | StartRun():
                self._give_up(task, ClaimRefused(effect.run.id, why))
                # what changed under the claim may be no news to any list: looked at now, or it is claimed in vain for ever
                self._desk.look_alarms[task.key] = self._desk.clock.now()
            case Push():
                self._give_up(task, PushRefused(why))
            case Harvest():
                self._watcher.inspect(stored.task)
                self._give_up(
                    self._desk.journal.load_task(stored.task) or task, RunCancelled(effect.run_id, why)
                )
            case _:
                self._give_up(task, EffectRefused(type(effect).__name__, why))

    def _forge_answers(self) -> bool:
        """Whether the forge was reached lately: a failure during an outage is nobody's fault and is not counted."""
        reached, now = self._desk.forge_reached_at, self._desk.clock.now()
        return reached is not None and now - reached < timedelta(seconds=2 * self._desk.settings.idle_tick_s)

    # ------------------------------------------------------------ one match

    def _perform(  # noqa: C901, PLR0912  (one case an effect)
        self, stored: StoredEffect, task: Task, repo: Repo
    ) -> Sequence[Event]:
        """Perform, or begin, one effect; returns what it means for the task. The type checker finds a forgotten case."""
        effect = stored.effect
        if not self._desk.jobs.is_known(stored.id):
            self._desk.journal.mark_sent(stored.id, self._desk.clock.now())
        match effect:
            case Claim():
                return self._claim(effect, task, repo)
            case ShowStage():
                return self._show_stage(task, repo)
            case OpenPull():
                return self._open_pull(effect, task)
            case PostReview():
                return self._post_review(effect, task)
            case PostComment():
                return self._post_comment(effect, task)
            case StopRun():
                return self._stop_run(effect)
            case StartRun():
                return self._slowly(stored, lambda: self._start_work(effect, task, repo))
            case Harvest():
                return self._slowly(stored, lambda: self._harvest_work(effect, task, repo))
            case CheckHead():
                return self._slowly(
                    stored, lambda: lambda: (self._desk.workspaces.check_head(repo, task.base, effect.head),)
                )
            case Push():
                return self._slowly(stored, lambda: self._push_work(effect, repo))
            case Rebase():
                return self._slowly(
                    stored,
                    lambda: (
                        lambda: (self._desk.workspaces.rebase(repo, task.base, effect.branch, effect.head),)
                    ),
                )
            case KeepResult():
                return self._slowly(stored, lambda: self._keep_work(effect, task, repo))
            case _:
                assert_never(effect)

    def _slowly(self, stored: StoredEffect, prepare: Callable[[], Work]) -> Sequence[Event]:
        """Begin the work beside the loop, or collect what it found; what is under way is not ready, and does not get here."""
        jobs = self._desk.jobs
        if jobs.is_done(stored.id):
            return jobs.collect(stored.id)
        jobs.begin(stored.id, prepare())
        raise NotYet

    # ------------------------------------------------------------ runs

    def _start_work(self, effect: StartRun, task: Task, repo: Repo) -> Work:
        """A claim that would run out under the run is none: after a long delay the item is claimed again first.

        Asked before the slow work and again behind it: a laptop may have slept for hours in between.
        """
        desk = self._desk

        def must_be_covered() -> None:
            is_new = desk.runs.report(effect.run.id).state == "absent"
            if is_new and not claim_covers_run(effect.run, task, desk.clock.now()):
                raise ClaimLost("the start came so late that the claim would run out before the run is over")

        must_be_covered()
        return self._briefer.start_work(effect, task, repo, must_be_covered)

    def _stop_run(self, effect: StopRun) -> Sequence[Event]:
        """Done when nothing of the run is left: what follows may release the claim, and another machine begin."""
        self._desk.runs.stop(effect.run_id, effect.why)
        if self._desk.runs.report(effect.run_id).state == "running":
            raise NotYet
        return ()

    # ------------------------------------------------------------ forge

    def _claim(self, effect: Claim, task: Task, repo: Repo) -> Sequence[Event]:
        desk, now = self._desk, self._desk.clock.now()
        order = ClaimOrder(
            item=effect.item,
            repo=task.repo,
            run_id=effect.run.id,
            instance=desk.settings.instance,
            expires_at=now + claim_lasts(effect.run.role, task),
            status_text=desk.words.status(task, now),
            status_comment_id=task.status_comment_id,
        )
        snapshot = self._with_issue(task, desk.forge.claim(order))
        eyes = self._watcher.eyes_for(repo, task, snapshot)
        if why := why_claim_fails(task, effect.run, snapshot, eyes, desk.settings.instance, now):
            other = rival(snapshot, desk.settings.instance, now)
            until = other.expires_at if other else None
            desk.journal.save_task(replace(learn(task, snapshot, eyes), claimed_elsewhere_until=until))
            raise ClaimLost(why)
        newest = max(
            (item.updated_at for item in (snapshot.issue, snapshot.front) if item), default=task.seen_at
        )
        self._remember(task, Written(newest, snapshot.status_comment_id))
        return ()

    def _with_issue(self, task: Task, snapshot: Snapshot) -> Snapshot:
        """A claim on a pull request reads that back; the issue behind it is as it was seen last."""
        before = self._desk.snapshots.get(task.key)
        whole = replace(snapshot, issue=before.issue) if before and snapshot.issue is None else snapshot
        self._desk.snapshots[task.key] = whole
        return whole

    def _show_stage(self, task: Task, repo: Repo) -> Sequence[Event]:
        desk = self._desk
        task = self._still_ready(task, repo)
        has_status = task.status_comment_id is not None or task.stage is Stage.BLOCKED
        text = desk.words.status(task, desk.clock.now()) if has_status else ""
        handed = self._handed_to(task, repo)
        if handed and handed != task.handed_to:
            # Before the write: whoever is assigned by us and not by themselves must be known even after a death in between.
            desk.journal.save_task(replace(task, handed_to=handed))
        written = desk.forge.show_stage(stage_order(task, repo.rules, desk.me.login, text))
        # What was shown is one stage; our own write is no news, so nobody would look whether the second label is gone.
        has_two = task.has_two_stages and task.stage in KEEPS_LABELS
        self._remember(replace(task, handed_to=handed, has_two_stages=has_two), written)
        return ()

    def _handed_to(self, task: Task, repo: Repo) -> tuple[str, ...]:
        """Whom the dispatcher assigned: released when the bot's turn comes again, be it after a stop."""
        if task.stage in {Stage.MERGE_READY, Stage.BLOCKED}:
            return people_to_hand_to(task, repo.rules)
        return task.handed_to if task.stage in {Stage.DONE, Stage.DROPPED} else ()

    def _still_ready(self, task: Task, repo: Repo) -> Task:
        """A hand-over that was held up (an outage, a restart) is judged by what GitHub shows now: CI may be red since."""
        desk, now, decided_at = self._desk, self._desk.clock.now(), task.step_started_at
        if task.stage is not Stage.MERGE_READY or not decided_at or now - decided_at < HANDS_OVER_WITHIN:
            return task
        snapshot = desk.forge.fetch_snapshot(repo, task)
        for event in pull_events(task, snapshot.pull, self._watcher.eyes_for(repo, task, snapshot), now):
            task = apply(desk, task, event)
        return task

    def _open_pull(self, effect: OpenPull, task: Task) -> Sequence[Event]:
        if task.pull is not None:
            return ()  # opened before a crash, and perhaps closed since: never a second one
        body = self._desk.words.pull_body(task)
        title = self._desk.words.pull_title(task)
        order = PullOrder(task.repo, effect.branch, effect.base, title, body, effect.key)
        opened = self._desk.forge.open_pull(order)
        self._remember(task, Written(opened.updated_at))
        return (PullOpened(opened.number, opened.head),)

    def _post_review(self, effect: PostReview, task: Task) -> Sequence[Event]:
        apart = tuple(finding for finding in effect.findings if finding.line is None or not finding.path)
        inline = tuple(
            replace(finding, text=self._desk.words.remark(task, finding))
            for finding in effect.findings
            if finding not in apart
        )
        body = self._desk.words.review(task, approved=effect.approved, summary=effect.summary, findings=apart)
        order = ReviewOrder(task.front, task.repo, effect.head, body, inline, effect.key)
        self._remember(task, self._desk.forge.post_review(order))
        return ()

    def _post_comment(self, effect: PostComment, task: Task) -> Sequence[Event]:
        text = self._desk.words.comment(task, effect.kind, effect.text)
        self._remember(task, self._desk.forge.post_comment(effect.item, task.repo, text, effect.key))
        return ()

    def _remember(self, task: Task, written: Written) -> None:
        """Our own write is not news: whatever the lists show up to this moment, we did ourselves."""
        seen = max(filter(None, (task.seen_at, written.updated_at)), default=None)
        comment_id = written.status_comment_id or task.status_comment_id
        self._desk.journal.save_task(replace(task, seen_at=seen, status_comment_id=comment_id))

    # ------------------------------------------------------------ git

    def _harvest_work(self, effect: Harvest, task: Task, repo: Repo) -> Work:
        order = HarvestOrder(
            repo=repo,
            run_id=effect.run_id,
            checkout=self._desk.runs.folder(effect.run_id) / "checkout",
            base=task.base,
            branch=task.branch,
            # What was never checked is to be judged now, even when nothing was added to it.
            start=task.head if task.draft_is_unfinished else task.draft_head or task.head,
            expected=task.head,
            message=task.pull_title or task.title,
        )
        return lambda: (self._desk.workspaces.harvest(order),)

    def _push_work(self, effect: Push, repo: Repo) -> Work:
        def push() -> Sequence[Event]:
            self._desk.workspaces.push(repo, effect.branch, effect.head, effect.expected)
            return ()

        return push

    def _keep_work(self, effect: KeepResult, task: Task, repo: Repo) -> Work:
        """Wait until the run is gone, then push what it left to a branch of its own."""
        desk = self._desk
        if desk.runs.report(effect.run_id).state == "running":
            raise NotYet
        checkout = desk.runs.folder(effect.run_id) / "checkout"

        def keep() -> Sequence[Event]:
            if not checkout.exists():
                return ()
            try:
                kept = desk.workspaces.keep(repo, effect.run_id, checkout, task.base)
            except NeedsPerson as error:
                told = f"what run {effect.run_id} did stays in its folder only: {error}"
                desk.journal.note(task.key, told, desk.clock.now())
                return ()
            return (_kept(kept, effect),) if kept else ()

        return keep


def _kept(kept: Kept, effect: KeepResult) -> ResultKept:
    if effect.continues is None:
        return ResultKept(kept.branch, effect.why)
    return ResultKept(kept.branch, effect.why, kept.head, effect.continues)
