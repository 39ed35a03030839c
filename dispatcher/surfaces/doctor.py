"""`dispatcher doctor`: everything that must hold before and while it works, tried out rather than assumed."""

import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from dispatcher.config import Settings
from dispatcher.core.agents import AGENT_LABEL, with_own_table
from dispatcher.core.errors import DispatcherError, JournalUnusable, RetryLater
from dispatcher.core.faults import FaultKind
from dispatcher.core.guarding import cure_guard, describe_guard
from dispatcher.core.money import price_of, render_usd
from dispatcher.core.rules import AgentConfig, NetworkAccess, Price, SandboxKind, SandboxRules
from dispatcher.core.unboxed import ROLES, kind_for, warn_of_sandboxes
from dispatcher.ports import AgentTrial, Repo
from dispatcher.surfaces.looking import looking_into_journal
from dispatcher.surfaces.parts import KnowsLabels, OpenForge, Parts
from dispatcher.surfaces.screen import one_line, render_clock

OLDEST_GIT = (2, 38)
SKEW_S = 30
_TIMEOUT_S = 10

REPORT_NO_COST = frozenset({"codex", "copilot", "gemini"})
"""Kinds whose programs report tokens and no money."""

_CURES = {
    FaultKind.LOGIN: "Log in again, or set its key where the dispatcher runs.",
    FaultKind.QUOTA: "Wait, or name another agent behind it in [agents].",
    FaultKind.RATE_LIMIT: "Wait, or lower caps.live_runs.",
    FaultKind.OVERLOAD: "Wait: the vendor has trouble, or the network is down.",
    FaultKind.CRASH: "Start it by hand and see what it says.",
    FaultKind.SETTINGS: "Mend its table in the configuration: model, extra_args, argv.",
}
"""What to do about a fault, by its kind."""


_CURE_OPEN = 'Leave [sandbox] network = "on" out, and list what agents need in allow_hosts.'
_CURE_LOOSE = "Get a sandbox to work (see isolation), or run it on a machine that can be spared."


class Verdict(StrEnum):
    """How one finding is to be read. `BAD` needs a person; `LATER` may mend itself."""

    FINE = "fine"
    ODD = "odd"
    LATER = "later"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was tried: what was found, and what to do about it."""

    what: str
    verdict: Verdict
    found: str
    cure: str = ""


def choose_verdict(findings: Iterable[Finding]) -> Verdict:
    """The gravest of all."""
    seen = {finding.verdict for finding in findings}
    return next(grave for grave in (Verdict.BAD, Verdict.LATER, Verdict.ODD, Verdict.FINE) if grave in seen)


def render_finding(finding: Finding) -> tuple[str, ...]:
    """One line for what was found, one for the cure."""
    line = f"{finding.verdict:<5} {one_line(finding.what)}: {one_line(finding.found, 500)}"
    return (line, f"      {one_line(finding.cure, 500)}") if finding.cure else (line,)


def examine(
    parts: Parts, settings: Settings, now: Callable[[], datetime], *, live: bool = False
) -> Iterator[Finding]:
    """Try everything; local things first, because they are quick and explain the rest."""
    yield Finding(
        "configuration", Verdict.FINE, f"{settings.config_file}, repositories: {len(settings.repos)}"
    )
    yield examine_state_dir(settings)
    yield examine_git()
    yield from examine_agents(parts, settings, live=live)
    yield from examine_holds(parts, settings, now())
    yield from examine_sandbox(parts, settings)
    yield examine_isolation(parts)
    yield examine_bounds(parts)
    yield from examine_network(parts, settings)
    yield from _examine_forge(parts, settings, now)


def examine_state_dir(settings: Settings) -> Finding:
    """Write a file into the state folder."""
    folder = settings.state_dir
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as trial:
            trial.write(b"x" * 4096)
        free_mb = shutil.disk_usage(folder).free // 1_000_000
    except OSError as error:
        cure = "Make it writable for this user, or set paths.state_dir."
        return Finding("state folder", Verdict.BAD, f"{folder}: {error.strerror}", cure)
    if free_mb < 500:
        return Finding(
            "state folder",
            Verdict.ODD,
            f"{folder}: only {free_mb} MB left",
            "Make room: mirrors and runs live there.",
        )
    return Finding("state folder", Verdict.FINE, f"{folder}, writable")


def examine_git() -> Finding:
    """Ask git for its version."""
    printed = _first_line(["git", "--version"])
    found = re.search(r"(\d+)\.(\d+)", printed)
    if not found:
        return Finding("git", Verdict.BAD, "no git was found", "Install git.")
    if (int(found[1]), int(found[2])) < OLDEST_GIT:
        wanted = ".".join(map(str, OLDEST_GIT))
        return Finding("git", Verdict.BAD, printed, f"Install git {wanted} or newer.")
    return Finding("git", Verdict.FINE, printed)


def examine_agents(parts: Parts, settings: Settings, *, live: bool) -> Iterator[Finding]:
    """Try every agent that may get a run: its program, its login, and with `live` one question."""
    for name, roles in _roles_of_agents(settings).items():
        try:
            tried = parts.try_agent(settings, name, live=live)
        except DispatcherError as error:
            yield Finding(f"agent {name}", Verdict.BAD, str(error))
            continue
        yield _judge_trial(tried, roles, live=live)
        agent, has_price = settings.agents[name], tells_or_has_price(settings.agents[name], settings.prices)
        if not has_price:
            cure = f"Add [price.{name}] with input_usd, cached_usd and output_usd for a million tokens."
            found = f"a {agent.kind} reports tokens and no cost: budgets in money do not hold for it"
            yield Finding(f"price of {name}", Verdict.ODD, found, cure)


def _roles_of_agents(settings: Settings) -> dict[str, list[str]]:
    """Who is used as what; those that only a label leads to come last, without a role."""
    used: dict[str, list[str]] = {}
    for repo in settings.repos:
        for role, names in repo.agents:
            for name in names:
                used.setdefault(name, []).append(f"{role} of {repo.full_name}")
    return used | {name: [] for name in with_own_table(settings.agents) if name not in used}


def tells_or_has_price(agent: AgentConfig, prices: Mapping[str, Price]) -> bool:
    """Whether the cost of its runs can be known."""
    return agent.kind not in REPORT_NO_COST or price_of(agent, prices) is not None


def _judge_trial(tried: AgentTrial, roles: Sequence[str], *, live: bool) -> Finding:
    what = f"agent {tried.agent}"
    if not tried.program:
        return _judge_missing(tried, roles)
    found = f"{tried.program}, {tried.version}" if tried.version else tried.program
    if tried.fault:
        later = not tried.fault.needs_person
        return Finding(
            what,
            Verdict.LATER if later else Verdict.BAD,
            f"{found}: {tried.fault.text}",
            _CURES[tried.fault.kind],
        )
    if live:
        return Finding(what, Verdict.FINE, f"{found}: {_render_answer(tried)}")
    if tried.has_login is False:
        cure = f"Set one of {', '.join(tried.login_names)} where the dispatcher runs; then `dispatcher doctor --live`."
        return Finding(what, Verdict.ODD, f"{found}: no login is handed to it", cure)
    return Finding(what, Verdict.FINE, found)


def _judge_missing(tried: AgentTrial, roles: Sequence[str]) -> Finding:
    """Nobody waits for a program that only a label would start."""
    what, missing = f"agent {tried.agent}", f"`{tried.wanted}` is not installed"
    if not roles:
        cure = f"Install it, or take [agent.{tried.agent}] out of the configuration."
        found = f"{missing} (needed where the label `{AGENT_LABEL}{tried.agent}` asks for it)"
        return Finding(what, Verdict.ODD, found, cure)
    more = f" and {len(roles) - 1} more" if len(roles) > 1 else ""
    cure = f"Install it, or name another agent in [agents] or [agent.{tried.agent}] argv."
    return Finding(what, Verdict.BAD, f"{missing} (needed as {roles[0]}{more})", cure)


def _render_answer(tried: AgentTrial) -> str:
    words = f' "{one_line(tried.answer, 60)}"' if tried.answer else f" with {tried.usage.tokens:,} tokens"
    cost = f", {render_usd(tried.usage.cost_usd)}" if tried.usage.cost_usd else ""
    return f"answered{words}{cost}"


def examine_holds(parts: Parts, settings: Settings, now: datetime) -> Iterator[Finding]:
    """Agents that get no runs at present."""
    try:
        with looking_into_journal(parts, settings) as journal:
            holds = journal.load_agent_holds() if journal else ()
    except JournalUnusable:
        return  # the journal has a finding of its own
    for hold in holds:
        if hold.holds_at(now):
            until = f"until {render_clock(hold.until, now)}" if hold.until else "until a person acts"
            cure = f"{_CURES[hold.kind]} To try it now: dispatcher retry --agent {hold.agent}."
            verdict = Verdict.LATER if hold.until else Verdict.BAD
            yield Finding(f"hold of {hold.agent}", verdict, f"gets no runs {until}: {hold.why}", cure)


def examine_sandbox(parts: Parts, settings: Settings) -> Iterator[Finding]:
    """Really start a sandbox, and name who goes without one."""
    wanted = {kind_for(repo, role) for repo in settings.repos for role in ROLES}
    trouble = parts.find_sandbox_trouble()
    if trouble is None:
        yield Finding(
            "sandbox",
            Verdict.FINE,
            "bubblewrap starts here: runs and checks see nothing else of this machine",
        )
    else:
        why, cure = trouble
        verdict = Verdict.BAD if SandboxKind.BWRAP in wanted else Verdict.ODD
        yield Finding("sandbox", verdict, f"it cannot be started: {why}", cure)
    for warning in warn_of_sandboxes(settings.repos, has_sandbox=trouble is None):
        cure = 'kind = "auto" in [sandbox] takes bubblewrap where it works.'
        yield Finding("sandbox", Verdict.ODD, warning, cure)


def examine_isolation(parts: Parts) -> Finding:
    """Really start a process in a namespace of its own."""
    if parts.can_isolate():
        return Finding(
            "isolation",
            Verdict.FINE,
            "process namespaces work: a run's whole tree ends with it (files and network are not shut off)",
        )
    cure = (
        "Runs work and are cleaned up by their mark instead. To allow namespaces: "
        "sysctl kernel.apparmor_restrict_unprivileged_userns=0, or kernel.unprivileged_userns_clone=1."
    )
    return Finding("isolation", Verdict.ODD, "this machine allows no process namespaces to this user", cure)


def examine_bounds(parts: Parts) -> Finding:
    """Who bounds what a run uses: the kernel for the run as a whole, or limits on each process and a count of ours."""
    why = parts.find_group_trouble()
    if not why:
        found = "control groups (cgroup v2): the kernel bounds memory and processes of each run as a whole"
        return Finding("bounds", Verdict.FINE, found)
    found = f"resource limits on each process, and a count of the whole run every second; no control groups: {why}"
    return Finding("bounds", Verdict.FINE, found)


def examine_network(parts: Parts, settings: Settings) -> Iterator[Finding]:
    """What each role of each repository reaches, and whether anything holds it to that."""
    for repo in settings.repos:
        said: dict[tuple[Verdict, str, str], list[str]] = {}
        for role, _ in repo.agents:
            said.setdefault(_judge_network(parts, repo.sandbox.for_role(role)), []).append(role)
        for (verdict, found, cure), roles in said.items():
            who = "" if len(said) == 1 else f" ({', '.join(roles)})"
            yield Finding(f"network of {repo.full_name}{who}", verdict, found, cure)


def _judge_network(parts: Parts, rules: SandboxRules) -> tuple[Verdict, str, str]:
    is_held = parts.can_sandbox(rules.kind)
    match rules.network:
        case NetworkAccess.ON:
            return Verdict.ODD, "everything, this machine's own services included", _CURE_OPEN
        case NetworkAccess.AUTO if not is_held:
            return (
                Verdict.ODD,
                "everything: without a sandbox nothing could hold agents to a list",
                _CURE_LOOSE,
            )
        case NetworkAccess.OFF if is_held:
            return Verdict.FINE, "nothing", ""
        case NetworkAccess.OFF:
            return Verdict.BAD, 'everything: network = "off" needs a sandbox, and there is none', _CURE_LOOSE
        case _ if is_held:
            listed = ", ".join(rules.allow_hosts) or "no other host"
            return Verdict.FINE, f"the agent's models and {listed}, and no other route", ""
        case _:
            found = "the list of hosts is an offer: without a sandbox nothing holds agents to it"
            return Verdict.ODD, found, _CURE_LOOSE


def _examine_forge(parts: Parts, settings: Settings, now: Callable[[], datetime]) -> Iterator[Finding]:
    """Token, intake, repositories, labels, clock; the first that fails ends the round, because the rest hangs on it."""
    try:
        found = parts.find_credential(settings)
        yield Finding(
            "token",
            Verdict.FINE,
            f"from {found.source}, {'fine-grained' if found.is_fine_grained else 'classic'}",
        )
        with (
            closing(parts.open_journal(settings)) as journal,
            closing(parts.connect_forge(settings, journal)) as forge,
        ):
            yield Finding("journal", Verdict.FINE, str(settings.journal_path))
            yield from _examine_credential(forge)
            yield from _examine_repos(forge, settings)
            yield examine_clock(forge, now)
    except RetryLater as error:
        yield Finding("forge", Verdict.LATER, str(error), "Is the network up? Try again later.")
    except DispatcherError as error:
        yield Finding("forge", Verdict.BAD, str(error))


def _examine_credential(forge: OpenForge) -> Iterator[Finding]:
    bot = forge.fetch_identity()
    scopes = (
        "no scopes: permissions are per repository"
        if forge.scopes is None
        else f"scopes: {', '.join(forge.scopes)}"
    )
    yield Finding("bot", Verdict.FINE, f"@{bot.login}; {scopes}")
    intake = forge.choose_intake()
    yield Finding("intake", Verdict.FINE, f"{intake.kind}: {intake.why}")


def _examine_repos(forge: OpenForge, settings: Settings) -> Iterator[Finding]:
    repos, troubles = forge.fetch_repos(settings.repos)
    for trouble in troubles:
        yield Finding(trouble.full_name, Verdict.BAD, trouble.why)
    for repo in repos:
        if not repo.permission.allows_write:
            cure = "Give the bot's account write access: it pushes branches, assigns itself and sets labels."
            yield Finding(repo.full_name, Verdict.BAD, f"the bot may only {repo.permission}", cure)
            continue
        yield Finding(
            repo.full_name,
            Verdict.FINE,
            f"permission: {repo.permission}, default branch {repo.default_branch}",
        )
        yield _examine_base(forge, repo)
        yield from _examine_labels(forge, repo)


def _examine_base(forge: OpenForge, repo: Repo) -> Finding:
    """Whether anything but a person's approval stands between the bot and the base branch."""
    guard = forge.fetch_base_guard(repo)
    verdict = Verdict.FINE if guard.holds else Verdict.ODD
    cure = cure_guard(guard, repo.clone_url.removesuffix(".git"))
    return Finding(f"base of {repo.full_name}", verdict, describe_guard(guard), cure)


def _examine_labels(forge: OpenForge, repo: Repo) -> Iterator[Finding]:
    if not isinstance(forge, KnowsLabels):
        return
    what = f"labels of {repo.full_name}"
    if missing := forge.missing_labels(repo):
        yield Finding(what, Verdict.BAD, f"missing: {', '.join(missing)}", "dispatcher init creates them.")
    else:
        yield Finding(what, Verdict.FINE, "all there")


def examine_clock(forge: OpenForge, now: Callable[[], datetime]) -> Finding:
    """Compare this machine's clock with the forge's."""
    skew_s = (now() - forge.fetch_time()).total_seconds()
    if abs(skew_s) > SKEW_S:
        cure = "Set this machine's clock (NTP): claims and cursors compare times."
        return Finding("clock", Verdict.BAD, f"{skew_s:+.0f} s against the forge", cure)
    return Finding("clock", Verdict.FINE, f"within {SKEW_S} s of the forge's")


def _first_line(argv: Sequence[str]) -> str:
    try:
        answer = subprocess.run(argv, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return (answer.stdout.splitlines() or [""])[0]
