"""Trying an agent out without a task: its program, its login, and on request one question to its model, as a real run."""

import re
import secrets
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from dispatcher.core.faults import Fault, FaultKind
from dispatcher.core.model import LiveRun, Role
from dispatcher.core.outcomes import schema_for
from dispatcher.core.rules import AgentConfig, RepoRules
from dispatcher.ports import AgentTrial, RunOrder, RunReport
from dispatcher.runs.agents.kind import AgentKind
from dispatcher.runs.agents.registry import kind_named
from dispatcher.runs.folder import RunFolder, load_tail, write_json, write_text
from dispatcher.runs.launch import IGNORED, Launch, RunSettings, launch
from dispatcher.runs.plan import Plan, make_plan, save_plan
from dispatcher.runs.reaping import kill_leftovers
from dispatcher.runs.reports import report_of
from dispatcher.runs.sandbox.logins import has_login_file

PROMPT: Final = (
    "This is a trial of the set-up. Answer with the one word: ready. Use no tools and change nothing.\n"
)
_CREDENTIAL: Final = re.compile(r"KEY|TOKEN|OAUTH|CONFIG|CREDENTIAL|_HOME$")
_VERSION_S: Final = 20
_LIVE_S: Final = 120
_LOOK_S: Final = 0.2


def look_at_agent(config: AgentConfig, host: Mapping[str, str], *, copies_logins: bool = False) -> AgentTrial:
    """Where its program is, which version, and whether a login is handed on; nothing is asked of a model.

    `copies_logins`: its runs are in a sandbox, which gets a copy of the program's login file.
    """
    kind = kind_named(config.kind)
    program = config.argv[0] if config.argv else (kind.name if config.kind != "command" else "")
    path = shutil.which(program, path=host.get("PATH")) or ""
    return AgentTrial(
        agent=config.name,
        program=path,
        wanted=program,
        version=_version(path) if path and config.kind != "command" else "",
        login_names=_credentials(kind),
        has_login=_has_login(kind, config, host, copies_logins=copies_logins),
    )


def ask_agent(
    config: AgentConfig,
    rules: RepoRules,
    settings: RunSettings,
    host: Mapping[str, str],
    *,
    wait: Callable[[float], None] = time.sleep,
) -> AgentTrial:
    """The same, and one question as a run of its own below `settings.root`, behind the same doors as the repository's runs.

    Raises RetryLater, BadConfig.
    """
    seen = look_at_agent(config, host)
    if not seen.program:
        return seen
    folder = RunFolder(settings.root / f"trial-{secrets.token_hex(4)}")
    run = LiveRun(folder.path.name, Role.RESPONDER, config.name, "", datetime.now(UTC))
    order = RunOrder(run, rules.full_name, rules, Role.RESPONDER, {}, _LIVE_S, _LIVE_S)
    plan = _prepare(folder, order, config)
    try:
        launch(Launch(folder, plan, config, order), settings, host)
        report = report_of(folder, plan.run_id)
        while report.state == "running":
            wait(_LOOK_S)
            report = report_of(folder, plan.run_id)
        kind = kind_named(config.kind)
        said = kind.tell(kind.hints_for(config)).find_final_text(load_tail(folder.log, 100_000)).strip()
        fault = report.fault or _fault_without_answer(report, said)
        return replace(seen, answer=said, fault=fault, usage=report.usage)
    finally:
        kill_leftovers(folder, plan.mark)
        shutil.rmtree(folder.path, ignore_errors=True)


def _fault_without_answer(report: RunReport, said: str) -> Fault | None:
    """Tokens are an answer too: of some programs nobody can tell their words from the rest of what they print."""
    if report.ended_because != "exited":
        return Fault(FaultKind.SETTINGS, f"no answer: {report.ended_because} {report.detail}".strip())
    return None if said or report.usage.tokens else Fault(FaultKind.SETTINGS, "it ended without an answer")


def _prepare(folder: RunFolder, order: RunOrder, config: AgentConfig) -> Plan:
    folder.make()
    folder.checkout.mkdir(parents=True, exist_ok=True)
    subprocess.run(["git", "init", "--quiet", str(folder.checkout)], check=True, timeout=_VERSION_S)
    write_text(folder.prompt, PROMPT)
    write_json(folder.context, {"role": Role.RESPONDER.value})
    write_json(folder.schema, schema_for(Role.RESPONDER))
    write_text(folder.ignore, IGNORED)
    plan = make_plan(order, config.kind, "")
    save_plan(folder, plan)
    return plan


def _version(path: str) -> str:
    try:
        answer = subprocess.run(
            [path, "--version"],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_VERSION_S,
            check=False,
            stdin=subprocess.DEVNULL,
            cwd=Path("/"),
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return next(iter((answer.stdout or answer.stderr).strip().splitlines()), "")


def _credentials(kind: AgentKind) -> tuple[str, ...]:
    """The variables in which a login can be handed on: keys, tokens, and folders that hold one."""
    return tuple(name for name in kind.pass_env if _CREDENTIAL.search(name))


def _has_login(
    kind: AgentKind, config: AgentConfig, host: Mapping[str, str], *, copies_logins: bool
) -> bool | None:
    """Whether one of them is there, or a login file that is copied; None where nobody can know."""
    names = _credentials(kind)
    if not names:
        return None
    is_set = any(value and _CREDENTIAL.search(name) for name, value in config.env)
    is_passed = any(host.get(name) for name in (*names, *config.pass_env))
    return is_set or is_passed or (copies_logins and has_login_file(kind.logins, host))
