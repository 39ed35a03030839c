"""An agent that wants to go on after its end: nothing of it is alive when the dispatcher says that the run is over."""

import fcntl
from collections.abc import Iterator
from pathlib import Path

import pytest

from dispatcher.core.model import Stage
from dispatcher.core.rules import Limits
from tests.attacks.conftest import boxed, ground_at
from tests.attacks.ground import Ground, hostile
from tests.story.office import writes

WAYS = ["child", "session", "double-fork", "renamed"]
PROCESSES = 60


def survivors(name: str) -> list[dict[str, object]]:
    """A worker that leaves a process of each kind behind, and ends well."""
    return [*hostile(*(f"survive:{way}" for way in WAYS)), *writes()]


@pytest.fixture(scope="module")
def grave(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """Three agents: one ends and leaves processes behind, one must be killed and ignores it, one forks without end."""
    limits = Limits(redispatch_cooldown_s=60, silence_s=2, attempts=1, processes=PROCESSES)
    with ground_at(tmp_path_factory.mktemp("alive"), rules=boxed(), limits=limits) as ground:
        ground.plan("ends", worker=[survivors("ends")])
        stubborn = [{"ignore": ["INT", "TERM", "HUP"]}, *survivors("hangs"), {"hang": True}]
        ground.plan("hangs", worker=[stubborn])
        ground.plan("forks", worker=[[*hostile(f"fork_bomb:{PROCESSES * 3}"), *writes()]])
        ground.go()
        yield ground


def is_alive(file: Path) -> bool:
    """Whether somebody holds the lock on this file, whatever namespace they are in."""
    with file.open("r+") as held:
        try:
            fcntl.lockf(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
    return False


@pytest.mark.parametrize("end", ["ends", "hangs"])
@pytest.mark.parametrize("way", WAYS)
def test_a_process_outlives_the_run(grave: Ground, way: str, end: str) -> None:
    for run in grave.runs(end):
        file = run / "out" / f"alive-{way}"
        assert file.exists(), "the process was there"
        assert not is_alive(file)


@pytest.mark.control
def test_control_a_process_of_a_living_run_is_seen(tmp_path: Path) -> None:
    with ground_at(tmp_path, rules=boxed()) as ground:
        ground.plan("lives", worker=[[*survivors("lives"), {"hang": True}]])
        ground.ask("lives")
        ground.settle(until=ground.office.has_live_run)
        folder = ground.runs("lives")[0] / "out"
        ground.settle(until=(folder / f"alive-{WAYS[-1]}").exists)
        assert [way for way in WAYS if is_alive(folder / f"alive-{way}")] == WAYS


@pytest.mark.parametrize("name", ["ends", "hangs", "forks"])
def test_something_with_the_mark_of_the_run_is_left(grave: Ground, name: str) -> None:
    assert [
        grave.office.processes_of(run.name) for run in grave.runs(name) if grave.office.processes_of(run.name)
    ] == []


def test_a_fork_bomb_has_no_end(grave: Ground) -> None:
    assert grave.loot("forks", f"fork_bomb:{PROCESSES * 3}")["reached"] == ""


def test_a_fork_bomb_keeps_others_from_their_work(grave: Ground) -> None:
    assert grave.office.stage(grave.numbers["ends"]) is Stage.MERGE_READY


def test_a_run_that_ignores_every_signal_is_never_over(grave: Ground) -> None:
    assert not grave.office.has_live_run()
    assert grave.office.stage(grave.numbers["hangs"]) in {Stage.BLOCKED, Stage.MERGE_READY}, (
        "what it had delivered counts"
    )
