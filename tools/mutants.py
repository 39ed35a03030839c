"""Puts one small fault after the other into a copy of the product; some test must notice each. `make mutants`, `ONLY=words`."""

import argparse
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tools.mutation.notes import Notes  # noqa: E402
from tools.mutation.report import Result, load_explanations, render_page, render_table  # noqa: E402
from tools.mutation.sweep import Sweep, Wish  # noqa: E402
from tools.mutation.tree import grow_tree  # noqa: E402

EXPLAINED = ROOT / "tools" / "mutation" / "explained.toml"
MOST_SHOWN = 200
PAGE = ROOT / "docs" / "reference" / "mutants.md"


def main() -> int:
    """Sweep and report; 1 when a survivor has no explanation, an explanation no survivor, or a fault no verdict."""
    wanted = _parse()
    with tempfile.TemporaryDirectory(prefix="mutants-") as work:
        tree = grow_tree(ROOT, Path(work) / "tree")
        notes = Notes(ROOT / ".mutants", tree.root).load()
        wish = Wish(
            ROOT,
            Path(work),
            wanted.budget_s,
            wanted.trust_notes,
            tuple(wanted.tests.split()),
            wanted.only,
        )
        sweep = Sweep(wish, tree, notes)
        if wanted.report:
            sweep.forget_survivors_that_met_new_tests()
        else:
            sweep.run()
    is_whole = not wanted.only and not wanted.tests
    result = Result(sweep.wanted(), notes.verdicts, load_explanations(EXPLAINED), is_whole)
    if is_whole:
        PAGE.write_text(render_page(result), encoding="utf-8")
    return _tell(result)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="faults whose names hold these words")
    parser.add_argument("--tests", default="", help="test files to use instead of all")
    parser.add_argument(
        "--budget-s", type=float, default=20.0, help="seconds of tests for a fault that nobody notices"
    )
    parser.add_argument(
        "--trust-notes",
        action="store_true",
        help="what is noted counts, though tests or other parts changed since",
    )
    parser.add_argument(
        "--report", action="store_true", help="try nothing: say what is known of the present text"
    )
    return parser.parse_args()


def _tell(result: Result) -> int:
    for mutant in result.unexplained[:MOST_SHOWN]:
        print(f"survived: {mutant.name}")
    if len(result.unexplained) > MOST_SHOWN:
        print(f"... and {len(result.unexplained) - MOST_SHOWN} more without an explanation")
    for name in result.idle:
        print(f"explained, but no survivor: {name}")
    print(render_table(result))
    return 1 if result.unexplained or result.idle or result.untried else 0


if __name__ == "__main__":
    sys.exit(main())
