"""What an idle tick costs with ten thousand open tasks, against one with ten."""

import statistics
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from stage import BOT, BenchClock, Row, add_repos, engine_at_work, forge_without_git, make_settings

from dispatcher import app
from dispatcher.core.model import ItemKey, ItemSummary, Person, Stage, Task
from dispatcher.core.rules import LabelNames
from dispatcher.journal.store import SqlJournal
from dispatcher.ports import Forge, Repo
from dispatcher.simulator.box import Scene
from dispatcher.simulator.world import Settings as ForgeSettings

FEW, MANY = 10, 10_000
TICKS = 200
WARM_UP = 10
SWEEP_S = 1800
SHOP = "acme/shop"


def measure() -> list[Row]:
    """Rows of (name, value, goal). Ticks with few and with many tasks take turns, so that a busy machine slows both."""
    clock = BenchClock()
    with (
        tempfile.TemporaryDirectory(prefix="bench-engine-") as folder,
        forge_without_git(clock, ForgeSettings(poll_interval_s=1)) as (scene, door, url),
        ExitStack() as stack,
    ):
        add_repos(scene, [SHOP])
        daemons = []
        for count in (FEW, MANY):
            root = Path(folder) / str(count)
            settings = make_settings(root, url, [SHOP], poll_interval_s=1, list_poll_interval_s=0)
            tasks = _fill_journal(settings.journal_path, scene, clock, count)
            daemon = stack.enter_context(engine_at_work(settings, clock, scene.add_token(BOT)))
            desk = daemon.engine.desk
            desk.forge = ShowsAllUnchanged(desk.forge, tasks)
            daemons.append(daemon)
        first_s = _tick_each(daemons, clock)[1]
        for _ in range(WARM_UP):
            _tick_each(daemons, clock)
        before = len(door.log)
        wall = [_tick_each(daemons, clock) for _ in range(TICKS)]
        answers = {logged.status for logged in door.log[before:]}
        polls = (len(door.log) - before) / (2 * TICKS)
        clock.wait(SWEEP_S)
        sweep_s = _tick_each(daemons, clock)[1]
    few, many = (statistics.median(times) for times in zip(*wall, strict=True))
    return [
        (
            f"idle tick with {MANY:,} open tasks, against one with {FEW} ({polls:.0f} polls over HTTP, {answers} each)",
            f"{many / few:.2f} x ({many * 1000:.1f} ms, {few * 1000:.1f} ms)",
            "<= 1.2 x",
        ),
        (
            f"tick of the half-hourly sweep, {MANY:,} open tasks, without its requests",
            f"{sweep_s:.1f} s",
            "-",
        ),
        (f"first tick after a start, {MANY:,} open tasks, none looked at before", f"{first_s:.1f} s", "-"),
    ]


def _tick_each(daemons: Sequence[app.Daemon], clock: BenchClock) -> list[float]:
    """One tick of each, in which both polls are due and answered with 304. Seconds."""
    clock.wait(2)
    taken = []
    for daemon in daemons:
        begun = time.perf_counter()
        daemon.tick()
        taken.append(time.perf_counter() - begun)
    return taken


def _fill_journal(path: Path, scene: Scene, clock: BenchClock, count: int) -> list[Task]:
    """Open tasks for which nothing is to be done now: a third each with a person, cooling down, and asked and assigned."""
    path.parent.mkdir(parents=True)
    repo = scene.world.repo(SHOP)
    alice = Person(scene.world.account("alice").id, "alice")
    with SqlJournal(path) as journal:
        tasks = [_waiting_task(ItemKey(repo.id, number), alice, clock) for number in range(1, count + 1)]
        for task in tasks:
            journal.save_task(task)
    return tasks


def _waiting_task(key: ItemKey, alice: Person, clock: BenchClock) -> Task:
    base = Task(
        key=key, repo=SHOP, title=f"Task {key.number}", requester=alice, base="main", seen_at=clock.now()
    )
    match key.number % 3:
        case 0:
            return replace(base, stage=Stage.BLOCKED, blocked_why="Which one?")
        case 1:
            return replace(base, stage=Stage.QUEUED, assignees=(alice,))
        case _:
            return replace(base, stage=Stage.QUEUED, cooldown_until=clock.now() + timedelta(days=1))


class ShowsAllUnchanged:
    """The real forge, but for the first sweep: it would look for every task where there is none, and finds all as they were."""

    def __init__(self, forge: Forge, tasks: Sequence[Task]) -> None:
        self._forge = forge
        self._shown = tuple(_summary(task) for task in tasks)

    def __getattr__(self, name: str) -> object:
        return getattr(self._forge, name)

    def sweep(self, repos: Sequence[Repo], labels: Sequence[LabelNames]) -> tuple[ItemSummary, ...]:  # noqa: ARG002
        return self._shown


def _summary(task: Task) -> ItemSummary:
    """A task as the list shows it while nothing happens."""
    return ItemSummary(
        key=task.key,
        repo=task.repo,
        is_pull=False,
        title=task.title,
        author=task.requester,
        state="open",
        labels=frozenset({"needs-human" if task.stage is Stage.BLOCKED else "bot"}),
        assignees=task.assignees,
        updated_at=task.seen_at,
    )


if __name__ == "__main__":
    for row in measure():
        print(*row, sep=" | ")
