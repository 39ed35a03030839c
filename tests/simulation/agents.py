"""Runs without processes: a supervisor's rules over scripted agents of every temper."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from random import Random

from dispatcher.core.errors import RetryLater
from dispatcher.core.events import (
    Answered,
    Event,
    GaveUp,
    NothingToDo,
    OutcomeMalformed,
    QuestionAsked,
    ReviewApproved,
    ReviewRejected,
    WorkDelivered,
    WorkWanted,
)
from dispatcher.core.faults import Fault, FaultKind
from dispatcher.core.model import Finding, Role
from dispatcher.core.usage import Usage
from dispatcher.ports import RunOrder, RunReport
from tests.simulation.invariants import Watch
from tests.simulation.sim_git import RED, SimGit
from tests.simulation.weather import Weather, WorldClock

GRACE_S = 10.0


class Temper(StrEnum):
    """How an agent behaves."""

    GOOD = "good"
    SLOW = "slow"
    DEAD = "dead"
    LOST = "lost"
    LYING = "lying"
    SILENT = "silent"
    ENDLESS = "endless"
    REPEATING = "repeating"
    ASKING = "asking"
    MALFORMED = "malformed"
    REFUSED = "refused"
    SPENT = "spent"
    OVERLOADED = "overloaded"
    LOGGED_OUT = "logged-out"
    GREEDY = "greedy"


ALL_TEMPERS = tuple(Temper)
WEIGHTS = (50, 12, 5, 3, 5, 3, 3, 8, 4, 4, 2, 3, 3, 1, 3)
FAULTS = {
    Temper.SPENT: FaultKind.QUOTA,
    Temper.OVERLOADED: FaultKind.OVERLOAD,
    Temper.LOGGED_OUT: FaultKind.LOGIN,
}
STEP_USD, GREEDY_USD = 0.05, 2.0
"""What one step of an agent costs."""


@dataclass
class SimRun:
    """One agent under its supervisor. `state`: prepared, running, stopping, ended, lost."""

    id: str
    order: RunOrder
    temper: Temper
    state: str = "prepared"
    steps_left: int = 0
    started_at: datetime | None = None
    progress_at: datetime | None = None
    ended_at: datetime | None = None
    stop_asked_at: datetime | None = None
    because: str = ""
    exit_code: int | None = None
    outcome: Event | None = None
    fault: Fault | None = None
    usage: Usage = field(default_factory=Usage)

    @property
    def is_alive(self) -> bool:
        return self.state in {"running", "stopping"}


@dataclass
class SimRuns:
    """All runs of one machine; they live on when the daemon dies."""

    machine: str
    root: Path
    clock: WorldClock
    chance: Random
    weather: Weather
    git: SimGit
    watch: Watch
    tempers: tuple[int, ...] = WEIGHTS
    runs: dict[str, SimRun] = field(default_factory=dict)

    # ------------------------------------------------------------ the port

    def folder(self, run_id: str) -> Path:
        return self.root / run_id

    def prepare(self, order: RunOrder) -> Path:
        return self.weather.use_disk(lambda: self._prepare(order))

    def _prepare(self, order: RunOrder) -> Path:
        known = self.runs.get(order.run.id)
        if known is None:
            temper = self.chance.choices(ALL_TEMPERS, self.tempers)[0]
            self.runs[order.run.id] = SimRun(order.run.id, order, temper)
        elif known.state == "prepared":
            known.order = order
        checkout = self.folder(order.run.id) / "checkout"
        if order.repairs:
            if order.repairs in self.runs and self.runs[order.repairs].is_alive:
                raise RetryLater("the broken run still runs")
            self.git.take_over(self.folder(order.repairs) / "checkout", checkout)
        return checkout

    def start(self, order: RunOrder) -> None:
        self.weather.use_disk(lambda: self._start(order))

    def _start(self, order: RunOrder) -> None:
        run = self.runs.get(order.run.id)
        if run is not None and run.state != "prepared":
            return
        if run is None or self.folder(order.run.id) / "checkout" not in self.git.checkouts:
            raise RetryLater("the checkout is not there yet")
        now = self.clock.moment
        run.state, run.started_at, run.progress_at = "running", now, now
        run.steps_left = (
            self.chance.randint(4, 12) if run.temper is Temper.SLOW else self.chance.randint(1, 3)
        )
        self.watch.run_starts(self.machine, run.id, order)

    def report(self, run_id: str) -> RunReport:
        run = self.runs.get(run_id)
        if run is None or run.state == "prepared":
            return RunReport(run_id, "absent")
        self._supervise(run)
        state = "running" if run.is_alive else run.state
        because = run.because if run.state != "lost" else "lost"
        return RunReport(
            run_id,
            state,
            "" if run.is_alive else because,
            run.exit_code,
            run.started_at,
            run.ended_at,
            run.progress_at,
            usage=run.usage,
            fault=run.fault,
            prompt_digest="0123456789abcdef",
        )

    def load_outcome(self, run_id: str, role: Role) -> Event:
        run = self.runs[run_id]
        return run.outcome or OutcomeMalformed(run_id, "the agent wrote no out/outcome.json")

    def stop(self, run_id: str, why: str, *, at_once: bool = False) -> None:
        run = self.runs.get(run_id)
        if run is None:
            return
        if run.stop_asked_at is None:
            run.stop_asked_at = self.clock.moment
        if run.state == "running":
            run.state = "stopping"
            self.watch.run_stopped(run_id)

    def reap(self, run_id: str) -> None:
        return

    def known(self) -> tuple[str, ...]:
        return tuple(sorted(self.runs))

    # ------------------------------------------------------------ the supervisor

    def _supervise(self, run: SimRun) -> None:
        """What the supervisor would have done by now."""
        now = self.clock.moment
        if not run.is_alive or run.started_at is None or run.progress_at is None:
            return
        if run.state == "running" and run.stop_asked_at is not None:
            run.state = "stopping"
        if run.state == "stopping":
            if run.stop_asked_at and (now - run.stop_asked_at).total_seconds() >= GRACE_S:
                self._end(run, "stopped")
        elif (now - run.started_at).total_seconds() >= run.order.wall_s:
            self._end(run, "timed-out")
        elif (now - run.progress_at).total_seconds() >= run.order.silence_s:
            self._end(run, "stalled")

    def _end(self, run: SimRun, because: str, exit_code: int | None = None) -> None:
        run.state, run.because, run.exit_code = "ended", because, exit_code
        run.ended_at = self.clock.moment
        self.watch.run_ends(run.id)

    # ------------------------------------------------------------ the agent

    def live(self) -> list[SimRun]:
        for run in self.runs.values():
            self._supervise(run)
        return [run for run in self.runs.values() if run.is_alive]

    def advance(self, run: SimRun) -> None:
        """The agent does one thing; at its last step it says what it did."""
        if run.state == "stopping":
            self._end(run, "stopped")
            return
        if run.temper is Temper.SILENT:
            return
        run.progress_at = self.clock.moment
        cost_usd = GREEDY_USD if run.temper is Temper.GREEDY else STEP_USD
        run.usage = Usage(run.usage.input_tokens + 1000, 0, 0, (run.usage.cost_usd or 0.0) + cost_usd)
        if run.temper is Temper.ENDLESS:
            return
        run.steps_left -= 1
        if run.steps_left <= 0:
            self._finish(run)

    def _finish(self, run: SimRun) -> None:
        if run.temper is Temper.DEAD:
            self._end(run, "exited", exit_code=1)
        elif run.temper in FAULTS:
            kind = FAULTS[run.temper]
            reset_at = self.clock.moment + timedelta(hours=2) if self.chance.random() < 0.5 else None
            run.fault = Fault(
                kind, f"{run.order.run.agent}: {kind}", reset_at if kind is FaultKind.QUOTA else None
            )
            self._end(run, "exited", exit_code=0)
        elif run.temper is Temper.LOST:
            run.state, run.ended_at = "lost", self.clock.moment
            self.watch.run_ends(run.id)
        elif run.temper is Temper.MALFORMED:
            self._end(run, "exited", exit_code=0)
        else:
            run.outcome = self._outcome(run)
            self.watch.outcome(run.id, run.outcome)
            self._end(run, "exited", exit_code=0)

    def _outcome(self, run: SimRun) -> Event:
        match run.order.role:
            case Role.WORKER:
                return self._work(run)
            case Role.REVIEWER:
                return self._review(run)
            case Role.RESPONDER:
                return self._answer(run)

    def _work(self, run: SimRun) -> Event:
        done = WorkDelivered(run.id, "Change it", "It is changed.", "make check")
        number = run.id.split("-")[1]
        place = self.folder(run.id) / "checkout"
        stamp = str(self.chance.randrange(10**6)).encode()
        match run.temper:
            case Temper.ASKING:
                said = (
                    QuestionAsked(run.id, "Which one?"),
                    GaveUp(run.id, "no idea"),
                    NothingToDo(run.id, "fine"),
                )
                return self.chance.choice(said)
            case Temper.LYING:
                return done
            case Temper.REPEATING:
                self.git.commit(place, f"src/{number}.py", RED + b": one and the same #" + stamp[:1])
            case Temper.REFUSED:
                self.git.commit(place, ".github/workflows/ci.yml", stamp)
            case _:
                path = "shop.py" if self.chance.random() < 0.25 else f"src/{number}.py"
                self.git.commit(place, path, b"green " + stamp)
        return done

    def _review(self, run: SimRun) -> Event:
        head = run.order.run.head
        rejects = self.chance.random() < (0.9 if run.temper is Temper.REPEATING else 0.25)
        if rejects:
            return ReviewRejected(run.id, head, "Not yet.", (Finding("a test is missing", "major"),))
        return ReviewApproved(run.id, head, "Fine.")

    def _answer(self, run: SimRun) -> Event:
        if self.chance.random() < 0.5:
            return Answered(run.id, f"It is {self.chance.randrange(100)}.")
        return WorkWanted(run.id, "Do it.")
