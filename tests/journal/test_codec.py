"""Every event and every effect survives the way into the journal and back, and so do values of older versions."""

import dataclasses
import json
import types
import typing
from datetime import datetime
from enum import Enum

import pytest

from dispatcher.core.effects import ALL_EFFECTS, PostReview
from dispatcher.core.events import ALL_EVENTS, RunStalled
from dispatcher.core.model import LiveRun, Task
from dispatcher.journal import codec
from tests.journal.stories import NOON, a_run, a_task


def full(kind: object) -> object:
    """A value of this type in which everything optional is there."""
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        return kind(**{field.name: full(hints[field.name]) for field in dataclasses.fields(kind)})
    if origin in (types.UnionType, typing.Union):
        return full(parts[0])
    if origin is tuple:
        return tuple(full(part) for part in parts if part is not Ellipsis)
    if origin is frozenset:
        return frozenset({full(parts[0])})
    if isinstance(kind, type) and issubclass(kind, Enum):
        return list(kind)[-1]
    return {str: 'ä "quoted" \0\n{{ x }} \u2028', int: 7, float: 0.1, bool: True, datetime: NOON}[kind]


@pytest.mark.parametrize("kind", ALL_EVENTS, ids=lambda kind: kind.__name__)
def test_every_event_comes_back(kind):
    event = full(kind)
    assert codec.parse_event(codec.kind_of(event), codec.render_body(event)) == event


@pytest.mark.parametrize("kind", ALL_EFFECTS, ids=lambda kind: kind.__name__)
def test_every_effect_comes_back(kind):
    effect = full(kind)
    back = codec.parse_effect(codec.kind_of(effect), codec.render_body(effect))
    assert back == effect
    assert type(back) is kind


def test_each_kind_has_one_name():
    names = [kind.__name__ for kind in (*ALL_EVENTS, *ALL_EFFECTS)]
    assert len(names) == len(set(names))


def test_tasks_and_runs_come_back():
    task, run = full(Task), full(LiveRun)
    assert codec.parse_task(codec.render_body(task)) == task
    assert codec.parse_live_run(codec.render_body(run)) == run


def test_a_field_added_later_takes_its_default_and_one_that_is_gone_is_skipped():
    body = json.loads(codec.render_body(a_task(rounds=2)))
    del body["cost_usd"]
    body["mood"] = "grumpy"
    assert codec.parse_task(json.dumps(body)) == a_task(rounds=2)
    run = json.loads(codec.render_body(a_run()))
    del run["is_repair"]
    assert codec.parse_live_run(json.dumps(run)) == a_run()


def test_what_cannot_be_read_is_named():
    body = json.loads(codec.render_body(full(PostReview)))
    del body["findings"][0]["text"]
    with pytest.raises(
        codec.Unreadable, match=r"PostReview cannot be read: findings\.0\.text: Field required"
    ):
        codec.parse_effect("PostReview", json.dumps(body))
    with pytest.raises(codec.Unreadable, match="`Sneezed` is not known"):
        codec.parse_event("Sneezed", "{}")
    with pytest.raises(codec.Unreadable, match="Invalid JSON"):
        codec.parse_task("{")


@pytest.mark.parametrize("silent_s", [0.0, 600.5, 1e300])
def test_numbers_keep_their_value(silent_s):
    event = RunStalled(run_id="r", silent_s=silent_s)
    assert codec.parse_event("RunStalled", codec.render_body(event)) == event
