"""One request and one answer, as values, so that everything above the sockets can be called without them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl

from dispatcher.simulator.refusals import Refused

Json = dict[str, Any]


class Malformed(Refused):
    """400: the body is not JSON."""

    status = 400
    message = "Problems parsing JSON"


@dataclass(frozen=True)
class Request:
    """What came in; header names are in lower case, `path` has no query and no API prefix."""

    method: str
    path: str
    query_text: str
    headers: Mapping[str, str]
    body: bytes
    prefix: str = ""

    @cached_property
    def query(self) -> dict[str, str]:
        """Parse the query; the last of equal names wins."""
        return dict(parse_qsl(self.query_text, keep_blank_values=True))

    @cached_property
    def json(self) -> Json:
        """Parse the body; raises Malformed for anything but a JSON object (or a list, under the key `""`)."""
        if not self.body:
            return {}
        try:
            parsed = json.loads(self.body)
        except ValueError as error:
            raise Malformed from error
        return parsed if isinstance(parsed, dict) else {"": parsed}


@dataclass(slots=True)
class Answer:
    """What goes out; a body that is not bytes is rendered as JSON, None is no body at all."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)

    def content(self) -> bytes:
        """Render the body."""
        if self.body is None:
            return b""
        if isinstance(self.body, bytes):
            return self.body
        return json.dumps(self.body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def stamp(at: datetime | None) -> str | None:
    """Render a time as GitHub does: whole seconds and a Z."""
    return None if at is None else at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_stamp(text: str) -> datetime:
    """Parse an ISO time; raises ValueError. A time without zone counts as UTC."""
    at = datetime.fromisoformat(text.strip())
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
