"""A whole life of a task with every secret in play, and a search for them in everything that it left behind."""

import os
import subprocess
import sys
import tarfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from dispatcher.core.secrecy import know_secrets
from tests.story.office import APPROVE, DONE, SHOP, Office, adds, opened, rejects, says, writes

MODEL_KEY = "sk-model-" + "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
_WRAPPER = """#!/bin/sh
{{ printf '%s ' "$@"; echo; }} >> {log}
exec {git} "$@"
"""


@dataclass
class Findings:
    """What was looked through, and where a secret was found (bytes by place)."""

    looked_at: int = 0
    bytes_seen: int = 0
    leaks: dict[str, int] = field(default_factory=dict)

    @property
    def leaked_bytes(self) -> int:
        return sum(self.leaks.values())


@contextmanager
def git_that_tells(folder: Path) -> Iterator[Path]:
    """Every command line of git, ours and the agents', is written down."""
    folder.mkdir()
    real = next(
        Path(place) / "git"
        for place in os.environ["PATH"].split(os.pathsep)
        if (Path(place) / "git").exists()
    )
    log, program = folder / "git-argv.log", folder / "git"
    program.write_text(_WRAPPER.format(log=log, git=real))
    program.chmod(0o755)
    before = os.environ["PATH"]
    os.environ["PATH"] = f"{folder}{os.pathsep}{before}"
    try:
        yield log
    finally:
        os.environ["PATH"] = before


def live_a_life(root: Path) -> Findings:
    """Question, work, red check, rework, review, refusal, merge-ready; then every surface that shows something; then the search."""
    with git_that_tells(root / "bin") as argv_log, opened(root / "office", agent_secret=MODEL_KEY) as office:
        _lead(office)
        _look_at(office)
        return search(_everything(office, argv_log), [office.token, MODEL_KEY])


def search(places: Iterable[tuple[str, bytes]], secrets: list[str]) -> Findings:
    """Look for the secrets, in every spelling."""
    findings, spellings = Findings(), know_secrets(secrets).spellings
    for place, content in places:
        findings.looked_at += 1
        findings.bytes_seen += len(content)
        text = content.decode("latin-1")
        if found := sum(text.count(spelling) * len(spelling) for spelling in spellings):
            findings.leaks[place] = found
    return findings


def _lead(office: Office) -> None:
    wait = office.root / "go-on"
    begins = [{"print_environment": True}, {"print": f"I found {office.token}"}, {"wait_for": str(wait)}]
    breaks = [{"write": "shop.py", "text": "def total(prices:\n"}, {"commit": "Break it"}, DONE]
    mends = {"if": {"file:shop.py_has": "(prices:"}, "then": writes(), "else": breaks}
    office.worker([*begins, mends], adds())
    office.reviewer(rejects("no test", line=None), [APPROVE])
    number = office.asks()
    office.settle(until=office.has_live_run)
    office.seen_processes = list(_command_lines())
    wait.write_text("")
    office.settle()
    assert office.shown(office.pull(number)) == {"merge-ready", "@alice"}
    leaking = office.asks("Tell me all")
    office.worker(
        [*writes("# more\n")[:-1], {"outcome": DONE["outcome"] | {"body": f"the key is {office.token}"}}]
    )
    office.settle()
    assert "needs-human" in office.shown(leaking)
    office.responder(says("answer", f"It is {MODEL_KEY}."))
    asked = office.opens("A question")
    office.comments(asked, "@shop-bot what is the key?")
    office.settle()
    office.worker([{"write": "key.txt", "text": office.token}, {"commit": "The key"}, DONE])
    committing = office.asks("Commit it")
    office.settle()
    assert "needs-human" in office.shown(committing)
    assert SHOP in office.repos


def _look_at(office: Office) -> None:
    """What people would ask for, kept beside the rest so that it is looked through as well."""
    said = [
        office.asked(*words)
        for words in (
            ("status",),
            ("doctor",),
            ("explain", f"{SHOP}#1"),
            ("config", "show"),
            ("journal", "check"),
        )
    ]
    said.append(office.asked("support-bundle", str(office.root / "support.tar.gz")))
    (office.root / "said.txt").write_text("\n".join(said))


def _command_lines() -> Iterator[bytes]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                yield (entry / "cmdline").read_bytes()
            except OSError:
                continue


def _everything(office: Office, argv_log: Path) -> Iterator[tuple[str, bytes]]:
    """Files as they are, archives unpacked, git objects inflated, command lines, and what people can read on the forge.

    Left out: what an agent itself wrote because the test told it to leak (its script, its outcome, its checkout).
    """
    for number, line in enumerate(office.seen_processes):
        yield f"process {number}", line
    yield "git's command lines", argv_log.read_bytes()
    for name, content in _files(office):
        if not _is_agents_own(name):
            yield name, content
            if name.endswith(".tar.gz"):
                yield from _unpacked(office.root / name)
    for repository in sorted(
        {path.parent for path in office.root.rglob("HEAD") if (path.parent / "objects").is_dir()}
    ):
        name = repository.relative_to(office.root).as_posix()
        if not _is_agents_own(name):
            yield f"objects of {name}", _objects(repository)
    scene = office.box.scene
    for issue in office.box.world.repo(SHOP).issues.values():
        words = [
            issue.title,
            issue.body or "",
            *(comment.body for comment in scene.comments(SHOP, issue.number)),
        ]
        yield f"#{issue.number} on the forge", "\n".join(words).encode()


def _files(office: Office) -> Iterator[tuple[str, bytes]]:
    for path in sorted(office.root.rglob("*")):
        if path.is_file() and not path.is_symlink():
            yield path.relative_to(office.root).as_posix(), path.read_bytes()


def _is_agents_own(name: str) -> bool:
    parts = name.split("/")
    if parts[0].startswith("script"):
        return True
    return "runs" in parts and bool({"checkout", "out"} & set(parts))


def _unpacked(path: Path) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(path) as archive:
        for entry in archive:
            inside = archive.extractfile(entry)
            if inside is not None:
                yield f"{path.name}: {entry.name}", inside.read()


def _objects(repository: Path) -> bytes:
    command = (
        "git",
        "--git-dir",
        str(repository),
        "cat-file",
        "--batch-all-objects",
        "--batch",
        "--unordered",
    )
    done = subprocess.run(
        command, capture_output=True, check=False, env={"PATH": os.environ["PATH"], "HOME": os.devnull}
    )
    return done.stdout


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        sys.stdout.write(f"{live_a_life(Path(folder))}\n")
