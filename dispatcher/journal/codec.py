"""Frozen values of core <-> JSON text. Fields added later need a default; fields that are gone are skipped."""

from collections.abc import Iterable
from typing import Final, TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError

from dispatcher.core.agents import AgentHold
from dispatcher.core.effects import ALL_EFFECTS, AnyEffect, Effect
from dispatcher.core.events import ALL_EVENTS, Event
from dispatcher.core.model import LiveRun, Task
from dispatcher.journal.schema import storable

_Value = TypeVar("_Value")


class Unreadable(ValueError):
    """A stored value is not what this version calls by that name."""


def _by_name(classes: Iterable[type[_Value]]) -> dict[str, type[_Value]]:
    return {one.__name__: one for one in classes}


_EVENTS: Final = _by_name(ALL_EVENTS)
_EFFECTS: Final = _by_name(ALL_EFFECTS)


_adapters: Final[dict[type[object], TypeAdapter[object]]] = {}


def _adapter(kind: type[object]) -> TypeAdapter[object]:
    # Built on first use: building all of them would slow every `--help` down.
    if kind not in _adapters:
        _adapters[kind] = TypeAdapter(kind)
    return _adapters[kind]


def kind_of(value: Event | Effect) -> str:
    """The name under which an event or effect is stored: its class name."""
    return type(value).__name__


def render_body(value: Event | Effect | Task | LiveRun | AgentHold) -> str:
    """The value as JSON text; characters that no database takes become U+FFFD."""
    adapter = _adapter(type(value))
    try:
        return adapter.dump_json(value).decode()
    except (PydanticSerializationError, UnicodeEncodeError):  # a lone surrogate: rare, so looked for only now
        return adapter.dump_json(_storable(adapter, value)).decode()


def parse_task(body: str) -> Task:
    """The task that `render_body` wrote. Raises Unreadable."""
    return _parse(Task, body)


def parse_live_run(body: str) -> LiveRun:
    """The run that `render_body` wrote. Raises Unreadable."""
    return _parse(LiveRun, body)


def parse_agent_hold(body: str) -> AgentHold:
    """The hold that `render_body` wrote. Raises Unreadable."""
    return _parse(AgentHold, body)


def parse_event(kind: str, body: str) -> Event:
    """The event of this kind. Raises Unreadable."""
    return _parse(_named(_EVENTS, kind), body)


def parse_effect(kind: str, body: str) -> AnyEffect:
    """The effect of this kind. Raises Unreadable."""
    effect = _parse(_named(_EFFECTS, kind), body)
    assert isinstance(effect, AnyEffect)
    return effect


def _named(classes: dict[str, type[_Value]], kind: str) -> type[_Value]:
    try:
        return classes[kind]
    except KeyError:
        raise Unreadable(f"`{kind}` is not known to this version") from None


def _parse(kind: type[_Value], body: str) -> _Value:
    try:
        value = _adapter(kind).validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "its text"
        raise Unreadable(f"a {kind.__name__} cannot be read: {where}: {first['msg']}") from error
    assert isinstance(value, kind)
    return value


def _storable(adapter: TypeAdapter[object], value: object) -> object:
    return adapter.validate_python(_clean(adapter.dump_python(value)))


def _clean(value: object) -> object:
    match value:
        case str():
            return storable(value)
        case dict():
            return {name: _clean(part) for name, part in value.items()}
        case list() | tuple() | set() | frozenset():
            return type(value)(_clean(part) for part in value)
        case _:
            return value
