"""Run folders as things on a disk: what they weigh, and that only what is over can be removed."""

import os
import signal
from datetime import UTC, datetime, timedelta

import pytest

from dispatcher.core.errors import RetryLater
from dispatcher.core.model import Role
from dispatcher.runs import proctree
from dispatcher.runs.folder import load_json
from dispatcher.runs.plan import load_plan
from dispatcher.runs.stored import StoredFolders
from tests.runs.conftest import Desk, until


def stored(desk: Desk) -> StoredFolders:
    return StoredFolders(desk.root)


def test_where_nothing_ever_ran_nothing_is_stored(desk: Desk) -> None:
    assert stored(desk).stored() == ()
    stored(desk).clear_removed()


def test_a_folder_weighs_what_is_in_it(desk: Desk) -> None:
    desk.shell(
        "head -c 300000 /dev/zero > big; ln -s / everything; mkdir deep; head -c 100000 /dev/zero > deep/file"
    )
    run_id = desk.finished().run_id
    footprint = stored(desk).weigh(run_id)
    assert 400_000 <= footprint.size_bytes < 2_000_000
    assert datetime.now(UTC) - footprint.changed_at < timedelta(minutes=2)
    assert footprint.leaves_work
    assert not footprint.is_running


@pytest.mark.parametrize("role", [Role.REVIEWER, Role.RESPONDER])
def test_only_a_worker_leaves_work(desk: Desk, role: Role) -> None:
    desk.role = role
    run_id = desk.finished().run_id
    assert not stored(desk).weigh(run_id).leaves_work


def test_a_run_that_lives_is_not_removed(desk: Desk) -> None:
    desk.shell("echo here; sleep 600")
    run_id = desk.started()
    until(lambda: desk.folder(run_id).log.exists() and "here" in desk.log(run_id))
    assert stored(desk).weigh(run_id).is_running
    with pytest.raises(RetryLater, match="lives"):
        stored(desk).remove(run_id)
    assert desk.folder(run_id).checkout.is_dir()
    desk.runs.stop(run_id, "enough", at_once=True)
    desk.finished(run_id)


def test_a_removed_run_is_absent_and_leaves_nothing(desk: Desk) -> None:
    run_id, other = desk.finished().run_id, desk.finished().run_id
    stored(desk).remove(run_id)
    stored(desk).remove(run_id)
    assert stored(desk).stored() == (other,)
    assert desk.runs.known() == (other,)
    assert desk.runs.report(run_id).state == "absent"
    assert not (desk.root / ".removed").exists()


def test_an_interrupted_removal_is_finished_and_never_taken_for_a_run(desk: Desk) -> None:
    run_id = desk.finished().run_id
    aside = desk.root / ".removed"
    aside.mkdir()
    desk.folder(run_id).path.rename(aside / run_id)
    assert stored(desk).stored() == ()
    assert desk.runs.known() == ()
    stored(desk).clear_removed()
    assert not aside.exists()


@pytest.mark.long
def test_trees_that_are_locked_or_very_deep_go_as_well(desk: Desk) -> None:
    desk.shell(
        "mkdir -p locked/in; echo x > locked/in/file; chmod -R a-rwx locked; "
        "i=0; while [ $i -lt 1500 ]; do mkdir d; cd d; i=$((i+1)); done"
    )
    run_id = desk.finished().run_id
    assert stored(desk).weigh(run_id).size_bytes > 0
    stored(desk).remove(run_id)
    assert stored(desk).stored() == ()


def test_what_a_link_points_to_is_neither_weighed_nor_removed(desk: Desk) -> None:
    precious = desk.root.parent / "precious"
    precious.mkdir()
    (precious / "file").write_bytes(b"x" * 5_000_000)
    desk.shell(f"ln -s {precious} link")
    run_id = desk.finished().run_id
    assert stored(desk).weigh(run_id).size_bytes < 2_000_000
    stored(desk).remove(run_id)
    assert (precious / "file").exists()


def test_half_made_folders_and_damaged_plans_are_stored_too(desk: Desk) -> None:
    run_id = desk.finished().run_id
    desk.folder(run_id).plan.write_text('{"role": "king"}')
    (desk.root / "half-made").mkdir()
    (desk.root / "a file").write_text("")
    (desk.root / "link").symlink_to("/")
    assert stored(desk).stored() == tuple(sorted(["half-made", run_id]))
    assert stored(desk).weigh(run_id).leaves_work, "what it was is not known: it counts as work"
    assert not stored(desk).weigh("half-made").leaves_work
    for one in stored(desk).stored():
        stored(desk).remove(one)
    assert stored(desk).stored() == ()


def test_a_removal_ends_what_a_dead_supervisor_left_alive(desk: Desk) -> None:
    desk.isolation = "plain"
    desk.shell("sleep 600 & echo here; wait")
    run_id = desk.started()
    until(lambda: desk.folder(run_id).log.exists() and "here" in desk.log(run_id))
    started = load_json(desk.folder(run_id).started)
    assert started
    supervisor = started["supervisor"]
    assert isinstance(supervisor, list)
    os.kill(int(supervisor[0]), signal.SIGKILL)
    until(lambda: desk.runs.report(run_id).state == "lost")
    plan = load_plan(desk.folder(run_id))
    assert plan
    assert proctree.find_marked(plan.mark)
    stored(desk).remove(run_id)
    assert proctree.find_marked(plan.mark) == []
