"""Copilot CLI, headless, with an event stream."""

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
    as_text,
    parse_event,
    render_call,
    sum_counts,
)
from dispatcher.runs.agents.vendors import Vendor
from dispatcher.runs.folder import RunFolder
from dispatcher.runs.sandbox.logins import Login

_USAGE_FILE = "copilot-usage.json"


class _CopilotTelling(Telling):
    def __init__(self) -> None:
        self._tools: dict[str, str] = {}

    def read_event(self, event: dict[str, object]) -> Sequence[Told]:
        data = as_object(event.get("data"))
        match event.get("type"):
            case "assistant.message":
                said = as_text(data.get("content"))
                return (Told(SAID, said),) if said else ()
            case "tool.execution_start":
                self._tools[as_text(data.get("toolCallId"))] = as_text(data.get("toolName"))
                return (Told(TOOL, render_call(data.get("toolName"), data.get("arguments"))),)
            case "tool.execution_complete":
                return self._read_result(data)
            case "session.error" | "model.call_failure":
                status = as_count(data.get("statusCode"))
                said = as_text(data.get("message")) or as_text(data.get("errorMessage")) or "an error"
                return (
                    error_of_status("copilot", status, said) if status else error_of_text("copilot", said),
                )
            case "result":
                return (Told(SESSION, as_text(event.get("sessionId"))),)
            case _:
                return ()

    def _read_result(self, data: dict[str, object]) -> Sequence[Told]:
        error = as_object(data.get("error"))
        result = as_text(as_object(data.get("result")).get("content")) or as_text(error.get("message"))
        tool = self._tools.get(as_text(data.get("toolCallId"))) or "a tool"
        denied = (Told(DENIED, tool),) if error.get("code") == "denied" else ()
        return (Told(RESULT, result), *denied)

    def read_side_file(self, name: str, text: str) -> Sequence[Told]:
        del name
        models = as_object((parse_event(text) or {}).get("modelMetrics"))
        counts = [_counts_of(as_object(as_object(one).get("usage"))) for one in models.values()]
        return (Told(USAGE, counts=sum_counts(counts)),) if counts else ()


def _counts_of(usage: dict[str, object]) -> Counts:
    """`inputTokens` hold the cached ones, too."""
    cached = as_count(usage.get("cacheReadTokens"))
    return Counts(
        max(0, as_count(usage.get("inputTokens")) - cached), cached, as_count(usage.get("outputTokens"))
    )


class CopilotAgent(AgentKind):
    """Prompt on stdin, text in `assistant.message`, tokens in a file of its own at the end; it reports no amount of money.

    It writes `******` over whatever looks like the key in its output. It needs no forge token with a model provider of one's own;
    the subscription's needs COPILOT_GITHUB_TOKEN, a token that may do nothing but ask Copilot.
    """

    name: ClassVar[str] = "copilot"
    telling: ClassVar[type[Telling]] = _CopilotTelling
    vendors: ClassVar[tuple[Vendor, ...]] = vendors.COPILOT
    login_hosts: ClassVar[tuple[str, ...]] = ("api.github.com", "*.githubcopilot.com")
    side_files: ClassVar[tuple[SideFile, ...]] = (SideFile(_USAGE_FILE, is_lines=False),)
    logins: ClassVar[tuple[Login, ...]] = (Login(".copilot", "config.json"),)
    pass_env: ClassVar[tuple[str, ...]] = (
        "COPILOT_GITHUB_TOKEN",
        "COPILOT_MODEL",
        "COPILOT_OFFLINE",
        "COPILOT_PROVIDER_API_KEY",
        "COPILOT_PROVIDER_BASE_URL",
        "COPILOT_PROVIDER_BEARER_TOKEN",
        "COPILOT_PROVIDER_TYPE",
        "COPILOT_PROVIDER_WIRE_API",
    )
    env: ClassVar[tuple[tuple[str, str], ...]] = (("COPILOT_AUTO_UPDATE", "false"),)

    def flags(self, config: AgentConfig, folder: RunFolder) -> Sequence[str]:  # noqa: ARG002 - every kind's shape
        """Headless, with events and a file for its usage; nobody is asked."""
        usage = str(folder.home / _USAGE_FILE)
        return (
            *("--output-format", "json", "--no-color", "--no-ask-user", "--disable-builtin-mcps"),
            *("--usage-output-file", usage, "--allow-all-tools", "--allow-all-paths"),
        )


KIND = CopilotAgent()
