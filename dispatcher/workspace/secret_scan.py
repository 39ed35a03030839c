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

from dispatcher.core.secrecy import know_secrets
from dispatcher.workspace.redact import SHORTEST_SECRET

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
HELD: Final = "a secret of this machine"
_DOCUMENTATION: Final = "EXAMPLE"  # how AWS marks the keys of its own manuals
_PAGE: Final = 100_000
_ENOUGH: Final = 200  # one is enough to refuse; to find the line of each of a million would take hours
_HUNK: Final = re.compile(r"^(@@+) (?:-\d+(?:,\d+)? )+\+(\d+)")
_COMMIT: Final = re.compile(r"^commit ([0-9a-f]{40,64})")


@dataclass(frozen=True, slots=True)
class Suspicion:
    """A secret that would be published. `line` counts from 1 (0: a name, no line); `value` is never shown."""

    kind: str
    path: str
    commit: str
    value: str
    line: int = 0


@dataclass(frozen=True, slots=True)
class AddedLine:
    """One line that leaves the machine; `path` is empty for the commit message, `number` 0 for a file's name."""

    commit: str
    path: str
    text: str
    number: int = 0


@dataclass(frozen=True, slots=True)
class _Page:
    """Neighbouring lines of one file, and the number that each has there."""

    commit: str
    path: str
    text: str
    numbers: tuple[int, ...]

    def line_at(self, offset: int) -> int:
        """The number of the line in which this character stands."""
        return self.numbers[self.text.count("\n", 0, offset)]


def describe(one: Suspicion) -> str:
    """Where it is and what it looks like, without the value (a file's name may hold it: redact the whole)."""
    where = (f"{one.path}:{one.line}" if one.line else one.path) if one.path else "the commit message"
    return f"{where} holds what looks like a secret: {one.kind}"


def scan(patches: str, held: Iterable[str]) -> tuple[Suspicion, ...]:
    """Look through patches (`diff-tree --cc -U0 --pretty=raw`) for token shapes and for the held secrets."""
    return _scan_lines(added_lines(patches), held)


def scan_text(where: str, text: str, held: Iterable[str]) -> tuple[Suspicion, ...]:
    """Look through a text that is not in a file; `where` names it. A text of one line has no line numbers."""
    first = 1 if "\n" in text else 0
    lines = (AddedLine("", where, line, number) for number, line in enumerate(text.split("\n"), first))
    return _scan_lines(lines, held)


def _scan_lines(lines: Iterable[AddedLine], held: Iterable[str]) -> tuple[Suspicion, ...]:
    literal = know_secrets(held, SHORTEST_SECRET).spellings
    found: dict[tuple[str, str, str], Suspicion] = {}
    for page in _pages(lines):
        for kind, value, at in _look(page.text, literal):
            key = (kind, page.path, value)
            if key not in found:
                found[key] = Suspicion(kind, page.path, page.commit, value, page.line_at(at))
            if len(found) >= _ENOUGH:
                return tuple(found.values())
    return tuple(found.values())


def added_lines(patches: str) -> Iterator[AddedLine]:
    """The added lines, file headers (a path can be a secret too) and commit messages of the patches."""
    commit, path, columns, number = "", "", 1, 0
    for line in patches.split("\n"):
        if started := _COMMIT.match(line):
            commit, path, columns = started.group(1), "", 1
        elif line.startswith("diff --"):
            path, columns = line.rpartition(" b/")[2] if " b/" in line else line.rpartition(" ")[2], 1
            yield AddedLine(commit, path, line)
        elif hunk := _HUNK.match(line):
            columns, number = len(hunk[1]) - 1, int(hunk[2])
        elif path and "-" not in line[:columns]:
            if "+" in line[:columns]:
                yield AddedLine(commit, path, line[columns:], number)
            number += 1
        elif not path:
            yield AddedLine(commit, "", line)


def _pages(lines: Iterable[AddedLine]) -> Iterator[_Page]:
    """The lines of one file together: a pattern that runs once over a page costs less than once per line."""
    for (commit, path), group in groupby(lines, key=lambda line: (line.commit, line.path)):
        page: list[AddedLine] = []
        size = 0
        for line in group:
            page.append(line)
            size += len(line.text)
            if size > _PAGE:
                yield _join(commit, path, page)
                page, size = [], 0
        if page:
            yield _join(commit, path, page)


def _join(commit: str, path: str, page: Sequence[AddedLine]) -> _Page:
    # NUL is left out: text in UTF-16 is text.
    text = "\n".join(line.text for line in page).replace("\0", "")
    return _Page(commit, path, text, tuple(line.number for line in page))


def _look(text: str, literal: Sequence[str]) -> Iterator[tuple[str, str, int]]:
    """What was found, its value, and where it begins."""
    for secret in literal:
        if (at := text.find(secret)) >= 0:
            yield HELD, secret, at
            break  # the longest spelling says it
    for kind, pattern in _shapes():
        for match in pattern.finditer(text):
            if _DOCUMENTATION not in match[0]:
                yield kind, match[0], match.start()


@cache
def _shapes() -> tuple[tuple[str, re.Pattern[str]], ...]:
    detectors: list[RegexBasedDetector] = [make() for make in _DETECTORS]
    theirs = [(str(one.secret_type), pattern) for one in detectors for pattern in one.denylist]
    return (*theirs, *_MORE_SHAPES)
