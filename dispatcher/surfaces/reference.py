"""docs/reference/commands.md, made from the commands themselves."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from dispatcher.surfaces.cli import app
from dispatcher.surfaces.exits import ExitCode

if TYPE_CHECKING:
    from typer.core import TyperCommand, TyperGroup

_EXIT_WORDS = {
    ExitCode.FINE: "fine",
    ExitCode.FAULT: "a fault of ours",
    ExitCode.USAGE: "usage or configuration",
    ExitCode.PERSON: "a person is needed",
    ExitCode.LATER: "try later",
}


def render_command_reference() -> str:
    """Every command with its arguments and options, and what the exit codes mean."""
    from typer.main import get_group

    commands = "".join(
        _render_command(name, command) for name, command in _walk(get_group(app), "dispatcher")
    )
    codes = "".join(f"| {code.value} | {_EXIT_WORDS[code]} |\n" for code in ExitCode)
    head = "# Commands\n\nEvery command takes `--json`; progress and errors go to stderr.\n\n"
    return f"{head}{commands}## Exit codes\n\n| code | meaning |\n|---|---|\n{codes}"


def _walk(group: "TyperGroup", prefix: str) -> "Iterator[tuple[str, TyperCommand]]":
    from typer.core import TyperCommand, TyperGroup

    for name, command in group.commands.items():
        if isinstance(command, TyperGroup):
            yield from _walk(command, f"{prefix} {name}")
        elif isinstance(command, TyperCommand):
            yield f"{prefix} {name}", command


def _render_command(name: str, command: "TyperCommand") -> str:
    arguments = [p.metavar or p.name or "" for p in command.params if p.param_type_name == "argument"]
    rows = "".join(_option_row(param) for param in command.params if param.param_type_name == "option")
    usage = " ".join((name, *arguments))
    about = " ".join((command.help or "").split())
    table = f"| option | meaning |\n|---|---|\n{rows}\n" if rows else ""
    return f"## `{usage}`\n\n{about}\n\n{table}"


def _option_row(param: object) -> str:
    names = ", ".join(f"`{name}`" for name in getattr(param, "opts", ()))
    metavar = getattr(param, "metavar", None)
    shown = f"{names} {metavar}" if metavar else names
    return f"| {shown} | {getattr(param, 'help', '') or ''} |\n"
