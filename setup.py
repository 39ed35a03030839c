"""The only part of the build that pyproject.toml cannot say: prompts/ and WORKFLOW.md travel inside the package.

They lie at the top of the repository, where people look for them; `find_shipped_prompts` looks in both places.
"""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithPrompts(build_py):
    """Copies the prompts to dispatcher/shipped. An editable install reads them where they are."""

    def run(self) -> None:
        """Build, then add them."""
        super().run()
        if self.editable_mode:
            return
        here, shipped = Path(__file__).parent, Path(self.build_lib, "dispatcher", "shipped")
        shutil.rmtree(shipped, ignore_errors=True)
        shutil.copytree(here / "prompts", shipped / "prompts")
        shutil.copy(here / "WORKFLOW.md", shipped)


setup(cmdclass={"build_py": BuildWithPrompts})
