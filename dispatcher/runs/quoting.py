"""Other people's text as data: attributed, fenced, without control characters, cut to size."""

import re

TEXT_LIMIT_CHARS = 65_536
"""The longest issue, comment or message that goes into a prompt whole: GitHub's own limit for one text."""

DIFF_LIMIT_CHARS = 400_000
"""The longest diff that goes into a prompt whole: about 100,000 tokens, half of what present models read."""

# C0 without tab and newline, DEL, C1, zero-width characters, bidi controls, the byte order mark, tag characters, lone surrogates.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\ud800-\udfff\U000e0000-\U000e007f]"
)
_ESCAPE_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
_FENCE = re.compile(r"`{3,}")


def clean(text: str, limit_chars: int = TEXT_LIMIT_CHARS) -> str:
    """The text without control and invisible characters, at most `limit_chars` long, with a note where it was cut."""
    text = text[: limit_chars * 2].replace("\r\n", "\n").replace("\r", "\n")
    text = _INVISIBLE.sub("", _ESCAPE_SEQUENCE.sub("", text))
    if len(text) > limit_chars:
        return f"{text[:limit_chars]}\n[cut here: the text is longer]"
    return text


def quote_block(text: str, *, by: str, language: str = "text", limit_chars: int = TEXT_LIMIT_CHARS) -> str:
    """The text in a fence longer than any run of backticks in it, under a line that says whose it is; "" for no text."""
    cleaned = clean(text, limit_chars).strip("\n")
    if not cleaned.strip():
        return ""
    longest = max((len(run) for run in _FENCE.findall(cleaned)), default=2)
    fence = "`" * max(4, longest + 1)
    return f"{by}:\n{fence}{language}\n{cleaned}\n{fence}"


def quote_inline(text: str) -> str:
    """The text on one line, as a code span that it cannot end."""
    cleaned = " ".join(clean(text, 1000).split())
    if not cleaned:
        return ""
    fence = "`" * (max((len(run) for run in re.findall("`+", cleaned)), default=0) + 1)
    pad = " " if "`" in cleaned else ""
    return f"{fence}{pad}{cleaned}{pad}{fence}"


def plain_inline(text: str) -> str:
    """The text on one line, for words of our own (numbers, ids, branch names)."""
    return " ".join(clean(text, 1000).split())
