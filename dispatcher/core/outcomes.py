"""What an agent says that it did: the closed shapes of the outcome file, their JSON schema, and the way to an event.

Schema and parser are made from the same rows of `SHAPES`; a test holds both against each other.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import PurePosixPath

from dispatcher.core.events import (
    Answered,
    Event,
    GaveUp,
    NothingToDo,
    OutcomeMalformed,
    QuestionAsked,
    ReviewApproved,
    ReviewRejected,
    WorkDelivered,
    WorkWanted,
)
from dispatcher.core.intake import UNWANTED, clean_text
from dispatcher.core.model import Finding, Role

OUTCOME_LIMIT = 1_000_000
"""Characters that an outcome may have."""

FINDINGS_LIMIT = 50
FINDING_TEXT_LIMIT = 5_000
PATH_LIMIT = 1_000
LINE_LIMIT = 10_000_000
SEVERITIES = ("blocker", "major", "minor", "nit")

_VISIBLE = r"\S"
_PATH = rf"^(?!/)(?!.*/(?![\s\S]))(?!(?:.*/)?\.\.(?:/|(?![\s\S])))[^{UNWANTED}\t\n\\]+(?![\s\S])"
_SHOWN = 60


class _Malformed(Exception):
    """The text is no outcome; the message says where, what was found, what was expected."""


@dataclass(frozen=True, slots=True)
class _Object:
    """A JSON object as it was read; its own type, so that nothing untyped gets further."""

    fields: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class _Text:
    """A field of text that is not blank: its name, its limit in characters, and what it is for."""

    name: str
    limit: int
    purpose: str


@dataclass(frozen=True, slots=True)
class _Said:
    """What an outcome of a known shape says, with whom it came from."""

    run_id: str
    head: str
    texts: Mapping[str, str]
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class _Shape:
    """One outcome of a role. `findings_from`: how many findings it needs at least; None: it has no such field."""

    name: str
    texts: tuple[_Text, ...]
    make_event: Callable[[_Said], Event]
    findings_from: int | None = None

    @property
    def keys(self) -> tuple[str, ...]:
        """Every key that an object of this shape may have."""
        findings = () if self.findings_from is None else ("findings",)
        return ("outcome", *(text.name for text in self.texts), *findings)


_SUMMARY = _Text("summary", 20_000, "the verdict and its reasons, for people")
_WHY = _Text("why", 10_000, "the reason, for people")

SHAPES: Mapping[Role, tuple[_Shape, ...]] = {
    Role.WORKER: (
        _Shape(
            "done",
            (
                _Text("title", 250, "the pull request's title: one line"),
                _Text("body", 40_000, "the pull request's description: what changed and why"),
                _Text("tested", 10_000, "what was run to see that it works, and what came out"),
            ),
            lambda said: WorkDelivered(
                said.run_id, " ".join(said.texts["title"].split()), said.texts["body"], said.texts["tested"]
            ),
        ),
        _Shape(
            "question",
            (_Text("text", 10_000, "the one thing that a person must answer"),),
            lambda said: QuestionAsked(said.run_id, said.texts["text"]),
        ),
        _Shape("cannot", (_WHY,), lambda said: GaveUp(said.run_id, said.texts["why"])),
        _Shape("nothing-to-do", (_WHY,), lambda said: NothingToDo(said.run_id, said.texts["why"])),
    ),
    Role.REVIEWER: (
        _Shape(
            "approve",
            (_SUMMARY,),
            lambda said: ReviewApproved(said.run_id, said.head, said.texts["summary"], said.findings),
            findings_from=0,
        ),
        _Shape(
            "request-changes",
            (_SUMMARY,),
            lambda said: ReviewRejected(said.run_id, said.head, said.texts["summary"], said.findings),
            findings_from=1,
        ),
    ),
    Role.RESPONDER: (
        _Shape(
            "answer",
            (_Text("text", 40_000, "the answer, for people"),),
            lambda said: Answered(said.run_id, said.texts["text"]),
        ),
        _Shape(
            "work",
            (_Text("text", 20_000, "what is to be changed"),),
            lambda said: WorkWanted(said.run_id, said.texts["text"]),
        ),
    ),
}


# --- the schema ---


def schema_for(role: Role) -> dict[str, object]:
    """The closed JSON schema (draft 2020-12) of a role's outcomes, ready for `json.dumps`."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"Outcome of a {role} run",
        "type": "object",
        "oneOf": [_render_shape(shape) for shape in SHAPES[role]],
    }


def _render_shape(shape: _Shape) -> dict[str, object]:
    properties: dict[str, object] = {"outcome": {"const": shape.name}}
    properties |= {text.name: _render_text(text.limit, text.purpose) for text in shape.texts}
    optional = set()
    if shape.findings_from is not None:
        properties["findings"] = {
            "type": "array",
            "minItems": shape.findings_from,
            "maxItems": FINDINGS_LIMIT,
            "items": _render_finding(),
        }
        optional = set() if shape.findings_from else {"findings"}
    return {
        "type": "object",
        "properties": properties,
        "required": [key for key in shape.keys if key not in optional],
        "additionalProperties": False,
    }


def _render_text(limit: int, purpose: str) -> dict[str, object]:
    return {"type": "string", "pattern": _VISIBLE, "maxLength": limit, "description": purpose}


def _render_finding() -> dict[str, object]:
    path = {
        "type": ["string", "null"],
        "pattern": _PATH,
        "maxLength": PATH_LIMIT,
        "description": "the file, from the repository's root; leave it out for a remark on the whole",
    }
    line = {
        "type": ["integer", "null"],
        "minimum": 1,
        "maximum": LINE_LIMIT,
        "description": "the line in the new version of the file; only together with a path",
    }
    return {
        "type": "object",
        "properties": {
            "path": path,
            "line": line,
            "severity": {"enum": list(SEVERITIES)},
            "text": _render_text(FINDING_TEXT_LIMIT, "what is wrong, and what would be right"),
        },
        "required": ["severity", "text"],
        "additionalProperties": False,
        "if": {"properties": {"line": {"type": "integer"}}, "required": ["line"]},
        "then": {"properties": {"path": {"type": "string"}}, "required": ["path"]},
    }


# --- the parser ---


def parse_outcome(role: Role, run_id: str, head: str, text: str) -> Event:
    """The event that an outcome file's text stands for; OutcomeMalformed, with the exact reason, if it fits no shape.

    `head` is the commit that the run was given: a verdict is about that one.
    """
    try:
        return _parse(role, run_id, head, text)
    except _Malformed as error:
        return OutcomeMalformed(run_id, str(error))


def _parse(role: Role, run_id: str, head: str, text: str) -> Event:
    outcome = _load_object(text)
    shapes = {shape.name: shape for shape in SHAPES[role]}
    name = _take_choice(outcome, "outcome", tuple(shapes))
    shape = shapes[name]
    _refuse_unknown_keys(outcome, shape.keys, f'an outcome "{name}"')
    texts = {text.name: _take_text(outcome, text.name, text.limit) for text in shape.texts}
    return shape.make_event(_Said(run_id, head, texts, _take_findings(outcome, shape)))


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
    near = get_close_matches(unknown[0][:_SHOWN], known, n=1, cutoff=0.5)
    hint = f"did you mean `{near[0]}`?" if near else f"{what} may have: {', '.join(known)}"
    more = f" (and {len(unknown) - 1:,} more)" if len(unknown) > 1 else ""
    raise _Malformed(f"unknown key {_show(unknown[0])}{more} in {what}; {hint}")


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


def _take_findings(found: _Object, shape: _Shape) -> tuple[Finding, ...]:
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
    if not re.search(_PATH, value):
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


# --- outcomes in printed output ---

_PRINTED_TAIL = 1_000_000
_JSON_FENCE = re.compile(r"\s*(`{3,}|~{3,})\s*json\b", re.IGNORECASE)
_OBJECT_START = re.compile(r'\{\s*+"')
_BRACE = re.compile(r"[{}]")
_BRACE_OR_STRING = re.compile(r'[{}]|"(?:[^"\\\n]++|\\.)*+"?+')


def last_json_block(log_text: str) -> str | None:
    """The JSON in which printed output ends: a fenced `json` block, or a bare object; None if there is neither.

    The last one that has an `outcome` wins, else the last one. Only the last million characters are looked at.
    """
    blocks = list(_find_blocks(log_text[-_PRINTED_TAIL:]))
    named = [block for block in blocks if '"outcome"' in block]
    return next(reversed(named or blocks), None)


def _find_blocks(text: str) -> Iterator[str]:
    """Fenced blocks as they stand, and the objects between them. A block that is never closed ends with the text."""
    outside: list[str] = []
    inside: list[str] = []
    fence = ""
    for line in text.splitlines(keepends=True):
        if opening := _JSON_FENCE.match(line):
            yield from _find_objects("".join(outside))
            outside, inside, fence = [], [], opening[1]
        elif fence and line.strip() == fence:
            yield "".join(inside).strip()
            fence = ""
        else:
            (inside if fence else outside).append(line)
    yield from ["".join(inside).strip()] if fence else _find_objects("".join(outside))


def _find_objects(text: str) -> list[str]:
    """The outermost JSON objects in a text, in their order.

    Tries pairs of braces from the end, so that the work, which is bounded by the text's length, goes into the last ones.
    """
    found: list[str] = []
    work_left = 10 * len(text)
    before = len(text)
    for start, end in reversed(_pair_braces(text)):
        if end > before or not _OBJECT_START.match(text, start):
            continue
        work_left -= end - start
        if work_left < 0:
            break
        if _is_json(text[start:end]):
            found.append(text[start:end])
            before = start
    return found[::-1]


def _pair_braces(text: str) -> list[tuple[int, int]]:
    """Where braces open and close, by their closing; a quote counts only behind an open brace, and ends with its line."""
    pairs: list[tuple[int, int]] = []
    opened: list[int] = []
    at = 0
    while token := (_BRACE_OR_STRING if opened else _BRACE).search(text, at):
        at = token.end()
        if token[0] == "{":
            opened.append(token.start())
        elif token[0] == "}" and opened:
            pairs.append((opened.pop(), at))
    return pairs


def _is_json(text: str) -> bool:
    """Whether the text is JSON, apart from what `parse_outcome` can complain about more precisely."""
    try:
        json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return False
    return True
