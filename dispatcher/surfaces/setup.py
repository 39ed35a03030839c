"""`dispatcher init`: find out what can be found out, write the configuration, create the labels."""

import re
import shutil
import subprocess
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from dispatcher.config import Settings, load_settings
from dispatcher.config.toml import render_toml
from dispatcher.core.agents import AGENT_LABEL, with_own_table
from dispatcher.core.errors import DispatcherError
from dispatcher.core.rules import AGENT_KINDS, RepoRules
from dispatcher.surfaces.exits import UsageProblem
from dispatcher.surfaces.parts import Parts
from dispatcher.surfaces.screen import one_line

_REMOTE = re.compile(
    r"(?:[a-z+]+://(?:[^@/]*@)?([^:/]+)(?::\d+)?/|(?:[^@/]*@)?([^:/]+):)([^/]+)/([^/]+?)(?:\.git)?/?"
)
_FULL_NAME = re.compile(r"([A-Za-z0-9][A-Za-z0-9_-]*)/([A-Za-z0-9._-]+)")
_GIT_TIMEOUT_S = 10


@dataclass(frozen=True, slots=True)
class Origin:
    """A repository on a forge's host."""

    host: str
    owner: str
    name: str

    @property
    def base_url(self) -> str:
        """Where the API of that host is."""
        return "https://api.github.com" if self.host == "github.com" else f"https://{self.host}/api/v3"


@dataclass(frozen=True, slots=True)
class SetUp:
    """What `init` did. `labels` are those it created, by repository; `troubles` what a person has to look at."""

    config_file: Path
    was_written: bool
    login: str
    labels: tuple[tuple[str, tuple[str, ...]], ...]
    troubles: tuple[str, ...]


def parse_remote(address: str) -> Origin | None:
    """What a git remote's address names; None for a path or anything else. A password in it is dropped."""
    found = _REMOTE.fullmatch(address.strip())
    return Origin(found[1] or found[2], found[3], found[4]) if found else None


def fetch_origin(folder: Path) -> Origin | None:
    """The `origin` of the git repository around a folder."""
    try:
        answer = subprocess.run(
            ["git", "-C", str(folder), "config", "--get", "remote.origin.url"],
            capture_output=True,
            text=True,
            timeout=_GIT_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return parse_remote(answer.stdout) if answer.returncode == 0 else None


def choose_origin(repo: str, base_url: str, folder: Path) -> Origin:
    """The repository that a person named, else the one around the folder. Raises UsageProblem when there is neither."""
    found = fetch_origin(folder)
    if not repo:
        if found is None:
            raise UsageProblem(
                "No git remote here says which repository is meant; name it: dispatcher init --repo owner/name."
            )
        return found
    named = _FULL_NAME.fullmatch(repo)
    if not named:
        raise UsageProblem(f'--repo "{repo}" must be owner/name.')
    host = (
        found.host if found and not base_url and (found.owner, found.name) == named.groups() else "github.com"
    )
    return Origin(host, named[1], named[2])


def draft_config(repo: str, base_url: str, folder: Path) -> str:
    """A new configuration for the repository that is named, or found around the folder. Raises UsageProblem."""
    return render_new_config(choose_origin(repo, base_url, folder), base_url, find_agents())


def render_new_config(origin: Origin, base_url: str, agents: tuple[str, ...]) -> str:
    """The text of a new configuration: only what differs from the defaults."""
    tables: dict[str, object] = {}
    base_url = base_url or origin.base_url
    if base_url != "https://api.github.com":
        tables["forge"] = {"base_url": base_url}
    if agents and "claude" not in agents:
        tables["agents"] = dict.fromkeys(("worker", "reviewer", "responder"), agents[0])
    elif len(agents) > 1:
        tables["agents"] = {"reviewer": [name for name in agents if name != "claude"] + ["claude"]}
    key = re.sub(r"[^A-Za-z0-9_-]", "-", origin.name)
    tables["repo"] = {key: {"owner": origin.owner, "name": origin.name}}
    head = "# What differs from the defaults. `dispatcher config show` prints everything; config.example.toml explains it.\n"
    return head + render_toml(tables)


def find_agents() -> tuple[str, ...]:
    """The kinds of agents whose program is installed."""
    return tuple(kind for kind in AGENT_KINDS if kind != "command" and shutil.which(kind))


def write_config(file: Path, text: str) -> bool:
    """Write a new configuration; whether there was none yet. One that is there is never touched."""
    try:
        with file.open("x", encoding="utf-8") as stream:
            stream.write(text)
    except FileExistsError:
        return False
    except OSError as error:
        raise UsageProblem(
            f"{file}: cannot be written ({error.strerror}); --config FILE names another place."
        ) from error
    return True


def set_up(parts: Parts, file: Path, text: str) -> SetUp:
    """Write the configuration unless there is one, and create the labels that are missing on the forge."""
    was_written = write_config(file, text)
    settings = load_settings(file)
    settings.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        login, labels, troubles = _create_labels(parts, settings)
    except DispatcherError as error:
        if not was_written:
            raise
        login, labels, troubles = (
            "",
            (),
            (f"{error} Then run `dispatcher init` again: it creates the labels.",),
        )
    return SetUp(file, was_written, login, labels, troubles)


def _create_labels(
    parts: Parts, settings: Settings
) -> tuple[str, tuple[tuple[str, tuple[str, ...]], ...], tuple[str, ...]]:
    with (
        closing(parts.open_journal(settings)) as journal,
        closing(parts.connect_forge(settings, journal)) as forge,
    ):
        login = forge.fetch_identity().login
        repos, troubles = forge.fetch_repos(settings.repos)
        labels = tuple(
            (repo.full_name, forge.create_labels(repo, labels_of_agents(settings, repo.rules)))
            for repo in repos
        )
        return login, labels, tuple(f"{trouble.full_name}: {trouble.why}" for trouble in troubles)


def labels_of_agents(settings: Settings, rules: RepoRules) -> tuple[str, ...]:
    """`agent:<name>` for everyone who may be chosen by label: those with a table of their own, and those that the roles name."""
    named = [name for _, names in rules.agents for name in names]
    every = sorted({*named, *with_own_table(settings.agents)})
    return tuple(AGENT_LABEL + name for name in every) if len(every) > 1 else ()


def render_set_up(done: SetUp) -> tuple[str, ...]:
    """What was done, and what comes next."""
    lines = [f"{done.config_file}: {'written' if done.was_written else 'was there and is unchanged'}."]
    if done.login:
        lines.append(f"The bot is @{done.login}.")
    for repo, created in done.labels:
        lines.append(f"{repo}: {'created ' + ', '.join(created) if created else 'has every label'}.")
    lines += [one_line(trouble, 500) for trouble in done.troubles]
    if done.was_written and not find_agents():
        lines.append(
            "No agent program was found: install `claude` or `codex`, or describe your own in [agent.NAME]."
        )
    lines.append("Next: dispatcher doctor, then dispatcher run.")
    return tuple(lines)
