"""Every query of the journal, as SQL that SQLite and PostgreSQL both understand. Building them touches nothing."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, TypeAlias

import sqlalchemy as sa
from sqlalchemy.sql.dml import Update

from dispatcher.core.agents import AgentHold
from dispatcher.core.events import Dispatched, Event
from dispatcher.core.model import ItemKey, LiveRun, Stage, Task
from dispatcher.core.usage import Usage
from dispatcher.journal import codec
from dispatcher.journal.schema import (
    EPOCH,
    LIVE,
    PENDING,
    agent_holds,
    changes,
    cursors,
    decisions,
    effects,
    heard,
    notes,
    orders,
    runs,
    schema_version,
    tasks,
)
from dispatcher.journal.sqlite_only import insert_unless_there
from dispatcher.ports import Decided

OVER: Final = frozenset({Stage.DONE, Stage.DROPPED})
DISPATCHERS_TURN: Final = frozenset({Stage.ASKED, Stage.QUEUED, Stage.NEEDS_REVIEW, Stage.NEEDS_REWORK})
"""The stages of spec section 3 in which the next move is a dispatch."""

# A row as it is bound to a statement: the driver's side of the edge.
Row: TypeAlias = Mapping[str, Any]
_Found: TypeAlias = "sa.Select[*tuple[Any, ...]]"


def _is(table: sa.Table, key: ItemKey) -> sa.ColumnElement[bool]:
    return sa.and_(table.c.repo_id == key.repo_id, table.c.number == key.number)


def _key_row(key: ItemKey) -> dict[str, Any]:
    return {"repo_id": key.repo_id, "number": key.number}


# ---------------------------------------------------------------- versions


def schema_versions() -> _Found:
    """The one row that says which schema the file has."""
    return sa.select(schema_version.c.version)


def set_schema_version(version: int) -> tuple[sa.Executable, sa.Executable]:
    """Delete, then insert: works on an empty table too."""
    return sa.delete(schema_version), sa.insert(schema_version).values(version=version)


def start_counting() -> sa.Executable:
    """The first row of the change counter."""
    return sa.insert(changes).values(id=1, value=0)


_COUNT_CHANGE: Final = sa.update(changes).values(value=changes.c.value + 1)


def count_change() -> sa.Executable:
    """Tell readers that something changed."""
    return _COUNT_CHANGE


def change_count() -> _Found:
    """The change counter."""
    return sa.select(changes.c.value)


# ---------------------------------------------------------------- tasks


# Asked for every task in every tick: building the statement anew would cost more than running it.
_REPO, _NUMBER = sa.bindparam("of_repo", type_=sa.Integer), sa.bindparam("of_number", type_=sa.Integer)
_TASK_OF: Final = (
    sa.select(tasks.c.body)
    .where(
        sa.or_(
            sa.and_(tasks.c.repo_id == _REPO, tasks.c.number == _NUMBER),
            sa.and_(tasks.c.repo_id == _REPO, tasks.c.pull == _NUMBER),
        )
    )
    .order_by(tasks.c.is_over, tasks.c.number != _NUMBER, tasks.c.moved_at.desc())
    .limit(1)
)
_CHANGE_TASK: Final = sa.update(tasks).where(tasks.c.repo_id == _REPO, tasks.c.number == _NUMBER)


def task_of() -> _Found:
    """Tasks by their own key or their pull request; one that is not over first, then the one that owns the key.

    To be run with `of(key)`.
    """
    return _TASK_OF


def of(key: ItemKey) -> Row:
    """What `task_of` and `change_task` are run with."""
    return {"of_repo": key.repo_id, "of_number": key.number}


def open_tasks() -> _Found:
    """Tasks that are neither done nor dropped, in the order in which they last moved."""
    return (
        sa.select(tasks.c.body)
        .where(tasks.c.is_over == sa.false())
        .order_by(tasks.c.moved_at, tasks.c.repo_id, tasks.c.number)
    )


def all_tasks() -> _Found:
    """All tasks, in the order in which they last moved."""
    return sa.select(tasks.c.body).order_by(tasks.c.moved_at, tasks.c.repo_id, tasks.c.number)


def due_tasks(now: datetime, stages: Collection[Stage]) -> _Found:
    """Tasks of these stages whose cooldown is over, and tasks of any stage that asked to be looked at by now."""
    is_ready = sa.and_(tasks.c.stage.in_(sorted(stages)), tasks.c.ready_at <= now)
    return (
        sa.select(tasks.c.body)
        .where(sa.or_(is_ready, tasks.c.look_again_at <= now))
        .order_by(tasks.c.moved_at, tasks.c.repo_id, tasks.c.number)
    )


def tasks_by_stage() -> _Found:
    """How many tasks each stage has."""
    return sa.select(tasks.c.stage, sa.func.count()).group_by(tasks.c.stage)


def task_row(task: Task) -> dict[str, Any]:
    """What `tasks` keeps of a task, but for its key and the time of its last move."""
    is_over = task.stage in OVER
    return {
        "pull": task.pull,
        "stage": str(task.stage),
        "is_over": is_over,
        "ready_at": task.cooldown_until or EPOCH,
        "look_again_at": None if is_over else task.look_again_at,
        "body": codec.render_body(task),
    }


def change_task() -> Update:
    """Overwrite a task that is there; to be run with `of(key)` and the row, whose names say what is overwritten."""
    return _CHANGE_TASK


def insert_task(task: Task, moved_at: datetime) -> sa.Executable:
    """Write a new task down."""
    return sa.insert(tasks).values(**_key_row(task.key), **task_row(task), moved_at=moved_at)


# ---------------------------------------------------------------- decisions and notes


def insert_decision(decided: Decided) -> sa.Executable:
    """Remember what was decided, and why."""
    event: Event = decided.event
    return sa.insert(decisions).values(
        **_key_row(decided.task.key),
        at=decided.at,
        event=codec.kind_of(event),
        event_body=codec.render_body(event),
        stage_before=str(decided.stage_before),
        stage_after=str(decided.task.stage),
        verdict=decided.verdict,
        reason=decided.reason,
    )


def decisions_on(task: ItemKey, limit: int) -> _Found:
    """Decisions on a task, newest first."""
    return sa.select(decisions).where(_is(decisions, task)).order_by(decisions.c.id.desc()).limit(limit)


def insert_note(task: ItemKey | None, what: str, at: datetime) -> sa.Executable:
    """Remember something worth telling."""
    return sa.insert(notes).values(**(_key_row(task) if task else {}), what=what, at=at)


def notes_on(task: ItemKey | None, limit: int) -> _Found:
    """Notes on one task, or all notes; newest first."""
    found = sa.select(notes.c.at, notes.c.what).order_by(notes.c.id.desc()).limit(limit)
    return found.where(_is(notes, task)) if task else found


# ---------------------------------------------------------------- effects


def insert_effects() -> sa.Executable:
    """Write effects down; one whose key is there already is the same effect, and is left as it is."""
    return insert_unless_there(effects, "key")


def effect_rows(decided: Decided) -> list[Row]:
    """The decision's effects, in order."""
    return [
        {
            **_key_row(decided.task.key),
            "key": effect.key,
            "kind": codec.kind_of(effect),
            "body": codec.render_body(effect),
            "state": PENDING,
            "decided_at": decided.at,
        }
        for effect in decided.effects
    ]


_pending = sa.text("state = 'pending'")  # literal, so that the partial index is used


def pending_effects() -> _Found:
    """Effects that still have to be done, oldest first."""
    return sa.select(effects).where(_pending).order_by(effects.c.id)


def change_effect(effect_id: int, row: Row) -> Update:
    """Note what became of an effect."""
    return sa.update(effects).where(effects.c.id == effect_id).values(**row)


def count_failure(effect_id: int, error: str, retry_at: datetime | None) -> Update:
    """Count one more try. Without `retry_at` a pending effect is given up; a cancelled one never comes back."""
    given_up = sa.case((effects.c.state == PENDING, "failed"), else_=effects.c.state)
    return change_effect(
        effect_id,
        {
            "tries": effects.c.tries + 1,
            "error": error,
            "retry_at": retry_at,
            "state": effects.c.state if retry_at else given_up,
        },
    )


def tries_of(effect_id: int) -> _Found:
    """How often an effect failed."""
    return sa.select(effects.c.tries).where(effects.c.id == effect_id)


def cancel_pending(task: ItemKey, why: str) -> sa.Executable:
    """Cross off what a task still has to do."""
    return sa.update(effects).where(_pending, _is(effects, task)).values(state="cancelled", error=why)


# ---------------------------------------------------------------- runs

_live = sa.text("state IN ('reserved', 'running')")  # literal, so that the partial index is used


def reserved_run(decided: Decided) -> LiveRun | None:
    """The run that a decision reserves, if it does."""
    if decided.run_reserved is not None:
        return decided.run_reserved
    return decided.event.run if isinstance(decided.event, Dispatched) else None


def insert_run(task: Task, run: LiveRun) -> sa.Executable:
    """Reserve a run. Refused by the database while the task has a live one."""
    return sa.insert(runs).values(
        id=run.id,
        **_key_row(task.key),
        repo=task.repo,
        role=str(run.role),
        agent=run.agent,
        state=LIVE[0],
        dispatched_at=run.dispatched_at,
        body=codec.render_body(run),
    )


def live_runs() -> _Found:
    """Runs that hold a slot."""
    # By task, not by time: SQLite would read every run ever made in the order of time, to spare itself the sorting.
    return sa.select(runs).where(_live).order_by(runs.c.repo_id, runs.c.number)


def run_by_id(run_id: str) -> _Found:
    """One run."""
    return sa.select(runs).where(runs.c.id == run_id)


def newest_runs(task: ItemKey | None, limit: int) -> _Found:
    """Runs of a task, or all; newest first."""
    found = sa.select(runs).order_by(runs.c.dispatched_at.desc(), runs.c.id.desc()).limit(limit)
    return found.where(_is(runs, task)) if task else found


def dispatches_since(since: datetime, repo: str | None) -> _Found:
    """How many runs were reserved since then."""
    found = sa.select(sa.func.count()).select_from(runs).where(runs.c.dispatched_at >= since)
    return found if repo is None else found.where(runs.c.repo == repo)


_used = (
    sa.func.coalesce(sa.func.sum(runs.c.input_tokens), 0).label("input_tokens"),
    sa.func.coalesce(sa.func.sum(runs.c.cached_tokens), 0).label("cached_tokens"),
    sa.func.coalesce(sa.func.sum(runs.c.output_tokens), 0).label("output_tokens"),
    sa.func.sum(runs.c.cost_usd).label("cost_usd"),  # NULL where nobody told a cost
)


def usage_of(task: ItemKey) -> _Found:
    """The sum over all runs of a task."""
    return sa.select(*_used).where(_is(runs, task))


def usage_since(since: datetime) -> _Found:
    """The sums over the runs reserved since then, by repository."""
    return sa.select(runs.c.repo, *_used).where(runs.c.dispatched_at >= since).group_by(runs.c.repo)


def runs_since(since: datetime) -> _Found:
    """The runs reserved since then, oldest first."""
    return sa.select(runs).where(runs.c.dispatched_at >= since).order_by(runs.c.dispatched_at, runs.c.id)


def start_run(run_id: str, at: datetime) -> Update:
    """A reserved run is running."""
    return (
        sa.update(runs)
        .where(runs.c.id == run_id, runs.c.state == LIVE[0])
        .values(state=LIVE[1], started_at=at)
    )


def end_run(run_id: str, state: str, at: datetime, result: str) -> Update:
    """Free a live run's slot; one that is over stays as it is."""
    return (
        sa.update(runs)
        .where(runs.c.id == run_id, runs.c.state.in_(LIVE))
        .values(state=state, ended_at=at, result=result)
    )


def tell_run(run_id: str, result: str) -> Update:
    """Add how a run ended, if it did not say so yet."""
    return sa.update(runs).where(runs.c.id == run_id).values(result=result)


def tell_usage(run_id: str, usage: Usage, prompt_digest: str) -> Update | None:
    """Add what became known about a run, ended or not; None where there is nothing to add. What is known is not forgotten."""
    known: dict[str, Any] = {"prompt_digest": prompt_digest} if prompt_digest else {}
    if usage.tokens:
        known |= {name: getattr(usage, name) for name in ("input_tokens", "cached_tokens", "output_tokens")}
    if usage.cost_usd is not None:
        known["cost_usd"] = usage.cost_usd
    return sa.update(runs).where(runs.c.id == run_id).values(**known) if known else None


# ---------------------------------------------------------------- agents on hold


def every_agent_hold() -> _Found:
    """All holds."""
    return sa.select(agent_holds).order_by(agent_holds.c.agent)


def change_agent_hold(hold: AgentHold) -> Update:
    """Overwrite a hold that is there."""
    body = codec.render_body(hold)
    return sa.update(agent_holds).where(agent_holds.c.agent == hold.agent).values(body=body)


def insert_agent_hold(hold: AgentHold) -> sa.Executable:
    """Write a new hold down."""
    return sa.insert(agent_holds).values(agent=hold.agent, body=codec.render_body(hold))


def forget_agent_holds(names: Sequence[str]) -> sa.Executable:
    """The agents get runs again."""
    return sa.delete(agent_holds).where(agent_holds.c.agent.in_(names))


# ---------------------------------------------------------------- what was heard, cursors, orders


def heard_among(task: ItemKey, versions: Sequence[str]) -> _Found:
    """Which of these comment versions are known."""
    return sa.select(heard.c.version).where(_is(heard, task), heard.c.version.in_(versions))


def insert_heard() -> sa.Executable:
    """Remember comment versions."""
    return sa.insert(heard)


def heard_rows(task: ItemKey, versions: Sequence[str], at: datetime) -> list[Row]:
    """Rows for `insert_heard`."""
    return [{**_key_row(task), "version": version, "at": at} for version in versions]


def cursor_value(name: str) -> _Found:
    """A stored cursor."""
    return sa.select(cursors.c.value).where(cursors.c.name == name)


def change_cursor(name: str, value: str) -> Update:
    """Overwrite a cursor that is there."""
    return sa.update(cursors).where(cursors.c.name == name).values(value=value)


def insert_cursor(name: str, value: str) -> sa.Executable:
    """Store a new cursor."""
    return sa.insert(cursors).values(name=name, value=value)


def insert_order(name: str, argument: str, at: datetime) -> sa.Executable:
    """Leave an order."""
    return sa.insert(orders).values(name=name, argument=argument, at=at)


def waiting_orders() -> _Found:
    """Orders that were not carried out, oldest first."""
    return sa.select(orders).where(sa.text("NOT is_finished")).order_by(orders.c.id)


def finish_order(order_id: int) -> Update:
    """Cross an order off."""
    return sa.update(orders).where(orders.c.id == order_id).values(is_finished=True)


# ---------------------------------------------------------------- pruning


def prunings(before: datetime) -> tuple[sa.Executable, ...]:
    """Forget old decisions and notes, finished orders, and what was heard on tasks that are over.

    Comments on open tasks stay known: the forge still shows them, and they would count as new. Runs and effects stay:
    they are the spend, and the keys that make a replay harmless.
    """
    is_over = sa.exists().where(
        tasks.c.repo_id == heard.c.repo_id, tasks.c.number == heard.c.number, tasks.c.is_over
    )
    return (
        sa.delete(decisions).where(decisions.c.at < before),
        sa.delete(notes).where(notes.c.at < before),
        sa.delete(orders).where(orders.c.at < before, orders.c.is_finished),
        sa.delete(heard).where(heard.c.at < before, is_over),
    )
