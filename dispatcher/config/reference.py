"""What documents the configuration, made from the models: reference page, example file, JSON schema, `config show`."""

import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from dispatcher.config.build import agent_tables, overlay
from dispatcher.config.document import load_text
from dispatcher.config.load import Loaded, parse_config
from dispatcher.config.problems import table_inside, walk_tables
from dispatcher.config.shape import FileShape, RepoTable, kind_of
from dispatcher.config.toml import render_toml_value

_ENVIRONMENT = (
    (
        "DISPATCHER_GITHUB_TOKEN",
        "The forge's token. Asked before GITHUB_TOKEN, forge.token_file and `gh auth token`.",
    ),
    ("GITHUB_TOKEN", "The forge's token, when DISPATCHER_GITHUB_TOKEN is not set."),
    ("DISPATCHER_TOKEN_FILE", "Instead of forge.token_file."),
    ("DISPATCHER_CONFIG", "The configuration file."),
    ("DISPATCHER_STATE_DIR", "The state folder, before paths.state_dir."),
    ("STATE_DIRECTORY", "The state folder that systemd made, before paths.state_dir."),
)
_REFERENCE_HEAD = """\
# Configuration

One TOML file: `--config FILE`, else `DISPATCHER_CONFIG`, else `config.toml` in the current folder, else in the platform's
configuration folder. Units are part of the keys' names. `dispatcher config check` reads the file and says everything that
is wrong at once. A running dispatcher takes a good edit over by itself; after a bad one it keeps the last good settings and
says so in `dispatcher status`.

A lone `[repo]` table, `repo = "owner/name"` at the top, and `repo = "owner/name"` inside a table are short for `[repo.<id>]`
with `owner` and `name`. `[repo.<id>.agents]`, `.limits]`, `.harvest]`, `.agent_text]`, `.labels]` and `.sandbox]` have the keys of
`[agents]`, `[limits]`, `[harvest]`, `[agent_text]`, `[labels]` and `[sandbox]`; only the keys that are written there differ for
that repository.
"""
_EXAMPLE_HEAD = """\
# The configuration of the dispatcher. Every key stands here with its default: write down only what differs.
# Units are part of the names. `dispatcher config check` reads the file and says everything that is wrong at once.
"""
_EXAMPLE_TAIL = """\
# What differs for this repository alone stands in tables of its own, with the keys of [agents], [limits],
# [harvest], [agent_text], [labels], [sandbox]:
# [repo.shop.agents]
# reviewer = ["codex", "claude"]
# [repo.shop.limits]
# worker_minutes = 90

# Any other program can be an agent:
# [agent.mine]
# kind = "command"
# argv = ["my-agent", "--headless"]
"""
_SAMPLE_NAMES = {"agent": "claude", "price": "codex", "repo": "shop"}
_SAMPLES = {"owner": "acme", "name": "shop", "input_usd": 1.25, "output_usd": 10.0}


def render_config_reference() -> str:
    """docs/reference/config.md: every table and key with type, default and meaning, and the environment."""
    tables = "".join(_reference_table(keys, model) for keys, model in walk_tables(FileShape) if _is_own(keys))
    environment = "".join(f"| `{name}` | {meaning} |\n" for name, meaning in _ENVIRONMENT)
    return f"{_REFERENCE_HEAD}\n{tables}## Environment\n\n| variable | meaning |\n|---|---|\n{environment}"


def render_example_config() -> str:
    """config.example.toml: every key with its meaning and default."""
    parts = [_EXAMPLE_HEAD]
    for keys, model in walk_tables(FileShape):
        if _is_own(keys):
            names = tuple(_SAMPLE_NAMES[keys[0]] if part == "<id>" else part for part in keys)
            parts.append("".join(_example_table(names, model)))
    return "\n".join([*parts, _EXAMPLE_TAIL])


def config_schema() -> dict[str, object]:
    """The JSON schema of the file, for editors."""
    schema: dict[str, object] = FileShape.model_json_schema()
    schema["title"] = "dispatcher configuration"
    return schema


def show_config(file: Path, environ: Mapping[str, str]) -> dict[str, object]:
    """What is in force, defaults filled in, values of `env` withheld. Raises BadConfig."""
    loaded = parse_config(load_text(file), file, environ)
    shown = loaded.shape.model_dump(exclude={"repo", "agent"})
    settings = loaded.settings
    shown["forge"]["token_file"] = str(settings.token.token_file or "")
    shown["paths"] = {"state_dir": str(settings.state_dir), "prompts_dir": str(settings.prompts_dir or "")}
    return {**shown, "agent": _shown_agents(loaded), "repo": _shown_repos(loaded)}


def _shown_agents(loaded: Loaded) -> dict[str, object]:
    return {
        name: {
            **table.model_dump(),
            "kind": kind_of(name, table),
            "env": dict.fromkeys(table.env, "(not shown)"),
        }
        for name, table in agent_tables(loaded.shape).items()
    }


def _shown_repos(loaded: Loaded) -> dict[str, object]:
    shape = loaded.shape
    return {
        name: table.model_copy(
            update={
                "agents": overlay(shape.agents, table.agents),
                "limits": overlay(shape.limits, table.limits),
                "harvest": overlay(shape.harvest, table.harvest),
                "agent_text": overlay(shape.agent_text, table.agent_text),
                "labels": overlay(shape.labels, table.labels),
                "sandbox": overlay(shape.sandbox, table.sandbox),
            }
        ).model_dump()
        for name, table in shape.repo.items()
    }


def _is_own(keys: tuple[str, ...]) -> bool:
    """Whether the reference explains this table, rather than pointing at the same one of the file."""
    return not (keys[:1] == ("repo",) and len(keys) > 2)


def _reference_table(keys: tuple[str, ...], model: type[BaseModel]) -> str:
    title = f"`[{'.'.join(keys)}]`" if keys else "At the top of the file"
    rows = [f"## {title}\n\n{_first_words(model)}\n\n| key | type | default | meaning |\n|---|---|---|---|\n"]
    for name, field in model.model_fields.items():
        if table_inside(field.annotation)[0] is None:
            default = "(needed)" if field.is_required() else f"`{render_toml_value(field.default)}`"
            rows.append(
                f"| `{name}` | {_type_words(model, name)} | {default} | {_escape(field.description or '')} |\n"
            )
    return "".join(rows) + "\n"


def _example_table(keys: tuple[str, ...], model: type[BaseModel]) -> Iterator[str]:
    words = _first_words(model)
    if model is RepoTable:
        words += ' A lone [repo] does for a single one, and repo = "owner/name" for owner and name.'
    yield _comment(words) if keys else ""
    yield f"[{'.'.join(keys)}]\n" if keys else ""
    for name, field in model.model_fields.items():
        if table_inside(field.annotation)[0] is None:
            yield _comment(field.description or "")
            yield f"{name} = {_example_value(name, field)}\n"


def _example_value(name: str, field: FieldInfo) -> str:
    return render_toml_value(_SAMPLES[name] if field.is_required() else field.default)


def _type_words(model: type[BaseModel], name: str) -> str:
    """The type of a key, from its JSON schema."""
    properties: dict[str, dict[str, object]] = model.model_json_schema()["properties"]
    return _schema_words(properties[name])


def _schema_words(schema: Mapping[str, object]) -> str:
    if "enum" in schema and isinstance(choices := schema["enum"], list):
        return ", ".join(f"`{render_toml_value(choice)}`" for choice in choices)
    if isinstance(options := schema.get("anyOf"), list):
        return " or ".join(_schema_words(option) for option in options)
    words = {"integer": "whole number", "number": "number", "string": "text", "boolean": "true or false"}
    if schema.get("type") == "array":
        return "list of texts"
    if schema.get("type") == "object":
        return "table"
    least = schema.get("minimum")
    return words[str(schema["type"])] + (f", {least} or more" if least is not None else "")


def _first_words(model: type[BaseModel]) -> str:
    return " ".join((model.__doc__ or "").split())


def _comment(text: str) -> str:
    return "".join(f"# {line}\n" for line in textwrap.wrap(text, 110))


def _escape(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")
