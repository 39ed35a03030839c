"""What agent programs tell while they work, in one shape for all of them. Standard library only: the supervisor loads it.

A kind's `Telling` turns lines into `Told`; a `Story` adds them up. No dataclasses, no `typing`: a supervisor stays small.
"""

import json
from collections.abc import Iterable, Sequence

SAID, TOOL, RESULT, SESSION, USAGE, FAULT, LIMIT, DENIED, PRINTED, ALIVE = (
    "said",
    "tool",
    "result",
    "session",
    "usage",
    "fault",
    "limit",
    "denied",
    "printed",
    "alive",
)
"""What can be told: the model's words, a tool that it uses, what came of that, the session's name, the counts, a fault of the
set-up, a limit that the work itself met, a tool that was denied, a line without a meaning, and a sign of life that is worth no line."""

LOGIN, QUOTA, RATE_LIMIT, OVERLOAD, CRASH, SETTINGS = (
    "login",
    "quota",
    "rate-limit",
    "overload",
    "crash",
    "settings",
)
"""The kinds of faults, as `core.faults` calls them; a test keeps the two equal."""

_PROGRESS = frozenset({SAID, TOOL, RESULT, SESSION, USAGE, ALIVE})
_MODEL_ANSWERED = frozenset({SAID, TOOL, USAGE, LIMIT})


class Counts:
    """Tokens and US dollars, as `core.usage.Usage` has them; `cost_usd` is None where nothing is said about money."""

    __slots__ = ("cached_tokens", "cost_usd", "input_tokens", "output_tokens")

    def __init__(
        self,
        input_tokens: int = 0,
        cached_tokens: int = 0,
        output_tokens: int = 0,
        cost_usd: float | None = None,
    ) -> None:
        self.input_tokens = input_tokens
        self.cached_tokens = cached_tokens
        self.output_tokens = output_tokens
        self.cost_usd = cost_usd

    @property
    def tokens(self) -> int:
        """All of them."""
        return self.input_tokens + self.cached_tokens + self.output_tokens

    def __add__(self, other: "Counts") -> "Counts":
        costs = [one.cost_usd for one in (self, other) if one.cost_usd is not None]
        return Counts(
            self.input_tokens + other.input_tokens,
            self.cached_tokens + other.cached_tokens,
            self.output_tokens + other.output_tokens,
            sum(costs) if costs else None,
        )

    def __sub__(self, other: "Counts") -> "Counts":
        """What is more here, in tokens."""
        return Counts(
            max(0, self.input_tokens - other.input_tokens),
            max(0, self.cached_tokens - other.cached_tokens),
            max(0, self.output_tokens - other.output_tokens),
        )

    def as_fields(self) -> dict[str, object]:
        """As a line of the event log has them."""
        return {
            "input_tokens": self.input_tokens,
            "cached_tokens": self.cached_tokens,
            "output_tokens": self.output_tokens,
            "cost_usd": self.cost_usd,
        }


def sum_counts(all_counts: Iterable[Counts]) -> Counts:
    """All of them together."""
    whole = Counts()
    for one in all_counts:
        whole = whole + one
    return whole


class Told:
    """One thing that a program told. `counts` are the run's totals so far; `fault` and `reset_at_s` (seconds since 1970) belong to faults."""

    __slots__ = ("counts", "fault", "reset_at_s", "text", "what")

    def __init__(
        self,
        what: str,
        text: str = "",
        counts: Counts | None = None,
        fault: str = "",
        reset_at_s: float | None = None,
    ) -> None:
        self.what = what
        self.text = text
        self.counts = counts
        self.fault = fault
        self.reset_at_s = reset_at_s

    @property
    def is_progress(self) -> bool:
        """Whether it shows that the work goes on. A fault does not, however often it is repeated; nor does a line without a meaning."""
        return self.what in _PROGRESS

    def as_fields(self, limit_chars: int) -> dict[str, object]:
        """As a line of the event log has it; a long text loses its middle."""
        fields: dict[str, object] = {"type": self.what}
        if self.text:
            fields["text"] = shorten(self.text, limit_chars)
        if self.counts:
            fields |= self.counts.as_fields()
        if self.fault:
            fields |= {"fault": self.fault, "reset_at": self.reset_at_s}
        return fields


class Telling:
    """How one program's output is understood. One object per run: it may remember what came before.

    `has_stream` tells whether the program reports every step by itself; else any output, and any change of a file, counts as progress.
    """

    has_stream = True
    tells_answers = True
    """Whether it shows when the model answered: then an end with an error before that is no fault of the task."""

    def read_line(self, line: str) -> Sequence[Told]:
        """What one line of its output tells. The default: JSON objects are events, everything else has no meaning."""
        event = parse_event(line)
        if event is not None:
            return self.read_event(event) or (Told(ALIVE),)
        return (Told(PRINTED, line),) if line.strip() else ()

    def read_event(self, event: dict[str, object]) -> Sequence[Told]:
        """What one event tells: nothing, unless the kind knows better."""
        del event
        return ()

    def read_side_file(self, name: str, text: str) -> Sequence[Told]:
        """What a file tells that the program keeps in its HOME: one line of it, or all of it, as the kind's `SideFile` says."""
        del name, text
        return ()

    def find_final_text(self, log: str) -> str:
        """What the agent said last: where an outcome may stand when it wrote no file. A fault or a limit that came after it takes it away."""
        story = Story()
        for line in log.splitlines():
            for told in self.read_line(line):
                story.hear(told)
        return story.said


class SideFile:
    """A file in which a program tells more than in its output. `pattern` is relative to HOME, `*` within a name; `is_lines`: it only grows."""

    __slots__ = ("is_lines", "pattern")

    def __init__(self, pattern: str, *, is_lines: bool) -> None:
        self.pattern = pattern
        self.is_lines = is_lines


class Story:
    """What was told up to now."""

    def __init__(self, kind: str = "", *, tells_answers: bool = True) -> None:
        self.counts = Counts()
        self.session_id = ""
        self.said = ""
        self.has_answer: bool | None = False if tells_answers else None
        self._kind = kind
        self._fault: Told | None = None
        self._denied: list[str] = []

    def hear(self, told: Told) -> bool:
        """Take one thing in; whether it changes what `as_fields` gives. Work that goes on, or meets a limit, takes a fault back."""
        before = self.as_fields()
        match told.what:
            case "usage":
                self.counts = told.counts or self.counts
            case "session":
                self.session_id = told.text
            case "said":
                self.said = told.text or self.said
            case "fault":
                self._fault, self.said = told, ""
            case "limit":
                self.said = ""
            case "denied":
                self._denied.append(told.text)
            case _:
                pass
        if told.what in _MODEL_ANSWERED:
            self.has_answer = None if self.has_answer is None else True
            if told.what != USAGE:
                self._fault = None
        return before != self.as_fields()

    @property
    def fault(self) -> Told | None:
        """What of the set-up is at fault, as it stands now."""
        if self._fault or not self._denied:
            return self._fault
        named = ", ".join(sorted(set(self._denied)))
        return Told(
            FAULT,
            f"{self._kind}: permission denied for {named}; widen its permissions in extra_args",
            None,
            SETTINGS,
        )

    def as_fields(self) -> dict[str, object]:
        """As the run's folder keeps it."""
        fault = self.fault
        return {
            "usage": self.counts.as_fields(),
            "session_id": self.session_id,
            "has_answer": self.has_answer,
            "fault": fault.as_fields(1000) if fault else None,
        }


def parse_event(line: str) -> dict[str, object] | None:
    """The JSON object in a line; None when there is none."""
    if not line.startswith("{"):
        return None
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return event if isinstance(event, dict) else None


def as_object(value: object) -> dict[str, object]:
    """The value if it is a JSON object, else an empty one."""
    return value if isinstance(value, dict) else {}


def as_objects(value: object) -> list[dict[str, object]]:
    """The JSON objects of a list; none when it is no list."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def as_text(value: object) -> str:
    """The value if it is a text, else an empty one."""
    return value if isinstance(value, str) else ""


def as_count(value: object) -> int:
    """The value if it is a whole number of 0 or more, else 0."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else 0


def as_price(value: object) -> float | None:
    """The value if it is an amount of money, else None: a log can say NaN, or less than nothing."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        return None
    return float(value)


def shorten(text: str, limit_chars: int) -> str:
    """The text, without its middle when it is too long."""
    if len(text) <= limit_chars:
        return text
    half = limit_chars // 2
    return f"{text[:half]} [... {len(text) - 2 * half} characters left out ...] {text[-half:]}"


def render_call(name: object, arguments: object) -> str:
    """A tool's call in one line: its name, and what it is given."""
    given = as_object(arguments)
    command = next((given[key] for key in ("command", "cmd", "file_path", "path") if given.get(key)), None)
    shown = command if isinstance(command, str) else json.dumps(given, ensure_ascii=False) if given else ""
    return f"{as_text(name) or 'tool'}: {shown}".rstrip(": ")
