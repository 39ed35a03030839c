"""An office whose dispatcher is the installed program, as a process of its own, and is killed as the system would do it."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dispatcher.core.model import Stage
from dispatcher.journal.store import SqlJournal
from dispatcher.ports import RunRecord
from dispatcher.runs.folder import RunFolder
from dispatcher.simulator import scripted_agent
from tests.story.office import APPROVE, DONE, SHOP, Office, Steps, TestClock

PROGRAM = Path(sys.executable).with_name("dispatcher")
PATIENCE_S = 60.0
CHECK = (sys.executable, "-c", "import shop")


class WallClock(TestClock):
    """The true time: the daemon is another process and has no other."""

    __test__ = False

    def now(self) -> datetime:
        return datetime.now(UTC)


def begins(diary: Path) -> dict[str, Any]:
    """An agent's first step: every one that really began writes its run's id down."""
    return {"run": ["/bin/sh", "-c", f'echo "${{DISPATCHER_RUN_DIR##*/}}" >> {diary}']}


@dataclass
class Served(Office):
    """People, forge and agents as in any office; the daemon is started, killed and asked from outside."""

    clock: TestClock = field(default_factory=WallClock)
    live_runs: int = 10
    process: "subprocess.Popen[bytes] | None" = None
    requests_before: int = 0

    def open(self) -> None:
        diary = self.root / "diary"
        diary.touch()
        writes: Steps = [
            begins(diary), {"sleep": 0.4}, {"write": "note.txt", "text": "Done.\n"}, {"commit": "Do it"}, DONE,
        ]  # fmt: skip
        self.script = {
            "worker": [writes],
            "reviewer": [[begins(diary), {"sleep": 0.3}, APPROVE]],
        } | self.script
        super().open()

    # ------------------------------------------------------------ the daemon

    @property
    def config(self) -> Path:
        return self.root / "config.toml"

    def configure_daemon(self) -> None:
        """Written once: the daemon and its agents read these files at any moment."""
        argv = [sys.executable, "-I", "-S", scripted_agent.__file__, str(self._save_script())]
        self.config.write_text(
            "poll_interval_s = 1\nlist_poll_interval_s = 1\n"
            f'[forge]\nbase_url = "{self.box.url}"\nwrite_pause_s = 0\nuse_gh = false\n'
            f'[paths]\nstate_dir = "{self.root / self.state}"\n'
            f"[caps]\nbatch_pause_s = 0\nlive_runs = {self.live_runs}\nruns_per_hour = 1000\n"
            '[sandbox]\nkind = "none"\n[agents]\nworker = "scripted"\nreviewer = "scripted"\nresponder = "scripted"\n'
            f"[agent.scripted]\nargv = {json.dumps(argv)}\n"
            f'[repo.shop]\nrepo = "{SHOP}"\nlive_runs = {self.live_runs}\ncheck = {json.dumps(CHECK)}\n'
        )

    def ask_program(self, *words: str) -> "subprocess.Popen[bytes]":
        """Start the program with these words; what it says goes to a file."""
        home = {"HOME": str(self.root), "PATH": os.environ["PATH"], "no_proxy": "127.0.0.1"}
        with (self.root / "said").open("ab") as said:
            return subprocess.Popen(
                [PROGRAM, *words, "--config", self.config],
                env=home | {"DISPATCHER_GITHUB_TOKEN": self.token},
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
            )

    def start(self) -> None:
        if not self.config.exists():
            self.configure_daemon()
        self.requests_before = len(self.box.requests)
        self.process = self.ask_program("run")

    def has_looked(self) -> bool:
        """Whether the daemon's first round got as far as asking for what is new."""
        return any("/issues" in one.path for one in self.box.requests[self.requests_before :])

    def kill(self) -> None:
        """SIGKILL: nothing is tidied up. Agents live on."""
        assert self.process is not None
        assert self.process.poll() is None, f"the daemon ended by itself:\n{self.said_by_program()}"
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=PATIENCE_S)

    def close(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.end_agents()
        self._stack.close()

    def end_agents(self) -> None:
        """Nothing that the daemon started outlives the story."""
        for folder in self._run_folders():
            (folder.stop).write_text('{"why": "the story is over", "at_once": true}')
        self.wait_until(lambda: not any(folder.is_supervised() for folder in self._run_folders()))

    def _run_folders(self) -> list[RunFolder]:
        root = self.root / self.state / "runs"
        return [RunFolder(path) for path in root.iterdir()] if root.is_dir() else []

    # ------------------------------------------------------------ what can be seen

    def said_by_program(self) -> str:
        return (self.root / "said").read_text()[-4000:]

    def wait_until(self, holds: Callable[[], object], patience_s: float = PATIENCE_S) -> None:
        """Poll with a deadline; a daemon that ended by itself is told at once."""
        deadline = time.monotonic() + patience_s
        while not holds():
            assert self.process is None or self.process.poll() in {None, -signal.SIGKILL, 0}, (
                self.said_by_program()
            )
            assert time.monotonic() < deadline, self.said_by_program()
            time.sleep(0.02)

    def journal(self) -> SqlJournal:
        return SqlJournal(self.root / self.state / "journal.sqlite3", read_only=True)

    def stages(self) -> list[Stage]:
        with self.journal() as journal:
            return [task.stage for task in journal.load_tasks(with_over=True)]

    def runs(self) -> tuple[RunRecord, ...]:
        with self.journal() as journal:
            return journal.load_runs(limit=1000)

    def running(self) -> int:
        """How many runs the journal knows to be running."""
        return sum(record.state == "running" for record in self.runs())

    def live_agents(self) -> int:
        return sum(folder.is_supervised() for folder in self._run_folders())

    def begun(self) -> list[str]:
        """The run ids of all agents that really began."""
        return (self.root / "diary").read_text().split()

    def later(self, **amount: float) -> None:
        """Time passes by itself here."""


@contextmanager
def served(root: Path, **settings: Any) -> Iterator[Served]:
    office = Served(root, **settings)
    office.open()
    try:
        yield office
    finally:
        office.close()


# ---------------------------------------------------------------- killed again and again


@dataclass(frozen=True)
class Losses:
    """What the kills did to the work: everything that is not as it should be, in words."""

    rounds: int
    tasks: int
    adopted: int
    lost: tuple[str, ...]
    doubled: tuple[str, ...]


def kill_again_and_again(root: Path, rounds: int, seed: int, tasks_each: int = 1) -> Losses:
    """New work, a SIGKILL at a random moment, a new start; `rounds` times. Then everything may come to its end."""
    chance, adopted = random.Random(seed), 0
    numbers: list[int] = []
    with served(root) as office:
        for _ in range(rounds):
            numbers += [office.asks(f"Wish {len(numbers) + 1}") for _ in range(tasks_each)]
            office.wait_until(office.has_looked)
            time.sleep(chance.uniform(0.0, 2.0))  # the moment is the point: nothing is waited for
            office.kill()
            adopted += office.live_agents()
            office.start()
        ends = time.monotonic() + PATIENCE_S + rounds * 5
        while not all(_is_handed_over(office, number) for number in numbers) and time.monotonic() < ends:
            time.sleep(0.1)
        office.stop()
        return Losses(rounds, len(numbers), adopted, _lost(office, numbers), _doubled(office, numbers))


def _pulls_of(office: Served, number: int) -> list[int]:
    pulls = office.box.scene.pulls(SHOP)
    return [pull.number for pull in pulls if f"Closes #{number}." in f"{pull.body}.".replace("\n", ".")]


def _is_handed_over(office: Served, number: int) -> bool:
    return [office.shown(pull) for pull in _pulls_of(office, number)] == [{"merge-ready", "@alice"}]


def _lost(office: Served, numbers: list[int]) -> tuple[str, ...]:
    """Tasks that did not arrive, and runs that the dispatcher itself cut off."""
    late = [f"#{number} is not handed over" for number in numbers if not _is_handed_over(office, number)]
    wrong = [record for record in office.runs() if record.result not in {"WorkDelivered", "ReviewApproved"}]
    return (*late, *(f"run {record.run.id} ended as {record.result}" for record in wrong))


def _doubled(office: Served, numbers: list[int]) -> tuple[str, ...]:
    """Anything that is there more than once for one cause."""
    found = [f"{run} began {n} times" for run, n in Counter(office.begun()).items() if n > 1]
    begun = Counter(run.rpartition("-")[0] for run in office.begun())
    found += [f"{n} agents for {step}" for step, n in begun.items() if n > 1]
    for number in numbers:
        pulls = _pulls_of(office, number)
        items = [number, *pulls]
        comments = sum(len(office.box.scene.comments(SHOP, item)) for item in items)
        if len(pulls) > 1:
            found.append(f"#{number} has {len(pulls)} pull requests")
        if comments > 1:
            found.append(f"#{number} has {comments} comments")
        found += [f"#{pull} has {n} reviews" for pull in pulls if (n := len(office.reviews(pull))) > 1]
    return tuple(found)
