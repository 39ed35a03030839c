"""Claims, stages, pull requests and reviews: what is written, what is remembered of it, and what is looked at first."""

from dataclasses import replace
from datetime import timedelta

import pytest

from dispatcher.core.effects import Claim, OpenPull, PostReview, ShowStage
from dispatcher.core.errors import ClaimLost
from dispatcher.core.model import ClaimMarker, Finding, Role, Stage
from dispatcher.engine.executor import HANDS_OVER_WITHIN

SHOP = "acme/shop"


@pytest.fixture
def pull(room):
    """The bot's pull request 2 for alice's issue 1."""
    number = room.alice.open_issue(SHOP, "total() is wrong", "It returns 0.")
    bot = room.scene.person("shop-bot")
    bot.push(SHOP, "bot/1-total", {"shop.py": "green 1\n"}, base="main")
    shown = bot.open_pull(SHOP, "bot/1-total", "Sort", f"Closes #{number}")
    head = room.scene.issue(SHOP, shown).pull.head_sha
    bot.label(SHOP, shown, "bot", "needs-review")
    return {"number": number, "pull": shown, "head": head, "branch": "bot/1-total"}


# ---------------------------------------------------------------- claims


def claims(room, task, run=None):
    run = run or room.run()
    working = replace(task, stage=Stage.WORKING, run=run)
    room.wants(working, Claim("claim", working.front, run))
    return working


def test_a_claim_that_holds_leaves_the_comment_known_and_itself_no_news(room):
    task = claims(room, room.task())
    room.act()
    known = room.known(task)
    shown = room.scene.issue(SHOP, task.key.number)
    assert known.status_comment_id == shown.comments[0].id
    assert known.seen_at == shown.updated_at
    assert room.left() == []


def test_a_claim_that_a_rival_holds_is_let_go_until_the_rival_ends(room):
    task = claims(room, room.task())
    ends_at = room.now() + timedelta(hours=1)

    def claim(order):
        marker = ClaimMarker("there", "run-x", ends_at, 1, room.now() - timedelta(minutes=5), room.me.id)
        return replace(room.forge.part.claim(order), markers=(marker,))

    room.forge.instead["claim"] = claim
    room.act()
    known = room.known(task)
    assert (known.stage, known.claimed_elsewhere_until) == (Stage.QUEUED, ends_at)
    assert room.events(task)[-1] == "ClaimRefused"
    assert room.desk.look_alarms[task.key] == room.now()


def test_a_claim_that_fails_for_a_person_names_no_rivals_end(room):
    task = claims(room, room.task(claimed_elsewhere_until=room.now() - timedelta(hours=1)))
    room.alice.assign(SHOP, task.key.number, "alice")
    room.act()
    known = room.known(task)
    assert (known.stage, known.claimed_elsewhere_until) == (Stage.QUEUED, None)


def test_a_lost_claim_ends_its_run_and_any_other_refusal_does_not(room):
    task = room.begins(room.task(), room.run())
    room.forge.fails("claim", ClaimLost("somebody was quicker"))
    room.act()
    assert room.journal.load_run("run-1").state == "cancelled"
    assert room.stage(task) is Stage.QUEUED

    other = room.begins(room.task(), room.run(run_id="run-2"))
    room.forge.works()
    room.works()
    room.wants(other, room.comment(other))
    room.forge.fails("post_comment", ClaimLost("the comment is gone"))
    room.act()
    assert room.journal.load_run("run-2").state in {"reserved", "running"}, "what refused was no claim"


def test_a_claim_that_is_lost_when_its_run_is_gone_already_is_no_accident(room):
    run = room.run()
    task = room.task()
    room.wants(task, Claim("claim", task.key, run))
    room.forge.fails("claim", ClaimLost("somebody was quicker"))
    room.act()
    assert (room.left(), room.desk.accidents) == ([], [])


def test_the_issue_behind_a_claimed_pull_request_is_as_it_was_seen_last(room, pull):
    task = room.task(
        Stage.REVIEWING, pull["number"], pull=pull["pull"], head=pull["head"], run=room.run(Role.REVIEWER)
    )
    room.desk.snapshots[task.key] = room.forge.part.fetch_snapshot(room.desk.repos[room.repo_id], task)
    before = room.desk.snapshots[task.key].issue

    def claim(order):
        return replace(room.forge.part.claim(order), issue=None)

    room.forge.instead["claim"] = claim
    room.wants(task, Claim("claim", task.front, task.run))
    room.act()
    assert room.desk.snapshots[task.key].issue == before is not None
    assert room.known(task).seen_at == room.scene.issue(SHOP, pull["pull"]).updated_at


def test_an_issue_that_a_claim_reads_back_is_the_newest_there_is(room):
    task = room.task()
    room.desk.snapshots[task.key] = room.forge.part.fetch_snapshot(room.desk.repos[room.repo_id], task)
    claims(room, task)
    room.act()
    assert [person.login for person in room.desk.snapshots[task.key].issue.assignees] == ["shop-bot"]


def test_a_claim_before_anything_was_seen_is_read_back_as_it_is(room, pull):
    task = room.task(
        Stage.REVIEWING, pull["number"], pull=pull["pull"], head=pull["head"], run=room.run(Role.REVIEWER)
    )
    room.forge.instead["claim"] = lambda order: replace(room.forge.part.claim(order), issue=None)
    room.wants(task, Claim("claim", task.front, task.run))
    room.act()
    assert room.desk.snapshots[task.key].issue is None
    assert room.desk.accidents == []


# ---------------------------------------------------------------- stages


def shows(room, task):
    room.wants(task, ShowStage(f"{task.key}/show-{task.stage}", task.stage))
    room.act()
    assert room.left() == []
    return room.known(task)


def test_a_task_without_a_status_comment_gets_one_when_it_is_blocked_and_not_before(room):
    asked = room.alice.open_issue(SHOP, "a", labels=("bot",))
    shows(room, room.task(Stage.QUEUED, asked))
    assert room.scene.comments(SHOP, asked) == []
    known = shows(room, room.task(Stage.BLOCKED, asked, blocked_why="question: which one?"))
    assert known.status_comment_id == room.scene.comments(SHOP, asked)[0].id


def test_a_status_comment_is_kept_up_to_date(room):
    task = room.known(claims(room, room.task()))
    room.act()
    before = room.said(task)
    shows(room, replace(room.known(task), stage=Stage.QUEUED, run=None))
    assert room.said(task) != before


@pytest.mark.parametrize("stage", [Stage.BLOCKED, Stage.DONE, Stage.QUEUED])
def test_whom_we_assigned_is_known_for_as_long_as_we_may_have_to_release_them(room, stage):
    alice = room.scene.world.account("alice")
    requester = replace(room.me, id=alice.id, login="alice", is_bot=False)
    task = room.task(stage, handed_to=("bob",), requester=requester, blocked_why="question: which one?")
    expected = {Stage.BLOCKED: ("alice",), Stage.DONE: ("bob",), Stage.QUEUED: ()}[stage]
    assert shows(room, task).handed_to == expected


def test_whom_we_are_about_to_assign_is_written_down_first(room):
    """A death in between must not leave a person assigned by nobody."""
    alice = room.scene.world.account("alice")
    requester = replace(room.me, id=alice.id, login="alice", is_bot=False)
    task = room.task(Stage.BLOCKED, requester=requester, blocked_why="question: which one?")
    room.wants(task, ShowStage("show", task.stage))
    room.forge.fails("show_stage", ClaimLost("a death"))
    seen = []
    room.forge.instead["show_stage"] = lambda _order: seen.append(room.known(task).handed_to) or _dies()
    with pytest.raises(_Death):
        room.act()
    assert seen == [("alice",)]


class _Death(BaseException):
    """The end of the process."""


def _dies():
    raise _Death


def test_what_is_known_already_is_not_written_down_twice(room):
    alice = room.scene.world.account("alice")
    requester = replace(room.me, id=alice.id, login="alice", is_bot=False)
    facts = {"requester": requester, "blocked_why": "question: which one?"}
    for stage, handed, saves in (
        (Stage.BLOCKED, ("alice",), 1),
        (Stage.BLOCKED, (), 2),
        (Stage.QUEUED, (), 1),
        (Stage.QUEUED, ("alice",), 1),
    ):
        journal = room.journal
        counted = _Counted(journal)
        room.desk.journal = counted
        task = room.task(stage, handed_to=handed, **facts)
        shows(room, task)
        assert counted.saves == saves, (stage, handed)
        room.desk.journal = journal


class _Counted:
    """A journal that counts how often a task is saved."""

    def __init__(self, journal):
        self.journal, self.saves = journal, 0

    def __getattr__(self, name):
        self.saves += name == "save_task"
        return getattr(self.journal, name)


# ---------------------------------------------------------------- the hand-over


def ready(room, pull, decided_s_ago):
    return room.task(
        Stage.MERGE_READY,
        pull["number"],
        pull=pull["pull"],
        head=pull["head"],
        branch=pull["branch"],
        approved_head=pull["head"],
        checked_head=pull["head"],
        step_started_at=room.now() - timedelta(seconds=decided_s_ago) if decided_s_ago is not None else None,
    )


@pytest.mark.parametrize(
    ("decided_s_ago", "looks"),
    [(0, 0), (4.9, 0), (HANDS_OVER_WITHIN.total_seconds(), 1), (600, 1), (None, 0)],
)
def test_a_hand_over_that_was_held_up_looks_again_first(room, pull, decided_s_ago, looks):
    task = ready(room, pull, decided_s_ago)
    shows(room, task)
    assert room.forge.asked["fetch_snapshot"] == looks
    assert "merge-ready" in room.scene.labels(SHOP, pull["pull"])


def test_a_hand_over_of_what_turned_red_meanwhile_does_not_take_place(room, pull):
    room.scene.person("bob").set_status(SHOP, pull["head"], "failure")
    room.wants(ready(room, pull, 600), ShowStage("show", Stage.MERGE_READY))
    room.act()
    assert "merge-ready" not in room.scene.labels(SHOP, pull["pull"])


def test_only_a_hand_over_looks_again(room, pull):
    shows(room, replace(ready(room, pull, 600), stage=Stage.NEEDS_REWORK))
    assert room.forge.asked["fetch_snapshot"] == 0


# ---------------------------------------------------------------- pull requests and reviews


def test_a_pull_request_is_opened_where_there_is_none_and_never_where_there_is_one(room):
    number = room.alice.open_issue(SHOP, "total() is wrong", labels=("bot",))
    room.scene.person("shop-bot").push(SHOP, "bot/1-total", {"shop.py": "green 1\n"}, base="main")
    task = room.task(Stage.NEEDS_REVIEW, number, branch="bot/1-total", pull_title="Sort", base="main")
    room.wants(task, OpenPull("open", "bot/1-total", "main"))
    room.act()
    (pull,) = room.scene.pulls(SHOP)
    assert room.known(task).pull == pull.number

    room.alice.close(SHOP, pull.number)
    room.wants(room.known(task), OpenPull("open again", "bot/1-total", "main"))
    room.act()
    assert (len(room.scene.pulls(SHOP)), room.forge.asked["open_pull"]) == (1, 1)


def test_findings_with_a_place_are_remarks_and_the_others_stand_in_the_text(room, pull):
    findings = (
        Finding("no test", "major"),
        Finding("a file that is too long", "minor", path="shop.py"),
        Finding("a line of nothing", "minor", line=1),
        Finding("wrong name", "minor", path="shop.py", line=1),
    )
    task = room.task(Stage.NEEDS_REWORK, pull["number"], pull=pull["pull"], head=pull["head"])
    orders = []
    room.forge.instead["post_review"] = lambda order: (
        orders.append(order) or room.forge.part.post_review(order)
    )
    room.wants(task, PostReview("review", pull["head"], False, "Not yet.", findings))
    room.act()
    (order,) = orders
    assert [(one.path, one.line) for one in order.findings] == [("shop.py", 1)]
    assert "wrong name" in order.findings[0].text
    for finding in findings[:3]:
        assert finding.text in order.body
    assert "wrong name" not in order.body
