"""Agents fail, hang, lie and die; checks are red; the dispatcher keeps its limits and says what it needs."""

import os
import signal
import sys

import pytest

from dispatcher.core.errors import BadCredential
from dispatcher.core.model import HoldKind, Stage
from dispatcher.core.rules import Caps, Limits
from dispatcher.simulator.faults import Fault, What
from tests.story.office import APPROVE, DONE, SHOP, opened, rejects, writes

CRASH = [{"print": "oh no"}, {"crash": 3}]
HANG = [{"print": "thinking"}, {"hang": True}]


def test_a_failing_agent_is_tried_three_times_and_then_a_person_is_asked_once(office):
    office.worker(CRASH)
    number = office.asks()
    for _ in range(6):
        office.settle()
        office.later(minutes=2)

    assert office.roles() == ["worker"] * 3
    assert office.stage(number) is Stage.BLOCKED
    assert office.shown(number) == {"needs-human", "@alice"}
    assert len(office.said(number)) == 1


def test_a_malformed_outcome_gets_one_repair_run_on_the_same_checkout(office):
    office.worker(
        [
            {"write": "shop.py", "text": "def total(prices):\n    return sum(prices)\n"},
            {"commit": "Fix"},
            {"outcome_text": "{broken"},
        ]
    )
    office.script["repair"] = [[DONE]]
    office.worker(*office.script["worker"])
    number = office.asks()

    office.settle()

    assert office.roles() == ["worker", "worker", "reviewer"]
    assert office.run_ids()[1] == f"{office.run_ids()[0]}-repair"
    assert office.stage(number) is Stage.MERGE_READY
    assert office.task(number).attempts == 0


def test_a_second_malformed_outcome_asks_a_person(office):
    office.worker([{"outcome_text": "{broken"}])
    number = office.asks()

    office.settle()

    assert office.roles() == ["worker", "worker"]
    assert office.stage(number) is Stage.BLOCKED


def test_a_red_check_goes_to_a_fresh_worker_with_the_end_of_its_output(office):
    broken = writes("def total(:\n")
    office.worker([{"if": {"prompt_has": "SyntaxError"}, "then": writes(), "else": broken}])
    number = office.asks()

    office.settle()

    assert office.roles() == ["worker", "worker", "reviewer"]
    assert office.stage(number) is Stage.MERGE_READY
    assert len(office.box.scene.pulls(SHOP)) == 1


def test_the_same_red_check_three_times_asks_a_person(office):
    office.limits = Limits(attempts=9)
    office.worker([{"append": "shop.py", "text": "def total(:\n"}, {"commit": "Break it"}, DONE])
    office.restart()
    number = office.asks()

    office.settle()

    assert office.roles() == ["worker"] * 3
    assert office.stage(number) is Stage.BLOCKED
    assert "same-check-failure" in office.task(number).blocked_why
    assert office.box.scene.pulls(SHOP) == [], "nothing red was published"


def test_a_worker_that_says_done_without_a_commit_is_not_believed(office):
    office.worker([DONE])
    number = office.asks()

    for _ in range(4):
        office.settle()
        office.later(minutes=2)

    assert office.roles() == ["worker"] * 3
    assert office.stage(number) is Stage.BLOCKED
    assert office.box.scene.pulls(SHOP) == []


def test_a_protected_path_never_leaves_the_machine(office):
    office.worker([{"write": ".github/workflows/ci.yml", "text": "on: push\n"}, *writes()])
    number = office.asks()

    office.settle()

    assert office.stage(number) is Stage.BLOCKED
    (text,) = office.said(number)
    assert ".github/workflows/ci.yml" in text
    assert office.branches() == ["main"]


def test_a_secret_in_the_diff_never_leaves_the_machine(office):
    secret = "ghp_" + "a1B2" * 9
    office.worker(writes(f'TOKEN = "{secret}"\ndef total(prices):\n    return 0\n'))
    number = office.asks()

    office.settle()

    assert office.stage(number) is Stage.BLOCKED
    (text,) = office.said(number)
    assert "shop.py" in text
    assert secret not in text
    assert office.branches() == ["main"]


def test_a_silent_agent_is_ended_and_the_attempt_counts(office):
    office.limits = Limits(silence_s=1, attempts=1)
    office.worker(HANG)
    office.restart()
    number = office.asks()

    office.settle()

    assert office.stage(number) is Stage.BLOCKED
    assert office.engine.desk.journal.load_runs()[0].result == "RunStalled"


def test_an_agent_that_hangs_after_its_verdict_is_believed(office):
    office.limits = Limits(silence_s=1)
    office.reviewer([APPROVE, *HANG])
    office.restart()
    number = office.asks()

    office.settle()

    assert office.stage(number) is Stage.MERGE_READY


def test_rounds_run_out(office):
    office.limits = Limits(rounds=2)
    office.reviewer(rejects("not yet"))
    office.restart()
    number = office.asks()

    office.settle()

    assert office.roles() == ["worker", "reviewer", "worker", "reviewer"]
    assert office.stage(number) is Stage.BLOCKED
    assert "rounds" in office.task(number).blocked_why


def test_the_cap_holds_and_waiting_costs_no_attempt(office):
    office.configure(caps=Caps(live_runs=1, batch_pause_s=0))
    office.worker([{"wait_for": str(office.root / "go")}, *writes()])
    first, second = office.asks("one"), office.asks("two")
    office.settle(until=office.has_live_run)
    for _ in range(5):
        office.tick()

    waiting = office.task(second)
    assert len(office.engine.desk.journal.load_live_runs()) == 1
    assert waiting.hold is not None
    assert waiting.hold.kind is HoldKind.CAP
    assert waiting.attempts == 0

    (office.root / "go").write_text("")
    office.settle()
    assert {office.stage(first), office.stage(second)} == {Stage.MERGE_READY}


def test_the_cooldown_is_noted_at_dispatch(office):
    office.worker(CRASH)
    number = office.asks()
    office.settle()
    failed_once = len(office.roles())

    task = office.task(number)
    assert task.hold is not None
    assert task.hold.kind is HoldKind.COOLDOWN
    for _ in range(5):
        office.tick()
    assert len(office.roles()) == failed_once, "no run inside the cooldown"

    office.later(seconds=61)
    office.settle()
    assert len(office.roles()) > failed_once


def test_two_repositories_with_the_same_issue_number_never_mix(tmp_path):
    with opened(tmp_path, repos=[SHOP, "acme/depot"]) as office:
        here, there = office.asks("Here"), office.asks("There", repo="acme/depot")
        assert here == there

        office.settle()

        assert office.stage(here) is Stage.MERGE_READY
        assert office.stage(there, "acme/depot") is Stage.MERGE_READY
        assert office.task(here).branch.endswith("-here")
        assert office.task(there, "acme/depot").branch.endswith("-there")


def test_a_restart_mid_run_adopts_the_agent(office):
    office.worker([{"wait_for": str(office.root / "go")}, *writes()])
    number = office.asks()
    office.settle(until=office.has_live_run)
    run = office.run_ids()

    office.restart()
    assert office.has_live_run(), "runs outlive the dispatcher"
    (office.root / "go").write_text("")
    office.settle()
    office.later(minutes=2)
    office.settle()

    assert office.run_ids()[:1] == run
    assert office.roles() == ["worker", "reviewer"]
    assert office.stage(number) is Stage.MERGE_READY


def test_a_killed_supervisor_is_noticed_and_nothing_is_left_alive(office):
    office.worker([{"print": "here"}, {"hang": True}])
    number = office.asks()
    office.settle(until=lambda: office.has_live_run() and office.supervisor_of(office.run_ids()[0]))
    (run,) = office.run_ids()
    os.kill(office.supervisor_of(run), signal.SIGKILL)

    office.settle()

    assert office.engine.desk.journal.load_run(run).result.partition(" (")[0] in {"RunDied", "RunCancelled"}
    assert office.task(number).stage in {Stage.QUEUED, Stage.WORKING}
    assert office.processes_of(run) == []


@pytest.mark.long
def test_an_outage_is_waited_out_and_blocks_nobody(office):
    number = office.asks()
    office.settle(until=lambda: office.roles() == ["worker"])
    office.box.faults.add(Fault(What.FAIL_BEFORE, count=None))
    for _ in range(30):
        office.tick()
        office.later(seconds=20)
    office.box.faults.clear()
    office.later(minutes=11)

    office.settle()

    assert office.stage(number) is Stage.MERGE_READY
    assert len(office.box.scene.pulls(SHOP)) == 1


def test_a_repository_that_is_gone_stops_nobody_else(tmp_path):
    with opened(tmp_path, repos=[SHOP, "acme/depot"]) as office:
        lost = office.asks("lost", repo="acme/depot")
        office.person().delete_repo("acme/depot")
        office.later(minutes=31)
        good = office.asks("good")

        office.settle(until=lambda: office.has_task(good) and office.stage(good) is Stage.MERGE_READY)

        assert any("acme/depot" in what for what in office.notes())
        assert lost == good


def test_a_revoked_token_blocks_no_task_and_a_restart_says_what_to_do(office):
    number = office.asks()
    office.settle(until=lambda: office.roles() == ["worker"])
    office.box.scene.revoke_token(office.token)
    for _ in range(20):
        office.tick()
        office.later(minutes=1)

    assert office.stage(number) is not Stage.BLOCKED
    assert any("token" in what for what in office.notes())

    office.stop()
    with pytest.raises(BadCredential, match="token"):
        office.start()

    office.token = office.box.scene.add_token("shop-bot")
    office.start()
    office.later(minutes=11)
    office.settle()
    assert office.stage(number) is Stage.MERGE_READY


def test_one_round_finishes_what_it_began(office):
    number = office.asks()
    office.stop()

    for _ in range(200):
        office.start()
        office.daemon.once()
        if office.stage(number) is Stage.MERGE_READY:
            break
        office.later(seconds=5)
        office.stop()

    assert office.stage(number) is Stage.MERGE_READY
    assert office.roles() == ["worker", "reviewer"]


def test_a_check_that_is_not_installed_costs_no_run_and_is_asked_for_once(tmp_path):
    """Each of three workers was paid for, and none of them could have mended it."""
    with opened(tmp_path, check=("no-such-program", "--all")) as office:
        number = office.asks()
        office.settle()

        assert office.started() == []
        assert office.stage(number) is Stage.BLOCKED
        assert len(office.said(number)) == 1
        assert "needs `no-such-program`" in office.said(number)[0].replace("'", "`")

        office.configure(check=(sys.executable, "-c", "import shop"))
        office.comments(number, "@shop-bot retry")
        office.settle()
        assert office.stage(number) is Stage.MERGE_READY


def test_a_check_that_disappears_while_a_worker_works_costs_that_run_alone(tmp_path):
    program = tmp_path / "bin" / "prove"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\nexit 0\n")
    program.chmod(0o755)
    with opened(tmp_path, check=(str(program),)) as office:
        office.worker([{"run": ["/bin/rm", str(program)]}, *writes()])
        number = office.asks()
        office.settle()

        assert office.roles() == ["worker"]
        assert office.stage(number) is Stage.BLOCKED
        assert "could not run the check" in office.said(number)[0]


def test_a_failed_write_is_tried_again_after_half_a_minute_then_after_two(office):
    number = office.opens()
    office.comments(number, "@shop-bot what does total() return?")
    refused = Fault(What.FAIL_BEFORE, method="POST", path="/comments", count=None)
    office.box.faults.add(refused)
    office.settle(until=lambda: retries(office))
    first = retries(office)[0] - office.clock.now()
    assert 20 <= first.total_seconds() <= 30

    office.later(seconds=20)
    office.tick()
    office.later(seconds=11)
    office.tick()
    second = retries(office)[0] - office.clock.now()
    assert 110 <= second.total_seconds() <= 120
    office.box.faults.clear()
    office.later(minutes=3)
    office.settle()
    assert office.stage(number) is Stage.DONE


def retries(office):
    return [effect.retry_at for effect in office.engine.desk.journal.load_effects() if effect.retry_at]
