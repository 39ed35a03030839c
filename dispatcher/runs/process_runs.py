"""`ports.Runs` with real processes. Everything is found again from the run folders, so that a restart adopts what runs."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from dispatcher.core.errors import BadConfig, RetryLater
from dispatcher.core.events import Event, OutcomeMalformed
from dispatcher.core.model import Role
from dispatcher.core.outcomes import last_json_block, parse_outcome, schema_for
from dispatcher.core.rules import AgentConfig
from dispatcher.ports import RunOrder, RunReport
from dispatcher.runs.agents.registry import kind_named
from dispatcher.runs.censor import Censor
from dispatcher.runs.doors.choosing import describe_network
from dispatcher.runs.doors.doorway import ForgeReads
from dispatcher.runs.environment import check_names
from dispatcher.runs.folder import (
    RunFolder,
    UnreadableFile,
    folder_of,
    load_json,
    load_tail,
    load_untrusted_text,
    write_json,
    write_text,
)
from dispatcher.runs.launch import IGNORED, Launch, RunSettings, choose_border, launch
from dispatcher.runs.plan import Plan, load_plan, make_plan, save_plan
from dispatcher.runs.prompts import REPAIR, PromptBook
from dispatcher.runs.reaping import kill_leftovers
from dispatcher.runs.reports import report_of
from dispatcher.runs.sessions import take_session_over

_LOG_END_BYTES = 2_000_000
"""How much of a log's end is searched for a result: the largest final events seen were under 200 KB."""


@dataclass
class ProcessRuns:
    """Agent processes under supervisors that outlive the dispatcher."""

    settings: RunSettings
    agents: Mapping[str, AgentConfig]
    prompts: PromptBook
    host: Mapping[str, str] = field(default_factory=lambda: os.environ)
    forge: tuple[str, Callable[[], str]] | None = None
    """The API's address and the token, for the reads of agents whose repository allows them."""
    censor: Censor = field(default_factory=Censor)

    def folder(self, run_id: str) -> Path:
        """Where the run lives, or will live."""
        return self._at(run_id).path

    def prepare(self, order: RunOrder) -> Path:
        """Write the run's folder; returns where the checkout belongs. Raises BadConfig for an unusable prompt or agent."""
        folder = self._at(order.run.id)
        if folder.started.exists():
            return folder.checkout
        config = self._config(order.run.agent)
        folder.make()
        context = dict(order.context) | {"network": self._describe_network(order)}
        if order.repairs:
            context |= self._take_over(order, folder)
        prompt = self.prompts.render(
            REPAIR if order.repairs else order.role.value, order.role, context, folder
        )
        write_text(folder.prompt, prompt.text)
        write_json(
            folder.context,
            context
            | {"role": order.role.value, "prompt_digest": prompt.digest, "outcome_file": str(folder.outcome)},
        )
        write_json(folder.schema, schema_for(order.role))
        write_text(folder.ignore, IGNORED)
        session_id = self._take_session_over(order, folder, config) if order.repairs else ""
        save_plan(folder, make_plan(order, config.kind, prompt.digest, session_id))
        return folder.checkout

    def start(self, order: RunOrder) -> None:
        """Start the supervisor, unless this run was already started. Raises RetryLater, BadConfig."""
        folder = self._at(order.run.id)
        if self.report(order.run.id).state != "absent":
            return
        plan = load_plan(folder)
        if plan is None or not folder.checkout.is_dir():
            raise RetryLater(f"run {order.run.id} cannot start: {folder.checkout} is not there yet")
        config = replace(self._config(order.run.agent), usd_limit=order.usd_left)
        ready = Launch(folder, plan, config, order, self._forge_reads(order), self.censor.values())
        launch(ready, self.settings, self.host)

    def report(self, run_id: str) -> RunReport:
        """What became of the run."""
        folder = self._at(run_id)
        report, plan = report_of(folder, run_id), load_plan(folder)
        fault = report.fault and replace(report.fault, text=self.censor.redact(report.fault.text))
        report = replace(report, detail=self.censor.redact(report.detail), fault=fault)
        return replace(report, prompt_digest=plan.prompt_digest) if plan else report

    def load_outcome(self, run_id: str, role: Role) -> Event:
        """The outcome as an event; OutcomeMalformed when there is none that fits, OutcomeWithheld when it tells a secret."""
        return self.censor.judge(self._load_outcome(run_id, role), run_id)

    def _load_outcome(self, run_id: str, role: Role) -> Event:
        folder = self._at(run_id)
        plan = load_plan(folder)
        if plan is None:
            return OutcomeMalformed(run_id, "the run's folder is gone or was never written", is_absent=True)
        try:
            text = load_untrusted_text(folder.out, folder.outcome.name, plan.outcome_bytes)
        except UnreadableFile as error:
            return OutcomeMalformed(run_id, str(error))
        if text is not None:
            return parse_outcome(role, run_id, plan.head, text)
        printed = last_json_block(_final_text(folder, plan))
        if printed is None:
            told = "the agent wrote no out/outcome.json and printed no JSON object"
            return OutcomeMalformed(run_id, told, is_absent=True)
        said = parse_outcome(role, run_id, plan.head, printed)
        return replace(said, is_absent=True) if isinstance(said, OutcomeMalformed) else said

    def stop(self, run_id: str, why: str, *, at_once: bool = False) -> None:
        """Leave a request that the supervisor finds within a fifth of a second. Returns at once."""
        folder = self._at(run_id)
        if not folder.path.is_dir():
            return
        before = load_json(folder.stop) or {}
        write_json(
            folder.stop, {"why": before.get("why", why), "at_once": at_once or bool(before.get("at_once"))}
        )

    def reap(self, run_id: str) -> None:
        """Make sure that nothing of a lost run is left alive. Raises RetryLater when something would not die."""
        folder = self._at(run_id)
        plan = load_plan(folder)
        if plan is not None:
            kill_leftovers(folder, plan.mark)

    def known(self) -> tuple[str, ...]:
        """Ids of all run folders, sorted."""
        if not self.settings.root.is_dir():
            return ()
        return tuple(
            sorted(entry.name for entry in self.settings.root.iterdir() if RunFolder(entry).is_prepared)
        )

    def prompt_problems(self) -> tuple[str, ...]:
        """What is wrong with prompt files at present, for `status`."""
        return self.prompts.problems()

    def _at(self, run_id: str) -> RunFolder:
        return folder_of(self.settings.root, run_id)

    def _describe_network(self, order: RunOrder) -> dict[str, object]:
        sandbox = order.rules.sandbox.for_role(order.role.value)
        return describe_network(order, has_sandbox=choose_border(sandbox, self.settings) is not None)

    def _forge_reads(self, order: RunOrder) -> ForgeReads | None:
        if self.forge is None or not order.rules.forge_proxy:
            return None
        limits = order.rules.limits
        base_url, token = self.forge
        return ForgeReads(
            base_url, token(), order.repo_id, order.repo, limits.forge_reads, limits.forge_reads_per_minute
        )

    def _config(self, agent: str) -> AgentConfig:
        if agent not in self.agents:
            raise BadConfig(
                f"no agent `{agent}` is configured.",
                f"Known agents: {', '.join(sorted(self.agents)) or 'none'}.",
            )
        config = self.agents[agent]
        kind_named(config.kind)
        check_names(config)
        return config

    def _take_over(self, order: RunOrder, folder: RunFolder) -> dict[str, object]:
        """Move the broken run's checkout here; returns what the repair prompt says about it."""
        old = self._at(order.repairs)
        if self.report(order.repairs).state == "running":
            raise RetryLater(f"run {order.repairs} still runs: its checkout cannot be taken over yet")
        if old.checkout.is_dir() and not folder.checkout.exists():
            old.checkout.rename(folder.checkout)
        outcome = self.censor.redact(_old_outcome(old, load_plan(old)))
        return {"repair_error": order.repair_error, "repair_outcome": outcome}

    def _take_session_over(self, order: RunOrder, folder: RunFolder, config: AgentConfig) -> str:
        """A repair is the one run that goes on with a session: same role, same run, and it must be the same program."""
        old = self._at(order.repairs)
        plan, kind = load_plan(old), kind_named(config.kind)
        if plan is None or (plan.agent, plan.kind, plan.role) != (config.name, config.kind, order.role):
            return ""
        return take_session_over(kind, self.report(order.repairs).session_id, old, folder)


def _old_outcome(old: RunFolder, plan: Plan | None) -> str:
    try:
        return load_untrusted_text(old.out, old.outcome.name, plan.outcome_bytes if plan else 0) or ""
    except UnreadableFile:
        return ""


def _final_text(folder: RunFolder, plan: Plan) -> str:
    hints = (load_json(folder.order) or {}).get("hints")
    telling = kind_named(plan.kind).tell(hints if isinstance(hints, dict) else {})
    return telling.find_final_text(load_tail(folder.log, _LOG_END_BYTES))
