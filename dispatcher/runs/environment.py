"""What an agent finds in its environment: an allow-list, a private HOME, and what its configuration names."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from dispatcher.core.errors import BadConfig
from dispatcher.core.rules import AgentConfig
from dispatcher.runs.folder import RunFolder
from dispatcher.runs.proctree import MARK_VARIABLE

NEVER = frozenset(
    {
        "DISPATCHER_GITHUB_TOKEN",
        "GH_ENTERPRISE_TOKEN",
        "GH_TOKEN",
        "GITHUB_ENTERPRISE_TOKEN",
        "GITHUB_TOKEN",
        "GIT_ASKPASS",
        "SSH_AUTH_SOCK",
    }
)
"""Variables that no configuration can hand to an agent: they open the forge."""

_HANDED_ON = (
    "ALL_PROXY",
    "CURL_CA_BUNDLE",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "LOGNAME",
    "NODE_EXTRA_CA_CERTS",
    "NO_PROXY",
    "REQUESTS_CA_BUNDLE",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "TZ",
    "USER",
    "all_proxy",
    "http_proxy",
    "https_proxy",
    "no_proxy",
)
_USUAL_PATH = "/usr/local/bin:/usr/bin:/bin"


@dataclass(frozen=True, slots=True)
class GitIdentity:
    """Who signs an agent's commits."""

    name: str
    email: str


@dataclass(frozen=True, slots=True)
class AgentEnvironment:
    """An agent's variables. `secret_names` are those that only the agent itself gets, no command of ours beside it."""

    variables: Mapping[str, str]
    secret_names: tuple[str, ...]


def check_names(config: AgentConfig) -> None:
    """Raise BadConfig when an agent's configuration asks for a variable that opens the forge."""
    for key, names in (("env", [name for name, _ in config.env]), ("pass_env", list(config.pass_env))):
        for name in names:
            if name in NEVER:
                raise BadConfig(
                    f"[agents.{config.name}] {key} names {name}, but no agent ever gets a forge credential.",
                    f"Remove {name} from {key}.",
                )


def build_environment(
    folder: RunFolder,
    mark: str,
    identity: GitIdentity,
    config: AgentConfig,
    kind_passes: Iterable[str],
    host: Mapping[str, str],
) -> AgentEnvironment:
    """Everything that the agent of this run finds in its environment, and nothing of `host` besides the allow-list."""
    variables = {name: host[name] for name in _HANDED_ON if name in host}
    variables |= _fixed(folder, mark, identity, host.get("PATH", ""))
    passed = {
        name: host[name] for name in (*kind_passes, *config.pass_env) if name in host and name not in NEVER
    }
    own = passed | dict(config.env)
    return AgentEnvironment(variables | own, tuple(sorted(own.keys() - variables.keys())))


def _fixed(folder: RunFolder, mark: str, identity: GitIdentity, path: str) -> dict[str, str]:
    return {
        "PATH": _absolute_only(path) or _USUAL_PATH,
        "HOME": str(folder.home),
        "TMPDIR": str(folder.tmp),
        "SHELL": "/bin/sh",
        "TERM": "dumb",
        "PAGER": "cat",
        "GIT_PAGER": "cat",
        "GIT_EDITOR": "true",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_CEILING_DIRECTORIES": str(folder.path),
        "GIT_AUTHOR_NAME": identity.name,
        "GIT_AUTHOR_EMAIL": identity.email,
        "GIT_COMMITTER_NAME": identity.name,
        "GIT_COMMITTER_EMAIL": identity.email,
        "DISPATCHER_RUN_ID": folder.path.name,
        "DISPATCHER_RUN_DIR": str(folder.path),
        MARK_VARIABLE: mark,
    }


def _absolute_only(path: str) -> str:
    # A relative entry would look for programs in the checkout, where anybody may have put one.
    return os.pathsep.join(entry for entry in path.split(os.pathsep) if Path(entry).is_absolute())
