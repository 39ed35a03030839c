"""OpenCode, headless: `opencode run` with an event stream."""

import re
from collections.abc import Sequence
from typing import ClassVar

from dispatcher.core.rules import AgentConfig
from dispatcher.runs.agents import vendors
from dispatcher.runs.agents.faults import error_of_status, error_of_text
from dispatcher.runs.agents.kind import AgentKind
from dispatcher.runs.agents.telling import (
    DENIED,
    RESULT,
    SAID,
    SESSION,
    TOOL,
    USAGE,
    Counts,
    SideFile,
    Telling,
    Told,
    as_count,
    as_object,
    as_price,
    as_text,
    render_call,
)
from dispatcher.runs.agents.vendors import Vendor
from dispatcher.runs.folder import RunFolder
from dispatcher.runs.sandbox.logins import Login

_STREAM_ERROR = re.compile(r'level=ERROR .*message="stream error".* error\.error="([^"]*)"')
_DENIED = re.compile(r"rejected permission|prevents you from using|unavailable tool", re.IGNORECASE)
_ASKED = re.compile(r"unavailable tool '(\w+)'")


class _OpenCodeTelling(Telling):
    """A cost of 0 is what it says of a model without a price, so it counts as unknown."""

    def __init__(self) -> None:
        self._counts = Counts()
        self._session_id = ""

    def read_event(self, event: dict[str, object]) -> Sequence[Told]:
        part = as_object(event.get("part"))
        match event.get("type"):
            case "text":
                told = [Told(SAID, as_text(part.get("text")))]
            case "tool_use":
                state = as_object(part.get("state"))
                tool, output = as_text(part.get("tool")), as_text(state.get("output"))
                error = as_text(state.get("error")) or (output if tool == "invalid" else "")
                told = [Told(TOOL, render_call(tool, state.get("input"))), Told(RESULT, output or error)]
                told += [Told(DENIED, _denied_tool(tool, error))] if _DENIED.search(error) else []
            case "step_finish":
                self._counts = self._counts + _counts_of(part)
                told = [Told(USAGE, counts=self._counts)]
            case "error":
                told = [_fault_of(as_object(event.get("error")))]
            case _:
                told = []
        return [*self._session(as_text(event.get("sessionID"))), *told]

    def read_side_file(self, name: str, text: str) -> Sequence[Told]:
        """It tries a refused request again for minutes: only its own log tells."""
        del name
        found = _STREAM_ERROR.search(text)
        return (error_of_text("opencode", found[1]),) if found else ()

    def _session(self, session_id: str) -> list[Told]:
        if not session_id or self._session_id:
            return []
        self._session_id = session_id
        return [Told(SESSION, session_id)]


def _counts_of(part: dict[str, object]) -> Counts:
    tokens = as_object(part.get("tokens"))
    cache = as_object(tokens.get("cache"))
    return Counts(
        as_count(tokens.get("input")) + as_count(cache.get("write")),
        as_count(cache.get("read")),
        as_count(tokens.get("output")) + as_count(tokens.get("reasoning")),
        as_price(part.get("cost")) or None,
    )


def _fault_of(error: dict[str, object]) -> Told:
    told = as_object(error.get("data"))
    said = as_text(told.get("message")) or as_text(error.get("name")) or "an error"
    status = as_count(told.get("statusCode"))
    return error_of_status("opencode", status, said) if status else error_of_text("opencode", said)


def _denied_tool(tool: str, error: str) -> str:
    """A tool that is denied is not offered; one that the model asks for all the same comes as `invalid`."""
    found = _ASKED.search(error)
    return found[1] if found else tool or "a tool"


class OpenCodeAgent(AgentKind):
    """Prompt on stdin, text in `text` events, tokens and cost in one `step_finish` per turn.

    A title of our own saves the extra request that would make one up, which no event reports.
    """

    name: ClassVar[str] = "opencode"
    telling: ClassVar[type[Telling]] = _OpenCodeTelling
    vendors: ClassVar[tuple[Vendor, ...]] = vendors.OPENCODE
    login_hosts: ClassVar[tuple[str, ...]] = ("opencode.ai",)
    side_files: ClassVar[tuple[SideFile, ...]] = (SideFile(".local/share/opencode/log/*.log", is_lines=True),)
    logins: ClassVar[tuple[Login, ...]] = (Login(".local/share/opencode", "auth.json"),)
    pass_env: ClassVar[tuple[str, ...]] = (
        "ANTHROPIC_API_KEY",
        "GEMINI_API_KEY",
        "OPENAI_API_KEY",
        "OPENCODE_API_KEY",
        "OPENCODE_CONFIG",
        "OPENCODE_CONFIG_CONTENT",
        "OPENROUTER_API_KEY",
    )
    env: ClassVar[tuple[tuple[str, str], ...]] = (
        ("OPENCODE_DISABLE_AUTOUPDATE", "1"),
        ("OPENCODE_DISABLE_LSP_DOWNLOAD", "1"),
    )

    def flags(self, config: AgentConfig, folder: RunFolder) -> Sequence[str]:  # noqa: ARG002 - every kind's shape
        """Headless, with events, under a title of our own."""
        return ("run", "--format", "json", "--auto", "--title", folder.path.name)


KIND = OpenCodeAgent()
