"""The demo's play: a tiny shop with a failing test, an issue, and an agent's script with one forgotten test."""

import sys
from collections.abc import Mapping
from typing import Final

REPO: Final = "acme/price-list"
CHECK: Final = (sys.executable, "-m", "unittest", "--quiet")
CHECK_WORDS: Final = "python3 -m unittest"
COMMAND_WORDS: Final = "python3 -m unittest --quiet"

TITLE: Final = "An empty price list crashes the shop"
BODY: Final = """\
`average([])` ends with a ZeroDivisionError: the test for it fails on main. `cheapest([])` ends with a
ValueError in the same way.

Both should return `None` when there are no prices.
"""

_CODE: Final = '''\
"""What the prices of a shop say, in whole cents."""


def cheapest(prices):
    """The lowest price."""
    return min(prices)


def average(prices):
    """The average price, rounded down."""
    return sum(prices) // len(prices)
'''

_TESTS: Final = """\
import unittest

from price_list import average, cheapest


class PriceListTest(unittest.TestCase):
    def test_the_cheapest_price(self):
        self.assertEqual(cheapest([300, 120, 250]), 120)

    def test_the_average_price(self):
        self.assertEqual(average([100, 201]), 150)

    def test_an_empty_list_has_no_average(self):
        self.assertIsNone(average([]))
"""

_NEW_TEST: Final = """
    def test_an_empty_list_has_no_cheapest_price(self):
        self.assertIsNone(cheapest([]))
"""

FILES: Final[Mapping[str, str]] = {
    ".gitignore": "__pycache__/\n",
    "README.md": "# price-list\n\nRun the tests with `python3 -m unittest`.\n",
    "price_list.py": _CODE,
    "test_price_list.py": _TESTS,
}

_RUN_TESTS: Final = {"run": ["{python}", "-m", "unittest", "--quiet"]}
_FINDING: Final = (
    "`cheapest([])` returns None now, but no test says so: the next change can break it unnoticed. "
    "Please add one."
)


def _done(body: str) -> dict[str, object]:
    title = "Return None for an empty price list"
    return {"outcome": {"outcome": "done", "title": title, "body": body, "tested": COMMAND_WORDS}}


_FIRST_WORK: Final = [
    {"print": "Both functions divide or search without looking whether there is anything."},
    {
        "replace": "price_list.py",
        "old": "    return min(prices)",
        "new": "    return min(prices, default=None)",
    },
    {
        "replace": "price_list.py",
        "old": "    return sum(prices) // len(prices)",
        "new": "    return sum(prices) // len(prices) if prices else None",
    },
    _RUN_TESTS,
    {"commit": "Return None for an empty price list"},
    _done("`average` and `cheapest` return `None` when there are no prices."),
]

_SECOND_WORK: Final = [
    {"print": "The review is right: `cheapest([])` has no test."},
    {"append": "test_price_list.py", "text": _NEW_TEST},
    _RUN_TESTS,
    {"commit": "Test that an empty list has no cheapest price"},
    _done("`average` and `cheapest` return `None` when there are no prices; both have a test."),
]

_REJECTION: Final = {
    "outcome": "request-changes",
    "summary": "The fix is right, but only half of it is tested.",
    "findings": [{"severity": "major", "path": "price_list.py", "line": 6, "text": _FINDING}],
}

_APPROVAL: Final = {
    "outcome": "approve",
    "summary": "Both functions return None for an empty list, and both have a test. The check is green.",
    "findings": [],
}

_REVIEW: Final = [
    _RUN_TESTS,
    {"if": {"diff_lacks": "def test_"}, "then": [{"outcome": _REJECTION}], "else": [{"outcome": _APPROVAL}]},
]

SCRIPT: Final[Mapping[str, object]] = {
    "worker": [_FIRST_WORK, _SECOND_WORK],
    "reviewer": [_REVIEW],
    "responder": [[{"outcome": {"outcome": "answer", "text": "It is a price list."}}]],
}
"""What the scripted agent does, by role and round (dispatcher/simulator/scripted_agent.py)."""
