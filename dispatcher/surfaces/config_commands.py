"""`dispatcher config`: check, schema, show."""

import os

import typer

from dispatcher.surfaces.options import AsJson, ConfigPath, load_to_work, screen_for

config_app = typer.Typer(
    no_args_is_help=True, help="Check, explain and show the configuration.", rich_markup_mode=None
)


@config_app.command("check")
def config_check(*, config: ConfigPath = None, as_json: AsJson = False) -> None:
    """Read the configuration and say everything that is wrong with it."""
    screen, settings = screen_for(as_json), load_to_work(config)
    repos = [repo.full_name for repo in settings.repos]
    screen.show_json({"file": settings.config_file, "repositories": repos, "problems": []})
    screen.show(f"{settings.config_file}: fine; {', '.join(repos)}")


@config_app.command("schema")
def config_schema(*, as_json: AsJson = True) -> None:  # noqa: ARG001 - accepted everywhere; this answer is always JSON
    """Print the JSON schema of the configuration, for editors."""
    from dispatcher.config.reference import config_schema as make_schema

    screen_for(as_json=True).show_json(make_schema())


@config_app.command("show")
def config_show(*, config: ConfigPath = None, as_json: AsJson = False) -> None:
    """Print what is in force, defaults filled in; secrets are withheld."""
    from dispatcher.config import find_config
    from dispatcher.config.reference import show_config
    from dispatcher.config.toml import render_toml

    screen = screen_for(as_json)
    shown = show_config(config or find_config(os.environ), os.environ)
    screen.show_json(shown)
    screen.show(render_toml(shown).rstrip("\n"))
