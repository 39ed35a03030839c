"""mini-swe-agent, headless: `mini-swe-agent --exit-immediately`, which leaves its whole trajectory in one JSON file."""

import re
from typing import ClassVar

from dispatcher.core.faults import Fault
from dispatcher.core.rules import AgentConfig
from dispatcher.core.usage import Usage
from dispatcher.runs.agents.faults import fault_of_status
from dispatcher.runs.agents.kind import (
    ARGUMENT_LIMIT_BYTES,
    Invocation,
    as_count,
    as_object,
    as_price,
    parse_event_lines,
)
from dispatcher.runs.folder import RunFolder

_STATUSES = {
    "AuthenticationError": 401,
    "PermissionDeniedError": 403,
    "NotFoundError": 404,
    "RateLimitError": 429,
}
_FAILED = re.compile(
    r"litellm\.(AuthenticationError|PermissionDeniedError|NotFoundError|RateLimitError|InternalServerError)"
)


class MiniSweAgent:
    """Prompt as an argument (a long one as a pointer to the file), price and tokens in the trajectory."""

    name: ClassVar[str] = "mini-swe-agent"
    stop_signals: ClassVar[tuple[str, ...]] = ("SIGINT", "SIGTERM")
    usage_file: ClassVar[str] = "trajectory.json"
    pass_env: ClassVar[tuple[str, ...]] = (
        "ANTHROPIC_API_KEY",
        "GEMINI_API_KEY",
        "MSWEA_MODEL_NAME",
        "OPENAI_API_BASE",
        "OPENAI_API_KEY",
        "OPENROUTER_API_KEY",
    )
    env: ClassVar[tuple[tuple[str, str], ...]] = (
        ("LITELLM_LOCAL_MODEL_COST_MAP", "True"),
        ("MSWEA_CONFIGURED", "true"),
        ("MSWEA_COST_TRACKING", "ignore_errors"),
        ("MSWEA_SILENT_STARTUP", "1"),
    )

    def compose(self, config: AgentConfig, folder: RunFolder, prompt: str) -> Invocation:
        """The command line for one run."""
        argv = [*(config.argv or ("mini-swe-agent",)), "--yolo", "--exit-immediately"]
        argv += ["--output", str(folder.home / self.usage_file), "--task", _as_task(prompt, folder)]
        if config.model:
            argv += ["--model", config.model]
        return Invocation((*argv, *config.extra_args), None)

    def final_text(self, log: str) -> str:
        """Nothing: what it prints is broken into lines of a terminal's width."""
        del log
        return ""

    def usage(self, log: str) -> Usage:
        """Price and tokens of the trajectory; a price of 0 is what it says of a model that it knows no price of."""
        for event in parse_event_lines(log):
            if "trajectory_format" in event:
                stats = as_object(as_object(event.get("info")).get("model_stats"))
                messages = event.get("messages")
                counts = [_usage_of(one) for one in (messages if isinstance(messages, list) else [])]
                return Usage(
                    sum(one.input_tokens for one in counts),
                    sum(one.cached_tokens for one in counts),
                    sum(one.output_tokens for one in counts),
                    as_price(stats.get("instance_cost")) or None,
                )
        return Usage()

    def fault(self, log: str) -> Fault | None:
        """The API's refusal, by the name of the exception that ended the run."""
        found = _FAILED.findall(log)
        return fault_of_status(self.name, _STATUSES.get(found[-1], 500)) if found else None


def _as_task(prompt: str, folder: RunFolder) -> str:
    if len(prompt.encode("utf-8", "replace")) <= ARGUMENT_LIMIT_BYTES and "\0" not in prompt:
        return prompt
    return f"Your task is in the file {folder.prompt}. Read all of that file first, then do exactly what it says."


def _usage_of(message: object) -> Usage:
    response = as_object(as_object(as_object(message).get("extra")).get("response"))
    counts = as_object(response.get("usage"))
    cached = as_count(as_object(counts.get("prompt_tokens_details")).get("cached_tokens"))
    return Usage(
        as_count(counts.get("prompt_tokens")) - cached, cached, as_count(counts.get("completion_tokens"))
    )
