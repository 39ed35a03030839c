"""OpenCode, headless: `opencode run` with an event stream."""

from typing import ClassVar

from dispatcher.core.faults import Fault
from dispatcher.core.rules import AgentConfig
from dispatcher.core.usage import Usage
from dispatcher.runs.agents.faults import fault_of_status, fault_of_text
from dispatcher.runs.agents.kind import (
    Invocation,
    as_count,
    as_object,
    as_price,
    parse_event_lines,
)
from dispatcher.runs.folder import RunFolder


class OpenCodeAgent:
    """Prompt on stdin, text in `text` events, tokens and cost in one `step_finish` per turn.

    A title of our own saves the extra request that would make one up, which no event reports.
    """

    name: ClassVar[str] = "opencode"
    stop_signals: ClassVar[tuple[str, ...]] = ("SIGINT", "SIGTERM")
    usage_file: ClassVar[str] = ""
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

    def compose(self, config: AgentConfig, folder: RunFolder, prompt: str) -> Invocation:  # noqa: ARG002 - the protocol's shape
        """The command line for one run."""
        argv = [*(config.argv or ("opencode",)), "run", "--format", "json", "--auto"]
        argv += ["--title", folder.path.name]
        if config.model:
            argv += ["--model", config.model]
        return Invocation((*argv, *config.extra_args), folder.prompt)

    def final_text(self, log: str) -> str:
        """The newest text."""
        said = [
            as_object(e.get("part")).get("text") for e in parse_event_lines(log) if e.get("type") == "text"
        ]
        return next((text for text in reversed(said) if isinstance(text, str)), "")

    def usage(self, log: str) -> Usage:
        """Tokens and cost of all turns; a cost of 0 is what it says of a model without a price, so it counts as unknown."""
        steps = [as_object(e.get("part")) for e in parse_event_lines(log) if e.get("type") == "step_finish"]
        counts = [as_object(step.get("tokens")) for step in steps]
        caches = [as_object(one.get("cache")) for one in counts]
        cost = sum(as_price(step.get("cost")) or 0.0 for step in steps)
        return Usage(
            sum(as_count(one.get("input")) for one in counts)
            + sum(as_count(one.get("write")) for one in caches),
            sum(as_count(one.get("read")) for one in caches),
            sum(as_count(one.get("output")) + as_count(one.get("reasoning")) for one in counts),
            cost or None,
        )

    def fault(self, log: str) -> Fault | None:
        """The error after which no turn ended any more."""
        error: dict[str, object] = {}
        for event in parse_event_lines(log):
            match event.get("type"):
                case "error":
                    error = as_object(event.get("error"))
                case "step_finish":
                    error = {}
                case _:
                    pass
        if not error:
            return None
        told = as_object(error.get("data"))
        said = str(told.get("message") or error.get("name", "error"))
        status = as_count(told.get("statusCode"))
        return fault_of_status(self.name, status, said) if status else fault_of_text(self.name, said)
