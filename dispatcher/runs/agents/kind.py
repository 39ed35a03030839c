"""What the runs room needs to know of an agent program. One file per kind beside this one."""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol

from dispatcher.core.faults import Fault
from dispatcher.core.rules import AgentConfig
from dispatcher.core.usage import Usage
from dispatcher.runs.folder import RunFolder

ARGUMENT_LIMIT_BYTES = 120_000
"""The longest prompt given as an argument: Linux refuses a single argument of 131,072 bytes (MAX_ARG_STRLEN)."""


@dataclass(frozen=True, slots=True)
class Invocation:
    """How a program is started: its arguments, and the file that becomes its stdin (None: nothing to read)."""

    argv: tuple[str, ...]
    stdin: Path | None


class AgentKind(Protocol):
    """One family of agent programs."""

    name: ClassVar[str]
    stop_signals: ClassVar[tuple[str, ...]]
    """Signals to try before KILL, each with the grace period behind it."""
    usage_file: ClassVar[str]
    """A JSON file in the private HOME that the program leaves; it is read as one more line of the log. "" for none."""
    pass_env: ClassVar[tuple[str, ...]]
    """Names of host variables that this kind needs, where they are set."""
    env: ClassVar[tuple[tuple[str, str], ...]]
    """Variables that this kind always gets."""

    def compose(self, config: AgentConfig, folder: RunFolder, prompt: str) -> Invocation:
        """The command line for one run."""
        ...

    def final_text(self, log: str) -> str:
        """What the agent said last: where an outcome may stand when it wrote no file."""
        ...

    def usage(self, log: str) -> Usage:
        """What the run cost."""
        ...

    def fault(self, log: str) -> Fault | None:
        """What of the set-up kept the program from working, when it says so."""
        ...


def parse_event_lines(log: str) -> Iterator[dict[str, object]]:
    """The JSON objects among a log's lines; everything else in it is passed over."""
    for line in log.splitlines():
        if line.startswith("{"):
            try:
                event = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(event, dict):
                yield event


def as_object(value: object) -> dict[str, object]:
    """The value if it is a JSON object, else an empty one."""
    return value if isinstance(value, dict) else {}


def as_count(value: object) -> int:
    """The value if it is a whole number of 0 or more, else 0."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else 0


def as_price(value: object) -> float | None:
    """The value if it is an amount of money, else None: a log can say NaN, or less than nothing."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        return None
    return float(value)


def mentions_flag(config: AgentConfig, *flags: str) -> bool:
    """Whether the configuration's own arguments already settle one of these flags."""
    return any(
        argument == flag or argument.startswith(f"{flag}=")
        for argument in config.extra_args
        for flag in flags
    )
