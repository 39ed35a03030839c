"""From errors to exit codes, in one place: 0 fine, 1 a fault of ours, 2 usage or configuration, 3 a person, 4 later."""

import json
import os
import sys
import traceback
from datetime import datetime
from enum import IntEnum
from typing import Any

import typer
from typer.core import TyperGroup

from dispatcher.core.errors import BadConfig, DispatcherError, NeedsPerson, RetryLater

JSON_FLAG = "dispatcher.as_json"


class ExitCode(IntEnum):
    """What a command's exit code says."""

    FINE = 0
    FAULT = 1
    USAGE = 2
    PERSON = 3
    LATER = 4


class UsageProblem(DispatcherError):
    """The command was given something that it cannot work with; the message says what it takes."""


def choose_exit_code(error: BaseException) -> ExitCode:
    """Who must act on this error."""
    match error:
        case BadConfig() | UsageProblem():
            return ExitCode.USAGE
        case NeedsPerson():
            return ExitCode.PERSON
        case RetryLater():
            return ExitCode.LATER
        case _:
            return ExitCode.FAULT


class Commands(TyperGroup):
    """The commands; every error that leaves one is told in our words and becomes an exit code."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command."""
        try:
            return super().invoke(ctx)
        except DispatcherError as error:
            _tell(error, as_json=bool(ctx.find_root().meta.get(JSON_FLAG)))
            raise typer.Exit(choose_exit_code(error)) from None
        except BrokenPipeError:
            _let_go_of_stdout()
            raise typer.Exit(ExitCode.FINE) from None
        except (typer.Exit, typer.Abort, KeyboardInterrupt):
            raise
        except Exception as error:
            if type(error).__module__.startswith(("typer", "click")):
                raise
            traceback.print_exc()
            _tell(error, as_json=bool(ctx.find_root().meta.get(JSON_FLAG)))
            raise typer.Exit(ExitCode.FAULT) from None


def _tell(error: Exception, *, as_json: bool) -> None:
    """Say what went wrong: on stderr, and as the answer when a program asked."""
    from dispatcher.core.intake import clean_text

    text = clean_text(str(error)) or type(error).__name__
    if not isinstance(error, DispatcherError):
        text = f"This is a fault of the dispatcher itself: {type(error).__name__}: {text}"
    until = error.until if isinstance(error, RetryLater) else None
    if as_json:
        told: dict[str, object] = {"error": text, "exit_code": int(choose_exit_code(error))}
        if isinstance(until, datetime):
            told["until"] = until.isoformat()
        if isinstance(error, BadConfig):
            told["problems"] = text.splitlines()
        sys.stdout.write(json.dumps(told, indent=2) + "\n")
        return
    later = f" Try again at {until.astimezone():%H:%M}." if isinstance(until, datetime) else ""
    sys.stderr.write(f"{text}{later}\n")


def _let_go_of_stdout() -> None:
    """Whoever read us went away: keep the interpreter from complaining about it at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
