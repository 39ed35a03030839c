"""The settings that the rules need, as frozen values. `config` reads them from the file; defaults are spec section 8."""

from dataclasses import dataclass, field, replace
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class LabelNames:
    """The names that the stage labels have in a repository; `colours` are six hex digits by field name."""

    turn: str = "bot"
    needs_review: str = "needs-review"
    needs_rework: str = "needs-rework"
    merge_ready: str = "merge-ready"
    needs_human: str = "needs-human"
    colours: tuple[tuple[str, str], ...] = (
        ("turn", "5319e7"),
        ("needs_review", "fbca04"),
        ("needs_rework", "d93f0b"),
        ("merge_ready", "0e8a16"),
        ("needs_human", "b60205"),
    )

    @property
    def stage_labels(self) -> frozenset[str]:
        """The labels of which a pull request carries exactly one."""
        return frozenset({self.needs_review, self.needs_rework, self.merge_ready})

    @property
    def ours(self) -> frozenset[str]:
        """Every label that the dispatcher writes."""
        return self.stage_labels | {self.turn, self.needs_human}


@dataclass(frozen=True, slots=True)
class Limits:
    """What one task may use. Times in seconds, sizes in bytes, money in US dollars; a budget of 0 is none."""

    attempts: int = 3
    rounds: int = 5
    worker_s: int = 3600
    reviewer_s: int = 1800
    responder_s: int = 1800
    silence_s: int = 600
    check_s: int = 1800
    log_bytes: int = 20_000_000
    outcome_bytes: int = 1_000_000
    redispatch_cooldown_s: int = 1800
    same_check_failures: int = 3
    ci_wait_s: int = 3600
    claim_expiry_s: int = 7200
    memory_bytes: int = 8_000_000_000
    processes: int = 4096
    file_bytes: int = 10_000_000_000
    disk_bytes: int = 20_000_000_000
    usd_per_run: float = 0.0
    tokens_per_run: int = 0
    usd_per_task: float = 5.0
    tokens_per_task: int = 0
    forge_reads: int = 300
    forge_reads_per_minute: int = 60


@dataclass(frozen=True, slots=True)
class HarvestLimits:
    """How much one run may add. Sizes in bytes of file content; `pack_bytes` is the limit while it is taken over."""

    commits: int = 250
    files: int = 3000
    file_bytes: int = 10_000_000
    total_bytes: int = 50_000_000
    pack_bytes: int = 200_000_000


@dataclass(frozen=True, slots=True)
class AgentText:
    """What an agent's words may do on the forge. `links` are hosts to which links and images stay live ("*": all)."""

    mentions: bool = False
    references: bool = False
    links: tuple[str, ...] = ()


CI_PATHS = (
    ".github/**",
    ".gitlab/**",
    ".circleci/**",
    ".buildkite/**",
    ".forgejo/**",
    ".gitea/**",
    ".githooks/**",
    ".husky/**",
    ".ci/**",
    "ci/**",
)
"""Folders whose programs are started by machines that hold secrets."""

INSTRUCTION_FILES = (
    "AGENTS.md", "AGENTS.override.md", "AGENT.md", "CLAUDE.md", "CLAUDE.local.md", "GEMINI.md", "QWEN.md", "WARP.md",
    "CONVENTIONS.md", ".claude", ".codex", ".gemini", ".cursor", ".cursorrules", ".cursorignore", ".windsurf",
    ".windsurfrules", ".clinerules", ".roo", ".roorules", ".kiro", ".continue", ".goosehints", ".junie", ".opencode",
    "opencode.json", "opencode.jsonc", ".aider*", ".mcp.json", ".vscode/mcp.json", ".github/copilot-instructions.md",
    ".github/instructions", ".github/prompts", ".github/chatmodes", ".github/agents", ".github/skills", ".dispatcher",
)  # fmt: skip
"""What agent programs read as orders from a working copy, at any depth where there is no slash in it."""


@dataclass(frozen=True, slots=True)
class Caps:
    """What may run at once, how fast, and for how much a day (0: no budget), over all repositories."""

    live_runs: int = 10
    runs_per_hour: int = 60
    batch_pause_s: int = 30
    per_role: tuple[tuple[str, int], ...] = ()
    usd_per_day: float = 100.0
    tokens_per_day: int = 0


class SandboxKind(StrEnum):
    """What keeps an agent's hands off this machine. `auto`: bubblewrap where a trial start works, else nothing."""

    AUTO = "auto"
    BWRAP = "bwrap"
    CONTAINER = "container"
    NONE = "none"


class NetworkAccess(StrEnum):
    """What of the network a run gets. `allow-list`: no route but the doors of the run; `auto`: that in a sandbox, else everything."""

    AUTO = "auto"
    ON = "on"
    OFF = "off"
    ALLOW_LIST = "allow-list"


class CacheSharing(StrEnum):
    """What becomes of the toolchains' caches (pip, npm, cargo): none, the person's own to read, or one per repository."""

    OFF = "off"
    READ_ONLY = "read-only"
    PER_REPO = "per-repo"


@dataclass(frozen=True, slots=True)
class RoleSandbox:
    """What differs for one role; None means: as for the others."""

    kind: SandboxKind | None = None
    network: NetworkAccess | None = None


@dataclass(frozen=True, slots=True)
class SandboxRules:
    """The sandbox of a repository's runs and checks.

    `readable` are further files and folders of this machine that may be read inside, at the same path. `roles` maps a role to what
    differs for it. `container_image` is needed for containers alone. `allow_hosts` are reached beside the agent's models when the network is
    an allow-list, and then, with `keys_outside`, the keys of the models never enter.
    """

    kind: SandboxKind = SandboxKind.AUTO
    network: NetworkAccess = NetworkAccess.AUTO
    allow_hosts: tuple[str, ...] = ()
    keys_outside: bool = True
    check_network: NetworkAccess = NetworkAccess.OFF
    container_image: str = ""
    caches: CacheSharing = CacheSharing.OFF
    readable: tuple[str, ...] = ()
    roles: tuple[tuple[str, RoleSandbox], ...] = ()

    def for_role(self, role: str) -> "SandboxRules":
        """The rules with what differs for this role laid over them."""
        own = dict(self.roles).get(role, RoleSandbox())
        return replace(self, kind=own.kind or self.kind, network=own.network or self.network)

    def for_check(self) -> "SandboxRules":
        """The rules of the check: the repository's, with the check's own network."""
        return replace(self, network=self.check_network)


class PromptDelivery(StrEnum):
    """How an agent's program gets its prompt."""

    STDIN = "stdin"
    ARGUMENT = "argument"
    FILE = "file"


class EventFormat(StrEnum):
    """How the output of a `command` is to be understood."""

    TEXT = "text"
    JSONL = "jsonl"


TOLD_NUMBERS = ("input_tokens", "cached_tokens", "output_tokens", "cost_usd")
TOLD_FIELDS = ("text", "tool", "session", *TOLD_NUMBERS, "error")
"""What can be read out of a line: the model's words, a tool that it uses, the session's name, what was used, an error."""


@dataclass(frozen=True, slots=True)
class StreamRules:
    """How the output of a `command` is understood, line by line.

    `fields` maps what is to be read (`TOLD_FIELDS`) to where it stands: a path such as `usage.input` in JSON objects, a regular
    expression with one group in text. `faults` maps a kind of fault to a regular expression. `adds_up`: numbers belong to their
    line alone; else each line tells the totals so far.
    """

    format: EventFormat = EventFormat.TEXT
    fields: tuple[tuple[str, str], ...] = ()
    faults: tuple[tuple[str, str], ...] = ()
    adds_up: bool = True


@dataclass(frozen=True, slots=True)
class AgentConfig:
    """How one agent is started.

    `argv` is empty for kinds that know their own program. `env` are variables to set, `pass_env` names of the
    dispatcher's own variables to hand on: nothing else of its environment reaches an agent. `extra_args` go behind
    the arguments that the kind makes itself. `vendor` is who makes the model, where kind and model do not tell.
    `usd_limit` is what one run may cost by its budgets (0: whatever it costs), for programs that can hold to it themselves.
    """

    name: str
    kind: str
    argv: tuple[str, ...] = ()
    prompt: PromptDelivery = PromptDelivery.STDIN
    model: str = ""
    env: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    pass_env: tuple[str, ...] = ()
    extra_args: tuple[str, ...] = ()
    vendor: str = ""
    usd_limit: float = 0.0
    stream: StreamRules = field(default_factory=StreamRules)


@dataclass(frozen=True, slots=True)
class Price:
    """What a million tokens cost, in US dollars: read for the first time, read from the vendor's cache, written."""

    input_usd: float
    cached_usd: float
    output_usd: float


AGENT_KINDS = ("command", "claude", "codex", "opencode", "gemini", "copilot", "aider", "mini-swe-agent")
"""The kinds that `runs/agents` knows, for messages of the configuration; a test there keeps the two equal."""


@dataclass(frozen=True, slots=True)
class RepoRules:
    """How the dispatcher treats one repository.

    `id_name` is the table's name in the file (`[repo.shop]` -> "shop"). `allowed_users` empty means: people with
    write access. `check` empty means: detect. `agents` maps a role to the names of agents to try, in order.
    """

    id_name: str
    owner: str
    name: str
    allowed_users: tuple[str, ...] = ()
    allowed_bots: tuple[str, ...] = ()
    require_protected_base: bool = False
    reviewers: tuple[str, ...] = ()
    base: str = ""
    check: tuple[str, ...] = ()
    check_is_off: bool = False
    protected_paths: tuple[str, ...] = (".github/workflows/**",)
    ci_paths: tuple[str, ...] = CI_PATHS
    instruction_files: tuple[str, ...] = INSTRUCTION_FILES
    harvest: HarvestLimits = field(default_factory=HarvestLimits)
    agent_text: AgentText = field(default_factory=AgentText)
    trigger_regex: str = ""
    agents: tuple[tuple[str, tuple[str, ...]], ...] = ()
    labels: LabelNames = field(default_factory=LabelNames)
    limits: Limits = field(default_factory=Limits)
    sandbox: SandboxRules = field(default_factory=SandboxRules)
    forge_proxy: bool = False
    live_runs: int = 10
    usd_per_day: float = 0.0
    tokens_per_day: int = 0

    @property
    def full_name(self) -> str:
        """`owner/name`."""
        return f"{self.owner}/{self.name}"

    def agents_for(self, role: str) -> tuple[str, ...]:
        """The names of the agents that take this role, in the order in which they are tried."""
        return dict(self.agents).get(role, ())
