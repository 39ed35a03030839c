"""Makes an agent's text harmless to post: it calls nobody, closes nothing, links nowhere outside, hides nothing, tells no secret.

What means something to GitHub is broken by a zero-width space and stays readable as the text that it was.
"""

import re

from dispatcher.core.intake import TEXT_LIMIT, clean_text, cut_text
from dispatcher.core.rules import AgentText
from dispatcher.core.tokens import hide_tokens

BREAK = "\u200b"
"""A zero-width space: nobody sees it, and GitHub no longer reads a name or a keyword across it."""

_ENTITIES = (
    (re.compile(r"&(?:#0{0,6}64|#x0{0,6}40|commat);", re.IGNORECASE), "@"),
    (re.compile(r"&(?:#0{0,6}35|#x0{0,6}23|num);", re.IGNORECASE), "#"),
    (re.compile(r"&(?:#0{0,6}58|#x0{0,6}3a|colon);", re.IGNORECASE), ":"),
    (re.compile(r"&(?:#0{0,6}47|#x0{0,6}2f|sol);", re.IGNORECASE), "/"),
)
_NAME = re.compile(r"@(?=[0-9a-z])", re.IGNORECASE)
_CLOSING_WORD = re.compile(
    r"\b([cfr])(lose[sd]?|ix(?:e[sd])?|esolve[sd]?)\b(?=[\s\S]{0,300}?(?:#|\bgh-|/(?:issues|pull)/)\d)",
    re.IGNORECASE,
)
_REFERENCE = re.compile(r"(#|\bgh-|/(?:issues|pulls?|discussions)/)(?=\d)", re.IGNORECASE)
_ADDRESS = re.compile(
    r"\b([a-z][a-z0-9+.-]{1,20}:)(?=//)(//[^\s/?#<>()\[\]\"'`\\]*)?|\b(www)(?=\.)", re.IGNORECASE
)
_TARGET = re.compile(r"\](?=[(:])")
_NEAR_TARGET = re.compile(r"\]\((?:\.{1,2}/|#)?[\w-][\w./#?=&%~-]*\)")
_TAG = re.compile(r"<(?=[a-z/!?])", re.IGNORECASE)
_PLAIN_TAG = re.compile(r"</?(?:b|br|code|del|em|i|ins|kbd|s|strong|sub|sup|u)\s*/?>", re.IGNORECASE)
_TRAILER = re.compile(r"^([A-Za-z]+(?:-[A-Za-z]+)+)(?=[ \t]*:)", re.MULTILINE)
_SKIPS_CI = re.compile(r"\[(?=(?:(?:skip|no)[ -][a-z]+|[a-z]+[ -]skip)\])", re.IGNORECASE)
_FENCE = re.compile(r"(?:(`{3,})[^`]*|(~{3,}).*)\Z")
_TANGLED = re.compile(r"[ \t>\-+*\d.)]*(?:<[a-z/!?]|(?<=[ \t>\-+*.)])(?:```|~~~))", re.IGNORECASE)
_ROOM_TO_CLOSE = 100


_NOTHING = AgentText()


def defuse(text: str, limit: int = TEXT_LIMIT, allowed: AgentText = _NOTHING) -> str:
    """The text, cleaned, in at most `limit` characters (100 or more), safe to stand in a comment or a description.

    Mentions, references and links are broken by a zero-width space unless they are allowed, closing words (`fixes #12`)
    always. HTML comments are taken out, and a code fence that is left open is closed. What has the shape of a token is
    hidden everywhere. Other code in fences keeps every character, unless it is not certain that GitHub will take it for code.
    """
    plain = hide_tokens(_drop_comments(clean_text(text, len(text))))
    certain = not any(_TANGLED.match(line) for line, is_code in _mark_code(plain) if not is_code)
    chunks: list[str] = []
    for chunk, is_code in _chunks(plain):
        chunks.append(chunk if is_code and certain else _break_links(_break_words(chunk, allowed), allowed))
    return _close_fence(cut_text("\n".join(chunks), limit - _ROOM_TO_CLOSE).strip())


def defuse_line(text: str, limit: int, allowed: AgentText = _NOTHING) -> str:
    """The same for a title: one line, cut without a note. A title becomes the subject of a squashed commit."""
    line = " ".join(hide_tokens(_drop_comments(clean_text(text, len(text)))).split())
    return _SKIPS_CI.sub(f"[{BREAK}", _break_words(line, allowed))[:limit].rstrip()


def defuse_commit(message: str, allowed: AgentText = _NOTHING) -> str:
    """The same for a commit message, which is no Markdown: trailers (`Co-authored-by:`) and orders to CI stay as text."""
    plain = _drop_comments(clean_text(message, TEXT_LIMIT))
    plain = _TRAILER.sub(rf"\1{BREAK}", _break_words(plain, allowed))
    return _SKIPS_CI.sub(f"[{BREAK}", plain)


def _drop_comments(text: str) -> str:
    """Take HTML comments out; what is opened and not closed, or comes together by the taking out, is made visible."""
    kept: list[str] = []
    at = 0
    while (start := text.find("<!--", at)) >= 0 and (end := text.find("-->", start + 2)) >= 0:
        kept.append(text[at:start])
        at = end + 3
    kept.append(text[at:])
    return "".join(kept).replace("<!--", "&lt;!--")


def _break_words(text: str, allowed: AgentText) -> str:
    for entity, character in _ENTITIES:
        text = entity.sub(character, text)
    text = _CLOSING_WORD.sub(rf"\1{BREAK}\2", text)
    if not allowed.references:
        text = _REFERENCE.sub(rf"\1{BREAK}", text)
    return text if allowed.mentions else _NAME.sub(f"@{BREAK}", text)


def _break_links(text: str, allowed: AgentText) -> str:
    """Links and images to outside hosts, and every HTML tag that can do more than shape a word, become text."""
    if "*" in allowed.links:
        return text
    low, hosts = text.lower(), {host.lower() for host in allowed.links}

    def break_address(found: re.Match[str]) -> str:
        if found[3]:
            return f"{found[3]}{BREAK}"
        is_near = found[1].lower() == "https:" and (found[2] or "").lower().removeprefix("//") in hosts
        return found[0] if is_near else f"{found[1]}{BREAK}{found[2] or ''}"

    def break_target(found: re.Match[str]) -> str:
        at = found.start()
        is_near = _NEAR_TARGET.match(text, at) or any(
            low.startswith(f"](https://{host}/", at) for host in hosts
        )
        return "]" if is_near else f"]{BREAK}"

    def break_tag(found: re.Match[str]) -> str:
        return "<" if _PLAIN_TAG.match(text, found.start()) else f"<{BREAK}"

    text = _TARGET.sub(break_target, text)
    text = _TAG.sub(break_tag, text)
    return _ADDRESS.sub(break_address, text)


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
