"""Accidents of others: agents that die, hang, lie or are slow, and the dispatchers that made it worse."""

import sys
from itertools import pairwise

from dispatcher.core import events as e
from dispatcher.core.model import HoldKind, LiveRun, Role, Stage
from dispatcher.core.policy import Situation, limit_reached, why_waiting
from dispatcher.core.rules import AgentConfig, Caps, Limits, PromptDelivery, RepoRules
from dispatcher.simulator.faults import Fault, What
from tests.core.situations import BOT, HEAD, NOW, follow, kinds, task_in
from tests.runs.conftest import Desk, until
from tests.story.office import APPROVE, DONE, SHOP, Office, Steps, writes

CRASH: Steps = [{"print": "oh no"}, {"crash": 3}]
HANG: Steps = [{"print": "thinking"}, {"hang": True}]


def results(office: Office) -> list[str]:
    """How each run ended, in order."""
    return [record.result.partition(" (")[0] for record in reversed(office.engine.desk.journal.load_runs())]


# ---------------------------------------------------------------- beginnings


def test_dispatch_and_reap_in_the_same_tick(office: Office) -> None:
    """Elsewhere one tick started an agent and then reaped it: a claim without a process looked like a dead run."""
    office.configure(caps=Caps(live_runs=1, batch_pause_s=0))
    first, second = office.asks("one"), office.asks("two")
    live: list[set[str]] = [set()]

    def both_are_published() -> bool:
        live.append({record.run.id for record in office.engine.desk.journal.load_live_runs()})
        return all(office.has_task(number) and office.task(number).pull for number in (first, second))

    office.reviewer([{"hang": True}])
    office.settle(until=both_are_published)

    handed_on = [now for before, now in pairwise(live) if before and now and not before & now]
    assert handed_on, "in one tick a run was collected and its slot was given to the next"
    assert list(filter(None, results(office))) == ["WorkDelivered"] * 2, "nobody was reaped"


def test_a_cold_start_that_is_slower_than_a_tick(office: Office) -> None:
    """Elsewhere cloning took longer than a tick: no process was found, so a second agent was started on the same issue."""
    slow = office.box.faults.add(Fault(What.DELAY, "info/refs", delay_s=0.4))
    office.worker([{"sleep": 0.2}, *writes()])
    number = office.asks()
    seen = {"absent": 0, "running": 0}

    def is_published() -> bool:
        for record in office.engine.desk.journal.load_live_runs():
            state = office.engine.desk.runs.report(record.run.id).state
            seen[state] = seen.get(state, 0) + 1
        return office.has_task(number) and office.task(number).pull is not None

    office.settle(until=is_published)

    assert slow.hits == 1
    assert seen["absent"] > 3, "for several ticks there was a claim and no process"
    assert office.roles().count("worker") == 1
    assert results(office)[0] == "WorkDelivered"


def test_a_prompt_of_more_than_128_kilobytes(desk: Desk) -> None:
    """Elsewhere a long discussion made the prompt longer than an argument may be; every start failed with E2BIG."""
    desk.context["told"] = ["a line of a long discussion\n" * 2_000] * 6
    count = "import sys; text = sys.stdin.read() or sys.argv[-1]; print(len(text))"
    for delivery in (PromptDelivery.STDIN, PromptDelivery.ARGUMENT):
        desk.config = AgentConfig("agent", "command", (sys.executable, "-I", "-c", count), delivery)
        report = desk.finished()

        assert report.ended_because == "exited", report.detail
        assert report.exit_code == 0
        size = desk.folder(report.run_id).prompt.stat().st_size
        assert size > 128 * 1024
        if delivery is PromptDelivery.STDIN:
            assert int(desk.log(report.run_id)) > 128 * 1024


# ---------------------------------------------------------------- ends


def test_an_agent_that_ends_well_and_opens_nothing(office: Office) -> None:
    """Elsewhere the agent was to open the pull request itself, ended with code 0 and did not: the issue stayed claimed."""
    office.worker([{"print": "All done, the pull request is open!"}])
    number = office.asks()
    office.settle()

    assert office.roles() == ["worker", "worker"], "one repair run, then no more money"
    assert office.box.scene.pulls(SHOP) == []
    assert office.shown(number) == {"needs-human", "@alice"}, "the claim is gone, a person has it"
    assert len(office.said(number)) == 1


def test_an_agent_that_hangs_after_it_has_finished(office: Office) -> None:
    """Elsewhere agents finished their work and then hung for ever; the slot was lost, or the good work was thrown away."""
    office.configure(limits=Limits(silence_s=1, redispatch_cooldown_s=60))
    office.worker([*writes(), *HANG])
    number = office.asks()
    office.settle(until=lambda: office.has_task(number) and office.task(number).pull)

    (worker, *_) = office.run_ids()
    assert results(office)[0] == "WorkDelivered", "what it said before it hung counts"
    assert office.processes_of(worker) == []


def test_a_reviewer_that_exits_0_without_a_verdict(office: Office) -> None:
    """Elsewhere exit code 0 of the reviewer meant approved: a crash of its tool handler merged unread code."""
    office.reviewer([{"print": "Looks good to me, approved!"}])
    number = office.asks()
    office.settle()

    assert office.roles() == ["worker", "reviewer", "reviewer"], "one repair run, then a person"
    pull = office.pull(number)
    assert office.shown(pull) == {"needs-human", "@alice"}
    assert office.times_labelled(pull, "merge-ready") == 0
    assert office.reviews(pull) == []


def test_a_reviewer_that_is_unavailable_three_times() -> None:
    """Elsewhere the reviewer's service was down; the pull request waited in the queue for ever and nobody was told."""
    task = task_in(Stage.NEEDS_REVIEW, attempts=0)
    for number in range(3):
        assert limit_reached(task) is None
        run = LiveRun(f"run-{number}", Role.REVIEWER, "codex", HEAD, NOW)
        task = follow(task, e.Dispatched(run), e.RunDied(run.id, "503 overloaded")).task
    limit = limit_reached(task)
    assert limit is not None
    asked = follow(task, limit)

    assert asked.task.stage is Stage.BLOCKED
    assert asked.task.pull == task.pull, "the work is kept"
    assert asked.task.resume_stage is Stage.NEEDS_REVIEW, "and goes on with the review"
    assert kinds(asked) == ["ShowStage", "PostComment"]


def test_a_failing_agent_is_not_retried_for_ever(office: Office) -> None:
    """Elsewhere an agent without credit failed at once: 15 polls made 15 paid runs, and nobody noticed."""
    office.worker(CRASH)
    number = office.asks()
    for _ in range(15):
        office.settle()
        office.later(minutes=2)

    assert office.roles() == ["worker"] * 3
    assert office.shown(number) == {"needs-human", "@alice"}
    assert len(office.said(number)) == 1


def test_the_cooldown_begins_with_the_dispatch() -> None:
    """Elsewhere the cooldown was noted after the failure: a crash in between left none, and the run started again at once."""
    situation = Situation(Caps(), {"acme/shop": RepoRules("shop", "acme", "shop")}, BOT)
    run = LiveRun("run-1", Role.WORKER, "claude", "", NOW)
    begun = follow(task_in(Stage.QUEUED), e.Dispatched(run)).task
    assert begun.cooldown_until is not None
    assert begun.cooldown_until > NOW, "noted before anything could fail"

    failed = follow(begun, e.RunDied(run.id, "out of credit")).task
    hold = why_waiting(failed, situation, NOW)
    assert hold is not None
    assert (hold.kind, hold.until) == (HoldKind.COOLDOWN, begun.cooldown_until)


def test_a_wait_for_a_slot_is_no_attempt(office: Office) -> None:
    """Elsewhere every poll that found no free slot counted as an attempt: a busy hour gave the waiting issues up unseen."""
    office.configure(caps=Caps(live_runs=0, batch_pause_s=0))
    number = office.asks()
    for _ in range(20):
        office.tick()
        office.later(minutes=5)

    task = office.task(number)
    assert task.hold is not None
    assert (task.stage, task.hold.kind, task.attempts) == (Stage.QUEUED, HoldKind.CAP, 0)

    office.configure(caps=Caps(batch_pause_s=0))
    office.settle(until=lambda: office.task(number).pull)
    assert office.roles()[0] == "worker"


def test_a_healthy_run_of_70_minutes_is_not_declared_dead(office: Office) -> None:
    """Elsewhere a claim older than an hour was taken for a dead run: the agent lost its issue while it was still working."""
    office.configure(limits=Limits(worker_s=6000, silence_s=6000))
    office.worker([{"wait_for": str(office.root / "go")}, *writes()])
    number = office.asks()
    office.settle(until=office.has_live_run)
    for _ in range(7):
        office.later(minutes=10)
        office.tick()

    assert office.has_live_run()
    assert office.shown(number) == {"bot", "@shop-bot"}
    (office.root / "go").write_text("")
    office.settle(until=lambda: office.task(number).pull)
    assert office.roles().count("worker") == 1


def test_a_claim_does_not_leak_when_a_run_fails(office: Office) -> None:
    """Elsewhere the bot stayed assigned after a failure; nobody picks up an assigned issue, so it waited for ever."""
    office.worker(CRASH)
    number = office.asks()
    office.settle()
    assert office.shown(number) == {"bot"}, "nobody is assigned: it is in the queue again"

    office.worker(writes())
    office.later(minutes=2)
    office.settle(until=lambda: office.task(number).pull)
    assert results(office)[:2] == ["RunDied", "WorkDelivered"]


def test_a_claim_does_not_leak_when_a_run_cannot_start(office: Office) -> None:
    """Elsewhere the agent's program was missing after an update: issue after issue was claimed and then forgotten."""
    office.configure(program=str(office.root / "not-installed"))
    number = office.asks()
    office.settle()

    assert office.shown(number) == {"needs-human", "@alice"}
    assert len(office.said(number)) == 1


# ---------------------------------------------------------------- what they leave behind


def test_uncommitted_work_is_not_thrown_away_with_the_checkout(desk: Desk) -> None:
    """Elsewhere an agent ran into its time limit before it had committed; the checkout was deleted and an hour was lost."""
    desk.silence_s = 0.3
    desk.script(
        {"write": "half.py", "text": "half = True\n"}, {"print": "Now the other half."}, {"hang": True}
    )
    report = desk.finished()

    assert report.ended_because == "stalled"
    assert desk.git(report.run_id, "show", "HEAD:half.py") == "half = True\n"
    until(lambda: not desk.living(report.run_id))


def test_an_agent_that_forgets_to_commit(office: Office) -> None:
    """Elsewhere `git status` was never looked at: the agent said done, and its finished change went with the checkout."""
    office.worker([{"write": "shop.py", "text": "def total(prices):\n    return sum(prices)\n"}, DONE])
    office.reviewer([APPROVE])
    number = office.asks()
    office.settle(until=lambda: office.has_task(number) and office.task(number).pull)

    shown = office.box.scene.read_file(SHOP, "shop.py", office.task(number).branch)
    assert shown == b"def total(prices):\n    return sum(prices)\n"
