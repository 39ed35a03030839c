from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
import requests
from requests.adapters import BaseAdapter

from dispatcher.simulator import GitHubBox, Scene, scene_in_memory
from dispatcher.simulator.exchange import Request
from dispatcher.simulator.frontdoor import FrontDoor
from dispatcher.simulator.quota import Quota
from dispatcher.simulator.world import Settings

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


class Hatch(BaseAdapter):
    """Hands a request to the front door without a socket, and its answer back."""

    def __init__(self, door: FrontDoor) -> None:
        super().__init__()
        self.door = door

    def send(self, request: requests.PreparedRequest, **_: Any) -> requests.Response:
        split = urlsplit(request.url or "")
        headers = {name.lower(): value for name, value in request.headers.items()}
        body = request.body.encode() if isinstance(request.body, str) else request.body or b""
        answer = self.door.answer(
            Request(request.method or "", unquote(split.path), split.query, headers, body)
        )
        shown = requests.Response()
        shown.status_code, shown.url, shown.request = answer.status, request.url or "", request
        usual = {
            "Date": format_datetime(self.door.world.now(), usegmt=True),
            "Content-Type": "application/json; charset=utf-8",
        }
        shown.headers.update(usual | answer.headers)
        shown.encoding, shown.raw = "utf-8", BytesIO(answer.content())
        return shown

    def close(self) -> None:
        pass


class BoxAtHand:
    """The same forge without sockets and with git in memory: a tenth of the time."""

    requests, watching = GitHubBox.requests, GitHubBox.watching
    faults, enterprise_url, world = GitHubBox.faults, GitHubBox.enterprise_url, GitHubBox.world

    def __init__(self, clock: TestClock) -> None:
        self.settings = Settings()
        self.scene = scene_in_memory(clock, self.settings)
        self.door = FrontDoor(self.scene.world, None, Quota(self.scene.world))
        self.url = self.door.web = "http://forge.invalid"


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

    box: GitHubBox | BoxAtHand
    clock: TestClock
    apis: list[Api] = field(default_factory=list)

    @property
    def scene(self) -> Scene:
        return self.box.scene

    def api(self, token: str) -> Api:
        made = Api(self.box.url, token)
        if isinstance(self.box, BoxAtHand):
            made.session.mount(self.box.url, Hatch(self.box.door))
        self.apis.append(made)
        return made

    def as_user(self, login: str) -> Api:
        return self.api(self.scene.add_token(login))


@pytest.fixture
def clock() -> TestClock:
    return TestClock()


@pytest.fixture
def box(clock: TestClock) -> Iterator[GitHubBox | BoxAtHand]:
    """A file whose tests need sockets or real git makes this `real_box`."""
    at_hand = BoxAtHand(clock)
    yield at_hand
    assert at_hand.door.crashes == []


@pytest.fixture
def real_box(tmp_path: Path, clock: TestClock) -> Iterator[GitHubBox]:
    with GitHubBox(tmp_path / "git", clock) as served:
        yield served


@pytest.fixture
def street(box: GitHubBox | BoxAtHand, clock: TestClock) -> Iterator[Street]:
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


@pytest.fixture
def town(clock: TestClock) -> Scene:
    """The rules without a door: alice owns the shop, the bot may write, tina may triage, mallory may only look."""
    made = scene_in_memory(clock)
    for login in ("alice", "bot", "tina", "mallory"):
        made.add_user(login)
    made.add_repo(REPO, {"app.py": "one\ntwo\nthree\n"}, collaborators={"bot": "write", "tina": "triage"})
    return made
