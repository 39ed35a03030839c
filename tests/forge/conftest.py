"""An office with a real HTTP GitHub in a box, a clock that the test owns, and a forge that belongs to the bot."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from dispatcher.core.model import Finding, ItemKey, Snapshot, Task
from dispatcher.core.rules import RepoRules
from dispatcher.forge.client import Connection
from dispatcher.forge.credentials import Secret
from dispatcher.forge.github_forge import GitHubForge, Pace
from dispatcher.ports import ClaimOrder, Repo, ReviewOrder
from dispatcher.simulator.box import GitHubBox
from dispatcher.simulator.world import Settings

SHOP = "acme/shop"
TOKEN = "ghp_0123456789abcdefghijABCDEF"

HURRIED = Pace(write_pause_s=0.0)


@dataclass
class Hands:
    """A clock that only moves when the test, or somebody who waits, moves it."""

    time: datetime = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
    waited_s: list[float] = field(default_factory=list)

    def now(self) -> datetime:
        return self.time

    def wait(self, seconds: float) -> None:
        self.waited_s.append(seconds)
        self.time += timedelta(seconds=seconds)

    def passes(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


@dataclass
class Drawer:
    """Cursors in memory; a restart of the forge keeps them."""

    kept: dict[str, str] = field(default_factory=dict)
    saves: int = 0

    def load_cursor(self, name: str) -> str | None:
        return self.kept.get(name)

    def save_cursor(self, name: str, value: str) -> None:
        self.saves += 1
        self.kept[name] = value


class Office:
    """What the tests speak about: one repository, a person who may write, a stranger, the bot."""

    def __init__(self, box: GitHubBox, clock: Hands) -> None:
        self.box, self.clock, self.drawer = box, clock, Drawer()
        scene = box.scene
        self.bot = scene.add_user("bot")
        self.ann = scene.add_user("ann")
        self.eve = scene.add_user("eve")
        self.shop = scene.add_repo(
            SHOP, {"app.py": "one\ntwo\nthree\n"}, collaborators={"bot": "write", "ann": "write"}
        )
        for name in ("bot", "needs-review", "needs-rework", "merge-ready", "needs-human"):
            self.ann.create_label(SHOP, name)
        self.token = scene.add_token("bot")
        self.forges: list[GitHubForge] = []
        self.forge = self.start()
        self.repo = self.watch()[0]

    def start(self, token: str | None = None, pace: Pace = HURRIED, **options: object) -> GitHubForge:
        """A forge as after a restart: same cursors, nothing remembered."""
        settings = {"instance": "here", "pace": pace} | options
        forge = GitHubForge(self.box.url, Secret(token or self.token), self.clock, self.drawer, **settings)
        self.forges.append(forge)
        return forge

    def restart(self) -> None:
        self.forge = self.start()
        self.watch()

    def watch(self, *names: str) -> tuple[Repo, ...]:
        rules = [RepoRules(name, *name.split("/")) for name in names or (SHOP,)]
        return self.forge.fetch_repos(rules)[0]

    def key(self, number: int) -> ItemKey:
        return ItemKey(self.shop.id, number)

    def issue(self, title: str = "It breaks", body: str = "Please mend it.", *labels: str) -> int:
        return self.ann.open_issue(SHOP, title, body, labels=labels or ("bot",))

    def pull(self, number: int = 0, files: dict[str, str] | None = None) -> int:
        """The bot's pull request for an issue, as after a worker run."""
        branch = f"bot/{number}-mend"
        self.bot.push(SHOP, branch, files or {"app.py": "one\nTWO\nthree\n"}, base="main")
        return self.bot.open_pull(SHOP, branch, "Mend", f"Closes #{number}")

    def task(self, number: int, pull: int | None = None) -> Task:
        return Task(self.key(number), SHOP, pull=pull)

    def look_at(self, number: int, pull: int | None = None) -> Snapshot:
        return self.forge.fetch_snapshot(self.repo, self.task(number, pull))

    def claim_order(
        self, number: int, instance: str = "here", run: str = "run-1", **other: object
    ) -> ClaimOrder:
        fields = {
            "item": self.key(number),
            "repo": SHOP,
            "run_id": run,
            "instance": instance,
            "expires_at": self.clock.now() + timedelta(hours=2),
            "status_text": "A worker is at it.",
            "status_comment_id": None,
        }
        return ClaimOrder(**(fields | other))

    def review_order(
        self, pull: int, *findings: Finding, key: str = "review-1", head: str = ""
    ) -> ReviewOrder:
        sha = head or self.box.scene.issue(SHOP, pull).pull.head_sha
        return ReviewOrder(self.key(pull), SHOP, sha, "Two things.", findings, key)

    def bodies(self, number: int) -> list[str]:
        return [comment.body for comment in self.box.scene.comments(SHOP, number)]


@pytest.fixture
def clock() -> Hands:
    return Hands()


@pytest.fixture
def box(tmp_path, clock) -> Iterator[GitHubBox]:
    with GitHubBox(tmp_path / "github", clock.now, Settings(mergeable_unknown_reads=0)) as served:
        yield served


@pytest.fixture
def office(box, clock) -> Iterator[Office]:
    office = Office(box, clock)
    yield office
    for forge in office.forges:
        forge.close()


class Script:
    """A server that gives the prepared answers one after the other, and remembers what it was asked."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, dict[str, str], object]] = []
        self.asked: list[tuple[str, str, str]] = []

    def says(self, status: int, body: object = None, **headers: str) -> "Script":
        self.answers.append((status, {k.replace("_", "-"): v for k, v in headers.items()}, body))
        return self


@contextmanager
def serving(script: Script) -> Iterator[str]:
    class Door(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            script.asked.append((self.command, self.path, self.rfile.read(length).decode()))
            status, headers, body = script.answers.pop(0)
            text = (
                b"" if body is None else body.encode() if isinstance(body, str) else json.dumps(body).encode()
            )
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _answer  # noqa: N815

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture
def line(script, clock) -> Iterator[Connection]:
    with serving(script) as url:
        connection = Connection(url, Secret(TOKEN), clock, write_pause_s=1.0, timeout_s=10)
        yield connection
        connection.close()


@pytest.fixture
def closed_door() -> str:
    """An address where nobody listens any more."""
    with serving(Script()) as url:
        pass
    return url
