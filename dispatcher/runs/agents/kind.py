"""What the runs room needs to know of an agent program. One file per kind beside this one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from dispatcher.core.rules import AgentConfig
from dispatcher.runs.agents.telling import SideFile, Telling
from dispatcher.runs.agents.vendors import Vendor
from dispatcher.runs.folder import RunFolder
from dispatcher.runs.sandbox.logins import Login

ARGUMENT_LIMIT_BYTES = 120_000
"""The longest prompt given as an argument: Linux refuses a single argument of 131,072 bytes (MAX_ARG_STRLEN)."""


@dataclass(frozen=True, slots=True)
class Invocation:
    """How a program is started: its arguments, the file that becomes its stdin (None: nothing to read), and files to write before."""

    argv: tuple[str, ...]
    stdin: Path | None
    files: tuple[tuple[Path, str], ...] = ()


class AgentKind:
    """One family of agent programs. Each file of a kind ends with the one object of it, `KIND`."""

    name: ClassVar[str]
    stop_signals: ClassVar[tuple[str, ...]] = ("SIGINT", "SIGTERM")
    """Signals to try before KILL, each with the grace period behind it."""
    side_files: ClassVar[tuple[SideFile, ...]] = ()
    """Files below the private HOME in which the program tells more than in its output."""
    pass_env: ClassVar[tuple[str, ...]] = ()
    """Names of host variables that this kind needs, where they are set."""
    env: ClassVar[tuple[tuple[str, str], ...]] = ()
    """Variables that this kind always gets."""
    last_args: ClassVar[tuple[str, ...]] = ()
    """What stands behind everything else on its command line."""
    telling: ClassVar[type[Telling]] = Telling
    """How the output of one run is understood."""

    vendors: ClassVar[tuple[Vendor, ...]] = ()
    """Whose models the program asks, and how it is led to them by way of a door that has the key."""
    login_hosts: ClassVar[tuple[str, ...]] = ()
    """What the program must reach by itself when it has no key but the login file of a subscription."""

    logins: ClassVar[tuple[Login, ...]] = ()
    """Login files that the program needs when it is given no key."""
    boxed_args: ClassVar[tuple[str, ...]] = ()
    """Arguments in a sandbox of ours, unless the configuration's own already settle the first of them."""
    session_files: ClassVar[str] = ""
    """Where below HOME the program keeps its sessions, the id in the file's name; "" where it cannot go on with one."""

    def session_place(self, name: str, checkout: Path) -> str:
        """Where a session that was found at `name` belongs for a run in `checkout`, below HOME."""
        del checkout
        return name

    def resume(self, call: Invocation, session_id: str) -> Invocation:
        """The same call, going on with a session."""
        del session_id
        return call

    def flags(self, config: AgentConfig, folder: RunFolder) -> Sequence[str]:
        """The arguments of this kind for one run, without model and prompt: none, unless the kind has some."""
        del config, folder
        return ()

    def argv(self, config: AgentConfig, folder: RunFolder) -> tuple[str, ...]:
        """The command line without the prompt: the program, its flags, the model, and the person's own arguments behind them."""
        model = ("--model", config.model) if config.model else ()
        program = config.argv or (self.name,)
        return (*program, *self.flags(config, folder), *model, *config.extra_args, *self.last_args)

    def compose(self, config: AgentConfig, folder: RunFolder, prompt: str) -> Invocation:
        """How the program is started for one run; most read the prompt from stdin."""
        del prompt
        return Invocation(self.argv(config, folder), folder.prompt)

    def tell(self, hints: Mapping[str, object]) -> Telling:
        """What listens to the output of one run. `hints` are what `hints_for` gave, read back from a JSON file."""
        del hints
        return self.telling()

    def hints_for(self, config: AgentConfig) -> dict[str, object]:
        """What of the configuration is needed to understand the output."""
        del config
        return {}


def as_argument(prompt: str, folder: RunFolder) -> str:
    """The prompt as an argument; where it is too long for one, a pointer to its file."""
    if len(prompt.encode("utf-8", "replace")) <= ARGUMENT_LIMIT_BYTES and "\0" not in prompt:
        return prompt
    return f"Your task is in the file {folder.prompt}. Read all of that file first, then do exactly what it says."


def own_budget(config: AgentConfig, flag: str, *also: str) -> tuple[str, ...]:
    """The flag by which a program ends itself at what a run may cost; nothing where that is settled, or there is no budget."""
    if not config.usd_limit or mentions_flag(config, flag, *also):
        return ()
    return flag, f"{config.usd_limit:.2f}"


def mentions_flag(config: AgentConfig, *flags: str) -> bool:
    """Whether the configuration's own arguments already settle one of these flags."""
    return any(
        argument == flag or argument.startswith(f"{flag}=")
        for argument in config.extra_args
        for flag in flags
    )
