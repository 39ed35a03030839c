"""What an agent says that it did: from the text of its outcome file to an event.

Parser and schema go by the same rows (`shapes.SHAPES`); a test holds both against each other.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from pathlib import PurePosixPath

from dispatcher.core.events import Event, OutcomeMalformed
from dispatcher.core.intake import clean_text
from dispatcher.core.model import Finding, Role
from dispatcher.core.printed import last_json_block
from dispatcher.core.shapes import (
    FINDING_TEXT_LIMIT,
    FINDINGS_LIMIT,
    LINE_LIMIT,
    PATH_LIMIT,
    PATH_PATTERN,
    SEVERITIES,
    SHAPES,
    Said,
    Shape,
    schema_for,
)

__all__ = ["OUTCOME_LIMIT", "last_json_block", "parse_outcome", "schema_for", "texts_of"]

OUTCOME_LIMIT = 1_000_000
"""Characters that an outcome may have."""

_SHOWN = 60


class _Malformed(Exception):
    """The text is no outcome; the message says where, what was found, what was expected."""


@dataclass(frozen=True, slots=True)
class _Object:
    """A JSON object as it was read; its own type, so that nothing untyped gets further."""

    fields: Mapping[str, object]


def parse_outcome(role: Role, run_id: str, head: str, text: str) -> Event:
    """The event that an outcome file's text stands for; OutcomeMalformed, with the exact reason, if it fits no shape.

    `head` is the commit that the run was given: a verdict is about that one.
    """
    try:
        return _parse(role, run_id, head, text)
    except _Malformed as error:
        return OutcomeMalformed(run_id, str(error))


def texts_of(event: Event) -> Iterator[tuple[str, str]]:
    """Every text of an outcome that people would read, and where it stands in it."""
    for part in fields(event):
        value = getattr(event, part.name)
        if part.name == "findings":
            for number, finding in enumerate(value, 1):
                yield f"finding {number}", f"{finding.path}\n{finding.text}"
        elif part.name not in {"run_id", "head"}:
            yield f"`{part.name}` of the outcome", value


def _parse(role: Role, run_id: str, head: str, text: str) -> Event:
    outcome = _load_object(text)
    shapes = {shape.name: shape for shape in SHAPES[role]}
    name = _take_choice(outcome, "outcome", tuple(shapes))
    shape = shapes[name]
    _refuse_unknown_keys(outcome, shape.keys, f'an outcome "{name}"')
    texts = {text.name: _take_text(outcome, text.name, text.limit) for text in shape.texts}
    return shape.make_event(Said(run_id, head, texts, _take_findings(outcome, shape)))


def _load_object(text: str) -> _Object:
    """Read JSON, strictly: no key twice, no NaN, nothing too deep, and an object at the top."""
    text = text.removeprefix("\ufeff")
    if not text.strip():
        raise _Malformed("the outcome is empty, but it must be one JSON object")
    if len(text) > OUTCOME_LIMIT:
        raise _Malformed(
            f"the outcome has {len(text):,} characters, but at most {OUTCOME_LIMIT:,} are allowed"
        )
    try:
        outcome: object = json.loads(text, object_pairs_hook=_collect, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise _Malformed(
            f"not valid JSON: {error.msg} at line {error.lineno}, column {error.colno}"
        ) from error
    except RecursionError as error:
        raise _Malformed(
            "the JSON is nested too deeply; an outcome has at most two levels of objects"
        ) from error
    except ValueError as error:  # a number of more than 4,300 digits
        raise _Malformed("not valid JSON: a number in it has too many digits") from error
    if not isinstance(outcome, _Object):
        raise _Malformed(f"the outcome is {_show(outcome)}, but it must be one JSON object")
    return outcome


def _collect(pairs: list[tuple[str, object]]) -> _Object:
    fields: dict[str, object] = {}
    for key, value in pairs:
        if key in fields:
            raise _Malformed(f"the key {_show(key)} stands twice in one object")
        fields[key] = value
    return _Object(fields)


def _refuse_constant(name: str) -> object:
    raise _Malformed(f"not valid JSON: {name} is no JSON number")


def _refuse_unknown_keys(found: _Object, known: tuple[str, ...], what: str) -> None:
    unknown = [key for key in found.fields if key not in known]
    if not unknown:
        return
    near = get_close_matches(unknown[0][:_SHOWN], known, n=1, cutoff=0.6)
    hint = f" Did you mean `{near[0]}`?" if near else ""
    more = f" (and {len(unknown) - 1:,} more)" if len(unknown) > 1 else ""
    raise _Malformed(
        f"unknown key {_show(unknown[0])}{more} in {what}, which may have: {', '.join(known)}.{hint}"
    )


def _take_choice(found: _Object, where: str, choices: tuple[str, ...]) -> str:
    key = where.rpartition(".")[2]
    expected = f"it must be one of: {', '.join(choices)}"
    if key not in found.fields:
        raise _Malformed(f"{where} is missing; {expected}")
    value = found.fields[key]
    if not isinstance(value, str) or value not in choices:
        near = get_close_matches(value[:_SHOWN].lower(), choices, n=1) if isinstance(value, str) else []
        hint = f"; did you mean `{near[0]}`?" if near else ""
        raise _Malformed(f"{where} = {_show(value)}, but {expected}{hint}")
    return value


def _take_text(found: _Object, where: str, limit: int) -> str:
    key = where.rpartition(".")[2]
    if key not in found.fields:
        raise _Malformed(f"{where} is missing; it must be a text of at most {limit:,} characters")
    value = found.fields[key]
    if not isinstance(value, str):
        raise _Malformed(f"{where} = {_show(value)}, but it must be a text")
    if len(value) > limit:
        raise _Malformed(f"{where} has {len(value):,} characters, but at most {limit:,} are allowed")
    text = clean_text(value, limit).strip()
    if not text:
        raise _Malformed(f"{where} = {_show(value)}, but it must say something")
    return text


def _take_findings(found: _Object, shape: Shape) -> tuple[Finding, ...]:
    least = shape.findings_from
    if least is None or (least == 0 and "findings" not in found.fields):
        return ()
    if "findings" not in found.fields:
        raise _Malformed(f'findings is missing; "{shape.name}" needs at least {least}')
    items = found.fields["findings"]
    if not isinstance(items, list):
        raise _Malformed(f"findings = {_show(items)}, but it must be a list")
    if len(items) < least:
        raise _Malformed(f'findings is empty, but "{shape.name}" needs at least {least}')
    if len(items) > FINDINGS_LIMIT:
        raise _Malformed(f"findings has {len(items):,} entries, but at most {FINDINGS_LIMIT} are allowed")
    return tuple(_take_finding(item, f"findings[{index}]") for index, item in enumerate(items))


def _take_finding(item: object, where: str) -> Finding:
    if not isinstance(item, _Object):
        raise _Malformed(f"{where} = {_show(item)}, but it must be an object")
    _refuse_unknown_keys(item, ("path", "line", "severity", "text"), where)
    severity = _take_choice(item, f"{where}.severity", SEVERITIES)
    text = _take_text(item, f"{where}.text", FINDING_TEXT_LIMIT)
    path = _take_path(item.fields.get("path"), f"{where}.path")
    line = _take_line(item.fields.get("line"), f"{where}.line")
    if line is not None and not path:
        raise _Malformed(f"{where}.line = {line}, but there is no path that it belongs to")
    return Finding(text, severity, path, line)


def _take_path(value: object, where: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _Malformed(f"{where} = {_show(value)}, but it must be a text")
    if len(value) > PATH_LIMIT:
        raise _Malformed(f"{where} has {len(value):,} characters, but at most {PATH_LIMIT:,} are allowed")
    if not re.search(PATH_PATTERN, value):
        raise _Malformed(
            f"{where} = {_show(value)}, but it must be a file's path from the repository's root, without `..`"
        )
    return PurePosixPath(value).as_posix()


def _take_line(value: object, where: str) -> int | None:
    """A whole number; JSON knows no difference between 3 and 3.0."""
    number = int(value) if isinstance(value, float) and value.is_integer() else value
    if number is None:
        return None
    if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= LINE_LIMIT:
        raise _Malformed(f"{where} = {_show(value)}, but it must be a line number from 1 on")
    return number


def _show(value: object) -> str:
    """A value as an error can quote it: short, on one line, in plain characters."""
    match value:
        case _Object():
            return "an object"
        case list():
            return f"a list of {len(value):,}"
        case str() if len(value) > _SHOWN:
            return f"{json.dumps(value[:_SHOWN])}..."
        case int() if not isinstance(value, bool) and abs(value) > 10**18:
            return "a huge number"
        case _:
            return json.dumps(value)
