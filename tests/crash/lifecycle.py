"""One whole life of a task, told twice: once undisturbed, once with a dispatcher that dies on the way."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from dispatcher import app
from tests.crash.endings import End, end_of
from tests.crash.fate import Door, Fate, Killed
from tests.story.office import APPROVE, DONE, PATIENCE_S, SHOP, Office, Steps, TestClock, rejects

ROUNDS = 12
"""How often half an hour may pass until everything is at its end; an undisturbed life takes three."""

PACE = timedelta(seconds=0.05)
GOOD = "def total(prices):\n    return sum(prices)\n"


class MortalClock(TestClock):
    """A clock at which nobody dead waits."""

    __test__ = False

    def __init__(self, fate: Fate) -> None:
        super().__init__()
        self.fate = fate

    def wait(self, seconds: float) -> None:
        self.fate.live()
        super().wait(seconds)


@dataclass
class Life(Office):
    """An office whose dispatcher may die; whoever watches starts it again, as a service manager would."""

    fate: Fate = field(default_factory=Fate)
    number: int = 0
    restarts: int = 0

    def open(self) -> None:
        self.fate.holds(self._stack)
        self.script = {
            "worker": [self._writes(), self._reworks()],
            "reviewer": [self._rejects(), self._approves()],
        }
        super().open()

    def start(self) -> None:
        """Start a dispatcher; one that dies while it starts is started again."""
        self.box.door.faults = Door(fate=self.fate)
        host = {"DISPATCHER_GITHUB_TOKEN": self.token, "PATH": os.environ["PATH"], "HOME": str(self.root)}
        while True:
            self.daemon = app.build_engine(
                self.settings, clock=self.clock, environment=host, log_to_stderr=False
            )
            self.engine = self.daemon.engine
            try:
                self.engine.start()
            except Killed:
                self._is_gone()
            else:
                return

    def close(self) -> None:
        """Whatever failed on the way, also while it opened: what is put together from now on is immortal again."""
        with self._stack:
            self.fate.spares()
            if hasattr(self, "engine"):
                super().close()

    # ------------------------------------------------------------ what the agents do

    @property
    def diary(self) -> Path:
        """Every agent that really began wrote its run's folder down here."""
        return self.root / "diary"

    def _begins(self) -> dict[str, Any]:
        return {"run": ["/bin/sh", "-c", f'echo "${{DISPATCHER_RUN_DIR##*/}}" >> {self.diary}']}

    def _writes(self) -> Steps:
        """The first attempt does not pass the check; its first commit is what the base will bring later."""
        breaks = [
            {"write": "README.md", "text": "A shop that adds.\n"},
            {"commit": "Say what it does"},
            {"write": "README.md", "text": "A shop that adds up.\n"},
            {"commit": "Say it better"},
            {"write": "shop.py", "text": "def total(:\n"},
            {"commit": "Break it"},
        ]
        mends = [{"write": "shop.py", "text": GOOD}, {"commit": "Mend it"}]
        return [self._begins(), {"if": {"prompt_has": "SyntaxError"}, "then": mends, "else": breaks}, DONE]

    def _reworks(self) -> Steps:
        return [self._begins(), {"append": "shop.py", "text": "# once more\n"}, {"commit": "Once more"}, DONE]

    def _rejects(self) -> Steps:
        return [self._begins(), *rejects("once more, please", line=2)]

    def _approves(self) -> Steps:
        return [self._begins(), APPROVE]

    # ------------------------------------------------------------ the story

    def live(self) -> None:
        """Label, work, red check, work, reject, rework, approve, the base moves into a conflict, rebase, approve."""
        self.number = self.asks("total() is wrong")
        has_moved, quiet = False, 0
        for _ in range(ROUNDS):
            self.settle_whatever_happens()
            if self.is_handed_over() and not has_moved:
                self.person("bob").push(SHOP, "main", {"README.md": "A shop that adds.\n"})
                has_moved = True
            elif self.is_handed_over():
                quiet += 1
            if quiet == 2:
                return
            self.later(minutes=31)
        raise AssertionError(
            f"died at {self.fate.deaths} and did not get to the end\n{self.why_not_settled()}"
        )

    def is_handed_over(self) -> bool:
        pulls = self.box.scene.pulls(SHOP)
        return bool(pulls) and self.shown(pulls[0].number) == {"merge-ready", "@alice"}

    def settle_whatever_happens(self, then: Callable[[], object] = lambda: None) -> None:
        """As `settle`, started again after each death; `then` is what people do before that."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                self.tick()
                if not self.is_busy():
                    return
                self._let_work_go_on()
            except Killed:
                self._is_gone()
                then()
                self.start()
            assert time.monotonic() < deadline, f"died at {self.fate.deaths}\n{self.why_not_settled()}"
            self.clock.moment += PACE

    def _is_gone(self) -> None:
        """The process is gone, with everything that it had in its hands."""
        self.restarts += 1
        self.engine.desk.jobs.settle(PATIENCE_S)
        self.daemon.close()
        self.fate.revive()

    # ------------------------------------------------------------ the end

    def end(self) -> End:
        """Everything that people can see on the forge, and what it cost."""
        agents = self.diary.read_text().split()
        return end_of(self.box.scene, self.engine.desk.journal, self.task(self.number), agents)


@contextmanager
def living(root: Path, fate: Fate) -> Iterator[Life]:
    life = Life(root, MortalClock(fate), fate=fate)
    try:
        life.open()
        yield life
    finally:
        life.close()
