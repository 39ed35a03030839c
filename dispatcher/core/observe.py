"""Compares what GitHub shows with what the journal knows, and names the differences as events. The label wins.

Everything here is derived from state, not from messages: what is still true is seen again on the next look, so nothing
depends on having caught a notification.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256

from dispatcher.core import events as e
from dispatcher.core.agents import AGENT_LABEL, read_wish
from dispatcher.core.intake import Heard, HeardKind
from dispatcher.core.model import (
    Ask,
    Ci,
    Item,
    LabelEvent,
    Mergeable,
    Person,
    Pull,
    Review,
    Snapshot,
    Stage,
    Task,
)
from dispatcher.core.naming import branch_name
from dispatcher.core.rules import LabelNames

TURN_STAGES = {
    Stage.QUEUED: "work",
    Stage.WORKING: "work",
    Stage.NEEDS_REVIEW: "review",
    Stage.REVIEWING: "review",
    Stage.NEEDS_REWORK: "rework",
    Stage.REWORKING: "rework",
}
"""Stages with the turn label; the two of a pair differ only in who is assigned."""

TWO_STAGES_WITHIN = timedelta(minutes=10)
"""How long two stage labels may stand beside each other: whoever swaps them by hand needs a moment."""

LIVE_STAGES = frozenset({Stage.WORKING, Stage.REVIEWING, Stage.REWORKING})
UNLABELLED_STAGES = frozenset({Stage.NEW, Stage.ASKED, Stage.ANSWERING})

PUSH_SHOWS_WITHIN = timedelta(minutes=10)
"""How long a pull request may still show the head that our own push replaced; after that somebody put it back."""

CI_BEGINS_WITHIN = timedelta(seconds=60)
"""How long a freshly rebased head without any check may yet get one: until then no CI is not settled CI."""


@dataclass(frozen=True, slots=True)
class Eyes:
    """What one needs to know to read a snapshot: who the bot is, its labels, who may ask, what was newly said."""

    bot: Person
    labels: LabelNames
    allowed: frozenset[int]
    heard: tuple[Heard, ...] = ()


def learn(task: Task, snapshot: Snapshot, eyes: Eyes) -> Task:
    """Take over the plain facts: title, assignees, branch, whether it is open. Decides nothing."""
    front = snapshot.front
    if front is None:
        return task
    issue, pull = snapshot.issue, snapshot.pull
    named = replace(
        task,
        title=(issue or front).title,
        repo=front.repo,
        is_open=front.is_open,
        assignees=front.assignees,
        labels=front.labels,
        blocked_by=issue.blocked_by if issue else 0,
        has_two_stages=len(front.labels & eyes.labels.stage_labels) > 1,
        seen_at=max((i.updated_at for i in (issue, pull.item if pull else None) if i), default=task.seen_at),
        status_comment_id=snapshot.status_comment_id or task.status_comment_id,
        branch=task.branch or branch_name(task.key.number, (issue or front).title),
        agent_wish=_wished_agent(snapshot, eyes),
    )
    return _learn_pull(named, pull, eyes) if pull else named


def _wished_agent(snapshot: Snapshot, eyes: Eyes) -> str:
    """The agent that a label on issue or pull request names, put there by somebody who may ask; the newest counts."""
    put_on = [
        (event.at, event.label)
        for item in _items_of(snapshot)
        for event in item.label_events
        if event.added and event.label in item.labels - eyes.labels.ours
        if event.actor and event.actor.id in eyes.allowed
    ]
    return read_wish(label for _, label in sorted(put_on))


def _items_of(snapshot: Snapshot) -> tuple[Item, ...]:
    return tuple(item for item in (snapshot.issue, snapshot.pull.item if snapshot.pull else None) if item)


def _learn_pull(task: Task, pull: Pull, eyes: Eyes) -> Task:
    """The branch is the pull request's; the head is taken over only where none is known: a new one is an event."""
    known = task.pull == pull.item.key.number
    if task.pull is not None and not known:
        return task
    if not known and task.stage not in UNLABELLED_STAGES and task.stage not in {Stage.DONE, Stage.DROPPED}:
        return task
    began_as_pull = task.key.number == pull.item.key.number
    if not known and not began_as_pull and pull.item.author.id != eyes.bot.id:
        return task
    return replace(
        task,
        pull=pull.item.key.number,
        began_as_pull=began_as_pull,
        branch=pull.branch,
        base=pull.base,
        head=task.head or pull.head,
        can_push=pull.same_repo,
    )


def begins_again(task: Task, snapshot: Snapshot, eyes: Eyes) -> bool:
    """The pull request is closed or merged, its issue is open and carries the turn label by somebody who may ask."""
    issue, pull = snapshot.issue, snapshot.pull
    if task.stage not in {Stage.DONE, Stage.DROPPED} or issue is None or pull is None:
        return False
    is_over = task.pull == pull.item.key.number and not pull.item.is_open
    asker = _who_labelled(issue, eyes)
    is_asked = eyes.labels.turn in issue.labels and asker is not None and asker.id in eyes.allowed
    return is_over and issue.is_open and is_asked


def forget_pull(task: Task) -> Task:
    """The task as its issue alone: the next pull request gets a branch of its own, whatever became of the last one's."""
    return replace(
        task,
        pull=None,
        branch=f"{task.branch}-{task.moves}",
        head="",
        draft_head="",
        draft_is_unfinished=False,
        replaced_head="",
        checked_head="",
        approved_head="",
        reviewed_head="",
    )


def observe(task: Task, snapshot: Snapshot, eyes: Eyes, now: datetime) -> tuple[e.Event, ...]:
    """Every difference between task and snapshot, most decisive first. `task` has already learnt the plain facts."""
    front = snapshot.front
    if front is None:
        return ()
    if ends := _ends(task, snapshot):
        return ends
    source = snapshot.issue or front
    found = (
        *_edits(task, source, eyes),
        *_contradiction(task, snapshot, eyes, now),
        *_stage_events(task, front, snapshot, eyes),
        *_reopenings(task, front, eyes),
        *pull_events(task, snapshot.pull, eyes, now),
        *_spoken(snapshot, eyes),
    )
    return (*found, *_swapped(found, front, source, eyes))


def stage_shown(snapshot: Snapshot, eyes: Eyes) -> Stage | None:
    """The stage that labels, assignees and state show by themselves; None if nobody asked for anything."""
    front = snapshot.front
    if front is None:
        return None
    names, pull = eyes.labels, snapshot.pull
    if not front.is_open:
        return Stage.DONE if pull and pull.is_merged else Stage.DROPPED
    if names.turn in front.labels:
        return _turn_stage(front, pull, eyes)
    if names.needs_human in front.labels:
        return Stage.BLOCKED
    if pull and names.merge_ready in front.labels:
        return Stage.MERGE_READY
    return None


def _turn_stage(front: Item, pull: Pull | None, eyes: Eyes) -> Stage:
    ours = any(person.id == eyes.bot.id for person in front.assignees)
    if pull is None:
        return Stage.WORKING if ours else Stage.QUEUED
    if eyes.labels.needs_rework in front.labels:
        return Stage.REWORKING if ours else Stage.NEEDS_REWORK
    return Stage.REVIEWING if ours else Stage.NEEDS_REVIEW


def body_digest(item: Item) -> str:
    """Identifies title and body as they were when somebody asked: two digests with a dot between them."""
    title, body = (sha256(text.encode(errors="replace")).hexdigest()[:16] for text in (item.title, item.body))
    return f"{title}.{body}"


def editors_since(digest: str, item: Item) -> tuple[Person | None, ...]:
    """Who changed what differs from `digest`, as far as the forge tells; nothing for the text as it was."""
    old_title, _, old_body = digest.partition(".")
    title, _, body = body_digest(item).partition(".")
    changed = ((old_title != title, item.title_editor), (old_body != body, item.body_editor))
    return tuple(editor for differs, editor in changed if differs)


def people_to_judge(task: Task, snapshot: Snapshot, names: LabelNames) -> tuple[Person, ...]:
    """Whose permission matters for reading this snapshot: few, so that asking stays cheap."""
    found: list[Person] = []
    for item in _items_of(snapshot):
        found += [event.actor for event in item.label_events if event.actor and _asks(event, names)]
        found += [event.actor for event in item.assign_events if event.actor]
        if task.body_digest:
            found += [editor for editor in editors_since(task.body_digest, item) if editor]
        if task.stage not in TURN_STAGES:
            found += [editor for editor, _ in _last_edits(item) if editor]
    if snapshot.pull:
        found += [review.author for review in snapshot.pull.reviews if review.state == "CHANGES_REQUESTED"]
        if snapshot.pull.review_requested_from:
            found += [snapshot.pull.item.author]
            found += [request.actor for request in snapshot.pull.review_requests if request.actor]
    return tuple({person.id: person for person in found}.values())


def _asks(event: LabelEvent, names: LabelNames) -> bool:
    """Whether the label asks for something: work, or a certain agent."""
    return event.label == names.turn or event.label.startswith(AGENT_LABEL)


# ---------------------------------------------------------------- the parts


def _ends(task: Task, snapshot: Snapshot) -> tuple[e.Event, ...]:
    """Merged and closed end everything else. A merged pull request also closes its issue: merged is the news."""
    pull, issue = snapshot.pull, snapshot.issue
    if task.stage in {Stage.NEW, Stage.DONE}:
        return ()
    if pull and pull.is_merged and task.pull == pull.item.key.number:
        return (e.Merged(),)
    if task.stage is Stage.DROPPED:
        return ()
    ours_is_closed = pull is not None and task.pull == pull.item.key.number and not pull.item.is_open
    if ours_is_closed or (issue is not None and not issue.is_open):
        return (e.Closed(),)
    return ()


def _reopenings(task: Task, front: Item, eyes: Eyes) -> tuple[e.Event, ...]:
    if task.stage is not Stage.DROPPED or not front.is_open or eyes.labels.turn not in front.labels:
        return ()
    asker = _who_labelled(front, eyes)
    return (e.Reopened(),) if asker and asker.id in eyes.allowed else ()


def _stage_events(task: Task, front: Item, snapshot: Snapshot, eyes: Eyes) -> tuple[e.Event, ...]:
    """What the labels and assignees say, against what the journal thinks. On a closed item they say nothing."""
    shown = stage_shown(snapshot, eyes)
    if not front.is_open or task.has_two_stages:
        return ()
    if task.stage in TURN_STAGES and eyes.labels.turn not in front.labels:
        return (_shown_event(task, snapshot, eyes, shown),) if shown else (e.Unlabelled(),)
    if task.stage is Stage.MERGE_READY and shown is None:
        return (e.Unlabelled(),)
    if shown is None and (asker := _asked_behind_the_pull(task, snapshot, eyes)):
        return (e.Labelled(asker),)
    if shown in TURN_STAGES and task.stage not in TURN_STAGES:
        return _asked_by_label(task, front, snapshot, eyes, shown)
    if task.stage in TURN_STAGES and shown in TURN_STAGES and TURN_STAGES[task.stage] != TURN_STAGES[shown]:
        return (_shown_event(task, snapshot, eyes, shown),)
    if shown in {Stage.MERGE_READY, Stage.BLOCKED} and _is_adopted(task, snapshot, eyes, shown):
        return (_shown_event(task, snapshot, eyes, shown),)
    return (*_took_over(task, front, eyes), *_assigned_or_asked_to_review(task, front, snapshot, eyes))


def contradiction_due_at(task: Task, snapshot: Snapshot, eyes: Eyes) -> datetime | None:
    """When somebody must be told that two stage labels contradict each other; None while they do not, or it is no matter.

    No matter to items that nobody who may ask has asked for, nor while a run is live: what it comes to shows one stage.
    """
    front = snapshot.front
    if front is None or not front.is_open or not task.has_two_stages or task.run is not None:
        return None
    if task.stage in {Stage.NEW, Stage.DONE, Stage.DROPPED} and not _is_asked_for(task, snapshot, eyes):
        return None
    if task.stage in {Stage.ASKED, Stage.ANSWERING, Stage.BLOCKED}:
        return None
    shown_at = [event.at for event in front.label_events if event.label in eyes.labels.stage_labels]
    return max(shown_at, default=front.created_at) + TWO_STAGES_WITHIN


def _contradiction(task: Task, snapshot: Snapshot, eyes: Eyes, now: datetime) -> tuple[e.Event, ...]:
    due_at = contradiction_due_at(task, snapshot, eyes)
    if due_at is None or now < due_at or snapshot.front is None:
        return ()
    labels = tuple(sorted(snapshot.front.labels & eyes.labels.stage_labels))
    asker = _who_labelled(snapshot.front, eyes)
    return (e.StagesContradicted(labels, asker if asker and asker.id in eyes.allowed else None),)


def _is_asked_for(task: Task, snapshot: Snapshot, eyes: Eyes) -> bool:
    """The turn label is there, by somebody who may ask; or the item is ours and was not let go."""
    front = snapshot.front
    if front is None or eyes.labels.turn not in front.labels:
        return False
    asker = _who_labelled(front, eyes)
    is_allowed = asker is not None and asker.id in eyes.allowed
    return is_allowed or (task.stage is Stage.NEW and _is_ours(snapshot, eyes))


def _asked_behind_the_pull(task: Task, snapshot: Snapshot, eyes: Eyes) -> Person | None:
    """Who put the turn label on the issue, though our pull request carries no stage: its turn never moved on.

    A crash right behind the opening leaves it so; and so does a person who asks again after taking the turn off.
    """
    issue = snapshot.issue
    if issue is None or snapshot.pull is None or task.stage not in {Stage.NEW, Stage.DROPPED}:
        return None
    asker = _who_labelled(issue, eyes) if eyes.labels.turn in issue.labels else None
    return asker if asker and asker.id in eyes.allowed and _is_ours(snapshot, eyes) else None


def _is_adopted(task: Task, snapshot: Snapshot, eyes: Eyes, shown: Stage) -> bool:
    """Whether a person's turn that the labels show is taken over: never where it was stopped, or was nothing of ours."""
    if task.stage in {Stage.NEW, Stage.DONE}:
        return _is_ours(snapshot, eyes)
    return task.stage not in {shown, Stage.DROPPED, *UNLABELLED_STAGES}


def _asked_by_label(
    task: Task, front: Item, snapshot: Snapshot, eyes: Eyes, shown: Stage
) -> tuple[e.Event, ...]:
    """The turn label is on an item that was nobody's or a person's turn: who put it there, and may they?

    While a mention waits for its answer, a label that was there before the mention asks for nothing new.
    With the rework label beside it they want a worker, not only another look.
    """
    if task.stage is Stage.NEW and snapshot.pull and _is_ours(snapshot, eyes):
        return (_shown_event(task, snapshot, eyes, shown),)
    last = _last_labelling(front, eyes)
    if last is None or last.actor is None or (task.ask is not None and last.at <= task.ask.at):
        return ()
    if last.actor.id not in eyes.allowed:
        return ()
    wants_rework = TURN_STAGES[shown] == "rework"
    rework = (_shown_event(task, snapshot, eyes, shown),) if wants_rework else ()
    return (e.Labelled(last.actor), *rework)


def _shown_event(task: Task, snapshot: Snapshot, eyes: Eyes, shown: Stage) -> e.StageShown:
    """What GitHub alone tells about the task. A live stage without a run of ours is shown as its waiting one."""
    pull = snapshot.pull
    waiting = {
        Stage.WORKING: Stage.QUEUED,
        Stage.REVIEWING: Stage.NEEDS_REVIEW,
        Stage.REWORKING: Stage.NEEDS_REWORK,
    }
    asker = next(
        (who for item in (snapshot.issue, snapshot.front) if item and (who := _who_labelled(item, eyes))),
        None,
    )
    return e.StageShown(
        waiting.get(shown, shown),
        pull=pull.item.key.number if pull else None,
        branch=pull.branch if pull else "",
        head=pull.head if pull and not task.head else "",
        base=pull.base if pull else "",
        requester=asker,
    )


def _is_ours(snapshot: Snapshot, eyes: Eyes) -> bool:
    """The dispatcher made it: the bot's own pull request, or an item with our status comment."""
    by_bot = snapshot.pull is not None and snapshot.pull.item.author.id == eyes.bot.id
    return by_bot or snapshot.status_comment_id is not None


def _who_labelled(item: Item, eyes: Eyes) -> Person | None:
    """The person who put the turn label on last."""
    last = _last_labelling(item, eyes)
    return last.actor if last else None


def _last_labelling(item: Item, eyes: Eyes) -> LabelEvent | None:
    """When a person put the turn label on last; the bot's own hand does not count, it only passes the turn on."""
    human = [
        event
        for event in item.label_events
        if event.label == eyes.labels.turn and event.added and event.actor and event.actor.id != eyes.bot.id
    ]
    return max(human, key=_label_time, default=None)


def _label_time(event: LabelEvent) -> datetime:
    return event.at


def _took_over(task: Task, front: Item, eyes: Eyes) -> tuple[e.Event, ...]:
    """While the bot works on an item it is assigned to it; if a person is instead, the person has it."""
    if task.stage not in LIVE_STAGES or any(person.id == eyes.bot.id for person in front.assignees):
        return ()
    return (e.PersonTookOver(front.assignees[0] if front.assignees else None),)


def _assigned_or_asked_to_review(
    task: Task, front: Item, snapshot: Snapshot, eyes: Eyes
) -> tuple[e.Event, ...]:
    if task.stage in TURN_STAGES or task.stage in {Stage.ASKED, Stage.ANSWERING}:
        return ()
    who = _who_assigned(front, eyes)
    if who and who.id in eyes.allowed:
        return (e.AssignedByPerson(who),)
    pull = snapshot.pull
    asker = _who_requested_review(pull, eyes) if pull and _wants_review(task, pull, eyes) else None
    return (e.ReviewRequested(asker),) if asker and asker.id in eyes.allowed else ()


def _who_requested_review(pull: Pull, eyes: Eyes) -> Person | None:
    """The person who asked the bot for a review last; the author, where the forge does not tell."""
    asked = [request for request in pull.review_requests if request.assignee.id == eyes.bot.id]
    return max(asked, key=lambda request: request.at).actor if asked else pull.item.author


def _wants_review(task: Task, pull: Pull, eyes: Eyes) -> bool:
    """A request for review stays on the pull request: it counts at first, and again for a head that we did not judge."""
    is_new = task.stage is Stage.NEW or (task.stage is Stage.MERGE_READY and task.reviewed_head != pull.head)
    return is_new and any(person.id == eyes.bot.id for person in pull.review_requested_from)


def _who_assigned(item: Item, eyes: Eyes) -> Person | None:
    """The person who assigned the bot, if it is assigned now and a person's hand was the last one."""
    if not any(person.id == eyes.bot.id for person in item.assignees):
        return None
    hands = [event for event in item.assign_events if event.assignee.id == eyes.bot.id and event.added]
    last = max(hands, key=lambda event: event.at, default=None)
    return last.actor if last and last.actor and last.actor.id != eyes.bot.id else None


def _edits(task: Task, source: Item, eyes: Eyes) -> tuple[e.Event, ...]:
    """The text was snapshotted when it was asked for; an edit by somebody who may not ask suspends the task.

    Said before anything that resumes the task: whoever asks again has read the text as it is.
    """
    editors = editors_since(task.body_digest, source) if task.body_digest else ()
    may = eyes.allowed | {eyes.bot.id}
    strangers = [editor for editor in editors if editor is None or editor.id not in may]
    return (e.BodyEditedByStranger(strangers[0]),) if strangers else ()


def _swapped(found: tuple[e.Event, ...], front: Item, source: Item, eyes: Eyes) -> tuple[e.Event, ...]:
    """The text was changed by a stranger after it was asked for and before this first look: nobody who may ask has read it.

    Said after what asks, so that it stops what has just begun.
    """
    kinds = {type(one) for one in found}
    label = _last_labelling(front, eyes) if e.Labelled in kinds else None
    said = [heard.comment for heard in eyes.heard]
    asked = [*([label.at] if label else []), *(one.edited_at or one.created_at for one in said)]
    if not asked or e.BodyEditedByStranger in kinds:
        return ()
    may = eyes.allowed | {eyes.bot.id}
    late = [editor for editor, edited_at in _last_edits(source) if edited_at >= max(asked)]
    strangers = [editor for editor in late if editor is None or editor.id not in may]
    return (e.BodyEditedByStranger(strangers[0]),) if strangers else ()


def _last_edits(item: Item) -> tuple[tuple[Person | None, datetime], ...]:
    """Who changed text and title last, and when; nothing for what nobody changed."""
    edits = ((item.body_editor, item.body_edited_at), (item.title_editor, item.title_edited_at))
    return tuple((editor, at) for editor, at in edits if at)


def pull_events(task: Task, pull: Pull | None, eyes: Eyes, now: datetime) -> tuple[e.Event, ...]:
    """What head, CI, conflicts and reviews of the task's pull request say, whatever the labels show."""
    if pull is None or task.pull != pull.item.key.number:
        return ()
    if pull.head != task.head:
        is_late = pull.head == task.replaced_head and not _waited(task, now, PUSH_SHOWS_WITHIN)
        return () if is_late else (e.HeadMoved(pull.head),)
    found: list[e.Event] = []
    if request := open_change_request(pull, eyes):
        found.append(e.ChangesRequested(request.author, request.body))
    if pull.ci is Ci.RED:
        found.append(e.CiTurnedRed(pull.head, pull.ci_summary))
    if pull.mergeable is Mergeable.CONFLICTING and task.rebasing_head != pull.head:
        found.append(e.ConflictAppeared(pull.head))
    return tuple(found) or _gate_events(task, pull, eyes, now)


def _gate_events(task: Task, pull: Pull, eyes: Eyes, now: datetime) -> tuple[e.Event, ...]:
    """Open gates; or gates that stay shut too long for no reason that anybody is at work on."""
    if gates_pass(task, pull, eyes, now):
        return (e.GatesPassed(pull.head),)
    is_settled = pull.ci.lets_through and pull.mergeable is Mergeable.CLEAN
    if not is_settled and _waited(task, now, timedelta(seconds=task.limits.ci_wait_s)):
        return (e.CiNeverSettled(pull.head),)
    return ()


def open_change_request(pull: Pull, eyes: Eyes) -> Review | None:
    """A formal request for changes by an allowed person that nothing has answered: it is on the present head (decision 0004)."""
    last: dict[int, Review] = {}
    for review in sorted(pull.reviews, key=lambda review: review.submitted_at):
        if review.state in {"APPROVED", "CHANGES_REQUESTED", "DISMISSED"}:
            last[review.author.id] = review
    open_now = [
        review
        for review in last.values()
        if review.state == "CHANGES_REQUESTED"
        and review.head == pull.head
        and review.author.id in eyes.allowed
    ]
    return open_now[0] if open_now else None


def gates_pass(task: Task, pull: Pull, eyes: Eyes, now: datetime) -> bool:
    """Spec invariant 4, on one snapshot: approved, checked, CI settled and not red, no conflict, no open change request.

    Nor while two stage labels contradict each other, nor before CI could begin on a head to which the approval moved.
    """
    may_yet_begin = pull.ci is Ci.NONE and task.reviewed_head != task.head
    return (
        bool(task.head)
        and task.run is None
        and not task.has_two_stages
        and task.approved_head == task.checked_head == task.head == pull.head
        and pull.ci.lets_through
        and not (may_yet_begin and not _waited(task, now, CI_BEGINS_WITHIN))
        and pull.mergeable is Mergeable.CLEAN
        and open_change_request(pull, eyes) is None
    )


def _waited(task: Task, now: datetime, patience: timedelta) -> bool:
    since = task.step_started_at
    return since is not None and now - since > patience


def _spoken(snapshot: Snapshot, eyes: Eyes) -> tuple[e.Event, ...]:
    """Commands and triggers each count; of several mentions the newest stands for all (the prompt shows the thread)."""
    found: list[e.Event] = []
    for heard in eyes.heard:
        said = heard.comment
        if heard.kind is HeardKind.COMMAND and heard.command is not None:
            found.append(e.CommandGiven(heard.command, said.author, said.body))
        elif heard.kind is HeardKind.TRIGGER:
            found.append(e.Triggered(said.author, heard.wants_resume, said.body))
    mentions = [heard.comment for heard in eyes.heard if heard.kind is HeardKind.MENTION]
    if mentions:
        newest = max(mentions, key=lambda comment: (comment.created_at, comment.id))
        on_pull = snapshot.pull is not None and newest in snapshot.pull.item.comments
        ask = Ask(newest.id, newest.author, newest.edited_at or newest.created_at, on_pull)
        found.append(e.Mentioned(ask, newest.body))
    return tuple(found)
