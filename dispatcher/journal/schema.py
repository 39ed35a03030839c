"""The tables. What is searched for is a column; everything else of a value lives in its JSON `body`."""

from datetime import UTC, datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
LIVE: Final = ("reserved", "running")
PENDING: Final = "pending"


class Moment(TypeDecorator[datetime]):
    """An aware UTC time; SQLite keeps it without a zone, as text that sorts by time."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse naive times: they would be wrong by the machine's offset."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a time without a zone cannot be journalled: {value!r}")
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give the zone back."""
        del dialect
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Words(TypeDecorator[str]):
    """Text from the outside world; NUL and lone surrogates, which databases refuse, become U+FFFD."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Replace what cannot be stored: a strange title must not stop the daemon."""
        del dialect
        return None if value is None else storable(value)


def storable(text: str) -> str:
    """The text with U+FFFD in place of NUL and of lone surrogates."""
    if text.isascii():
        return text.replace("\0", "\ufffd")
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\0", "\ufffd")


# SQLite numbers rows by itself only for INTEGER; other databases want the wide type.
Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
metadata = sa.MetaData()


def _item() -> tuple[sa.Column[int], sa.Column[int]]:
    return (
        sa.Column("repo_id", sa.BigInteger, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
    )


def _of_task() -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["repo_id", "number"], ["tasks.repo_id", "tasks.number"])


schema_version = sa.Table(
    "schema_version",
    metadata,
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
)

# One row: counts the transactions that changed something a reader may have cached.
changes = sa.Table(
    "changes",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("value", sa.BigInteger, nullable=False),
)

tasks = sa.Table(
    "tasks",
    metadata,
    *_item(),
    sa.Column("pull", sa.Integer),
    sa.Column("stage", sa.Text, nullable=False),
    sa.Column("is_over", sa.Boolean, nullable=False),
    sa.Column("moved_at", Moment, nullable=False),
    # The task's cooldown_until; the epoch where it has none, so that one index range finds both.
    sa.Column("ready_at", Moment, nullable=False),
    sa.Column("look_again_at", Moment),
    sa.Column("body", sa.Text, nullable=False),
    sa.PrimaryKeyConstraint("repo_id", "number"),
    sa.Index("tasks_by_pull", "repo_id", "pull"),
    sa.Index("tasks_by_move", "is_over", "moved_at"),
    sa.Index("tasks_by_stage", "stage", "ready_at"),
    sa.Index("tasks_by_look", "look_again_at"),
)

runs = sa.Table(
    "runs",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    *_item(),
    sa.Column("repo", sa.Text, nullable=False),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("dispatched_at", Moment, nullable=False),
    sa.Column("started_at", Moment),
    sa.Column("ended_at", Moment),
    sa.Column("result", Words, nullable=False, server_default=""),
    sa.Column("cost_usd", sa.Double),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("agent", sa.Text, nullable=False, server_default=""),
    sa.Column("input_tokens", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("cached_tokens", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("output_tokens", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("prompt_digest", sa.Text, nullable=False, server_default=""),
    _of_task(),
    sa.CheckConstraint("state IN ('reserved', 'running', 'ended', 'cancelled')", name="runs_known_state"),
    sa.Index("runs_by_task", "repo_id", "number", "dispatched_at"),
    sa.Index("runs_by_dispatch", "dispatched_at", "repo"),
)

# Spec invariant 1, kept by the database itself: whatever the code above forgets, a second live run is refused.
_is_live = sa.text("state IN ('reserved', 'running')")
sa.Index(
    "runs_one_live_per_task",
    runs.c.repo_id,
    runs.c.number,
    unique=True,
    sqlite_where=_is_live,
    postgresql_where=_is_live,
)

effects = sa.Table(
    "effects",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("key", sa.Text, nullable=False, unique=True),
    *_item(),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("tries", sa.Integer, nullable=False, server_default="0"),
    sa.Column("decided_at", Moment, nullable=False),
    sa.Column("retry_at", Moment),
    sa.Column("sent_at", Moment),
    sa.Column("applied_at", Moment),
    sa.Column("error", Words, nullable=False, server_default=""),
    _of_task(),
    sa.CheckConstraint("state IN ('pending', 'applied', 'failed', 'cancelled')", name="effects_known_state"),
)

# Small for ever: only what still has to be done is in it.
_is_pending = sa.text("state = 'pending'")
sa.Index(
    "effects_pending",
    effects.c.id,
    effects.c.repo_id,
    effects.c.number,
    sqlite_where=_is_pending,
    postgresql_where=_is_pending,
)

decisions = sa.Table(
    "decisions",
    metadata,
    sa.Column("id", Id, primary_key=True),
    *_item(),
    sa.Column("at", Moment, nullable=False),
    sa.Column("event", sa.Text, nullable=False),
    sa.Column("event_body", sa.Text, nullable=False),
    sa.Column("stage_before", sa.Text, nullable=False),
    sa.Column("stage_after", sa.Text, nullable=False),
    sa.Column("verdict", Words, nullable=False),
    sa.Column("reason", Words, nullable=False),
    _of_task(),
    sa.Index("decisions_by_task", "repo_id", "number", "id"),
    sa.Index("decisions_by_age", "at"),
)

notes = sa.Table(
    "notes",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("repo_id", sa.BigInteger),
    sa.Column("number", sa.Integer),
    sa.Column("at", Moment, nullable=False),
    sa.Column("what", Words, nullable=False),
    sa.Index("notes_by_task", "repo_id", "number", "id"),
    sa.Index("notes_by_age", "at"),
)

# No foreign key: a comment is heard before its task is first written down.
heard = sa.Table(
    "heard",
    metadata,
    *_item(),
    sa.Column("version", sa.Text, nullable=False),
    sa.Column("at", Moment, nullable=False),
    sa.PrimaryKeyConstraint("repo_id", "number", "version"),
    sa.Index("heard_by_age", "at"),
)

agent_holds = sa.Table(
    "agent_holds",
    metadata,
    sa.Column("agent", sa.Text, primary_key=True),
    sa.Column("body", sa.Text, nullable=False),
)

cursors = sa.Table(
    "cursors",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)

orders = sa.Table(
    "orders",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("argument", Words, nullable=False),
    sa.Column("at", Moment, nullable=False),
    sa.Column("is_finished", sa.Boolean, nullable=False, server_default=sa.false()),
)

_is_waiting = sa.text("NOT is_finished")
sa.Index("orders_waiting", orders.c.id, sqlite_where=_is_waiting, postgresql_where=_is_waiting)
