"""The order of things: grow the tree, note which test passes which place, try every fault whose verdict is not known yet."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tools.mutation.grow import Mutant
from tools.mutation.inside import names_of
from tools.mutation.notes import Notes, Recording, TestNote
from tools.mutation.targets import TABLE
from tools.mutation.tree import Tree

LEFT_OUT = (
    "tests/house",
    "tests/agents",
    "tests/surfaces",
    "tests/config",
    "tests/support",
    "tests/mutation",
)
"""Rooms whose tests do not count: a generated page that differs is no broken promise; screens and real agents are no judges of rules."""

SHAPE_OF_THE_TABLE = "tests/core/test_machine.py"
"""Looks at the rows themselves, so it passes none of them; it is asked about every row."""

PRELOAD = (
    "github",
    "sqlalchemy",
    "pydantic",
    "transitions",
    "hypothesis",
    "werkzeug",
    "graphql",
    "detect_secrets",
)


@dataclass(slots=True)
class Wish:
    """What is to be done. `budget_s` is how many seconds of tests may be spent on a fault that nobody notices."""

    repository: Path
    work: Path
    budget_s: float = 20.0
    trusts_notes: bool = False
    test_files: tuple[str, ...] = ()
    only: str = ""


@dataclass(slots=True)
class Sweep:
    """One time through."""

    wish: Wish
    tree: Tree
    notes: Notes

    def run(self) -> None:
        """Note what is not noted, try what is not known."""
        files = self.wish.test_files or tuple(find_tests(self.wish.repository))
        self._record(files)
        chosen = self.wanted()
        by_site = self._tests_by_site(files)
        todo = [mutant for mutant in chosen if not self._is_known(mutant, by_site)]
        print(
            f"{len(chosen)} faults, {len(chosen) - len(todo)} known from before, {len(todo)} to try",
            flush=True,
        )
        self._try(todo, by_site, files)
        self._look_at_rows([mutant for mutant in todo if mutant.path == TABLE and self._is_unnoticed(mutant)])

    def _is_known(self, mutant: Mutant, by_site: Mapping[str, list[tuple[float, str]]]) -> bool:
        notes = self.notes
        if self.wish.trusts_notes and notes.is_about(mutant) and notes.verdicts[mutant.name].killer:
            return True
        return notes.still_holds(mutant, self._choose(mutant, by_site))

    def _is_unnoticed(self, mutant: Mutant) -> bool:
        verdict = self.notes.verdicts.get(mutant.name)
        return verdict is not None and not verdict.killer and verdict.digest == mutant.digest

    def wanted(self) -> list[Mutant]:
        """The faults that were asked for."""
        words = self.wish.only.split("|")
        return [mutant for mutant in self.tree.mutants if any(word in mutant.name for word in words)]

    def forget_survivors_that_met_new_tests(self) -> None:
        """A survivor whose possible judges were changed since is no survivor yet: it is to be tried again."""
        files = tuple(find_tests(self.wish.repository))
        by_site = self._tests_by_site(files)
        for mutant in self.wanted():
            verdict = self.notes.verdicts.get(mutant.name)
            if (
                verdict
                and not verdict.killer
                and not self.notes.still_holds(mutant, self._choose(mutant, by_site))
            ):
                del self.notes.verdicts[mutant.name]

    # -- which tests --

    def _record(self, files: Iterable[str]) -> None:
        stale = [file for file in files if not self._is_noted(file)]
        if not stale:
            return
        print(f"noting what the tests of {len(stale)} files pass", flush=True)
        answers = self._inside("record", {"files": stale}, {"MUTANT_NOTES": "1"})
        places = {int(mutant.site): mutant for mutant in self.tree.mutants}
        for answer in answers:
            tests = {
                told["test"]: TestNote(
                    told["took_s"],
                    tuple(
                        f"{places[one // 2].place} = {one % 2}" for one in told["sites"] if one // 2 in places
                    ),
                )
                for told in answer["tests"]
                if not told["failed"]
            }
            passed = {
                places[one // 2].path
                for told in answer["tests"]
                for one in told["sites"]
                if one // 2 in places
            }
            file = str(answer["file"])
            failed = tuple(told["test"] for told in answer["tests"] if told["failed"])
            digests = {path: self.tree.digests[path] for path in sorted(passed)}
            self.notes.record(file, Recording(self.notes.digest_of_tests(file), digests, tests, failed))
        self.notes.save()

    def _is_noted(self, file: str) -> bool:
        if self.wish.trusts_notes and file in self.notes.recordings:
            return self.notes.recordings[file].digest == self.notes.digest_of_tests(file)
        return self.notes.is_fresh(file, self.tree.digests)

    def _tests_by_site(self, files: Iterable[str]) -> dict[str, list[tuple[float, str]]]:
        found: dict[str, list[tuple[float, str]]] = {}
        for file in files:
            recording = self.notes.recordings.get(file)
            for test, note in recording.tests.items() if recording else ():
                for site in note.sites:
                    found.setdefault(site, []).append((note.took_s, test))
        return {site: sorted(tests) for site, tests in found.items()}

    def _choose(self, mutant: Mutant, by_site: Mapping[str, list[tuple[float, str]]]) -> list[str]:
        """The tests that pass the place, the cheapest first, as far as the budget goes; at least three."""
        chosen: list[str] = []
        spent_s = 0.0
        for took_s, test in by_site.get(mutant.mark, []):
            if mutant.path == TABLE and test.startswith(SHAPE_OF_THE_TABLE):
                continue
            if spent_s + took_s > self.wish.budget_s and len(chosen) >= 3:
                break
            chosen.append(test)
            spent_s += took_s + 0.005
        return chosen

    def _usual_s(self) -> dict[str, float]:
        return {
            test: note.took_s for one in self.notes.recordings.values() for test, note in one.tests.items()
        }

    # -- trying --

    def _try(
        self, faults: list[Mutant], by_site: Mapping[str, list[tuple[float, str]]], files: Iterable[str]
    ) -> None:
        chosen = {mutant.name: self._choose(mutant, by_site) for mutant in faults}
        for mutant in faults:
            if not chosen[mutant.name] and not self.wish.test_files:
                self.notes.judge(mutant, "", "in no test does it make a difference", ())
        asked = [mutant for mutant in faults if chosen[mutant.name]]
        used = {test.partition("::")[0] for tests in chosen.values() for test in tests}
        if not asked:
            return
        job = {
            "files": [file for file in files if file in used],
            "usual_s": self._usual_s(),
            "first_row": self.tree.first_row,
            "faults": [
                {
                    "name": m.name,
                    "code": m.code,
                    "near": m.place.partition(" in ")[0] if m.path == TABLE else m.path,
                    "tests": chosen[m.name],
                }
                for m in asked
            ],
        }
        self._judge(asked, chosen, self._inside("try", job))

    def _look_at_rows(self, faults: list[Mutant]) -> None:
        """What no story noticed is shown to the tests that look at the table itself."""
        recording = self.notes.recordings.get(SHAPE_OF_THE_TABLE)
        tests = [test for test, note in recording.tests.items() if note.took_s < 1] if recording else []
        if not faults or not tests:
            return
        asked = [{"name": mutant.name, "code": mutant.code, "batches": [tests]} for mutant in faults]
        job = {"usual_s": self._usual_s(), "faults": asked, "preload": PRELOAD}
        answers = [answer for answer in self._inside("rows", job) if answer["killer"]]
        self._judge(faults, dict.fromkeys((mutant.name for mutant in faults), tests), answers)

    def _judge(
        self, faults: Iterable[Mutant], chosen: Mapping[str, list[str]], answers: Iterable[Mapping[str, str]]
    ) -> None:
        by_name = {mutant.name: mutant for mutant in faults}
        for answer in answers:
            name = answer["name"]
            self.notes.judge(by_name[name], answer["killer"], answer["why"], chosen[name])
        self.notes.save()

    def _inside(self, mode: str, job: dict[str, object], more: Mapping[str, str] | None = None) -> list[dict]:  # type: ignore[type-arg]
        """Run a job in the tree; what was answered before an interruption counts."""
        answers = self.wish.work / "answers.jsonl"
        answers.unlink(missing_ok=True)
        order = self.wish.work / "job.json"
        order.write_text(json.dumps(job | {"answers": str(answers)}), encoding="utf-8")
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("MUTANT", "PYTEST"))
        }
        environment |= {"PYTHONPATH": str(self.tree.root), "PYTHONDONTWRITEBYTECODE": "1"} | dict(more or {})
        argv = [sys.executable, "-m", "tools.mutation.inside", mode, str(order)]
        try:
            subprocess.run(argv, cwd=self.tree.root, env=environment, check=False)
        except KeyboardInterrupt:
            print("interrupted: what is known so far is kept", flush=True)
        return names_of(answers.read_text(encoding="utf-8").splitlines()) if answers.exists() else []


def find_tests(repository: Path) -> Iterable[str]:
    """Every test file whose tests count."""
    for path in sorted((repository / "tests").rglob("test_*.py")):
        name = path.relative_to(repository).as_posix()
        if not name.startswith(LEFT_OUT):
            yield name


def clear(folder: Path) -> None:
    """Remove a tree of an earlier time."""
    shutil.rmtree(folder, ignore_errors=True)
