"""The list in README.md and the tests of this folder are the same, and each test says what happened elsewhere."""

import ast
from pathlib import Path

HERE = Path(__file__).parent


def test_every_accident_is_in_the_list_and_says_what_happened_elsewhere() -> None:
    told: dict[str, str] = {}
    for file in sorted(HERE.glob("test_*.py")):
        if file != Path(__file__):
            functions = [
                node for node in ast.parse(file.read_text()).body if isinstance(node, ast.FunctionDef)
            ]
            told |= {
                one.name: ast.get_docstring(one) or "" for one in functions if one.name.startswith("test_")
            }
    listed = (HERE / "README.md").read_text().split("`")

    assert sorted(told) == sorted(word for word in listed if word.startswith("test_"))
    assert [name for name, story in told.items() if not story.startswith("Elsewhere ")] == []
