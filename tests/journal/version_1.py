"""The schema of version 1 as it was published, spelt out: it never changes, whatever `schema` becomes."""

import sqlite3
from contextlib import closing
from pathlib import Path

TABLES = """
CREATE TABLE schema_version (
    version INTEGER NOT NULL,
    PRIMARY KEY (version)
);

CREATE TABLE changes (
    id INTEGER NOT NULL,
    value BIGINT NOT NULL,
    PRIMARY KEY (id)
);

CREATE TABLE tasks (
    repo_id BIGINT NOT NULL,
    number INTEGER NOT NULL,
    pull INTEGER,
    stage TEXT NOT NULL,
    is_over BOOLEAN NOT NULL,
    moved_at DATETIME NOT NULL,
    ready_at DATETIME NOT NULL,
    look_again_at DATETIME,
    body TEXT NOT NULL,
    PRIMARY KEY (repo_id, number)
);

CREATE INDEX tasks_by_stage ON tasks (stage, ready_at);

CREATE INDEX tasks_by_look ON tasks (look_again_at);

CREATE INDEX tasks_by_pull ON tasks (repo_id, pull);

CREATE INDEX tasks_by_move ON tasks (is_over, moved_at);

CREATE TABLE notes (
    id INTEGER NOT NULL,
    repo_id BIGINT,
    number INTEGER,
    at DATETIME NOT NULL,
    what TEXT NOT NULL,
    PRIMARY KEY (id)
);

CREATE INDEX notes_by_age ON notes (at);

CREATE INDEX notes_by_task ON notes (repo_id, number, id);

CREATE TABLE heard (
    repo_id BIGINT NOT NULL,
    number INTEGER NOT NULL,
    version TEXT NOT NULL,
    at DATETIME NOT NULL,
    PRIMARY KEY (repo_id, number, version)
);

CREATE INDEX heard_by_age ON heard (at);

CREATE TABLE cursors (
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (name)
);

CREATE TABLE orders (
    id INTEGER NOT NULL,
    name TEXT NOT NULL,
    argument TEXT NOT NULL,
    at DATETIME NOT NULL,
    is_finished BOOLEAN DEFAULT 0 NOT NULL,
    PRIMARY KEY (id)
);

CREATE INDEX orders_waiting ON orders (id) WHERE NOT is_finished;

CREATE TABLE runs (
    id TEXT NOT NULL,
    repo_id BIGINT NOT NULL,
    number INTEGER NOT NULL,
    repo TEXT NOT NULL,
    role TEXT NOT NULL,
    state TEXT NOT NULL,
    dispatched_at DATETIME NOT NULL,
    started_at DATETIME,
    ended_at DATETIME,
    result TEXT DEFAULT '' NOT NULL,
    cost_usd DOUBLE,
    body TEXT NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY(repo_id, number) REFERENCES tasks (repo_id, number),
    CONSTRAINT runs_known_state CHECK (state IN ('reserved', 'running', 'ended', 'cancelled'))
);

CREATE INDEX runs_by_task ON runs (repo_id, number, dispatched_at);

CREATE UNIQUE INDEX runs_one_live_per_task ON runs (repo_id, number) WHERE state IN ('reserved', 'running');

CREATE INDEX runs_by_dispatch ON runs (dispatched_at, repo);

CREATE TABLE effects (
    id INTEGER NOT NULL,
    "key" TEXT NOT NULL,
    repo_id BIGINT NOT NULL,
    number INTEGER NOT NULL,
    kind TEXT NOT NULL,
    body TEXT NOT NULL,
    state TEXT NOT NULL,
    tries INTEGER DEFAULT '0' NOT NULL,
    decided_at DATETIME NOT NULL,
    retry_at DATETIME,
    sent_at DATETIME,
    applied_at DATETIME,
    error TEXT DEFAULT '' NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY(repo_id, number) REFERENCES tasks (repo_id, number),
    CONSTRAINT effects_known_state CHECK (state IN ('pending', 'applied', 'failed', 'cancelled')),
    UNIQUE ("key")
);

CREATE INDEX effects_pending ON effects (id, repo_id, number) WHERE state = 'pending';

CREATE TABLE decisions (
    id INTEGER NOT NULL,
    repo_id BIGINT NOT NULL,
    number INTEGER NOT NULL,
    at DATETIME NOT NULL,
    event TEXT NOT NULL,
    event_body TEXT NOT NULL,
    stage_before TEXT NOT NULL,
    stage_after TEXT NOT NULL,
    verdict TEXT NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY(repo_id, number) REFERENCES tasks (repo_id, number)
);

CREATE INDEX decisions_by_age ON decisions (at);

CREATE INDEX decisions_by_task ON decisions (repo_id, number, id);

"""

TASK_BODY = '{"key": {"repo_id": 11, "number": 7}, "repo": "acme/shop", "stage": "queued", "gone_since": 1}'

ROWS = f"""
INSERT INTO schema_version VALUES (1);
INSERT INTO changes VALUES (1, 41);
INSERT INTO tasks (repo_id, number, pull, stage, is_over, moved_at, ready_at, body)
    VALUES (11, 7, 12, 'queued', 0, '2026-03-01 12:00:00.000000', '1970-01-01 00:00:00.000000', '{TASK_BODY}');
INSERT INTO cursors VALUES ('issues.etag', 'W/"1"');
"""


def make_version_1(path: Path) -> None:
    """A journal as the first version left it, with one task and one cursor."""
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(f"PRAGMA journal_mode = WAL; {TABLES} {ROWS}")
