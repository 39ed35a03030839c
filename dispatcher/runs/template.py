"""A template that is filled in one pass: `{{ name }}`, and parts that show only when a variable is not empty.

`{{# name }}` ... `{{/ name }}` is such a part, `{{^ name }}` ... `{{/ name }}` its opposite. What is filled in is never read
again, so the text of an issue can hold braces without any effect.
"""

import difflib
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from dispatcher.core.errors import BadConfig

_TAG = re.compile(
    r"^[ \t]*\{\{(?P<alone>[#^/])[ \t]*(?P<part>[^{}\n]*?)[ \t]*\}\}[ \t]*(?:\n|\Z)"  # a part's tag takes its whole line away
    r"|\{\{(?P<sign>[#^/]?)\s*(?P<name>[^{}]*?)\s*\}\}",
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Template:
    """A parsed template: texts, tags, texts, in order."""

    pieces: tuple["Text | Tag", ...]

    def render(self, values: Mapping[str, str]) -> str:
        """Fill it in. Every name was checked by `parse_template`."""
        shown: list[str] = []
        hidden_by = 0
        for piece in self.pieces:
            match piece:
                case Text() if not hidden_by:
                    shown.append(piece.text)
                case Tag(sign="") if not hidden_by:
                    shown.append(values[piece.name])
                case Tag(sign="#" | "^") if hidden_by or bool(values[piece.name].strip()) is (
                    piece.sign == "^"
                ):
                    hidden_by += 1
                case Tag(sign="/") if hidden_by:
                    hidden_by -= 1
                case _:
                    continue
        return "".join(shown)


@dataclass(frozen=True, slots=True)
class Text:
    """Words that are shown as they are."""

    text: str


@dataclass(frozen=True, slots=True)
class Tag:
    """A variable (`sign` empty), or the begin (`#`, `^`) or the end (`/`) of a part."""

    sign: str
    name: str
    line: int


def parse_template(source: str, file: str, known: Collection[str]) -> Template:
    """Parse and check a template. Raises BadConfig that names file, line and variable, and the nearest known one."""
    source = source.replace("\r\n", "\n")
    pieces: list[Text | Tag] = []
    open_parts: list[Tag] = []
    end = 0
    for match in _TAG.finditer(source):
        tag = Tag(
            match["alone"] or match["sign"],
            match["part"] or match["name"] or "",
            source.count("\n", 0, match.start()) + 1,
        )
        _check_name(tag, file, known)
        _follow_parts(tag, open_parts, file)
        pieces += [Text(source[end : match.start()]), tag]
        end = match.end()
    if open_parts:
        last = open_parts[-1]
        raise BadConfig(
            f"{file}:{last.line}: `{{{{{last.sign} {last.name} }}}}` is never closed.",
            f"Add {{{{/ {last.name} }}}}.",
        )
    return Template((*pieces, Text(source[end:])))


def _check_name(tag: Tag, file: str, known: Collection[str]) -> None:
    if tag.name in known:
        return
    near = difflib.get_close_matches(tag.name, known, n=1)
    hint = f"did you mean `{near[0]}`?" if near else f"known variables: {', '.join(sorted(known))}."
    raise BadConfig(f"{file}:{tag.line}: unknown variable `{tag.name}`;", hint)


def _follow_parts(tag: Tag, open_parts: list[Tag], file: str) -> None:
    if tag.sign in {"#", "^"}:
        open_parts.append(tag)
    elif tag.sign == "/":
        if not open_parts or open_parts[-1].name != tag.name:
            inner = f"`{open_parts[-1].name}` is open" if open_parts else "nothing is open"
            raise BadConfig(f"{file}:{tag.line}: `{{{{/ {tag.name} }}}}` closes a part, but {inner}.")
        open_parts.pop()
