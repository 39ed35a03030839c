"""The ten invariants of the contract, each as a function with its number, over the world and what really ran.

They trust nobody's bookkeeping but their own: what people asked for, which processes live, what the agents said. `Watch` is
told by the ports at the moment of each write; `check` looks at the whole world after every step.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from dispatcher.core.agents import AgentHold
from dispatcher.core.causes import BlockCause, parse_why
from dispatcher.core.events import (
    AgentFaulted,
    BudgetSpent,
    ClaimRefused,
    Dispatched,
    Event,
    NothingNew,
    ReviewApproved,
    RunCancelled,
    RunDied,
    RunStalled,
    RunTimedOut,
)
from dispatcher.core.model import Ci, ItemKey, Role, Stage, Task
from dispatcher.core.money import Spent, task_budget_reached
from dispatcher.core.naming import issue_of_branch
from dispatcher.core.policy import used_since_granted
from dispatcher.core.rules import Caps, LabelNames, RepoRules
from dispatcher.ports import Decided, RunOrder
from dispatcher.simulator import model, pulls
from dispatcher.simulator.model import EventKind, ReviewState
from dispatcher.simulator.world import World
from tests.simulation.reading import ci_of, key_of, own_keys, permission_of, person_of, read_markers

NAMES = {
    1: "at most one live run per task",
    2: "never two pull requests for one issue",
    3: "a reviewer never reviews its own run's code",
    4: "merge-ready is earned",
    5: "live runs never exceed the caps",
    6: "no run inside a cooldown, no attempt for waiting",
    7: "nothing on items that nobody allowed asked for",
    8: "nothing is written twice for one cause",
    9: "everything moves or reaches a person",
    10: "our own kills count against nobody",
}

CLAIM_REFUSED_PAUSE = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Violation:
    """An invariant that did not hold, at which step."""

    number: int
    what: str
    step: int

    def __str__(self) -> str:
        return f"step {self.step}: invariant {self.number} ({NAMES[self.number]}): {self.what}"


@dataclass(slots=True)
class _Started:
    """A run as it was really started."""

    machine: str
    run_id: str
    task: ItemKey
    repo: str
    role: Role
    head: str
    is_alive: bool = True
    was_stopped: bool = False


@dataclass
class Watch:
    """What really happened, told by those to whom it happened."""

    world: World
    bot_id: int
    names: LabelNames
    rules: dict[str, RepoRules]
    caps: Caps
    step: int = 0
    asked: set[ItemKey] = field(default_factory=set)
    asked_at: dict[ItemKey, datetime] = field(default_factory=dict)
    runs: dict[str, _Started] = field(default_factory=dict)
    approvals: set[tuple[ItemKey, str]] = field(default_factory=set)
    outcomes: dict[str, Event] = field(default_factory=dict)
    green: set[str] = field(default_factory=set)
    same_patch: dict[str, str] = field(default_factory=dict)
    violations: list[Violation] = field(default_factory=list)
    person_acted_at: int = -1
    earlier: dict[tuple[str, ItemKey], "_Earlier"] = field(default_factory=dict)
    is_dirty: bool = True

    def violate(self, number: int, what: str) -> None:
        found = Violation(number, what, self.step)
        if not any(known.number == number and known.what == what for known in self.violations):
            self.violations.append(found)

    # ------------------------------------------------------------ told at the moment of a write

    def people_act(self) -> None:
        self.person_acted_at, self.is_dirty = self.step, True

    def bot_writes(self, key: ItemKey, what: str) -> None:
        self.is_dirty = True
        invariant_7(self, key, what)

    def bot_labels(self, key: ItemKey, names: list[str]) -> None:
        self.bot_writes(key, f"labels {names}")
        if self.names.merge_ready in names:
            invariant_4(self, key)

    def bot_opens(self, issue: model.Issue) -> None:
        self.is_dirty = True
        behind = issue_of_branch(pulls.pull_of(issue).head_ref)
        key = ItemKey(issue.repo_id, behind or 0)
        invariant_7(self, key, "opens a pull request")
        self.asked.add(key_of(issue))
        invariant_2(self, issue, behind)

    def run_starts(self, machine: str, run_id: str, order: RunOrder) -> None:
        task = ItemKey(self.world.repo(order.repo).id, int(run_id.split("-")[1]))
        if run_id in self.runs:
            self.violate(8, f"run {run_id} was started twice")
        self.runs[run_id] = _Started(machine, run_id, task, order.repo, order.role, order.run.head)
        self.is_dirty = True
        invariant_3(self, order)
        if task not in self.asked:
            self.violate(7, f"a {order.role} runs for {task}, and nobody allowed asked")

    def run_stopped(self, run_id: str) -> None:
        self.runs[run_id].was_stopped = True

    def run_ends(self, run_id: str) -> None:
        self.runs[run_id].is_alive = False

    def outcome(self, run_id: str, event: Event) -> None:
        self.outcomes[run_id] = event
        if isinstance(event, ReviewApproved):
            self.approvals.add((self.runs[run_id].task, event.head))

    def journal_is_lost(self, machine: str) -> None:
        """Cooldowns and counts of the machine begin anew."""
        self.earlier = {place: last for place, last in self.earlier.items() if place[0] != machine}

    def committed(self, machine: str, before: Task | None, decided: Decided) -> None:
        """A decision was stored in the journal of `machine`."""
        invariant_6(self, machine, before, decided)
        invariant_10(self, before, decided)

    def dispatched(self, decided: Decided, holds: Iterable[AgentHold]) -> None:
        """No run goes to an agent on hold, nor starts on a budget that is used up."""
        task, run = decided.task, decided.task.run
        for hold in holds:
            if run and hold.agent == run.agent and hold.holds_at(decided.at):
                self.violate(10, f"{run.id} goes to {run.agent}, which is on hold until {hold.until}")
        if task_budget_reached(Spent(task=used_since_granted(task)), task.limits):
            self.violate(10, f"{task.key} starts a run with its budget used up")

    # ------------------------------------------------------------ after every step

    def check(self) -> None:
        live = [run for run in self.runs.values() if run.is_alive]
        invariant_1(self, live)
        invariant_5(self, live)
        if self.is_dirty:
            self.is_dirty = False
            invariant_8(self)


@dataclass(slots=True)
class _Earlier:
    """The last dispatch of a task, and what became of it so far."""

    at: datetime
    since: list[Event] = field(default_factory=list)


# ---------------------------------------------------------------- the ten


def invariant_1(watch: Watch, live: list[_Started]) -> None:
    """At most one live process per task, over all machines."""
    counts = Counter(run.task for run in live)
    for task, count in counts.items():
        if count > 1:
            watch.violate(1, f"{task} has {sorted(run.run_id for run in live if run.task == task)}")


def invariant_2(watch: Watch, issue: model.Issue, behind: int | None) -> None:
    """When the bot opens a pull request, no other one of its own for that issue is open, or ended since it was asked for.

    One that a person closed or merged before does not count: whoever asks again after that wants a new one.
    """
    repo = watch.world.repos[issue.repo_id]
    asked_at = watch.asked_at.get(ItemKey(issue.repo_id, behind or 0))
    others = [
        other.number
        for other, pull in pulls.every_pull(repo)
        if other is not issue
        and other.author_id == watch.bot_id
        and issue_of_branch(pull.head_ref) == behind
        and (other.is_open or (other.closed_at and (asked_at is None or asked_at < other.closed_at)))
    ]
    if others:
        watch.violate(2, f"#{issue.number} beside {others} for issue {behind}")


def _labellings(watch: Watch, issue: model.Issue) -> list[model.Event]:
    """Each time that a person put the turn label on."""
    return [
        event
        for event in issue.events
        if event.kind is EventKind.LABELED
        and event.label is not None
        and event.label.name == watch.names.turn
        and event.actor_id != watch.bot_id
    ]


def invariant_3(watch: Watch, order: RunOrder) -> None:
    """A reviewer has a folder of its own and continues nobody's work; a repair continues a run of its own role."""
    if order.repairs:
        old = watch.runs.get(order.repairs)
        if old is None or old.role is not order.role:
            watch.violate(3, f"{order.run.id} repairs {order.repairs}, which was no {order.role}")
    if order.role is Role.REVIEWER and not order.run.head:
        watch.violate(3, f"{order.run.id} reviews no commit")


def invariant_4(watch: Watch, key: ItemKey) -> None:
    """The label goes on: this very head was approved by a reviewer run (or is its rebase, patch unchanged) and passed the
    check, CI is settled and not red, there is no conflict and no open change request by somebody with write access.

    What a person did while this very tick was under way cannot have been seen by it.
    """
    if watch.person_acted_at == watch.step:
        return
    issue = watch.world.repos[key.repo_id].issues[key.number]
    pull = pulls.pull_of(issue)
    if why := why_not_ready(watch, issue, pull):
        watch.violate(4, f"{key} at {pull.head_sha[:8]}: {why}")


def why_not_ready(watch: Watch, issue: model.Issue, pull: model.Pull) -> str:
    """What stands against merging this, by the world alone; "" if nothing does."""
    repo = watch.world.repos[issue.repo_id]
    behind = issue_of_branch(pull.head_ref) if issue.author_id == watch.bot_id else issue.number
    if not _is_approved(watch, ItemKey(issue.repo_id, behind or 0), pull.head_sha):
        return "no reviewer run approved it"
    if pull.head_sha not in watch.green:
        return "the check did not pass"
    ci = ci_of(repo, pull.head_sha)[0]
    if not ci.lets_through:
        return f"CI is {Ci(ci)}"
    if not watch.world.git.can_merge(repo.id, pull.base_sha, pull.head_sha):
        return "it conflicts with its base"
    return _open_request(watch, repo, pull)


def _is_approved(watch: Watch, task: ItemKey, head: str) -> bool:
    seen: set[str] = set()
    while head and head not in seen:
        if (task, head) in watch.approvals:
            return True
        seen.add(head)
        head = watch.same_patch.get(head, "")
    return False


def _open_request(watch: Watch, repo: model.Repo, pull: model.Pull) -> str:
    last = {
        review.author_id: review
        for review in pull.reviews
        if review.state in {ReviewState.APPROVED, ReviewState.CHANGES_REQUESTED, ReviewState.DISMISSED}
    }
    for review in last.values():
        person = person_of(watch.world, review.author_id)
        is_allowed = permission_of(watch.world, person, repo).allows_write
        if review.state is ReviewState.CHANGES_REQUESTED and review.sha == pull.head_sha and is_allowed:
            return f"@{person.login} requested changes"
    return ""


def invariant_5(watch: Watch, live: list[_Started]) -> None:
    """Processes that live, per machine: in all, per repository and per role."""
    for machine in {run.machine for run in live}:
        ours = [run for run in live if run.machine == machine]
        if len(ours) > watch.caps.live_runs:
            watch.violate(5, f"{len(ours)} runs on {machine}, cap {watch.caps.live_runs}")
        for repo, rules in watch.rules.items():
            if sum(run.repo == repo for run in ours) > rules.live_runs:
                watch.violate(5, f"more than {rules.live_runs} runs in {repo} on {machine}")
        for role, cap in watch.caps.per_role:
            if sum(str(run.role) == role for run in ours) > cap:
                watch.violate(5, f"more than {cap} {role} runs on {machine}")


def invariant_6(watch: Watch, machine: str, before: Task | None, decided: Decided) -> None:
    """Between two dispatches of which only failed attempts lie the whole cooldown passes; after a lost claim a minute.

    Only a dispatch uses up an attempt, and it uses up one.
    """
    place, event = (machine, decided.task.key), decided.event
    used = decided.task.attempts - (before.attempts if before else 0)
    if used > (1 if isinstance(event, Dispatched) else 0):
        watch.violate(6, f"{type(event).__name__} used up {used} attempts of {decided.task.key}")
    last = watch.earlier.get(place)
    if isinstance(event, Dispatched):
        if last and last.since:
            pause = decided.at - last.at
            cooldown = timedelta(seconds=decided.task.limits.redispatch_cooldown_s)
            if (
                all(isinstance(one, RunDied | RunStalled | RunTimedOut | NothingNew) for one in last.since)
                and pause < cooldown
            ):
                watch.violate(6, f"{decided.task.key} runs again after {pause}, cooldown {cooldown}")
            if all(isinstance(one, ClaimRefused) for one in last.since) and pause < CLAIM_REFUSED_PAUSE:
                watch.violate(6, f"{decided.task.key} is claimed again after {pause}")
        watch.earlier[place] = _Earlier(decided.at)
    elif last and decided.verdict == "taken":
        last.since.append(event)


def invariant_7(watch: Watch, key: ItemKey, what: str) -> None:
    """Everything that the bot writes is on an item that somebody with write access asked for, or on its pull request."""
    if key not in watch.asked:
        watch.violate(7, f"the bot {what} on {key}")


def invariant_8(watch: Watch) -> None:
    """Hidden keys are unique among all that the bot wrote; each instance has one status comment per item; what is neither
    keyed nor a status comment was not written by us.
    """
    for repo in watch.world.repos.values():
        for issue in repo.issues.values():
            _check_item(watch, issue)


def _check_item(watch: Watch, issue: model.Issue) -> None:
    bodies = [one.body for one in issue.comments if one.author_id == watch.bot_id]
    if issue.pull is not None:
        bodies += [one.body for one in issue.pull.reviews if one.author_id == watch.bot_id]
    keys: Counter[str] = Counter()
    status: Counter[str] = Counter()
    for body in bodies:
        notes = read_markers(body)
        keys.update(notes.keys)
        if notes.status_of is not None:
            status[notes.status_of] += 1
        elif not notes.keys:
            watch.violate(8, f"a comment without a cause on #{issue.number}: {body[:60]!r}")
    for what, count in (*keys.items(), *status.items()):
        if count > 1:
            watch.violate(8, f"{count} times {what} on {key_of(issue)}")


def invariant_9(watch: Watch, issue: model.Issue, tasks: list[Task]) -> None:
    """At the end, all faults off and nothing new asked for: an open item with the turn label has a task, and every task is
    a person's turn or over. `tasks` are those of all machines for the item.
    """
    key = key_of(issue)
    human = _labellings(watch, issue)
    is_labelled = watch.names.turn in {label.name for label in issue.labels.values()}
    if not (issue.is_open and is_labelled and human):
        return
    who = person_of(watch.world, human[-1].actor_id)
    is_allowed = permission_of(watch.world, who, watch.world.repos[issue.repo_id]).allows_write
    if is_allowed and all(task.stage in {Stage.NEW, Stage.DONE, Stage.DROPPED} for task in tasks):
        watch.violate(
            9, f"{key} carries the turn label by @{who.login}, and it is {[str(t.stage) for t in tasks]}"
        )


def invariant_10(watch: Watch, before: Task | None, decided: Decided) -> None:
    """A run that we stopped ends as cancelled: no attempt is used up, nothing is blocked by it."""
    event = decided.event
    run = watch.runs.get(getattr(event, "run_id", ""))
    if (
        run
        and run.was_stopped
        and isinstance(event, RunDied | RunStalled | RunTimedOut)
        and decided.verdict == "taken"
    ):
        watch.violate(10, f"{run.run_id} was stopped by us and counts as {type(event).__name__}")
    is_nobodys = isinstance(event, AgentFaulted | BudgetSpent) and decided.verdict == "taken"
    if is_nobodys and decided.task.attempts > max(0, (before.attempts if before else 0) - 1):
        watch.violate(10, f"{decided.task.key}: {type(event).__name__} counted as an attempt")
    if isinstance(event, RunCancelled) and decided.verdict == "taken":
        kept = decided.task.attempts >= (before.attempts if before else 0) > 0
        if kept or decided.task.stage is Stage.BLOCKED:
            watch.violate(10, f"{decided.task.key}: a cancelled run counted")


def blocked_cause(task: Task) -> BlockCause | None:
    return parse_why(task.blocked_why)[0]


__all__ = ["NAMES", "Violation", "Watch", "invariant_9", "own_keys"]
