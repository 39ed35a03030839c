"""The table for people: a diagram, an overview of the stages, and the whole matrix. Pure; the documents are made from these."""

import re
from collections.abc import Iterable, Sequence

from dispatcher.core import events as e
from dispatcher.core.events import ALL_EVENTS, Event
from dispatcher.core.model import Stage as S  # noqa: N817  (as in the table)
from dispatcher.core.table import IGNORED, LIVE, OVER, REFUSED, TABLE, WAITING, Row

SHOWN_AS: dict[S, tuple[str, str]] = {
    S.NEW: ("nothing of ours", "nobody"),
    S.ASKED: ("as before", "dispatcher"),
    S.ANSWERING: ("as before, bot assigned", "responder"),
    S.QUEUED: ("issue: `bot`, nobody assigned", "dispatcher"),
    S.WORKING: ("issue: `bot`, bot assigned", "worker"),
    S.NEEDS_REVIEW: ("PR: `bot` + `needs-review`, nobody assigned", "dispatcher"),
    S.REVIEWING: ("PR: `bot` + `needs-review`, bot assigned", "reviewer"),
    S.NEEDS_REWORK: ("PR: `bot` + `needs-rework`, nobody assigned", "dispatcher"),
    S.REWORKING: ("PR: `bot` + `needs-rework`, bot assigned", "worker"),
    S.MERGE_READY: ("PR: `merge-ready`, a person assigned, no `bot`", "person"),
    S.BLOCKED: ("`needs-human`, a person assigned, no `bot`, a comment that asks one thing", "person"),
    S.DONE: ("merged, or answered", "nobody"),
    S.DROPPED: ("closed, or no label of ours", "nobody"),
}
"""What GitHub shows in each stage, and whose turn it is (spec section 3), with the default label names."""

TOGETHER: tuple[tuple[str, frozenset[type[Event]]], ...] = (
    ("asked for", frozenset({e.Labelled, e.AssignedByPerson, e.ReviewRequested, e.Triggered, e.Reopened})),
    (
        "run failed or let go",
        frozenset(
            {
                e.RunDied,
                e.RunStalled,
                e.RunTimedOut,
                e.RunCancelled,
                e.RunVanished,
                e.ClaimRefused,
                e.PersonTookOver,
            }
        ),
    ),
)
"""Events that an edge of the diagram names together."""

TURNS: tuple[tuple[str, str, frozenset[S]], ...] = (
    ("bots_turn", "the bot's turn", frozenset({*WAITING, *LIVE})),
    ("persons_turn", "a person's turn", frozenset({S.MERGE_READY, S.BLOCKED})),
    ("nobodys_turn", "nobody's turn", frozenset({S.NEW, *OVER})),
)
"""The boxes of the diagram: id, caption, stages."""

_EVENTS_ON_AN_EDGE = 3

Edges = dict[tuple[S, S], tuple[type[Event], ...]]


# ---------------------------------------------------------------- the diagram


def render_mermaid() -> str:
    """The table as a Mermaid state diagram: one edge for all events between two stages; no loops, no taken-over labels.

    Where half of a box's stages lead to the same stage outside (blocked, done, ...), one edge leaves the whole box.
    """
    edges = _edges()
    lines = ["stateDiagram-v2", f"    [*] --> {_id(S.NEW)}"]
    for name, caption, members in TURNS:
        lines.append(f'    state "{caption}" as {name} {{')
        lines += [f'        state "{stage}" as {_id(stage)}' for stage in S if stage in members]
        lines += [
            f"        {_edge(_id(a), _id(b), kinds)}" for (a, b), kinds in edges.items() if {a, b} <= members
        ]
        lines.append("    }")
    for name, _, members in TURNS:
        lines += [f"    {line}" for line in _leaving(name, members, edges)]
    return "\n".join(lines) + "\n"


def _edges() -> Edges:
    """The events that lead from one stage to another, stage by stage, in the order of the table."""
    found: dict[tuple[S, S], dict[type[Event], None]] = {}
    for row in TABLE:
        if row.source is not row.dest and row.event is not e.StageShown:
            found.setdefault((row.source, row.dest), {})[row.event] = None
    order = list(S)
    return {
        edge: tuple(found[edge]) for edge in sorted(found, key=lambda edge: [order.index(s) for s in edge])
    }


def _leaving(name: str, members: frozenset[S], edges: Edges) -> list[str]:
    """The edges out of a box, to each stage outside: shared by the whole box, or one for each stage."""
    lines: list[str] = []
    for dest in S:
        leading = {a: kinds for (a, b), kinds in edges.items() if b is dest and a in members}
        if dest in members or not leading:
            continue
        if 2 * len(leading) >= len(members) and len(leading) > 1:
            together = dict.fromkeys(kind for kinds in leading.values() for kind in kinds)
            lines.append(_edge(name, _id(dest), tuple(together)))
        else:
            lines += [_edge(_id(source), _id(dest), kinds) for source, kinds in leading.items()]
    return lines


def _edge(source: str, dest: str, kinds: Sequence[type[Event]]) -> str:
    words = _words_of(kinds)
    more = len(words) - _EVENTS_ON_AN_EDGE
    shown = [*words[:_EVENTS_ON_AN_EDGE], f"{more} more"] if more > 1 else words
    return f"{source} --> {dest} : {', '.join(shown)}"


def _words_of(kinds: Iterable[type[Event]]) -> list[str]:
    """The events in words, those that belong together named once."""
    return list(dict.fromkeys(_word(kind) for kind in kinds))


def _word(kind: type[Event]) -> str:
    return next((name for name, members in TOGETHER if kind in members), _plain(kind.__name__))


def _plain(name: str) -> str:
    """`ReviewApproved` -> `review approved`."""
    return re.sub(r"(?<!^)(?=[A-Z])", " ", name).lower()


def _id(stage: S) -> str:
    return stage.value.replace("-", "_")


# ---------------------------------------------------------------- tables


def render_stage_table() -> str:
    """Every stage: what GitHub shows, whose turn it is, where it can lead."""
    edges = _edges()
    lines = ["| stage | GitHub shows | whose turn | leads to |", "|---|---|---|---|"]
    for stage in S:
        shown, turn = SHOWN_AS[stage]
        leads_to = [dest for dest in S if (stage, dest) in edges]
        lines.append(f"| `{stage}` | {shown} | {turn} | {', '.join(f'`{dest}`' for dest in leads_to)} |")
    return "\n".join(lines) + "\n"


def render_stage_reference() -> str:
    """The whole matrix of stages and events, as a page: every pair is a row, ignored, or refused."""
    parts = [_REFERENCE_HEAD, render_stage_table(), *map(_render_stage, S), _render_rest()]
    return "\n".join(parts)


_REFERENCE_HEAD = """\
# Stages and events

The table that decides what happens, row by row. In each stage the first row whose condition holds is taken; an event without
such a row is ignored or refused, for the reason at the end of this page. Written from the code; do not edit.
"""


def _render_stage(stage: S) -> str:
    rows = [row for row in TABLE if row.source is stage]
    lines = [f"## {stage}", "", "| event | leads to | when | then |", "|---|---|---|---|"]
    lines += [_render_row(row) for row in rows]
    covered = {row.event for row in rows if row.when is None}
    ignored = [kind for kind in ALL_EVENTS if kind in IGNORED and kind not in covered]
    refused = [kind for kind in ALL_EVENTS if kind in REFUSED and kind not in covered]
    lines += ["", f"Else ignored: {_list(ignored)}.", "", f"Else refused: {_list(refused)}.", ""]
    return "\n".join(lines)


def _render_row(row: Row) -> str:
    when = _first_line(row.when.__doc__) if row.when else "always"
    then = ", ".join(reaction.__name__.replace("_", " ") for reaction in row.then) or "-"
    return f"| {row.event.__name__} | `{row.dest}` | {when} | {then} |"


def _render_rest() -> str:
    """Why an event without a row means nothing, or cannot be."""
    lines = ["## Without a row", "", "| event | | why |", "|---|---|---|"]
    lines += [f"| {kind.__name__} | ignored | {why} |" for kind, why in IGNORED.items()]
    lines += [f"| {kind.__name__} | refused | {why} |" for kind, why in REFUSED.items()]
    return "\n".join(lines) + "\n"


def _list(kinds: Iterable[type[Event]]) -> str:
    return ", ".join(kind.__name__ for kind in kinds) or "none"


def _first_line(doc: str | None) -> str:
    return (doc or "").strip().splitlines()[0].rstrip(".").replace("|", "\\|")
