"""How often GitHub is asked: while nothing happens, and on the way from a label to a merge-ready pull request."""

import json
import re
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs

from stage import (
    BOT,
    LEVELS,
    PERSON,
    BenchClock,
    Row,
    add_people,
    add_repos,
    engine_at_work,
    forge_without_git,
    make_settings,
    write_script,
)

from dispatcher import app
from dispatcher.core.model import ItemKey, Stage
from dispatcher.simulator.box import GitHubBox, Scene
from dispatcher.simulator.frontdoor import Logged

WATCHED = (1, 50, 1000)
CYCLES = 10
WAITING_ISSUES = 5
AGENT_WORKS_S = 300.0
STEP_S = 5.0
PATIENCE_S = 120.0
SHOP = "acme/shop"


def measure() -> list[Row]:
    """Rows of (name, value, goal)."""
    rows = []
    for count in WATCHED:
        rows += idle_rows(count)
    rows += lifecycle_rows("without rework", 12, reworks=0)
    rows += lifecycle_rows("with one rework", 20, reworks=1)
    return rows


# ---------------------------------------------------------------- while nothing happens


def idle_rows(count: int) -> list[Row]:
    """A cycle is one look at both lists, as it is due every two minutes with the defaults; start-up is left out."""
    names = [f"acme/repo-{number}" for number in range(count)]
    clock = BenchClock()
    with (
        tempfile.TemporaryDirectory(prefix="bench-idle-") as folder,
        forge_without_git(clock) as (scene, door, url),
    ):
        add_repos(scene, names)
        _add_waiting_issues(scene, names[0])
        settings = make_settings(Path(folder), url, names)
        with engine_at_work(settings, clock, scene.add_token(BOT)) as daemon:
            _settle(daemon, clock)
            start_up = len(door.log)
            per_cycle = [
                _cycle(daemon, clock, door.log, settings.list_poll_interval_s) for _ in range(CYCLES)
            ]
            hour = _idle_hour(daemon, clock, door.log) if count == WATCHED[-1] else []
    statuses = Counter(logged.status for cycle in per_cycle for logged in cycle)
    told = "all 304" if set(statuses) == {304} else f"answers {dict(statuses)}"
    counts = "/".join(str(number) for number in sorted({len(cycle) for cycle in per_cycle}))
    rows = [(f"requests per idle cycle, {count:,} repositories watched", f"{counts}, {told}", "2, all 304")]
    if hour:
        paid = sum(logged.status != 304 for logged in hour)
        rows += [
            (f"requests until the first idle cycle, {count:,} repositories", f"{start_up}", "-"),
            (
                f"requests in an idle hour, {count:,} repositories (defaults, with sweeps)",
                f"{len(hour)}, of them {paid} not 304",
                "-",
            ),
        ]
    return rows


def _add_waiting_issues(scene: Scene, repo: str) -> None:
    """Issues that somebody has: the lists are not empty, and nothing is to be done."""
    alice = scene.person(PERSON)
    for number in range(WAITING_ISSUES):
        issue = alice.open_issue(repo, f"Waiting {number}", "")
        alice.assign(repo, issue, PERSON)
        alice.label(repo, issue, "bot")


def _settle(daemon: app.Daemon, clock: BenchClock) -> None:
    """Start-up: two looks, so that all cursors are known."""
    for _ in range(3):
        daemon.tick()
        clock.wait(121)


def _cycle(daemon: app.Daemon, clock: BenchClock, log: list[Logged], pause_s: float) -> list[Logged]:
    before = len(log)
    clock.wait(pause_s)
    daemon.tick()
    return log[before:]


def _idle_hour(daemon: app.Daemon, clock: BenchClock, log: list[Logged]) -> list[Logged]:
    before, end = len(log), clock.now().timestamp() + 3600
    while clock.now().timestamp() < end:
        daemon.tick()
        clock.wait(daemon.engine.pause_s())
    return log[before:]


# ---------------------------------------------------------------- from the label to merge-ready


@dataclass(frozen=True)
class Traffic:
    """The requests of one lifecycle; git's own are left out."""

    work: Counter[str]
    polls: Counter[int]
    upkeep: int

    @property
    def paid_polls(self) -> int:
        """Polls that brought something (mostly the echo of our own writes), and so count against the quota."""
        return self.polls.total() - self.polls[304]

    @property
    def paid(self) -> int:
        """Every request that counts against the quota."""
        return self.work.total() + self.upkeep + self.paid_polls


def lifecycle_rows(name: str, goal: int, reworks: int) -> list[Row]:
    """From the label to merge-ready; a row for the sum, and rows for what it is made of."""
    traffic = record_lifecycle(reworks)
    kinds = ", ".join(f"{number} {kind}" for kind, number in traffic.work.most_common())
    polls = (
        f"{traffic.paid_polls} of {traffic.polls.total()} polls; {traffic.upkeep} for the half-hourly sweep"
    )
    return [
        (
            f"API requests, label to merge-ready {name}, besides the polls",
            str(traffic.work.total()),
            f"<= {goal}",
        ),
        (f"API requests, label to merge-ready {name}, all but free 304s", str(traffic.paid), f"<= {goal}"),
        ("  what they are", kinds, "-"),
        ("  answered with more than a 304", polls, "-"),
    ]


def record_lifecycle(reworks: int) -> Traffic:
    """Default intervals and limits, nothing known of anybody's rights; every agent works for five (virtual) minutes."""
    clock = BenchClock()
    with tempfile.TemporaryDirectory(prefix="bench-lifecycle-") as folder:
        root = Path(folder)
        with GitHubBox(root / "forge", clock=clock.now) as box:
            add_people(box.scene)
            repo = box.scene.add_repo(
                SHOP, {"shop.py": "def total(prices):\n    return 0\n"}, collaborators=LEVELS
            )
            write_script(root, _script(reworks))
            with engine_at_work(
                make_settings(root, box.url, [SHOP]), clock, box.scene.add_token(BOT)
            ) as daemon:
                _settle(daemon, clock)
                desk = daemon.engine.desk
                desk.forge.create_labels(desk.repos[repo.id])  # as `init` did once
                before = len(box.requests)
                alice = box.scene.person(PERSON)
                issue = alice.open_issue(SHOP, "total() is wrong", "It returns 0.")
                alice.label(SHOP, issue, "bot")
                _follow(daemon, clock, ItemKey(repo.id, issue))
                return _sort(box.requests[before:])


def _script(reworks: int) -> dict[str, list]:
    gate = {"wait_for": "../out/go"}
    done = {"outcome": {"outcome": "done", "title": "Sum up", "body": "It sums.", "tested": "import"}}
    finding = {"severity": "major", "path": "shop.py", "line": 1, "text": "Say what it returns."}
    reject = {"outcome": {"outcome": "request-changes", "summary": "Almost.", "findings": [finding]}}
    approve = {"outcome": {"outcome": "approve", "summary": "Fine.", "findings": []}}
    first = [
        gate,
        {"write": "shop.py", "text": "def total(prices):\n    return sum(prices)\n"},
        {"commit": "Sum"},
        done,
    ]
    again = [gate, {"append": "shop.py", "text": "# the sum\n"}, {"commit": "Say it"}, done]
    return {"worker": [first, again], "reviewer": [[gate, reject]] * reworks + [[gate, approve]]}


def _follow(daemon: app.Daemon, clock: BenchClock, key: ItemKey) -> None:
    """Tick as `run` does. Real work (git, checks) takes none of the virtual time."""
    desk, deadline = daemon.engine.desk, time.monotonic() + PATIENCE_S
    while not _is_ready(daemon, key):
        if time.monotonic() > deadline:
            raise TimeoutError(f"not merge-ready: {desk.journal.load_task(key)} {desk.journal.load_notes()}")
        daemon.tick()
        live = [record.run.id for record in desk.journal.load_live_runs()]
        thinking = [run for run in live if desk.runs.report(run).state == "running"]
        if thinking:
            _let_work(daemon, clock, thinking[0])
        elif live or len(desk.jobs):
            time.sleep(0.01)
        else:
            clock.wait(daemon.engine.pause_s())


def _let_work(daemon: app.Daemon, clock: BenchClock, run: str) -> None:
    """An agent's minutes pass in steps that miss no poll."""
    runs, end = daemon.engine.desk.runs, clock.now().timestamp() + AGENT_WORKS_S
    while clock.now().timestamp() < end:
        daemon.tick()
        clock.wait(STEP_S)
    (runs.folder(run) / "out" / "go").touch()
    while runs.report(run).state == "running":
        time.sleep(0.01)


def _is_ready(daemon: app.Daemon, key: ItemKey) -> bool:
    journal = daemon.engine.desk.journal
    task = journal.load_task(key)
    return task is not None and task.stage is Stage.MERGE_READY and not journal.load_effects()


def _sort(requests: Sequence[Logged]) -> Traffic:
    work, polls, upkeep = Counter[str](), Counter[int](), 0
    for logged in requests:
        if ".git/" in logged.path:
            continue
        kind, query = _kind(logged), parse_qs(logged.query)
        if kind == "GET /notifications" or (kind == "GET /issues" and query.get("state") == ["all"]):
            polls[logged.status] += 1
        elif kind in {"GET /issues", "GRAPHQL Repos"}:
            upkeep += 1
        else:
            work[kind] += 1
    return Traffic(work, polls, upkeep)


def _kind(logged: Logged) -> str:
    if logged.path == "/graphql":
        return f"GRAPHQL {json.loads(logged.body)['operationName']}"
    return f"{logged.method} " + re.sub(r"/[0-9]+|/main\.\.\.[0-9a-f]+", "/*", logged.path)


if __name__ == "__main__":
    for row in measure():
        print(*row, sep=" | ")
