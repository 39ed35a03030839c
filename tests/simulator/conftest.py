from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from dispatcher.simulator import GitHubBox, Scene

REPO = "alice/shop"


class TestClock:
    """A clock that only the test moves."""

    __test__ = False

    def __init__(self) -> None:
        self.at = datetime(2026, 3, 1, 12, 0, 0, 400_000, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.at

    def advance(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


@dataclass
class Api:
    """A client without opinions: what the server says is what the test sees."""

    base: str
    token: str
    session: requests.Session = field(default_factory=requests.Session)

    def __call__(self, method: str, path: str, json: Any = None, **headers: str) -> requests.Response:
        url = path if path.startswith("http") else self.base + path
        sent = {"Authorization": f"Bearer {self.token}", "User-Agent": "story"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        return self.session.request(method, url, json=json, headers=sent, allow_redirects=False, timeout=20)

    def get(self, path: str, **headers: str) -> requests.Response:
        return self("GET", path, **headers)

    def post(self, path: str, json: Any = None, **headers: str) -> requests.Response:
        return self("POST", path, json, **headers)

    def graphql(self, query: str, **variables: Any) -> dict[str, Any]:
        answer = self("POST", "/graphql", {"query": query, "variables": variables})
        assert answer.status_code == 200
        shown: dict[str, Any] = answer.json()
        return shown


@dataclass
class Street:
    """A forge with a shop on it: alice owns it, the bot may write, mallory may only look."""

    box: GitHubBox
    clock: TestClock
    apis: list[Api] = field(default_factory=list)

    @property
    def scene(self) -> Scene:
        return self.box.scene

    def api(self, token: str) -> Api:
        made = Api(self.box.url, token)
        self.apis.append(made)
        return made

    def as_user(self, login: str) -> Api:
        return self.api(self.scene.add_token(login))


@pytest.fixture
def clock() -> TestClock:
    return TestClock()


@pytest.fixture
def street(tmp_path: Path, clock: TestClock) -> Iterator[Street]:
    with GitHubBox(tmp_path / "git", clock) as box:
        for login in ("alice", "bot", "mallory"):
            box.scene.add_user(login)
        files = {
            "app.py": "def total(items):\n    return sum(items)\n",
            "README.md": "# Shop\n",
            "docs/a.md": "a\n",
        }
        box.scene.add_repo(REPO, files, collaborators={"bot": "write"})
        made = Street(box, clock)
        yield made
        for api in made.apis:
            api.session.close()


@pytest.fixture
def alice(street: Street) -> Any:
    return street.scene.person("alice")


@pytest.fixture
def bot(street: Street) -> Any:
    return street.scene.person("bot")


@pytest.fixture
def api(street: Street) -> Api:
    """The bot with a classic token."""
    return street.as_user("bot")
