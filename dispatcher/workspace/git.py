"""The one way to run git: a minimal environment, nothing planted is executed, a token only where it is needed."""

import os
from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from dispatcher.core.errors import BadCredential, DispatcherError, Gone, NeedsPerson, RetryLater
from dispatcher.workspace.process import Call, Finished, limited, spawn
from dispatcher.workspace.redact import redact

NETWORK_S: Final = 900.0
MOST_MEMORY_BYTES: Final = 1_000_000_000

_FROM_OURSELVES: Final = ("PATH", "TMPDIR")
_FOR_NETWORK: Final = (
    "HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY", "https_proxy", "http_proxy", "all_proxy", "no_proxy",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "GIT_SSL_CAINFO", "CURL_CA_BUNDLE",
)  # fmt: skip

# Whatever a repository's own configuration says, these win: the environment is read last.
_ALWAYS: Final = (
    ("core.hooksPath", os.devnull),
    ("core.fsmonitor", "false"),
    ("core.attributesFile", os.devnull),
    ("core.excludesFile", os.devnull),
    ("core.untrackedCache", "false"),
    ("core.bigFileThreshold", "16m"),  # larger files are streamed, so that a bomb costs no memory
    ("credential.helper", ""),
    ("commit.gpgSign", "false"),
    ("tag.gpgSign", "false"),
    ("gc.auto", "0"),  # checkouts borrow objects: nothing is ever pruned behind their back
    ("maintenance.auto", "false"),
    ("submodule.recurse", "false"),
    ("fetch.recurseSubmodules", "false"),
    ("diff.renames", "true"),
    ("advice.detachedHead", "false"),
    ("init.defaultBranch", "main"),
    ("fetch.fsckObjects", "false"),
)

_NETWORK: Final = (
    ("http.followRedirects", "false"),  # a redirect would carry the token to another host
    ("http.lowSpeedLimit", "1000"),
    ("http.lowSpeedTime", "60"),
)

_NO_MEMORY: Final = ("out of memory", "cannot allocate memory")
_NOT_NOW: Final = ("No space left on device", "Cannot allocate memory", "Resource temporarily unavailable")


@dataclass(frozen=True, slots=True)
class Identity:
    """Who signs the commits that the dispatcher or its agents make."""

    name: str
    email: str


class GitFailed(DispatcherError):
    """git said no; `said` is its redacted standard error, `code` its exit code."""

    def __init__(self, command: str, code: int, said: str) -> None:
        super().__init__(f"git {command} failed ({code}): {said or 'it said nothing'}")
        self.code = code
        self.said = said


class TooMuch(GitFailed):
    """git had more to say than we are willing to read: a tree that unfolds without end, a flood of changes."""


_PLAIN: Final = Call()


class Git:
    """Runs git. `token` is asked for each time that a command needs the network; "" or None means anonymous."""

    def __init__(self, token: Callable[[], str] | None = None, prefix: tuple[str, ...] = ()) -> None:
        self._token = token
        self._prefix = prefix

    def modest(self) -> "Git":
        """The same, but no command may take more than `MOST_MEMORY_BYTES`: for looking at what an agent made."""
        return Git(self._token, limited(memory_bytes=MOST_MEMORY_BYTES))

    def attempt(self, folder: Path, *args: str, call: Call = _PLAIN) -> Finished:
        """Run one command in `folder` and return what it left. Raises RetryLater when it takes too long."""
        argv = (*self._prefix, *call.prefix, "git", *args)
        return spawn(argv, folder, self._environment(call), call)

    def output(self, folder: Path, *args: str, call: Call = _PLAIN) -> bytes:
        """Standard output of one command that must succeed. Raises GitFailed, RetryLater."""
        done = self.attempt(folder, *args, call=call)
        if done.was_cut:
            raise TooMuch(args[0], done.code, f"more than {call.most_bytes:,} bytes of output")
        if done.code == 0:
            return done.out
        said = self.said(done)
        if self._prefix and any(sign in said.lower() for sign in _NO_MEMORY):
            raise TooMuch(args[0], done.code, f"more than {MOST_MEMORY_BYTES:,} bytes of memory")
        if any(sign in said for sign in _NOT_NOW):
            raise RetryLater(f"git {args[0]}: {said}")
        raise GitFailed(args[0], done.code, said)

    def text(self, folder: Path, *args: str, call: Call = _PLAIN) -> str:
        """Standard output as text without the last line break. Raises GitFailed, RetryLater."""
        return self.output(folder, *args, call=call).decode(errors="surrogateescape").rstrip("\n")

    def network(self, folder: Path, url: str, *args: str, keep_open: tuple[int, ...] = ()) -> Finished:
        """Run a command that talks to `url`; the token is in the environment of this one process only.

        Raises RetryLater when it takes longer than `NETWORK_S`.
        """
        parts = urlsplit(url)
        call = Call(
            settings=(*_NETWORK, *self._authorisation(url)),
            env=_inherited(_FOR_NETWORK),
            timeout_s=NETWORK_S,
            protocols=parts.scheme or "file",
            keep_open=keep_open,
        )
        return self.attempt(folder, *args, call=call)

    def said(self, done: Finished) -> str:
        """The command's standard error, without secrets and control characters, cut to 2,000 characters."""
        secrets = (self._token(),) if self._token else ()
        return redact(done.err.decode(errors="replace"), secrets)[-2000:].strip()

    def head_of(self, folder: Path, limit_bytes: int, *args: str) -> tuple[bytes, bool]:
        """The first `limit_bytes` of a command's output, and whether there was more. Raises GitFailed, RetryLater."""
        done = self.attempt(folder, *args, call=Call(most_bytes=limit_bytes))
        if done.code and not done.was_cut:
            raise GitFailed(args[0], done.code, self.said(done))
        return done.out, done.was_cut

    def _environment(self, call: Call) -> dict[str, str]:
        env = {
            **_inherited(_FROM_OURSELVES),
            "HOME": os.devnull,
            "LC_ALL": "C",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ALLOW_PROTOCOL": call.protocols,
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_NO_LAZY_FETCH": "1",
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_DEFAULT_REF_FORMAT": "files",
            "GIT_EDITOR": ":",
            **(call.env or {}),
        }
        settings = (*_ALWAYS, *call.settings)
        env["GIT_CONFIG_COUNT"] = str(len(settings))
        for number, (key, value) in enumerate(settings):
            env[f"GIT_CONFIG_KEY_{number}"] = key
            env[f"GIT_CONFIG_VALUE_{number}"] = value
        return env

    def _authorisation(self, url: str) -> tuple[tuple[str, str], ...]:
        parts = urlsplit(url)
        token = self._token() if self._token else ""
        if not token or parts.scheme not in {"http", "https"}:
            return ()
        basic = b64encode(f"x-access-token:{token}".encode()).decode()
        return ((f"http.{parts.scheme}://{parts.netloc}/.extraHeader", f"Authorization: Basic {basic}"),)


def explain_failure(what: str, url: str, said: str) -> DispatcherError:
    """Sort a failed network command by who must act; the patterns are git 2.39's and curl's English messages."""
    low = said.lower()
    message = f"{what} {_without_user(url)}: {said.splitlines()[-1] if said else 'git said nothing'}"
    if any(sign in low for sign in ("error: 401", "authentication failed", "could not read username")):
        return BadCredential(message, "Check that the token is valid and may use this repository.")
    if any(
        sign in low for sign in ("error: 403", "write access to repository not granted", "permission to ")
    ):
        return NeedsPerson(message, "Give the bot account and its token write access to this repository.")
    if any(
        sign in low
        for sign in ("not found", "error: 404", "error: 410", "does not exist", "not appear to be a git")
    ):
        return Gone(message, "Check the repository's name and that the bot account can see it.")
    return RetryLater(message)


def _inherited(names: Sequence[str]) -> dict[str, str]:
    return {name: os.environ[name] for name in names if name in os.environ}


def _without_user(url: str) -> str:
    return redact(url, ())
