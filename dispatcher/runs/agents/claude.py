"""Claude Code, headless: `claude -p` with an event stream."""

from typing import ClassVar

from dispatcher.core.faults import Fault
from dispatcher.core.rules import AgentConfig
from dispatcher.core.usage import Usage
from dispatcher.runs.agents.faults import fault_of_denial, fault_of_status
from dispatcher.runs.agents.kind import (
    Invocation,
    as_count,
    as_object,
    as_price,
    mentions_flag,
    parse_event_lines,
)
from dispatcher.runs.folder import RunFolder


class ClaudeAgent:
    """Prompt on stdin (an argument of 300 KB is refused), result in the last `result` event.

    Its shell tools live in sessions of their own and survive its TERM, so INT goes first. Nobody is there to be asked, so
    permissions are bypassed; as root it refuses that without IS_SANDBOX=1.
    """

    name: ClassVar[str] = "claude"
    stop_signals: ClassVar[tuple[str, ...]] = ("SIGINT", "SIGTERM")
    usage_file: ClassVar[str] = ""
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

    def compose(self, config: AgentConfig, folder: RunFolder, prompt: str) -> Invocation:  # noqa: ARG002 - the protocol's shape
        """The command line for one run."""
        argv = [*(config.argv or ("claude",)), "-p", "--output-format", "stream-json", "--verbose"]
        if not mentions_flag(config, "--permission-mode", "--dangerously-skip-permissions"):
            argv += ["--permission-mode", "bypassPermissions"]
        if config.model:
            argv += ["--model", config.model]
        return Invocation((*argv, "--add-dir", str(folder.out), *config.extra_args), folder.prompt)

    def final_text(self, log: str) -> str:
        """The text of the last `result` event; "" when there is none, or when it reports an error."""
        result = _last_result(log)
        text = result.get("result")
        return text if isinstance(text, str) and not result.get("is_error") else ""

    def usage(self, log: str) -> Usage:
        """Cost and tokens of the last `result` event; an error's event counts as well: it was paid for."""
        result = _last_result(log)
        counts = as_object(result.get("usage"))
        return Usage(
            as_count(counts.get("input_tokens")) + as_count(counts.get("cache_creation_input_tokens")),
            as_count(counts.get("cache_read_input_tokens")),
            as_count(counts.get("output_tokens")),
            as_price(result.get("total_cost_usd")),
        )

    def fault(self, log: str) -> Fault | None:
        """A refusal of the API (an error carries subtype `success`, or the retries were still going on), or a denied tool."""
        status, said, denied = 0, "", list[str]()
        for event in parse_event_lines(log):
            match event.get("type"):
                case "system" if event.get("subtype") == "api_retry":
                    status, said = as_count(event.get("error_status")), str(event.get("error", ""))
                case "assistant" if "error" not in event:
                    status = 0
                case "result":
                    status = as_count(event.get("api_error_status")) or status
                    said = str(event.get("result") or said)
                    denied = _denied_tools(event)
                case _:
                    pass
        if status:
            return fault_of_status(self.name, status, said)
        return fault_of_denial(self.name, denied) if denied else None


def _denied_tools(result: dict[str, object]) -> list[str]:
    denials = result.get("permission_denials")
    listed = denials if isinstance(denials, list) else []
    return [str(as_object(one).get("tool_name", "a tool")) for one in listed]


def _last_result(log: str) -> dict[str, object]:
    last: dict[str, object] = {}
    for event in parse_event_lines(log):
        if event.get("type") == "result":
            last = event
    return last
