"""What every REST endpoint gets: who calls, what they sent, and the means to answer in pages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import urlencode

from dispatcher.simulator.access import Caller
from dispatcher.simulator.exchange import Answer, Json, Request, parse_stamp
from dispatcher.simulator.model import Issue, Repo, TokenKind
from dispatcher.simulator.quota import Quota
from dispatcher.simulator.refusals import Forbidden, Invalid, NotFound
from dispatcher.simulator.render import Render
from dispatcher.simulator.world import World

T = TypeVar("T")


@dataclass(slots=True)
class Call:
    """One authenticated REST request on its way through an endpoint."""

    world: World
    caller: Caller
    request: Request
    show: Render
    quota: Quota
    args: dict[str, str]
    found_repo: Repo | None = None

    @property
    def repo(self) -> Repo:
        """Get the repository that the path names."""
        if self.found_repo is None:
            raise NotFound
        return self.found_repo

    @property
    def issue(self) -> Issue:
        """Get the issue or pull request that the path names."""
        return self.world.issue(self.repo, int(self.args["number"]))

    @property
    def pull(self) -> Issue:
        """Get the pull request that the path names; a plain issue is not one."""
        issue = self.issue
        if issue.pull is None:
            raise NotFound
        return issue

    @property
    def json(self) -> Json:
        """Get the body."""
        return self.request.json

    def query(self, name: str, default: str = "") -> str:
        """Get a query parameter."""
        return self.request.query.get(name, default)

    def text(self, name: str) -> str:
        """Get a required text of the body; raises Invalid."""
        value = self.json.get(name)
        if not isinstance(value, str):
            raise Invalid(f'Invalid request.\n\n"{name}" wasn\'t supplied.')
        return value

    def text_or_none(self, name: str) -> str | None:
        """Get a text of the body that may be missing or null; raises Invalid for anything else."""
        value = self.json.get(name)
        if value is not None and not isinstance(value, str):
            raise Invalid(f"Invalid request.\n\nFor 'properties/{name}', {value!r} is not a string.")
        return value

    def new_body(self) -> str | None:
        """Get the text that replaces a body: None leaves it, a JSON null empties it."""
        return "" if "body" in self.json and self.json["body"] is None else self.text_or_none("body")

    def texts(self, name: str) -> list[str]:
        """Get a list of texts from the body (label objects count by their name); raises Invalid."""
        value = self.json.get(name)
        if not isinstance(value, list):
            raise Invalid(f"Invalid request.\n\nFor 'properties/{name}', {value!r} is not an array.")
        return [str(entry["name"]) if isinstance(entry, dict) else str(entry) for entry in value]

    def since(self) -> str:
        """Get `since` in the form that rendered times have, so that they compare as text; empty when not given."""
        text = self.query("since")
        if not text:
            return ""
        try:
            return parse_stamp(text).strftime("%Y-%m-%dT%H:%M:%SZ")
        except ValueError as error:
            raise Invalid from error

    def refuse_unless_classic(self) -> None:
        """Raise Forbidden for tokens that GitHub does not let near this endpoint."""
        if self.caller.kind is TokenKind.FINE_GRAINED:
            raise Forbidden("Resource not accessible by personal access token")
        if self.caller.kind is TokenKind.INSTALLATION:
            raise Forbidden("Resource not accessible by integration")

    def page(
        self, found: Sequence[T], render: Callable[[T], Json], default: int = 30, top: int = 100
    ) -> Answer:
        """Answer one page of a list, with Link headers."""
        chosen, headers = self.cut(found, default, top)
        return Answer(200, [render(entry) for entry in chosen], headers)

    def cut(
        self, found: Sequence[T], default: int = 30, top: int = 100
    ) -> tuple[Sequence[T], dict[str, str]]:
        """Choose the entries of the page that was asked for, with the headers that lead to the others."""
        size = max(1, min(top, _number(self.query("per_page"), default)))
        page = max(1, _number(self.query("page"), 1))
        last = max(1, -(-len(found) // size))
        links: dict[str, int] = {}
        if page > 1:
            links |= {"prev": page - 1, "first": 1}
        if page < last:
            links |= {"next": page + 1, "last": last}
        headers = {"Link": ", ".join(self._link(rel, to) for rel, to in links.items())} if links else {}
        return found[(page - 1) * size : page * size], headers

    def _link(self, rel: str, page: int) -> str:
        path = self.request.path
        if path.startswith("/repos/"):
            path = f"/repositories/{self.repo.id}/" + path.split("/", 4)[4]
        query = urlencode(self.request.query | {"page": str(page)})
        return f'<{self.show.api}{path}?{query}>; rel="{rel}"'


def _number(text: str, default: int) -> int:
    return int(text) if text.isascii() and text.isdigit() else default
