"""One way in: from a file to settings, with everything that is wrong said at once."""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from dispatcher.config.build import build_settings, find_conflicts
from dispatcher.config.document import Document, Tables, load_text, parse_document
from dispatcher.config.places import find_config
from dispatcher.config.problems import ConfigProblems, Problem, find_misfits, render_problems
from dispatcher.config.settings import Settings
from dispatcher.config.shape import FileShape


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration that passed every check: as the file says it, and as the program uses it."""

    shape: FileShape
    settings: Settings


def load_settings(file: Path | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """Read the configuration: `file`, or the one that is found. Raises BadConfig with every problem, one a line."""
    env = os.environ if environ is None else environ
    file = file or find_config(env)
    return parse_config(load_text(file), file, env).settings


def parse_config(text: str, file: Path, environ: Mapping[str, str]) -> Loaded:
    """Check the text and build the values. Raises BadConfig; `file` serves for messages and relative paths."""
    document = parse_document(text, file)
    shape, problems = _check_shape(document)
    if shape is not None:
        problems += tuple(_beyond(problems, find_conflicts(document, shape)))
    if problems or shape is None:
        raise ConfigProblems(render_problems(document, problems))
    return Loaded(shape, build_settings(document, shape, environ))


def _check_shape(document: Document) -> tuple[FileShape | None, tuple[Problem, ...]]:
    """The shape and what is wrong with it. Faulty keys are left out of it, so that the other checks still run."""
    try:
        return FileShape.model_validate(document.tables), ()
    except ValidationError as error:
        problems = find_misfits(document, error)
        rest = document.tables
        for detail in error.errors(include_url=False):
            rest = _without(rest, detail["loc"][:-1] if detail["type"] == "missing" else detail["loc"])
    try:
        return FileShape.model_validate(rest), problems
    except ValidationError:
        return None, problems


def _beyond(faults: tuple[Problem, ...], conflicts: Iterable[Problem]) -> Iterator[Problem]:
    """The conflicts that are not the shadow of a key that was left out of the shape."""
    faulty = {fault.keys for fault in faults}
    for conflict in conflicts:
        if not any(keys[: len(conflict.keys)] == conflict.keys for keys in faulty):
            yield conflict


def _without(tables: Tables, loc: tuple[int | str, ...]) -> Tables:
    """The tables without the key at `loc`; a fault inside a list takes the whole list away."""
    head, rest = str(loc[0]), loc[1:]
    inner = tables.get(head)
    if rest and isinstance(inner, dict):
        return {**tables, head: _without(inner, rest)}
    return {key: value for key, value in tables.items() if key != head}
