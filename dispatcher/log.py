"""The log: one line per record, UTC, `key=value`, on stderr and in a rotating file; secrets never reach either.

`logging.getLogger(__name__).info("run started", extra={"run": run_id})` becomes
`at=2026-03-01T12:00:00.123Z level=info room=dispatcher.engine.loop msg="run started" run=r-17`.
"""

import json
import logging
import os
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Final, TextIO

from dispatcher.core.secrecy import know_secrets
from dispatcher.core.tokens import MASK

__all__ = ["MASK", "LineFormatter", "LogRules", "Redactor", "logging_to"]

_STANDARD: Final = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime"}
_BARE: Final = re.compile(r"[\w.:/#@+\-]+", re.ASCII)
# What would break the line, or turn it around on a terminal, and that JSON lets through.
_UNPRINTABLE: Final = re.compile(
    r"[\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


class Redactor(logging.Filter):
    """Masks secrets (see `core.secrecy`): those that it was told, and whatever has the shape of a token.

    As a filter it cleans a record in place, so that every handler after it sees the clean one.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        super().__init__()
        self._values: frozenset[str] = frozenset()
        self._secrets = know_secrets(())
        self.learn(*secrets)

    @property
    def values(self) -> tuple[str, ...]:
        """Every secret that it was told."""
        return tuple(sorted(self._values))

    def learn(self, *secrets: str) -> None:
        """Mask these too, from now on, in whatever way they are spelled."""
        self._values |= frozenset(secrets)
        self._secrets = know_secrets(self._values)

    def redact(self, text: str) -> str:
        """The text with every secret replaced by `[secret]`."""
        return self._secrets.redact(text)

    def filter(self, record: logging.LogRecord) -> bool:
        """Clean message, arguments, added values and traceback; never drops a record."""
        record.msg, record.args = self.redact(_message(record)), None
        if record.exc_info:
            record.exc_text = self.redact(logging.Formatter().formatException(record.exc_info))
            record.exc_info = None
        for name, value in _added(record):
            setattr(record, name, self.redact(str(value)))
        return True


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except (TypeError, ValueError, KeyError):  # a mistake in a log call must not lose the record
        return f"{record.msg} {record.args!r}"


def _added(record: logging.LogRecord) -> list[tuple[str, object]]:
    return [(name, value) for name, value in vars(record).items() if name not in _STANDARD]


class LineFormatter(logging.Formatter):
    """One record, one line, whatever is in it: line breaks and control characters are escaped."""

    def format(self, record: logging.LogRecord) -> str:
        """`at=... level=... room=... msg=...`, what `extra` added, and `error=` with the traceback."""
        at = datetime.fromtimestamp(record.created, UTC)
        pairs: list[tuple[str, object]] = [
            ("at", f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03}Z"),
            ("level", record.levelname.lower()),
            ("room", record.name),
            ("msg", _message(record)),
            *_added(record),
        ]
        error = record.exc_text or (self.formatException(record.exc_info) if record.exc_info else "")
        if error:
            pairs.append(("error", error))
        return " ".join(f"{name}={_quoted(str(value))}" for name, value in pairs)


def _quoted(value: str) -> str:
    if _BARE.fullmatch(value):
        return value
    return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(value, ensure_ascii=False))


class _PrivateRotatingFile(RotatingFileHandler):
    """Readable by its owner alone; when it cannot be written, stderr says so once and the daemon goes on."""

    _has_complained = False

    def _open(self) -> TextIOWrapper:
        def private(path: str, flags: int) -> int:
            return os.open(path, flags | os.O_CLOEXEC, 0o600)

        # newline: a lone \r inside a line is escaped already, and \n must stay \n.
        return open(
            self.baseFilename,
            "a",
            encoding="utf-8",
            errors="backslashreplace",
            newline="\n",
            opener=private,
        )

    def close(self) -> None:
        """A full disk refuses the last line here once more; that was told, and must not stop the way out."""
        with suppress(OSError):
            super().close()

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Not logging's own report: it would print the record's arguments as they are."""
        del record
        if not self._has_complained and sys.stderr is not None:
            self._has_complained = True
            why = sys.exc_info()[1]
            sys.stderr.write(
                f"{self.baseFilename}: the log cannot be written: {why}. Free some space or name another place.\n"
            )


class _Stream(logging.StreamHandler[TextIO]):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """A closed terminal is no reason to stop, nor to print what the record carried."""


@dataclass(frozen=True, slots=True)
class LogRules:
    """Where the log goes. `file` None: stderr only. The file is rotated at `file_bytes`; `old_files` are kept."""

    file: Path | None = None
    level: str = "INFO"
    file_bytes: int = 5_000_000
    old_files: int = 4
    to_stderr: bool = True


# They tell of every request; at INFO and below that is noise, and their DEBUG shows headers.
_TALKATIVE: Final = ("urllib3", "github", "werkzeug", "transitions", "sqlalchemy")


@contextmanager
def logging_to(rules: LogRules, redactor: Redactor, stream: TextIO | None = None) -> Iterator[None]:
    """Send every record of this process where `rules` say, cleaned by `redactor`; afterwards all is as before.

    `stream` takes the place of stderr. Raises OSError when the log file cannot be opened.
    """
    root = logging.getLogger()
    handlers = _handlers(rules, redactor, stream)
    levels = {name: logging.getLogger(name).level for name in ("", *_TALKATIVE)}
    root.setLevel(rules.level.upper())
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
    for handler in handlers:
        root.addHandler(handler)
    try:
        yield
    finally:
        for handler in handlers:
            root.removeHandler(handler)
            handler.close()
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


def _handlers(rules: LogRules, redactor: Redactor, stream: TextIO | None) -> list[logging.Handler]:
    handlers: list[logging.Handler] = []
    if rules.file is not None:
        handlers.append(
            _PrivateRotatingFile(
                rules.file, maxBytes=rules.file_bytes, backupCount=rules.old_files, encoding="utf-8"
            )
        )
    if rules.to_stderr:
        handlers.append(_Stream(stream if stream is not None else sys.stderr))
    for handler in handlers:
        # On the handlers, not on a logger: a logger's filter does not see the records of its children.
        handler.addFilter(redactor)
        handler.setFormatter(LineFormatter())
    return handlers
