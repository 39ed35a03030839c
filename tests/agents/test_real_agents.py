"""The real agent programs, from a label to a merge-ready pull request, against a stand-in for the model's server."""

from pathlib import Path

import pytest

from dispatcher.core.faults import FaultKind
from dispatcher.core.model import Stage
from dispatcher.core.rules import Limits
from tests.agents.lab import PROGRAMS, Program, lab
from tests.support.model_scripts import good_colleague, mumbler, runaway
from tests.support.model_server import Trouble, model_server

ONE_TRY = Limits(redispatch_cooldown_s=60, attempts=1, worker_s=60, reviewer_s=60)
TRIED = ("claude", "codex", "gemini")
"""Those that CI installs; `make test-agents` plays every one in every scenario."""
WHOSE = {Trouble.UNAUTHORIZED: FaultKind.LOGIN, Trouble.RATE_LIMITED: FaultKind.RATE_LIMIT}


@pytest.fixture(params=TRIED)
def program(request: pytest.FixtureRequest) -> Program:
    """Each program that is installed."""
    return installed_program(request.param)


def installed_program(kind: str) -> Program:
    found = PROGRAMS[kind]
    if not found.path.exists():
        pytest.skip(f"skipped: {kind} is not installed; `make agents` installs it")
    return found


def test_a_label_becomes_a_merge_ready_pull_request_with_one_rework(program: Program, tmp_path: Path) -> None:
    with model_server(good_colleague) as model, lab(tmp_path, program, model) as office:
        number = office.asks()
        assert office.finishes(number) is Stage.MERGE_READY, office.last_words()
        assert office.roles() == ["worker", "reviewer", "worker", "reviewer"]
        assert sum(report.tokens or 0 for report in office.reports()) == model.total.total
        assert not office.leftovers()
        outputs = [served.asked.last_output for served in model.served if served.asked]
        assert any(
            "Add the prices up" in output for output in outputs
        )  # the agent's own commit, not one on its behalf


@pytest.mark.parametrize("kind", ["claude", "codex"])
@pytest.mark.parametrize("trouble", [Trouble.UNAUTHORIZED, Trouble.RATE_LIMITED])
def test_a_refusal_of_the_api_is_the_set_ups_fault_not_the_tasks(
    kind: str, trouble: Trouble, tmp_path: Path
) -> None:
    program = installed_program(kind)
    with model_server(good_colleague, trouble) as model, lab(tmp_path, program, model, ONE_TRY) as office:
        number = office.asks()
        assert f"{program.kind}: " in (told := office.fails(number)), office.last_words()
        fault = office.reports()[0].fault
        assert fault is not None, told
        assert fault.kind is WHOSE[trouble]
        assert office.task(number).attempts == 0
        assert not office.leftovers()


def test_an_endless_loop_is_ended_and_its_tokens_are_known(tmp_path: Path) -> None:
    program = installed_program("codex")  # whose events tell no tokens before the end
    limits = Limits(redispatch_cooldown_s=60, attempts=1, worker_s=20)
    with model_server(runaway) as model, lab(tmp_path, program, model, limits) as office:
        number = office.asks()
        office.fails(number)
        report = office.reports()[0]
        assert report.ended_because == "timed-out"
        assert not office.leftovers()
        told = report.tokens or 0
        newest = max(one.count.total for one in model.served)
        assert model.total.total - 2 * newest <= told <= model.total.total


def test_a_malformed_outcome_gets_one_repair_and_then_a_person(tmp_path: Path) -> None:
    program = installed_program("claude")
    with model_server(mumbler) as model, lab(tmp_path, program, model, ONE_TRY) as office:
        number = office.asks()
        assert office.finishes(number) is Stage.BLOCKED
        assert office.task(number).blocked_why.startswith("malformed")
        assert office.roles() == ["worker", "worker"]
