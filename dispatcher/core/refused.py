"""Asks that were not heard, because the person may not ask here: they cost no comment, and `explain` shows them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from dispatcher.core.model import AssignEvent, Item, LabelEvent, Person, Snapshot, Stage, Task
from dispatcher.core.observe import Eyes

_NOBODY_ASKED = {Stage.NEW, Stage.DONE, Stage.DROPPED}


@dataclass(frozen=True, slots=True)
class RefusedAsk:
    """Who asked and how; `version` names the ask, so that it is told once."""

    version: str
    who: Person
    how: str


def refused_asks(task: Task, snapshot: Snapshot, eyes: Eyes) -> tuple[RefusedAsk, ...]:
    """Labels, assignments and requests for a review by people who may not ask. `eyes.allowed` has judged all of them.

    While the task is somebody's turn who was asked by others, what strangers do beside it is no ask.
    """
    front = snapshot.front
    if front is None or not front.is_open or task.stage not in _NOBODY_ASKED:
        return ()
    return (*_labels(front, eyes), *_assignments(front, eyes), *_review_requests(snapshot, eyes))


def _labels(front: Item, eyes: Eyes) -> Iterator[RefusedAsk]:
    if eyes.labels.turn in front.labels:
        turns = [event for event in front.label_events if event.label == eyes.labels.turn and event.added]
        yield from _last(turns, eyes, f"put the label `{eyes.labels.turn}` on")


def _assignments(front: Item, eyes: Eyes) -> Iterator[RefusedAsk]:
    if any(person.id == eyes.bot.id for person in front.assignees):
        ours = [event for event in front.assign_events if event.assignee.id == eyes.bot.id and event.added]
        yield from _last(ours, eyes, "assigned the bot")


def _review_requests(snapshot: Snapshot, eyes: Eyes) -> Iterator[RefusedAsk]:
    pull = snapshot.pull
    if pull and any(person.id == eyes.bot.id for person in pull.review_requested_from):
        ours = [event for event in pull.review_requests if event.assignee.id == eyes.bot.id and event.added]
        yield from _last(ours, eyes, "asked the bot for a review")


def _last(events: Iterable[LabelEvent | AssignEvent], eyes: Eyes, how: str) -> Iterator[RefusedAsk]:
    last = max(events, key=_moment, default=None)
    who = last.actor if last else None
    if last and who and who.id != eyes.bot.id and who.id not in eyes.allowed:
        yield RefusedAsk(f"refused:{how}:{who.id}:{last.at.isoformat()}", who, how)


def _moment(event: LabelEvent | AssignEvent) -> datetime:
    return event.at
