"""The daemon as a real process, ended in every way: what its agents do meanwhile, and what the next one makes of it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.story.office import PATIENCE_S, SHOP, says, writes

ROOT = Path(__file__).parents[2]
PROGRAM = "from dispatcher.surfaces.cli import main; main()"


class Building:
    """An office in which the dispatcher is a process of its own, started and stopped from the command line."""

    def __init__(self, office) -> None:
        self.office = office
        self.file = office.write_config()
        self.daemons: list[subprocess.Popen] = []
        office.stop()
        self.number = office.asks()
        office.worker([{"wait_for": str(office.root / "go")}, *writes()])

    def daemon(self) -> subprocess.Popen:
        """Start `dispatcher run`, as after a reboot: nothing of the environment but what it needs."""
        env = {"PATH": os.environ["PATH"], "HOME": str(self.office.root), "PYTHONPATH": str(ROOT)}
        env |= {"DISPATCHER_GITHUB_TOKEN": self.office.token, "no_proxy": "127.0.0.1"}
        command = [sys.executable, "-c", PROGRAM, "run", "--config", str(self.file)]
        log = (self.office.root / f"daemon-{len(self.daemons)}.txt").open("wb")
        with log:
            started = subprocess.Popen(command, env=env, stdout=log, stderr=log, cwd=self.office.root)
        self.daemons.append(started)
        return started

    def printed(self) -> str:
        """What the last daemon said."""
        return (self.office.root / f"daemon-{len(self.daemons) - 1}.txt").read_text()

    def until(self, holds) -> None:
        """Wait for what the daemon does by itself; the clock of the forge goes on."""
        deadline = time.monotonic() + PATIENCE_S
        while not holds():
            assert time.monotonic() < deadline, self.printed()
            self.office.later(seconds=1)
            time.sleep(0.02)

    def is_working(self) -> bool:
        """Whether the agent is alive and its run is known to the journal as running."""
        return len(self.office.started()) == 1 and "running" in self.office.status()

    def is_handed_over(self) -> bool:
        pulls = self.office.box.scene.pulls(SHOP)
        return bool(pulls) and self.office.shown(pulls[0].number) == {"merge-ready", "@alice"}

    def agents(self) -> list[int]:
        """Everything alive that carries the mark of the first run."""
        return [process.pid for run in self.office.started()[:1] for process in self.office.processes_of(run)]

    def go(self) -> None:
        (self.office.root / "go").write_text("")

    def close(self) -> None:
        """End whatever is left: daemons by their ids, runs as `stop --kill` does, and hand the folder back."""
        for process in self.daemons:
            if process.poll() is None:
                process.kill()
            process.wait()
        self.office.start()


@pytest.fixture
def building(office):
    one = Building(office)
    try:
        yield one
    finally:
        one.close()


def test_a_daemon_killed_mid_run_leaves_the_agent_and_the_next_one_adopts_it(building):
    office = building.office
    first = building.daemon()
    building.until(building.is_working)
    agents = building.agents()
    first.kill()
    first.wait()
    assert building.agents() == agents, "the agent does not notice"
    assert "Dispatcher not running" in office.status()

    building.daemon()
    building.until(lambda: "Dispatcher running" in office.status())
    assert building.agents() == agents
    building.go()
    building.until(building.is_handed_over)

    assert len(office.started()) == 2, "one worker, one reviewer"
    assert len(office.box.scene.pulls(SHOP)) == 1
    assert "0 of 3 attempts used" in office.explained(building.number)


@pytest.mark.long
def test_an_agent_that_finishes_while_no_daemon_lives_is_collected_by_the_next(building):
    first = building.daemon()
    building.until(building.is_working)
    first.kill()
    first.wait()
    building.go()
    building.until(lambda: not building.agents())

    building.daemon()
    building.until(building.is_handed_over)
    assert len(building.office.started()) == 2


@pytest.mark.long
def test_a_daemon_killed_again_and_again_does_everything_once(building):
    office = building.office
    building.go()
    for _ in range(6):
        daemon = building.daemon()
        seen = len(office.box.requests)
        building.until(lambda seen=seen: len(office.box.requests) >= seen + 7 or building.is_handed_over())
        daemon.kill()
        daemon.wait()
    building.daemon()
    building.until(building.is_handed_over)

    assert len(office.started()) == 2
    assert len(office.box.scene.pulls(SHOP)) == 1
    assert len(office.reviews(office.box.scene.pulls(SHOP)[0].number)) == 1
    assert office.status_comments(building.number) == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_polite_end_takes_less_than_two_seconds_and_leaves_the_run(building, number):
    took_s = []
    building.daemon()
    building.until(building.is_working)
    agents = building.agents()
    # The best of three: on a machine that is busy with other things one end may be late for no fault of ours.
    while min(took_s, default=2.0) >= 2 and len(took_s) < 3:
        daemon = building.daemons[-1] if not took_s else building.daemon()
        building.until(lambda: "Dispatcher running" in building.office.status())
        daemon.send_signal(number)
        asked_at = time.monotonic()
        assert daemon.wait(timeout=PATIENCE_S) == 0
        took_s.append(time.monotonic() - asked_at)

    assert min(took_s) < 2
    assert building.agents() == agents


def test_a_daemon_that_is_told_to_end_while_it_still_starts_ends_politely(building):
    lock = building.office.root / building.office.state / "lock"
    lock.unlink(missing_ok=True)
    daemon = building.daemon()
    building.until(lambda: lock.exists() and lock.stat().st_size > 0)
    daemon.send_signal(signal.SIGTERM)

    assert daemon.wait(timeout=PATIENCE_S) == 0


@pytest.mark.long
def test_stop_with_kill_ends_the_runs_and_counts_them_against_nobody(building):
    office = building.office
    daemon = building.daemon()
    building.until(building.is_working)

    assert "ends its runs and stops" in office.asked("stop", "--kill")
    assert daemon.wait(timeout=PATIENCE_S) == 0
    building.until(lambda: not building.agents())

    building.go()
    building.daemon()
    building.until(building.is_handed_over)
    told = office.explained(building.number)
    assert "RunCancelled" in told
    assert len(office.started()) == 3


def test_stop_with_kill_after_a_crash_ends_what_was_left_behind(building):
    daemon = building.daemon()
    building.until(building.is_working)
    daemon.kill()
    daemon.wait()

    assert "1 run(s) that it left were ended" in building.office.asked("stop", "--kill")
    assert building.agents() == []


@pytest.mark.long
def test_drain_lets_the_run_finish_begins_nothing_new_and_ends(building):
    office = building.office
    daemon = building.daemon()
    building.until(building.is_working)

    assert "starts nothing new and stops when its runs have ended" in office.asked("drain")
    building.go()
    assert daemon.wait(timeout=PATIENCE_S) == 0

    (pull,) = office.box.scene.pulls(SHOP)
    assert office.shown(pull.number) == {"bot", "needs-review"}, "the work is published, the review waits"
    assert len(office.started()) == 1

    building.daemon()
    building.until(building.is_handed_over)


def test_a_second_daemon_is_refused_and_told_who_holds_the_folder(building):
    first = building.daemon()
    building.until(building.is_working)

    second = building.daemon()
    assert second.wait(timeout=PATIENCE_S) == 3
    assert f"pid {first.pid} on" in building.printed()
    assert "dispatcher stop" in building.printed()
    assert first.poll() is None


@pytest.mark.long
def test_an_order_for_one_task_reaches_the_daemon(building):
    office = building.office
    office.worker(says("question", "Which prices?"))
    building.daemon()
    building.until(lambda: "Which prices?" in office.explained(building.number))
    office.worker(writes())

    assert "is carried out in a moment" in office.asked("retry", f"{SHOP}#{building.number}")
    building.until(building.is_handed_over)
