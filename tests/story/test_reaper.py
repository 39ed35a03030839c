"""Who is dead, who only looks dead, and who must not be killed: runs as the dispatcher finds them again."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest

from dispatcher.core.model import Stage
from dispatcher.core.rules import Caps
from dispatcher.runs import proctree
from dispatcher.runs.folder import RunFolder
from dispatcher.runs.plan import load_plan
from dispatcher.workspace.lock import hold_lock
from tests.story.office import SHOP, opened, writes

HANG = [{"print": "thinking"}, {"hang": True}]
PATIENCE_S = 30.0


def waits(office):
    """A worker that begins, and goes on when the test says so."""
    return [{"print": "here"}, {"wait_for": str(office.root / "go")}, *writes()]


def lets_go(office):
    (office.root / "go").write_text("")


def until(condition):
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def folder_of(office, run):
    return RunFolder(office.engine.desk.runs.folder(run))


def result_of(office, run):
    return office.engine.desk.journal.load_run(run).result.partition(" (")[0]


def agent_of(office, run):
    pid, ticks = json.loads(folder_of(office, run).started.read_text())["agent"]
    return pid, ticks


@pytest.fixture
def bystander():
    """A process that has nothing to do with any run."""
    process = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    yield process
    assert process.poll() is None, "a stranger was killed"
    process.kill()
    process.communicate()


@contextmanager
def slow_git(office):
    """Somebody else works on the mirror: a start has to wait."""
    repo = office.box.world.repo(SHOP).id
    with hold_lock(office.root / office.state / "git" / "repos" / str(repo) / "lock", PATIENCE_S):
        yield


def test_after_a_reboot_the_run_is_lost_and_whoever_has_its_pids_now_is_left_alone(office, bystander):
    office.worker(HANG)
    number = office.asks()
    office.settle(
        until=lambda: office.has_live_run() and folder_of(office, office.run_ids()[0]).started.exists()
    )
    (run,) = office.run_ids()
    office.stop()
    os.kill(office.supervisor_of(run), signal.SIGKILL)
    until(lambda: office.processes_of(run) == [])
    stranger = proctree.load_process(bystander.pid)
    started = json.loads(folder_of(office, run).started.read_text())
    started |= {"boot_id": "the boot before", "agent": [stranger.pid, stranger.started_ticks]}
    folder_of(office, run).started.write_text(json.dumps(started))

    office.worker(writes())
    office.start()
    office.settle(until=lambda: result_of(office, run))

    assert result_of(office, run) == "RunDied"
    assert bystander.poll() is None
    office.later(minutes=2)
    office.settle()
    assert office.stage(number) is Stage.MERGE_READY
    assert office.roles() == ["worker", "worker", "reviewer"]


def test_a_pid_that_another_program_got_meanwhile_is_left_alone(office, bystander):
    office.worker(HANG)
    number = office.asks()
    office.settle(
        until=lambda: office.has_live_run() and folder_of(office, office.run_ids()[0]).started.exists()
    )
    (run,) = office.run_ids()
    os.kill(office.supervisor_of(run), signal.SIGKILL)
    started = json.loads(folder_of(office, run).started.read_text())
    started["agent"] = [bystander.pid, 1]
    folder_of(office, run).started.write_text(json.dumps(started))

    office.settle(until=lambda: result_of(office, run))

    assert result_of(office, run) == "RunDied"
    assert bystander.poll() is None
    assert office.processes_of(run) == []
    assert office.stage(number) is Stage.QUEUED


def test_an_agent_that_deletes_its_run_is_tried_three_times_and_then_a_person_is_asked(office):
    office.worker(
        [{"run": ["/bin/sh", "-c", 'rm -rf "$DISPATCHER_RUN_DIR"'], "may_fail": True}, {"hang": True}]
    )
    number = office.asks()
    for _ in range(6):
        office.settle()
        office.later(minutes=61)
    assert office.stage(number) is Stage.BLOCKED
    assert office.roles() == ["worker"] * 3
    assert {result_of(office, run).partition(" ")[0] for run in office.run_ids()} == {"RunDied"}


def test_a_run_whose_folder_is_gone_ends_once_and_nothing_of_it_lives_on(office):
    office.worker(HANG)
    number = office.asks()
    office.settle(
        until=lambda: [one.state for one in office.engine.desk.journal.load_live_runs()] == ["running"]
    )
    (run,) = office.run_ids()
    mark = load_plan(folder_of(office, run)).mark
    until(lambda: b"thinking" in folder_of(office, run).log.read_bytes())  # from here on it is silent
    office.worker(writes())
    shutil.rmtree(folder_of(office, run).path)

    office.settle(until=lambda: result_of(office, run))

    assert result_of(office, run).startswith("RunDied")
    until(lambda: proctree.find_marked(mark) == [])
    office.later(minutes=2)
    office.settle()
    assert office.roles() == ["worker", "worker", "reviewer"]
    assert office.stage(number) is Stage.MERGE_READY
    ends = [one.event for one in office.engine.desk.journal.load_decisions(office.task(number).key, limit=99)]
    assert (ends.count("RunDied"), ends.count("RunCancelled")) == (1, 0)


def test_a_cold_start_that_takes_longer_than_many_ticks_is_waited_for(office):
    with slow_git(office):
        number = office.asks()
        office.settle(until=lambda: office.run_ids() and len(office.engine.desk.jobs))
        for _ in range(20):
            office.tick()
            office.later(seconds=30)
        (run,) = office.run_ids()
        assert office.engine.desk.journal.load_run(run).state == "reserved"
        assert office.stage(number) is Stage.WORKING
        assert office.task(number).attempts == 1

    office.settle()

    assert office.run_ids()[0] == run
    assert office.roles() == ["worker", "reviewer"]
    assert office.stage(number) is Stage.MERGE_READY


def test_a_dispatcher_that_dies_during_a_cold_start_starts_the_same_run_once(office):
    with slow_git(office):
        number = office.asks()
        office.settle(until=lambda: office.run_ids() and len(office.engine.desk.jobs))
        (run,) = office.run_ids()
        office.daemon.close()  # no waiting for what is under way
    office.engine.desk.jobs.settle(PATIENCE_S)
    office.start()

    office.settle()

    assert office.run_ids()[0] == run
    assert office.roles() == ["worker", "reviewer"]
    assert office.stage(number) is Stage.MERGE_READY


def test_one_run_ends_and_another_begins_in_one_tick(tmp_path):
    with opened(tmp_path, caps=Caps(live_runs=1, batch_pause_s=0)) as office:
        office.worker([{"print": "here"}, {"wait_for": str(office.root / "go")}, {"crash": 3}])
        first, second = office.asks("one"), office.asks("two")
        office.settle(until=office.has_live_run)
        (old,) = office.run_ids()
        lets_go(office)
        until(lambda: office.engine.desk.runs.report(old).state == "ended")
        assert office.engine.desk.journal.load_run(old).state != "ended", "nobody looked yet"
        office.worker(writes())

        office.tick()

        journal = office.engine.desk.journal
        (live,) = journal.load_live_runs()
        assert result_of(office, old) == "RunDied"
        assert live.run.id == office.run_ids()[1]
        assert live.task.number != journal.load_run(old).task.number
        for _ in range(5):
            office.later(minutes=1)
            office.settle()
        assert {office.stage(first), office.stage(second)} == {Stage.MERGE_READY}
        assert sorted(office.roles()) == ["reviewer"] * 2 + ["worker"] * 3


def test_a_run_at_95_percent_of_its_limit_that_still_prints_is_not_dead(office):
    """The dispatcher's own clock runs on to the limit and beyond; only the supervisor, who is there, judges."""
    office.worker(waits(office))
    number = office.asks()
    office.settle(until=office.has_live_run)
    (run,) = office.run_ids()

    for minutes in (
        57,
        3,
        10,
    ):  # 95 % of an hour, all of it, and the seventy minutes that others called death
        office.later(minutes=minutes)
        office.tick()
        assert office.has_live_run()
        assert office.run_ids() == [run]
        assert office.task(number).run.id == run
    lets_go(office)
    office.settle()

    assert office.roles() == ["worker", "reviewer"]
    assert office.stage(number) is Stage.MERGE_READY


def test_a_restart_at_95_percent_of_the_limit_adopts_the_run(office):
    office.worker(waits(office))
    number = office.asks()
    office.settle(until=office.has_live_run)
    office.later(minutes=57)
    office.restart()
    office.tick()
    assert office.has_live_run()
    lets_go(office)
    office.settle()
    assert office.roles() == ["worker", "reviewer"]
    assert office.stage(number) is Stage.MERGE_READY
