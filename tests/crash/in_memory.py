"""The same life without HTTP, git and processes: a death at each of its hundreds of boundaries takes seconds, not hours."""

import sys
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import ClassVar

from dispatcher.core.events import Event, ReviewApproved, ReviewRejected, WorkDelivered
from dispatcher.core.model import Finding, ItemKey, Task
from dispatcher.core.rules import Caps, LabelNames, Limits, RepoRules
from dispatcher.engine.desk import EngineSettings
from dispatcher.simulator import Scene, Settings, caller_of, scene_in_memory
from tests.crash.endings import End, end_of
from tests.simulation.agents import ALL_TEMPERS, SimRun, SimRuns, Temper
from tests.simulation.invariants import Watch
from tests.simulation.machine import Machine
from tests.simulation.memory_journal import MemoryJournal
from tests.simulation.sim_git import RED, SimGit
from tests.simulation.weather import Killed, Weather, WorldClock
from tests.story.office import SHOP

BOT = "shop-bot"
STEPS = 400
"""How many rounds a life may take; an undisturbed one takes a hundred."""

QUIET_ROUNDS = 5
"""How long nothing may happen until a life is believed to be at its end."""

ALWAYS_GOOD = tuple(int(temper is Temper.GOOD) for temper in ALL_TEMPERS)
BROUGHT_BY_BASE = b"A shop that adds.\n"


@dataclass
class Fatal(Weather):
    """Kills at chosen boundaries, counted from the beginning of the life; notes what stood around each."""

    ends_at: frozenset[int] = frozenset()
    names: list[str] = field(default_factory=list)
    deaths: int = 0

    def boundary(self) -> None:
        caller = sys._getframe(2)
        self.names.append(f"{caller.f_code.co_name} in {Path(caller.f_code.co_filename).stem}")
        self.boundaries += 1
        if self.boundaries in self.ends_at:
            self.deaths += 1
            raise Killed


class RebasingGit(SimGit):
    """What the base brings was in the branch's first commit: it conflicts, and git can rebase it nevertheless."""

    def _changed(self, key: int, base: str, head: str) -> tuple[str, ...]:
        found = super()._changed(key, base, head)
        return tuple(path for path in found if self.world.git.read(key, head, path) != BROUGHT_BY_BASE)


class ScriptedRuns(SimRuns):
    """Workers break the check at first, mend it, and rework what the reviewer rejects."""

    def _work(self, run: SimRun) -> Event:
        place = self.folder(run.id) / "checkout"
        checkout = self.git.checkouts[place]
        before = self.world_file(checkout.repo_id, checkout.commit, "shop.py")
        if before.startswith(b"green"):
            self.git.commit(place, "shop.py", before + b"# once more\n")
        elif before.startswith(RED):
            self.git.commit(place, "shop.py", b"green\n")
        else:
            self.git.commit(place, "README.md", BROUGHT_BY_BASE)
            self.git.commit(place, "README.md", b"A shop that adds up.\n")
            self.git.commit(place, "shop.py", RED + b" it does not compile\n")
        return WorkDelivered(run.id, "Sort the list", "It sorts now.", "make check")

    def _review(self, run: SimRun) -> Event:
        head = run.order.run.head
        if run.order.context["round"] == 1:
            return ReviewRejected(run.id, head, "once more, please", (Finding("a test is missing", "major"),))
        return ReviewApproved(run.id, head, "Fine.")

    def world_file(self, repo_id: int, commit: str, path: str) -> bytes:
        found = self.git.world.git.read(repo_id, commit, path)
        return found if isinstance(found, bytes) else b""


@dataclass
class MortalMachine(Machine):
    """A dispatcher that dies at chosen boundaries."""

    ends_at: frozenset[int] = frozenset()
    agents: type[SimRuns] = ScriptedRuns

    def __post_init__(self) -> None:
        self.weather = Fatal(self.chance, self.clock, ends_at=self.ends_at)
        self.git = RebasingGit(self.world, self.caller, self.weather, self.watch)
        self.runs = self.agents(
            self.name, self.folder, self.clock, self.chance, self.weather, self.git, self.watch, ALWAYS_GOOD
        )


@dataclass
class QuickLife:
    """One life in memory. `ends_at`: the numbers of the boundaries at which the dispatcher dies."""

    folder: Path
    ends_at: frozenset[int] = frozenset()
    scene: Scene = field(init=False)
    machine: MortalMachine = field(init=False)
    watch: Watch = field(init=False)
    has_moved: bool = False
    agents: ClassVar[type[SimRuns]] = ScriptedRuns

    def __post_init__(self) -> None:
        self.clock = WorldClock()
        self.scene = scene_in_memory(self.clock, Settings(mergeable_unknown_reads=0))
        for login in ("alice", "bob", BOT):
            self.scene.add_user(login)
        files = {"shop.py": "def total(prices):\n    return 0\n", "README.md": "A shop.\n"}
        people = {"alice": "write", "bob": "write", BOT: "write"}
        self.scene.add_repo(SHOP, files, collaborators=people)
        self.machine = self._employ()

    def _employ(self) -> MortalMachine:
        roles = tuple((role, ("scripted",)) for role in ("worker", "reviewer", "responder"))
        rules = RepoRules("shop", "acme", "shop", agents=roles, limits=Limits(redispatch_cooldown_s=60))
        caps = Caps(10, 1000, 0)
        caller = caller_of(self.scene.world, self.scene.add_token(BOT))
        self.watch = Watch(self.scene.world, caller.account.id, LabelNames(), {SHOP: rules}, caps)
        return MortalMachine(
            name="one",
            world=self.scene.world,
            caller=caller,
            clock=self.clock,
            chance=Random(1),
            settings=EngineSettings((rules,), caps, instance="one"),
            journal=MemoryJournal(),
            watch=self.watch,
            folder=self.folder,
            ends_at=self.ends_at,
            agents=self.agents,
        )

    @property
    def weather(self) -> Fatal:
        assert isinstance(self.machine.weather, Fatal)
        return self.machine.weather

    @property
    def boundaries(self) -> list[str]:
        """The names of the boundaries that were crossed, in order."""
        return self.weather.names

    @property
    def deaths(self) -> int:
        return self.weather.deaths

    # ------------------------------------------------------------ the story

    def live(self) -> End:
        """Label, work, red check, work, reject, rework, approve, the base moves into a conflict, rebase, hand over."""
        alice = self.scene.person("alice")
        number = alice.open_issue(SHOP, "total() is wrong", "It returns 0.")
        key = ItemKey(self.scene.world.repo(SHOP).id, number)
        alice.label(SHOP, number, "bot")
        self.watch.asked.add(key)
        quiet = 0
        for _ in range(STEPS):
            self._one_round()
            if self.is_handed_over() and not self.has_moved:
                self._base_moves()
            quiet = quiet + 1 if self.is_handed_over() and self.has_moved and not self._is_busy() else 0
            if quiet == QUIET_ROUNDS:
                return self._end(key)
        raise AssertionError(f"did not get to its end: {self.machine.journal.load_task(key)}")

    def _one_round(self) -> None:
        machine = self.machine
        machine.tick()
        while machine.engine is not None and len(machine.jobs):
            machine.work()
            machine.tick()
        for run in machine.runs.live():
            machine.runs.advance(run)
        self.watch.check()
        self.clock.pass_by(1900 if self.is_handed_over() else 20)

    def _base_moves(self) -> None:
        self.scene.person("bob").push(SHOP, "main", {"README.md": BROUGHT_BY_BASE})
        self.has_moved = True

    def is_handed_over(self) -> bool:
        pulls = self.scene.pulls(SHOP)
        return bool(pulls) and self.scene.labels(SHOP, pulls[0].number) == {"merge-ready"}

    def _is_busy(self) -> bool:
        journal, machine = self.machine.journal, self.machine
        return bool(
            machine.engine is None or journal.load_effects() or journal.load_live_runs() or len(machine.jobs)
        )

    def _end(self, key: ItemKey) -> End:
        task = self.machine.journal.load_task(key)
        assert isinstance(task, Task)
        end = end_of(self.scene, self.machine.journal, task, list(self.machine.watch.runs))
        return end | {"violations": self.watch.violations, "accidents": self.machine.accidents}
