"""The seeded driver: one seed is one exact replay. Chooses who acts next, checks the invariants after every step."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from random import Random

from dispatcher.core.model import HoldKind, Stage, Task
from dispatcher.core.policy import is_blocked_for_agents, why_waiting
from dispatcher.core.rules import AgentConfig, Caps, LabelNames, Limits, RepoRules
from dispatcher.engine.desk import EngineSettings
from dispatcher.ports import Journal
from dispatcher.simulator import Settings, caller_of, scene_in_memory
from dispatcher.simulator.world import InboxFaults
from tests.simulation.agents import WEIGHTS
from tests.simulation.invariants import Violation, Watch, invariant_9
from tests.simulation.machine import Machine
from tests.simulation.memory_journal import MemoryJournal
from tests.simulation.people import ALLOWED, BOT, STRANGERS, People
from tests.simulation.reading import key_of
from tests.simulation.weather import WorldClock

PERSONS_TURN = {Stage.NEW, Stage.MERGE_READY, Stage.BLOCKED, Stage.DONE, Stage.DROPPED}
PERSONS_HOLDS = {
    HoldKind.ASSIGNED_TO_PERSON,
    HoldKind.BLOCKED_BY_ISSUES,
    HoldKind.ITEM_CLOSED,
}
"""Waiting for one of these is waiting for a person."""
PATIENCE_STEPS = 3000
"""How many calm steps a world may take to come to rest."""

_ROLES = tuple((role, ("scripted", "second")) for role in ("worker", "reviewer", "responder"))
_AGENTS = {"scripted": AgentConfig("scripted", "claude"), "second": AgentConfig("second", "codex")}


@dataclass
class Simulation:
    """A world, its people, and one or two dispatchers in it."""

    seed: int
    folder: Path
    make_journal: Callable[[str], Journal] = field(default=lambda _name: MemoryJournal())
    keeps_trace: bool = False
    steps: int = 0
    trace: list[str] = field(default_factory=list)
    machines: list[Machine] = field(init=False)
    people: People = field(init=False)
    watch: Watch = field(init=False)
    _calm_since: datetime | None = None

    def __post_init__(self) -> None:
        self.chance = chance = Random(self.seed)
        self.clock = WorldClock()
        self._digest = sha256()
        unknown_reads = chance.choice((0, 0, 1))
        settings = Settings(
            mergeable_unknown_reads=unknown_reads, notification_delay_s=chance.choice((0, 0, 16))
        )
        self.scene = scene_in_memory(self.clock, settings)
        for login in (*ALLOWED, *STRANGERS, BOT):
            self.scene.add_user(login)
        self.repos = ("acme/shop", "acme/depot")[: chance.choice((1, 1, 2))]
        for name in self.repos:
            levels = {"alice": "write", "bob": "admin", "trudy": "triage", "mallory": "read", BOT: "write"}
            self.scene.add_repo(name, {"shop.py": "green\n", "README.md": "A shop.\n"}, collaborators=levels)
        self.caller = caller_of(self.scene.world, self.scene.add_token(BOT))
        self._employ(chance)

    def _employ(self, chance: Random) -> None:
        limits = Limits(
            attempts=chance.choice((2, 3)),
            rounds=chance.choice((2, 3, 5)),
            redispatch_cooldown_s=chance.choice((60, 300, 1800)),
            worker_s=3600,
            ci_wait_s=chance.choice((600, 3600)),
            usd_per_run=chance.choice((0.0, 1.5)),
            usd_per_task=chance.choice((0.0, 2.5, 5.0)),
        )
        repo_cap = chance.choice((1, 2, 10))
        rules = tuple(_rules(name, limits, repo_cap) for name in self.repos)
        per_role = chance.choice(((), (("reviewer", 1),)))
        caps = Caps(
            chance.choice((1, 2, 4)),
            1000,
            chance.choice((0, 0, 30)),
            per_role,
            chance.choice((0.0, 0.0, 6.0)),
        )
        world = self.scene.world
        by_name = {rule.full_name: rule for rule in rules}
        self.watch = Watch(world, self.caller.account.id, LabelNames(), by_name, caps)
        self.people = People(self.scene, self.repos, chance, self.watch)
        names = ("one", "two")[: chance.choice((1, 1, 1, 2))]
        self.people.may_delete_any_claim = len(names) == 1
        self.loses_journals = chance.random() < 0.3
        index_late_s = chance.choice((None, None, None, 0.0, 90.0))
        self.machines = [
            Machine(
                name=name,
                world=world,
                caller=self.caller,
                clock=self.clock,
                chance=chance,
                settings=EngineSettings(rules, caps, instance=name, agents=_AGENTS),
                journal=self.make_journal(name),
                watch=self.watch,
                folder=self.folder / f"{self.seed}-{name}",
                skew_s=chance.choice((0.0, 0.0, 40.0, -40.0, 130.0, -130.0)),
                index_late_s=index_late_s,
            )
            for name in names
        ]

    # ------------------------------------------------------------ results

    @property
    def violations(self) -> list[Violation]:
        return self.watch.violations

    @property
    def digest(self) -> str:
        """Names everything that happened: equal for equal runs."""
        return self._digest.hexdigest()[:16]

    @property
    def accidents(self) -> list[str]:
        """Errors that nobody foresaw, but for the full disk that we made ourselves."""
        found = [one for machine in self.machines for one in machine.accidents]
        found += [one for machine in self.machines if machine.engine for one in machine.engine.desk.accidents]
        return [one for one in found if "No space left" not in one]

    # ------------------------------------------------------------ running

    def run(self, steps: int) -> None:
        """Trouble for so many steps, then calm until everything has come to rest."""
        for _ in range(3):
            self._step(self.people.act)
        for _ in range(steps):
            self._step(self._choose())
        self.settle()

    def _step(self, act: Callable[[], str]) -> None:
        self.steps += 1
        self.watch.step = self.steps
        said = f"{self.clock.moment:%H:%M:%S} {act()}"
        self.watch.check()
        self._digest.update(said.encode())
        if self.keeps_trace:
            self.trace.append(f"{self.steps} {said}")

    def _choose(self) -> Callable[[], str]:
        machine = self.chance.choice(self.machines)
        acts: tuple[tuple[Callable[[], str], float], ...] = (
            (machine.tick, 40),
            (machine.work, 10),
            (lambda: self._agent_acts(machine), 16),
            (self._time_passes, 14),
            (self.people.act, 14),
            (lambda: self._weather_changes(machine), 3),
            (lambda: self._ambush(machine), 4),
            (machine.kill, 1),
            (lambda: machine.lose_journal(self.make_journal), 0.5 if self.loses_journals else 0),
        )
        return self.chance.choices([act for act, _ in acts], [weight for _, weight in acts])[0]

    def _time_passes(self) -> str:
        seconds = self.chance.choice((1, 5, 20, 30, 61, 61, 300, 900, 1860))
        self.clock.pass_by(seconds)
        return f"{seconds} s pass"

    def _agent_acts(self, machine: Machine) -> str:
        live = machine.runs.live()
        if not live:
            return "no agent is at work"
        run = self.chance.choice(live)
        machine.runs.advance(run)
        self.watch.is_dirty = True
        return f"{run.temper} agent {run.id}: {run.state}"

    # ------------------------------------------------------------ faults

    def _weather_changes(self, machine: Machine) -> str:
        weather = machine.weather
        kind = self.chance.choice(
            ("calm", "forge", "quota", "lists", "replicas", "git", "disk", "journal", "full", "inbox")
        )
        match kind:
            case "calm":
                weather.calm()
            case "forge":
                weather.forge_fails = self.chance.choice((0.1, 0.3, 1.0))
            case "quota":
                weather.forge_spent = 0.1
            case "lists":
                weather.lists_stale = 0.7
            case "replicas":
                weather.snapshots_stale = 0.3
            case "full":
                weather.runs_fail = weather.git_fails = 0.2
                weather.journal_fails = 0.1
            case "git":
                weather.git_fails = 0.3
            case "disk":
                weather.runs_fail = 0.2
            case "journal":
                weather.journal_fails = 0.05
            case _:
                lose, double, late = (self.chance.randrange(4) for _ in range(3))
                self.scene.world.inbox_faults = InboxFaults(
                    lose, double, late, late_s=self.chance.choice((16, 300))
                )
        return f"weather of {machine.name}: {kind}"

    def _ambush(self, machine: Machine) -> str:
        """Somewhere inside the coming ticks something happens: a kill, a person, the other dispatcher."""
        weather = machine.weather
        moment = self.chance.randint(1, 14)
        kinds = ["kill", "person"] + ["other"] * (len(self.machines) > 1)
        kind = self.chance.choice(kinds)
        if kind == "kill":
            weather.kill_in = moment
        else:
            weather.meanwhile_in = moment
            weather.meanwhile = self.people_meanwhile if kind == "person" else self._other(machine)
        return f"in {moment} moments of {machine.name}: {kind}"

    def people_meanwhile(self) -> None:
        self._say(self.people.act())

    def _other(self, machine: Machine) -> Callable[[], None]:
        others = [one for one in self.machines if one is not machine]
        return lambda: self._say(others[0].tick())

    def _say(self, what: str) -> None:
        self._digest.update(what.encode())
        if self.keeps_trace:
            self.trace.append(f"{self.steps}   meanwhile {what}")

    # ------------------------------------------------------------ the end

    def settle(self) -> None:
        """Faults off, people quiet: everything must reach a person or an end."""
        for machine in self.machines:
            machine.weather.calm()
            machine.runs.tempers = WEIGHTS
        self.scene.world.inbox_faults = InboxFaults()
        limit = self.steps + PATIENCE_STEPS
        while not self.is_at_rest() and self.steps < limit:
            for machine in self.machines:
                self._step(machine.tick)
                while machine.engine is not None and len(machine.jobs):
                    self._step(machine.work)
                    self._step(machine.tick)
                for _ in range(len(machine.runs.live())):
                    self._step(lambda machine=machine: self._agent_acts(machine))  # type: ignore[misc]
            self._step(self._calm_time_passes)
        self._judge_the_end()

    def _calm_time_passes(self) -> str:
        self.clock.pass_by(61 if self.steps % 3 else 400)
        return "time passes"

    def is_at_rest(self) -> bool:
        """Whether nothing is under way or can begin by itself; the sweep has seen everything since the trouble ended."""
        return all(self._machine_rests(machine) for machine in self.machines)

    def _machine_rests(self, machine: Machine) -> bool:
        if machine.engine is None or machine.runs.live() or len(machine.jobs):
            return False
        desk = machine.engine.desk
        if (
            machine.journal.load_effects()
            or machine.journal.load_live_runs()
            or desk.look_alarms
            or desk.agenda.has_news
        ):
            return False
        if self._calm_since is None:
            self._calm_since = self.clock.moment
        has_swept = (self.clock.moment - self._calm_since).total_seconds() > 2 * desk.settings.sweep_s + 300
        return has_swept and all(
            self._waits_for_person(machine, task) for task in machine.journal.load_tasks()
        )

    def _waits_for_person(self, machine: Machine, task: Task) -> bool:
        if task.stage in PERSONS_TURN:
            return True
        assert machine.engine is not None
        situation = machine.engine._starter.situation()
        hold = why_waiting(task, situation, machine.engine.desk.clock.now())
        if hold is not None and hold.kind is HoldKind.AGENTS_ON_HOLD and hold.until is None:
            return any(map(is_blocked_for_agents, machine.journal.load_tasks()))
        return hold is not None and hold.kind in PERSONS_HOLDS

    def _judge_the_end(self) -> None:
        for machine in self.machines:
            for task in machine.journal.load_tasks():
                if machine.engine is None or not self._waits_for_person(machine, task):
                    self.watch.violate(
                        9, f"{machine.name}: {task.name} is {task.stage} ({task.hold}) in the end"
                    )
            for stored in machine.journal.load_effects():
                self.watch.violate(9, f"{machine.name}: {stored.effect.key} is still pending: {stored.error}")
        for repo in self.scene.world.repos.values():
            for issue in repo.issues.values():
                known = [machine.journal.load_task(key_of(issue)) for machine in self.machines]
                invariant_9(self.watch, issue, [task for task in known if task])
        for accident in self.accidents:
            self.watch.violate(9, f"accident: {accident}")


def _rules(name: str, limits: Limits, live_runs: int) -> RepoRules:
    owner, _, short = name.partition("/")
    return RepoRules(short, owner, short, agents=_ROLES, limits=limits, live_runs=live_runs)
