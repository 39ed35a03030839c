"""At the end of a run of the tests: how many attacks were tried, and how many got through."""

import pytest

from tests.attacks.tally import CONTROL, count


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", f"{CONTROL}: shows that an attack reaches its goal where nothing defends"
    )


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    stats = terminalreporter.stats
    tally = count(
        report for kind in ("passed", "failed", "error", "skipped") for report in stats.get(kind, ())
    )
    if tally.ran or tally.skipped:
        terminalreporter.section("attacks")
        for line in tally.lines():
            terminalreporter.write_line(line)
