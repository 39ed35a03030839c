"""What the measurements share: a clock of their own, a GitHub in a box without git behind it, people and settings."""

import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from dispatcher import app
from dispatcher.config.settings import Settings, TokenSource
from dispatcher.core.rules import AgentConfig, RepoRules
from dispatcher.simulator import scripted_agent
from dispatcher.simulator.box import Scene
from dispatcher.simulator.frontdoor import FrontDoor
from dispatcher.simulator.memory_git import MemoryGit
from dispatcher.simulator.quota import Quota
from dispatcher.simulator.server import serving
from dispatcher.simulator.world import Settings as ForgeSettings
from dispatcher.simulator.world import World

BOT = "shop-bot"
PERSON = "alice"
LEVELS = {PERSON: "write", BOT: "write"}
Row = tuple[str, str, str]


class BenchClock:
    """Time that passes only when somebody waits, so that hours of polling take a moment."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 3, 2, 9, 0, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self.moment

    def wait(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)

    def stop(self) -> None:
        """Nothing waits here."""


@contextmanager
def forge_without_git(
    clock: BenchClock | None = None, settings: ForgeSettings | None = None
) -> Iterator[tuple[Scene, FrontDoor, str]]:
    """The simulator over real HTTP, its git in memory: for everything that only asks the API. Yields its address, too."""
    world = World(clock.now if clock else lambda: datetime.now(UTC), MemoryGit(), settings or ForgeSettings())
    door = FrontDoor(world, None, Quota(world))
    scene = Scene(world)
    add_people(scene)
    with serving(door) as url:
        yield scene, door, url


def add_people(scene: Scene) -> None:
    for login in (PERSON, BOT):
        scene.add_user(login)


def add_repos(scene: Scene, names: Sequence[str]) -> None:
    for name in names:
        scene.add_repo(name, collaborators=LEVELS)


def make_settings(root: Path, url: str, names: Sequence[str], **changes: Any) -> Settings:
    """The configuration's defaults, for these repositories and an agent that follows `script.json`."""
    argv = (sys.executable, "-I", scripted_agent.__file__, str(root / "script.json"))
    roles = tuple((role, ("scripted",)) for role in ("worker", "reviewer", "responder"))
    check = (sys.executable, "-c", "import shop")
    repos = tuple(
        RepoRules(name.replace("/", "-"), *name.split("/"), check=check, agents=roles) for name in names
    )
    return Settings(
        config_file=root / "config.toml",
        state_dir=root / "state",
        repos=repos,
        agents={"scripted": AgentConfig("scripted", "command", argv)},
        base_url=url,
        token=TokenSource(use_gh=False),
        **changes,
    )


@contextmanager
def engine_at_work(settings: Settings, clock: BenchClock, token: str) -> Iterator[app.Daemon]:
    """The whole dispatcher in this process, as `run` puts it together; at the end nothing of it is left."""
    settings.state_dir.parent.mkdir(parents=True, exist_ok=True)
    host = {
        "DISPATCHER_GITHUB_TOKEN": token,
        "PATH": os.environ["PATH"],
        "HOME": str(settings.state_dir.parent),
    }
    with closing(app.build_engine(settings, clock=clock, environment=host, log_to_stderr=False)) as daemon:
        daemon.engine.recover()
        try:
            yield daemon
        finally:
            daemon.end_runs(10.0)


def write_script(root: Path, script: dict[str, Any]) -> None:
    (root / "script.json").write_text(json.dumps(script))
