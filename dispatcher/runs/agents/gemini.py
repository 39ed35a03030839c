"""Gemini CLI, headless: `gemini --output-format stream-json` with the prompt on stdin."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

from dispatcher.core.rules import AgentConfig
from dispatcher.runs.agents import vendors
from dispatcher.runs.agents.faults import error_of_text
from dispatcher.runs.agents.kind import AgentKind, Invocation, mentions_flag
from dispatcher.runs.agents.telling import (
    DENIED,
    OVERLOAD,
    PRINTED,
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
    as_text,
    parse_event,
    render_call,
    sum_counts,
)
from dispatcher.runs.agents.vendors import Vendor
from dispatcher.runs.folder import RunFolder
from dispatcher.runs.sandbox.logins import Login

_SETTINGS: dict[str, object] = {
    "general": {"enableAutoUpdate": False, "enableAutoUpdateNotification": False},
    "privacy": {"usageStatisticsEnabled": False},
    "telemetry": {"enabled": False},
}
_TOOLS = ("run_shell_command", "write_file", "replace")
_AUTH_TYPES = {"GOOGLE_GENAI_USE_GCA": "oauth-personal", "GOOGLE_GENAI_USE_VERTEXAI": "vertex-ai"}


def _render_settings(config: AgentConfig) -> str:
    named = (_AUTH_TYPES[name] for name, value in config.env if name in _AUTH_TYPES and value)
    auth = {"selectedType": next(named, "gemini-api-key")}
    return json.dumps(_SETTINGS | {"security": {"folderTrust": {"enabled": False}, "auth": auth}}, indent=1)


class _GeminiTelling(Telling):
    """A message comes in pieces; input tokens hold the cached ones, too. Retries of a refused request are plain lines."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._turns: dict[str, Counts] = {}

    def read_line(self, line: str) -> Sequence[Told]:
        if "Attempt " in line and " failed" in line and parse_event(line) is None:
            return (Told(PRINTED, line), error_of_text("gemini", line, otherwise=OVERLOAD))
        return super().read_line(line)

    def read_event(self, event: dict[str, object]) -> Sequence[Told]:
        if event.get("type") == "message" and event.get("role") == "assistant":
            self._pieces.append(as_text(event.get("content")))
            return () if event.get("delta") else self._whole_message()
        return [*self._whole_message(), *self._read_other(event)]

    def read_side_file(self, name: str, text: str) -> Sequence[Told]:
        del name
        entry = parse_event(text) or {}
        tokens = as_object(entry.get("tokens"))
        if not tokens:
            return ()
        cached = as_count(tokens.get("cached"))
        read = max(0, as_count(tokens.get("input")) - cached) + as_count(tokens.get("tool"))
        written = as_count(tokens.get("output")) + as_count(tokens.get("thoughts"))
        self._turns[as_text(entry.get("id"))] = Counts(read, cached, written)
        return (Told(USAGE, counts=sum_counts(self._turns.values())),)

    def _whole_message(self) -> list[Told]:
        said = "".join(self._pieces)
        self._pieces.clear()
        return [Told(SAID, said)] if said else []

    def _read_other(self, event: dict[str, object]) -> Sequence[Told]:
        match event.get("type"):
            case "init":
                return (Told(SESSION, as_text(event.get("session_id"))),)
            case "tool_use":
                return (Told(TOOL, render_call(event.get("tool_name"), event.get("parameters"))),)
            case "tool_result":
                return _read_tool_result(event)
            case "error" if event.get("severity") != "warning":
                return (error_of_text("gemini", as_text(event.get("message")) or "an error"),)
            case "result":
                return self._read_result(event)
            case _:
                return ()

    def _read_result(self, event: dict[str, object]) -> list[Told]:
        stats = as_object(event.get("stats"))
        cached, total = as_count(stats.get("cached")), as_count(stats.get("total_tokens"))
        read = max(0, as_count(stats.get("input_tokens")) - cached)
        counts = Counts(read, cached, max(0, total - read - cached))
        in_file = sum_counts(self._turns.values())
        told = [Told(USAGE, counts=max(counts, in_file, key=lambda one: one.tokens))]
        if event.get("status") == "error":
            error = as_object(event.get("error"))
            told.append(error_of_text("gemini", as_text(error.get("message")) or "an error"))
        return told


def _read_tool_result(event: dict[str, object]) -> Sequence[Told]:
    """A tool that the approval mode does not allow is hidden: one that the model asks for all the same is "not registered"."""
    error = as_object(event.get("error"))
    said = as_text(error.get("message"))
    result = Told(RESULT, as_text(event.get("output")) or said)
    kind = as_text(error.get("type"))
    tool = next((name for name in _TOOLS if f'"{name}"' in said), "")
    is_denied = ("policy" in kind or "denied" in kind) or (kind == "tool_not_registered" and tool)
    return (result, Told(DENIED, tool or "a tool")) if is_denied else (result,)


class GeminiAgent(AgentKind):
    """Prompt on stdin; it reports no cost, and tokens only at the end: its own chat file tells them while it works.

    Its settings stand in the private HOME: how it logs in (an API key unless the agent's `env` names Vertex AI or a Google login),
    no self-update, no statistics. The folder of the outcome is named, because it refuses to write outside of what it knows.
    """

    name: ClassVar[str] = "gemini"
    telling: ClassVar[type[Telling]] = _GeminiTelling
    vendors: ClassVar[tuple[Vendor, ...]] = vendors.GEMINI
    login_hosts: ClassVar[tuple[str, ...]] = (
        "generativelanguage.googleapis.com",
        "cloudcode-pa.googleapis.com",
        "oauth2.googleapis.com",
    )
    side_files: ClassVar[tuple[SideFile, ...]] = (
        SideFile(".gemini/tmp/*/chats/session-*.jsonl", is_lines=True),
    )
    logins: ClassVar[tuple[Login, ...]] = (Login(".gemini", "oauth_creds.json"),)
    pass_env: ClassVar[tuple[str, ...]] = (
        "GEMINI_API_KEY",
        "GEMINI_CLI_HOME",
        "GOOGLE_API_KEY",
        "GOOGLE_CLOUD_LOCATION",
        "GOOGLE_CLOUD_PROJECT",
        "GOOGLE_GEMINI_BASE_URL",
    )
    env: ClassVar[tuple[tuple[str, str], ...]] = (("GEMINI_CLI_NO_RELAUNCH", "true"),)

    def flags(self, config: AgentConfig, folder: RunFolder) -> Sequence[str]:
        """Headless, with events; nobody is asked, unless the person's own arguments want it."""
        flags = ["--output-format", "stream-json", "--skip-trust", "--include-directories", str(folder.out)]
        if not mentions_flag(config, "--approval-mode", "--yolo", "-y"):
            flags += ["--approval-mode", "yolo"]
        return flags

    def compose(self, config: AgentConfig, folder: RunFolder, prompt: str) -> Invocation:
        """The command line for one run, and its settings."""
        settings = (folder.home / ".gemini" / "settings.json", _render_settings(config))
        return replace(super().compose(config, folder, prompt), files=(settings,))


KIND = GeminiAgent()
