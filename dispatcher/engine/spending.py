"""What runs use: noted while they go on, added up per task, and held against the budgets."""

from dataclasses import replace
from datetime import datetime

from dispatcher.core.events import BudgetSpent
from dispatcher.core.model import Task
from dispatcher.core.money import (
    Spent,
    add_up,
    day_began_at,
    day_budget_reached,
    price_of,
    task_budget_reached,
    with_cost,
)
from dispatcher.core.policy import hold_for_budget, used_since_granted
from dispatcher.core.usage import Usage
from dispatcher.engine.desk import Desk
from dispatcher.engine.ledger import with_limits
from dispatcher.ports import RunRecord, RunReport


def used_today(desk: Desk, now: datetime) -> dict[str, Usage]:
    """What was used since midnight (UTC), by repository; `""` is the sum."""
    by_repo = dict(desk.journal.sum_usage_since(day_began_at(now)))
    return {**by_repo, "": add_up(by_repo.values())}


def usage_of(desk: Desk, record: RunRecord, report: RunReport) -> Usage:
    """What the run used by its agent's own account, with a price where the agent names none."""
    agent = desk.settings.agents.get(record.run.agent)
    return with_cost(report.usage, price_of(agent, desk.settings.prices) if agent else None)


def note_usage(desk: Desk, record: RunRecord, report: RunReport) -> bool:
    """Write down what the run used up to now; whether that is news."""
    usage = usage_of(desk, record, report)
    is_news = usage not in {Usage(), record.usage} or report.prompt_digest not in {"", record.prompt_digest}
    if is_news:
        desk.journal.note_usage(record.run.id, usage, report.prompt_digest)
    return is_news


def with_spend(desk: Desk, task: Task) -> Task:
    """The task with what all its runs used, as the journal has it: adding up anew makes a repetition harmless."""
    used = desk.journal.sum_usage(task.key)
    return replace(task, cost_usd=used.cost_usd or 0.0, tokens=used.tokens)


def budget_spent(desk: Desk, record: RunRecord, task: Task, today: dict[str, Usage]) -> BudgetSpent | None:
    """The budget that a live run has used up, if it has: of the run, its task, its repository or the day."""
    usage, task = record.usage, with_limits(desk, task)
    if reached := task_budget_reached(Spent(usage, used_since_granted(task)), task.limits):
        return BudgetSpent(record.run.id, str(reached))
    repo, caps = desk.repo_of(task), desk.settings.caps
    spent = Spent(repo_today=today.get(record.repo, Usage()), today=today[""])
    came = day_budget_reached(spent, repo.rules if repo else None, caps, desk.clock.now())
    return BudgetSpent(record.run.id, str(came), hold_for_budget(came)) if came else None
