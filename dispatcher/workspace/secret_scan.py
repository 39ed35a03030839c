"""Finding secrets in what a commit adds: known token shapes, and the very values that this machine holds."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from typing import Final

from detect_secrets.plugins.aws import AWSKeyDetector
from detect_secrets.plugins.azure_storage_key import AzureStorageKeyDetector
from detect_secrets.plugins.base import RegexBasedDetector
from detect_secrets.plugins.github_token import GitHubTokenDetector
from detect_secrets.plugins.gitlab_token import GitLabTokenDetector
from detect_secrets.plugins.mailchimp import MailchimpDetector
from detect_secrets.plugins.private_key import PrivateKeyDetector
from detect_secrets.plugins.pypi_token import PypiTokenDetector
from detect_secrets.plugins.sendgrid import SendGridDetector
from detect_secrets.plugins.slack import SlackDetector
from detect_secrets.plugins.square_oauth import SquareOAuthDetector
from detect_secrets.plugins.stripe import StripeDetector
from detect_secrets.plugins.telegram_token import TelegramBotTokenDetector
from detect_secrets.plugins.twilio import TwilioKeyDetector

from dispatcher.workspace.redact import as_basic, worth_hiding

# Detectors of a fixed token shape only. Entropy, keyword and basic-auth detectors cry wolf on ordinary code.
_DETECTORS: Final = (
    AWSKeyDetector, AzureStorageKeyDetector, GitHubTokenDetector, GitLabTokenDetector, MailchimpDetector,
    PrivateKeyDetector, PypiTokenDetector, SendGridDetector, SlackDetector, SquareOAuthDetector,
    StripeDetector, TelegramBotTokenDetector, TwilioKeyDetector,
)  # fmt: skip

# Shapes that those detectors do not know (their vendors' documentation of the prefixes), and npm's and OpenAI's, for
# which their patterns take quadratic time on a long hostile line.
_MORE_SHAPES: Final = (
    ("GitHub Token", re.compile(r"github_pat_[A-Za-z0-9_]{36,}")),
    ("Anthropic API Key", re.compile(r"sk-ant-[A-Za-z0-9]+-[A-Za-z0-9_-]{40,}")),
    (
        "OpenAI Token",
        re.compile(r"sk-(?:proj|svcacct)-[A-Za-z0-9_-]{40,}|[A-Za-z0-9]{20}T3BlbkFJ[A-Za-z0-9]{20}"),
    ),
    ("NPM tokens", re.compile(r":_authToken\s*=\s*(?:npm_\w+|[A-Fa-f0-9-]{36})|\bnpm_[A-Za-z0-9]{36}\b")),
    ("Google API Key", re.compile(r"\bAIza[0-9A-Za-z_-]{35}\b")),
)

PRIVATE_KEY: Final = "Private Key"
_DOCUMENTATION: Final = "EXAMPLE"  # how AWS marks the keys of its own manuals
_PAGE: Final = 100_000
_HUNK: Final = re.compile(r"^(@@+) ")
_COMMIT: Final = re.compile(r"^commit ([0-9a-f]{40,64})")


@dataclass(frozen=True, slots=True)
class Suspicion:
    """A secret that a commit would publish. `value` is for comparing only and never shown."""

    kind: str
    path: str
    commit: str
    value: str


@dataclass(frozen=True, slots=True)
class AddedLine:
    """One line that leaves the machine with a commit; `path` is empty for the commit message."""

    commit: str
    path: str
    text: str


def scan(patches: str, held: Iterable[str]) -> tuple[Suspicion, ...]:
    """Look through patches (`diff-tree --cc -U0 --pretty=raw`) for token shapes and for the held secrets."""
    literal = [form for secret in worth_hiding(held) for form in (secret, as_basic(secret))]
    found: dict[tuple[str, str, str], Suspicion] = {}
    for piece in _pieces(added_lines(patches)):
        for kind, value in _look(piece.text.replace("\0", ""), literal):
            found.setdefault((kind, piece.path, value), Suspicion(kind, piece.path, piece.commit, value))
    return tuple(found.values())


def added_lines(patches: str) -> Iterator[AddedLine]:
    """The added lines, file headers (a path can be a secret too) and commit messages of the patches."""
    commit, path, columns = "", "", 1
    for line in patches.split("\n"):
        if started := _COMMIT.match(line):
            commit, path, columns = started.group(1), "", 1
        elif line.startswith("diff --"):
            path, columns = line.rpartition(" b/")[2] if " b/" in line else line.rpartition(" ")[2], 1
            yield AddedLine(commit, path, line)
        elif hunk := _HUNK.match(line):
            columns = len(hunk.group(1)) - 1
        elif "+" in line[:columns] and "-" not in line[:columns]:
            yield AddedLine(commit, path, line[columns:])
        elif not path:
            yield AddedLine(commit, "", line)


def _pieces(lines: Iterable[AddedLine]) -> Iterator[AddedLine]:
    """The lines of one file together: a pattern that runs once over a page costs less than once per line."""
    for (commit, path), group in groupby(lines, key=lambda line: (line.commit, line.path)):
        page: list[str] = []
        size = 0
        for line in group:
            page.append(line.text)
            size += len(line.text)
            if size > _PAGE:
                yield AddedLine(commit, path, "\n".join(page))
                page, size = [], 0
        yield AddedLine(commit, path, "\n".join(page))


def _look(text: str, literal: Sequence[str]) -> Iterator[tuple[str, str]]:
    for secret in literal:
        if secret in text:
            yield "a secret of this machine", secret
    for kind, value in _token_shapes(text):
        if _DOCUMENTATION not in value:
            yield kind, value


def _token_shapes(text: str) -> Iterator[tuple[str, str]]:
    for kind, pattern in _shapes():
        for match in pattern.finditer(text):
            yield kind, match.group(0)


@cache
def _shapes() -> tuple[tuple[str, re.Pattern[str]], ...]:
    detectors: list[RegexBasedDetector] = [make() for make in _DETECTORS]
    theirs = [(str(one.secret_type), pattern) for one in detectors for pattern in one.denylist]
    return (*theirs, *_MORE_SHAPES)
