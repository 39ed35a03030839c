"""From the file's shape to the values that the program uses, and the checks that need more than one key."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import TypeVar
from urllib.parse import urlsplit

from dispatcher.config.document import Document
from dispatcher.config.places import choose_state_dir, resolve
from dispatcher.config.problems import Problem, nearest, table_name
from dispatcher.config.settings import Settings, TokenSource
from dispatcher.config.shape import (
    AgentsTable,
    AgentTable,
    AgentTextTable,
    FileShape,
    HarvestTable,
    HousekeepingTable,
    LabelsTable,
    LimitsTable,
    RepoTable,
    RoleName,
    SandboxTable,
    Table,
    kind_of,
)
from dispatcher.core.housekeeping import DAY_S, KeepRules
from dispatcher.core.rules import (
    AGENT_KINDS,
    AgentConfig,
    AgentText,
    CacheSharing,
    Caps,
    EventFormat,
    HarvestLimits,
    LabelNames,
    Limits,
    NetworkAccess,
    Price,
    PromptDelivery,
    RepoRules,
    RoleSandbox,
    SandboxKind,
    SandboxRules,
    StreamRules,
)

T = TypeVar("T", bound=Table)
_SELF_SUFFICIENT = frozenset(AGENT_KINDS) - {"command"}


def find_conflicts(document: Document, shape: FileShape) -> Iterator[Problem]:
    """What is wrong between keys that are each right by themselves."""
    yield from _repos_twice(document, shape)
    yield from _agents_without_program(document, shape)
    yield from _agents_unknown(document, ("agents",), shape.agents, shape)
    yield from _labels_twice(document, ("labels",), shape.labels)
    for name, repo in shape.repo.items():
        yield from _agents_unknown(document, ("repo", name, "agents"), repo.agents, shape)
        if repo.labels.model_fields_set:
            yield from _labels_twice(document, ("repo", name, "labels"), overlay(shape.labels, repo.labels))


def build_settings(document: Document, shape: FileShape, environ: Mapping[str, str]) -> Settings:
    """The values. The shape has passed every check."""
    base = document.file.absolute().parent
    token_file = environ.get("DISPATCHER_TOKEN_FILE") or shape.forge.token_file
    return Settings(
        config_file=document.file.absolute(),
        state_dir=choose_state_dir(shape.paths.state_dir, base, environ),
        prompts_dir=resolve(shape.paths.prompts_dir, base) if shape.paths.prompts_dir else None,
        repos=tuple(_build_repo(name, table, shape) for name, table in shape.repo.items()),
        agents=MappingProxyType(
            {name: _build_agent(name, table) for name, table in agent_tables(shape).items()}
        ),
        prices=MappingProxyType(
            {
                name: Price(table.input_usd, table.cached_usd, table.output_usd)
                for name, table in shape.price.items()
            }
        ),
        caps=_build_caps(shape),
        keep=_build_keep(shape.housekeeping),
        base_url=shape.forge.base_url,
        bot_login=shape.forge.bot_login,
        token=TokenSource(resolve(token_file, base) if token_file else None, shape.forge.use_gh),
        timeout_s=shape.forge.timeout_s,
        write_pause_s=shape.forge.write_pause_s,
        poll_interval_s=shape.poll_interval_s,
        list_poll_interval_s=shape.list_poll_interval_s,
        sweep_s=shape.sweep_s,
        log_level=shape.log_level,
    )


def agent_tables(shape: FileShape) -> dict[str, AgentTable]:
    """The agents by name: those of the file, and one for every kind that needs no words."""
    return {name: AgentTable() for name in sorted(_SELF_SUFFICIENT)} | shape.agent


def overlay(below: T, above: T) -> T:
    """The keys that `above` really says, on top of `below`, table by table."""
    said: dict[str, object] = {}
    for key in above.model_fields_set:
        value, under = getattr(above, key), getattr(below, key)
        said[key] = overlay(under, value) if isinstance(value, Table) and isinstance(under, Table) else value
    return below.model_copy(update=said)


def _build_repo(name: str, table: RepoTable, shape: FileShape) -> RepoRules:
    roles = overlay(shape.agents, table.agents)
    return RepoRules(
        id_name=name,
        owner=table.owner,
        name=table.name,
        allowed_users=tuple(table.allowed_users),
        allowed_bots=tuple(table.allowed_bots),
        reviewers=tuple(table.reviewers),
        require_protected_base=table.require_protected_base,
        base=table.base,
        check=() if table.check == ["off"] else tuple(table.check),
        check_is_off=table.check == ["off"],
        protected_paths=tuple(table.protected_paths),
        ci_paths=tuple(table.ci_paths),
        instruction_files=tuple(table.instruction_files),
        harvest=_build_harvest(overlay(shape.harvest, table.harvest)),
        agent_text=_build_agent_text(overlay(shape.agent_text, table.agent_text), shape.forge.base_url),
        trigger_regex=table.trigger_regex,
        agents=tuple((role, tuple(names)) for role, names in _roles(roles)),
        labels=_build_labels(overlay(shape.labels, table.labels)),
        limits=_build_limits(overlay(shape.limits, table.limits)),
        sandbox=_build_sandbox(overlay(shape.sandbox, table.sandbox)),
        forge_proxy=table.forge_proxy,
        live_runs=table.live_runs,
        usd_per_day=table.usd_per_day,
        tokens_per_day=table.tokens_per_day,
    )


def _build_agent(name: str, table: AgentTable) -> AgentConfig:
    return AgentConfig(
        name=name,
        kind=kind_of(name, table),
        argv=tuple(table.argv),
        prompt=PromptDelivery(table.prompt),
        model=table.model,
        env=tuple(sorted(table.env.items())),
        pass_env=tuple(table.pass_env),
        extra_args=tuple(table.extra_args),
        vendor=table.vendor,
        stream=StreamRules(
            EventFormat(table.events),
            tuple(sorted(table.event_fields.items())),
            tuple(sorted(table.event_faults.items())),
            table.event_numbers == "each",
        ),
    )


def _build_caps(shape: FileShape) -> Caps:
    caps = shape.caps
    return Caps(
        live_runs=caps.live_runs,
        runs_per_hour=caps.runs_per_hour,
        batch_pause_s=caps.batch_pause_s,
        per_role=tuple(sorted(caps.per_role.items())),
        usd_per_day=caps.usd_per_day,
        tokens_per_day=caps.tokens_per_day,
    )


def _build_keep(table: HousekeepingTable) -> KeepRules:
    return KeepRules(
        runs_s=table.keep_runs_days * DAY_S,
        runs_bytes=table.max_runs_gb * 1_000_000_000,
        decisions_s=table.keep_decisions_days * DAY_S,
    )


def _build_limits(table: LimitsTable) -> Limits:
    return Limits(
        attempts=table.attempts,
        rounds=table.rounds,
        worker_s=table.worker_minutes * 60,
        reviewer_s=table.reviewer_minutes * 60,
        responder_s=table.responder_minutes * 60,
        silence_s=table.silence_minutes * 60,
        check_s=table.check_minutes * 60,
        log_bytes=table.log_megabytes * 1_000_000,
        outcome_bytes=table.outcome_kilobytes * 1_000,
        redispatch_cooldown_s=table.redispatch_cooldown_minutes * 60,
        same_check_failures=table.same_check_failures,
        ci_wait_s=table.ci_wait_minutes * 60,
        claim_expiry_s=table.claim_expiry_minutes * 60,
        memory_bytes=table.memory_megabytes * 1_000_000,
        processes=table.processes,
        file_bytes=table.file_megabytes * 1_000_000,
        disk_bytes=table.disk_megabytes * 1_000_000,
        usd_per_run=table.usd_per_run,
        tokens_per_run=table.tokens_per_run,
        usd_per_task=table.usd_per_task,
        tokens_per_task=table.tokens_per_task,
        forge_reads=table.forge_reads,
        forge_reads_per_minute=table.forge_reads_per_minute,
    )


def _build_harvest(table: HarvestTable) -> HarvestLimits:
    return HarvestLimits(
        commits=table.commits,
        files=table.files,
        file_bytes=table.file_kilobytes * 1_000,
        total_bytes=table.total_kilobytes * 1_000,
        pack_bytes=table.pack_kilobytes * 1_000,
    )


def _build_sandbox(table: SandboxTable) -> SandboxRules:
    roles = sorted({*table.kind_by_role, *table.network_by_role})
    return SandboxRules(
        kind=SandboxKind(table.kind),
        network=NetworkAccess(table.network),
        allow_hosts=tuple(table.allow_hosts),
        keys_outside=table.keys_outside,
        check_network=NetworkAccess(table.check_network),
        container_image=table.container_image,
        caches=CacheSharing(table.caches),
        readable=tuple(table.readable),
        roles=tuple((role, _build_role_sandbox(table, role)) for role in roles),
    )


def _build_role_sandbox(table: SandboxTable, role: RoleName) -> RoleSandbox:
    kind, network = table.kind_by_role.get(role), table.network_by_role.get(role)
    return RoleSandbox(SandboxKind(kind) if kind else None, NetworkAccess(network) if network else None)


def _build_agent_text(table: AgentTextTable, base_url: str) -> AgentText:
    """The forge's own host is none outside."""
    api = urlsplit(base_url).hostname or ""
    own = "github.com" if api == "api.github.com" else api
    return AgentText(table.mentions, table.references, (own, *table.links))


def _build_labels(table: LabelsTable) -> LabelNames:
    colours = table.colours
    names = LabelNames(
        table.turn, table.needs_review, table.needs_rework, table.merge_ready, table.needs_human
    )
    return replace(
        names, colours=tuple((name, getattr(colours, name)) for name in type(colours).model_fields)
    )


def _roles(table: AgentsTable) -> tuple[tuple[str, list[str]], ...]:
    return (("worker", table.worker), ("reviewer", table.reviewer), ("responder", table.responder))


def _repos_twice(document: Document, shape: FileShape) -> Iterator[Problem]:
    if not shape.repo:
        yield Problem(
            ("repo",), 'no repository is named; add [repo.shop] with owner = "acme" and name = "shop"'
        )
    seen: dict[str, str] = {}
    for name, repo in shape.repo.items():
        full_name = f"{repo.owner}/{repo.name}"
        first = seen.setdefault(full_name.casefold(), name)
        if first != name:
            here, there = table_name(document, ("repo", name)), table_name(document, ("repo", first))
            yield Problem(
                ("repo", name), f"{here} names {full_name}, as {there} does already; keep one of them"
            )


def _agents_without_program(document: Document, shape: FileShape) -> Iterator[Problem]:
    for name, table in shape.agent.items():
        if kind_of(name, table) == "command" and not table.argv:
            here = table_name(document, ("agent", name))
            yield Problem(
                ("agent", name),
                f'{here} is a `command` without argv; add argv = ["my-agent"] or another kind',
            )


def _agents_unknown(
    document: Document, keys: tuple[str, ...], roles: AgentsTable, shape: FileShape
) -> Iterator[Problem]:
    known = agent_tables(shape)
    for role, names in _roles(roles):
        for name in names:
            if role in roles.model_fields_set and name not in known:
                near = nearest(name, known)
                cure = (
                    f'; did you mean "{near}"?'
                    if near
                    else f"; add [agent.{name}], or use {', '.join(known)}"
                )
                text = (
                    f'{table_name(document, keys)} {role} names the agent "{name}", but there is none{cure}'
                )
                yield Problem((*keys, role), text)


def _labels_twice(document: Document, keys: tuple[str, ...], labels: LabelsTable) -> Iterator[Problem]:
    seen: dict[str, str] = {}
    for field in ("turn", "needs_review", "needs_rework", "merge_ready", "needs_human"):
        label: str = getattr(labels, field)
        first = seen.setdefault(label.casefold(), field)
        if first != field:
            text = f'{table_name(document, keys)} {field} = "{label}", but it must differ from {first}'
            yield Problem((*keys, field), text)
