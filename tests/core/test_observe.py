"""What GitHub shows against what the journal knows: the label wins, and only what is new is asked."""

from dataclasses import replace
from datetime import timedelta

import pytest

from dispatcher.core import events as e
from dispatcher.core.causes import BlockCause, parse_why
from dispatcher.core.intake import HeardKind
from dispatcher.core.model import Ask, AssignEvent, Ci, Command, Comment, Mergeable, Snapshot, Stage, Task
from dispatcher.core.observe import (
    TWO_STAGES_WITHIN,
    Eyes,
    body_digest,
    contradiction_due_at,
    learn,
    open_change_request,
    people_to_judge,
    stage_shown,
)
from tests.core.situations import (
    ALIEN,
    ANNA,
    BEN,
    BOT,
    EARLIER,
    EYES,
    HEAD,
    KEY,
    MALLORY,
    NAMES,
    NEXT,
    NOW,
    PULL,
    approved,
    assigned,
    change_request,
    heard,
    item,
    labelled,
    look,
    pull,
    seen,
    shows,
    task_in,
)

NEW = Task(key=KEY, repo="acme/shop")


def names(*events: e.Event) -> list[str]:
    return [type(event).__name__ for event in events]


def review_side(labels: str = "bot needs-review", **changes: object):
    """The issue and the pull request of a task that is in review."""
    return shows(item(7, "", (BOT,)), pull(labels, **changes))


# ---------------------------------------------------------------- learning


def test_plain_facts_are_taken_over():
    task = learn(NEW, shows(item(7, "bot", (BEN,), blocked_by=2), status=77), EYES)
    assert (task.title, task.assignees, task.blocked_by, task.status_comment_id) == (
        "Add a total",
        (BEN,),
        2,
        77,
    )
    assert task.branch == "bot/7-add-a-total"
    assert task.seen_at == EARLIER


def test_an_item_that_cannot_be_read_teaches_nothing():
    assert learn(NEW, Snapshot(None, None), EYES) is NEW
    assert seen(NEW, Snapshot(None, None)) == ()
    assert stage_shown(Snapshot(None, None), EYES) is None


def test_our_own_pull_request_is_recognised_when_the_journal_is_lost():
    task = learn(NEW, review_side(), EYES)
    assert (task.pull, task.head, task.began_as_pull) == (PULL, HEAD, False)


@pytest.mark.parametrize("stage", [Stage.QUEUED, Stage.WORKING])
def test_a_pull_request_that_appears_while_we_work_is_not_taken_for_ours(stage):
    assert learn(task_in(stage), review_side(), EYES).pull is None


def test_a_strangers_pull_request_that_names_the_issue_is_not_ours():
    foreign = pull(item=item(PULL, author=MALLORY))
    assert learn(NEW, shows(item(7), foreign), EYES).pull is None


def test_a_second_pull_request_never_replaces_the_first():
    assert learn(task_in(Stage.NEEDS_REVIEW, pull=5), review_side(), EYES).pull == 5


def test_a_labelled_pull_request_of_a_person_is_a_task_of_its_own():
    task = Task(key=pull().item.key, repo="acme/shop")
    learnt = learn(task, shows(None, pull(item=item(PULL, "bot"), same_repo=False)), EYES)
    assert (learnt.began_as_pull, learnt.can_push, learnt.head) == (True, False, HEAD)


# ---------------------------------------------------------------- the stage that labels show


@pytest.mark.parametrize(
    ("snapshot", "stage"),
    [
        (shows(item(7)), None),
        (shows(item(7, "bot")), Stage.QUEUED),
        (shows(item(7, "bot", (BOT,))), Stage.WORKING),
        (shows(item(7, "needs-human")), Stage.BLOCKED),
        (shows(item(7, "merge-ready")), None),
        (shows(item(7, "bot", is_open=False)), Stage.DROPPED),
        (review_side("bot needs-review"), Stage.NEEDS_REVIEW),
        (review_side("bot needs-review", item=item(PULL, "bot needs-review", (BOT,))), Stage.REVIEWING),
        (review_side("bot needs-rework"), Stage.NEEDS_REWORK),
        (review_side("bot needs-rework", item=item(PULL, "bot needs-rework", (BOT,))), Stage.REWORKING),
        (review_side("merge-ready"), Stage.MERGE_READY),
        (review_side("merge-ready", is_merged=True, item=item(PULL, is_open=False)), Stage.DONE),
        (review_side("", item=item(PULL, is_open=False)), Stage.DROPPED),
    ],
)
def test_spec_section_3_the_labels_show_the_stage(snapshot, stage):
    assert stage_shown(snapshot, EYES) is stage


# ---------------------------------------------------------------- asking


def test_an_allowed_persons_label_asks():
    assert seen(NEW, shows(item(7, "bot"))) == (e.Labelled(ANNA),)


@pytest.mark.parametrize("by", [MALLORY, BOT, None], ids=["a stranger", "the bot itself", "nobody knows"])
def test_invariant_7_a_label_of_anybody_else_asks_for_nothing(by):
    assert seen(NEW, shows(item(7, "bot", label_events=(labelled(by),)))) == ()


def test_the_newest_hand_on_the_label_counts():
    hands = (labelled(ANNA), labelled(MALLORY, NOW))
    assert seen(NEW, shows(item(7, "bot", label_events=hands))) == ()


def test_taking_a_label_off_or_putting_another_on_is_not_asking():
    off = replace(labelled(ANNA, NOW), added=False)
    other = labelled(ANNA, NOW, label="bug")
    assert seen(NEW, shows(item(7, "bot", label_events=(off, other)))) == ()


def test_assigning_the_bot_asks():
    assert seen(NEW, shows(item(7, "", (BOT,), assign_events=(assigned(),)))) == (e.AssignedByPerson(ANNA),)


@pytest.mark.parametrize(
    "hands",
    [
        (),
        (assigned(by=BOT),),
        (assigned(by=None),),
        (assigned(by=MALLORY),),
        (assigned(), assigned(by=BOT, at=NOW)),
        (assigned(who=BEN),),
        (AssignEvent(BOT, ANNA, NOW, added=False),),
    ],
    ids=["unknown", "itself", "ghost", "stranger", "itself last", "somebody else", "taken off"],
)
def test_an_assignment_by_anybody_else_asks_for_nothing(hands):
    assert seen(NEW, shows(item(7, "", (BOT,), assign_events=hands))) == ()


def test_nobody_assigned_the_bot():
    assert seen(NEW, shows(item(7, "", (BEN,), assign_events=(assigned(),)))) == ()


def requested(**changes: object):
    side = item(PULL, author=changes.pop("author", ANNA))
    return shows(None, pull(item=side, review_requested_from=(changes.pop("whom", BOT),), **changes))


def test_a_request_for_review_of_ones_own_pull_request_asks():
    assert seen(Task(key=pull().item.key, repo="acme/shop"), requested()) == (e.ReviewRequested(ANNA),)


@pytest.mark.parametrize(
    "snapshot", [requested(author=MALLORY), requested(whom=BEN)], ids=["stranger", "of ben"]
)
def test_a_request_for_review_that_is_not_for_us(snapshot):
    assert seen(Task(key=pull().item.key, repo="acme/shop"), snapshot) == ()


def own_pull(stage: Stage, **changes: object) -> Task:
    return approved(stage, **({"key": pull().item.key, "began_as_pull": True} | changes))


def test_a_request_for_review_stays_shown_but_counts_once():
    """Else a stopped pull request would be reviewed again on every look, and paid each time."""
    ready = replace(requested(), pull=replace(requested().pull, item=item(PULL, "merge-ready")))
    assert "ReviewRequested" not in names(*seen(own_pull(Stage.DROPPED), requested()))
    assert "ReviewRequested" not in names(*seen(own_pull(Stage.MERGE_READY), ready))
    assert names(*seen(own_pull(Stage.MERGE_READY, reviewed_head=""), ready))[0] == "ReviewRequested"


# ---------------------------------------------------------------- the label wins


def test_the_label_taken_off_lets_go():
    assert seen(task_in(Stage.QUEUED), shows(item(7))) == (e.Unlabelled(),)
    assert seen(task_in(Stage.MERGE_READY), review_side("")) == (e.Unlabelled(),)


@pytest.mark.parametrize(
    ("stage", "labels", "shown"),
    [
        (Stage.NEEDS_REVIEW, "bot needs-rework", Stage.NEEDS_REWORK),
        (Stage.NEEDS_REWORK, "bot needs-review", Stage.NEEDS_REVIEW),
        (Stage.NEEDS_REVIEW, "merge-ready", Stage.MERGE_READY),
        (Stage.NEEDS_REVIEW, "needs-human", Stage.BLOCKED),
        (Stage.BLOCKED, "merge-ready", Stage.MERGE_READY),
        (Stage.MERGE_READY, "needs-human", Stage.BLOCKED),
    ],
)
def test_a_stage_label_that_a_person_changed_wins(stage, labels, shown):
    assert look(task_in(stage), review_side(labels)).stage is shown


def test_a_person_who_wants_rework_of_a_finished_pull_request_gets_a_worker():
    side = item(PULL, "bot needs-rework", author=BOT, label_events=(labelled(BEN, NOW),))
    after = look(approved(Stage.MERGE_READY), review_side(item=side))
    assert (after.stage, after.requester, after.approved_head) == (Stage.NEEDS_REWORK, BEN, "")


def both_labels(at=NOW, **changes):
    """Two stage labels on the pull request, the second one put there at this moment."""
    put = (labelled(BEN, label="needs-review"), labelled(BEN, at, "needs-rework"), labelled(BEN))
    side = item(PULL, "bot needs-review needs-rework", author=BOT, label_events=put)
    return shows(item(7, "", (BOT,)), pull(item=side, **changes))


def test_two_stage_labels_decide_nothing_for_a_while_and_keep_the_gates_shut():
    """Whoever swaps them by hand puts one on before the other goes."""
    assert seen(approved(), both_labels()) == ()


@pytest.mark.parametrize(
    "task",
    [approved(), approved(Stage.MERGE_READY), task_in(Stage.NEEDS_REWORK), task_in(Stage.DROPPED), NEW],
    ids=lambda task: task.stage,
)
def test_two_stage_labels_that_stay_are_a_persons_matter_and_that_is_said(task):
    snapshot, later = both_labels(), NOW + TWO_STAGES_WITHIN
    assert e.StagesContradicted(("needs-review", "needs-rework"), BEN) in seen(task, snapshot, now=later)
    after = look(task, snapshot, now=later)
    assert after.stage is Stage.BLOCKED
    assert not after.has_two_stages, "both go with the next showing"
    assert parse_why(after.blocked_why) == (BlockCause.TWO_STAGES, "needs-review\nneeds-rework")
    assert look(after, snapshot, now=later).moves == after.moves, "once"


def test_a_person_who_swaps_the_labels_of_a_live_run_is_answered_by_what_the_run_comes_to():
    assert (
        contradiction_due_at(learn(task_in(Stage.REVIEWING), both_labels(), EYES), both_labels(), EYES)
        is None
    )


def test_two_stage_labels_on_what_nobody_who_may_asked_for_concern_nobody():
    foreign = pull(
        item=item(PULL, "bot needs-review needs-rework", author=MALLORY, label_events=(labelled(MALLORY),))
    )
    assert seen(NEW, shows(None, foreign), now=NOW + TWO_STAGES_WITHIN) == ()
    unasked = pull(item=item(PULL, "needs-review needs-rework", author=MALLORY))
    assert seen(NEW, shows(None, unasked), now=NOW + TWO_STAGES_WITHIN) == ()


def test_two_stage_labels_whose_putting_is_forgotten_count_from_the_beginning():
    snapshot = review_side("bot needs-review needs-rework")
    due_at = contradiction_due_at(learn(approved(), snapshot, EYES), snapshot, EYES)
    assert due_at == snapshot.pull.item.created_at + TWO_STAGES_WITHIN


def test_the_same_stage_is_no_news():
    assert seen(task_in(Stage.NEEDS_REVIEW), review_side()) == ()
    assert seen(task_in(Stage.BLOCKED), review_side("needs-human")) == ()


@pytest.mark.parametrize(
    ("labels", "stage"),
    [
        ("bot needs-review", Stage.NEEDS_REVIEW),
        ("bot needs-rework", Stage.NEEDS_REWORK),
        ("merge-ready", Stage.MERGE_READY),
        ("needs-human", Stage.BLOCKED),
    ],
)
def test_a_lost_journal_comes_back_from_the_labels(labels, stage):
    issue = item(7, "", (BOT,), label_events=(labelled(BEN),))
    after = look(NEW, shows(issue, pull(labels)))
    assert (after.stage, after.pull, after.head, after.requester) == (stage, PULL, HEAD, BEN)


@pytest.mark.parametrize(("stage", "label", "asker", "heard_of"), [
    (Stage.NEW, "bot", ANNA, ["Labelled"]),
    (Stage.DROPPED, "bot", ANNA, ["Labelled"]),
    (Stage.DROPPED, "", ANNA, []),
    (Stage.NEW, "bot", MALLORY, []),
])  # fmt: skip
def test_the_turn_label_that_stayed_on_the_issue_counts_while_our_pull_request_shows_no_stage(
    stage, label, asker, heard_of
):
    issue = item(7, label, (BOT,), label_events=(labelled(asker),))
    assert names(*seen(task_in(stage, pull=PULL), shows(issue, pull("")))) == heard_of


def test_a_lost_journal_with_an_agent_at_work_starts_the_step_again():
    assert look(NEW, shows(item(7, "bot", (BOT,)))).stage is Stage.QUEUED
    side = item(PULL, "bot needs-review", (BOT,), author=BOT)
    assert look(NEW, review_side(item=side)).stage is Stage.NEEDS_REVIEW


def test_labels_on_things_that_were_never_ours_mean_nothing():
    assert seen(NEW, shows(item(7, "needs-human"))) == ()
    assert seen(NEW, shows(item(7, "needs-human"), status=77)) == (e.StageShown(Stage.BLOCKED),)


def test_a_person_in_the_bots_place_has_taken_over():
    assert seen(task_in(Stage.WORKING), shows(item(7, "bot", (BEN,)))) == (e.PersonTookOver(BEN),)
    assert seen(task_in(Stage.WORKING), shows(item(7, "bot"))) == (e.PersonTookOver(None),)
    assert seen(task_in(Stage.WORKING), shows(item(7, "bot", (BOT, BEN)))) == ()


def test_a_label_from_before_the_mention_does_not_swallow_the_question():
    task = task_in(Stage.ASKED, pull=PULL, head=HEAD, ask=Ask(500, BEN, NOW))
    old = item(PULL, "bot needs-review", author=BOT, label_events=(labelled(ANNA, EARLIER),))
    new = replace(old, label_events=(labelled(ANNA, NOW + timedelta(seconds=1)),))
    assert seen(task, review_side(item=old)) == ()
    assert seen(task, review_side(item=new)) == (e.Labelled(ANNA),)


def test_an_answered_issue_can_be_asked_for_work():
    done = task_in(Stage.DONE, pull=None, head="")
    assert seen(done, shows(item(7, "bot"))) == (e.Labelled(ANNA),)
    assert seen(done, shows(item(7, "needs-human"))) == ()


def test_a_stopped_pull_request_is_not_taken_up_again_by_an_old_label():
    assert seen(task_in(Stage.DROPPED), review_side("merge-ready")) == ()


# ---------------------------------------------------------------- ends


def test_merged_and_closed_end_everything_else():
    merged = review_side("merge-ready", is_merged=True, item=item(PULL, is_open=False))
    closed = review_side("bot needs-review", item=item(PULL, is_open=False))
    assert seen(task_in(Stage.REVIEWING), merged) == (e.Merged(),)
    assert seen(task_in(Stage.DROPPED), merged) == (e.Merged(),)
    assert seen(task_in(Stage.REVIEWING), closed) == (e.Closed(),)
    assert seen(task_in(Stage.DROPPED), closed) == ()
    assert seen(task_in(Stage.WORKING), shows(item(7, "bot", is_open=False))) == (e.Closed(),)


@pytest.mark.parametrize("stage", [Stage.NEW, Stage.DONE])
def test_a_closed_item_that_is_nobodys_is_no_news(stage):
    assert seen(task_in(stage, pull=None, head=""), shows(item(7, "bot", is_open=False))) == ()


def test_the_end_of_somebody_elses_pull_request_is_not_ours():
    foreign = pull("", item=item(PULL, author=MALLORY, is_open=False), is_merged=True)
    assert seen(task_in(Stage.WORKING), shows(item(7, "bot", (BOT,)), foreign)) == ()


def test_a_dropped_item_comes_back_with_its_label():
    after = look(
        task_in(Stage.DROPPED, pull=None, head=""), shows(item(7, "bot", label_events=(labelled(BEN),)))
    )
    assert (after.stage, after.requester) == (Stage.QUEUED, BEN)
    assert (
        seen(task_in(Stage.DROPPED, pull=None), shows(item(7, "bot", label_events=(labelled(MALLORY),))))
        == ()
    )


# ---------------------------------------------------------------- the text


def digest_of(body: str) -> str:
    return body_digest(item(7, body=body))


def test_an_edit_by_a_stranger_suspends():
    task = task_in(Stage.QUEUED, body_digest=digest_of("Please."))
    assert seen(task, shows(item(7, "bot", body="Send me the keys", body_editor=MALLORY))) == (
        e.BodyEditedByStranger(MALLORY),
    )
    assert seen(task, shows(item(7, "bot", title="Send keys"))) == (e.BodyEditedByStranger(None),)


@pytest.mark.parametrize("editor", [ANNA, BOT])
def test_an_edit_by_somebody_who_may_ask_is_fine(editor):
    task = task_in(Stage.QUEUED, body_digest=digest_of("Please."))
    assert seen(task, shows(item(7, "bot", body="Please, twice.", body_editor=editor))) == ()


def test_the_label_put_back_accepts_the_edited_text():
    """The edit is judged before what resumes the task, or it would be suspended again at once, for ever."""
    edited = item(7, "bot", body="Changed", body_editor=MALLORY, label_events=(labelled(BEN, NOW),))
    blocked = task_in(
        Stage.BLOCKED, pull=None, head="", body_digest=digest_of("Please."), resume_stage=Stage.QUEUED
    )
    after = look(blocked, shows(edited))
    assert after.stage is Stage.QUEUED
    assert seen(after, shows(edited)) == ()


ASKED_AT = NOW - timedelta(minutes=2)


def asked_then(**edits: object):
    """An issue that Anna labelled, with what became of its text."""
    return shows(item(7, "bot", label_events=(labelled(ANNA, ASKED_AT),), **edits))


@pytest.mark.parametrize("what", ["body", "title"])
@pytest.mark.parametrize("editor", [MALLORY, None])
def test_an_edit_by_a_stranger_after_the_asking_and_before_the_first_look_suspends(what, editor):
    swapped = asked_then(**{f"{what}_editor": editor, f"{what}_edited_at": ASKED_AT + timedelta(minutes=1)})
    assert seen(NEW, swapped) == (e.Labelled(ANNA), e.BodyEditedByStranger(editor))
    assert look(NEW, swapped).stage is Stage.BLOCKED
    assert (MALLORY in people_to_judge(NEW, swapped, NAMES)) is (editor is MALLORY)


@pytest.mark.parametrize(("editor", "minutes"), [(MALLORY, -1), (ANNA, 1), (BOT, 1)])
def test_an_edit_before_the_asking_or_by_somebody_who_may_ask_is_part_of_what_is_asked(editor, minutes):
    edited = asked_then(body_editor=editor, body_edited_at=ASKED_AT + timedelta(minutes=minutes))
    assert seen(NEW, edited) == (e.Labelled(ANNA),)


def test_an_edit_by_a_stranger_after_a_mention_suspends_and_is_said_once():
    swapped = shows(item(7, body="Changed", body_editor=MALLORY, body_edited_at=NOW + timedelta(seconds=5)))
    eyes = replace(EYES, heard=(heard(HeardKind.MENTION),))
    assert names(*seen(NEW, swapped, eyes)) == ["Mentioned", "BodyEditedByStranger"]
    known = task_in(Stage.ASKED, pull=None, head="", body_digest=digest_of("Please."))
    assert names(*seen(known, swapped, eyes)).count("BodyEditedByStranger") == 1


# ---------------------------------------------------------------- the pull request


def test_a_push_by_a_person_is_a_new_head():
    assert seen(task_in(Stage.NEEDS_REVIEW), review_side(head=ALIEN)) == (e.HeadMoved(ALIEN),)


def test_our_own_push_may_show_late_but_not_for_ever():
    pushed = task_in(Stage.NEEDS_REVIEW, head=NEXT, replaced_head=HEAD, step_started_at=NOW)
    assert seen(pushed, review_side()) == ()
    later = NOW + timedelta(minutes=11)
    assert seen(pushed, review_side(), now=later) == (e.HeadMoved(HEAD),), "somebody put the branch back"


def test_another_pull_requests_state_is_not_ours():
    assert seen(task_in(Stage.NEEDS_REVIEW, pull=5), review_side(head=ALIEN)) == ()


@pytest.mark.parametrize(
    ("changes", "event"),
    [
        ({"ci": Ci.RED, "ci_summary": "unit"}, e.CiTurnedRed(HEAD, "unit")),
        ({"mergeable": Mergeable.CONFLICTING}, e.ConflictAppeared(HEAD)),
        ({"reviews": (change_request(),)}, e.ChangesRequested(ANNA, "handle the empty list")),
        ({}, e.GatesPassed(HEAD)),
        ({"ci": Ci.NONE}, e.GatesPassed(HEAD)),
    ],
    ids=["red", "conflict", "change request", "all open", "no ci"],
)
def test_invariant_4_what_keeps_the_gates_shut(changes, event):
    task = approved()
    side = item(PULL, "bot needs-review", (BOT,), author=BOT)
    assert seen(task, review_side(item=side, **changes)) == (event,)


@pytest.mark.parametrize(
    "waits", [{"ci": Ci.PENDING}, {"mergeable": Mergeable.UNKNOWN}], ids=["ci", "mergeable"]
)
def test_invariant_9_gates_that_stay_shut_are_waited_for_but_not_for_ever(waits):
    side = item(PULL, "bot needs-review", (BOT,), author=BOT)
    task = approved(step_started_at=NOW)
    assert seen(task, review_side(item=side, **waits)) == ()
    late = NOW + timedelta(hours=1, seconds=1)
    assert seen(task, review_side(item=side, **waits), now=late) == (e.CiNeverSettled(HEAD),)
    assert seen(replace(task, step_started_at=None), review_side(item=side, **waits), now=late) == ()


def test_a_conflict_that_no_rebase_takes_away_ends_with_a_person():
    side = item(PULL, "bot needs-review", (BOT,), author=BOT)
    task = approved(rebasing_head=HEAD, step_started_at=NOW - timedelta(hours=2))
    assert seen(task, review_side(item=side, mergeable=Mergeable.CONFLICTING)) == (e.CiNeverSettled(HEAD),)


def test_no_ci_right_after_a_rebase_is_not_yet_settled_ci():
    side = item(PULL, "bot needs-review", (BOT,), author=BOT)
    moved = approved(reviewed_head=NEXT, step_started_at=NOW)
    assert seen(moved, review_side(item=side, ci=Ci.NONE)) == ()
    later = NOW + timedelta(minutes=2)
    assert seen(moved, review_side(item=side, ci=Ci.NONE), now=later) == (e.GatesPassed(HEAD),)


@pytest.mark.parametrize(
    "reviews",
    [
        (change_request(head=ALIEN),),
        (change_request(by=MALLORY),),
        (change_request(), change_request(at=NOW, state="APPROVED")),
        (change_request(), change_request(at=NOW, state="DISMISSED")),
    ],
    ids=["old head", "stranger", "approved since", "dismissed"],
)
def test_a_change_request_that_is_not_open(reviews):
    assert open_change_request(pull(reviews=reviews), EYES) is None


def test_a_comment_does_not_take_a_change_request_back():
    reviews = (change_request(), change_request(at=NOW, state="COMMENTED"))
    assert open_change_request(pull(reviews=reviews), EYES) == reviews[0]


# ---------------------------------------------------------------- what was said


def test_of_several_mentions_the_newest_counts_and_orders_count_each():
    early, late = heard(HeardKind.MENTION, comment_id=1), heard(HeardKind.MENTION, "@shop-bot and?", 2)
    order = heard(HeardKind.COMMAND, "@shop-bot stop", 3, command=Command.STOP)
    trigger = heard(HeardKind.TRIGGER, "fix this, resume", 4, wants_resume=True)
    eyes = replace(EYES, heard=(early, late, order, trigger))
    assert seen(NEW, shows(item(7)), eyes) == (
        e.CommandGiven(Command.STOP, ANNA, "@shop-bot stop"),
        e.Triggered(ANNA, True, "fix this, resume"),
        e.Mentioned(Ask(2, ANNA, NOW), "@shop-bot and?"),
    )


def test_a_mention_knows_where_it_was_said_and_when_it_was_edited():
    said = Comment(5, ANNA, "@shop-bot?", EARLIER, edited_at=NOW)
    side = replace(pull().item, comments=(said,))
    eyes = replace(EYES, heard=(replace(heard(HeardKind.MENTION), comment=said),))
    mention = seen(task_in(Stage.NEEDS_REVIEW), review_side(item=side), eyes)[-1]
    assert mention == e.Mentioned(Ask(5, ANNA, NOW, on_pull=True), "@shop-bot?")
    assert said.version == f"comment:5:{int(NOW.timestamp())}"


def test_an_order_without_a_word_is_none():
    assert seen(NEW, shows(item(7)), replace(EYES, heard=(heard(HeardKind.COMMAND),))) == ()


# ---------------------------------------------------------------- whose permission matters


def test_few_people_are_judged():
    issue = item(
        7,
        "bot",
        body_editor=MALLORY,
        label_events=(labelled(), labelled(BEN, label="bug"), labelled(None)),
        assign_events=(assigned(by=BEN), assigned(by=None)),
    )
    assert people_to_judge(NEW, shows(issue), NAMES) == (ANNA, BEN)
    edited = task_in(Stage.QUEUED, body_digest="before")
    assert people_to_judge(edited, shows(issue), NAMES) == (ANNA, BEN, MALLORY)


def test_reviewers_who_ask_for_changes_and_authors_who_ask_for_a_review_are_judged():
    reviews = (change_request(by=BEN), change_request(by=MALLORY, state="COMMENTED"))
    side = item(PULL, author=ANNA)
    asked = pull(item=side, reviews=reviews, review_requested_from=(BOT,))
    assert people_to_judge(NEW, shows(None, asked), NAMES) == (BEN, ANNA)
    assert people_to_judge(NEW, shows(None, replace(asked, review_requested_from=())), NAMES) == (BEN,)


def test_eyes_listen_to_nobody_by_default():
    assert Eyes(BOT, NAMES, frozenset()).heard == ()
