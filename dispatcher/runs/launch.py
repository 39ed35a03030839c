"""Writes the supervisor's order and starts it."""

import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from dispatcher.core.errors import RetryLater
from dispatcher.core.model import Role
from dispatcher.core.rules import AgentConfig, SandboxRules
from dispatcher.core.secrecy import know_secrets, secret_variables
from dispatcher.ports import RunOrder
from dispatcher.runs.agents.kind import AgentKind, Invocation, mentions_flag
from dispatcher.runs.agents.registry import kind_named
from dispatcher.runs.doors.choosing import choose_doorway, settle_access
from dispatcher.runs.doors.doorway import ForgeReads, OpenDoors, Outfit, dress
from dispatcher.runs.environment import AgentEnvironment, GitIdentity, build_environment
from dispatcher.runs.errand import render_words
from dispatcher.runs.folder import RunFolder, load_tail, write_json, write_text
from dispatcher.runs.plan import Plan
from dispatcher.runs.sandbox.boxing import Boxing
from dispatcher.runs.sandbox.bwrap import Program
from dispatcher.runs.sandbox.caches import make_caches
from dispatcher.runs.sandbox.choice import Box, choose_box
from dispatcher.runs.sandbox.container import Engine
from dispatcher.runs.sandbox.dressing import (
    Wearer,
    name_left_out,
    view_of_closing,
    view_of_container,
    view_of_container_closing,
    view_of_run,
    with_caches,
)
from dispatcher.runs.sandbox.grouping import Grouping, find_grouping
from dispatcher.runs.sandbox.logins import copy_logins
from dispatcher.runs.sandbox.person import home_of_person
from dispatcher.runs.sandbox.view import Bounds, Relay
from dispatcher.runs.supervisor import LOCK_IS_TAKEN

IGNORED = """\
# Never committed on an agent's behalf; the repository's own ignore files count besides.
.DS_Store
.coverage
.mypy_cache/
.pytest_cache/
.ruff_cache/
.venv/
*.orig
*.pyc
*.rej
*.swp
.aider*
__pycache__/
node_modules/
"""
"""Droppings of tools, as patterns of git."""

_CERTIFICATES = (
    "CURL_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS",
    "REQUESTS_CA_BUNDLE",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
)
_FRONT_DOOR = Path(__file__).with_name("supervise.py")
_START_S = 30

# Everything of the agent is dead by now, so a lock that is still there was left by a killed git. A repository that was cloned
# into the checkout would become a submodule, and a submodule is refused: it stays out.
_COMMIT_THE_REST = """
inside=$(git rev-parse --absolute-git-dir 2>/dev/null) || exit 0
find "$inside" -name '*.lock' -delete
find . -mindepth 2 -name .git -prune | sed -e 's,^\\.,,' -e 's,/\\.git$,/,' >> "$1"
git -c core.hooksPath=/dev/null -c core.excludesFile="$1" add -A
git diff --cached --quiet && exit 0
git -c core.hooksPath=/dev/null -c commit.gpgSign=false commit --quiet --no-verify \\
  -m 'Keep work that was not committed' -m 'The agent ended before it committed this.'
"""


@dataclass(frozen=True, slots=True)
class RunSettings:
    """How runs are made on this machine.

    `root` holds the run folders; `grace_s` passes after each signal before the next, stronger one; `isolation` is what a run without a
    sandbox gets: `auto` (a process namespace where it works) or `plain`. `private` are files and folders that no agent may see,
    `grouping` says where control groups go.
    """

    root: Path
    identity: GitIdentity
    grace_s: float = 10.0
    isolation: str = "auto"
    python: str = sys.executable
    private: tuple[Path, ...] = ()
    grouping: Callable[[], Grouping] = find_grouping

    @property
    def caches(self) -> Path:
        """One folder per repository that keeps caches."""
        return self.root.parent / "caches"


@dataclass(frozen=True, slots=True)
class Launch:
    """One run that is ready to start. `forge` is what it may read there, `secrets` are values that nothing of it may be kept of."""

    folder: RunFolder
    plan: Plan
    config: AgentConfig
    order: RunOrder
    forge: ForgeReads | None = None
    secrets: tuple[str, ...] = ()

    @property
    def sandbox(self) -> SandboxRules:
        """The rules for this run's role."""
        return self.order.rules.sandbox.for_role(self.order.role.value)


@dataclass(frozen=True, slots=True)
class Handed:
    """What a supervisor gets beside its order: secrets to keep out of the logs and the doorkeeper's words, and the doors' sockets."""

    words: bytes
    descriptors: list[int]


@dataclass(frozen=True, slots=True)
class Clad:
    """What an agent starts with: its command line, its variables, its doors."""

    invocation: Invocation
    outfit: Outfit
    doors: OpenDoors | None


def launch(ready: Launch, settings: RunSettings, host: Mapping[str, str]) -> None:
    """Start the supervisor; returns when it holds the run's lock. Raises RetryLater when it could not be started.

    The agent's variables travel as the supervisor's own environment: no value of them is ever written to a file.
    """
    folder, kind = ready.folder, kind_named(ready.config.kind)
    environment = build_environment(
        folder, ready.plan.mark, settings.identity, ready.config, kind.pass_env, host
    )
    box = choose_border(ready.sandbox, settings)
    bare = Outfit(dict(kind.env) | dict(environment.variables), ready.config)
    doorway = choose_doorway(ready.sandbox, kind, bare, ready.forge, host, has_sandbox=box is not None)
    if box:
        bare = _settle_in(bare, kind, folder, host)
    try:
        with ExitStack() as stack:
            doors = stack.enter_context(OpenDoors(doorway, folder.net)) if doorway else None
            outfit = dress(doorway, kind.vendors, bare, doors.urls if doors else {})
            invocation = kind.compose(outfit.config, folder, folder.prompt.read_text(encoding="utf-8"))
            if ready.plan.session_id:
                invocation = kind.resume(invocation, ready.plan.session_id)
            for path, text in invocation.files:
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                write_text(path, text)
            order = _render_order(ready, settings, kind, invocation, environment)
            if box:
                order |= _dress(ready, settings, box, Clad(invocation, outfit, doors), host)
            handed = _hand_over(ready, environment, doors)
            done = _start(folder, settings, order, outfit.variables, handed)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RetryLater(f"the supervisor of run {folder.path.name} could not be started: {error}") from error
    if done.returncode not in {0, LOCK_IS_TAKEN}:
        why = load_tail(folder.supervisor_log, 2000).strip()
        raise RetryLater(f"the supervisor of run {folder.path.name} ended with code {done.returncode}: {why}")


def _start(
    folder: RunFolder,
    settings: RunSettings,
    order: dict[str, object],
    variables: Mapping[str, str],
    handed: Handed,
) -> "subprocess.CompletedProcess[bytes]":
    """Write the order and run the supervisor's front half. What holds secrets travels through a pipe."""
    write_json(folder.order, order | {"door_descriptors": handed.descriptors})
    with folder.supervisor_log.open("ab") as log:
        return subprocess.run(
            [settings.python, "-I", "-S", "-E", str(_FRONT_DOOR), str(folder.order)],
            env=variables,
            input=handed.words,
            stdout=subprocess.DEVNULL,
            stderr=log,
            cwd="/",
            pass_fds=handed.descriptors,
            start_new_session=True,
            timeout=_START_S,
            check=False,
        )


def _hand_over(ready: Launch, environment: AgentEnvironment, doors: OpenDoors | None) -> Handed:
    own = {name: environment.variables[name] for name in environment.secret_names}
    known = know_secrets((*ready.secrets, *secret_variables(own)))
    words = render_words(known.spellings, doors.render_order(ready.folder.net_log) if doors else b"")
    return Handed(words, [one.fileno() for one in doors.listeners.values()] if doors else [])


def choose_border(rules: SandboxRules, settings: RunSettings) -> Box | None:
    """The sandbox that a run gets here; None means none. Raises BadConfig when the one that is asked for does not work."""
    return choose_box(rules) if settings.isolation != "plain" else None


def can_isolate(python: str = sys.executable) -> bool:
    """Whether agents get a process namespace of their own on this machine: tries it, which takes about 30 ms."""
    probe = [python, "-I", "-S", "-E", str(_FRONT_DOOR), "--probe"]
    return (
        subprocess.run(
            probe, env={}, stdin=subprocess.DEVNULL, capture_output=True, timeout=_START_S, check=False
        ).returncode
        == 0
    )


def _render_order(
    ready: Launch,
    settings: RunSettings,
    kind: AgentKind,
    invocation: Invocation,
    environment: AgentEnvironment,
) -> dict[str, object]:
    folder, plan = ready.folder, ready.plan
    return {
        "run_id": plan.run_id,
        "mark": plan.mark,
        "prompt_digest": plan.prompt_digest,
        "argv": list(invocation.argv),
        "stdin": str(invocation.stdin or "/dev/null"),
        "closing_argv": _closing_argv(ready),
        "secret_names": list(environment.secret_names),
        "stop_signals": list(kind.stop_signals),
        "isolation": settings.isolation,
        "wall_s": ready.order.wall_s,
        "silence_s": ready.order.silence_s,
        "grace_s": settings.grace_s,
        "log_bytes": plan.log_bytes,
        "memory_bytes": ready.order.rules.limits.memory_bytes,
        "file_bytes": ready.order.rules.limits.file_bytes,
        "processes": ready.order.rules.limits.processes,
        "disk_bytes": ready.order.rules.limits.disk_bytes,
        "group": settings.grouping().group_of(plan.run_id),
        "kill_argv": [],
        "checkout": str(folder.checkout),
        "lock": str(folder.lock),
        "started": str(folder.started),
        "exit": str(folder.exit),
        "stop": str(folder.stop),
        "progress": str(folder.progress),
        "log": str(folder.log),
        "events": str(folder.events),
        "told": str(folder.told),
        "home": str(folder.home),
        "tmp": str(folder.tmp),
        "kind_module": type(kind).__module__,
        "hints": kind.hints_for(ready.config),
        "out": str(folder.out),
    }


def _dress(
    ready: Launch, settings: RunSettings, box: Box, clad: Clad, host: Mapping[str, str]
) -> dict[str, object]:
    """What the order says otherwise when the run gets a sandbox: both command lines, inside of it."""
    folder = ready.folder
    folder.net.chmod(0o755)
    for path in filter(Path.exists, (folder.prompt, folder.context, folder.schema)):
        path.chmod(0o644)  # the folder above keeps everybody else out; the agent may be another user
    limits, closing = ready.order.rules.limits, tuple(_closing_argv(ready))
    bounds = Bounds(limits.memory_bytes, limits.processes, limits.file_bytes, int(ready.order.wall_s))
    relays = tuple(Relay(port, path) for port, path in clad.doors.relays) if clad.doors else ()
    wearer = _wearer(ready, clad)
    private = (settings.root, *settings.private)
    home = home_of_person(host)
    caches = make_caches(ready.sandbox.caches, settings.caches, ready.order.rules.full_name, host)
    boxing = Boxing(box, folder.path.name, tuple(clad.outfit.variables), caches.owner)
    shared = ready.order.shared
    if isinstance(box, Engine):
        view, left_out = with_caches(view_of_container(wearer), caches), ""
        closed_view = view_of_container_closing(folder, shared)
    else:
        view = with_caches(view_of_run(wearer, private, home), caches)
        left_out = name_left_out(wearer, (*private, home))
        closed_view = view_of_closing(folder, shared)
    agent = Program(clad.invocation.argv, bounds, relays, is_supervised=True)
    return {
        "argv": list(boxing.compose(view, agent)),
        "closing_argv": list(boxing.compose(closed_view, replace(agent, argv=closing, relays=())))
        if closing
        else [],
        "isolation": boxing.isolation,
        "left_out": left_out,
        **({"group": ""} if isinstance(box, Engine) else {}),  # the engine makes one of its own
        "kill_argv": list(boxing.removal),
    }


def _wearer(ready: Launch, clad: Clad) -> Wearer:
    rules = replace(ready.sandbox, network=settle_access(ready.sandbox.network, has_sandbox=True))
    config = ready.config
    named = (*kind_named(config.kind).pass_env, *config.pass_env, *dict(config.env), *_CERTIFICATES)
    outfit, argv = clad.outfit, clad.invocation.argv
    return Wearer(ready.folder, outfit.config, argv, rules, ready.order.shared, outfit.variables, named)


def _settle_in(bare: Outfit, kind: AgentKind, folder: RunFolder, host: Mapping[str, str]) -> Outfit:
    """What is different for an agent in a sandbox: its login is a copy, its own sandbox would be a second one."""
    changed = copy_logins(kind.logins, folder.home, host, bare.variables)
    config = bare.config
    if kind.boxed_args and not mentions_flag(
        config, kind.boxed_args[0], "-s", "--dangerously-bypass-approvals-and-sandbox"
    ):
        config = replace(config, extra_args=(*kind.boxed_args, *config.extra_args))
    return replace(bare, variables={**bare.variables, **changed}, config=config)


def _closing_argv(ready: Launch) -> list[str]:
    if ready.plan.role is not Role.WORKER:
        return []  # nothing of a reviewer's or a responder's checkout is ever kept
    return ["/bin/sh", "-c", _COMMIT_THE_REST, "commit-the-rest", str(ready.folder.ignore)]
