"""Codex, headless: `codex exec --json` with the prompt on stdin."""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

from dispatcher.core.rules import AgentConfig
from dispatcher.runs.agents import vendors
from dispatcher.runs.agents.faults import error_of_text
from dispatcher.runs.agents.kind import AgentKind, Invocation, mentions_flag
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
    as_objects,
    as_text,
    parse_event,
    sum_counts,
)
from dispatcher.runs.agents.vendors import Vendor
from dispatcher.runs.folder import RunFolder
from dispatcher.runs.sandbox.logins import Login

_REFUSED = re.compile(
    r"(?<=[:\]] )Read-only file system(?=$|:)|^bwrap: [^\"\\]{0,80}|rejected by (?:user|policy)[^\"\\]{0,40}"
)
"""How a command fails that the program's own sandbox refuses; its events do not show such a command."""
_EXIT_CODE = re.compile(r"exit(?:ed with)? code:? (-?\d+)", re.IGNORECASE)


class _CodexTelling(Telling):
    """`input_tokens` hold the cached ones, too. The totals of a turn come at its end; until then those of the session files count."""

    def __init__(self) -> None:
        self._turns = Counts()
        self._sessions: dict[str, Counts] = {}
        self._before: dict[str, Counts] = {}

    def read_event(self, event: dict[str, object]) -> Sequence[Told]:
        match event.get("type"):
            case "thread.started":
                return (Told(SESSION, as_text(event.get("thread_id"))),)
            case "item.started" | "item.completed":
                return _read_item(as_object(event.get("item")), is_done=event["type"] == "item.completed")
            case "turn.completed":
                self._turns = self._turns + _counts_of(as_object(event.get("usage")))
                return (self._usage(),)
            case "turn.failed":
                said = as_text(as_object(event.get("error")).get("message"))
                return (error_of_text("codex", said or "the turn failed"),)
            case "error":
                return (error_of_text("codex", as_text(event.get("message")) or "an error"),)
            case _:
                return ()

    def read_side_file(self, name: str, text: str) -> Sequence[Told]:
        payload = as_object((parse_event(text) or {}).get("payload"))
        if as_text(payload.get("type")).endswith("_call_output"):
            refused = next(filter(None, map(_refusal_in, _texts_of(payload.get("output")))), "")
            return (Told(DENIED, f"a command ({refused})"),) if refused else ()
        totals = as_object(as_object(payload.get("info")).get("total_token_usage"))
        if payload.get("type") != "token_count" or not totals:
            return ()
        used = _counts_of(totals)
        if name not in self._before:  # a session that is gone on with already has a past
            self._before[name] = used - _counts_of(
                as_object(as_object(payload["info"]).get("last_token_usage"))
            )
        self._sessions[name] = used - self._before[name]
        return (self._usage(),)

    def _usage(self) -> Told:
        in_sessions = sum_counts(self._sessions.values())
        # A turn's totals are those of its whole thread: of a session that is gone on with, the past is not this run's.
        turns = self._turns - sum_counts(self._before.values())
        return Told(USAGE, counts=max(turns, in_sessions, key=lambda one: one.tokens))


def _texts_of(output: object) -> list[str]:
    return [as_text(output)] + [as_text(one.get("text")) for one in as_objects(output)]


def _refusal_in(text: str) -> str:
    """How a command's last line says that it was refused; "" for a command that succeeded: such a line is what it read somewhere."""
    code, said = _split_output(text.strip())
    refused = _REFUSED.search(said.rstrip().rpartition("\n")[2]) if code != 0 else None
    return refused[0] if refused else ""


def _split_output(text: str) -> tuple[int | None, str]:
    """The exit code, where one is told, and what the command printed: an object, or lines with a head above them."""
    done = parse_event(text)
    if done is not None:
        code = done.get("exit_code", as_object(done.get("metadata")).get("exit_code"))
        return code if isinstance(code, int) else None, as_text(done.get("output"))
    head, mark, said = text.partition("Output:\n")
    found = _EXIT_CODE.search(head) if mark else None
    return int(found[1]) if found else None, said if mark else text


def _read_item(item: dict[str, object], *, is_done: bool) -> Sequence[Told]:
    match item.get("type"):
        case "agent_message" if is_done:
            return (Told(SAID, as_text(item.get("text"))),)
        case "command_execution" if is_done:
            return (Told(RESULT, as_text(item.get("aggregated_output"))),)
        case "command_execution":
            return (Told(TOOL, f"shell: {as_text(item.get('command'))}"),)
        case "file_change" | "mcp_tool_call" | "web_search" if is_done:
            return (Told(TOOL, str(item["type"]).replace("_", " ")),)
        case _:
            return ()


def _counts_of(usage: dict[str, object]) -> Counts:
    cached = as_count(usage.get("cached_input_tokens"))
    return Counts(
        max(0, as_count(usage.get("input_tokens")) - cached), cached, as_count(usage.get("output_tokens"))
    )


class CodexAgent(AgentKind):
    """Prompt on stdin (`-`); it reports no cost, and tokens only at the end: its own session file tells them while it works.

    Unless `extra_args` say otherwise it runs in its own workspace sandbox. That sandbox mounts `.git` read-only, so that no commit
    succeeds: the folder is named as writable. It has no network, not even loopback sockets. It fails silently when CODEX_HOME lies under the
    temporary folder: CODEX_HOME therefore comes from the host or stays in the private HOME.
    """

    name: ClassVar[str] = "codex"
    telling: ClassVar[type[Telling]] = _CodexTelling
    vendors: ClassVar[tuple[Vendor, ...]] = vendors.CODEX
    login_hosts: ClassVar[tuple[str, ...]] = ("api.openai.com", "auth.openai.com", "chatgpt.com")
    side_files: ClassVar[tuple[SideFile, ...]] = (
        SideFile(".codex/sessions/*/*/*/rollout-*.jsonl", is_lines=True),
    )
    logins: ClassVar[tuple[Login, ...]] = (Login(".codex", "auth.json", "CODEX_HOME"),)
    boxed_args: ClassVar[tuple[str, ...]] = ("--sandbox", "danger-full-access")
    pass_env: ClassVar[tuple[str, ...]] = ("CODEX_API_KEY", "CODEX_HOME", "OPENAI_API_KEY", "OPENAI_BASE_URL")

    last_args: ClassVar[tuple[str, ...]] = ("-",)
    session_files: ClassVar[str] = ".codex/sessions/*/*/*/rollout-*.jsonl"

    def resume(self, call: Invocation, session_id: str) -> Invocation:
        """A subcommand behind the options; the prompt still comes on stdin."""
        return replace(call, argv=(*call.argv[:-1], "resume", session_id, "-"))

    def flags(self, config: AgentConfig, folder: RunFolder) -> Sequence[str]:
        """Headless, with events, in its own sandbox unless the person's own arguments name another."""
        flags = ["exec", "--json", "--disable", "plugins", "-c", "analytics.enabled=false"]
        if not mentions_flag(config, "--sandbox", "-s", "--dangerously-bypass-approvals-and-sandbox"):
            flags += ["--sandbox", "workspace-write", "--add-dir", str(folder.out)]
            flags += ["--add-dir", str(folder.checkout / ".git")]
        return flags


KIND = CodexAgent()
