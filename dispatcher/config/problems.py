"""What is wrong with a configuration, as sentences: each names the file, the key, the value and the cure."""

import difflib
import json
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from dispatcher.config.document import Document
from dispatcher.config.fields import holds_secret
from dispatcher.config.lines import line_of
from dispatcher.config.shape import FileShape
from dispatcher.core.errors import BadConfig

_MUST = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "string_type": "text in quotes",
    "bool_type": "true or false",
    "list_type": "a list in [ ]",
    "dict_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
    "mapping_type": "a table",
}
_NO_TOKENS_HERE = "a token does not belong into this file; use forge.token_file or the environment (DISPATCHER_GITHUB_TOKEN)"
Keys = tuple[str, ...]


class ConfigProblems(BadConfig):
    """Everything that is wrong with a configuration; `problems` are sentences, in the order of the file."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong. `keys` lead to it; `text` has `{where}` for the table and key, as people write them."""

    keys: Keys
    text: str


def render_problems(document: Document, problems: Iterable[Problem]) -> tuple[str, ...]:
    """Sentences with file and line, in the order of the file, none twice."""
    placed = [(line_of(document.lines, _written(document, problem.keys)), problem) for problem in problems]
    placed.sort(key=lambda pair: pair[0] or 0)
    return tuple(dict.fromkeys(_render(document.file, line, problem) for line, problem in placed))


def find_misfits(document: Document, error: ValidationError) -> tuple[Problem, ...]:
    """What pydantic found, in our words. A bad `repo = "owner/name"` stands for the missing owner and name as well."""
    details = error.errors(include_url=False)
    spoiled = {detail["loc"][:-1] for detail in details if _is_bad_shorthand(detail)}
    telling = (one for one in details if not (one["type"] == "missing" and one["loc"][:-1] in spoiled))
    return tuple(_describe(document, detail) for detail in telling)


def table_name(document: Document, keys: Keys) -> str:
    """`[repo.shop.limits]`, as it stands in this file; "" for the top."""
    written = _written(document, keys)
    return f"[{'.'.join(_quote(part) for part in written)}]" if written else ""


def nearest(word: str, known: Iterable[str]) -> str:
    """The known word that was probably meant, or ""."""
    close = difflib.get_close_matches(word.lower(), list(known), n=1, cutoff=0.6)
    return close[0] if close else ""


def render_value(value: object, keys: Keys = ()) -> str:
    """A value as TOML would write it, cut to a line; never a secret."""
    if "env" in keys or holds_secret(str(value)):
        return "(not shown)"
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _render(file: Path, line: int | None, problem: Problem) -> str:
    return f"{file.name}: {problem.text}" + (f" (line {line})" if line else "")


def _written(document: Document, keys: Keys) -> Keys:
    """Where these keys stand in the file: a lone `[repo]` has no name of its own."""
    if document.single_repo and keys[:2] == ("repo", document.single_repo):
        return ("repo", *keys[2:])
    return keys


def _describe(document: Document, detail: ErrorDetails) -> Problem:
    keys = _plain_keys(detail["loc"])
    kind, value, context = detail["type"], detail["input"], detail.get("ctx", {})
    where = _where(document, keys)
    if kind == "extra_forbidden":
        text = _describe_shorthand(document, detail) or _describe_unknown(document, keys)
        return Problem(keys, text)
    if kind == "missing":
        return Problem(keys, f'{table_name(document, keys[:-1])} has no `{keys[-1]}`; add {keys[-1]} = "..."')
    if kind == "dispatcher" and isinstance(value, dict):
        return Problem(keys, f"{table_name(document, keys)} must be {context['must']}")
    hint = nearest(str(value), context["choices"]) if kind == "kind" else ""
    meant = f'; did you mean "{hint}"?' if hint else ""
    must = 'a table such as [repo.shop], or "owner/name"' if keys == ("repo",) else _must(detail)
    return Problem(keys, f"{where} = {render_value(value, keys)}, but it must be {must}{meant}")


def _must(detail: ErrorDetails) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    match kind:
        case "greater_than_equal":
            return f"{context['ge']} or more"
        case "less_than_equal":
            return f"{context['le']} or less"
        case "greater_than":
            return f"more than {context['gt']}"
        case "literal_error":
            return str(context["expected"]).replace("'", '"')
        case _:
            return _MUST.get(kind) or detail["msg"]


def _where(document: Document, keys: Keys) -> str:
    """`[limits] worker_minutes`, or the bare key at the top of the file."""
    return f"{table_name(document, keys[:-1])} {_quote(keys[-1])}".strip()


def _describe_unknown(document: Document, keys: Keys) -> str:
    *table, key = keys
    place = table_name(document, tuple(table))
    said = f"unknown key `{key}`" + (f" in {place}" if place else "")
    if key in {"token", "github_token", "password", "secret"}:
        return f"{said}; {_NO_TOKENS_HERE}"
    known = _model_at(tuple(table)).model_fields
    if near := nearest(key, known):
        return f"{said}; did you mean `{near}`?"
    homes = [name or "the top of the file, before the first [table]" for name in _homes(key)]
    if homes:
        return f"{said}; it belongs into {homes[0]}"
    return f"{said}; known are {', '.join(known)}"


def _is_bad_shorthand(detail: ErrorDetails) -> bool:
    return detail["type"] == "extra_forbidden" and detail["loc"][0] == "repo" and detail["loc"][-1] == "repo"


def _describe_shorthand(document: Document, detail: ErrorDetails) -> str:
    """What is wrong with `repo = "owner/name"`, or with mixing the lone `[repo]` and `[repo.<id>]`; "" if neither."""
    *table, key = _plain_keys(detail["loc"])
    place, value = table_name(document, tuple(table)), detail["input"]
    if _is_bad_shorthand(detail) and isinstance(value, str) and value.count("/") == 1:
        return f"{place} repo says owner and name at once; keep it, or owner and name"
    if _is_bad_shorthand(detail):
        return f'{place} repo = {render_value(value)}, but it must be "owner/name"'
    if place == "[repo]" and isinstance(value, dict):
        return f"[repo] stands for a single repository, so [repo.{_quote(key)}] cannot be; name the first one, too: [repo.<id>]"
    return ""


def _homes(key: str) -> Iterator[str]:
    """The tables that know this key."""
    for keys, model in walk_tables(FileShape):
        if key in model.model_fields:
            yield f"[{'.'.join(keys)}]" if keys else ""


def walk_tables(model: type[BaseModel], keys: Keys = ()) -> Iterator[tuple[Keys, type[BaseModel]]]:
    """Every table of the file, outermost first; `<id>` stands for a name of the person's choice."""
    yield keys, model
    for name, field in model.model_fields.items():
        inner, is_named = table_inside(field.annotation)
        if inner is not None:
            yield from walk_tables(inner, (*keys, name, "<id>") if is_named else (*keys, name))


def table_inside(annotation: object) -> tuple[type[BaseModel] | None, bool]:
    """The table that a field holds, and whether it holds several by name."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, False
    if typing.get_origin(annotation) is dict:
        value = typing.get_args(annotation)[1]
        if isinstance(value, type) and issubclass(value, BaseModel):
            return value, True
    return None, False


def _model_at(keys: Keys) -> type[BaseModel]:
    """The table at these keys."""
    tables: Mapping[Keys, type[BaseModel]] = dict(walk_tables(FileShape))
    generic = tuple("<id>" if i == 1 and keys[0] in {"repo", "agent"} else key for i, key in enumerate(keys))
    return tables.get(generic, FileShape)


def _plain_keys(loc: tuple[int | str, ...]) -> Keys:
    """The keys alone: positions in lists, and pydantic's own marks, are nobody's business."""
    return tuple(part for part in loc if isinstance(part, str) and part != "[key]")


def _quote(key: str) -> str:
    return key if key.replace("-", "").replace("_", "").isalnum() and key.isascii() else json.dumps(key)
