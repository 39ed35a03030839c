"""Claude Code, headless: `claude -p` with an event stream."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from dispatcher.core.rules import AgentConfig
from dispatcher.runs.agents import vendors
from dispatcher.runs.agents.faults import error_of_status, error_of_text
from dispatcher.runs.agents.kind import AgentKind, Invocation, mentions_flag, own_budget
from dispatcher.runs.agents.telling import (
    DENIED,
    LIMIT,
    OVERLOAD,
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
    as_objects,
    as_price,
    as_text,
    parse_event,
    render_call,
    sum_counts,
)
from dispatcher.runs.agents.vendors import Vendor
from dispatcher.runs.folder import RunFolder
from dispatcher.runs.sandbox.logins import Login

_OWN_LIMITS = frozenset({"error_max_turns", "error_max_budget_usd"})
"""How a session ends that a person's own arguments bound: no fault of the set-up, the work was too long."""


class _ClaudeTelling(Telling):
    """An error of the API carries subtype `success`; while retries go on, only `api_retry` tells.

    Each message tells its tokens, but of those written only the few of its beginning; the session's own file has all of them.
    The last event tells the totals, and the money: it never comes when the run is stopped.
    """

    def __init__(self) -> None:
        self._messages: dict[str, Counts] = {}
        self._said = ""
        self._has_totals = False

    def read_event(self, event: dict[str, object]) -> Sequence[Told]:
        match event.get("type"):
            case "system" if event.get("subtype") == "init":
                return (Told(SESSION, as_text(event.get("session_id"))),)
            case "system" if event.get("subtype") == "api_retry":
                status, said = as_count(event.get("error_status")), as_text(event.get("error"))
                return (
                    error_of_status("claude", status, said)
                    if status
                    else error_of_text("claude", said or "no answer", otherwise=OVERLOAD),
                )
            case "assistant" if "error" not in event:
                return self._read_message(as_object(event.get("message")))
            case "user":
                blocks = as_objects(as_object(event.get("message")).get("content"))
                return [Told(RESULT, _result_text(one)) for one in blocks if one.get("type") == "tool_result"]
            case "result":
                return self._read_result(event)
            case _:
                return ()

    def _read_message(self, message: dict[str, object]) -> list[Told]:
        told = []
        for block in as_objects(message.get("content")):
            if block.get("type") == "tool_use":
                told.append(Told(TOOL, render_call(block.get("name"), block.get("input"))))
            elif block.get("type") == "text":
                self._said = as_text(block.get("text"))
                told.append(Told(SAID, self._said))
        return [*told, *self._count(message)]

    def read_side_file(self, name: str, text: str) -> Sequence[Told]:
        del name
        entry = parse_event(text) or {}
        return self._count(as_object(entry.get("message"))) if entry.get("type") == "assistant" else ()

    def _count(self, message: dict[str, object]) -> list[Told]:
        number, counts = as_text(message.get("id")), _counts_of(as_object(message.get("usage")))
        known = self._messages.get(number)
        if self._has_totals or (known and known.tokens >= counts.tokens):
            return []
        self._messages[number] = counts
        return [Told(USAGE, counts=sum_counts(self._messages.values()))]

    def _read_result(self, result: dict[str, object]) -> list[Told]:
        counts = _counts_of(as_object(result.get("usage")))
        counts.cost_usd = as_price(result.get("total_cost_usd"))
        self._has_totals = True
        told = [Told(USAGE, counts=counts)]
        denials = as_objects(result.get("permission_denials"))
        told += [Told(DENIED, as_text(one.get("tool_name")) or "a tool") for one in denials]
        status, said = as_count(result.get("api_error_status")), as_text(result.get("result"))
        if status:
            told.append(error_of_status("claude", status, said))
        elif result.get("subtype") in _OWN_LIMITS:
            told.append(Told(LIMIT, f"it reached a limit of its own: {result['subtype']}"))
        elif result.get("is_error"):
            told.append(error_of_text("claude", said or as_text(result.get("subtype")) or "an error"))
        elif said != self._said:
            told.append(Told(SAID, said))
        return told


def _counts_of(usage: dict[str, object]) -> Counts:
    return Counts(
        as_count(usage.get("input_tokens")) + as_count(usage.get("cache_creation_input_tokens")),
        as_count(usage.get("cache_read_input_tokens")),
        as_count(usage.get("output_tokens")),
    )


def _result_text(block: dict[str, object]) -> str:
    content = block.get("content")
    return as_text(content) or "\n".join(as_text(one.get("text")) for one in as_objects(content))


class ClaudeAgent(AgentKind):
    """Prompt on stdin (an argument of 300 KB is refused).

    Its shell tools live in sessions of their own and survive its TERM, so INT goes first. Nobody is there to be asked, so
    permissions are bypassed; as root it refuses that without IS_SANDBOX=1.
    """

    name: ClassVar[str] = "claude"
    telling: ClassVar[type[Telling]] = _ClaudeTelling
    vendors: ClassVar[tuple[Vendor, ...]] = vendors.CLAUDE
    login_hosts: ClassVar[tuple[str, ...]] = (
        "api.anthropic.com",
        "console.anthropic.com",
        "platform.claude.com",
        "claude.ai",
    )
    side_files: ClassVar[tuple[SideFile, ...]] = (SideFile(".claude/projects/*/*.jsonl", is_lines=True),)
    logins: ClassVar[tuple[Login, ...]] = (Login(".claude", ".credentials.json", "CLAUDE_CONFIG_DIR"),)
    pass_env: ClassVar[tuple[str, ...]] = (
        "ANTHROPIC_API_KEY",
        "ANTHROPIC_AUTH_TOKEN",
        "ANTHROPIC_BASE_URL",
        "CLAUDE_CODE_OAUTH_TOKEN",
        "CLAUDE_CONFIG_DIR",
    )
    env: ClassVar[tuple[tuple[str, str], ...]] = (
        ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1"),
        ("DISABLE_AUTOUPDATER", "1"),
        ("DISABLE_TELEMETRY", "1"),
        ("IS_SANDBOX", "1"),
    )

    session_files: ClassVar[str] = ".claude/projects/*/*.jsonl"

    def session_place(self, name: str, checkout: Path) -> str:
        """Sessions lie in a folder that is named after the working folder, every odd character a dash."""
        folder = re.sub(r"[^A-Za-z0-9]", "-", str(checkout))
        return f".claude/projects/{folder}/{name.rpartition('/')[2]}"

    def resume(self, call: Invocation, session_id: str) -> Invocation:
        """The session by its id."""
        return replace(call, argv=(*call.argv, "--resume", session_id))

    def flags(self, config: AgentConfig, folder: RunFolder) -> Sequence[str]:
        """Headless, with events; nobody is asked, unless the person's own arguments want it."""
        flags = ["-p", "--output-format", "stream-json", "--verbose", "--add-dir", str(folder.out)]
        if not mentions_flag(config, "--permission-mode", "--dangerously-skip-permissions"):
            flags += ["--permission-mode", "bypassPermissions"]
        return [*flags, *own_budget(config, "--max-budget-usd")]


KIND = ClaudeAgent()
