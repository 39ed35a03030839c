"""The hidden notes that the dispatcher leaves at the end of what it writes, as HTML comments that GitHub does not show.

Three of them: `status` (this is the status comment of that instance), `claim` (who runs what, until when) and `key`
(the cause of this comment, review or pull request, so that it is found before it is sent again). Only notes at the very
end of a text count, and only the caller knows who wrote the text: never believe a marker by anybody but the bot.
"""

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime

MAX_BODY_CHARS = 65_000
"""Where bodies are cut; GitHub refuses more than 65,536 characters."""

_CUT_NOTE = "\n\n*(cut: this text was longer than GitHub takes)*"
_ONE = re.compile(r"<!-- dispatcher:([a-z]{1,20}) v1 (\{[^<>]{0,4000}\}) -->")
_AT_THE_END = re.compile(r"(?:\s*<!-- dispatcher:[a-z]{1,20} v1 \{[^<>]{0,4000}\} -->)+\s*\Z")
_ANYWHERE = re.compile(r"<!--\s*dispatcher:.*?(?:-->|\Z)", re.DOTALL | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ClaimNote:
    """What a claim says: who runs what, until when (aware UTC, whole seconds)."""

    instance: str
    run_id: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Notes:
    """Every marker at the end of one text; what is absent or damaged is None or empty."""

    status_of: str | None = None
    claim: ClaimNote | None = None
    keys: frozenset[str] = frozenset()


def render_status_marker(instance: str) -> str:
    """The note that makes a comment the status comment of this instance."""
    return _render("status", {"instance": instance})


def render_claim_marker(claim: ClaimNote) -> str:
    """The note of a live claim."""
    expires_at = claim.expires_at.astimezone(UTC).replace(microsecond=0)
    fields = {"instance": claim.instance, "run": claim.run_id, "expires": expires_at.isoformat()}
    return _render("claim", fields)


def render_key_marker(key: str) -> str:
    """The note that finds a comment, review or pull request again."""
    return _render("key", {"key": key})


def parse_markers(body: str) -> Notes:
    """Read the markers at the end of a text; damaged ones count as absent."""
    status_of: str | None = None
    claim: ClaimNote | None = None
    keys: set[str] = set()
    for name, fields in _read_trailing(body):
        if name == "status":
            status_of = fields.get("instance", "")
        elif name == "claim":
            claim = _parse_claim(fields) or claim
        elif name == "key" and "key" in fields:
            keys.add(fields["key"])
    return Notes(status_of, claim, frozenset(keys))


def strip_markers(text: str) -> str:
    """The text without anything that looks like a marker of ours, wherever it stands."""
    return _ANYWHERE.sub("", text).rstrip() if "<!--" in text else text.rstrip()


def seal(text: str, *markers: str) -> str:
    """The text as it is posted: foreign markers out, cut to `MAX_BODY_CHARS`, our markers at the end."""
    tail = "\n\n" + "\n".join(markers) if markers else ""
    room = MAX_BODY_CHARS - len(tail)
    clean = strip_markers(text)
    if len(clean) > room:
        clean = _close_what_is_open(clean[: room - len(_CUT_NOTE) - 10]) + _CUT_NOTE
    return clean + tail


def _close_what_is_open(text: str) -> str:
    """End a code fence or HTML comment that the cut left open, so that what follows is read as what it is."""
    if text.rfind("<!--") > text.rfind("-->"):
        text = text[: text.rfind("<!--")]
    fences = sum(1 for line in text.splitlines() if line.lstrip().startswith("```"))
    return text + ("\n```" if fences % 2 else "")


def _render(name: str, fields: dict[str, str]) -> str:
    inside = json.dumps(fields, ensure_ascii=True, sort_keys=True)
    for sign, escaped in (("<", "\\u003c"), (">", "\\u003e"), ("--", "-\\u002d")):
        inside = inside.replace(sign, escaped)
    return f"<!-- dispatcher:{name} v1 {inside} -->"


def _read_trailing(body: str) -> list[tuple[str, dict[str, str]]]:
    # Only the tail is searched, so that a megabyte of text stays cheap.
    tail = body[-8192:]
    match = _AT_THE_END.search(tail) if "<!-- dispatcher:" in tail else None
    found: list[tuple[str, dict[str, str]]] = []
    for name, inside in _ONE.findall(match.group()) if match else ():
        try:
            fields = json.loads(inside)
        except ValueError:
            continue
        found.append((name, {k: v for k, v in fields.items() if isinstance(v, str)}))
    return found


def _parse_claim(fields: dict[str, str]) -> ClaimNote | None:
    try:
        expires_at = datetime.fromisoformat(fields["expires"])
        if expires_at.tzinfo is None:
            return None
        return ClaimNote(fields["instance"], fields["run"], expires_at.astimezone(UTC))
    except (KeyError, ValueError):
        return None
