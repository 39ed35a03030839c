"""config.example.toml and the reference page tell the truth about the models."""

import tomllib
from pathlib import Path

import jsonschema

from dispatcher.config import load_settings
from dispatcher.config.problems import table_inside, walk_tables
from dispatcher.config.reference import config_schema, render_config_reference, render_example_config
from dispatcher.config.shape import FileShape
from dispatcher.core.rules import Caps, LabelNames, Limits

EXAMPLE = Path(__file__).parents[2] / "config.example.toml"
NAMES = {"agent": "claude", "price": "codex", "repo": "shop"}


def tables_of_the_example():
    """(table in the example, its model) for every table that the example spells out."""
    document = tomllib.loads(EXAMPLE.read_text("utf-8"))
    for keys, model in walk_tables(FileShape):
        if keys[:1] == ("repo",) and len(keys) > 2:
            continue
        table = document
        for key in keys:
            table = table[NAMES[keys[0]] if key == "<id>" else key]
        yield table, model


def test_the_example_is_what_the_models_say():
    assert EXAMPLE.read_text("utf-8") == render_example_config()


def test_the_example_holds_every_key_with_its_default():
    checked = 0
    for table, model in tables_of_the_example():
        keys = {
            name for name, field in model.model_fields.items() if table_inside(field.annotation)[0] is None
        }
        assert keys <= table.keys()
        for name in keys:
            field = model.model_fields[name]
            assert field.is_required() or table[name] == field.default, name
            checked += 1
    assert checked > 50


def test_the_example_loads_into_the_defaults_of_the_rules(tmp_path):
    settings = load_settings(EXAMPLE, {"DISPATCHER_STATE_DIR": str(tmp_path)})

    (shop,) = settings.repos
    assert shop.full_name == "acme/shop"
    assert shop.limits == Limits()
    assert shop.labels == LabelNames()
    assert settings.caps == Caps()


def test_the_example_fits_the_schema():
    schema = config_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(tomllib.loads(EXAMPLE.read_text("utf-8")), schema)


def test_the_reference_names_every_key_and_its_meaning():
    page = render_config_reference()
    for _keys, model in walk_tables(FileShape):
        for name, field in model.model_fields.items():
            assert field.description, f"{model.__name__}.{name} has no description"
            if table_inside(field.annotation)[0] is None:
                assert f"| `{name}` |" in page
