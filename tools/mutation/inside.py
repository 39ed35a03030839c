"""The part of the sweep that runs inside the instrumented tree: `python -m tools.mutation.inside record|try|rows JOB`.

Everything is imported and collected once; each fault is tried in a fork of that. Tests that look at the table itself copy its rows while
they are imported: for them a fault of a row gets a process that imports everything anew.
"""

import json
import os
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tools.mutation.child import Heard, Say, adopt_orphans, in_child

OPTIONS = (
    "-o", "addopts=", "-W", "ignore::pytest.PytestAssertRewriteWarning", "--import-mode=importlib", "--capture=sys", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:cov",
)  # fmt: skip
SLOW_S = 2.0
"""A kill by a test that takes so long is believed only when the test passes without the fault: it may hang on real processes."""


def main() -> int:
    """Do the job; its answers go, line by line, to the file that it names."""
    mode, job_file = sys.argv[1:]
    job = json.loads(Path(job_file).read_text(encoding="utf-8"))
    adopt_orphans()
    if mode == "rows":
        _try_rows(job)
        return 0
    loop = Recording(job) if mode == "record" else Trying(job)
    return int(pytest.main([*OPTIONS, *job["files"]], plugins=[loop]))


@dataclass(eq=False)
class Loop:
    """A pytest plugin whose loop is ours."""

    job: dict[str, Any]
    failed: list[str] = field(default_factory=list)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Notice a failure in whatever part of a test."""
        if report.failed:
            self.failed.append(report.nodeid)

    def run(self, items: Sequence[pytest.Item], say: Say, *, stops: bool) -> None:
        """Run tests and say what they came to; the last one tears everything down."""
        from dispatcher import mutant_switch

        mutant_switch.seen.clear()
        for number, item in enumerate(items):
            say({"begins": item.nodeid})
            began = time.perf_counter()
            behind = items[number + 1] if number + 1 < len(items) else None
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=behind)
            sites = [] if stops else sorted(mutant_switch.take_seen())
            failed = item.nodeid in self.failed
            say(
                {"test": item.nodeid, "failed": failed, "took_s": time.perf_counter() - began, "sites": sites}
            )
            if failed and stops:
                return


class Recording(Loop):
    """Notes which test passes which site, and how long it takes."""

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Run every file by itself."""
        by_file: dict[str, list[pytest.Item]] = {}
        for item in session.items:
            by_file.setdefault(item.nodeid.partition("::")[0], []).append(item)
        for file, items in by_file.items():
            heard = in_child(partial(self.run, items, stops=False), {})
            if heard.why.startswith("Traceback"):
                raise RuntimeError(f"the sweep itself failed in {file}: {heard.why}")
            _append(self.job["answers"], {"file": file, **asdict(heard)})
            bad = [told.test for told in heard.tests if told.failed]
            print(f"recorded {file}: {len(heard.tests)} tests", *bad, heard.broken, heard.why, flush=True)
        return True


class Trying(Loop):
    """Tries one fault after the other."""

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Each fault in a fork, until a test notices."""
        items = {item.nodeid: item for item in session.items}
        usual_s: dict[str, float] = self.job["usual_s"]
        killers: dict[str, list[str]] = {}
        self.prove_that_nothing_is_noticed_without_a_fault(items)
        for fault in self.job["faults"]:
            near = killers.setdefault(fault["near"], [])
            tests = [items[test] for test in _first(near, fault["tests"]) if test in items]
            began = time.perf_counter()
            heard = self.believed(tests, fault["code"], usual_s)
            if heard.killer and heard.killer not in near:
                near.insert(0, heard.killer)
                del near[3:]
            _tell(self.job["answers"], fault, heard, time.perf_counter() - began)
        return True

    def prove_that_nothing_is_noticed_without_a_fault(self, items: dict[str, pytest.Item]) -> None:
        """A sweep in which everything fails would call every fault noticed. Raises RuntimeError."""
        usual_s = self.job["usual_s"]
        cheap = sorted(
            {test for fault in self.job["faults"][:20] for test in fault["tests"][:2]} & items.keys()
        )
        heard = in_child(partial(self.with_fault, [items[test] for test in cheap], ""), usual_s)
        if heard.killer:
            raise RuntimeError(f"without any fault {heard.killer} fails: {heard.why}")

    def believed(self, tests: list[pytest.Item], code: str, usual_s: dict[str, float]) -> Heard:
        """A slow test that fails with the fault must pass without it, or it does not count."""
        while True:
            heard = in_child(partial(self.with_fault, tests, code), usual_s)
            killer = heard.killer
            if not killer or (usual_s.get(killer, 0) < SLOW_S and not heard.why):
                return heard
            alone = [item for item in tests if item.nodeid == killer]
            if not in_child(partial(self.with_fault, alone, ""), usual_s).killer:
                return heard
            tests = tests[[item.nodeid for item in tests].index(killer) + 1 :]

    def with_fault(self, tests: Sequence[pytest.Item], code: str, say: Say) -> None:
        """In the fork: switch the fault on, and run."""
        from dispatcher import mutant_rows, mutant_switch

        mutant_switch.choose(code)
        if int(code.partition(":")[0] or -1) >= self.job["first_row"]:
            mutant_rows.put_in(self.job["first_row"])
        self.run(tests, say, stops=True)


def _first(near: Sequence[str], tests: Sequence[str]) -> list[str]:
    """What noticed the neighbours' faults goes first, where it passes this place at all."""
    known = [test for test in near if test in set(tests)]
    return [*known, *(test for test in tests if test not in set(known))]


def _try_rows(job: dict[str, Any]) -> None:
    for name in job["preload"]:
        __import__(name)
    killers: list[str] = []
    for fault in job["faults"]:
        began = time.perf_counter()
        heard = Heard([])
        for tests in fault["batches"]:
            chosen = _first(killers, tests)
            heard = in_child(partial(_fresh, chosen, fault["code"]), job["usual_s"])
            if heard.killer:
                killers = [heard.killer, *(test for test in killers if test != heard.killer)][:4]
                break
        _tell(job["answers"], fault, heard, time.perf_counter() - began)


def _fresh(tests: Sequence[str], code: str, say: Say) -> None:
    os.environ["MUTANT"] = code
    plugin = Fresh({"say": say})
    ended = pytest.main([*OPTIONS, "-x", *tests], plugins=[plugin])
    if ended not in {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED}:
        say({"test": f"(collecting: {ended!r})", "failed": True, "took_s": 0.0, "sites": []})


class Fresh(Loop):
    """Says what the tests of a fresh process came to."""

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Before a test."""
        self.job["say"]({"begins": nodeid})

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """Behind a test."""
        self.job["say"]({"test": nodeid, "failed": nodeid in self.failed, "took_s": 0.0, "sites": []})


def _tell(answers: str, fault: dict[str, Any], heard: Heard, took_s: float) -> None:
    killer = heard.killer
    _append(
        answers,
        {
            "name": fault["name"],
            "killer": killer,
            "why": heard.why,
            "tests": len(heard.tests),
            "took_s": took_s,
        },
    )
    print(
        f"{'killed' if killer else 'SURVIVED':<9}{took_s:6.1f} s  {fault['name']}  {killer} {heard.why}",
        flush=True,
    )


def _append(path: str, words: dict[str, object]) -> None:
    with Path(path).open("a", encoding="utf-8") as file:
        file.write(json.dumps(words) + "\n")


def names_of(lines: Iterable[str]) -> list[dict[str, Any]]:
    """The answers, parsed."""
    return [json.loads(line) for line in lines if line.strip()]


if __name__ == "__main__":
    sys.exit(main())
