"""Two dispatchers of one account on two machines: claims keep them apart, whatever is late and whoever's clock is off."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from dispatcher.core.model import Stage
from dispatcher.core.rules import Caps
from dispatcher.simulator.faults import Fault, What
from tests.story.office import APPROVE, SHOP, Office, TestClock, colleague, opened, writes


class SkewedClock(TestClock):
    """Another machine's clock: as the first one's, but off."""

    __test__ = False

    def __init__(self, true: TestClock, skew: timedelta) -> None:
        self.true, self.skew = true, skew

    def now(self):
        return self.true.now() + self.skew

    def wait(self, seconds: float) -> None:
        self.true.wait(seconds)


@contextmanager
def two(root: Path, skew: timedelta = timedelta()) -> Iterator[tuple[Office, Office]]:
    """Two offices on one forge; agents note when they begin and end, and wait for `go` in between."""
    with opened(root) as one:
        diary, go = root / "diary", root / "go"
        notes = {
            word: {"run": ["/bin/sh", "-c", f'echo "{word} ${{DISPATCHER_RUN_DIR##*/}}" >> {diary}']}
            for word in ("begins", "ends")
        }
        waits = [notes["begins"], {"wait_for": str(go)}]
        one.worker([*waits, notes["ends"], *writes()])
        one.reviewer([*waits, notes["ends"], APPROVE])
        with colleague(one) as other:
            other.clock = SkewedClock(one.clock, skew)
            other.restart()
            yield one, other


def most_at_once(root: Path) -> int:
    """The largest number of agents that were at work at one time."""
    most = now = 0
    for line in (root / "diary").read_text().splitlines():
        now += 1 if line.startswith("begins") else -1
        most = max(most, now)
    return most


def tick_together(one: Office, other: Office) -> None:
    """One round of each at the same moment."""
    beside = threading.Thread(target=other.tick)
    beside.start()
    one.tick()
    beside.join()


def alive(*offices: Office) -> int:
    return sum(office.has_live_run() for office in offices)


@pytest.mark.samples(1)
@pytest.mark.parametrize("delayed", [(0,), (1,), (0, 1)])
def test_claims_that_cross_each_other_on_the_way_start_one_run(tmp_path, delayed):
    """The forge takes its time with one claim, the other, or both; both dispatchers ask at the same moment."""
    with two(tmp_path) as (one, other):
        for number in delayed:
            one.box.faults.add(Fault(What.DELAY, body="mutation Claim", skip=number, delay_s=0.3))
        issue = one.asks()
        for _ in range(6):
            tick_together(one, other)
            one.later(seconds=2)
            assert alive(one, other) <= 1
        one.settle(until=lambda: other.tick() or alive(one, other) == 1)

        (tmp_path / "go").write_text("")
        one.settle(until=lambda: other.tick() or _is_handed_over(one))

        assert most_at_once(tmp_path) == 1
        assert len(one.box.scene.pulls(SHOP)) == 1
        assert one.has_task(issue)
        for office in (one, other):
            assert office.engine.desk.accidents == []


@pytest.mark.samples(1)
@pytest.mark.parametrize("minutes", [-4, 4])
def test_clocks_that_are_minutes_apart_change_nothing(tmp_path, minutes):
    with two(tmp_path, timedelta(minutes=minutes)) as (one, other):
        one.asks()
        for _ in range(4):
            tick_together(one, other)
            one.later(seconds=2)
        one.settle(until=lambda: other.tick() or alive(one, other) == 1)
        one.later(minutes=20)
        for _ in range(4):
            tick_together(one, other)
            assert alive(one, other) == 1

        (tmp_path / "go").write_text("")
        one.settle(until=lambda: other.tick() or _is_handed_over(one))

        assert most_at_once(tmp_path) == 1
        assert len(one.box.scene.pulls(SHOP)) == 1


def test_a_claim_whose_owner_died_expires_and_is_taken_over(tmp_path):
    with two(tmp_path) as (one, other):
        issue = one.asks()
        one.settle(until=one.has_live_run)
        expiry = timedelta(seconds=one.limits.claim_expiry_s)
        one.engine.kill_runs()  # its machine is gone, and never says a word again
        for _ in range(10):
            one.later(minutes=10)
            other.tick()
            assert not other.has_live_run(), "the claim still counts"

        one.later(seconds=expiry.total_seconds())
        other.settle(until=other.has_live_run)
        (tmp_path / "go").write_text("")
        other.settle(until=lambda: _is_handed_over(other))

        assert other.stage(issue) is Stage.MERGE_READY
        assert len(one.box.scene.pulls(SHOP)) == 1


def _is_handed_over(office: Office) -> bool:
    pulls = office.box.scene.pulls(SHOP)
    return bool(pulls) and office.shown(pulls[0].number) == {"merge-ready", "@alice"}


def test_a_claim_that_somebody_deletes_lets_no_second_dispatcher_in(tmp_path):
    """The bot's own assignment counts as long as the claim would have; then the item is anybody's again."""
    with two(tmp_path) as (one, other):
        issue = one.asks()
        one.settle(until=one.has_live_run)
        delete_claims(one, issue)
        for _ in range(5):
            one.later(minutes=3)
            other.tick()
            one.tick()
            assert alive(one, other) == 1
            assert not other.has_live_run()

        (tmp_path / "go").write_text("")
        one.settle(until=lambda: other.tick() or _is_handed_over(one))
        assert most_at_once(tmp_path) == 1
        assert len(one.box.scene.pulls(SHOP)) == 1


def test_a_claim_that_is_deleted_between_a_look_and_the_other_claim_lets_nobody_in_either(tmp_path):
    """The second dispatcher has seen the item free, and claims it before it looks again."""
    with two(tmp_path) as (one, other):
        other.caps = Caps(live_runs=0, batch_pause_s=0)
        other.restart()
        issue = one.asks()
        other.tick()
        assert other.stage(issue) is Stage.QUEUED
        one.settle(until=one.has_live_run)
        delete_claims(one, issue)

        other.engine.desk.settings = replace(other.engine.desk.settings, caps=Caps(batch_pause_s=0))
        other.engine.desk.agenda.touch(other.task(issue).key)
        one.later(seconds=10)
        for _ in range(4):
            other.engine.tick()
            other.engine.desk.jobs.settle(60)
        assert not other.has_live_run()
        assert other.started() == []
        assert other.task(issue).attempts == 0

        (tmp_path / "go").write_text("")
        one.settle(until=lambda: _is_handed_over(one))
        assert most_at_once(tmp_path) == 1


def delete_claims(office: Office, number: int) -> None:
    claims = [one for one in office.box.scene.comments(SHOP, number) if "dispatcher:claim" in one.body]
    assert claims
    for claim in claims:
        office.box.scene.person("alice").delete_comment(SHOP, claim.id)
