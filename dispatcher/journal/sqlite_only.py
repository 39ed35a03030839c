"""Everything that only SQLite understands: opening the file, its settings, its errors, its backup.

Moving to another database replaces this module; schema and queries stay.

synchronous=NORMAL: with the write-ahead log a killed process loses nothing, and the file stays sound even when the power
fails; what can be lost then is the last moments' commits, never a part of one. Effects carry keys that are looked
up on the forge before they are sent again, so that loss repeats nothing visible. FULL would cost a disk flush per
commit to save a few seconds of history after a power cut.
"""

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.dialects.sqlite import Insert, insert

from dispatcher.core.errors import JournalUnusable

_PRIMARY_CODE: Final = 0xFF
_SETTINGS: Final = (
    "PRAGMA synchronous = NORMAL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA journal_size_limit = 67108864",  # bytes of log kept after a burst
)
_AS_IT_WAS: Final = "Nothing of the interrupted change was kept."
_START_AGAIN: Final = (
    "Put a backup back, or move the file away: a new journal begins, stages come back from the labels, "
    "only history and spend are lost."
)
_CURES: Final = {
    sqlite3.SQLITE_BUSY: ("is locked by another process", "End the process that holds it, or try again."),
    sqlite3.SQLITE_LOCKED: ("is locked by another connection", "Try again."),
    sqlite3.SQLITE_FULL: ("cannot grow: the disk is full", f"Free some space. {_AS_IT_WAS}"),
    sqlite3.SQLITE_IOERR: (
        "cannot be read or written: the disk is failing, or a size limit was reached",
        f"Look at the disk, its free space and the process limits (ulimit). {_AS_IT_WAS}",
    ),
    sqlite3.SQLITE_READONLY: (
        "cannot be written: it is read-only",
        "Make the file and its folder writable for this user. For a reader: this is asked of the dispatcher itself.",
    ),
    sqlite3.SQLITE_PERM: ("may not be opened", "Give this user the right to read and write it."),
    sqlite3.SQLITE_CANTOPEN: (
        "cannot be opened",
        "It must be a file in a folder that exists, and that this user may read and write.",
    ),
    sqlite3.SQLITE_CORRUPT: ("is damaged", _START_AGAIN),
    sqlite3.SQLITE_NOTADB: ("is not a database", _START_AGAIN),
}


def open_engine(path: Path, *, read_only: bool, busy_timeout_s: float) -> sa.Engine:
    """An engine on the file; every new connection gets the settings above. Opens nothing yet."""

    def connect() -> sqlite3.Connection:
        return _connect(path, read_only=read_only, busy_timeout_s=busy_timeout_s)

    engine = sa.create_engine("sqlite://", creator=connect, poolclass=sa.QueuePool)
    event.listen(engine, "begin", _begin)
    return engine


def _connect(path: Path, *, read_only: bool, busy_timeout_s: float) -> sqlite3.Connection:
    if path.is_dir():  # SQLite would call reading it a failing disk
        folder = sqlite3.OperationalError("it is a folder")
        folder.sqlite_errorcode = sqlite3.SQLITE_CANTOPEN
        raise folder
    if not read_only:
        _create_private(path)
    mode = "ro" if read_only else "rw"
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        timeout=busy_timeout_s,
        check_same_thread=False,  # the pool gives a connection to one thread at a time
        isolation_level=None,  # the driver's own idea of a transaction leaves out reads and table definitions
    )
    try:
        if not read_only and connection.execute("PRAGMA journal_mode").fetchone() != ("wal",):
            connection.execute("PRAGMA journal_mode = WAL").fetchone()
        for setting in _SETTINGS:
            connection.execute(setting).fetchone()
    except BaseException:
        connection.close()
        raise
    return connection


class Watch:
    """Tells whether the file was changed since it was asked last, by whatever connection; costs a hundredth of a query."""

    def __init__(self, path: Path) -> None:
        self._path: Final = path
        self._lock: Final = threading.Lock()
        self._connection: sqlite3.Connection | None = None

    def version(self) -> int | None:
        """Another number after every commit (https://sqlite.org/pragma.html#pragma_data_version); None when it cannot be told now."""
        with self._lock:
            try:
                if self._connection is None:
                    self._connection = _connect(self._path, read_only=True, busy_timeout_s=0.0)
                return int(self._connection.execute("PRAGMA data_version").fetchone()[0])
            except sqlite3.Error:
                return None

    def close(self) -> None:
        """Let go of the file; it is opened again when asked again."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
            self._connection = None


def _create_private(path: Path) -> None:
    # The texts of private repositories are in it; SQLite gives the log beside it the same rights.
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    except OSError:
        return  # there already; or impossible, and then opening it says why


def _begin(connection: sa.Connection) -> None:
    # A writer takes the lock at once: a reader that became a writer half-way would fail without waiting its turn.
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def insert_unless_there(table: sa.Table, unique_column: str) -> Insert:
    """An insert that leaves an existing row as it is (PostgreSQL: the same clause from its own dialect)."""
    return insert(table).on_conflict_do_nothing(index_elements=[unique_column])


@contextmanager
def named_errors(path: Path) -> Iterator[None]:
    """Turn the driver's errors into JournalUnusable with the file, what is wrong, and the cure.

    Broken constraints pass through: they are about a row, not about the file.
    """
    try:
        yield
    except sa.exc.IntegrityError:
        raise
    except sa.exc.DBAPIError as error:
        raise _explain(path, error.orig) from error
    except sqlite3.Error as error:
        raise _explain(path, error) from error


def _explain(path: Path, error: BaseException | None) -> JournalUnusable:
    what, cure = _CURES.get(
        _primary_code(error), ("is not a journal that this version can use", _START_AGAIN)
    )
    return JournalUnusable(f"{path}: the journal {what} ({error}).", cure)


def _primary_code(error: BaseException | None) -> int:
    return int(getattr(error, "sqlite_errorcode", 0)) & _PRIMARY_CODE


def copy_database(engine: sa.Engine, target: Path) -> None:
    """Copy the committed state to `target`, which appears whole or not at all; replaces what is there.

    Raises JournalUnusable naming `target`.
    """
    unfinished = target.with_name(f"{target.name}.unfinished")
    try:
        with named_errors(target):
            unfinished.unlink(missing_ok=True)
            _create_private(unfinished)
            _copy(engine, unfinished)
            unfinished.replace(target)
            _flush(target.parent)
    except OSError as error:
        raise JournalUnusable(
            f"{target}: the backup cannot be written ({error}).", "Name another place."
        ) from error
    finally:
        unfinished.unlink(missing_ok=True)


def _copy(engine: sa.Engine, target: Path) -> None:
    with closing(engine.raw_connection()) as pooled, closing(sqlite3.connect(target)) as copy:
        source: Any = pooled.driver_connection
        source.backup(copy)
        # One file is easier to carry than three.
        copy.execute("PRAGMA journal_mode = DELETE").fetchone()
    _flush(target)


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def integrity_problems(connection: sa.Connection) -> tuple[str, ...]:
    """What SQLite finds wrong with the file and with references between tables; reads all of it."""
    damage = []
    try:
        for (line,) in connection.exec_driver_sql("PRAGMA integrity_check"):
            damage.append(str(line))
    except sa.exc.DatabaseError as error:  # some damage stops the check itself
        if _primary_code(error.orig) != sqlite3.SQLITE_CORRUPT:
            raise
        damage.append(str(error.orig))
    if damage != ["ok"]:  # following references would only stumble over it
        return tuple(damage)
    return tuple(
        f"{table}: row {row_id} belongs to a row of {parent} that is not there"
        for table, row_id, parent, _ in connection.exec_driver_sql("PRAGMA foreign_key_check")
    )
