"""The prompts travel inside the built package."""

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_a_built_package_finds_its_prompts_inside_itself(tmp_path: Path) -> None:
    source, built = tmp_path / "source", tmp_path / "built"
    source.mkdir()
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE", "WORKFLOW.md", "MANIFEST.in"):
        shutil.copy(ROOT / name, source)
    for name in ("dispatcher", "prompts"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    build = [sys.executable, "setup.py", "--quiet", "build_py", "--build-lib", str(built)]
    subprocess.run(build, cwd=source, check=True, capture_output=True)
    look = (
        f"import sys; sys.path.insert(0, {str(built)!r}); "
        "from dispatcher.runs.prompts import PromptBook, find_shipped_prompts as find; "
        "print(find().workflow, PromptBook(find()).problems())"
    )
    found = subprocess.run([sys.executable, "-I", "-c", look], capture_output=True, text=True, check=True)
    assert found.stdout.split(maxsplit=1) == [str(built / "dispatcher" / "shipped" / "WORKFLOW.md"), "()\n"]
