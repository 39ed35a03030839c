"""A room of the engine without a loop around it: the executor, a journal, and the parts of the simulation behind it.

The parts are the simulation's own; each stands behind a `Moody`, which notes what it was asked and fails where a test says so.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from dispatcher.core.effects import CommentKind, Effect, PostComment
from dispatcher.core.events import Event
from dispatcher.core.model import ItemKey, LiveRun, Role, Stage, Task
from dispatcher.core.rules import AgentConfig, Caps, LabelNames, Limits, RepoRules
from dispatcher.engine.desk import Desk, EngineSettings
from dispatcher.engine.executor import Executor
from dispatcher.engine.looking import Watcher
from dispatcher.ports import StoredEffect
from dispatcher.simulator import Settings, caller_of, scene_in_memory
from dispatcher.surfaces.messages import Messages
from tests.journal.stories import decided, dispatched
from tests.simulation.agents import SimRuns
from tests.simulation.invariants import Watch
from tests.simulation.machine import SteppedJobs
from tests.simulation.memory_journal import MemoryJournal
from tests.simulation.sim_git import SimGit
from tests.simulation.weather import MachineClock, Weather, WorldClock
from tests.simulation.world_forge import WorldForge

SHOP, BOT = "acme/shop", "shop-bot"


class Moody:
    """A part that counts what it was asked, and fails or answers as it was told."""

    def __init__(self, part: Any) -> None:
        self.part = part
        self.asked: Counter[str] = Counter()
        self.instead: dict[str, Callable[..., Any]] = {}

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.part, name)
        if not callable(found):
            return found

        def ask(*args: Any, **named: Any) -> Any:
            self.asked[name] += 1
            return self.instead.get(name, found)(*args, **named)

        return ask

    def fails(self, name: str, error: Exception) -> None:
        """From now on."""

        def fail(*_: Any, **__: Any) -> Any:
            raise error

        self.instead[name] = fail

    def works(self) -> None:
        """Again."""
        self.instead.clear()


@dataclass
class Room:
    """One repository, alice who may write, the bot, and an executor that knows them."""

    root: Path
    journal: MemoryJournal = field(default_factory=MemoryJournal)
    world_clock: WorldClock = field(default_factory=WorldClock)

    def __post_init__(self) -> None:
        self.scene = scene_in_memory(self.world_clock, Settings(mergeable_unknown_reads=0))
        for login in ("alice", "bob", BOT):
            self.scene.add_user(login)
        people = {"alice": "write", "bob": "write", BOT: "write"}
        self.scene.add_repo(SHOP, {"shop.py": "green\n", "README.md": "A shop.\n"}, collaborators=people)
        self.alice = self.scene.person("alice")
        roles = tuple((role, ("scripted", "second")) for role in ("worker", "reviewer", "responder"))
        self.limits = Limits(redispatch_cooldown_s=60)
        rules = RepoRules("shop", "acme", "shop", agents=roles, limits=self.limits)
        agents = {name: AgentConfig(name, "claude") for name in ("scripted", "second")}
        settings = EngineSettings((rules,), Caps(10, 1000, 0), instance="here", agents=agents)
        world, chance = self.scene.world, Random(1)
        caller = caller_of(world, self.scene.add_token(BOT))
        watch = Watch(world, caller.account.id, LabelNames(), {SHOP: rules}, settings.caps)
        weather = Weather(chance, self.world_clock)
        self.clock = MachineClock(self.world_clock)
        git = SimGit(world, caller, weather, watch)
        runs = SimRuns("here", self.root, self.world_clock, chance, weather, git, watch)
        forge = WorldForge(world, caller, self.clock, self.journal, weather, watch, "here")
        self.forge, self.runs, self.git = Moody(forge), Moody(runs), Moody(git)
        self.jobs = SteppedJobs()
        self.desk = Desk(
            settings=settings,
            clock=self.clock,
            forge=self.forge,
            journal=self.journal,
            runs=self.runs,
            workspaces=self.git,
            words=Messages(lambda: BOT),
            jobs=self.jobs,
            nonce=lambda: "0123abcd",
        )
        self.watcher = Watcher(self.desk)
        self.watcher.connect()
        self.desk.forge_reached_at = self.clock.now()
        self.executor = Executor(self.desk, self.watcher)

    # ------------------------------------------------------------ what there is

    @property
    def repo_id(self) -> int:
        return self.scene.world.repo(SHOP).id

    @property
    def me(self) -> Any:
        return self.desk.me

    def now(self) -> Any:
        return self.clock.now()

    def passes(self, seconds: float, *, reached: bool = True) -> None:
        """Time passes, in which the forge answers, or does not."""
        self.world_clock.pass_by(seconds)
        if reached:
            self.desk.forge_reached_at = self.clock.now()

    def task(self, stage: Stage = Stage.QUEUED, number: int = 0, **facts: Any) -> Task:
        """A task about a new issue of alice's, in this stage."""
        number = number or self.alice.open_issue(SHOP, "total() is wrong", "It returns 0.", labels=("bot",))
        key = ItemKey(facts.pop("repo_id", self.repo_id), number)
        usual = {"limits": self.limits, "base": "main"}
        return Task(key=key, repo=SHOP, stage=stage, **(usual | facts))

    def run(self, role: Role = Role.WORKER, run_id: str = "run-1") -> LiveRun:
        return LiveRun(run_id, role, "scripted", "", self.now())

    def comment(self, task: Task, key: str = "said") -> PostComment:
        return PostComment(f"{task.key}/{key}", task.key, CommentKind.ANSWER, "It is the sum.")

    # ------------------------------------------------------------ what happens

    def wants(self, task: Task, *effects: Effect, event: Event | None = None) -> None:
        """A decision is in the journal, with its effects."""
        self.journal.commit(decided(task, *effects, event=event, before=task.stage, at=self.now()))

    def begins(self, task: Task, run: LiveRun) -> Task:
        """A run is reserved; its claim and start are to be performed."""
        self.journal.commit(dispatched(task, run, at=self.now()))
        found = self.journal.load_task(task.key)
        assert found is not None
        return found

    def act(self) -> None:
        self.executor.act()

    def works(self) -> None:
        """All slow work is done, and what follows from it."""
        self.act()
        while len(self.jobs):
            self.jobs.settle(0)
            self.act()

    # ------------------------------------------------------------ what became of it

    def pending(self) -> list[StoredEffect]:
        return list(self.journal.load_effects())

    def left(self) -> list[str]:
        return [type(stored.effect).__name__ for stored in self.pending()]

    def stage(self, task: Task) -> Stage:
        return self.known(task).stage

    def known(self, task: Task) -> Task:
        found = self.journal.load_task(task.key)
        assert found is not None
        return found

    def events(self, task: Task) -> list[str]:
        """What was decided on, oldest first, without the decision that the test put there."""
        return [record.event for record in reversed(self.journal.load_decisions(task.key, 100))]

    def said(self, task: Task) -> list[str]:
        return [comment.body for comment in self.scene.comments(SHOP, task.key.number)]
