"""mini-swe-agent, headless: `mini-swe-agent --exit-immediately`, which keeps its whole trajectory in one JSON file."""

import re
from collections.abc import Sequence
from typing import ClassVar

from dispatcher.core.rules import AgentConfig
from dispatcher.runs.agents import vendors
from dispatcher.runs.agents.kind import AgentKind, Invocation, as_argument, own_budget
from dispatcher.runs.agents.litellm import OWN_PRICES, names_error, tell_error
from dispatcher.runs.agents.telling import (
    PRINTED,
    SAID,
    USAGE,
    Counts,
    SideFile,
    Telling,
    Told,
    as_count,
    as_object,
    as_objects,
    as_price,
    parse_event,
    sum_counts,
)
from dispatcher.runs.agents.vendors import Vendor
from dispatcher.runs.folder import RunFolder

_TRAJECTORY = "trajectory.json"
_ANSWERED = re.compile(r"mini-swe-agent \(step \d+, \$[\d.]+\):")
"""What it prints above each answer. Its trajectory does not say whether an answer was before or after an error."""
_ERROR_LINES = 6


class _MiniTelling(Telling):
    """What it prints is broken into lines of a terminal's width, an error too: its words are read on as they come."""

    has_stream = False

    def __init__(self) -> None:
        self._error: list[str] = []

    def read_line(self, line: str) -> Sequence[Told]:
        if _ANSWERED.match(line):
            self._error = []
            return (Told(SAID, line),)
        told = [Told(PRINTED, line)] if line.strip() else []
        self._error = self._go_on(line)
        return [*told, tell_error("mini-swe-agent", " ".join(self._error))] if self._error else told

    def _go_on(self, line: str) -> list[str]:
        """The lines of the error that `line` belongs to; none when it belongs to none."""
        if names_error(line):
            return [line]
        is_more = self._error and line.strip() and len(self._error) < _ERROR_LINES
        return [*self._error, line] if is_more else []

    def read_side_file(self, name: str, text: str) -> Sequence[Told]:
        """A price of 0 is what it says of a model that it knows no price of."""
        del name
        trajectory = parse_event(text) or {}
        stats = as_object(as_object(trajectory.get("info")).get("model_stats"))
        counts = sum_counts(map(_counts_of, as_objects(trajectory.get("messages"))))
        counts.cost_usd = as_price(stats.get("instance_cost")) or None
        return (Told(USAGE, counts=counts),) if counts.tokens else ()

    def find_final_text(self, log: str) -> str:
        """Nothing: what it prints is broken into lines of a terminal's width."""
        del log
        return ""


def _counts_of(message: dict[str, object]) -> Counts:
    response = as_object(as_object(message.get("extra")).get("response"))
    usage = as_object(response.get("usage"))
    cached = as_count(as_object(usage.get("prompt_tokens_details")).get("cached_tokens"))
    read = max(0, as_count(usage.get("prompt_tokens")) - cached)
    return Counts(read, cached, as_count(usage.get("completion_tokens")))


class MiniSweAgent(AgentKind):
    """Prompt as an argument (a long one as a pointer to the file), price and tokens in the trajectory."""

    name: ClassVar[str] = "mini-swe-agent"
    telling: ClassVar[type[Telling]] = _MiniTelling
    vendors: ClassVar[tuple[Vendor, ...]] = vendors.LITELLM
    side_files: ClassVar[tuple[SideFile, ...]] = (SideFile(_TRAJECTORY, is_lines=False),)
    pass_env: ClassVar[tuple[str, ...]] = (
        "ANTHROPIC_API_KEY",
        "GEMINI_API_KEY",
        "MSWEA_MODEL_NAME",
        "OPENAI_API_BASE",
        "OPENAI_API_KEY",
        "OPENROUTER_API_KEY",
    )
    env: ClassVar[tuple[tuple[str, str], ...]] = (
        *OWN_PRICES,
        ("MSWEA_CONFIGURED", "true"),
        ("MSWEA_COST_TRACKING", "ignore_errors"),
        ("MSWEA_SILENT_STARTUP", "1"),
    )

    def flags(self, config: AgentConfig, folder: RunFolder) -> Sequence[str]:
        """Headless, with its trajectory in the private HOME."""
        flags = ("--yolo", "--exit-immediately", "--output", str(folder.home / _TRAJECTORY))
        return (*flags, *own_budget(config, "--cost-limit", "-l"))

    def compose(self, config: AgentConfig, folder: RunFolder, prompt: str) -> Invocation:
        """The command line for one run, the prompt at its end."""
        return Invocation((*self.argv(config, folder), "--task", as_argument(prompt, folder)), None)


KIND = MiniSweAgent()
