"""The file as it stands on disk: found, read, and brought into one form whatever shorthand it uses."""

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

from dispatcher.config.lines import find_lines
from dispatcher.core.errors import BadConfig

MAX_BYTES = 1_000_000
_WHERE = re.compile(r"\s*\(at (?:line (\d+), column (\d+)|end of document)\)$")
Tables = dict[str, object]


@dataclass(frozen=True, slots=True)
class Document:
    """A configuration file that is TOML. `single_repo` names the table that a lone `[repo]` was turned into."""

    file: Path
    tables: Tables
    lines: dict[tuple[str, ...], int]
    single_repo: str = ""


def load_text(file: Path) -> str:
    """The file's text. Raises BadConfig that says what is wrong with the file itself."""
    try:
        with file.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise BadConfig(f"{file}: there is no such file.", "`dispatcher init` writes one.") from None
    except OSError as error:
        raise BadConfig(
            f"{file}: cannot be read ({error.strerror}).", "Make it a file that this user may read."
        ) from error
    if len(raw) > MAX_BYTES:
        raise BadConfig(f"{file}: larger than {MAX_BYTES:,} bytes.", "Is it the right file?")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise BadConfig(f"{file}: line {line} is not UTF-8.", "Save the file as UTF-8.") from error


def parse_document(text: str, file: Path) -> Document:
    """Read the TOML. Raises BadConfig with line and column where it is broken."""
    try:
        tables: Tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadConfig(f"{file.name}: {_describe(str(error), text)}") from error
    except RecursionError:
        raise BadConfig(f"{file.name}: lists or tables are nested too deep.", "Flatten them.") from None
    repo, single = _spread_repos(tables.get("repo", {}))
    tables = {**tables, "repo": repo} if "repo" in tables else tables
    return Document(file, _spread_sandbox(tables), find_lines(text), single)


def _describe(message: str, text: str) -> str:
    where = _WHERE.search(message)
    what = _WHERE.sub("", message)
    what = what[:1].lower() + what[1:]
    if where is None or where[1] is None:
        return f"line {text.count(chr(10)) + 1}, the end of the file: {what}"
    return f"line {where[1]}, column {where[2]}: {what}{_hint(text, int(where[1]))}"


def _hint(text: str, number: int) -> str:
    """The commonest slip: a word without quotes."""
    line = text.splitlines()[number - 1] if number <= len(text.splitlines()) else ""
    bare = re.fullmatch(r"\s*([A-Za-z0-9_-]+)\s*=\s*[A-Za-z@/~.][^\"'\[{]*", line)
    return f'; text needs quotes: {bare[1]} = "..."' if bare else ""


def _spread_repos(repo: object) -> tuple[object, str]:
    """Turn `repo = "owner/name"` and a lone `[repo]` into `[repo.<name>]`; returns that name as well."""
    if isinstance(repo, str):
        repo = {"repo": repo}
    if not isinstance(repo, dict):
        return repo, ""
    if all(isinstance(value, dict) for value in repo.values()):
        return {name: _spread_sandbox(_spread_name(table)) for name, table in repo.items()}, ""
    table = _spread_sandbox(_spread_name(repo))
    name = str(table.get("name") or "repo")
    return {name: table}, name


def _spread_sandbox(tables: Tables) -> Tables:
    """Turn `sandbox = "none"`, at the top or in a repository's table, into a table with that kind."""
    said = tables.get("sandbox")
    return {**tables, "sandbox": {"kind": said}} if isinstance(said, str) else tables


def _spread_name(table: Tables) -> Tables:
    """Turn `repo = "owner/name"` inside a table into its two keys; leave anything else for the checks to name."""
    full_name = table.get("repo")
    if not isinstance(full_name, str) or full_name.count("/") != 1 or {"owner", "name"} & table.keys():
        return table
    owner, name = full_name.split("/")
    rest = {key: value for key, value in table.items() if key != "repo"}
    return {"owner": owner, "name": name, **rest}
