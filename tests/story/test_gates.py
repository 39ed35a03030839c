"""The gates in front of `merge-ready`, the base that moves, and the other ways in: triggers, tokens, servers."""

import pytest

from dispatcher.core.model import HoldKind, Stage
from dispatcher.core.rules import Caps
from dispatcher.simulator.faults import Fault, What
from tests.story.office import APPROVE, DONE, SHOP, Office, opened, rejects, writes

SUM = "def total(prices):\n    return sum(prices)\n"


class Verdict:
    """A pull request whose reviewer has the approval in hand, and waits for the test to let it out."""

    def __init__(self, office: Office) -> None:
        self.office = office
        self.file = office.root / "verdict"
        office.reviewer([{"wait_for": str(self.file)}, APPROVE])
        self.number = office.asks()
        office.settle(until=lambda: office.roles() == ["worker", "reviewer"] and office.has_live_run())
        self.pull = office.pull(self.number)
        self.branch = office.task(self.number).branch
        self.head = office.box.scene.head(SHOP, self.branch)

    def approves(self) -> None:
        self.file.write_text("")
        self.office.settle()

    def is_handed_over(self) -> bool:
        return self.office.shown(self.pull) == {"merge-ready", "@alice"}

    def hold(self) -> HoldKind | None:
        hold = self.office.task(self.number).hold
        return hold.kind if hold else None


@pytest.fixture
def verdict(office):
    return Verdict(office)


# ---------------------------------------------------------------- CI


def test_pending_ci_waits_with_a_word_and_green_lets_through(office, verdict):
    office.person().set_status(SHOP, verdict.head, "pending")
    verdict.approves()

    assert office.stage(verdict.number) is Stage.REVIEWING
    assert verdict.hold() is HoldKind.WAITS_FOR_CI
    assert "waits for ci" in office.explained(verdict.number)
    assert office.times_labelled(verdict.pull, "merge-ready") == 0

    office.person().set_status(SHOP, verdict.head, "success")
    office.later(minutes=2)
    office.settle()
    assert verdict.is_handed_over()
    assert office.roles() == ["worker", "reviewer"], "the approval was kept"


def test_ci_that_never_settles_asks_a_person_once(office, verdict):
    office.person().set_status(SHOP, verdict.head, "pending")
    verdict.approves()
    for _ in range(5):
        office.sweeps()

    assert office.stage(verdict.number) is Stage.BLOCKED
    assert len(office.said(verdict.number) + office.said(verdict.pull)) == 1
    assert office.times_labelled(verdict.pull, "merge-ready") == 0


def test_red_ci_goes_to_a_worker_who_is_told_which_and_the_new_head_is_reviewed(office, verdict):
    office.person().set_status(SHOP, verdict.head, "failure", "lint")
    verdict.approves()

    assert office.roles() == ["worker", "reviewer", "worker", "reviewer"]
    assert "lint" in office.prompt(office.run_ids()[2])
    assert verdict.is_handed_over()
    assert office.times_labelled(verdict.pull, "merge-ready") == 1
    assert office.task(verdict.number).approved_head != verdict.head


def test_ci_that_turns_red_after_the_hand_over_takes_it_back(office, verdict):
    verdict.approves()
    assert verdict.is_handed_over()
    office.person().set_status(SHOP, verdict.head, "failure")
    office.sweeps()

    assert office.roles() == ["worker", "reviewer", "worker", "reviewer"]
    assert verdict.is_handed_over()
    assert office.times_labelled(verdict.pull, "merge-ready") == 2


def test_cancelled_ci_is_not_red_and_its_rerun_is_waited_for(office, verdict):
    app = office.box.scene.add_app("actions")
    office.box.scene.person("alice").invite(SHOP, app.login, "write")
    app.create_check_run(SHOP, verdict.head, "build", "cancelled", status="completed")
    app.create_check_run(SHOP, verdict.head, "build", status="in_progress")
    verdict.approves()
    assert office.times_labelled(verdict.pull, "merge-ready") == 0
    assert verdict.hold() is HoldKind.WAITS_FOR_CI

    app.create_check_run(SHOP, verdict.head, "build", "success", status="completed")
    office.later(minutes=2)
    office.settle()
    assert verdict.is_handed_over()
    assert office.roles() == ["worker", "reviewer"]


@pytest.mark.parametrize("conclusion", ["skipped", "neutral", "cancelled"])
def test_a_check_that_found_nothing_to_say_does_not_hold_anybody_up(office, verdict, conclusion):
    app = office.box.scene.add_app("actions")
    office.box.scene.person("alice").invite(SHOP, app.login, "write")
    app.create_check_run(SHOP, verdict.head, "build", conclusion, status="completed")
    verdict.approves()

    assert verdict.is_handed_over()


# ---------------------------------------------------------------- the base moves


def test_a_base_that_moves_without_a_conflict_changes_nothing(office, verdict):
    office.person().push(SHOP, "main", {"README.md": "A bigger shop.\n"})
    verdict.approves()
    office.person().push(SHOP, "main", {"README.md": "A huge shop.\n"})
    office.sweeps()

    assert verdict.is_handed_over()
    assert office.box.scene.head(SHOP, verdict.branch) == verdict.head
    assert office.roles() == ["worker", "reviewer"]


def test_a_conflict_that_git_cannot_solve_goes_to_a_worker_who_solves_it(office, verdict):
    merge = ["git", "merge", "--no-edit", "-X", "ours", "origin/main"]
    office.worker(writes(), [{"run": merge}, DONE])
    office.person().push(SHOP, "main", {"shop.py": "def total(prices):\n    return 0.0\n"})
    verdict.approves()

    assert office.roles() == ["worker", "reviewer", "worker", "reviewer"]
    assert "shop.py" in office.prompt(office.run_ids()[2])
    assert verdict.is_handed_over()
    assert office.times_labelled(verdict.pull, "merge-ready") == 1
    office.person().merge(SHOP, verdict.pull)


def test_a_conflict_with_a_handed_over_pull_request_takes_it_back(office, verdict):
    merge = ["git", "merge", "--no-edit", "-X", "ours", "origin/main"]
    office.worker(writes(), [{"run": merge}, DONE])
    verdict.approves()
    office.person().push(SHOP, "main", {"shop.py": "def total(prices):\n    return 0.0\n"})
    office.sweeps()
    office.later(minutes=2)
    office.settle()

    assert office.roles() == ["worker", "reviewer", "worker", "reviewer"]
    assert verdict.is_handed_over()
    office.person().merge(SHOP, verdict.pull)


def test_a_conflict_that_is_gone_when_git_looks_keeps_the_approval(office, verdict):
    """The base is mended while the dispatcher cannot fetch it; then the same patch stands on the new base."""
    office.box.world.settings.mergeable_unknown_reads = 0
    verdict.approves()
    office.person().push(SHOP, "main", {"shop.py": "def total(prices):\n    return 0.0\n"})
    outage = office.box.faults.add(Fault(What.FAIL_BEFORE, "info/refs", count=None))
    office.later(minutes=31)
    office.settle(until=lambda: outage.hits)
    assert office.stage(verdict.number) is Stage.REVIEWING, "the hand-over was taken back at once"

    office.person().push(
        SHOP, "main", {"shop.py": "def total(prices):\n    return 0\n", "README.md": "New.\n"}
    )
    office.box.faults.clear()
    for _ in range(3):
        office.later(minutes=11)
        office.settle()

    assert verdict.is_handed_over()
    assert office.roles() == ["worker", "reviewer"], "nobody had to look again"
    head = office.box.scene.head(SHOP, verdict.branch)
    assert head != verdict.head
    assert office.box.scene.read_file(SHOP, "README.md", verdict.branch) == b"New.\n"
    assert office.task(verdict.number).approved_head == head


def test_a_conflict_that_git_solves_into_another_patch_is_reviewed_again(office):
    """Commit by commit git follows the renamed file; as one change GitHub cannot."""
    lines = [f"line {n}\n" for n in range(30)]
    office.person().push(SHOP, "main", {"old.txt": "".join(lines)})
    rewritten = "".join([*(f"word {n}\n" for n in range(24)), *lines[24:]])
    office.worker(
        [
            {"run": ["git", "mv", "old.txt", "new.txt"]},
            {"commit": "Rename it"},
            {"write": "new.txt", "text": rewritten},
            {"commit": "Rewrite it"},
            DONE,
        ]
    )
    verdict = Verdict(office)
    verdict.approves()
    assert verdict.is_handed_over()

    office.person().push(SHOP, "main", {"old.txt": "".join([*lines[:29], "the last line\n"])})
    office.sweeps()
    for _ in range(2):
        office.later(minutes=2)
        office.settle()

    assert office.roles() == ["worker", "reviewer", "reviewer"], "no worker was needed"
    assert verdict.is_handed_over()
    assert office.box.scene.read_file(SHOP, "new.txt", verdict.branch).endswith(b"the last line\n")


# ---------------------------------------------------------------- triggers


@pytest.fixture
def followed(tmp_path):
    """An office with a trigger, and an issue on which the bot has answered once: it follows what is said there."""
    with opened(tmp_path, rules={"trigger_regex": r"^/fix\b"}) as office:
        number = office.opens("Resume it")
        office.comments(number, "@shop-bot what does total() do?")
        office.settle()
        assert office.roles() == ["responder"]
        yield office, number


def test_a_trigger_starts_work_and_what_only_looks_like_one_does_not(followed):
    office, number = followed
    office.comments(number, "I would fix it by hand: /fixture is broken.\n\n> /fix\n\n```\n/fix\n```")
    office.settle()
    assert office.roles() == ["responder"]

    office.comments(number, "Right, then:\n/fix please")
    office.settle()

    assert office.roles() == ["responder", "worker", "reviewer"]
    assert office.shown(office.pull(number)) == {"merge-ready", "@alice"}


def test_a_trigger_that_says_resume_goes_on_with_the_branch_that_is_there(followed):
    office, number = followed
    office.person().push(SHOP, f"bot/{number}-resume-it", {"notes.md": "half done\n"}, base="main")

    office.comments(number, "/fix, and resume")
    office.settle()

    branch = office.task(number).branch
    assert office.stage(number) is Stage.MERGE_READY
    assert office.box.scene.read_file(SHOP, "notes.md", branch) == b"half done\n"
    assert office.box.scene.read_file(SHOP, "shop.py", branch) == SUM.encode()


def test_a_trigger_without_resume_never_writes_over_a_branch_that_is_there(followed):
    office, number = followed
    theirs = office.person().push(SHOP, f"bot/{number}-resume-it", {"notes.md": "theirs\n"}, base="main")

    office.comments(number, "/fix again")
    office.settle()

    assert office.box.scene.head(SHOP, f"bot/{number}-resume-it") == theirs
    assert office.stage(number) is Stage.BLOCKED
    assert office.shown(number) == {"needs-human", "@alice"}


def test_a_strangers_trigger_starts_nothing(followed):
    office, number = followed
    office.comments(number, "/fix please", by="mallory")
    office.sweeps()

    assert office.roles() == ["responder"]
    assert "@mallory spoke to the bot, but may not ask here" in office.status()


# ---------------------------------------------------------------- tokens and servers


def test_a_fine_grained_token_finds_work_by_searching(office):
    office.token = office.box.scene.add_fine_grained_token("shop-bot")
    office.restart()
    number = office.asks()
    office.settle(until=lambda: office.has_task(number))
    office.settle()

    assert "fine-grained" in office.status()
    assert office.shown(office.pull(number)) == {"merge-ready", "@alice"}

    office.responder([{"outcome": {"outcome": "answer", "text": "It adds up."}}])
    office.comments(office.pull(number), "@shop-bot why?")
    office.later(minutes=2)
    office.settle(until=lambda: any("It adds up." in text for text in office.said(office.pull(number))))
    asked = [request.path for request in office.box.requests if "github_pat" in request.token]
    assert not any(path.startswith(("/notifications", "/issues")) for path in asked)


def test_the_enterprise_form_of_the_address_does_the_whole_job(office):
    office.base_url = office.box.enterprise_url
    office.reviewer(rejects("once more"), [APPROVE])
    office.restart()
    number = office.asks()
    office.settle()

    assert office.roles() == ["worker", "reviewer", "worker", "reviewer"]
    assert office.shown(office.pull(number)) == {"merge-ready", "@alice"}


def test_more_than_a_hundred_labelled_issues_are_all_found(office):
    office.configure(caps=Caps(live_runs=0, batch_pause_s=0))
    numbers = [office.opens(f"Issue {n}") for n in range(120)]
    for number in numbers:
        office.box.scene.person("alice").label(SHOP, number, "bot")
    office.later(seconds=61)
    office.tick()
    office.tick()

    tasks = office.engine.desk.journal.load_tasks()
    assert {task.key.number for task in tasks} == set(numbers)
    assert {task.stage for task in tasks} == {Stage.QUEUED}
    assert {task.hold.kind for task in tasks if task.hold} == {HoldKind.CAP}
    assert office.roles() == []


# ---------------------------------------------------------------- who gets it


def test_when_a_bot_asked_the_reviewers_of_the_configuration_get_it(tmp_path):
    rules = {"reviewers": ("bob",), "allowed_bots": ("triage-bot",)}
    with opened(tmp_path, rules=rules) as office:
        helper = office.box.scene.add_app("triage-bot")
        office.box.scene.person("alice").invite(SHOP, helper.login, "triage")
        number = office.opens()
        office.later(seconds=61)
        helper.label(SHOP, number, "bot")
        office.settle()

        assert office.shown(office.pull(number)) == {"merge-ready", "@bob"}


def test_when_nobody_is_named_the_pull_request_is_still_shown_as_ready(tmp_path):
    with opened(tmp_path, rules={"allowed_bots": ("triage-bot",)}) as office:
        helper = office.box.scene.add_app("triage-bot")
        office.box.scene.person("alice").invite(SHOP, helper.login, "triage")
        number = office.opens()
        office.later(seconds=61)
        helper.label(SHOP, number, "bot")
        office.settle()

        assert office.shown(office.pull(number)) == {"merge-ready"}
