"""An agent's commits, made ours: signed by us, with messages that credit nobody, call nobody and close nothing."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dispatcher.core.defuse import defuse_commit
from dispatcher.core.rules import AgentText
from dispatcher.workspace.changes import Commit
from dispatcher.workspace.git import Git, Identity
from dispatcher.workspace.process import Call

_WHEN: Final = re.compile(rb"^(?:author|committer) .*> (\d+ [+-]\d{4})$")
_NEVER: Final = b"0 +0000"


@dataclass(frozen=True, slots=True)
class Signer:
    """Writes commits anew. The same commits give the same result every time, so that a repetition changes nothing.

    Tree, parents and times stay. Author and committer become `identity`; signatures and every other header go, because they
    belong to the commit that was.
    """

    git: Git
    identity: Identity
    allowed: AgentText

    def sign(self, place: Path, head: str, commits: tuple[Commit, ...]) -> str:
        """Write those of `commits` (newest first, the new part of `head`'s history) anew that need it; returns the new head."""
        renamed: dict[str, str] = {}
        for commit in reversed(commits):
            before = self.git.output(place, "cat-file", "commit", commit.sha)
            after = self._rewrite(before, renamed)
            if after != before:
                words = ("hash-object", "-t", "commit", "-w", "--stdin")
                renamed[commit.sha] = self.git.text(place, *words, call=Call(stdin=after))
        return renamed.get(head, head)

    def _rewrite(self, raw: bytes, renamed: dict[str, str]) -> bytes:
        head, _, message = raw.partition(b"\n\n")
        lines = head.split(b"\n")
        who = f"{self.identity.name} <{self.identity.email}>".encode()
        parents = (line.split(b" ")[1] for line in lines if line.startswith(b"parent "))
        kept = [
            *(line for line in lines if line.startswith(b"tree ")),
            *(b"parent " + renamed.get(sha.decode(), sha.decode()).encode() for sha in parents),
            b"author %s %s" % (who, _when(lines, b"author ")),
            b"committer %s %s" % (who, _when(lines, b"committer ")),
        ]
        return b"\n".join(kept) + b"\n\n" + self._defuse(lines, message)

    def _defuse(self, lines: list[bytes], message: bytes) -> bytes:
        encoding = next((line.split(b" ", 1)[1] for line in lines if line.startswith(b"encoding ")), b"utf-8")
        try:
            text = message.decode(encoding.decode("ascii", "replace"), "replace")
        except LookupError:
            text = message.decode("utf-8", "replace")
        return defuse_commit(text, self.allowed).encode("utf-8", "replace")


def _when(lines: list[bytes], begins: bytes) -> bytes:
    found = (_WHEN.match(line) for line in lines if line.startswith(begins))
    return next((match[1] for match in found if match), _NEVER)
