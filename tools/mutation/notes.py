"""What the sweep remembers between two times (`.mutants/`, never committed): which test passes which place, and every verdict."""

import json
import os
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tools.mutation.grow import Mutant
from tools.mutation.tree import digest_of

IMPORTED = re.compile(r"^(?:from|import) (tests(?:\.\w+)+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class TestNote:
    """One test: how long it takes, in seconds, and the places that it passes."""

    took_s: float
    sites: tuple[str, ...]


@dataclass(slots=True)
class Recording:
    """What the tests of one file pass. It holds as long as the test's room and the files that it passes are the same."""

    digest: str
    passed: dict[str, str]
    tests: dict[str, TestNote]
    failed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a fault: who noticed ("": nobody), and the texts on which that rests."""

    killer: str
    why: str
    tests: int
    digest: str
    judged_by: str


@dataclass(slots=True)
class Notes:
    """The folder of notes; `repository` is where the tests are that they are about."""

    folder: Path
    repository: Path
    recordings: dict[str, Recording] = field(default_factory=dict)
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    new: set[str] = field(default_factory=set)

    def load(self) -> "Notes":
        """Read what there is; notes that cannot be read are made again."""
        self.recordings, self.verdicts = {}, {}
        for file, fields in self._read("recordings.json").items():
            places = fields["places"]
            tests = {
                name: TestNote(note[0], tuple(places[one] for one in note[1]))
                for name, note in fields["tests"].items()
            }
            self.recordings[file] = Recording(
                fields["digest"], fields["passed"], tests, tuple(fields["failed"])
            )
        for name, fields in self._read("verdicts.json").items():
            self.verdicts[name] = Verdict(**fields)
        return self

    def save(self) -> None:
        """Write everything; what another sweep has noted meanwhile stays."""
        self.folder.mkdir(exist_ok=True)
        ours = self.recordings, self.verdicts
        self.load()
        self.recordings |= {file: one for file, one in ours[0].items() if file in self.new}
        self.verdicts |= {name: one for name, one in ours[1].items() if name in self.new}
        self._write("recordings.json", {file: _packed(one) for file, one in self.recordings.items()})
        self._write("verdicts.json", {name: asdict(one) for name, one in self.verdicts.items()})

    def digest_of_tests(self, file: str) -> str:
        """The test file, the conftest beside it, and what it imports of the tests."""
        path = self.repository / file
        text = path.read_text(encoding="utf-8")
        names = sorted({found.replace(".", "/") + ".py" for found in IMPORTED.findall(text)})
        beside = [path.with_name("conftest.py"), *(self.repository / name for name in names)]
        return digest_of(text + "".join(one.read_text(encoding="utf-8") for one in beside if one.exists()))

    def is_fresh(self, file: str, digests: dict[str, str]) -> bool:
        """Whether what is noted about a test file still holds."""
        one = self.recordings.get(file)
        if one is None or one.digest != self.digest_of_tests(file):
            return False
        return all(digests.get(path) == digest for path, digest in one.passed.items())

    def record(self, file: str, recording: Recording) -> None:
        """Note what the tests of a file pass."""
        self.recordings[file] = recording
        self.new.add(file)

    def judge(self, mutant: Mutant, killer: str, why: str, tests: Iterable[str]) -> None:
        """Note a verdict with what it rests on."""
        ran = tuple(tests)
        files = [killer.partition("::")[0]] if "::" in killer else {test.partition("::")[0] for test in ran}
        self.new.add(mutant.name)
        self.verdicts[mutant.name] = Verdict(killer, why, len(ran), mutant.digest, self._digest_of_all(files))

    def is_about(self, mutant: Mutant) -> bool:
        """Whether there is a verdict about this very text."""
        one = self.verdicts.get(mutant.name)
        return one is not None and one.digest == mutant.digest

    def still_holds(self, mutant: Mutant, tests: Iterable[str]) -> bool:
        """Whether the noted verdict was about the same text, judged by the same tests."""
        if not self.is_about(mutant):
            return False
        one = self.verdicts[mutant.name]
        file = one.killer.partition("::")[0]
        if "::" in one.killer and not (self.repository / file).exists():
            return False
        files = [file] if "::" in one.killer else {test.partition("::")[0] for test in tests}
        return one.judged_by == self._digest_of_all(files)

    def _digest_of_all(self, files: Iterable[str]) -> str:
        return digest_of("".join(self.digest_of_tests(file) for file in sorted(files)))

    def _read(self, name: str) -> dict[str, dict]:  # type: ignore[type-arg]
        try:
            found = json.loads((self.folder / name).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def _write(self, name: str, words: object) -> None:
        path = self.folder / name
        fresh = path.with_suffix(f".{os.getpid()}")
        fresh.write_text(json.dumps(words), encoding="utf-8")
        fresh.replace(path)


def _packed(one: Recording) -> dict[str, object]:
    """Places by number: each is passed by hundreds of tests."""
    numbers = {
        place: number
        for number, place in enumerate(sorted({p for note in one.tests.values() for p in note.sites}))
    }
    tests = {
        name: [round(note.took_s, 4), [numbers[p] for p in note.sites]] for name, note in one.tests.items()
    }
    return {
        "digest": one.digest,
        "passed": one.passed,
        "places": list(numbers),
        "tests": tests,
        "failed": one.failed,
    }
