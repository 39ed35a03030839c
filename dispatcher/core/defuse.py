"""Makes an agent's text harmless to post: it calls nobody, closes nothing, hides nothing, tells no secret, ends what it opens."""

import re

from dispatcher.core.intake import TEXT_LIMIT, clean_text, cut_text
from dispatcher.core.tokens import hide_tokens

BREAK = "\u200b"
"""A zero-width space: nobody sees it, and GitHub no longer reads a name or a keyword across it."""

_ENTITIES = (
    (re.compile(r"&(?:#0{0,6}64|#x0{0,6}40|commat);", re.IGNORECASE), "@"),
    (re.compile(r"&(?:#0{0,6}35|#x0{0,6}23|num);", re.IGNORECASE), "#"),
)
_NAME = re.compile(r"@(?=[0-9a-z])", re.IGNORECASE)
_CLOSING_WORD = re.compile(
    r"\b([cfr])(lose[sd]?|ix(?:e[sd])?|esolve[sd]?)\b(?=[\s\S]{0,300}?(?:#|\bgh-|/(?:issues|pull)/)\d)",
    re.IGNORECASE,
)
_FENCE = re.compile(r"(?:(`{3,})[^`]*|(~{3,}).*)\Z")
_TANGLED = re.compile(r"[ \t>\-+*\d.)]*(?:<[a-z/!?]|(?<=[ \t>\-+*.)])(?:```|~~~))", re.IGNORECASE)
_ROOM_TO_CLOSE = 100


def defuse(text: str, limit: int = TEXT_LIMIT) -> str:
    """The text, cleaned, in at most `limit` characters (100 or more), safe to stand in a comment or a description.

    Mentions and closing words (`fixes #12`) are broken by a zero-width space, HTML comments are taken out, and a code
    fence that is left open is closed. What has the shape of a token is hidden everywhere. Other code in fences keeps every character, unless it is not certain that GitHub will take
    it for code.
    """
    plain = hide_tokens(_drop_comments(clean_text(text, len(text))))
    certain = not any(_TANGLED.match(line) for line, is_code in _mark_code(plain) if not is_code)
    chunks: list[str] = []
    for chunk, is_code in _chunks(plain):
        chunks.append(chunk if is_code and certain else _break_words(chunk))
    return _close_fence(cut_text("\n".join(chunks), limit - _ROOM_TO_CLOSE).strip())


def defuse_line(text: str, limit: int) -> str:
    """The same for a title: one line, cut without a note."""
    line = " ".join(hide_tokens(_drop_comments(clean_text(text, len(text)))).split())
    return _break_words(line)[:limit].rstrip()


def _drop_comments(text: str) -> str:
    """Take HTML comments out; what is opened and not closed, or comes together by the taking out, is made visible."""
    kept: list[str] = []
    at = 0
    while (start := text.find("<!--", at)) >= 0 and (end := text.find("-->", start + 2)) >= 0:
        kept.append(text[at:start])
        at = end + 3
    kept.append(text[at:])
    return "".join(kept).replace("<!--", "&lt;!--")


def _break_words(text: str) -> str:
    for entity, character in _ENTITIES:
        text = entity.sub(character, text)
    return _CLOSING_WORD.sub(rf"\1{BREAK}\2", _NAME.sub(f"@{BREAK}", text))


def _mark_code(text: str) -> list[tuple[str, bool]]:
    """Each line, and whether it stands inside a fence that begins at the very start of a line."""
    marked: list[tuple[str, bool]] = []
    fence = ""
    for line in text.split("\n"):
        opening = None if fence else _FENCE.match(line)
        is_code = bool(fence) and not _closes(line, fence)
        marked.append((line, is_code))
        if opening:
            fence = opening[1] or opening[2]
        elif not is_code:
            fence = ""
    return marked


def _closes(line: str, fence: str) -> bool:
    """Up to three spaces may stand before the closing fence."""
    rest = line.strip(" \t")
    return rest.startswith(fence) and not rest.strip(fence[0]) and len(line) - len(line.lstrip(" ")) <= 3


def _chunks(text: str) -> list[tuple[str, bool]]:
    """Neighbouring lines of a kind together: a closing word and its number may stand on two lines."""
    chunks: list[tuple[list[str], bool]] = []
    for line, is_code in _mark_code(text):
        if not chunks or chunks[-1][1] is not is_code:
            chunks.append(([], is_code))
        chunks[-1][0].append(line)
    return [("\n".join(lines), is_code) for lines, is_code in chunks]


def _close_fence(text: str) -> str:
    """End a fence that is still open (a cut may have opened it)."""
    fence = ""
    for line in text.split("\n"):
        if fence:
            fence = "" if _closes(line, fence) else fence
        elif opening := _FENCE.match(line):
            fence = opening[1] or opening[2]
    if len(fence) > _ROOM_TO_CLOSE - 2:
        return text.replace(fence[0] * 3, "")
    return f"{text}\n{fence}" if fence else text
