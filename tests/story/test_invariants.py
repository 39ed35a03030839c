"""The ten invariants of the machine, against the real loop; each test carries the number of the one that it holds up."""

import sys
from datetime import timedelta
from itertools import pairwise

import pytest

from dispatcher.core.effects import CheckHead
from dispatcher.core.model import HoldKind, Role, Stage
from dispatcher.core.rules import Caps, Limits
from dispatcher.simulator.faults import Fault, What
from tests.story.office import APPROVE, DONE, SHOP, colleague, opened, rejects, says, writes

WAITS = [{"wait_for": "/nowhere/at/all"}]
HANG = [{"print": "thinking"}, {"hang": True}]


def waits_for(office, name="go"):
    """A worker that waits for the test and then does its work."""
    return [{"wait_for": str(office.root / name)}, *writes()]


def go(office, name="go"):
    (office.root / name).write_text("")


# ---------------------------------------------------------------- 1: one live run per task


def test_invariant_01_two_dispatchers_of_one_account_run_a_task_once(office):
    office.worker(waits_for(office))
    with colleague(office) as other:
        number = office.asks()
        for _ in range(20):
            office.tick()
            other.tick()
            office.clock.wait(1)
            assert len(office.started()) + len(other.started()) <= 1
        office.settle(until=office.has_live_run)
        for _ in range(20):
            other.tick()
            office.tick()
            office.clock.wait(1)
        assert other.started() == []
        assert office.shown(number) == {"bot", "@shop-bot"}, "the other one leaves the claim alone"

        go(office)
        office.settle(until=lambda: other.tick() or office.stage(number) is Stage.MERGE_READY)
        for _ in range(10):
            other.tick()
            office.tick()
        assert sorted(office.roles() + other.roles()) == ["reviewer", "worker"], "whoever was quicker"
        (pull,) = office.box.scene.pulls(SHOP)
        assert office.shown(pull.number) == {"merge-ready", "@alice"}


@pytest.mark.samples(1)
@pytest.mark.parametrize("body", ["ClaimBy", "Snapshot"])
@pytest.mark.parametrize("what", [What.DROP_AFTER, What.FAIL_AFTER])
def test_invariant_01_a_restart_after_half_a_step_runs_a_task_once(office, what, body):
    office.worker(waits_for(office))
    fault = office.box.faults.add(Fault(what, "graphql", body=body))
    office.asks()
    office.settle(until=lambda: fault.hits)
    office.restart()
    office.later(minutes=3)
    office.settle(until=office.has_live_run)
    office.restart()
    for _ in range(10):
        office.tick()

    assert len(office.started()) == 1
    assert len(office.engine.desk.journal.load_live_runs()) == 1


def test_invariant_01_a_repair_run_begins_when_the_broken_one_is_gone(office):
    office.worker([{"daemon": "left-behind"}, {"outcome_text": "{broken"}])
    office.script["repair"] = [WAITS]
    office.worker(*office.script["worker"])
    office.asks()

    office.settle(until=lambda: len(office.started()) == 2 and office.has_live_run())

    broken, repair = office.run_ids()
    assert office.processes_of(broken) == []
    assert [record.run.id for record in office.engine.desk.journal.load_live_runs()] == [repair]


# ---------------------------------------------------------------- 2: one pull request per issue


@pytest.mark.samples(2)
@pytest.mark.parametrize("what", [What.DROP_AFTER, What.FAIL_AFTER])
@pytest.mark.parametrize("crash", ["none", "restart", "journal lost"])
def test_invariant_02_a_crash_after_opening_opens_no_second_pull_request(office, what, crash):
    fault = office.box.faults.add(Fault(what, "/pulls$", "POST"))
    number = office.asks()
    office.settle(until=lambda: fault.hits)
    if crash == "restart":
        office.restart()
    if crash == "journal lost":
        office.stop()
        for file in (office.root / "state").glob("journal.sqlite3*"):
            file.unlink()
        office.start()
    office.later(minutes=3)
    office.settle()
    office.later(minutes=31)
    office.settle()

    (pull,) = office.box.scene.pulls(SHOP)
    assert office.shown(pull.number) == {"merge-ready", "@alice"}
    assert office.pull(number) == pull.number


def test_invariant_02_asking_again_by_every_way_at_once_opens_no_second_pull_request(office):
    office.worker(waits_for(office))
    number = office.asks()
    office.settle(until=office.has_live_run)
    office.labels(number, by="bob")
    office.comments(number, "@shop-bot please do it", by="bob")
    office.comments(number, "@shop-bot retry")
    office.settle(until=office.engine.desk.journal.load_live_runs)
    go(office)
    office.settle()
    office.sweeps()

    assert len(office.box.scene.pulls(SHOP)) == 1


# ---------------------------------------------------------------- 3: the reviewer is somebody else


def test_invariant_03_a_reviewer_gets_nothing_of_the_workers_session(tmp_path):
    with opened(tmp_path, agent_of={"worker": "one", "reviewer": "other"}) as office:
        home = "import os; open(os.path.join(os.environ['HOME'], 'diary.txt'), 'w').write('dear diary')"
        office.worker([{"print": "my private reasoning"}, {"run": ["{python}", "-c", home]}, *writes()[:-1],
                       {"write": ".git/notes.txt", "text": "between us"}, DONE])  # fmt: skip
        look = "import os; print(os.listdir(os.environ['HOME'])); print(os.listdir('.git'))"
        office.reviewer([{"run": ["{python}", "-c", look]}, {"print_environment": True}, APPROVE])
        number = office.asks()
        office.settle()

        worker, reviewer = office.run_ids()
        runs = tmp_path / "state" / "runs"
        seen = (runs / reviewer / "agent.log").read_text() + office.prompt(reviewer)
        assert office.stage(number) is Stage.MERGE_READY
        assert "my private reasoning" in (runs / worker / "agent.log").read_text()
        for secret in ("my private reasoning", "diary", "notes.txt", worker):
            assert secret not in seen
        records = office.engine.desk.journal.load_runs()
        assert {(record.run.role, record.run.agent) for record in records} == {
            (Role.WORKER, "one"),
            (Role.REVIEWER, "other"),
        }


def test_invariant_03_what_a_reviewer_commits_is_thrown_away(office):
    office.reviewer([*writes("def total(prices):\n    return 42\n")[:-1], APPROVE])
    number = office.asks()
    office.settle()

    branch = office.task(number).branch
    assert (
        office.box.scene.read_file(SHOP, "shop.py", branch) == b"def total(prices):\n    return sum(prices)\n"
    )
    assert office.task(number).approved_head == office.box.scene.head(SHOP, branch)


# ---------------------------------------------------------------- 4: the one door


def is_pending(office, number, head):
    office.person().set_status(SHOP, head, "pending")


def is_red(office, number, head):
    office.person().set_status(SHOP, head, "failure")


def conflicts(office, number, head):
    office.person().push(SHOP, "main", {"shop.py": "def total(prices):\n    return 0.0\n"})


def wants_changes(office, number, head):
    office.person("bob").request_changes(SHOP, office.pull(number), "No.")


def moves_on(office, number, head):
    office.person().push(SHOP, office.task(number).branch, {"moved.md": "moved\n"})


def moves_on_unchecked(office, number, head):
    office.person().push(SHOP, office.task(number).branch, {"slow.md": "the check of this head takes long\n"})


def is_labelled_twice(office, number, head):
    office.person().label(SHOP, office.pull(number), "needs-rework")


def is_spoken_to(office, number, head):
    office.comments(office.pull(number), "@shop-bot also round it")


GATES = [
    is_pending,
    is_red,
    conflicts,
    wants_changes,
    moves_on,
    moves_on_unchecked,
    is_labelled_twice,
    is_spoken_to,
]


@pytest.fixture
def at_the_door(tmp_path):
    """An office whose reviewer holds an approval, ready to let it out; what follows on it waits for ever."""
    slow = f"import os, time, shop\nwhile os.path.exists('slow.md') and not os.path.exists({str(tmp_path / 'checked')!r}): time.sleep(0.01)"
    with opened(tmp_path, check=(sys.executable, "-c", slow), limits=Limits(ci_wait_s=7200)) as office:
        office.worker(writes(), WAITS)
        office.responder(WAITS)
        approves = [{"wait_for": str(tmp_path / "verdict")}, APPROVE]
        office.reviewer([{"if": {"diff_has": "moved.md"}, "then": WAITS, "else": approves}])
        number = office.asks()
        office.settle(until=lambda: office.roles() == ["worker", "reviewer"] and office.has_live_run())
        yield office, number
        go(office, "checked")


def is_quiet(office):
    """Nothing is to be written any more; a check may still go on."""
    return all(isinstance(stored.effect, CheckHead) for stored in office.engine.desk.journal.load_effects())


@pytest.mark.samples(2)
@pytest.mark.parametrize("closes", GATES)
def test_invariant_04_no_approval_leads_through_a_closed_gate(at_the_door, closes):
    office, number = at_the_door
    reviewer = office.run_ids()[1]
    closes(office, number, office.task(number).head)
    go(office, "verdict")
    journal = office.engine.desk.journal
    office.settle(
        until=lambda: journal.load_run(reviewer).state in {"ended", "cancelled"} and is_quiet(office)
    )
    for _ in range(4):
        office.later(minutes=10)
        for _ in range(5):
            office.tick()

    assert office.times_labelled(office.pull(number), "merge-ready") == 0
    assert office.stage(number) is not Stage.MERGE_READY


@pytest.mark.samples(1)
@pytest.mark.parametrize("closes", [is_red, wants_changes, moves_on, conflicts])
def test_invariant_04_a_gate_that_closes_between_approval_and_green_ci_counts(at_the_door, closes):
    office, number = at_the_door
    head = office.task(number).head
    is_pending(office, number, head)
    go(office, "verdict")
    office.settle()
    assert office.task(number).approved_head == head

    closes(office, number, head)
    if closes is not is_red:
        office.person().set_status(SHOP, head, "success")
    for _ in range(4):
        office.later(minutes=2)
        for _ in range(5):
            office.tick()
        office.settle(until=lambda: is_quiet(office))

    assert office.times_labelled(office.pull(number), "merge-ready") == 0
    assert office.task(number).approved_head != office.box.scene.head(SHOP, office.task(number).branch)


# ---------------------------------------------------------------- 5: caps


@pytest.mark.samples(1)
@pytest.mark.parametrize(
    ("caps", "rules"),
    [
        (Caps(live_runs=2, batch_pause_s=0), {}),
        (Caps(batch_pause_s=0), {"live_runs": 2}),
        (Caps(batch_pause_s=0, per_role=(("worker", 2),)), {}),
    ],
    ids=["all", "repository", "role"],
)
def test_invariant_05_live_runs_never_exceed_the_cap(tmp_path, caps, rules):
    with opened(tmp_path, caps=caps, rules=rules) as office:
        office.worker(waits_for(office))
        numbers = [office.asks(f"Issue {n}") for n in range(4)]
        journal = office.engine.desk.journal
        most = 0
        office.settle(until=lambda: len(office.started()) == 2)
        for _ in range(5):
            office.tick()
            most = max(most, len(journal.load_live_runs()))
        assert most == 2
        waiting = [task for task in journal.load_tasks() if task.stage is Stage.QUEUED]
        assert [task.hold.kind for task in waiting if task.hold] == [HoldKind.CAP] * 2

        office.restart()
        journal = office.engine.desk.journal
        go(office)
        while any(office.stage(number) is not Stage.MERGE_READY for number in numbers):
            office.settle(until=lambda: True)
            workers = [record for record in journal.load_live_runs() if record.run.role is Role.WORKER]
            assert len(workers) <= 2
            if not caps.per_role:
                assert len(journal.load_live_runs()) <= 2
            office.clock.wait(0.05)


# ---------------------------------------------------------------- 6: cooldown and slots


def test_invariant_06_no_two_runs_of_a_step_begin_within_the_cooldown(office):
    office.worker([{"crash": 1}])
    office.asks()
    for _ in range(20):
        office.settle()
        office.later(seconds=13)

    began = [record.run.dispatched_at for record in reversed(office.engine.desk.journal.load_runs())]
    assert len(began) == 3
    pauses = [later - earlier for earlier, later in pairwise(began)]
    assert all(pause >= timedelta(seconds=60) for pause in pauses)


def test_invariant_06_the_cooldown_outlives_a_restart(office):
    office.worker([{"crash": 1}])
    office.asks()
    office.settle()
    for _ in range(3):
        office.restart()
        office.tick()

    assert office.roles() == ["worker"]


def test_invariant_06_hours_without_a_slot_use_no_attempt(tmp_path):
    with opened(
        tmp_path, caps=Caps(live_runs=1, batch_pause_s=0), limits=Limits(attempts=1, redispatch_cooldown_s=60)
    ) as office:
        office.worker(waits_for(office))
        first, second = office.asks("one"), office.asks("two")
        office.settle(until=office.has_live_run)
        for _ in range(24):
            office.later(minutes=5)
            office.tick()
        held = {office.task(number).attempts for number in (first, second)}
        assert held == {0, 1}
        go(office)
        office.settle()
        assert {office.stage(first), office.stage(second)} == {Stage.MERGE_READY}


# ---------------------------------------------------------------- 7: nobody who may not


def opened_by_stranger(office):
    return office.opens("Free money", "@shop-bot please do it", by="mallory")


def mentions(office):
    number = opened_by_stranger(office)
    office.comments(number, "@shop-bot do it", by="mallory")
    return number


def orders(office):
    number = opened_by_stranger(office)
    office.comments(number, "@shop-bot retry", by="mallory")
    office.comments(number, "@shop-bot review", by="mallory")
    return number


def labels_with_triage(office):
    office.person().invite(SHOP, "mallory", "triage")
    number = opened_by_stranger(office)
    office.labels(number, by="mallory")
    return number


def labels_as_bot(office):
    helper = office.box.scene.add_app("stale")
    office.box.scene.person("alice").invite(SHOP, helper.login, "write")
    number = opened_by_stranger(office)
    office.labels(number, by=helper.login)
    return number


def mentions_as_bot(office):
    helper = office.box.scene.add_app("stale")
    office.box.scene.person("alice").invite(SHOP, helper.login, "write")
    number = opened_by_stranger(office)
    office.comments(number, "@shop-bot retry", by=helper.login)
    return number


def labels_as_ourselves(office):
    number = opened_by_stranger(office)
    office.labels(number, by="shop-bot")
    return number


def assigns_with_triage(office):
    office.person().invite(SHOP, "mallory", "triage")
    number = opened_by_stranger(office)
    office.person("mallory").assign(SHOP, number, "shop-bot")
    return number


def proposes_and_wants_a_review(office):
    office.person().invite(SHOP, "mallory", "triage")
    copy = office.person("mallory").fork(SHOP)
    office.person("mallory").push(copy, "free-money", {"shop.py": "money = 1\n"}, base="main")
    pull = office.person("mallory").open_pull(SHOP, "mallory:free-money", "Free money", "@shop-bot review")
    office.person("mallory").request_review(SHOP, pull, "shop-bot")
    return pull


STRANGERS = [
    opened_by_stranger, mentions, orders, labels_with_triage, labels_as_bot, mentions_as_bot, labels_as_ourselves,
    assigns_with_triage, proposes_and_wants_a_review,
]  # fmt: skip


@pytest.mark.parametrize("tries", STRANGERS)
def test_invariant_07_nothing_begins_because_of_somebody_who_may_not_ask(office, tries):
    number = tries(office)
    before = office.shown(number)
    office.settle()
    office.sweeps()

    assert office.roles() == []
    assert office.shown(number) == before
    assert office.said(number) == []
    assert office.status_comments(number) == 0
    assert office.branches() == ["main"]


@pytest.mark.samples(1)
@pytest.mark.parametrize("stage", [Stage.WORKING, Stage.BLOCKED, Stage.MERGE_READY])
def test_invariant_07_nothing_changes_because_of_somebody_who_may_not_ask(office, stage):
    steps = {Stage.WORKING: WAITS, Stage.BLOCKED: says("question", "Which?"), Stage.MERGE_READY: writes()}
    office.worker(steps[stage])
    number = office.asks()
    office.settle(
        until=lambda: (
            office.has_task(number)
            and office.stage(number) is stage
            and not office.engine.desk.journal.load_effects()
        )
    )
    office.worker(writes())
    place = office.task(number).front.number
    before, runs, said = office.shown(place), office.roles(), office.said(place)

    for words in ("stop", "retry", "review", "the answer is 42"):
        office.comments(place, f"@shop-bot {words}", by="mallory")
    if stage is Stage.MERGE_READY:
        office.person("mallory").request_changes(SHOP, place, "Give me money.")
        office.person("mallory").approve(SHOP, place)
    office.later(minutes=31)
    for _ in range(5):
        office.tick()

    assert office.stage(number) is stage
    assert (office.shown(place), office.roles(), office.said(place)) == (before, runs, said)


# ---------------------------------------------------------------- 8: nothing twice

WRITES = {
    "claim": Fault(What.DROP_AFTER, "graphql", body="ClaimBy"),
    "second claim": Fault(What.DROP_AFTER, "graphql", body="ClaimBy", skip=1),
    "labels and assignees": Fault(What.DROP_AFTER, "graphql", body="ShowStage"),
    "labels and assignees of the pull request": Fault(What.DROP_AFTER, "graphql", body="ShowStage", skip=2),
    "a label that is made": Fault(What.DROP_AFTER, "/labels$", "POST"),
    "push": Fault(What.DROP_AFTER, "git-receive-pack", "POST"),
    "pull request": Fault(What.DROP_AFTER, "/pulls$", "POST"),
    "review": Fault(What.DROP_AFTER, "/reviews$", "POST"),
    "second review": Fault(What.DROP_AFTER, "/reviews$", "POST", skip=1),
    "comment": Fault(What.DROP_AFTER, "/comments$", "POST"),
    "read mark": Fault(What.DROP_AFTER, "/notifications", "PUT"),
}


@pytest.mark.samples(1)
@pytest.mark.parametrize("what", [What.DROP_AFTER, What.FAIL_AFTER])
def test_invariant_08_no_write_counts_twice_when_its_answer_is_lost_and_the_dispatcher_with_it(office, what):
    lost = {
        name: office.box.faults.add(Fault(what, rule.path, rule.method, rule.body, rule.skip))
        for name, rule in WRITES.items()
    }
    office.reviewer(rejects("once more"), [APPROVE])
    number = office.asks()

    def hits() -> int:
        return sum(fault.hits for fault in lost.values())

    def survives(done) -> None:
        """Until it is done; with a crash right behind each lost answer."""
        while not done():
            before = hits()
            office.settle(until=lambda before=before: done() or hits() > before)
            if hits() > before:
                office.restart()
            office.later(minutes=3)
        for _ in range(3):
            office.later(minutes=3)
            office.settle()

    survives(lambda: office.has_task(number) and office.stage(number) is Stage.MERGE_READY)
    pull = office.pull(number)
    office.comments(pull, "@shop-bot why sum()?")
    survives(lambda: "responder" in office.roles() and not office.is_busy())

    assert {name: fault.hits for name, fault in lost.items()} == dict.fromkeys(WRITES, 1), (
        "each was lost once"
    )
    assert [one.number for one in office.box.scene.pulls(SHOP)] == [pull]
    assert office.roles() == ["worker", "reviewer", "worker", "reviewer", "responder"]
    assert len(office.started()) == 5
    assert len(office.reviews(pull)) == 2
    assert [text.count("It is the sum.") for text in office.said(pull)] == [1]
    assert office.said(number) == []
    assert office.status_comments(number) + office.status_comments(pull) == 1
    assert office.times_labelled(pull, "needs-rework") == 1
    assert office.times_labelled(pull, "merge-ready") == 1
    assert office.shown(pull) == {"merge-ready", "@alice"}


@pytest.mark.parametrize("what", [What.DROP_AFTER, What.FAIL_AFTER])
def test_invariant_08_a_question_is_asked_once(office, what):
    office.worker(says("question", "Which prices?"))
    fault = office.box.faults.add(Fault(what, "/comments$", "POST"))
    number = office.asks()
    office.settle(until=lambda: fault.hits)
    office.restart()
    office.later(minutes=3)
    office.settle()
    office.sweeps()

    assert len(office.said(number)) == 1
    assert office.shown(number) == {"needs-human", "@alice"}


# ---------------------------------------------------------------- 9: nothing hangs silently

WORKERS = {
    "crashes": [{"crash": 1}],
    "hangs": HANG,
    "hangs after its work": [*writes(), *HANG],
    "ignores the end": [{"ignore": ["TERM", "INT"]}, *HANG],
    "says nothing": [{"print": "done!"}],
    "says something else": [{"outcome": {"outcome": "approve", "summary": "mine"}}],
    "lies": [DONE],
    "asks": says("question", "Which?"),
    "gives up": says("cannot", "Too hard.", "why"),
    "finds nothing to do": says("nothing-to-do", "It is so already.", "why"),
    "breaks the check": [{"write": "shop.py", "text": "def total(:\n"}, {"commit": "Break"}, DONE],
    "touches a protected path": [
        {"write": ".github/workflows/x.yml", "text": "on: push\n"},
        {"commit": "CI"},
        DONE,
    ],
    "destroys its checkout": [{"run": ["rm", "-rf", ".git"]}, DONE],
    "deletes its folder": [
        {
            "run": [
                "{python}",
                "-c",
                "import os, shutil; shutil.rmtree(os.environ['DISPATCHER_RUN_DIR'], True)",
            ]
        }
    ],
}
REVIEWERS = {
    "crashes": [{"crash": 1}],
    "hangs": HANG,
    "says nothing": [{"print": "fine by me"}],
    "says something else": [DONE],
    "never agrees": rejects("not yet"),
}


def ends_with_a_person(office, number):
    """Time passes until it is a person's turn; on the way and at the end nobody is forgotten."""
    for _ in range(12):
        office.settle()
        assert office.forgotten() == []
        if office.stage(number) in {Stage.BLOCKED, Stage.MERGE_READY}:
            break
        office.later(minutes=2)
    place = office.task(number).front.number
    assert office.stage(number) in {Stage.BLOCKED, Stage.MERGE_READY}, office.why_not_settled()
    assert "@alice" in office.shown(place)
    office.sweeps()
    office.sweeps()
    asked = [
        text
        for text in [*office.said(number), *(office.said(place) if place != number else [])]
        if "needs" in text or text
    ]
    assert len(asked) <= 1, "a person is asked once"
    assert (len(asked) == 1) is (office.stage(number) is Stage.BLOCKED)


@pytest.mark.samples(3)
@pytest.mark.parametrize("worker", WORKERS)
def test_invariant_09_whatever_a_worker_does_it_ends_with_a_person_who_knows(tmp_path, worker):
    with opened(
        tmp_path, limits=Limits(redispatch_cooldown_s=60, silence_s=1, attempts=2, rounds=2)
    ) as office:
        office.worker(WORKERS[worker])
        ends_with_a_person(office, office.asks())


@pytest.mark.samples(1)
@pytest.mark.parametrize("reviewer", REVIEWERS)
def test_invariant_09_whatever_a_reviewer_does_it_ends_with_a_person_who_knows(tmp_path, reviewer):
    with opened(
        tmp_path, limits=Limits(redispatch_cooldown_s=60, silence_s=1, attempts=2, rounds=2)
    ) as office:
        office.reviewer(REVIEWERS[reviewer])
        ends_with_a_person(office, office.asks())


@pytest.mark.samples(1)
@pytest.mark.parametrize("responder", [[{"crash": 1}], [DONE]], ids=["crashes", "says something else"])
def test_invariant_09_a_mention_that_nobody_can_answer_ends_with_a_person(tmp_path, responder):
    with opened(tmp_path, limits=Limits(redispatch_cooldown_s=60, attempts=2)) as office:
        office.responder(responder)
        number = office.opens()
        office.comments(number, "@shop-bot why?")
        office.settle(until=lambda: office.has_task(number))
        ends_with_a_person(office, number)


def test_invariant_09_asking_again_on_the_issue_is_heard_while_its_pull_request_lies_idle(office):
    number = office.asks()
    office.settle()
    pull = office.pull(number)
    office.person().unlabel(SHOP, pull, "merge-ready")
    office.sweeps()
    assert office.stage(number) is Stage.DROPPED

    office.labels(number)
    office.settle()

    assert office.roles() == ["worker", "reviewer", "reviewer"]
    assert office.shown(pull) == {"merge-ready", "@alice"}
    assert "bot" not in office.shown(number)


# ---------------------------------------------------------------- 10: our own kills


def test_invariant_10_kills_of_ours_never_count(tmp_path):
    with opened(tmp_path, limits=Limits(attempts=2, redispatch_cooldown_s=60)) as office:
        office.worker(waits_for(office))
        number = office.asks()
        for times in range(1, 5):
            office.settle(until=lambda times=times: len(office.started()) == times and office.has_live_run())
            run = office.run_ids()[-1]
            office.engine.kill_runs()
            office.restart()
            office.settle(until=lambda run=run: office.engine.desk.journal.load_run(run).ended_at)
        go(office)
        office.settle()

        records = list(reversed(office.engine.desk.journal.load_runs()))
        assert [record.result for record in records[:4]] == ["RunCancelled"] * 4
        assert office.stage(number) is Stage.MERGE_READY
        assert office.task(number).attempts == 0


@pytest.mark.samples(1)
@pytest.mark.parametrize("role", ["reviewer", "responder"])
def test_invariant_10_nor_do_kills_of_a_reviewer_or_responder(tmp_path, role):
    with opened(tmp_path, limits=Limits(attempts=2, redispatch_cooldown_s=60)) as office:
        office.reviewer([{"wait_for": str(tmp_path / "go")}, APPROVE])
        office.responder([{"wait_for": str(tmp_path / "go")}, *says("answer", "It is the sum.")])
        if role == "reviewer":
            number = office.asks()
        else:
            number = office.opens()
            office.comments(number, "@shop-bot why?")
        for times in range(1, 4):
            office.settle(
                until=lambda times=times: office.roles().count(role) == times and office.has_live_run()
            )
            office.engine.kill_runs()
            office.restart()
        go(office)
        office.settle()

        assert office.stage(number) is (Stage.MERGE_READY if role == "reviewer" else Stage.DONE)


def test_invariant_10_a_run_that_a_person_ends_counts_against_nobody(office):
    office.worker(WAITS)
    number = office.asks()
    for _ in range(4):
        office.settle(until=office.has_live_run)
        office.person("bob").assign(SHOP, number, "bob")
        office.person("bob").unassign(SHOP, number, "shop-bot")
        office.settle(until=lambda: not office.engine.desk.journal.load_live_runs())
        assert office.task(number).attempts == 0
        office.person("bob").unassign(SHOP, number, "bob")
        office.later(minutes=31)  # whatever hid behind a write of ours, the sweep sees
    office.worker(writes())
    office.settle()
    assert office.stage(number) is Stage.MERGE_READY
