"""Reads what people write: who is meant, what is ordered, which comments are for us. Who may ask is policy's business."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import lru_cache

from dispatcher.core.errors import BadConfig
from dispatcher.core.model import Command, Comment, Person
from dispatcher.core.prose import GAP, read_prose

TEXT_LIMIT = 60_000
"""Characters that one text of ours may have: GitHub cuts at 65,000, and markers need room."""

TRIGGER_LIMIT = 65_536
"""Characters of a comment that a trigger pattern gets to see: a pattern of a person may be slow."""

MARKER = "<!-- dispatcher:"
"""How every hidden marker of ours begins."""

_KEY = f"{MARKER}key "

UNWANTED = r"\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u202a-\u202e\u2066-\u2069\ud800-\udfff"
"""A regex class without brackets: control characters, bidi overrides, lone surrogates (no tab, no newline)."""

_UNWANTED = re.compile(rf"[{UNWANTED}\U000e0000-\U000e007f]")
_TERMINAL = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*+[ -/]*+[@-~]"  # colours, cursor movements
    r"|\x1b[\]PX^_][^\x07\x1b\n]*+(?:\x07|\x1b\\)"  # window titles, links
    r"|\x1b[ -/]*+[0-Z\\^-~]"
)
_NEWLINES = re.compile(r"\r\n?|[\u2028\u2029]")
_COMMANDS = "|".join(Command)
_RESUME = re.compile(r"\bresume\b", re.IGNORECASE)
_BOT_SUFFIX = "[bot]"


class HeardKind(StrEnum):
    """What a comment wants of us."""

    MENTION = "mention"
    COMMAND = "command"
    TRIGGER = "trigger"


@dataclass(frozen=True, slots=True)
class Trigger:
    """A comment that the repository's `trigger_regex` matches; `wants_resume`: go on with the existing branch."""

    matched: str
    wants_resume: bool


@dataclass(frozen=True, slots=True)
class Heard:
    """A comment that is for us. `command` is set for the kind COMMAND only."""

    comment: Comment
    kind: HeardKind
    command: Command | None = None
    wants_resume: bool = False


def find_mention(text: str, login: str) -> bool:
    """Whether the text mentions `@login` in prose, as GitHub would see it, block quotes excepted."""
    return _mention(login).search(read_prose(text)) is not None


def parse_command(text: str, login: str) -> Command | None:
    """The order in a text: `@login retry`, at the first words after a mention; `stop` wins over other orders."""
    return _find_command(read_prose(text), login)


def matches_trigger(text: str, regex: str) -> Trigger | None:
    """Whether the prose of a text matches the repository's pattern (line anchors are per line); "" matches nothing.

    Only the first `TRIGGER_LIMIT` characters are looked at. Raises BadConfig for a pattern that is none.
    """
    return _find_trigger(read_prose(text[:TRIGGER_LIMIT]), regex) if regex else None


def clean_text(text: str, limit: int = TEXT_LIMIT) -> str:
    """The text without terminal sequences, control characters, bidi overrides and lone surrogates.

    Cut to `limit` characters with a note that says how many are missing. Cleaning twice changes nothing more.
    """
    plain = _UNWANTED.sub("", _NEWLINES.sub("\n", _TERMINAL.sub("", text)))
    return cut_text(plain, limit)


def cut_text(text: str, limit: int) -> str:
    """The text in at most `limit` characters; a cut is noted at the end, where there is room for a note."""
    if len(text) <= limit:
        return text
    note = f"\n\n[cut here: the text had {len(text):,} characters]"
    return text[: limit - len(note)] + note if len(note) < limit else text[:limit]


def read_comments(
    comments: Iterable[Comment],
    bot: Person,
    login: str = "",
    *,
    trigger_regex: str = "",
    allowed_bots: Sequence[str] = (),
) -> tuple[Heard, ...]:
    """The comments that are for us, in their order; never our own, nor another bot's unless it is listed.

    `login` is the name people mention, by default the bot's. An order counts more than a trigger, a trigger more than a
    mention. Raises BadConfig for a `trigger_regex` that is no pattern.
    """
    name = login or bot.login
    allowed = frozenset(_bare(login) for login in allowed_bots)
    others = (
        comment for comment in comments if not _is_own(comment, bot) and _may_speak(comment.author, allowed)
    )
    heard = (_hear(comment, name, trigger_regex) for comment in others)
    return tuple(one for one in heard if one is not None)


def dealt_with(meant: Sequence[Heard], thread: Iterable[Comment], bot: Person) -> tuple[str, ...]:
    """The versions of comments that were heard in an earlier life, as far as the item itself shows it.

    For an item that the journal does not know: the bot answers a mention in a comment, and shows what it made of an order or
    a trigger in its status comment; so what is older than that was dealt with. Doing an old `stop` again would be worse than
    asking a person to repeat it.
    """
    own = [comment for comment in thread if comment.author.id == bot.id and MARKER in comment.body]
    said_at = max((_written_at(one) for one in own), default=None)
    answered_at = max((_written_at(one) for one in own if _KEY in one.body), default=None)
    return tuple(
        heard.comment.version
        for heard in meant
        if (last := answered_at if heard.kind is HeardKind.MENTION else said_at) is not None
        and _written_at(heard.comment) < last
    )


def _written_at(comment: Comment) -> datetime:
    return comment.edited_at or comment.created_at


def _hear(comment: Comment, login: str, trigger_regex: str) -> Heard | None:
    prose = read_prose(comment.body)
    wants_resume = _RESUME.search(prose) is not None
    if command := _find_command(prose, login):
        return Heard(comment, HeardKind.COMMAND, command, wants_resume)
    if trigger_regex and matches_trigger(comment.body, trigger_regex):
        return Heard(comment, HeardKind.TRIGGER, None, wants_resume)
    if _mention(login).search(prose):
        return Heard(comment, HeardKind.MENTION, None, wants_resume)
    return None


def _is_own(comment: Comment, bot: Person) -> bool:
    """By numeric id; or by our marker under our name, for texts whose author's id the forge does not tell."""
    is_namesake = _bare(comment.author.login) == _bare(bot.login)
    return comment.author.id == bot.id or (is_namesake and MARKER in comment.body)


def _may_speak(author: Person, allowed_bots: frozenset[str]) -> bool:
    is_bot = author.is_bot or author.login.endswith(_BOT_SUFFIX)
    return not is_bot or _bare(author.login) in allowed_bots


def _bare(login: str) -> str:
    """A login for comparing: REST and GraphQL disagree about an app's `[bot]` suffix."""
    return login.casefold().removesuffix(_BOT_SUFFIX)


def _find_command(prose: str, login: str) -> Command | None:
    orders = [Command(found[1].lower()) for found in _order(login).finditer(prose)]
    return Command.STOP if Command.STOP in orders else next(iter(orders), None)


def _find_trigger(prose: str, regex: str) -> Trigger | None:
    found = _compile_trigger(regex).search(prose)
    return Trigger(found[0], _RESUME.search(prose) is not None) if found else None


@lru_cache(maxsize=64)
def _compile_trigger(regex: str) -> re.Pattern[str]:
    try:
        return re.compile(regex, re.MULTILINE)
    except re.error as error:
        raise BadConfig(
            f"config.toml: trigger_regex = {regex!r} is not a regular expression: {error}.",
            "Correct the pattern, or leave trigger_regex out.",
        ) from error


def _mention_pattern(login: str) -> str:
    """GitHub's rule: behind nothing or a non-word character, and the name ends there. An app answers to both names."""
    if login.endswith(_BOT_SUFFIX):
        name = re.escape(login.removesuffix(_BOT_SUFFIX)) + r"(?:\[bot\])?+"
    else:
        name = re.escape(login) + r"(?!\[bot\])"
    return rf"(?<![0-9a-z_])@{name}(?![0-9a-z_@/-])(?!\.+[0-9a-z_])"


@lru_cache(maxsize=64)
def _mention(login: str) -> re.Pattern[str]:
    return re.compile(_mention_pattern(login), re.IGNORECASE | re.ASCII)


@lru_cache(maxsize=64)
def _order(login: str) -> re.Pattern[str]:
    """A mention and, on the same line, an order as the next word; emphasis and punctuation around it do not matter."""
    return re.compile(
        rf"{_mention_pattern(login)}[*_~]*[:,]?[ \t\xa0]+[*_~]*({_COMMANDS})(?=[*_~.,!;:)]*(?:\s|{GAP}|\Z))",
        re.IGNORECASE | re.ASCII,
    )
