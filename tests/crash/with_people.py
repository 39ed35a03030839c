"""Another life in memory: people ask, answer, push into the work and merge. It has the effects that the straight one lacks."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from dispatcher.core.events import (
    Answered,
    Event,
    QuestionAsked,
    ReviewApproved,
    ReviewRejected,
    WorkDelivered,
)
from dispatcher.core.model import Finding, ItemKey, Role, Stage
from dispatcher.simulator.pulls import pull_of
from tests.crash.endings import End
from tests.crash.in_memory import BOT, QUIET_ROUNDS, STEPS, QuickLife, ScriptedRuns
from tests.simulation.agents import SimRun, SimRuns
from tests.story.office import SHOP

WAITS_UNTIL = "until"
"""A file in the machine's folder: which of the people's pushes have happened."""


class PatientRuns(ScriptedRuns):
    """The first reviewer and the rework's worker are still at work when a person pushes."""

    def pushes(self) -> int:
        file = self.root / WAITS_UNTIL
        return len(file.read_text()) if file.exists() else 0

    def advance(self, run: SimRun) -> None:
        is_rework = run.order.role is Role.WORKER and run.order.context["round"] == 2
        if run.state == "running" and is_rework and self.pushes() == 1:
            place = self.folder(run.id) / "checkout"
            if self.git.checkouts[place].commit == self.git.checkouts[place].start:
                self.git.commit(place, "shop.py", b"green\n# once more\n")
            run.progress_at = self.clock.moment
        elif run.state == "running" and run.order.role is Role.REVIEWER and self.pushes() == 0:
            run.progress_at = self.clock.moment
        else:
            super().advance(run)

    def _work(self, run: SimRun) -> Event:
        if not any("the sum" in str(comment) for comment in _list(run.order.context["comments"])):
            return QuestionAsked(run.id, "What should it return?")
        self.git.commit(self.folder(run.id) / "checkout", "shop.py", b"green\n")
        return WorkDelivered(run.id, "Return the sum", "It does now.", "make check")

    def _review(self, run: SimRun) -> Event:
        if run.order.context["round"] == 1:
            return ReviewRejected(run.id, run.order.run.head, "once more", (Finding("no test", "major"),))
        return ReviewApproved(run.id, run.order.run.head, "Fine.")

    def _answer(self, run: SimRun) -> Event:
        return Answered(run.id, "It returns 0.")


def _list(value: object) -> list[object]:
    assert isinstance(value, list)
    return value


@dataclass
class TalkativeLife(QuickLife):
    """A mention is answered; a question blocks and is answered; a person pushes under a reviewer and under a worker; a merge."""

    agents: ClassVar[type[SimRuns]] = PatientRuns
    number: int = 0
    done: int = 0

    def live(self) -> End:
        alice = self.scene.person("alice")
        self.number = alice.open_issue(SHOP, "total() is wrong", "It returns 0.")
        alice.comment(SHOP, self.number, f"@{BOT} what does it return?")
        key = ItemKey(self.scene.world.repo(SHOP).id, self.number)
        self.watch.asked.add(key)
        quiet = 0
        for _ in range(STEPS):
            self._one_round()
            self._people_act()
            task = self.machine.journal.load_task(key)
            is_over = task is not None and task.stage is Stage.DONE and self.done == len(self._deeds())
            quiet = quiet + 1 if is_over and not self._is_busy() else 0
            if quiet == QUIET_ROUNDS:
                return self._end(key)
        raise AssertionError(
            f"did not get to its end: deed {self.done}, {self.machine.journal.load_task(key)}"
        )

    def _people_act(self) -> None:
        """The next of the people's deeds, as soon as it makes sense: they look at the forge, not at the dispatcher."""
        deeds = self._deeds()
        if self.done < len(deeds) and deeds[self.done][0]:
            self.clock.pass_by(61)
            self.watch.people_act()
            deeds[self.done][1]()
            self.done += 1
            self.clock.pass_by(61)

    def _deeds(self) -> tuple[tuple[bool, Callable[[], object]], ...]:
        """What each waits for, and what it is, in order."""
        alice, issue = self.scene.person("alice"), self.number
        said = [comment.body for comment in self.scene.comments(SHOP, issue)]
        return (
            (any("It returns 0." in body for body in said), lambda: alice.label(SHOP, issue, "bot")),
            (
                any("question" in body for body in said),
                lambda: alice.comment(SHOP, issue, f"@{BOT} the sum of the prices"),
            ),
            (self._is_at_work(Role.REVIEWER), lambda: self._pushes("one.md")),
            (self._has_committed(), lambda: self._pushes("two.md")),
            (self.is_handed_over(), lambda: alice.merge(SHOP, self._pull())),
        )

    def _pull(self) -> int:
        return self.scene.pulls(SHOP)[0].number

    def _is_at_work(self, role: Role) -> bool:
        return any(run.order.role is role for run in self.machine.runs.live())

    def _has_committed(self) -> bool:
        checkouts, runs = self.machine.git.checkouts, self.machine.runs
        return self.done == 3 and any(
            run.order.role is Role.WORKER
            and (one := checkouts[runs.folder(run.id) / "checkout"]).commit != one.start
            for run in runs.live()
        )

    def _pushes(self, name: str) -> None:
        pull = self.scene.issue(SHOP, self._pull())
        self.scene.person("alice").push(SHOP, pull_of(pull).head_ref, {name: "A thought.\n"})
        file = Path(self.folder) / WAITS_UNTIL
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("x" * (self.done - 1))
