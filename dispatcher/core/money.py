"""What runs may use: prices for what programs report in tokens only, and the budgets that end a run or make it wait."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from dispatcher.core.rules import AgentConfig, Caps, Limits, Price, RepoRules
from dispatcher.core.usage import Usage

_MILLION = 1_000_000


# ---------------------------------------------------------------- prices


def price_of(agent: AgentConfig, prices: Mapping[str, Price]) -> Price | None:
    """The price that the configuration names for this agent: by the agent's name, else by its model's."""
    return prices.get(agent.name) or prices.get(agent.model)


def with_cost(usage: Usage, price: Price | None) -> Usage:
    """The same usage with its cost: what the program says itself, else tokens times price, else unknown."""
    if usage.cost_usd is not None or price is None or not usage.tokens:
        return usage
    parts = (
        usage.input_tokens * price.input_usd,
        usage.cached_tokens * price.cached_usd,
        usage.output_tokens * price.output_usd,
    )
    return replace(usage, cost_usd=sum(parts) / _MILLION)


def add_up(usages: Iterable[Usage]) -> Usage:
    """The sum; its cost is unknown only where every cost is."""
    every = tuple(usages)
    costs = [usage.cost_usd for usage in every if usage.cost_usd is not None]
    return Usage(
        sum(usage.input_tokens for usage in every),
        sum(usage.cached_tokens for usage in every),
        sum(usage.output_tokens for usage in every),
        sum(costs) if costs else None,
    )


# ---------------------------------------------------------------- days


def day_began_at(now: datetime) -> datetime:
    """When the present day began: days are counted in UTC, so that they are the same everywhere."""
    return now.replace(hour=0, minute=0, second=0, microsecond=0)


def day_ends_at(now: datetime) -> datetime:
    """When the next day begins, and the budgets of this one end."""
    return day_began_at(now) + timedelta(days=1)


# ---------------------------------------------------------------- budgets


@dataclass(frozen=True, slots=True)
class Spent:
    """What counts against the budgets. `task` counts from where a person last asked to go on; each sum holds the live runs."""

    run: Usage = field(default_factory=Usage)
    task: Usage = field(default_factory=Usage)
    repo_today: Usage = field(default_factory=Usage)
    today: Usage = field(default_factory=Usage)


@dataclass(frozen=True, slots=True)
class BudgetReached:
    """One budget that is used up: the key that sets it, how much of it is used; `until` None: it does not come back by itself."""

    limit: str
    used: str
    until: datetime | None = None

    def __str__(self) -> str:
        return f"{self.limit}: {self.used} used"


def task_budget_reached(spent: Spent, limits: Limits) -> BudgetReached | None:
    """The first budget of the run or its task that is used up. A limit of 0 is none."""
    of_run = _reached("usd_per_run", "tokens_per_run", spent.run, limits.usd_per_run, limits.tokens_per_run)
    return of_run or _reached(
        "usd_per_task", "tokens_per_task", spent.task, limits.usd_per_task, limits.tokens_per_task
    )


def day_budget_reached(
    spent: Spent, rules: RepoRules | None, caps: Caps, now: datetime
) -> BudgetReached | None:
    """The first budget of this day that is used up; it comes back at the next midnight, UTC."""
    of_repo = (
        _reached("usd_per_day", "tokens_per_day", spent.repo_today, rules.usd_per_day, rules.tokens_per_day)
        if rules
        else None
    )
    if rules and of_repo:
        return replace(of_repo, limit=f"{of_repo.limit} of {rules.full_name}", until=day_ends_at(now))
    of_all = _reached("usd_per_day", "tokens_per_day", spent.today, caps.usd_per_day, caps.tokens_per_day)
    return replace(of_all, until=day_ends_at(now)) if of_all else None


def _reached(
    usd_key: str, tokens_key: str, usage: Usage, most_usd: float, most_tokens: int
) -> BudgetReached | None:
    if most_usd and (usage.cost_usd or 0.0) >= most_usd:
        return BudgetReached(usd_key, f"{render_usd(usage.cost_usd or 0.0)} of {render_usd(most_usd)}")
    if most_tokens and usage.tokens >= most_tokens:
        return BudgetReached(tokens_key, f"{usage.tokens:,} of {most_tokens:,} tokens")
    return None


def render_usd(amount: float) -> str:
    """An amount for people: two digits, four where it would read as nothing."""
    return f"${amount:.4f}" if 0 < amount < 0.005 else f"${amount:.2f}"
