"""Where accidents happen: in an office, at a counter of the forge, at a desk of runs, in a shop of git, in a journal."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from dispatcher.simulator.box import GitHubBox
from dispatcher.simulator.world import Settings
from tests.forge.conftest import Hands
from tests.forge.conftest import Office as Counter
from tests.runs.conftest import desk
from tests.story.conftest import office
from tests.workspace.conftest import shop

__all__ = ["counter", "desk", "office", "shop"]


@pytest.fixture
def counter(tmp_path: Path) -> Iterator[Counter]:
    """The forge behind real HTTP, without an engine: what is asked of it, and what it answers."""
    clock = Hands()
    with GitHubBox(tmp_path / "github", clock.now, Settings(mergeable_unknown_reads=0)) as box:
        made = Counter(box, clock)
        yield made
        for forge in made.forges:
            forge.close()
