"""Two ends of a run that are nobody's fault: a text that must not leave the machine, and commits that the next one goes on from."""

import pytest

from dispatcher.core import events as e
from dispatcher.core.effects import CommentKind, PostComment, ShowStage
from dispatcher.core.guards import is_continued
from dispatcher.core.machine import Verdict, decide
from dispatcher.core.model import HoldKind, Stage
from dispatcher.core.policy import Situation, agents_to_try, why_waiting
from dispatcher.core.rules import Caps, RepoRules
from tests.core.situations import BOT, HEAD, NEXT, NOW, OLD, task_in

SHOP = RepoRules("shop", "acme", "shop", agents=(("worker", ("claude",)),))
GOES_ON_AS = {
    Stage.WORKING: Stage.QUEUED,
    Stage.REVIEWING: Stage.NEEDS_REVIEW,
    Stage.REWORKING: Stage.NEEDS_REWORK,
    Stage.ANSWERING: Stage.ASKED,
}


@pytest.mark.parametrize("stage", GOES_ON_AS)
def test_a_text_that_must_not_leave_is_a_persons_matter_and_they_are_told_where_it_is(stage):
    task = task_in(stage)
    decision = decide(task, e.OutcomeWithheld(task.run.id, ("body: an API key",)), NOW)
    after = decision.task
    assert (decision.verdict, after.stage, after.run) == (Verdict.TAKEN, Stage.BLOCKED, None)
    assert after.blocked_why.startswith("withheld")
    assert after.resume_stage is GOES_ON_AS[stage]
    assert {type(effect) for effect in decision.effects} == {ShowStage, PostComment}
    assert [one.kind for one in decision.effects if isinstance(one, PostComment)] == [CommentKind.BLOCKED]


KEEPS = (Stage.QUEUED, Stage.WORKING, Stage.NEEDS_REWORK, Stage.REWORKING, Stage.BLOCKED)


@pytest.mark.parametrize("stage", KEEPS)
def test_what_was_kept_for_the_next_worker_is_where_it_begins_and_the_stage_stays(stage):
    task = task_in(stage)
    decision = decide(task, e.ResultKept("bot/kept/run-w", "BudgetSpent", NEXT, task.head), NOW)
    after = decision.task
    assert (decision.verdict, after.stage) == (Verdict.TAKEN, stage)
    assert (after.draft_head, after.draft_is_unfinished, len(after.told)) == (NEXT, True, len(task.told) + 1)
    (comment,) = decision.effects
    assert comment.kind is CommentKind.KEPT


@pytest.mark.parametrize(
    ("head", "continues", "goes_on"),
    [(NEXT, HEAD, True), ("", HEAD, False), (NEXT, OLD, False), (NEXT, "", False)],
)
def test_nobody_goes_on_from_nothing_or_from_what_was_made_on_another_head(head, continues, goes_on):
    task = task_in(Stage.NEEDS_REWORK, head=HEAD)
    kept = e.ResultKept("bot/kept/run-w", "BudgetSpent", head, continues)
    assert is_continued(task, kept) is goes_on
    assert bool(decide(task, kept, NOW).task.draft_head) is (goes_on or bool(task.draft_head))


def test_only_what_was_kept_is_gone_on_from():
    assert not is_continued(task_in(Stage.NEEDS_REWORK), e.Unlabelled())


# ---------------------------------------------------------------- who may take it


def test_where_no_role_moves_a_task_on_or_nobody_knows_its_repository_no_agent_is_tried():
    known, unknown = Situation(Caps(), {"acme/shop": SHOP}, BOT), Situation(Caps(), {}, BOT)
    assert agents_to_try(task_in(Stage.QUEUED), known) == ("claude",)
    assert agents_to_try(task_in(Stage.QUEUED), unknown) == ()
    assert agents_to_try(task_in(Stage.BLOCKED), known) == ()


def test_a_question_is_answered_though_two_stages_are_shown():
    def kind(stage):
        hold = why_waiting(
            task_in(stage, has_two_stages=True), Situation(Caps(), {"acme/shop": SHOP}, BOT), NOW
        )
        return hold.kind if hold else None

    assert kind(Stage.QUEUED) is HoldKind.TWO_STAGE_LABELS
    assert kind(Stage.ASKED) is not HoldKind.TWO_STAGE_LABELS
