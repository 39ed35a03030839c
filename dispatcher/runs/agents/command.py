"""Any program: an argv template of the person's own."""

import re
from typing import ClassVar

from dispatcher.core.errors import BadConfig
from dispatcher.core.faults import Fault
from dispatcher.core.rules import AgentConfig, PromptDelivery
from dispatcher.core.usage import Usage
from dispatcher.runs.agents.kind import ARGUMENT_LIMIT_BYTES, Invocation
from dispatcher.runs.folder import RunFolder

_PLACE = re.compile(r"\{(prompt_file|prompt|checkout|out|run_dir|model)\}")


class CommandAgent:
    """Starts `argv` with `{prompt_file}`, `{prompt}`, `{checkout}`, `{out}`, `{run_dir}` and `{model}` filled in."""

    name: ClassVar[str] = "command"
    stop_signals: ClassVar[tuple[str, ...]] = ("SIGINT", "SIGTERM")
    usage_file: ClassVar[str] = ""
    pass_env: ClassVar[tuple[str, ...]] = ()
    env: ClassVar[tuple[tuple[str, str], ...]] = ()

    def compose(self, config: AgentConfig, folder: RunFolder, prompt: str) -> Invocation:
        """The command line; raises BadConfig when the configuration names no program."""
        if not config.argv:
            raise BadConfig(
                f"[agents.{config.name}] argv is empty.",
                'Name the program, for example argv = ["my-agent", "{prompt_file}"].',
            )
        places = {
            "prompt_file": str(folder.prompt),
            "prompt": _as_argument(prompt, folder),
            "checkout": str(folder.checkout),
            "out": str(folder.out),
            "run_dir": str(folder.path),
            "model": config.model,
        }
        template = (*config.argv, *config.extra_args)
        argv = tuple(_PLACE.sub(lambda match: places[match[1]], part) for part in template)
        return Invocation(
            (*argv, *_delivered(config, template, places)), folder.prompt if _reads_stdin(config) else None
        )

    def final_text(self, log: str) -> str:
        """Whatever it printed."""
        return log

    def usage(self, log: str) -> Usage:  # noqa: ARG002 - the protocol's shape
        """Unknown: a program of one's own reports nothing that we could read."""
        return Usage()

    def fault(self, log: str) -> Fault | None:  # noqa: ARG002 - the protocol's shape
        """Unknown, too."""
        return None


def _reads_stdin(config: AgentConfig) -> bool:
    return config.prompt is PromptDelivery.STDIN


def _delivered(config: AgentConfig, template: tuple[str, ...], places: dict[str, str]) -> tuple[str, ...]:
    """The prompt as a last argument, when the template does not say where it belongs."""
    match config.prompt:
        case PromptDelivery.STDIN:
            return ()
        case PromptDelivery.ARGUMENT:
            return () if _names(template, "{prompt}") else (places["prompt"],)
        case PromptDelivery.FILE:
            return () if _names(template, "{prompt_file}") else (places["prompt_file"],)


def _names(template: tuple[str, ...], place: str) -> bool:
    return any(place in part for part in template)


def _as_argument(prompt: str, folder: RunFolder) -> str:
    if len(prompt.encode("utf-8", "replace")) <= ARGUMENT_LIMIT_BYTES and "\0" not in prompt:
        return prompt
    return f"Your task is in the file {folder.prompt}. Read all of that file first, then do exactly what it says."
