"""Rows of the database -> the values of `ports`. All may raise codec.Unreadable."""

from typing import Any, TypeAlias

import sqlalchemy as sa

from dispatcher.core.agents import AgentHold
from dispatcher.core.model import ItemKey, Stage
from dispatcher.core.usage import Usage
from dispatcher.journal import codec
from dispatcher.ports import DecisionRecord, Order, RunRecord, StoredEffect

_Row: TypeAlias = "sa.Row[*tuple[Any, ...]]"


def _key(row: _Row) -> ItemKey:
    return ItemKey(row.repo_id, row.number)


def stored_effect(row: _Row) -> StoredEffect:
    """A row of `effects`."""
    return StoredEffect(
        id=row.id,
        task=_key(row),
        effect=codec.parse_effect(row.kind, row.body),
        tries=row.tries,
        retry_at=row.retry_at,
        sent_at=row.sent_at,
        error=row.error,
    )


def run_record(row: _Row) -> RunRecord:
    """A row of `runs`."""
    return RunRecord(
        run=codec.parse_live_run(row.body),
        task=_key(row),
        repo=row.repo,
        state=row.state,
        ended_at=row.ended_at,
        result=row.result,
        usage=usage(row),
        prompt_digest=row.prompt_digest,
    )


def usage(row: _Row) -> Usage:
    """What a row of `runs`, or a sum over several, says was used."""
    return Usage(int(row.input_tokens), int(row.cached_tokens), int(row.output_tokens), row.cost_usd)


def agent_hold(row: _Row) -> AgentHold:
    """A row of `agent_holds`."""
    return codec.parse_agent_hold(row.body)


def decision_record(row: _Row) -> DecisionRecord:
    """A row of `decisions`."""
    return DecisionRecord(
        at=row.at,
        event=row.event,
        stage_before=Stage(row.stage_before),
        stage_after=Stage(row.stage_after),
        verdict=row.verdict,
        reason=row.reason,
    )


def order(row: _Row) -> Order:
    """A row of `orders`."""
    return Order(id=row.id, name=row.name, argument=row.argument, at=row.at)
