"""What a stand-in model is asked, what it answers, and what that counts: the same for every vendor's API."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool that a program offers: the names of its arguments with their JSON schemas, and those that must be there.

    `takes_code` marks the one that runs a script in which the real tools are functions.
    """

    name: str
    arguments: Mapping[str, Mapping[str, object]]
    required: tuple[str, ...] = ()
    takes_code: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """One request for the next turn. `steps` counts the tool results so far, `last_output` is the newest one's text."""

    text: str
    steps: int
    last_output: str
    tools: tuple[Tool, ...]
    model: str
    wants_stream: bool
    wanted_shell: str = ""
    """The shell's name in programs that hide a denied tool: a model that knows it asks for it all the same."""

    @property
    def edits_in_prose(self) -> bool:
        """Whether the program has no tools, and takes files out of the model's words: path, then the whole file in a fence."""
        return not self.tools and "file listing" in self.text


@dataclass(frozen=True, slots=True)
class Run:
    """The model wants a shell command run."""

    command: str


@dataclass(frozen=True, slots=True)
class Say:
    """The model says something, which ends its turn."""

    text: str


Turn = Run | Say
Script = Callable[[Asked], Turn]


@dataclass(frozen=True, slots=True)
class Count:
    """Tokens of one answer; `fresh` were read for the first time, `cached` were known already."""

    fresh: int = 0
    cached: int = 0
    written: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.fresh + self.cached + self.written

    def __add__(self, other: "Count") -> "Count":
        return Count(self.fresh + other.fresh, self.cached + other.cached, self.written + other.written)


_SHELLS = ("Bash", "bash", "exec_command", "shell_command", "run_shell_command", "shell", "exec")
_SHELL_ARGUMENTS = ("command", "cmd")


def find_shell(tools: tuple[Tool, ...]) -> Tool | None:
    """The tool that runs shell commands, by the names that the programs use."""
    by_name = {tool.name: tool for tool in tools}
    return next((by_name[name] for name in _SHELLS if name in by_name), None)


def shell_call(tool: Tool, command: str) -> dict[str, object]:
    """The arguments for running a command with this tool; what else is required gets something harmless."""
    key = next(name for name in _SHELL_ARGUMENTS if name in tool.arguments)
    takes_list = tool.arguments[key].get("type") == "array"
    filled = {name: _harmless(tool.arguments.get(name, {})) for name in tool.required}
    return filled | {key: ["/bin/sh", "-c", command] if takes_list else command}


def _harmless(schema: Mapping[str, object]) -> object:
    match schema.get("type"):
        case "boolean":
            return False
        case "number" | "integer":
            return 60_000
        case _:
            return "Step of the task"
