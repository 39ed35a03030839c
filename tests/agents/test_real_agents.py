"""The real agent programs, from a label to a merge-ready pull request, against a stand-in for the model's server."""

from pathlib import Path

import pytest

from dispatcher.core.faults import FaultKind
from dispatcher.core.model import Stage
from dispatcher.core.rules import Limits
from tests.agents.lab import KEY, PROGRAMS, Program, lab
from tests.support.model_scripts import REPAIR, good_colleague, penitent, runaway
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
        outputs = "\n".join(served.asked.last_output for served in model.served if served.asked)
        assert "Add the prices up" in outputs, "the agent's own commit, not one on its behalf"
        assert model.keys == {KEY}
        assert KEY not in outputs, "the key is put in outside: `env` shows another word"
        assert office.called == set(), "no telemetry, no look for updates"


@pytest.mark.parametrize(
    ("kind", "trouble"), [("claude", Trouble.UNAUTHORIZED), ("codex", Trouble.RATE_LIMITED)]
)
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


def test_an_endless_loop_is_ended_by_its_budget_and_its_tokens_are_known(tmp_path: Path) -> None:
    program = installed_program("codex")  # whose events tell no tokens before the end
    limits = Limits(redispatch_cooldown_s=60, attempts=1, worker_s=60, tokens_per_run=5_000)
    with model_server(runaway) as model, lab(tmp_path, program, model, limits) as office:
        number = office.asks()
        assert "tokens_per_run" in office.fails(number), office.last_words()
        report = office.reports()[0]
        assert report.ended_because == "stopped"
        assert not office.leftovers()
        told = report.tokens or 0
        newest = max(one.count.total for one in model.served)
        assert model.total.total - 2 * newest <= told <= model.total.total


@pytest.mark.parametrize("kind", ["claude", "codex"])
def test_a_repair_goes_on_with_the_conversation_of_its_run(kind: str, tmp_path: Path) -> None:
    program = installed_program(kind)
    with model_server(penitent) as model, lab(tmp_path, program, model, ONE_TRY) as office:
        number = office.asks()
        assert office.publishes(number), office.last_words()
        asked = [served.asked for served in model.served if served.asked and served.asked.tools]
        repair = next(one for one in asked if REPAIR in one.text)
        steps = max(one.steps for one in asked if REPAIR not in one.text)
        assert repair.steps == steps, "what the commands of the first run printed is still there"
        assert "You are the worker" in repair.text
        second = office.reports()[1]
        assert second.tokens == sum(
            one.count.total for one in model.served if one.asked and REPAIR in one.asked.text
        ), "the past of the session is in the first run's bill"
