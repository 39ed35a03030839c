"""Codex, headless: `codex exec --json` with the prompt on stdin."""

from typing import ClassVar

from dispatcher.core.faults import Fault
from dispatcher.core.rules import AgentConfig
from dispatcher.core.usage import Usage
from dispatcher.runs.agents.faults import fault_of_text
from dispatcher.runs.agents.kind import (
    Invocation,
    as_count,
    as_object,
    mentions_flag,
    parse_event_lines,
)
from dispatcher.runs.folder import RunFolder


class CodexAgent:
    """Prompt on stdin (`-`), result in the last `agent_message` item, tokens in `turn.completed`; it reports no cost.

    Unless `extra_args` say otherwise it runs in its own workspace sandbox. That sandbox mounts `.git` read-only, so that no commit
    succeeds: the folder is named as writable. It has no network, not even loopback sockets. It fails silently when CODEX_HOME lies under the
    temporary folder: CODEX_HOME therefore comes from the host or stays in the private HOME.
    """

    name: ClassVar[str] = "codex"
    stop_signals: ClassVar[tuple[str, ...]] = ("SIGINT", "SIGTERM")
    usage_file: ClassVar[str] = ""
    pass_env: ClassVar[tuple[str, ...]] = ("CODEX_API_KEY", "CODEX_HOME", "OPENAI_API_KEY", "OPENAI_BASE_URL")
    env: ClassVar[tuple[tuple[str, str], ...]] = ()

    def compose(self, config: AgentConfig, folder: RunFolder, prompt: str) -> Invocation:  # noqa: ARG002 - the protocol's shape
        """The command line for one run."""
        argv = [*(config.argv or ("codex",)), "exec", "--json", "--disable", "plugins"]
        if not mentions_flag(config, "--sandbox", "-s", "--dangerously-bypass-approvals-and-sandbox"):
            argv += ["--sandbox", "workspace-write", "--add-dir", str(folder.out)]
            argv += ["--add-dir", str(folder.checkout / ".git")]
        if config.model:
            argv += ["--model", config.model]
        return Invocation((*argv, *config.extra_args, "-"), folder.prompt)

    def final_text(self, log: str) -> str:
        """The text of the last agent message."""
        text = ""
        for event in parse_event_lines(log):
            item = as_object(event.get("item"))
            said = item.get("text")
            if (
                event.get("type") == "item.completed"
                and item.get("type") == "agent_message"
                and isinstance(said, str)
            ):
                text = said
        return text

    def usage(self, log: str) -> Usage:
        """Tokens of all turns; `input_tokens` already holds the cached ones."""
        turns = [
            as_object(e.get("usage")) for e in parse_event_lines(log) if e.get("type") == "turn.completed"
        ]
        read = sum(as_count(turn.get("input_tokens")) for turn in turns)
        cached = sum(as_count(turn.get("cached_input_tokens")) for turn in turns)
        return Usage(read - cached, cached, sum(as_count(turn.get("output_tokens")) for turn in turns))

    def fault(self, log: str) -> Fault | None:
        """What the failed turn says, or the error after which nothing came any more."""
        said = ""
        for event in parse_event_lines(log):
            match event.get("type"):
                case "turn.failed":
                    said = str(as_object(event.get("error")).get("message", ""))
                case "error":
                    said = str(event.get("message", ""))
                case "item.completed" | "turn.completed":
                    said = ""
                case _:
                    pass
        return fault_of_text(self.name, said) if said else None
