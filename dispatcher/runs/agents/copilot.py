"""Copilot CLI, headless, with an event stream."""

from typing import ClassVar

from dispatcher.core.faults import Fault
from dispatcher.core.rules import AgentConfig
from dispatcher.core.usage import Usage
from dispatcher.runs.agents.faults import fault_of_status, fault_of_text
from dispatcher.runs.agents.kind import Invocation, as_count, as_object, parse_event_lines
from dispatcher.runs.folder import RunFolder


class CopilotAgent:
    """Prompt on stdin, text in `assistant.message`, tokens in a file of its own; it reports no amount of money.

    It writes `******` over whatever looks like the key in its output. It needs no forge token with a model provider of one's own;
    the subscription's needs COPILOT_GITHUB_TOKEN, a token that may do nothing but ask Copilot.
    """

    name: ClassVar[str] = "copilot"
    stop_signals: ClassVar[tuple[str, ...]] = ("SIGINT", "SIGTERM")
    usage_file: ClassVar[str] = "copilot-usage.json"
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

    def compose(self, config: AgentConfig, folder: RunFolder, prompt: str) -> Invocation:  # noqa: ARG002 - the protocol's shape
        """The command line for one run."""
        argv = [*(config.argv or ("copilot",)), "--output-format", "json", "--no-color", "--no-ask-user"]
        argv += ["--disable-builtin-mcps", "--usage-output-file", str(folder.home / self.usage_file)]
        argv += ["--allow-all-tools", "--allow-all-paths"]
        if config.model:
            argv += ["--model", config.model]
        return Invocation((*argv, *config.extra_args), folder.prompt)

    def final_text(self, log: str) -> str:
        """The newest message."""
        said = [
            as_object(e.get("data")).get("content")
            for e in parse_event_lines(log)
            if e.get("type") == "assistant.message"
        ]
        return next((text for text in reversed(said) if isinstance(text, str) and text), "")

    def usage(self, log: str) -> Usage:
        """Tokens of all models; `inputTokens` already holds the cached ones."""
        models: dict[str, object] = {}
        for event in parse_event_lines(log):
            models = as_object(event.get("modelMetrics")) or models
        counts = [as_object(as_object(one).get("usage")) for one in models.values()]
        read = sum(as_count(one.get("inputTokens")) for one in counts)
        cached = sum(as_count(one.get("cacheReadTokens")) for one in counts)
        return Usage(read - cached, cached, sum(as_count(one.get("outputTokens")) for one in counts))

    def fault(self, log: str) -> Fault | None:
        """The session's error after which no message came any more."""
        error: dict[str, object] = {}
        for event in parse_event_lines(log):
            match event.get("type"):
                case "session.error":
                    error = as_object(event.get("data"))
                case "assistant.message":
                    error = {}
                case _:
                    pass
        if not error:
            return None
        status, said = as_count(error.get("statusCode")), str(error.get("message", "error"))
        return fault_of_status(self.name, status, said) if status else fault_of_text(self.name, said)
