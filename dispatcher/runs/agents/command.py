"""Any program: an argv template of the person's own."""

import re
from collections.abc import Mapping, Sequence
from typing import ClassVar

from dispatcher.core.errors import BadConfig
from dispatcher.core.rules import AgentConfig, PromptDelivery
from dispatcher.runs.agents.kind import AgentKind, Invocation, as_argument
from dispatcher.runs.agents.telling import PRINTED, Telling, Told
from dispatcher.runs.folder import RunFolder

_PLACE = re.compile(r"\{(prompt_file|prompt|checkout|out|run_dir|model)\}")


class CommandAgent(AgentKind):
    """Starts `argv` with `{prompt_file}`, `{prompt}`, `{checkout}`, `{out}`, `{run_dir}` and `{model}` filled in."""

    name: ClassVar[str] = "command"

    def compose(self, config: AgentConfig, folder: RunFolder, prompt: str) -> Invocation:
        """The command line; raises BadConfig when the configuration names no program."""
        if not config.argv:
            raise BadConfig(
                f"[agents.{config.name}] argv is empty.",
                'Name the program, for example argv = ["my-agent", "{prompt_file}"].',
            )
        places = {
            "prompt_file": str(folder.prompt),
            "prompt": as_argument(prompt, folder),
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

    def tell(self, hints: Mapping[str, object]) -> Telling:  # noqa: ARG002 - every kind's shape
        """Lines without a meaning."""
        return _TextTelling()


class _TextTelling(Telling):
    has_stream = False
    tells_answers = False

    def read_line(self, line: str) -> Sequence[Told]:
        return (Told(PRINTED, line),) if line.strip() else ()

    def find_final_text(self, log: str) -> str:
        """Whatever it printed."""
        return log


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


KIND = CommandAgent()
