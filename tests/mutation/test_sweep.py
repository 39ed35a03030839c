"""The sweep itself: what a test notices is called noticed, what changes nothing survives, and the report says so."""

from dataclasses import replace
from pathlib import Path

import pytest

from tools.mutation.grow import Mutant
from tools.mutation.notes import Notes, Verdict
from tools.mutation.report import Explanation, Result, load_explanations, render_page, render_table
from tools.mutation.sweep import Sweep, Wish
from tools.mutation.tree import grow_tree

ROOT = Path(__file__).parents[2]
JUDGES = ("tests/core/test_guards.py", "tests/core/test_rules.py")
GUARD = "core/guards.py has_pull: return [task.pull is not None] -> never"
ROW = "core/table.py row [Labelled in new] -> redirected"


@pytest.fixture
def sample(tmp_path: Path) -> Sweep:
    """Two real faults, and the same two places with nothing done to them."""
    whole = grow_tree(ROOT, tmp_path / "tree", only="core/guards.py")
    faults = [mutant for mutant in whole.mutants if mutant.name in {GUARD, ROW}]
    nothing = [replace(mutant, variant="nothing at all") for mutant in faults]
    tree = replace(whole, mutants=(*faults, *nothing))
    return Sweep(Wish(ROOT, tmp_path, 1.0, test_files=JUDGES), tree, Notes(tmp_path / "notes", whole.root))


@pytest.mark.long
def test_a_fault_is_noticed_nothing_is_not_and_both_are_remembered(sample, capfd):
    sample.run()
    noticed = {
        name for name, verdict in sample.notes.verdicts.items() if verdict.killer.startswith("tests/core/")
    }
    survived = {name for name, verdict in sample.notes.verdicts.items() if not verdict.killer}
    assert noticed == {GUARD, ROW}
    assert survived == {GUARD.replace("never", "nothing at all"), ROW.replace("redirected", "nothing at all")}
    again = Sweep(sample.wish, sample.tree, Notes(sample.notes.folder, sample.tree.root).load())
    again.run()
    assert "4 known from before, 0 to try" in capfd.readouterr().out


def test_a_survivor_needs_an_explanation_and_an_explanation_a_survivor():
    killed, survivor = (Mutant(str(n), "never", "core/x.py", f"core/x.py f: if [{n}]", "") for n in range(2))
    verdicts = {
        killed.name: Verdict("tests/core/test_x.py::test_y", "", 1, "", ""),
        survivor.name: Verdict("", "", 9, "", ""),
    }
    bare = Result([killed, survivor], verdicts, ())
    assert bare.unexplained == [survivor]
    reasons = (
        Explanation("It cannot be seen.", (survivor.name,)),
        Explanation("Old.", (killed.name, "gone")),
    )
    told = Result([killed, survivor], verdicts, reasons)
    assert told.unexplained == []
    assert told.idle == sorted([killed.name, "gone"])
    assert "| **all** | 2 | 1 | 1 | 1 | 0 |" in render_table(told)
    assert f"It cannot be seen.\n\n- `dispatcher/{survivor.name}`" in render_page(told)


def test_a_fault_whose_function_was_changed_since_is_to_be_tried_again():
    mutant = Mutant("0", "never", "core/x.py", "core/x.py f: if [0]", "new text")
    changed = Result(
        [mutant], {mutant.name: Verdict("tests/core/test_x.py::test_y", "", 1, "old text", "")}, ()
    )
    assert (changed.untried, changed.survivors) == ([mutant], [])
    assert "| guards | 0 |" in render_table(changed)
    assert "| policy and claims | 1 | 0 | 0 | 0 | 1 |" in render_table(changed)


def test_explanations_need_words(tmp_path):
    file = tmp_path / "explained.toml"
    file.write_text('[[explained]]\nwhy = ""\nmutants = ["x"]\n')
    with pytest.raises(ValueError, match="needs `why`"):
        load_explanations(file)


def test_the_explanations_of_the_project_can_be_read():
    assert all(one.why for one in load_explanations(ROOT / "tools" / "mutation" / "explained.toml"))
