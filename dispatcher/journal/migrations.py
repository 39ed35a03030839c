"""From any older schema to the present one: a backup first, then every step in one transaction.

Version 1 is the first schema that was published. A change of `schema` comes with a `Migration` here, numbered by the
version that it leads to; a new file gets the present tables at once.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from dispatcher.core.errors import JournalUnusable
from dispatcher.journal import queries
from dispatcher.journal.schema import metadata, schema_version
from dispatcher.journal.sqlite_only import copy_database


@dataclass(frozen=True, slots=True)
class Migration:
    """One step. `apply` may use only what the version before it had, never today's `schema` tables."""

    to_version: int
    what: str
    apply: Callable[[sa.Connection], None]


def _keep_usage(connection: sa.Connection) -> None:
    """Runs know their agent, tokens and prompt files in columns; agents can be on hold."""
    for column in (
        "agent TEXT NOT NULL DEFAULT ''",
        "input_tokens BIGINT NOT NULL DEFAULT '0'",
        "cached_tokens BIGINT NOT NULL DEFAULT '0'",
        "output_tokens BIGINT NOT NULL DEFAULT '0'",
        "prompt_digest TEXT NOT NULL DEFAULT ''",
    ):
        connection.exec_driver_sql(f"ALTER TABLE runs ADD COLUMN {column}")
    for run_id, body in connection.exec_driver_sql("SELECT id, body FROM runs").all():
        agent = str(json.loads(body).get("agent", ""))
        connection.execute(
            sa.text("UPDATE runs SET agent = :agent WHERE id = :run_id"), {"agent": agent, "run_id": run_id}
        )
    connection.exec_driver_sql(
        "CREATE TABLE agent_holds (agent TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (agent))"
    )


MIGRATIONS: Final[tuple[Migration, ...]] = (
    Migration(2, "runs know agent, tokens and prompt files; agents can be on hold", _keep_usage),
)
NEWEST: Final = 1 + len(MIGRATIONS)


def backup_path(path: Path, version: int) -> Path:
    """Where the journal is copied to before it leaves this version."""
    return path.with_name(f"{path.name}.version-{version}.backup")


def migrate(writer: sa.Engine, path: Path, migrations: tuple[Migration, ...] = MIGRATIONS) -> None:
    """Bring the file to the present version. Raises JournalUnusable for a newer version or another program's file."""
    newest = 1 + len(migrations)
    with writer.connect() as connection:
        # Also right when two processes open a new file at once: the second finds the first one's work.
        version = load_version(connection, path)
        if version == newest:
            return
        refuse_newer(version, path, newest)
        if version:
            copy_database(writer, backup_path(path, version))
            _upgrade(connection, version, migrations)
        else:
            _create(connection)
        for statement in queries.set_schema_version(newest):
            connection.execute(statement)
        connection.commit()


def load_version(connection: sa.Connection, path: Path) -> int:
    """The file's version; 0 for an empty file. Raises JournalUnusable when it belongs to another program."""
    tables = sa.inspect(connection).get_table_names()
    if not tables:
        return 0
    if schema_version.name in tables:
        versions = connection.execute(queries.schema_versions()).scalars().all()
        if len(versions) == 1:
            return int(versions[0])
    raise JournalUnusable(
        f"{path}: this database is not a dispatcher's journal (it has the tables {', '.join(sorted(tables))}).",
        "Name another state folder, or move the file away.",
    )


def refuse_newer(version: int, path: Path, newest: int = NEWEST) -> None:
    """Raises JournalUnusable when a newer dispatcher wrote the file: reading it by old rules would lose things."""
    if version > newest:
        raise JournalUnusable(
            f"{path}: the journal has version {version}, this dispatcher knows versions up to {newest}.",
            f"Install the newer dispatcher again, or put back {backup_path(path, newest).name} if it is there.",
        )


def refuse_older(version: int, path: Path) -> None:
    """Raises JournalUnusable when only a writer could make the file fit."""
    if version < NEWEST:
        raise JournalUnusable(
            f"{path}: the journal has version {version}, this dispatcher reads version {NEWEST}.",
            "Start the dispatcher (`dispatcher run`, or `dispatcher once`): it brings the journal up to date.",
        )


def _create(connection: sa.Connection) -> None:
    metadata.create_all(connection)
    connection.execute(queries.start_counting())


def _upgrade(connection: sa.Connection, version: int, migrations: tuple[Migration, ...]) -> None:
    for migration in migrations:
        if migration.to_version > version:
            migration.apply(connection)
