"""The token: where it comes from, and how it stays out of everything that is printed or stored."""

import hashlib
import os
import stat
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dispatcher.core.errors import BadCredential
from dispatcher.core.secrecy import know_secrets

ENVIRONMENT_NAMES = ("DISPATCHER_GITHUB_TOKEN", "GITHUB_TOKEN")
"""Environment variables that may hold the token; the first one that is set wins."""

_HIDDEN = "[hidden]"
_GH_TIMEOUT_S = 10


class Secret:
    """A text that does not show itself: repr, str and format say `[hidden]`; only `reveal()` gives it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The text itself, for the one place that sends it."""
        return self._value

    @property
    def fingerprint(self) -> str:
        """Twelve hex digits that tell two secrets apart and say nothing about either."""
        return hashlib.sha256(self._value.encode()).hexdigest()[:12]

    def __repr__(self) -> str:
        return f"Secret({_HIDDEN})"

    def __str__(self) -> str:
        return _HIDDEN

    def __format__(self, spec: str) -> str:
        return format(_HIDDEN, spec)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> str:
        raise TypeError("a Secret is not pickled")


def redact(text: str, *secrets: Secret) -> str:
    """The text with these secrets, and everything that has the shape of one, taken out."""
    return know_secrets(secret.reveal() for secret in secrets).redact(text)


@dataclass(frozen=True, slots=True)
class Credential:
    """A token and where it was found (`doctor` shows the source, never the token)."""

    token: Secret
    source: str

    @property
    def is_fine_grained(self) -> bool:
        """Whether the token's prefix says that it is a fine-grained one."""
        return self.token.reveal().startswith("github_pat_")


def ask_gh(host: str) -> str | None:
    """What `gh auth token` prints for this host; None when gh is absent or knows no token."""
    try:
        answer = subprocess.run(
            ["gh", "auth", "token", "--hostname", host],
            capture_output=True,
            text=True,
            timeout=_GH_TIMEOUT_S,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.strip() or None if answer.returncode == 0 else None


@dataclass(frozen=True, slots=True)
class TokenSources:
    """Where to look, in this order: environment, file, `gh auth token` (None: do not ask gh)."""

    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ), repr=False)
    token_file: Path | None = None
    gh: Callable[[str], str | None] | None = ask_gh
    host: str = "github.com"


def find_token(sources: TokenSources) -> Credential:
    """The first token that the sources have; raises BadCredential that names every place that was looked at."""
    for name in ENVIRONMENT_NAMES:
        if value := sources.environment.get(name, "").strip():
            return Credential(_checked(value, name), f"environment variable {name}")
    if sources.token_file is not None:
        return Credential(_load_token(sources.token_file), f"file {sources.token_file}")
    if sources.gh is not None and (answer := sources.gh(sources.host)):
        return Credential(_checked(answer, "gh auth token"), "gh auth token")
    looked = ", ".join(ENVIRONMENT_NAMES) + (", gh auth token" if sources.gh else "")
    raise BadCredential(
        f"no GitHub token was found (looked at: {looked}).",
        f"Set {ENVIRONMENT_NAMES[0]}, name a file in the configuration, or run `gh auth login`.",
    )


def _load_token(path: Path) -> Secret:
    try:
        text = path.read_text(encoding="utf-8").strip()
        mode = path.stat().st_mode
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise BadCredential(
            f"{path}: the token file cannot be read: {reason}.", "Write the token into it."
        ) from None
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise BadCredential(
            f"{path}: other users of this machine can read the token file.", f"Run chmod 600 {path}"
        )
    return _checked(text, str(path))


def _checked(value: str, where: str) -> Secret:
    if not value:
        raise BadCredential(f"{where}: the token is empty.", "Write the token into it.")
    if not value.isascii() or any(sign.isspace() or not sign.isprintable() for sign in value):
        raise BadCredential(
            f"{where}: this is not a token: it holds spaces, line breaks or odd characters.",
            "Paste it again.",
        )
    return Secret(value)
