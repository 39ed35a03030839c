"""A laboratory for the real agent programs: the real dispatcher, a GitHub in a box, a stand-in for the model's server."""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from dispatcher.config.settings import Settings
from dispatcher.core.model import Stage
from dispatcher.core.rules import AgentConfig, Limits, NetworkAccess, SandboxRules
from dispatcher.ports import RunReport
from dispatcher.runs import proctree
from dispatcher.runs.folder import RunFolder
from dispatcher.runs.plan import load_plan
from tests.story.office import Office
from tests.support.model_server import ModelServer

INSTALLED = Path(__file__).parents[2] / ".agents"
"""Where `make test-agents` puts the programs."""

KEY = "key-of-the-stand-in-0417"
"""What opens the stand-in for the vendors' servers."""

PATIENCE_S = 400.0  # four runs of a program that takes a minute to start on a busy machine


@dataclass(frozen=True, slots=True)
class Program:
    """One agent program: where it comes from, what starts it, and how it is led to the stand-in."""

    kind: str
    source: str
    packages: tuple[str, ...]
    binary: str
    env: Callable[[str], dict[str, str]]
    extra_args: Callable[[str], tuple[str, ...]] = lambda _url: ()
    model: str = ""
    narrowing: Callable[[AgentConfig], AgentConfig] | None = None
    """A configuration whose permissions are too narrow for the work; None where the program has none."""
    is_narrow: bool = False
    loops: bool = True
    """Whether a model can keep it at work for ever; one without tools is over after some answers."""

    @property
    def can_deny(self) -> bool:
        """Whether its permissions can be too narrow."""
        return self.narrowing is not None

    def denied(self) -> "Program":
        """The same program, configured too narrowly."""
        return replace(self, is_narrow=True)

    @property
    def path(self) -> Path:
        """The installed program."""
        return INSTALLED / self.kind / self.binary

    def config(self, url: str) -> AgentConfig:
        """The agent as a person would configure it, with the model's server at `url`."""
        env = tuple(sorted(self.env(url).items()))
        config = AgentConfig(
            self.kind,
            self.kind,
            (str(self.path),),
            model=self.model,
            env=env,
            extra_args=self.extra_args(url),
        )
        return self.narrowing(config) if self.narrowing and self.is_narrow else config


def _with_arguments(*arguments: str) -> Callable[[AgentConfig], AgentConfig]:
    return lambda config: replace(config, extra_args=(*config.extra_args, *arguments))


def _with_variable(name: str, value: str) -> Callable[[AgentConfig], AgentConfig]:
    return lambda config: replace(config, env=(*config.env, (name, value)))


def _few_retries(_url: str) -> tuple[str, ...]:
    """Of the provider that the dispatcher names: a refusal shall not take minutes."""
    ours = "model_providers.dispatcher"
    return ("-c", f"{ours}.request_max_retries=1", "-c", f"{ours}.stream_max_retries=1")


def _opencode_config(url: str) -> str:
    model = {"name": "standin", "cost": {"input": 1, "output": 2, "cache_read": 0.1}}
    provider = {"options": {"baseURL": f"{url}/v1"}, "models": {"standin": model}}
    return json.dumps({"small_model": "openai/standin", "provider": {"openai": provider}})


PROGRAMS = {
    program.kind: program
    for program in (
        Program(
            "claude",
            "npm",
            ("@anthropic-ai/claude-code@2.1.197",),
            "node_modules/.bin/claude",
            lambda url: {
                "ANTHROPIC_BASE_URL": url,
                "ANTHROPIC_API_KEY": KEY,
                "CLAUDE_CODE_MAX_RETRIES": "1",
            },
            narrowing=_with_arguments("--permission-mode", "default"),
        ),
        Program(
            "codex",
            "npm",
            ("@openai/codex@0.169.0",),
            "node_modules/.bin/codex",
            lambda url: {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": f"{url}/v1"},
            _few_retries,
            narrowing=_with_arguments("--sandbox", "read-only"),
        ),
        Program(
            "opencode",
            "npm",
            ("opencode-ai@1.18.33",),
            "node_modules/.bin/opencode",
            lambda url: {
                "OPENAI_API_KEY": KEY,
                "OPENCODE_CONFIG_CONTENT": _opencode_config(url),
                "OPENCODE_DISABLE_MODELS_FETCH": "1",
            },
            model="openai/standin",
            narrowing=_with_variable("OPENCODE_PERMISSION", '{"bash": "deny"}'),
        ),
        Program(
            "copilot",
            "npm",
            ("@github/copilot@1.0.102",),
            "node_modules/.bin/copilot",
            lambda url: {
                "COPILOT_PROVIDER_BASE_URL": f"{url}/v1",
                "COPILOT_PROVIDER_API_KEY": KEY,
                "COPILOT_OFFLINE": "true",
            },
            model="standin",
            narrowing=_with_arguments("--deny-tool=shell"),
        ),
        Program(
            "gemini",
            "npm",
            ("@google/gemini-cli@0.61.0",),
            "node_modules/.bin/gemini",
            lambda url: {"GOOGLE_GEMINI_BASE_URL": url, "GEMINI_API_KEY": KEY},
            model="gemini-2.5-pro",
            narrowing=_with_arguments("--approval-mode", "default"),
        ),
        Program(
            "aider",
            "pypi",
            ("aider-chat==0.86.2",),
            "bin/aider",
            lambda url: {"OPENAI_API_BASE": f"{url}/v1", "OPENAI_API_KEY": KEY},
            model="openai/standin",
            loops=False,
        ),
        Program(
            "mini-swe-agent",
            "pypi",
            ("mini-swe-agent==2.4.6", "mcp==2.3.0"),
            "bin/mini-swe-agent",
            lambda url: {
                "OPENAI_API_BASE": f"{url}/v1",
                "OPENAI_API_KEY": KEY,
                "MSWEA_MODEL_RETRY_STOP_AFTER_ATTEMPT": "2",
            },
            model="openai/standin",
        ),
    )
}
"""Every program that is tried, with its exact version."""


def installed() -> list[Program]:
    """The programs that are there."""
    return [program for program in PROGRAMS.values() if program.path.exists()]


@dataclass
class Lab(Office):
    """An office in which every role is one real program."""

    agents: dict[str, AgentConfig] = field(default_factory=dict)

    @property
    def settings(self) -> Settings:
        base = super().settings
        return replace(base, agents={**base.agents, **self.agents})

    def works_until(self, done: Callable[[], object], patience_s: float = PATIENCE_S) -> None:
        """Tick until something holds; real programs take seconds."""
        deadline = time.monotonic() + patience_s
        while not done():
            assert time.monotonic() < deadline, self.why_not_settled() + self.last_words()
            self.tick()
            time.sleep(0.02)
            self.clock.wait(0.05)

    def finishes(self, number: int) -> Stage:
        """Wait until the task is a person's turn; returns its stage."""
        mine = {Stage.MERGE_READY, Stage.BLOCKED, Stage.DONE, Stage.DROPPED}
        self.works_until(lambda: self.has_task(number) and self.stage(number) in mine and not self.is_busy())
        return self.stage(number)

    def publishes(self, number: int) -> int:
        """Wait until there is a pull request, or it is a person's turn; returns its number, 0 for none."""
        self.works_until(
            lambda: self.has_task(number) and (self.task(number).pull or self.stage(number) is Stage.BLOCKED)
        )
        return self.task(number).pull or 0

    def fails(self, number: int) -> str:
        """Wait until a run ended without an outcome; returns what `explain` says then."""
        self.works_until(
            lambda: (
                self.run_ids()
                and self.reports()[0].state == "ended"
                and self.has_task(number)
                and self.task(number).run is None
                and not self.is_busy()
            )
        )
        return self.explained(number)

    def reports(self) -> list[RunReport]:
        """What became of every run, in order."""
        return [self.engine.desk.runs.report(run) for run in self.run_ids()]

    def leftovers(self) -> list[proctree.Process]:
        """Everything alive that any run of this office started."""
        plans = [load_plan(RunFolder(self.engine.desk.runs.folder(run))) for run in self.run_ids()]
        return [process for plan in plans if plan for process in proctree.find_marked(plan.mark)]

    @property
    def called(self) -> set[str]:
        """Whom the program called besides its model: telemetry, updates, lists of prices."""
        logs = [RunFolder(self.engine.desk.runs.folder(run)).net_log for run in self.run_ids()]
        lines = [line.split() for log in logs if log.exists() for line in log.read_text().splitlines()]
        return {words[3].rstrip(":") for words in lines if words[1] == "egress"}

    @property
    def program_loops(self) -> bool:
        """Whether a model can keep the program at work for ever."""
        return all(PROGRAMS[name].loops for name in self.agents)

    @property
    def keys_are_outside(self) -> bool:
        """Whether every run asked its models through the door that has the key."""
        logs = [RunFolder(self.engine.desk.runs.folder(run)).net_log for run in self.run_ids()]
        begun = [log.read_text() for log in logs if log.exists()]
        return any(begun) and all(" model " in text for text in begun if text)

    def last_words(self) -> str:
        """The ends of the runs' logs, for a test that fails."""
        folders = [RunFolder(self.engine.desk.runs.folder(run)) for run in self.run_ids()]
        logs = [folder.log for folder in folders if folder.log.exists()]
        return "".join(f"\n--- {log.parent.name}\n{log.read_text(errors='replace')[-3000:]}" for log in logs)


@contextmanager
def lab(root: Path, program: Program, model: ModelServer, limits: Limits | None = None) -> Iterator[Lab]:
    """A laboratory with one program in every role, in the sandbox where there can be one."""
    roles = dict.fromkeys(("worker", "reviewer", "responder"), program.kind)
    check = (sys.executable, "-B", "-c", "import shop")
    # What stands in for the vendor is a service of this machine: listed, so that a sandbox lets the program to it.
    listed = (model.url.removeprefix("http://"),)
    made = Lab(
        root,
        check=check,
        agent_of=roles,
        rules={"sandbox": SandboxRules(network=NetworkAccess.ALLOW_LIST, allow_hosts=listed)},
        agents={program.kind: program.config(model.url)},
        limits=limits or Limits(redispatch_cooldown_s=60),
    )
    made.open()
    try:
        yield made
    finally:
        made.close()


def as_host() -> dict[str, str]:
    """What of this machine's environment the programs need to be found."""
    return {"PATH": os.environ["PATH"]}
