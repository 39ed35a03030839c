"""Accidents of others on the way to a merge: verdicts that no longer hold, CI that is not what it seems, doubled pull requests."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from dispatcher.core import events as e
from dispatcher.core.errors import RetryLater
from dispatcher.core.model import Ci, Mergeable, Pull, Snapshot, Stage
from dispatcher.core.policy import limit_reached
from dispatcher.ports import PullOrder
from dispatcher.simulator.faults import Fault, What
from tests.core.situations import (
    ALIEN,
    ANNA,
    BOT,
    HEAD,
    NEXT,
    NOW,
    PULL,
    REVIEWER,
    approved,
    change_request,
    follow,
    item,
    kinds,
    look,
    pull,
    seen,
    shows,
    task_in,
)
from tests.forge.conftest import SHOP as COUNTER_SHOP
from tests.forge.conftest import Office as Counter
from tests.story.office import SHOP, Office

LATE = NOW + timedelta(hours=3)


def shown(**changes: Any) -> Snapshot:
    """A pull request whose reviewer is through; the bot still has it."""
    side = item(PULL, "bot needs-review", (BOT,), author=BOT)
    return shows(item(7, "", (BOT,)), pull(**({"item": side} | changes)))


# ---------------------------------------------------------------- verdicts


def test_request_changes_on_an_unchanged_head_is_not_answered_for_ever() -> None:
    """Elsewhere the worker changed nothing, the reviewer read the same commit again and said no again, all night long."""
    rejected = follow(task_in(Stage.REVIEWING), e.ReviewRejected(REVIEWER.id, HEAD, "no test")).task
    assert rejected.stage is Stage.NEEDS_REWORK
    run = replace(REVIEWER, id="run-2")
    ended = follow(rejected, e.Dispatched(run), e.WorkDelivered(run.id, "", "", ""), e.NothingNew(run.id))

    assert ended.task.stage is Stage.BLOCKED, "no second review of a commit that has had one"
    assert kinds(ended) == ["ShowStage", "PostComment"]


def test_rounds_that_never_converge_end() -> None:
    """Elsewhere worker and reviewer disagreed about style for 40 rounds before somebody read the bill."""
    task, rounds = task_in(Stage.REVIEWING), 0
    while (limit := limit_reached(task)) is None and rounds < 40:
        rounds += 1
        rejected = follow(task, e.ReviewRejected(REVIEWER.id, task.head, "again")).task
        if limit_reached(rejected):
            task = rejected
            continue
        run = replace(REVIEWER, id=f"run-{rounds}")
        done = (e.WorkDelivered(run.id, "", "", ""), e.CheckPassed(f"{rounds:040d}", run_id=run.id))
        task = follow(rejected, e.Dispatched(run), *done, e.Dispatched(REVIEWER)).task

    assert limit is not None
    assert (limit.cause, rounds) == ("rounds", task.limits.rounds)


def test_a_persons_change_request_on_an_unchanged_head_wakes_nobody_twice() -> None:
    """Elsewhere each poll saw the same open request for changes and sent another worker for it."""
    asked = shown(reviews=(change_request(),))
    task = look(approved(), asked)
    assert task.stage is Stage.NEEDS_REWORK
    task = follow(task, e.LimitReached("attempts", "3 of 3 attempts used")).task
    for _ in range(15):
        task = look(task, shows(item(7, "", (ANNA,)), pull("needs-human", reviews=(change_request(),))))

    assert task.stage is Stage.BLOCKED


def test_an_approval_does_not_outlive_its_head() -> None:
    """Elsewhere somebody pushed after the approval, and the commit that nobody had read was merged under it."""
    moved = look(approved(), shown(head=ALIEN))
    assert (moved.stage, moved.head) == (Stage.NEEDS_REVIEW, ALIEN)
    assert e.GatesPassed(ALIEN) not in seen(moved, shown(head=ALIEN), now=LATE)

    too_late = follow(task_in(Stage.REVIEWING, head=ALIEN), e.ReviewApproved(REVIEWER.id, HEAD, "fine"))
    assert too_late.task.stage is Stage.NEEDS_REVIEW
    assert too_late.task.approved_head != ALIEN
    assert "PostReview" not in kinds(too_late), (
        "an approval in public would be taken for one of the new commit"
    )


def test_an_approved_pull_request_that_conflicts_is_not_handed_over() -> None:
    """Elsewhere people were told "ready to merge" and found a conflict; after the third one they stopped looking."""
    conflicting = shown(mergeable=Mergeable.CONFLICTING)
    assert seen(approved(), conflicting) == (e.ConflictAppeared(HEAD),)
    rebasing = follow(approved(), e.ConflictAppeared(HEAD))
    assert (rebasing.task.stage, kinds(rebasing)) == (Stage.REVIEWING, ["Rebase"])

    rebased = follow(rebasing.task, e.Rebased(HEAD, NEXT, same_patch=True)).task
    assert look(rebased, shown(head=NEXT)).stage is Stage.MERGE_READY
    stuck = follow(rebasing.task, e.RebaseFailed(HEAD, "shop.py")).task
    assert stuck.stage is Stage.NEEDS_REWORK


def test_a_mergeability_that_github_still_computes_is_neither_yes_nor_no() -> None:
    """Elsewhere `mergeable: null` was read as false and a worker was sent to solve a conflict that there was not."""
    unknown = shown(mergeable=Mergeable.UNKNOWN)
    waits = approved(step_started_at=NOW)
    assert seen(waits, unknown) == ()
    assert look(waits, shown()).stage is Stage.MERGE_READY
    assert look(waits, unknown, now=LATE).stage is Stage.BLOCKED, "but nobody waits for ever"


# ---------------------------------------------------------------- CI


@pytest.fixture
def built(counter: Counter) -> tuple[Counter, int, int]:
    """The bot's pull request for an issue, with an app that may report on its head."""
    number = counter.issue()
    made = counter.pull(number)
    counter.box.scene.add_app("builder")
    counter.ann.invite(COUNTER_SHOP, "builder[bot]", "write")
    return counter, number, made


def reported(built: tuple[Counter, int, int], *conclusions: str | None) -> Pull:
    """The pull request after these runs of one check, one after the other."""
    counter, number, made = built
    head = counter.box.scene.issue(COUNTER_SHOP, made).pull.head_sha  # type: ignore[union-attr]  # it is a pull request
    for conclusion in conclusions:
        counter.clock.passes(5)
        status = "completed" if conclusion else "in_progress"
        counter.box.scene.person("builder[bot]").create_check_run(
            COUNTER_SHOP, head, "build", conclusion, status=status
        )
    found = counter.look_at(number, made).pull
    assert found is not None
    return found


def test_ci_that_is_cancelled_and_started_again_is_not_red(built: tuple[Counter, int, int]) -> None:
    """Elsewhere a cancelled run counted as failed: a worker was sent to mend code that was never broken."""
    assert reported(built, "cancelled", None).ci is Ci.PENDING
    assert reported(built, "success").ci is Ci.GREEN


def test_a_check_that_failed_and_was_started_again_is_judged_by_its_last_run(
    built: tuple[Counter, int, int],
) -> None:
    """Elsewhere the old red run stayed in the list for ever, and a re-run that went green changed nothing."""
    assert reported(built, "failure").ci is Ci.RED
    assert reported(built, None).ci is Ci.PENDING
    assert reported(built, "success").ci is Ci.GREEN


@pytest.mark.parametrize("conclusions", [(), ("skipped",), ("neutral",)], ids=["none", "skipped", "neutral"])
def test_ci_that_has_nothing_to_say_lets_through(
    built: tuple[Counter, int, int], conclusions: tuple[str, ...]
) -> None:
    """Elsewhere a repository without CI, or with a check that is skipped, waited for a green light that never came."""
    found = reported(built, *conclusions)
    assert found.ci.lets_through
    assert look(approved(), shown(ci=found.ci)).stage is Stage.MERGE_READY


# ---------------------------------------------------------------- pull requests


def test_one_issue_never_has_two_pull_requests(counter: Counter) -> None:
    """Elsewhere the answer to "open a pull request" was lost, and after a restart a second one was opened."""
    number = counter.issue()
    branch = f"bot/{number}-mend"
    counter.bot.push(COUNTER_SHOP, branch, {"app.py": "new\n"}, base="main")
    order = PullOrder(COUNTER_SHOP, branch, "main", "Mend", f"Closes #{number}", "pull-1")
    counter.box.faults.add(Fault(What.DROP_AFTER, path="/pulls", method="POST"))
    with pytest.raises(RetryLater):
        counter.forge.open_pull(order)

    counter.restart()
    again = counter.forge.open_pull(replace(order, key="pull-2"))

    (only,) = counter.box.scene.pulls(COUNTER_SHOP)
    assert again.number == only.number


def test_a_pull_request_that_is_known_is_never_opened_again() -> None:
    """Elsewhere the reworked branch was treated like the first: each round opened one more pull request."""
    run = replace(REVIEWER, id="run-w2")
    reworked = follow(
        task_in(Stage.NEEDS_REWORK),
        e.Dispatched(run),
        e.WorkDelivered(run.id, "Add a total", "", ""),
        e.CheckPassed(NEXT, run_id=run.id),
    )
    assert reworked.task.pull == PULL
    assert kinds(reworked) == ["Push", "ShowStage"]


def test_a_branch_that_was_pushed_and_no_pull_request_opened(office: Office) -> None:
    """Elsewhere the process died between the push and the pull request: the work lay on a branch that nobody looked at."""
    refused = office.box.faults.add(Fault(What.FAIL_BEFORE, "/pulls$", "POST", count=None))
    number = office.asks()
    office.settle(until=lambda: refused.hits)
    branch = office.task(number).branch
    assert branch in office.branches()
    assert office.box.scene.pulls(SHOP) == []

    office.stop()
    office.box.faults.clear()
    office.later(minutes=2)
    office.start()
    office.settle(until=lambda: office.task(number).pull)

    assert [opened.number for opened in office.box.scene.pulls(SHOP)] == [office.pull(number)]
    assert office.roles().count("worker") == 1, "the work was not done twice"


def test_a_protected_path_in_the_diff_stays_on_this_machine(shop: Any) -> None:
    """Elsewhere an agent "fixed" the build by editing the workflow, which ran with the repository's secrets on push."""
    event = shop.delivered({".github/workflows/ci.yml": "on: push\n", "src/app.py": "new\n"})

    assert isinstance(event, e.HarvestRefused)
    assert ".github/workflows/ci.yml" in " ".join(event.findings)
    assert shop.on_forge() == ""
    refused = follow(task_in(Stage.WORKING), e.HarvestRefused("run-w", event.findings))
    assert (refused.task.stage, kinds(refused)) == (Stage.BLOCKED, ["ShowStage", "PostComment"])
