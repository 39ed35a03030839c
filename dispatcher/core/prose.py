"""What a person says in a Markdown text, without what they only show: code, quotes, comments, addresses.

Follows CommonMark's block structure (containers, fences, indented code, lazy continuation) and GitHub's habit of not
looking for names inside code. Linear in the length of the text: nesting is cut at a fixed depth, no pattern backtracks.
"""

import re
from bisect import bisect_right
from dataclasses import dataclass, field

GAP = "\ufffc"
"""Stands where something was left out of a line, so that what was apart stays apart."""

_DEPTH = 8
_QUOTE = 0
_SPACES = re.compile(r" *")
_FENCE = re.compile(r"(?:(`{3,})[^`]*|(~{3,}).*)\Z")
_RULE = re.compile(r"(?:(?:\*[ ]*+){3,}+|(?:-[ ]*+){3,}+|(?:_[ ]*+){3,}+)\Z")
_LIST_ITEM = re.compile(r"([-+*]|(\d{1,9})[.)])(?: *+\Z|( {1,4}+)(?! )|(?= {5}))", re.ASCII)
_HEADING = re.compile(r"#{1,6}(?: |\Z)")
_RAW_TAG = re.compile(r"<(?:pre|script|style|textarea)(?=[\s>]|\Z)", re.IGNORECASE)
_RAW_TAG_END = re.compile(r"</(?:pre|script|style|textarea)>", re.IGNORECASE)
_COMMENT_END = re.compile(r"-->")
_TICKS = re.compile(r"`+")
_INLINE = re.compile(
    r"(?P<escape>\\[\\`<])"
    r"|(?P<ticks>`+)"
    r"|(?P<comment><!--)"
    r"|(?P<shown><(?P<name>pre|code|tt|script|style|textarea|blockquote)(?=[\s>/])[^<>]*>)"
    r"|(?P<tag></?[a-z][a-z0-9-]*+(?:\s++[a-z_:][\w.:-]*+(?:=(?:\"[^\"]*\"|'[^']*'|[^\s\"'=<>`]++))?+)*+\s*+/?>)"
    r"|(?P<address>\b[a-z][a-z0-9+.-]{1,20}://[^\s<>`]*|\bwww\.[^\s<>`]+|\bmailto:[^\s<>`]+|(?<=\]\()[^\s()<>`]+)",
    re.IGNORECASE | re.ASCII,
)


def read_prose(text: str) -> str:
    """The paragraphs, headings and list items of a Markdown text, with a blank line between them.

    Left out: fenced and indented code, code spans, block quotes (also their lazy continuations, which GitHub shows inside
    the quote), HTML comments and tags, the content of `<pre>`, `<code>` and `<blockquote>`, and addresses. What is left out
    of the middle of a block leaves `GAP` behind.
    """
    reader = _Blocks()
    for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        reader.read(line.expandtabs(4))
    reader.end_block()
    spans = _Spans()
    return "\n\n".join(spans.read("\n".join(lines)) for lines in reader.blocks)


def _skip_spaces(line: str, at: int) -> int:
    """Where the first character that is no space stands; the line's length if there is none."""
    found = _SPACES.match(line, at)
    return found.end() if found else at


@dataclass(slots=True)
class _Blocks:
    """Takes lines one after another and keeps the blocks that are a person's own words.

    `containers` holds, from the outside in, `_QUOTE` or the indent that a list item asks of its lines. `fence` is the
    closing fence that is waited for, `raw_end` the end of a raw HTML block. `says` is the block that is being read;
    `in_paragraph` is also true inside a quote, whose words are dropped. `item_is_empty`: the innermost list item began with
    nothing behind its marker; a blank line next ends it.
    """

    blocks: list[list[str]] = field(default_factory=list)
    containers: list[int] = field(default_factory=list)
    says: list[str] = field(default_factory=list)
    in_paragraph: bool = False
    item_is_empty: bool = False
    fence: str = ""
    raw_end: re.Pattern[str] | None = None

    def read(self, line: str) -> None:
        """Take one line."""
        matched, at = self._match_containers(line)
        if matched < len(self.containers):
            self.fence, self.raw_end = "", None
        if self.fence:
            self._read_fenced(line, at)
        elif self.raw_end:
            self._read_raw_html(line, at, self.raw_end)
        elif _skip_spaces(line, at) == len(line):
            self._leave(matched - self.item_is_empty if matched == len(self.containers) else matched)
            self.item_is_empty = False
        else:
            self.item_is_empty = False
            self._read_text(line, at, matched)

    def end_block(self) -> None:
        """Close the block that is open."""
        if self.says:
            self.blocks.append(self.says)
            self.says = []
        self.in_paragraph = False

    def _match_containers(self, line: str) -> tuple[int, int]:
        """How many of the open containers this line continues, and where its own text begins."""
        at = 0
        for matched, container in enumerate(self.containers):
            start = _skip_spaces(line, at)
            if container == _QUOTE:
                if start - at > 3 or not line.startswith(">", start):
                    return matched, at
                at = _after_quote_mark(line, start)
            elif start - at >= container:
                at += container
            elif start < len(line):
                return matched, at
        return len(self.containers), at

    def _read_fenced(self, line: str, at: int) -> None:
        start = _skip_spaces(line, at)
        rest = line[start:].rstrip(" ")
        if start - at <= 3 and rest.startswith(self.fence) and not rest.strip(self.fence[0]):
            self.fence = ""

    def _read_raw_html(self, line: str, at: int, raw_end: re.Pattern[str]) -> None:
        """Only what follows the end of the raw HTML is said."""
        if end := raw_end.search(line, at):
            self.raw_end = None
            self._say(line[end.end() :])
            self.end_block()

    def _read_text(self, line: str, at: int, matched: int) -> None:
        """Open the containers that the line begins, then take its text for what it is."""
        continues = self.in_paragraph
        interrupts = self.in_paragraph and matched == len(self.containers)
        while (start := _skip_spaces(line, at)) - at <= 3 and start < len(line) and matched < _DEPTH:
            indent = _container_indent(line, start, interrupts=interrupts)
            if indent is None:
                break
            self._leave(matched)
            self.containers.append(indent and start - at + indent)
            matched += 1
            continues = interrupts = False
            at = _after_quote_mark(line, start) if indent == _QUOTE else min(len(line), start + indent)
        if start == len(line):
            self.item_is_empty = self.containers[-1] != _QUOTE
            return
        if start - at <= 3 and self._read_structure(line, start, matched):
            return
        if not continues:
            self._leave(matched)
            if start - at > 3:
                return  # indented code
        self._say(line[start:])
        self.in_paragraph = True

    def _read_structure(self, line: str, start: int, matched: int) -> bool:
        """Take a line that is no paragraph text (fence, raw HTML, heading, rule); False if it is none of these."""
        if fence := _FENCE.match(line, start):
            self._leave(matched)
            self.fence = fence[1] or fence[2]
        elif raw_end := _raw_html_end(line, start):
            self._leave(matched)
            self.raw_end = raw_end
        elif _HEADING.match(line, start) or _RULE.match(line, start):
            self._leave(matched)
            self._say(line[start:])
            self.end_block()
        else:
            return False
        return True

    def _leave(self, matched: int) -> None:
        """Close the block, and every container that the line does not continue."""
        self.end_block()
        del self.containers[matched:]

    def _say(self, words: str) -> None:
        if _QUOTE not in self.containers:
            self.says.append(words)


def _after_quote_mark(line: str, at: int) -> int:
    return at + 2 if line.startswith(" ", at + 1) else at + 1


def _container_indent(line: str, start: int, *, interrupts: bool) -> int | None:
    """What begins here: `_QUOTE`, the indent of a list item's text behind its marker, or None.

    An empty item, or one that counts from another number than 1, does not interrupt a paragraph.
    """
    if line.startswith(">", start):
        return _QUOTE
    item = None if _RULE.match(line, start) else _LIST_ITEM.match(line, start)
    if item is None:
        return None
    marker, number, gap = item.groups()
    is_empty = gap is None and item.end() == len(line)
    if interrupts and (is_empty or number not in {None, "1"}):
        return None
    return len(marker) + len(gap or " ")


def _raw_html_end(line: str, start: int) -> re.Pattern[str] | None:
    """What ends the raw HTML block that begins here; None if nothing begins, or if it ends on this very line."""
    if line.startswith("<!--", start):
        return None if _COMMENT_END.search(line, start + 2) else _COMMENT_END
    if _RAW_TAG.match(line, start):
        return None if _RAW_TAG_END.search(line, start) else _RAW_TAG_END
    return None


@dataclass(slots=True)
class _Spans:
    """Takes code spans, HTML and addresses out of blocks. `hidden_by` is a tag that an earlier block left open."""

    hidden_by: str = ""

    def read(self, block: str) -> str:
        """The block's words, with `GAP` for each thing left out."""
        kept: list[str] = []
        at = self._hidden_until(block, 0) if self.hidden_by else 0
        if at:
            kept.append(GAP)
        closers = _find_ticks(block)
        last_comment_end = block.rfind("-->")
        while found := _INLINE.search(block, at):
            kept.append(block[at : found.start()])
            at = found.end()
            match found.lastgroup:
                case "ticks":
                    end = _closing_ticks(closers, found)
                case "comment":
                    end = block.find("-->", at - 2) + 3 if last_comment_end >= at - 2 else None
                case "shown":
                    self.hidden_by = found["name"]
                    end = self._hidden_until(block, at)
                case "escape":
                    end = None
                case _:
                    end = at
            kept.append(found[0] if end is None else GAP)
            at = at if end is None else end
        kept.append(block[at:])
        return "".join(kept)

    def _hidden_until(self, block: str, at: int) -> int:
        """Where the open tag is closed; the block's end if it stays open."""
        closed = re.compile(rf"</{self.hidden_by}\s*>", re.IGNORECASE).search(block, at)
        if closed is None:
            return len(block)
        self.hidden_by = ""
        return closed.end()


def _find_ticks(block: str) -> dict[int, list[int]]:
    """Where runs of backticks begin, by their length."""
    runs: dict[int, list[int]] = {}
    for run in _TICKS.finditer(block):
        runs.setdefault(len(run[0]), []).append(run.start())
    return runs


def _closing_ticks(runs: dict[int, list[int]], opening: re.Match[str]) -> int | None:
    """The end of the next run of backticks that is as long as the opening one."""
    length = len(opening[0])
    starts = runs.get(length, [])
    index = bisect_right(starts, opening.start())
    return starts[index] + length if index < len(starts) else None
