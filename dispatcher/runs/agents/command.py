"""Any program: an argv template of the person's own."""

import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

from dispatcher.core.errors import BadConfig
from dispatcher.core.rules import TOLD_NUMBERS, AgentConfig, PromptDelivery
from dispatcher.runs.agents.faults import error_of_text, find_reset_s
from dispatcher.runs.agents.kind import AgentKind, Invocation, as_argument
from dispatcher.runs.agents.telling import (
    FAULT,
    PRINTED,
    SAID,
    SESSION,
    TOOL,
    USAGE,
    Counts,
    Telling,
    Told,
    as_object,
    as_price,
    as_text,
    parse_event,
    shorten,
)
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

    def hints_for(self, config: AgentConfig) -> dict[str, object]:
        """The configuration's rules about its output."""
        rules = config.stream
        return {
            "name": config.name,
            "format": str(rules.format),
            "fields": dict(rules.fields),
            "faults": dict(rules.faults),
            "adds_up": rules.adds_up,
        }

    def tell(self, hints: Mapping[str, object]) -> Telling:
        """By the configuration's rules; without any, its lines have no meaning."""
        return _JsonTelling(hints) if hints.get("format") == "jsonl" else _TextTelling(hints)


class _CommandTelling(Telling):
    """What both formats share: fields that were found become things told, and patterns recognise faults."""

    def __init__(self, hints: Mapping[str, object]) -> None:
        self._name = as_text(hints.get("name")) or "command"
        self._fields = {name: as_text(where) for name, where in as_object(hints.get("fields")).items()}
        faults = as_object(hints.get("faults"))
        self._faults = [(kind, re.compile(as_text(pattern))) for kind, pattern in faults.items()]
        self._adds_up = hints.get("adds_up") is not False
        self._counts = Counts()
        self.tells_answers = not {"text", "tool", *TOLD_NUMBERS}.isdisjoint(self._fields)

    def _tell(self, line: str, find: Callable[[str], object]) -> list[Told]:
        found = {name: value for name, where in self._fields.items() if (value := find(where)) is not None}
        told = [Told(what, str(found[name])) for name, what in _WORDS.items() if found.get(name)]
        numbers = {name: _number(found[name]) for name in TOLD_NUMBERS if name in found}
        if numbers:
            told.append(self._count(numbers))
        said = str(found["error"]) if found.get("error") else ""
        fault = next((kind for kind, pattern in self._faults if pattern.search(line)), "")
        if fault:
            reset_at_s = find_reset_s(line, time.time())
            told.append(Told(FAULT, f"{self._name}: {shorten(said or line, 300)}", None, fault, reset_at_s))
        elif said:
            told.append(error_of_text(self._name, said))
        return told

    def _count(self, numbers: dict[str, float]) -> Told:
        used = Counts(
            int(numbers.get("input_tokens", 0)),
            int(numbers.get("cached_tokens", 0)),
            int(numbers.get("output_tokens", 0)),
            as_price(numbers.get("cost_usd")),
        )
        self._counts = self._counts + used if self._adds_up else _latest(self._counts, used, numbers)
        return Told(USAGE, counts=self._counts)


class _TextTelling(_CommandTelling):
    has_stream = False

    def read_line(self, line: str) -> Sequence[Told]:
        if not line.strip():
            return ()
        return [Told(PRINTED, line), *self._tell(line, lambda pattern: _first_group(pattern, line))]

    def find_final_text(self, log: str) -> str:
        """Whatever it printed."""
        return log


class _JsonTelling(_CommandTelling):
    def read_line(self, line: str) -> Sequence[Told]:
        told = super().read_line(line)
        has_fault = any(one.what == FAULT for one in told)
        return told if has_fault or parse_event(line) else [*told, *self._tell(line, lambda _path: None)]

    def read_event(self, event: dict[str, object]) -> Sequence[Told]:
        line = json.dumps(event, ensure_ascii=False) if self._faults else ""
        return self._tell(line, lambda path: _at(event, path))

    def find_final_text(self, log: str) -> str:
        """The newest words of the model; whatever it printed, when it is not said where they stand."""
        return super().find_final_text(log) if "text" in self._fields else log


_WORDS = {"session": SESSION, "tool": TOOL, "text": SAID}
_UNITS = {"k": 1000, "m": 1_000_000}


def _at(value: object, path: str) -> object:
    """What stands at a path of names and positions; None when there is nothing."""
    for step in path.split("."):
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and step.isdigit() and int(step) < len(value):
            value = value[int(step)]
        else:
            return None
    return value


def _first_group(pattern: str, line: str) -> str | None:
    found = re.search(pattern, line)
    return found[1] if found else None


def _number(value: object) -> float:
    """`1,234`, `1.2k` and `$0.05`, too; 0 for what is no number."""
    text = str(value).strip().lstrip("$").replace(",", "").lower()
    unit = _UNITS.get(text[-1:], 1)
    try:
        number = float(text.rstrip("km")) * unit
    except ValueError:
        return 0
    return number if 0 <= number < 1e15 else 0


def _latest(before: Counts, used: Counts, numbers: Mapping[str, float]) -> Counts:
    """Totals, of which a line may tell only some."""
    return Counts(
        used.input_tokens if "input_tokens" in numbers else before.input_tokens,
        used.cached_tokens if "cached_tokens" in numbers else before.cached_tokens,
        used.output_tokens if "output_tokens" in numbers else before.output_tokens,
        used.cost_usd if "cost_usd" in numbers else before.cost_usd,
    )


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
