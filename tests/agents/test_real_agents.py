"""The real agent programs, from a label to a merge-ready pull request, against a stand-in for the model's server."""

from pathlib import Path

import pytest

from dispatcher.core.model import Stage
from dispatcher.core.rules import Limits
from tests.agents.lab import PROGRAMS, Program, lab
from tests.support.model_scripts import good_colleague, mumbler
from tests.support.model_server import Trouble, model_server

ONE_TRY = Limits(redispatch_cooldown_s=60, attempts=1, worker_s=30, reviewer_s=30)
TRIED = ("claude", "codex", "opencode")
WHERE_IT_FAILS = {"401": "401 from the API", "429": "429"}


@pytest.fixture(params=TRIED)
def program(request: pytest.FixtureRequest) -> Program:
    """Each program that is installed."""
    found = PROGRAMS[request.param]
    if not found.path.exists():
        pytest.skip(f"skipped: {found.kind} is not installed; `make test-agents` installs it")
    return found


def test_a_label_becomes_a_merge_ready_pull_request_with_one_rework(program: Program, tmp_path: Path) -> None:
    with model_server(good_colleague) as model, lab(tmp_path, program, model) as office:
        number = office.asks()
        assert office.finishes(number) is Stage.MERGE_READY, office.last_words()
        assert office.roles() == ["worker", "reviewer", "worker", "reviewer"]
        assert sum(report.tokens or 0 for report in office.reports()) == model.total.total
        assert not office.leftovers()


def test_a_commit_is_the_agents_own(program: Program, tmp_path: Path) -> None:
    with model_server(good_colleague) as model, lab(tmp_path, program, model) as office:
        number = office.asks()
        office.finishes(number)
        outputs = [served.asked.last_output for served in model.served if served.asked]
        assert any("Add the prices up" in output for output in outputs)
        assert not any("Keep work that was not committed" in output for output in outputs)


@pytest.mark.parametrize("trouble", [Trouble.UNAUTHORIZED, Trouble.RATE_LIMITED])
def test_a_refusal_of_the_api_is_named(program: Program, trouble: Trouble, tmp_path: Path) -> None:
    if (program.kind, trouble) == ("opencode", Trouble.RATE_LIMITED):
        pytest.skip("skipped: opencode retries a rate limit without a word until the run's time is over")
    with model_server(good_colleague, trouble) as model, lab(tmp_path, program, model, ONE_TRY) as office:
        number = office.asks()
        assert office.finishes(number) is Stage.BLOCKED
        assert f"{program.kind}: {WHERE_IT_FAILS[trouble]}" in office.explained(number), office.last_words()
        assert not office.leftovers()


def test_a_malformed_outcome_gets_one_repair_and_then_a_person(program: Program, tmp_path: Path) -> None:
    with model_server(mumbler) as model, lab(tmp_path, program, model, ONE_TRY) as office:
        number = office.asks()
        assert office.finishes(number) is Stage.BLOCKED
        assert office.task(number).blocked_why.startswith("malformed")
        assert office.roles() == ["worker", "worker"]
