"""What belongs to `make test` and what to `make test-long`; at the end, how many attacks were tried, and how many got through."""

from collections import Counter
from pathlib import Path

import pytest

from tests.attacks.tally import CONTROL, count

LONG_ROOMS = {"attacks", "agents"}
MARKERS = (
    f"{CONTROL}: shows that an attack reaches its goal where nothing defends",
    "long: takes seconds; `make test-long`",
    "samples(n): the first n of its cases belong to `make test`, the others to `make test-long`",
)


def pytest_configure(config: pytest.Config) -> None:
    for line in MARKERS:
        config.addinivalue_line("markers", line)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is long before anybody selects by marks."""
    cases: Counter[str] = Counter()
    for item in items:
        name = item.nodeid.partition("[")[0]
        cases[name] += 1
        samples = item.get_closest_marker("samples")
        is_further_case = samples is not None and cases[name] > samples.args[0]
        if is_further_case or LONG_ROOMS & set(Path(item.path).parts):
            item.add_marker(pytest.mark.long)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    stats = terminalreporter.stats
    tally = count(
        report for kind in ("passed", "failed", "error", "skipped") for report in stats.get(kind, ())
    )
    if tally.ran or tally.skipped:
        terminalreporter.section("attacks")
        for line in tally.lines():
            terminalreporter.write_line(line)
