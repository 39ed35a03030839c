"""Writes the generated parts of the documents from the code: `make docs`. A test fails when they differ."""

from collections.abc import Mapping
from pathlib import Path

from dispatcher.config.reference import render_config_reference, render_example_config
from dispatcher.core.diagram import render_mermaid, render_stage_reference, render_stage_table
from dispatcher.runs.variables import render_variable_reference
from dispatcher.surfaces.reference import render_command_reference

ROOT = Path(__file__).resolve().parents[1]
PROMPTS_HEAD = """\
# Prompt variables

What `{{ name }}` stands for in `prompts/<role>.md`; [how to write prompts](../how-to/write-prompts.md) says the rest. Texts of other
people come fenced and attributed. A variable that has nothing to say is empty.

"""
MARKS = ("<!-- {name}:begin -->\n", "<!-- {name}:end -->")


def main() -> None:
    """Write what has changed, and say which files those were."""
    for path, text in render_documents(ROOT).items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            print(f"written: {path.relative_to(ROOT)}")


def render_documents(root: Path) -> Mapping[Path, str]:
    """Every document with a generated part, as it must be. Raises ValueError when a mark is missing."""
    workflow = root / "WORKFLOW.md"
    reference = root / "docs" / "reference"
    return {
        workflow: render_workflow(workflow.read_text(encoding="utf-8")),
        reference / "stages.md": render_stage_reference(),
        reference / "config.md": render_config_reference(),
        root / "config.example.toml": render_example_config(),
        reference / "commands.md": render_command_reference(),
        reference / "prompts.md": PROMPTS_HEAD + render_variable_reference(),
    }


def render_workflow(text: str) -> str:
    """WORKFLOW.md with a fresh table and diagram between their marks."""
    with_table = put_between(text, "table", render_stage_table())
    return put_between(with_table, "diagram", f"```mermaid\n{render_mermaid()}```\n")


def put_between(text: str, name: str, part: str) -> str:
    """The text with `part` between the marks of this name. Raises ValueError when they are not there exactly once."""
    begin, end = (mark.format(name=name) for mark in MARKS)
    if text.count(begin) != 1 or text.count(end) != 1 or text.index(begin) > text.index(end):
        raise ValueError(f"the marks {begin.strip()} and {end} must be there once each, in this order")
    before, _, rest = text.partition(begin)
    return f"{before}{begin}{part}{end}{rest.partition(end)[2]}"


if __name__ == "__main__":
    main()
