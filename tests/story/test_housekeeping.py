"""The disk of a dispatcher that runs for months: what goes, what stays, what is kept first; and journals in trouble."""

import json
import os
import resource
import subprocess
from dataclasses import replace
from datetime import timedelta

import pytest

from dispatcher.core.errors import JournalUnusable
from dispatcher.core.housekeeping import DAY_S, KeepRules
from dispatcher.core.model import Stage
from dispatcher.core.rules import Limits
from dispatcher.engine.patience import PATIENCE
from tests.story.office import SHOP, opened, rejects, says, writes

pytestmark = pytest.mark.long

HANG = [{"write": "half.py", "text": "half = True\n"}, {"print": "thinking"}, {"hang": True}]


def stored(office):
    runs = office.root / office.state / "runs"
    return sorted(entry.name for entry in runs.iterdir() if not entry.name.startswith("."))


def bundles(office):
    folder = office.root / office.state / "bundles"
    return sorted(folder.iterdir()) if folder.is_dir() else []


def keeps_house(office):
    """Time passes until the next round is due, and the round is over."""
    office.later(minutes=61)
    office.tick()
    office.settle(
        until=lambda: office.engine.housekeeper is not None and not office.engine.housekeeper.is_at_work
    )


def merged(office):
    number = office.asks()
    office.settle()
    office.person().merge(SHOP, office.pull(number))
    office.settle()
    assert office.stage(number) is Stage.DONE
    return number


def unpacked(office, bundle):
    """The files that a person gets out of a bundle, in a clone of what the forge has."""
    clone = office.root / "clone"
    mirror = next((office.root / office.state / "git" / "repos").glob("*/mirror.git"))
    subprocess.run(["git", "clone", "-q", str(mirror), str(clone)], check=True, capture_output=True)
    subprocess.run(
        ["git", "fetch", "-q", str(bundle), f"bot/kept/{bundle.stem}"],
        cwd=clone,
        check=True,
        capture_output=True,
    )
    shown = subprocess.run(
        ["git", "ls-tree", "-r", "--name-only", "FETCH_HEAD"],
        cwd=clone, check=True, capture_output=True, text=True,
    )  # fmt: skip
    return shown.stdout.split()


def test_runs_of_a_merged_task_go_after_a_fortnight_and_nothing_is_lost(office):
    number = merged(office)
    runs = stored(office)
    assert len(runs) == 2

    office.later(days=13)
    keeps_house(office)
    assert stored(office) == runs

    office.later(days=1)
    keeps_house(office)
    assert stored(office) == []
    assert bundles(office) == [], "what was merged is on the forge"
    assert len(office.run_ids()) == 2, "the journal still tells of them"
    assert office.stage(number) is Stage.DONE


def test_a_full_disk_takes_finished_runs_early_and_no_others(office):
    office.worker([{"if": {"prompt_has": "zebra"}, "then": says("question", "Which?"), "else": writes()}])
    asking = office.asks("zebra")
    office.settle()
    merged(office)
    assert office.stage(asking) is Stage.BLOCKED
    (kept,) = [record.run.id for record in office.engine.desk.journal.load_runs(office.task(asking).key)]
    assert len(stored(office)) == 3

    office.engine.desk.settings = _with(office, KeepRules(runs_bytes=1))
    keeps_house(office)

    assert stored(office) == [kept]
    assert any("belongs to tasks that go on" in what for what in office.notes())
    office.later(days=400)
    keeps_house(office)
    assert stored(office) == [kept], "a person may still want to look"


def _with(office, keep):
    return replace(office.engine.desk.settings, keep=keep)


def test_a_live_run_outlasts_every_age_and_size(office):
    office.worker(HANG)
    office.asks()
    office.settle(until=office.has_live_run)
    office.engine.desk.settings = _with(office, KeepRules(runs_s=DAY_S, runs_bytes=1))
    office.later(days=30)

    keeps_house(office)

    assert stored(office) == office.run_ids()
    assert office.has_live_run()


def test_work_that_was_never_published_is_kept_as_a_bundle_before_its_folder_goes(office):
    office.worker([*HANG[:1], {"crash": 3}])
    number = office.asks()
    office.settle()
    office.person().close(SHOP, number)
    office.settle()
    (run,) = office.run_ids()

    office.later(days=15)
    keeps_house(office)

    assert stored(office) == []
    (bundle,) = bundles(office)
    assert bundle.name == f"{run}.bundle"
    assert "half.py" in unpacked(office, bundle)
    assert any(str(bundle) in what for what in office.notes())


def test_work_that_cannot_be_read_stays_and_a_person_is_told(office):
    office.worker([*writes()[:2], {"run": ["sh", "-c", "rm -rf .git && ln -s / .git"]}, {"crash": 3}])
    number = office.asks()
    office.settle()
    office.person().close(SHOP, number)
    office.settle()
    runs = stored(office)

    office.later(days=15)
    keeps_house(office)

    assert stored(office) == runs
    assert any("remove the run's folder yourself" in what for what in office.notes())


def test_one_round_by_hand_keeps_house_too(office):
    merged(office)
    office.later(days=15)
    office.stop()
    office.start()
    office.daemon.once()
    assert stored(office) == []


def test_a_mirror_that_nobody_needs_goes_and_the_others_stay(tmp_path):
    with opened(tmp_path, repos=[SHOP, "acme/depot"]) as office:
        merged(office)
        kept = office.asks(repo="acme/depot")
        office.settle()
        mirrors = tmp_path / "state" / "git" / "repos"
        for mirror in mirrors.iterdir():
            os.utime(mirror / "lock", (0, 0))  # not used for years
        office.configure(repos=["acme/depot"])
        office.later(days=15)

        keeps_house(office)  # the run folders go
        office.later(days=1)
        keeps_house(office)

        assert [entry.name for entry in mirrors.iterdir()] == [str(office.box.world.repo("acme/depot").id)]
        assert office.stage(kept, "acme/depot") is Stage.MERGE_READY


# ---------------------------------------------------------------- by command


def test_clean_says_what_would_go_and_then_removes_it(office):
    merged(office)
    (office.root / "config.toml").unlink(missing_ok=True)
    office.write_config("[housekeeping]\nkeep_runs_days = 1")
    runs = stored(office)

    tried = office.asked("clean", "--dry-run")
    assert all(f"{run}: would go" in tried for run in runs), tried
    assert "older than 1 days" in tried
    assert stored(office) == runs

    done = office.asked("clean")
    assert all(f"{run}: removed" in done for run in runs), done
    assert stored(office) == []
    assert json.loads(office.asked("clean", "--json").rpartition("exit code")[0])["runs"] == []


def test_clean_before_anything_was_dispatched(office):
    office.state = "another"
    assert "Nothing was ever dispatched" in office.asked("clean", "--dry-run")


# ---------------------------------------------------------------- the journal in trouble


def test_rebuilding_the_journal_loses_no_stage_and_no_pull_request(office):
    office.limits = Limits(rounds=1, redispatch_cooldown_s=60)
    office.reviewer(rejects("not yet"))
    office.restart()
    done = office.asks()
    office.settle()
    assert office.stage(done) is Stage.BLOCKED
    before = (office.stage(done), office.shown(office.pull(done)))
    office.stop()

    assert "is a new journal" in office.asked("journal", "rebuild")

    office.start()
    office.later(minutes=31)
    office.settle()
    assert (office.stage(done), office.shown(office.pull(done))) == before
    assert len(office.box.scene.pulls(SHOP)) == 1


def no_more_room():
    """The operating system refuses every write of this process beyond a few bytes, as a full disk does."""
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, hard))


def room_again():
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))


def test_a_disk_that_is_full_for_a_while_is_waited_for(office, caplog):
    number = office.asks()
    seen = []

    def before_tick():
        seen.append(office.clock.now())
        office.engine.watcher.look_now()
        if len(seen) == 2:
            no_more_room()
        if len(seen) == 6:
            room_again()
        if office.has_task(number) and office.stage(number) is Stage.MERGE_READY:
            office.engine.desk.stop_asked = True
        assert len(seen) < 5_000, office.why_not_settled()

    try:
        office.engine.run(before_tick=before_tick)
    finally:
        room_again()
    office.engine.desk.stop_asked = False

    assert "Trying again for 10 minutes; runs go on." in caplog.text
    assert "the journal can be used again" in caplog.text
    assert office.stage(number) is Stage.MERGE_READY
    assert office.roles() == ["worker", "reviewer"]
    assert len(office.box.scene.pulls(SHOP)) == 1


def test_a_journal_that_stays_unusable_ends_the_dispatcher_with_its_message(office):
    began = office.clock.now()
    office.asks()

    def full():
        office.engine.watcher.look_now()
        no_more_room()

    try:
        with pytest.raises(JournalUnusable, match=r"journal\.sqlite3: the journal cannot be"):
            office.engine.run(before_tick=full)
    finally:
        room_again()

    assert office.clock.now() - began >= PATIENCE
    assert office.clock.now() - began < PATIENCE + timedelta(minutes=5)
