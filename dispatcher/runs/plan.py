"""What `prepare` settles about a run and every later look at it needs: kept in the run's folder, so that a restart loses nothing."""

import secrets
from dataclasses import asdict, dataclass

from dispatcher.core.model import Role
from dispatcher.ports import RunOrder
from dispatcher.runs.folder import RunFolder, load_json, write_json


@dataclass(frozen=True, slots=True)
class Plan:
    """The settled facts of a run. `mark` is random: every process of the run carries it in its environment."""

    run_id: str
    role: Role
    agent: str
    kind: str
    head: str
    mark: str
    prompt_digest: str
    outcome_bytes: int
    log_bytes: int
    repairs: str = ""
    session_id: str = ""


def make_plan(order: RunOrder, kind: str, prompt_digest: str, session_id: str = "") -> Plan:
    """The plan of a new run; `session_id` is the program's own session that it goes on with."""
    limits = order.rules.limits
    return Plan(
        run_id=order.run.id,
        role=order.role,
        agent=order.run.agent,
        kind=kind,
        head=order.run.head,
        mark=secrets.token_hex(16),
        prompt_digest=prompt_digest,
        outcome_bytes=limits.outcome_bytes,
        log_bytes=limits.log_bytes,
        repairs=order.repairs,
        session_id=session_id,
    )


def save_plan(folder: RunFolder, plan: Plan) -> None:
    """Write the plan; the last thing that `prepare` does."""
    write_json(folder.plan, asdict(plan))


def load_plan(folder: RunFolder) -> Plan | None:
    """The plan of a run, or None when it was never prepared."""
    fields = load_json(folder.plan)
    if fields is None:
        return None
    words = {
        name: str(fields.get(name, ""))
        for name in ("run_id", "agent", "kind", "head", "mark", "prompt_digest", "repairs", "session_id")
    }
    return Plan(
        **words,
        role=Role(str(fields.get("role"))),
        outcome_bytes=int(str(fields.get("outcome_bytes", 0))),
        log_bytes=int(str(fields.get("log_bytes", 0))),
    )
