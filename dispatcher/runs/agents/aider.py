"""Aider, headless: `aider --message-file`, one request and its answer, written into files by itself."""

import re
from collections.abc import Sequence
from typing import ClassVar

from dispatcher.core.rules import AgentConfig
from dispatcher.runs.agents import vendors
from dispatcher.runs.agents.kind import AgentKind, Invocation, mentions_flag
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
    as_price,
    parse_event,
)
from dispatcher.runs.agents.vendors import Vendor
from dispatcher.runs.folder import RunFolder

_PROMPT = "aider-prompt.md"
_USAGE_LOG = "aider-usage.jsonl"
_ANSWERED = re.compile(r"Tokens: [\d.,]+[kM]? sent\b")
"""What it prints behind each answer. Its usage log says the same, but not whether that was before or after an error."""
_ABOUT_THE_OUTCOME = """

---

You cannot run commands, and you can edit files of the repository only. So do not write the outcome file: end your answer with the
outcome's JSON object, on one line of its own, without a fence around it.
"""


class _AiderTelling(Telling):
    has_stream = False

    def __init__(self) -> None:
        self._counts = Counts()

    def read_line(self, line: str) -> Sequence[Told]:
        if _ANSWERED.match(line):
            return (Told(SAID, line),)
        told = [Told(PRINTED, line)] if line.strip() else []
        return [*told, tell_error("aider", line)] if names_error(line) else told

    def read_side_file(self, name: str, text: str) -> Sequence[Told]:
        """A cost of 0 is what it says of a model without a price. It does not tell the cached tokens apart."""
        del name
        event = parse_event(text) or {}
        sent = as_object(event.get("properties"))
        if event.get("event") != "message_send":
            return ()
        read, written = as_count(sent.get("prompt_tokens")), as_count(sent.get("completion_tokens"))
        cost = as_price(sent.get("cost")) or None
        self._counts = self._counts + Counts(read, 0, written, cost)
        return (Told(USAGE, counts=self._counts),)

    def find_final_text(self, log: str) -> str:
        """Whatever it printed: the model's answer is among it, as it was."""
        return log


class AiderAgent(AgentKind):
    """Prompt from a file; it runs no commands, edits nothing outside of the checkout, and exits with 0 whatever happens.

    Not streaming, because only then its counts are those of the vendor. It commits nothing by itself: the message of such a commit is
    asked of a model, and no log tells what that cost; the supervisor commits at the end. Nor does it sum up its one conversation, for
    the same reason. Addresses in the prompt are not visited.
    """

    name: ClassVar[str] = "aider"
    telling: ClassVar[type[Telling]] = _AiderTelling
    vendors: ClassVar[tuple[Vendor, ...]] = vendors.LITELLM
    side_files: ClassVar[tuple[SideFile, ...]] = (SideFile(_USAGE_LOG, is_lines=True),)
    pass_env: ClassVar[tuple[str, ...]] = (
        "ANTHROPIC_API_KEY",
        "DEEPSEEK_API_KEY",
        "GEMINI_API_KEY",
        "OPENAI_API_BASE",
        "OPENAI_API_KEY",
        "OPENROUTER_API_KEY",
    )
    env: ClassVar[tuple[tuple[str, str], ...]] = (
        ("COLUMNS", "20000"),  # an outcome that is broken into lines is no JSON any more
        *OWN_PRICES,
    )

    def flags(self, config: AgentConfig, folder: RunFolder) -> Sequence[str]:
        """Headless, with a log of its usage, and everything that it writes down in the private HOME."""
        home = folder.home
        flags = ["--message-file", str(home / _PROMPT), "--yes-always"]
        flags += ["--no-pretty", "--no-stream", "--no-gitignore", "--no-detect-urls"]
        flags += ["--no-check-update", "--no-show-release-notes", "--no-show-model-warnings"]
        flags += ["--analytics-disable", "--analytics-log", str(home / _USAGE_LOG)]
        flags += ["--chat-history-file", str(home / "aider.chat.md")]
        flags += ["--input-history-file", str(home / "aider.input")]
        if not mentions_flag(config, "--max-chat-history-tokens"):
            flags += ["--max-chat-history-tokens", "1000000"]
        if not mentions_flag(config, "--auto-commits"):
            flags += ["--no-auto-commits"]
        return flags

    def compose(self, config: AgentConfig, folder: RunFolder, prompt: str) -> Invocation:
        """The command line for one run, and the prompt as a file, with a word about the outcome."""
        message = (folder.home / _PROMPT, prompt + _ABOUT_THE_OUTCOME)
        return Invocation(self.argv(config, folder), None, (message,))


KIND = AiderAgent()
