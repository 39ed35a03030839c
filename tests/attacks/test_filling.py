"""An agent that wants all of it: memory, disk, log, the time of those who read what it left."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from dispatcher.core.model import Stage
from dispatcher.core.rules import HarvestLimits
from dispatcher.runs.folder import load_json
from dispatcher.runs.stored import StoredFolders
from tests.attacks.conftest import LIMITS, boxed, ground_at
from tests.attacks.ground import Ground, hostile, shell
from tests.story.office import DONE, writes

LOG_BYTES = 1_000_000
OUTCOME = "$DISPATCHER_RUN_DIR/out/outcome.json"

# An object of git that is small on the disk and large in memory.
BOMB = """
head -c 60000000 /dev/zero > bomb.bin; git add bomb.bin; git commit -qm bomb; rm bomb.bin; git checkout -q -- bomb.bin
"""

OUTCOMES = {
    "larger than allowed": f"truncate -s 40M {OUTCOME}",
    "nested without end": f"python3 -c \"print('[' * 200000)\" > {OUTCOME}",
    "a number without end": f"python3 -c \"print('{{\\\"outcome\\\": ' + '9' * 100000 + '}}')\" > {OUTCOME}",
    "a pipe that nobody writes": f"mkfifo {OUTCOME}",
    "a folder": f"mkdir {OUTCOME}",
    "a device": f"ln -s /dev/zero {OUTCOME}",
    "no text": f"head -c 1000 /dev/urandom > {OUTCOME}",
}


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """Agents that are greedy in a sandbox with small limits, next to one that only works."""
    rules = boxed() | {"harvest": HarvestLimits(file_bytes=1_000_000)}
    limits = replace(
        LIMITS,
        log_bytes=LOG_BYTES,
        outcome_bytes=100_000,
        memory_bytes=400_000_000,
        file_bytes=80_000_000,
        disk_bytes=100_000_000,
    )
    with ground_at(tmp_path_factory.mktemp("full"), rules=rules, limits=limits) as ground:
        ground.plan("greedy", worker=[[*hostile("memory:700", "big_file:500", "many_lines:20"), *writes()]])
        ground.plan("hoarder", worker=[[*writes(), *hostile("fill_disk:150:60")]])
        ground.plan("loud", worker=[[*hostile("long_line:100"), *writes()]])
        ground.plan("bomb", worker=[[*writes(), *shell(BOMB), DONE]])
        ground.plan("deep", worker=[[*writes(), *hostile("deep_tree:1500")]])
        ground.plan("peaceful")
        for name, script in OUTCOMES.items():
            ground.plan(name, worker=[[*writes()[:-1], *shell(script)]])
        ground.go()
        yield ground


@pytest.mark.parametrize("trick", ["memory:700", "big_file:500"])
def test_an_agent_takes_more_than_its_share(full: Ground, trick: str) -> None:
    assert full.loot("greedy", trick)["reached"] == ""


def test_many_small_files_fill_the_disk(full: Ground) -> None:
    assert full.loot("hoarder", "fill_disk:150:60")["reached"] == ""
    ended = load_json(full.runs("hoarder")[0] / "exit.json") or {}
    assert ended["because"] == "files-too-large"


@pytest.mark.control
def test_control_where_the_limit_is_higher_it_takes_it(ground: Ground) -> None:
    ground.plan("greedy", worker=[[*hostile("memory:700", "big_file:500", "fill_disk:150:0"), *writes()]])
    ground.go()
    assert ground.loot("greedy", "fill_disk:150:0")["reached"]
    assert ground.loot("greedy", "memory:700")["reached"]
    assert ground.loot("greedy", "big_file:500")["reached"]
    (ground.runs("greedy")[0] / "tmp" / "big").unlink()


@pytest.mark.parametrize(("name", "trick"), [("loud", "long_line:100"), ("greedy", "many_lines:20")])
def test_output_fills_the_disk(full: Ground, name: str, trick: str) -> None:
    assert full.loot(name, trick)
    for run in full.runs(name):
        assert sum(file.stat().st_size for file in run.iterdir() if file.is_file()) < 4 * LOG_BYTES


def test_output_hides_the_result(full: Ground) -> None:
    assert full.office.stage(full.numbers["greedy"]) is Stage.MERGE_READY
    told = full.office.asked("logs", full.runs("greedy")[0].name)
    assert "0123456789" in told
    assert "\x1b" not in told


def test_an_object_that_unfolds_is_taken_over(full: Ground) -> None:
    assert full.runs("bomb"), "a worker tried it"
    assert full.pull("bomb") is None
    assert "bomb.bin" not in full.forge_git("log", "--all", "--name-only")


@pytest.mark.parametrize("what", OUTCOMES)
def test_an_outcome_stops_the_reader(full: Ground, what: str) -> None:
    assert full.office.stage(full.numbers[what]) is Stage.BLOCKED
    assert len(full.runs(what)) == 2, "one repair run, then a person"


def test_a_tree_without_end_keeps_the_work_from_its_end(full: Ground) -> None:
    assert full.office.stage(full.numbers["deep"]) in {Stage.BLOCKED, Stage.MERGE_READY}


def test_a_tree_without_end_can_never_be_removed(full: Ground) -> None:
    for run in full.runs("deep"):
        StoredFolders(run.parent).remove(run.name)
        assert not run.exists()


def test_others_cannot_work_any_more(full: Ground) -> None:
    assert full.office.stage(full.numbers["peaceful"]) is Stage.MERGE_READY
