"""The closed shapes of what an agent may say that it did, by role, and their JSON schema."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from dispatcher.core.events import (
    Answered,
    Event,
    GaveUp,
    NothingToDo,
    QuestionAsked,
    ReviewApproved,
    ReviewRejected,
    WorkDelivered,
    WorkWanted,
)
from dispatcher.core.intake import UNWANTED
from dispatcher.core.model import Finding, Role

FINDINGS_LIMIT = 50
FINDING_TEXT_LIMIT = 5_000
PATH_LIMIT = 1_000
LINE_LIMIT = 10_000_000
SEVERITIES = ("blocker", "major", "minor", "nit")

VISIBLE_PATTERN = r"\S"
PATH_PATTERN = rf"^(?!/)(?!.*/(?![\s\S]))(?!(?:.*/)?\.\.(?:/|(?![\s\S])))[^{UNWANTED}\t\n\\]+(?![\s\S])"


@dataclass(frozen=True, slots=True)
class TextField:
    """A field of text that is not blank: its name, its limit in characters, and what it is for."""

    name: str
    limit: int
    purpose: str


@dataclass(frozen=True, slots=True)
class Said:
    """What an outcome of a known shape says, with whom it came from."""

    run_id: str
    head: str
    texts: Mapping[str, str]
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Shape:
    """One outcome of a role. `findings_from`: how many findings it needs at least; None: it has no such field."""

    name: str
    texts: tuple[TextField, ...]
    make_event: Callable[[Said], Event]
    findings_from: int | None = None

    @property
    def keys(self) -> tuple[str, ...]:
        """Every key that an object of this shape may have."""
        findings = () if self.findings_from is None else ("findings",)
        return ("outcome", *(text.name for text in self.texts), *findings)


_SUMMARY = TextField("summary", 20_000, "the verdict and its reasons, for people")
_WHY = TextField("why", 10_000, "the reason, for people")

SHAPES: Mapping[Role, tuple[Shape, ...]] = {
    Role.WORKER: (
        Shape(
            "done",
            (
                TextField("title", 250, "the pull request's title: one line"),
                TextField("body", 40_000, "the pull request's description: what changed and why"),
                TextField("tested", 10_000, "what was run to see that it works, and what came out"),
            ),
            lambda said: WorkDelivered(
                said.run_id, " ".join(said.texts["title"].split()), said.texts["body"], said.texts["tested"]
            ),
        ),
        Shape(
            "question",
            (TextField("text", 10_000, "the one thing that a person must answer"),),
            lambda said: QuestionAsked(said.run_id, said.texts["text"]),
        ),
        Shape("cannot", (_WHY,), lambda said: GaveUp(said.run_id, said.texts["why"])),
        Shape("nothing-to-do", (_WHY,), lambda said: NothingToDo(said.run_id, said.texts["why"])),
    ),
    Role.REVIEWER: (
        Shape(
            "approve",
            (_SUMMARY,),
            lambda said: ReviewApproved(said.run_id, said.head, said.texts["summary"], said.findings),
            findings_from=0,
        ),
        Shape(
            "request-changes",
            (_SUMMARY,),
            lambda said: ReviewRejected(said.run_id, said.head, said.texts["summary"], said.findings),
            findings_from=1,
        ),
    ),
    Role.RESPONDER: (
        Shape(
            "answer",
            (TextField("text", 40_000, "the answer, for people"),),
            lambda said: Answered(said.run_id, said.texts["text"]),
        ),
        Shape(
            "work",
            (TextField("text", 20_000, "what is to be changed"),),
            lambda said: WorkWanted(said.run_id, said.texts["text"]),
        ),
    ),
}


def schema_for(role: Role) -> dict[str, object]:
    """The closed JSON schema (draft 2020-12) of a role's outcomes, ready for `json.dumps`."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"Outcome of a {role} run",
        "type": "object",
        "oneOf": [_render_shape(shape) for shape in SHAPES[role]],
    }


def _render_shape(shape: Shape) -> dict[str, object]:
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
    return {"type": "string", "pattern": VISIBLE_PATTERN, "maxLength": limit, "description": purpose}


def _render_finding() -> dict[str, object]:
    path = {
        "type": ["string", "null"],
        "pattern": PATH_PATTERN,
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
