"""The table as it is lived: what every event leads to, makes happen and changes, in every stage."""

import pytest

from dispatcher.core import events as e
from dispatcher.core.events import ALL_EVENTS
from dispatcher.core.table import TABLE, Row
from tests.core.what_happens import EXPECTED, lived, render_page

PAGES = EXPECTED.read_text(encoding="utf-8").split("# ")[1:]


@pytest.mark.parametrize("kind", ALL_EVENTS, ids=lambda kind: kind.__name__)
def test_everything_happens_as_it_is_written_down(kind: type[e.Event]):
    page = next(page for page in PAGES if page.startswith(f"{kind.__name__}\n"))
    meant = "if it is meant: `python -m tests.core.what_happens`, and read the difference"
    assert render_page(kind).removeprefix("# ").splitlines() == page.splitlines(), meant


def test_every_row_is_lived_at_least_once():
    reasons = {decision.reason for kind in ALL_EVENTS for _, _, decision in lived(kind)}
    assert [row for row in map(_words, TABLE) if row not in reasons] == []


def _words(row: Row) -> str:
    guard = f" ({(row.when.__doc__ or '').strip().splitlines()[0].rstrip('.')})" if row.when else ""
    return f"{row.event.__name__}: {row.source} -> {row.dest}{guard}"
