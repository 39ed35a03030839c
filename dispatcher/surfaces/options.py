"""What every command shares: its options, and the ways to the screen, the settings and the parts."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dispatcher.surfaces.exits import JSON_FLAG

if TYPE_CHECKING:
    from dispatcher.config import Settings
    from dispatcher.surfaces.parts import Parts
    from dispatcher.surfaces.screen import Screen


def _note_json(ctx: typer.Context, value: bool) -> bool:  # noqa: FBT001 - the signature that option callbacks have
    """Errors are told in JSON as well."""
    if value:
        ctx.find_root().meta[JSON_FLAG] = True
    return value


AsJson = Annotated[bool, typer.Option("--json", help="Answer in JSON.", callback=_note_json)]
ConfigPath = Annotated[
    Path | None,
    typer.Option(
        "--config", metavar="FILE", help="The configuration file, instead of the one that is found."
    ),
]


def parts_of(ctx: typer.Context) -> "Parts":
    """The parts that a test handed in, else the program's own."""
    from dispatcher.surfaces.parts import load_parts

    handed_in: Parts | None = ctx.obj
    return handed_in or load_parts()


def screen_for(as_json: bool) -> "Screen":  # noqa: FBT001 - the option itself
    """Where the answer goes."""
    from dispatcher.surfaces.screen import Screen

    return Screen(as_json=as_json)


def now() -> datetime:
    """The present moment, aware, UTC: commands read the clock here and hand it on."""
    return datetime.now(UTC)


def load_to_work(config: Path | None) -> "Settings":
    """Settings to work with. Raises BadConfig."""
    from dispatcher.config import load_settings

    return load_settings(config)


def load_to_look(config: Path | None) -> "Settings":
    """Settings to look around with, also when the file is broken just now."""
    from dispatcher.surfaces.looking import load_outlook

    return load_outlook(config, os.environ).settings
