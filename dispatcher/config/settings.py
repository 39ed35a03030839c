"""What the rest of the program gets: every setting, read and checked, as frozen values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from dispatcher.core.housekeeping import KeepRules
from dispatcher.core.rules import AgentConfig, Caps, Price, RepoRules


@dataclass(frozen=True, slots=True)
class TokenSource:
    """Where the forge's token comes from, never the token itself. The environment is asked before either."""

    token_file: Path | None = None
    use_gh: bool = True


@dataclass(frozen=True, slots=True)
class Settings:
    """The whole configuration. Times in seconds; `prompts_dir` None means the prompts that ship with the program.

    `repos` carry their own labels, limits and agents with the file's defaults already laid under them.
    """

    config_file: Path
    state_dir: Path
    repos: tuple[RepoRules, ...]
    agents: Mapping[str, AgentConfig] = field(default_factory=lambda: MappingProxyType({}))
    prices: Mapping[str, Price] = field(default_factory=lambda: MappingProxyType({}))
    caps: Caps = field(default_factory=Caps)
    keep: KeepRules = field(default_factory=KeepRules)
    base_url: str = "https://api.github.com"
    bot_login: str = ""
    token: TokenSource = field(default_factory=TokenSource)
    prompts_dir: Path | None = None
    timeout_s: float = 30.0
    write_pause_s: float = 1.0
    poll_interval_s: int = 15
    list_poll_interval_s: int = 120
    sweep_s: int = 1800
    log_level: str = "info"

    @property
    def journal_path(self) -> Path:
        """The database."""
        return self.state_dir / "journal.sqlite3"

    @property
    def runs_dir(self) -> Path:
        """One folder per run."""
        return self.state_dir / "runs"

    @property
    def git_dir(self) -> Path:
        """Mirrors, and commits that are not published."""
        return self.state_dir / "git"

    @property
    def bundles_dir(self) -> Path:
        """Work that nobody else has, of runs whose folder is gone: one git bundle per run."""
        return self.state_dir / "bundles"

    @property
    def lock_path(self) -> Path:
        """Held by the one dispatcher that works in this state folder."""
        return self.state_dir / "lock"

    @property
    def log_path(self) -> Path:
        """The daemon's log."""
        return self.state_dir / "dispatcher.log"

    def repo_named(self, full_name: str) -> RepoRules | None:
        """The repository `owner/name` (upper and lower case count as the same, as on the forge), or None."""
        wanted = full_name.casefold()
        return next((repo for repo in self.repos if repo.full_name.casefold() == wanted), None)
