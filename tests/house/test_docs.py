"""The documents say what the code says."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


def load_writer() -> ModuleType:
    spec = importlib.util.spec_from_file_location("write_docs", ROOT / "tools" / "write_docs.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["write_docs"] = module
    spec.loader.exec_module(module)
    return module


WRITER = load_writer()


@pytest.mark.parametrize(
    "name",
    [
        "WORKFLOW.md",
        "docs/reference/stages.md",
        "docs/reference/config.md",
        "docs/reference/commands.md",
        "docs/reference/prompts.md",
    ],
)
def test_the_generated_parts_are_as_the_code_is(name):
    wanted = WRITER.render_documents(ROOT)[ROOT / name]
    assert (ROOT / name).read_text(encoding="utf-8") == wanted, "run `make docs`"


def test_writing_twice_changes_nothing():
    once = WRITER.render_workflow((ROOT / "WORKFLOW.md").read_text(encoding="utf-8"))
    assert WRITER.render_workflow(once) == once


@pytest.mark.parametrize("text", ["", "<!-- table:end -->\n<!-- table:begin -->\n", "<!-- table:begin -->\n"])
def test_a_missing_mark_is_told_by_name(text):
    with pytest.raises(ValueError, match="table:begin"):
        WRITER.put_between(text, "table", "x")


def test_the_rules_for_agents_hold_nothing_generated():
    text = (ROOT / "WORKFLOW.md").read_text(encoding="utf-8")
    rules = text.partition("<!-- agents:begin -->")[2].partition("<!-- agents:end -->")[0]
    assert rules.strip()
    assert "| stage |" not in rules
    assert "mermaid" not in rules
