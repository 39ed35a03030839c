"""The configuration file's tables and keys: names, defaults, bounds, and the sentence that documents each key.

The numbers come from `core.rules` (spec section 8), turned into the unit that the key's name carries.
"""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from dispatcher.config.fields import (
    AgentKind,
    AgentNames,
    BaseUrl,
    Colour,
    CommandLine,
    Count,
    CountOrNone,
    EnvName,
    FaultName,
    Globs,
    Hosts,
    Label,
    LinkHosts,
    Logins,
    Owner,
    PathList,
    PathText,
    Regex,
    RepoName,
    Tokens,
    ToldField,
    Usd,
    Vendor,
    group_count,
    refuse,
)
from dispatcher.core.housekeeping import DAY_S, KeepRules
from dispatcher.core.rules import (
    AGENT_KINDS,
    CI_PATHS,
    INSTRUCTION_FILES,
    AgentText,
    Caps,
    HarvestLimits,
    LabelNames,
    Limits,
    RepoRules,
)

_LIMITS, _CAPS, _LABELS = Limits(), Caps(), LabelNames()
_KEEP, _HARVEST, _TEXT = KeepRules(), HarvestLimits(), AgentText()
_RULES = RepoRules("", "", "")
_COLOURS = dict(_LABELS.colours)
RoleName = Literal["worker", "reviewer", "responder"]


class Table(BaseModel):
    """What all tables share: exact types, no unknown keys."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


class ForgeTable(Table):
    """How the forge is reached, and as whom."""

    base_url: BaseUrl = Field(
        "https://api.github.com",
        description="Address of the API; for GitHub Enterprise Server https://HOST/api/v3.",
    )
    bot_login: str = Field(
        "", description='The bot\'s login; "" means: the account that the token belongs to.'
    )
    token_file: PathText = Field(
        "",
        description='File that holds the token; "" means none. The environment (DISPATCHER_GITHUB_TOKEN, GITHUB_TOKEN) '
        "is asked first.",
    )
    use_gh: bool = Field(True, description="Whether to ask `gh auth token` when nothing else has a token.")  # noqa: FBT003 - pydantic's first argument is the default
    timeout_s: float = Field(30.0, gt=0, le=600, description="Patience for one request, in seconds.")
    write_pause_s: float = Field(1.0, ge=0, le=60, description="Least time between two writes, in seconds.")


class PathsTable(Table):
    """Where things are on this machine. A relative path starts at the configuration file's folder."""

    state_dir: PathText = Field(
        "", description='Folder of the journal, runs and mirrors; "" means the platform\'s state folder.'
    )
    prompts_dir: PathText = Field(
        "", description='Folder with your own prompt files; "" means those that ship with the program.'
    )


class CapsTable(Table):
    """What may run at once, and how fast, over all repositories."""

    live_runs: Count = Field(_CAPS.live_runs, description="Live runs at once.")
    runs_per_hour: Count = Field(_CAPS.runs_per_hour, description="Runs started within any hour.")
    batch_pause_s: CountOrNone = Field(
        _CAPS.batch_pause_s, description="Pause between two batches of new runs, in seconds."
    )
    per_role: dict[RoleName, Count] = Field(
        {},
        description="Live runs at once by role, such as { reviewer = 2 }; a role that is left out shares `live_runs`.",
    )
    usd_per_day: Usd = Field(
        _CAPS.usd_per_day, description="Money for all runs of a day (UTC), in US dollars; 0 means no limit."
    )
    tokens_per_day: Tokens = Field(
        _CAPS.tokens_per_day, description="Tokens for all runs of a day (UTC); 0 means no limit."
    )


class LimitsTable(Table):
    """What one task may use before a person is asked."""

    attempts: Count = Field(_LIMITS.attempts, description="Runs that may fail at one step.")
    rounds: Count = Field(_LIMITS.rounds, description="Times that a reviewer may send the work back.")
    worker_minutes: Count = Field(_LIMITS.worker_s // 60, description="Wall time of a worker, in minutes.")
    reviewer_minutes: Count = Field(
        _LIMITS.reviewer_s // 60, description="Wall time of a reviewer, in minutes."
    )
    responder_minutes: Count = Field(
        _LIMITS.responder_s // 60, description="Wall time of a responder, in minutes."
    )
    silence_minutes: Count = Field(
        _LIMITS.silence_s // 60, description="How long a run may show no sign of life, in minutes."
    )
    check_minutes: Count = Field(_LIMITS.check_s // 60, description="Wall time of the check, in minutes.")
    log_megabytes: Count = Field(
        _LIMITS.log_bytes // 1_000_000,
        description="Size of a run's log, in megabytes; beginning and end are kept.",
    )
    outcome_kilobytes: Count = Field(
        _LIMITS.outcome_bytes // 1_000, description="Size of an outcome file, in kilobytes."
    )
    redispatch_cooldown_minutes: CountOrNone = Field(
        _LIMITS.redispatch_cooldown_s // 60,
        description="Least time between two runs of one step, in minutes.",
    )
    same_check_failures: Count = Field(
        _LIMITS.same_check_failures, description="Times that the check may fail in the same way."
    )
    ci_wait_minutes: Count = Field(
        _LIMITS.ci_wait_s // 60, description="Patience for pending CI, in minutes."
    )
    claim_expiry_minutes: Count = Field(
        _LIMITS.claim_expiry_s // 60, description="How long a claim of another instance counts, in minutes."
    )
    memory_megabytes: CountOrNone = Field(
        _LIMITS.memory_bytes // 1_000_000,
        description="Memory of a run with all its processes, in megabytes; 0 means as much as there is.",
    )
    processes: CountOrNone = Field(
        _LIMITS.processes,
        description="Processes and threads of a run at once; 0 means as many as it likes.",
    )
    file_megabytes: CountOrNone = Field(
        _LIMITS.file_bytes // 1_000_000,
        description="Size of any file that a run writes in a sandbox, in megabytes; 0 means as large as it likes.",
    )
    disk_megabytes: CountOrNone = Field(
        _LIMITS.disk_bytes // 1_000_000,
        description="All files of a run together (checkout, HOME, temporary and out folder), in megabytes; 0 means as much as there is.",
    )
    usd_per_run: Usd = Field(
        _LIMITS.usd_per_run, description="Money for one run, in US dollars; 0 means no limit."
    )
    tokens_per_run: Tokens = Field(
        _LIMITS.tokens_per_run, description="Tokens for one run; 0 means no limit."
    )
    usd_per_task: Usd = Field(
        _LIMITS.usd_per_task,
        description="Money for one task until a person says go on, in US dollars; 0 means no limit.",
    )
    tokens_per_task: Tokens = Field(
        _LIMITS.tokens_per_task,
        description="Tokens for one task until a person says go on; 0 means no limit.",
    )
    forge_reads: Count = Field(
        _LIMITS.forge_reads, description="Reads of the forge in one run, where `forge_proxy` allows them."
    )
    forge_reads_per_minute: Count = Field(
        _LIMITS.forge_reads_per_minute, description="Reads of the forge in one minute of a run."
    )


class HarvestTable(Table):
    """How much one run may add to a branch; what is more is not published, and a person is asked."""

    commits: Count = Field(_HARVEST.commits, description="Commits.")
    files: Count = Field(_HARVEST.files, description="Files that are changed.")
    file_kilobytes: Count = Field(_HARVEST.file_bytes // 1_000, description="Size of one file, in kilobytes.")
    total_kilobytes: Count = Field(
        _HARVEST.total_bytes // 1_000, description="Size of all files together, in kilobytes."
    )
    pack_kilobytes: Count = Field(
        _HARVEST.pack_bytes // 1_000,
        description="Size of what git takes over, compressed, in kilobytes; above it reading stops at once.",
    )


class SandboxTable(Table):
    """What runs and checks see of this machine. `sandbox = "none"` is short for a table with that `kind` alone."""

    kind: Literal["auto", "bwrap", "container", "none"] = Field(
        "auto", description="What keeps them in; auto: bubblewrap where a trial start works, else none."
    )
    network: Literal["auto", "on", "off", "allow-list"] = Field(
        "auto",
        description="What of the network runs get: allow-list lets out to their models and `allow_hosts` alone; "
        "auto: that in a sandbox, else on.",
    )
    allow_hosts: Hosts = Field(
        [],
        description='Hosts of an allow-list beside the models, such as ["packages.example.com", "*.example.org:8443", '
        '"localhost:11434"]; private addresses by number, such as "10.1.2.0/24".',
    )
    keys_outside: bool = Field(
        True,  # noqa: FBT003 - pydantic's first argument is the default
        description="With an allow-list: whether the models' keys stay outside and are added on the way out.",
    )
    check_network: Literal["on", "off"] = Field("off", description="The same for the check's sandbox.")
    kind_by_role: dict[RoleName, Literal["auto", "bwrap", "container", "none"]] = Field(
        {}, description='What differs by role, such as { reviewer = "container" }.'
    )
    network_by_role: dict[RoleName, Literal["auto", "on", "off", "allow-list"]] = Field(
        {}, description='What differs by role, such as { reviewer = "off" }.'
    )
    readable: PathList = Field(
        [], description="Further files and folders that may be read inside, at the same path; ~ is your home."
    )
    caches: Literal["off", "read-only", "per-repo"] = Field(
        "off",
        description="Caches of pip, npm and cargo: none, yours to read, or one per repository that its runs write.",
    )
    container_image: str = Field(
        "", description="Image for containers; it holds the agent's program, Python and git."
    )


class AgentTextTable(Table):
    """What an agent's words may do on the forge, in titles, descriptions, reviews, comments and commit messages."""

    mentions: bool = Field(_TEXT.mentions, description="Whether `@name` calls people.")
    references: bool = Field(
        _TEXT.references,
        description="Whether `#7` links to an issue. Words that would close it never work.",
    )
    links: LinkHosts = Field(
        list(_TEXT.links),
        description='Hosts to which links and images stay live, beside the forge itself; "*" means all of them.',
    )


class HousekeepingTable(Table):
    """How long things stay on this disk. What is live or waits for a person stays; unpublished work is kept as a bundle."""

    keep_runs_days: Count = Field(
        _KEEP.runs_s // DAY_S,
        description="Age at which the folders of runs go, in days; also unused mirrors.",
    )
    max_runs_gb: Count = Field(
        _KEEP.runs_bytes // 1_000_000_000,
        description="Size of all run folders together, in gigabytes; above it the oldest of finished tasks go earlier.",
    )
    keep_decisions_days: Count = Field(
        _KEEP.decisions_s // DAY_S, description="Age at which decisions and notes are forgotten, in days."
    )


class ColoursTable(Table):
    """The colours of the labels that `dispatcher init` creates, as six hex digits."""

    turn: Colour = Field(_COLOURS["turn"], description="Colour of the turn label.")
    needs_review: Colour = Field(_COLOURS["needs_review"], description="Colour of `needs_review`.")
    needs_rework: Colour = Field(_COLOURS["needs_rework"], description="Colour of `needs_rework`.")
    merge_ready: Colour = Field(_COLOURS["merge_ready"], description="Colour of `merge_ready`.")
    needs_human: Colour = Field(_COLOURS["needs_human"], description="Colour of `needs_human`.")


class LabelsTable(Table):
    """The names that the labels have on the forge."""

    turn: Label = Field(_LABELS.turn, description="It is the dispatcher's turn.")
    needs_review: Label = Field(_LABELS.needs_review, description="A reviewer should read it.")
    needs_rework: Label = Field(_LABELS.needs_rework, description="A worker should mend it.")
    merge_ready: Label = Field(
        _LABELS.merge_ready, description="Reviewed, checked, free of conflicts: a person merges."
    )
    needs_human: Label = Field(_LABELS.needs_human, description="A person must answer or decide.")
    colours: ColoursTable = Field(ColoursTable(), description="Colours of new labels.")


class AgentsTable(Table):
    """Which agents take a role: one name, or a list. The first that is not on hold takes the run, the others are its fail-over."""

    worker: AgentNames = Field(["claude"], description="Agents that write code.")
    reviewer: AgentNames = Field(
        ["claude"],
        description="Agents that review; of a list, those of another vendor than the worker's come first.",
    )
    responder: AgentNames = Field(["claude"], description="Agents that answer mentions.")


class AgentTable(Table):
    """How one agent's program is started."""

    kind: AgentKind = Field(
        "",
        description='What program it is; "" means: the table\'s name where that is a kind, else `command`.',
    )
    argv: list[str] = Field(
        [],
        description="Program and arguments; {prompt}, {prompt_file}, {checkout}, {out}, {run_dir} are filled in. "
        "Needed for `command`; the other kinds know theirs.",
    )
    prompt: Literal["stdin", "argument", "file"] = Field(
        "stdin", description="How a `command` gets its prompt: stdin, argument or file."
    )
    model: str = Field("", description='Model to ask for; "" leaves it to the program.')
    vendor: Vendor = Field(
        "",
        description='Who makes the model; "" means: as kind and model tell. A reviewer is best of another vendor.',
    )
    env: dict[EnvName, str] = Field({}, description="Variables to set for the program.")
    pass_env: list[EnvName] = Field(
        [], description="Names of the dispatcher's own variables to hand on; never forge tokens."
    )
    extra_args: list[str] = Field([], description="Arguments behind those that the kind makes itself.")
    events: Literal["text", "jsonl"] = Field(
        "text", description="What a `command` prints: lines of text, or one JSON object per line (jsonl)."
    )
    event_fields: dict[ToldField, str] = Field(
        {},
        description="Where a `command` tells what: text, tool, session, input_tokens, cached_tokens, output_tokens, cost_usd, error. "
        'With jsonl a path such as "usage.input" or "content.0.text"; with text a regular expression with one group.',
    )
    event_numbers: Literal["each", "total"] = Field(
        "each",
        description="Whether each line of a `command` tells its own tokens and cost, or the totals so far.",
    )
    event_faults: dict[FaultName, Regex] = Field(
        {},
        description="Regular expressions by which a line of a `command` shows a fault of the set-up: login, quota, rate-limit, overload, settings.",
    )

    @model_validator(mode="after")
    def _refuse_odd_patterns(self) -> Self:
        for name, pattern in self.event_fields.items() if self.events == "text" else ():
            if group_count(pattern) != 1:
                refuse(
                    f'with exactly one group (...) in event_fields.{name}: a regular expression, as events = "text"'
                )
        return self

    @model_validator(mode="after")
    def _withhold_forge_tokens(self) -> Self:
        held = {"GH_TOKEN", "GITHUB_TOKEN", "DISPATCHER_GITHUB_TOKEN", "SSH_AUTH_SOCK"}
        if leaked := sorted(held.intersection([*self.env, *self.pass_env])):
            refuse(
                f"without {', '.join(leaked)} in `env` and `pass_env`: agents never get the forge's credentials"
            )
        return self


class PriceTable(Table):
    """What tokens cost, by the name of an agent or a model, for programs that report tokens only. For a million, in US dollars."""

    input_usd: Usd = Field(description="A million tokens read for the first time.")
    cached_usd: Usd = Field(0.0, description="A million tokens read from the vendor's cache.")
    output_usd: Usd = Field(description="A million tokens written, thinking included.")


class RepoTable(Table):
    """One repository. `agents`, `limits` and `labels` hold only what differs from the file's defaults."""

    owner: Owner = Field(
        description='User or organisation. `repo = "owner/name"` says owner and name at once.'
    )
    name: RepoName = Field(description="The repository's name.")
    allowed_users: Logins = Field(
        [], description="Who may ask: logins or @org/team; [] means everybody with write access."
    )
    allowed_bots: Logins = Field([], description="Bot accounts that may ask; [] means none.")
    reviewers: Logins = Field(
        [], description="Who gets the merge-ready pull request when nobody in person asked for it."
    )
    require_protected_base: bool = Field(
        _RULES.require_protected_base,
        description="Whether to refuse to work here unless a rule keeps the bot from pushing to the base and from merging "
        "by itself; `dispatcher doctor` says what holds.",
    )
    base: str = Field("", description='Branch that pull requests aim at; "" means the default branch.')
    check: CommandLine = Field(
        [],
        description='Command that must succeed before code leaves the machine; [] means: found out; "off" means none.',
    )
    protected_paths: Globs = Field(
        [".github/workflows/**"], description="Files that agents may not change (globs; ** crosses folders)."
    )
    ci_paths: Globs = Field(
        list(CI_PATHS),
        description="Where machines with secrets start programs: a new executable there is refused; [] allows it.",
    )
    instruction_files: Globs = Field(
        list(INSTRUCTION_FILES),
        description="What agent programs read as orders: a reviewer gets them as they are on the base, not as the pull request "
        "has them.",
    )
    trigger_regex: Regex = Field(
        "", description='Comments that match count as a mention; "" means that only mentions do.'
    )
    forge_proxy: bool = Field(
        False,  # noqa: FBT003 - pydantic's first argument is the default
        description="Whether agents may read this repository on the forge, through a door that adds the token outside.",
    )
    live_runs: Count = Field(_CAPS.live_runs, description="Live runs at once in this repository.")
    usd_per_day: Usd = Field(
        0.0,
        description="Money for the runs of a day (UTC) in this repository, in US dollars; 0 means no limit.",
    )
    tokens_per_day: Tokens = Field(
        0, description="Tokens for the runs of a day (UTC) in this repository; 0 means no limit."
    )
    agents: AgentsTable = Field(AgentsTable(), description="Agents of this repository.")
    limits: LimitsTable = Field(LimitsTable(), description="Limits of this repository.")
    harvest: HarvestTable = Field(HarvestTable(), description="How much one run may add here.")
    agent_text: AgentTextTable = Field(AgentTextTable(), description="What an agent's words may do here.")
    labels: LabelsTable = Field(LabelsTable(), description="Labels of this repository.")
    sandbox: SandboxTable = Field(SandboxTable(), description="The sandbox of this repository.")


class FileShape(Table):
    """The configuration of the dispatcher."""

    poll_interval_s: Count = Field(15, description="Time between two looks at the notifications, in seconds.")
    list_poll_interval_s: Count = Field(
        120, description="Time between two looks at the labelled items, in seconds."
    )
    sweep_s: Count = Field(1800, description="Time between two full sweeps over everything, in seconds.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="How much the log says."
    )
    forge: ForgeTable = Field(ForgeTable(), description="The forge.")
    paths: PathsTable = Field(PathsTable(), description="Paths.")
    caps: CapsTable = Field(CapsTable(), description="Caps over all repositories.")
    limits: LimitsTable = Field(LimitsTable(), description="Limits of every task.")
    harvest: HarvestTable = Field(HarvestTable(), description="How much one run may add.")
    agent_text: AgentTextTable = Field(AgentTextTable(), description="What an agent's words may do.")
    housekeeping: HousekeepingTable = Field(HousekeepingTable(), description="Housekeeping.")
    labels: LabelsTable = Field(LabelsTable(), description="Labels.")
    sandbox: SandboxTable = Field(SandboxTable(), description="The sandbox.")
    agents: AgentsTable = Field(AgentsTable(), description="Agents by role.")
    agent: dict[str, AgentTable] = Field({}, description="Agents by name.")
    price: dict[str, PriceTable] = Field({}, description="Prices by the name of an agent or a model.")
    repo: dict[str, RepoTable] = Field({}, description="Repositories by a name of your choice.")


def kind_of(name: str, table: AgentTable) -> str:
    """The agent's kind: what the table says, else its name where that is a kind, else `command`."""
    return table.kind or (name if name in AGENT_KINDS else "command")
