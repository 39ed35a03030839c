"""Writing TOML: just what tables of text, numbers, truths and lists need."""

import json
import re
from collections.abc import Mapping

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def render_toml(tables: Mapping[str, object], prefix: tuple[str, ...] = ()) -> str:
    """The tables as TOML: keys first, then the tables inside, each under its header."""
    plain = {key: value for key, value in tables.items() if not isinstance(value, Mapping)}
    parts = [f"{render_key(key)} = {render_toml_value(value)}\n" for key, value in plain.items()]
    for key, value in tables.items():
        if isinstance(value, Mapping):
            parts.append(_render_table(value, (*prefix, key)))
    return "".join(parts)


def render_toml_value(value: object) -> str:
    """One value on one line."""
    if isinstance(value, Mapping):
        inner = ", ".join(f"{render_key(key)} = {render_toml_value(item)}" for key, item in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(render_toml_value(item) for item in value)}]"
    return json.dumps(value, ensure_ascii=True)


def render_key(key: str) -> str:
    """A key, in quotes where it needs them."""
    return key if _BARE.fullmatch(key) else json.dumps(key, ensure_ascii=True)


def _render_table(table: Mapping[str, object], keys: tuple[str, ...]) -> str:
    header = f"\n[{'.'.join(render_key(key) for key in keys)}]\n"
    only_tables = bool(table) and all(isinstance(value, Mapping) for value in table.values())
    return ("" if only_tables else header) + render_toml(table, keys)
