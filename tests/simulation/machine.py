"""One machine: a daemon that can be killed and started again, on a journal, run folders and a git that outlive it."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from dispatcher.core.errors import JournalUnusable
from dispatcher.core.events import Event
from dispatcher.engine.desk import Desk, EngineSettings
from dispatcher.engine.jobs import Jobs, Work
from dispatcher.engine.loop import Engine
from dispatcher.ports import Journal
from dispatcher.simulator.access import Caller
from dispatcher.simulator.world import World
from dispatcher.surfaces.messages import Messages
from tests.simulation.agents import SimRuns
from tests.simulation.invariants import Watch
from tests.simulation.sim_git import SimGit
from tests.simulation.told_journal import ToldJournal
from tests.simulation.weather import Killed, MachineClock, Weather, WorldClock
from tests.simulation.world_forge import WorldForge


class SteppedJobs(Jobs):
    """Slow work that is done when the simulation says so, in the order that it chooses; a forgotten job goes on, too."""

    def __post_init__(self) -> None:
        self._waiting: dict[int, Work] = {}
        self._forgotten: list[Work] = []
        self._results: dict[int, Future[Sequence[Event]]] = {}

    def begin(self, effect_id: int, work: Work) -> None:
        if not self.is_known(effect_id):
            self._waiting[effect_id] = work

    def is_known(self, effect_id: int) -> bool:
        return effect_id in self._waiting or effect_id in self._results

    def is_done(self, effect_id: int) -> bool:
        return effect_id in self._results

    def collect(self, effect_id: int) -> Sequence[Event]:
        return self._results.pop(effect_id).result()

    def keep_only(self, effect_ids: set[int]) -> None:
        for effect_id in sorted(self._waiting.keys() - effect_ids):
            self._forgotten.append(self._waiting.pop(effect_id))
        for effect_id in sorted(self._results.keys() - effect_ids):
            del self._results[effect_id]

    def settle(self, timeout_s: float) -> bool:
        while self._waiting:
            self.do_one(0)
        return True

    def do_one(self, which: int) -> bool:
        """Do one of the jobs under way to its end; whether there was one."""
        if which < len(self._forgotten):
            work = self._forgotten.pop(which)
            self._attempt(work, Future())
            return True
        if not self._waiting:
            return False
        effect_id = sorted(self._waiting)[which % len(self._waiting)]
        self._results[effect_id] = self._attempt(self._waiting.pop(effect_id), Future())
        return True

    def _attempt(self, work: Work, result: Future[Sequence[Event]]) -> Future[Sequence[Event]]:
        try:
            result.set_result(work())
        except Exception as error:  # noqa: BLE001 - what a job raises is raised where its result is collected
            result.set_exception(error)
        return result

    def __len__(self) -> int:
        return len(self._waiting) + len(self._results)

    def close(self) -> None:
        self._waiting.clear()
        self._forgotten.clear()


@dataclass
class Machine:
    """A dispatcher and everything around it that survives its death."""

    name: str
    world: World
    caller: Caller
    clock: WorldClock
    chance: Random
    settings: EngineSettings
    journal: Journal
    watch: Watch
    folder: Path
    skew_s: float = 0.0
    index_late_s: float | None = None
    losses: int = 0
    weather: Weather = field(init=False)
    git: SimGit = field(init=False)
    runs: SimRuns = field(init=False)
    jobs: SteppedJobs = field(init=False)
    engine: Engine | None = None
    kills: int = 0
    accidents: list[str] = field(default_factory=list)
    _is_at_work: bool = False

    def __post_init__(self) -> None:
        self.weather = Weather(self.chance, self.clock)
        self.git = SimGit(self.world, self.caller, self.weather, self.watch)
        self.runs = SimRuns(
            self.name, self.folder, self.clock, self.chance, self.weather, self.git, self.watch
        )

    def start(self) -> None:
        """Start a daemon on what the last one left."""
        journal = ToldJournal(self.journal, self.weather, self.watch, self.name)
        clock = MachineClock(self.clock, self.skew_s)
        bot = self.caller.account.login
        self.jobs = SteppedJobs()
        desk = Desk(
            settings=self.settings,
            clock=clock,
            forge=WorldForge(
                self.world,
                self.caller,
                clock,
                journal,
                self.weather,
                self.watch,
                self.settings.instance,
                self.index_late_s,
            ),
            journal=journal,
            runs=self.runs,
            workspaces=self.git,
            words=Messages(lambda: bot),
            jobs=self.jobs,
            nonce=lambda: f"{self.chance.getrandbits(32):08x}",
        )
        engine = Engine(desk)
        if self._safely(engine.start):
            self.engine = engine

    def tick(self) -> str:
        """One round of the daemon, or its start."""
        if self.engine is None:
            if not self._is_at_work:
                self.start()
            return f"{self.name} starts"
        return f"{self.name} ticks" + ("" if self._safely(self.engine.tick) else " and dies")

    def work(self) -> str:
        """One of the slow jobs is done."""
        if self.engine is None:
            return "nothing"
        found = self._safely(lambda: self.jobs.do_one(self.chance.randrange(4)))
        return f"{self.name} does a job" + ("" if found else " and dies")

    def kill(self) -> str:
        """SIGKILL between two ticks."""
        self._die()
        return f"{self.name} is killed"

    def lose_journal(self, make_journal: Callable[[str], Journal]) -> str:
        """Somebody deletes the journal and starts again; run folders and mirrors stay."""
        self._die()
        self.losses += 1
        self.journal = make_journal(f"{self.name}-{self.losses}")
        self.watch.journal_is_lost(self.name)
        return f"{self.name} loses its journal"

    def _safely(self, act: Callable[[], object]) -> bool:
        """Whether the daemon survived it. An unusable journal ends it, as it ends the real one.

        One that is interrupted by the other machine is not called again from there: a daemon has one loop.
        """
        if self._is_at_work:
            return True
        self._is_at_work = True
        try:
            act()
        except (Killed, JournalUnusable):
            self._die()
            return False
        finally:
            self._is_at_work = False
        return True

    def _die(self) -> None:
        if self.engine is not None:
            self.accidents += self.engine.desk.accidents
            self.jobs.close()
            self.engine = None
            self.kills += 1
