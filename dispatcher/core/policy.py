"""Who may ask, who is next, and which limit says no. Every answer is a go or a named hold with its end."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from dispatcher.core.agents import AgentHold, candidates, choose_agent
from dispatcher.core.causes import BlockCause, parse_why
from dispatcher.core.events import (
    AssignedByPerson,
    CommandGiven,
    Event,
    Labelled,
    LimitReached,
    Mentioned,
    Triggered,
)
from dispatcher.core.model import Command, Hold, HoldKind, LiveRun, Permission, Person, Role, Stage, Task
from dispatcher.core.money import BudgetReached, Spent, day_budget_reached, task_budget_reached
from dispatcher.core.rules import AgentConfig, Caps, RepoRules
from dispatcher.core.usage import Usage

_LEAST_USD = 0.01
"""What a run is told that it may cost when nothing is left: 0 would mean whatever it costs."""

ROLE_OF = {
    Stage.ASKED: Role.RESPONDER,
    Stage.QUEUED: Role.WORKER,
    Stage.NEEDS_REVIEW: Role.REVIEWER,
    Stage.NEEDS_REWORK: Role.WORKER,
}
"""Which role moves a waiting task on."""


# ---------------------------------------------------------------- who may ask


def teams_of(rules: RepoRules) -> tuple[str, ...]:
    """The `@org/team` entries among those who may ask."""
    return tuple(name for name in rules.allowed_users if name.startswith("@"))


def is_named(person: Person, rules: RepoRules) -> bool:
    """Whether the configuration names this person or bot by its login."""
    login = person.login.lower().removesuffix("[bot]")
    names = rules.allowed_bots if person.is_bot else rules.allowed_users
    return login in {name.lower().removesuffix("[bot]") for name in names}


def may_ask(
    person: Person, rules: RepoRules, permission: Permission, teams: frozenset[str], bot: Person
) -> bool:
    """Whether this person may set the bot to work: listed, in a listed team, or (nobody listed) with write access.

    The bot never asks itself, and other bots only when `allowed_bots` names them, with or without GitHub's `[bot]`.
    """
    login = person.login.lower()
    if person.id == bot.id:
        return False
    if person.is_bot:
        return login.removesuffix("[bot]") in {
            name.lower().removesuffix("[bot]") for name in rules.allowed_bots
        }
    if not rules.allowed_users:
        return permission.allows_write
    listed = {name.lower() for name in rules.allowed_users}
    return login in listed or any(team.lower() in listed for team in teams)


# ---------------------------------------------------------------- who is next


@dataclass(frozen=True, slots=True)
class LiveCount:
    """One live run, as far as the caps care."""

    task: str
    repo: str
    role: Role


@dataclass(frozen=True, slots=True)
class Situation:
    """Everything outside the task that decides whether it may run now. `used_today` is by repository, `""` is the sum."""

    caps: Caps
    rules: Mapping[str, RepoRules]
    bot: Person
    live: tuple[LiveCount, ...] = ()
    in_flight: frozenset[str] = frozenset()
    dispatched_last_hour: int = 0
    last_dispatch_at: datetime | None = None
    quota: Hold | None = None
    is_draining: bool = False
    troubles: Mapping[str, str] = field(default_factory=dict)
    agents: Mapping[str, AgentConfig] = field(default_factory=dict)
    agent_holds: Mapping[str, AgentHold] = field(default_factory=dict)
    used_today: Mapping[str, Usage] = field(default_factory=dict)


def why_waiting(task: Task, situation: Situation, now: datetime) -> Hold | None:
    """The first reason why no run starts for this task now; None means go."""
    return (
        _why_stage(task, situation)
        or _why_item(task, situation, now)
        or why_no_agent(task, situation, now)
        or why_no_slot(task, situation, now)
    )


def _why_stage(task: Task, situation: Situation) -> Hold | None:
    """Reasons that lie in the stage."""
    if task.stage in {Stage.DONE, Stage.DROPPED, Stage.NEW}:
        return Hold(HoldKind.OVER, "a new label or mention")
    if any(live.task == str(task.key) for live in situation.live):
        return Hold(HoldKind.RUNNING, "the end of the run")
    if str(task.key) in situation.in_flight:
        return Hold(HoldKind.EFFECTS_PENDING, "the last decision being carried out")
    if task.has_two_stages and task.stage is not Stage.ASKED:
        return Hold(HoldKind.TWO_STAGE_LABELS, "one of the two stage labels being removed")
    if task.stage in {Stage.MERGE_READY, Stage.BLOCKED}:
        return Hold(HoldKind.PERSONS_TURN, "a person")
    if task.stage is Stage.REVIEWING and task.run is None:
        return Hold(HoldKind.WAITS_FOR_CI, "CI and mergeability being settled", task.look_again_at)
    if task.stage not in ROLE_OF:
        return Hold(HoldKind.RUNNING, "the end of the run")
    return None


def _why_item(task: Task, situation: Situation, now: datetime) -> Hold | None:
    """Reasons that lie in the item: what GitHub shows of it, and its cooldown."""
    if trouble := situation.troubles.get(task.repo):
        return Hold(HoldKind.REPO_UNUSABLE, trouble)
    if not task.is_open:
        return Hold(HoldKind.ITEM_CLOSED, "the item being reopened")
    people = [person for person in task.assignees if person.id != situation.bot.id]
    if people and task.stage is not Stage.ASKED:
        return Hold(HoldKind.ASSIGNED_TO_PERSON, f"@{people[0].login} being unassigned")
    if task.blocked_by and task.stage is Stage.QUEUED:
        return Hold(HoldKind.BLOCKED_BY_ISSUES, f"{task.blocked_by} blocking issue(s) being closed")
    if task.claimed_elsewhere_until and task.claimed_elsewhere_until > now:
        return Hold(
            HoldKind.CLAIMED_ELSEWHERE, "the other instance's claim running out", task.claimed_elsewhere_until
        )
    if task.cooldown_until and task.cooldown_until > now:
        return Hold(HoldKind.COOLDOWN, "the cooldown", task.cooldown_until)
    return None


def agents_to_try(task: Task, situation: Situation) -> tuple[str, ...]:
    """The agents that may take the task's next run, in the order in which they are tried."""
    rules, role = situation.rules.get(task.repo), ROLE_OF.get(task.stage)
    return candidates(task, role, rules, situation.agents) if rules and role else ()


def why_no_agent(task: Task, situation: Situation, now: datetime) -> Hold | None:
    """The hold that every agent for the task is on; waiting for it uses no attempt."""
    chosen = choose_agent(agents_to_try(task, situation), situation.agent_holds, now)
    return chosen if isinstance(chosen, Hold) else None


def is_blocked_for_agents(task: Task) -> bool:
    """Whether the task is a person's turn because no agent can work."""
    return task.stage is Stage.BLOCKED and parse_why(task.blocked_why)[0] is BlockCause.NO_AGENT


def says_agents_work(task: Task, event: Event) -> bool:
    """Whether a person who does this on the task takes its agents to be able to work again: they saw to the login, or want it tried."""
    if isinstance(event, CommandGiven):
        waits = task.stage in ROLE_OF and task.hold is not None and task.hold.kind is HoldKind.AGENTS_ON_HOLD
        return event.command is not Command.STOP and (waits or is_blocked_for_agents(task))
    return isinstance(event, Mentioned | Labelled | AssignedByPerson | Triggered) and is_blocked_for_agents(
        task
    )


def why_no_money(task: Task, situation: Situation, now: datetime) -> Hold | None:
    """The budget of this day that is used up, for this repository or in all."""
    used = situation.used_today
    spent = Spent(repo_today=used.get(task.repo, Usage()), today=used.get("", Usage()))
    reached = day_budget_reached(spent, situation.rules.get(task.repo), situation.caps, now)
    return hold_for_budget(reached) if reached else None


def hold_for_budget(reached: BudgetReached) -> Hold:
    """Waiting for a budget of the day."""
    return Hold(HoldKind.BUDGET, f"the next day, or a higher limit ({reached})", reached.until)


def why_no_slot(task: Task, situation: Situation, now: datetime) -> Hold | None:
    """Reasons that lie in what else is running: caps, pauses, quota. Waiting for these never uses an attempt."""
    caps, live = situation.caps, situation.live
    if situation.is_draining:
        return Hold(HoldKind.DRAINING, "the dispatcher being started again")
    if situation.quota:
        return situation.quota
    if hold := why_no_money(task, situation, now):
        return hold
    if len(live) >= caps.live_runs:
        return Hold(HoldKind.CAP, f"one of {caps.live_runs} runs ending")
    rules = situation.rules.get(task.repo)
    if rules and sum(run.repo == task.repo for run in live) >= rules.live_runs:
        return Hold(HoldKind.CAP, f"one of {rules.live_runs} runs in {task.repo} ending")
    role = ROLE_OF.get(task.stage)
    role_cap = dict(caps.per_role).get(str(role))
    if role_cap is not None and sum(run.role is role for run in live) >= role_cap:
        return Hold(HoldKind.CAP, f"one of {role_cap} {role} runs ending")
    if situation.dispatched_last_hour >= caps.runs_per_hour:
        return Hold(
            HoldKind.RUNS_PER_HOUR,
            f"fewer than {caps.runs_per_hour} runs in the last hour",
            now + timedelta(minutes=1),
        )
    pause_ends_at = (situation.last_dispatch_at or now) + timedelta(seconds=caps.batch_pause_s)
    if situation.last_dispatch_at and pause_ends_at > now:
        return Hold(HoldKind.BATCH_PAUSE, "the pause between batches", pause_ends_at)
    return None


def choose_next(ready: Iterable[Task], situation: Situation) -> Task | None:
    """The fairest of the tasks that may go: the repository with the fewest live runs, then rework and review before
    new work (finish what is begun), then who waited longest.
    """

    def rank(task: Task) -> tuple[int, int, float, str]:
        busy = sum(run.repo == task.repo for run in situation.live)
        since = task.ask.at if task.ask and task.stage is Stage.ASKED else task.step_started_at
        waited_since = since.timestamp() if since else 0.0
        return busy, 1 if task.stage is Stage.QUEUED else 0, waited_since, str(task.key)

    return min(ready, key=rank, default=None)


# ---------------------------------------------------------------- limits


def limit_reached(task: Task) -> LimitReached | None:
    """The limit that turns a waiting task into a person's turn, if one is reached."""
    limits = task.limits
    if task.same_check_failures >= limits.same_check_failures:
        return LimitReached(
            BlockCause.SAME_CHECK_FAILURE, f"the same check failure {task.same_check_failures} times"
        )
    if task.attempts >= limits.attempts:
        return LimitReached(BlockCause.ATTEMPTS, f"{task.attempts} of {limits.attempts} attempts used")
    if task.stage is Stage.NEEDS_REWORK and task.rounds >= limits.rounds:
        return LimitReached(BlockCause.ROUNDS, f"{task.rounds} of {limits.rounds} rounds used")
    if reached := task_budget_reached(Spent(task=used_since_granted(task)), limits):
        return LimitReached(BlockCause.BUDGET, str(reached))
    if task.stage is Stage.NEEDS_REWORK and not task.can_push:
        return LimitReached(BlockCause.FORK, "the branch is in a fork, where the bot cannot push")
    return None


def used_since_granted(task: Task) -> Usage:
    """What the task used since a person last asked to go on: budgets of a task count from there. Kinds of tokens are not told apart."""
    return Usage(
        output_tokens=max(0, task.tokens - task.granted_at_tokens),
        cost_usd=max(0.0, task.cost_usd - task.granted_at_usd),
    )


def usd_left(task: Task) -> float:
    """What one more run may cost by the budgets of a run and of the task, in US dollars; 0 where there is no such budget."""
    limits, spent_usd = task.limits, used_since_granted(task).cost_usd or 0.0
    left = [limits.usd_per_run] if limits.usd_per_run else []
    left += [limits.usd_per_task - spent_usd] if limits.usd_per_task else []
    return max(_LEAST_USD, min(left)) if left else 0.0


def wall_limit_s(role: Role, task: Task) -> int:
    """How long a run of this role may take."""
    limits = task.limits
    return {
        Role.WORKER: limits.worker_s,
        Role.REVIEWER: limits.reviewer_s,
        Role.RESPONDER: limits.responder_s,
    }[role]


def claim_lasts(role: Role, task: Task) -> timedelta:
    """How long a claim counts for others: never shorter than a run and its repair run may take one after the other."""
    return timedelta(seconds=max(task.limits.claim_expiry_s, 2 * wall_limit_s(role, task)))


def longest_claim(task: Task) -> timedelta:
    """How long a claim of a run of whatever role counts."""
    return max(claim_lasts(role, task) for role in Role)


def claim_covers_run(run: LiveRun, task: Task, now: datetime) -> bool:
    """Whether the claim of a run that starts now holds until its wall time is over. It was written at dispatch or later."""
    ends_at = now + timedelta(seconds=wall_limit_s(run.role, task))
    return ends_at <= run.dispatched_at + claim_lasts(run.role, task)
