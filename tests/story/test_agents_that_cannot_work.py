"""Quotas, logins and crashes: the agent goes on hold, the next one takes over, the task loses nothing.

What the task itself is too much for is none of these.
"""

import json
from datetime import UTC, datetime, timedelta

from dispatcher.core.faults import FaultKind
from dispatcher.core.model import HoldKind, Stage
from dispatcher.core.rules import AgentConfig, Limits
from tests.story.office import APPROVE, DONE, Office, adds, writes


def tells(**event: object) -> dict[str, object]:
    """One line of Claude Code's event stream."""
    return {"print": json.dumps(event)}


def refused(status: int, said: str) -> tuple[dict[str, object], ...]:
    """The API said no, and the program ends as if nothing were wrong."""
    return (tells(type="result", subtype="success", is_error=True, api_error_status=status, result=said),)


def hold_of(office: Office, agent: str):
    return next((one for one in office.engine.desk.journal.load_agent_holds() if one.agent == agent), None)


def test_when_the_first_agent_has_no_quota_left_the_next_one_takes_over(office):
    office.hires("claude", *refused(429, "You have hit your usage limit"))
    office.configure(agent_of={"worker": ("claude", "scripted")})
    number = office.asks()

    office.settle()

    agents = [record.run.agent for record in office.engine.desk.journal.load_runs(office.task(number).key)]
    assert agents[::-1] == ["claude", "scripted", "scripted"]
    assert office.stage(number) is Stage.MERGE_READY
    assert office.decided(number).count("AgentFaulted") == 1
    hold = hold_of(office, "claude")
    assert hold is not None
    assert hold.until > office.clock.now()

    other = office.asks()
    office.settle()
    assert office.stage(other) is Stage.MERGE_READY
    assert agents.count("claude") == 1, "it is left alone until its hold is over"


def test_a_task_waits_for_the_only_agent_without_losing_an_attempt_and_goes_on_by_itself(office):
    office.hires("claude", *refused(529, "overloaded_error"))
    office.configure(agent_of={"worker": "claude"})
    number = office.asks()
    office.settle()

    task = office.task(number)
    assert (task.stage, task.attempts) == (Stage.QUEUED, 0)
    assert task.hold.kind is HoldKind.AGENTS_ON_HOLD
    assert task.hold.until == hold_of(office, "claude").until
    assert "agents on hold until" in office.explained(number)
    assert "no agent can work until then" in office.status_text(number)

    office.hires("claude", *writes())
    office.configure()
    office.later(minutes=3)
    office.settle()
    assert office.stage(number) is Stage.MERGE_READY
    assert hold_of(office, "claude") is None, "a run that ends well makes the next pause a short one again"


def test_an_expired_login_asks_one_person_once_and_everything_goes_on_with_their_retry(office):
    office.hires("claude", *refused(401, "Please run /login"))
    office.configure(agent_of={"worker": "claude"})
    first, second = office.asks(), office.asks()
    office.settle()

    stages = {office.stage(first), office.stage(second)}
    assert stages == {Stage.BLOCKED, Stage.QUEUED}
    asked, waiting = (first, second) if office.stage(first) is Stage.BLOCKED else (second, first)
    (comment,) = office.said(asked)
    assert "No agent can work" in comment
    assert "401" in comment
    assert office.said(waiting) == []
    assert office.task(waiting).hold.until is None
    assert office.task(asked).attempts == office.task(waiting).attempts == 0

    office.hires("claude", *writes())
    office.configure()
    office.settle()
    assert office.stage(waiting) is Stage.QUEUED, "a restart mends no login"
    office.comments(asked, "@shop-bot retry")
    office.settle()
    assert {office.stage(first), office.stage(second)} == {Stage.MERGE_READY}


def test_when_nobody_is_asked_any_more_the_next_task_asks(office):
    office.hires("claude", *refused(401, "Please run /login"))
    office.configure(agent_of={"worker": "claude"})
    first = office.asks()
    office.settle()
    office.comments(first, "@shop-bot stop")
    office.settle()
    second = office.asks()
    office.settle()
    assert office.stage(second) is Stage.BLOCKED


def test_a_program_that_is_not_there_is_passed_over(office):
    office.staff["missing"] = AgentConfig("missing", "claude", ("/nowhere/agent",))
    office.configure(agent_of={"worker": ("missing", "scripted")})
    number = office.asks()
    office.settle()
    assert office.stage(number) is Stage.MERGE_READY
    hold = hold_of(office, "missing")
    assert hold is not None
    assert hold.kind in {FaultKind.SETTINGS, FaultKind.CRASH}


def test_retry_lets_an_agent_work_again_for_all_tasks(office):
    office.hires("claude", *refused(429, "usage limit"))
    office.configure(agent_of={"worker": "claude"})
    number = office.asks()
    office.settle()
    assert office.task(number).hold.kind is HoldKind.AGENTS_ON_HOLD

    office.hires("claude", *writes())
    office.restart()
    office.write_config("[agent.claude]\nargv = ['true']")
    assert "claude gets runs again" in office.asked("retry", "--agent", "claude")
    office.settle()
    assert office.stage(number) is Stage.MERGE_READY


def test_a_label_chooses_the_agent_and_a_name_that_nobody_has_is_told(office):
    office.hires("codex-like", *writes(), kind="command")
    office.configure()
    chosen = office.opens()
    office.labels(chosen, "agent:codex-like")
    office.labels(chosen, "bot")
    lost = office.opens()
    office.labels(lost, "agent:codxe")
    office.labels(lost, "bot")
    office.settle()

    def worker_of(number: int) -> str:
        runs = office.engine.desk.journal.load_runs(office.task(number).key)
        return next(record.run.agent for record in runs if record.run.role == "worker")

    assert worker_of(chosen) == "codex-like"
    assert worker_of(lost) == "scripted"
    assert office.stage(lost) is Stage.MERGE_READY
    assert "`agent:codxe` names no agent of mine" in office.status_text(lost)
    assert "agent:codxe names no agent" in office.explained(lost)


def test_a_reviewer_is_of_another_vendor_than_who_wrote_the_code(office):
    office.hires("claude", *writes())
    office.hires("codex", APPROVE, kind="codex")
    office.configure(agent_of={"worker": "claude", "reviewer": ("claude", "codex")})
    number = office.asks()
    office.settle()
    runs = office.engine.desk.journal.load_runs(office.task(number).key)
    assert [(str(record.run.role), record.run.agent) for record in runs[::-1]] == [
        ("worker", "claude"),
        ("reviewer", "codex"),
    ]
    assert all(record.prompt_digest for record in runs)


def test_a_quota_that_names_its_reset_time_is_waited_for_until_then(office):
    reset_at = (datetime.now(UTC) + timedelta(hours=3)).replace(microsecond=0)  # programs live in real time
    office.hires("claude", *refused(429, f"Claude AI usage limit reached|{int(reset_at.timestamp())}"))
    office.configure(agent_of={"worker": "claude"})
    number = office.asks()
    office.settle()
    assert office.task(number).hold.until == reset_at


def denied(tool: str) -> dict[str, object]:
    """It ends as if nothing were wrong, and names the tool that it was not allowed to use."""
    return tells(type="result", subtype="success", result="ok", permission_denials=[{"tool_name": tool}])


def test_a_denied_tool_beside_an_outcome_that_does_not_fit_is_repaired_not_held(office):
    broken = {"outcome_text": '{"outcome": "done"'}
    work = [*writes()[:-1], broken, denied("WebFetch")]
    office.hires("claude", {"if": {"repair_error_has": "JSON"}, "then": [DONE], "else": work})
    office.configure(agent_of={"worker": "claude"})
    number = office.asks()
    office.settle()
    assert office.decided(number).count("OutcomeMalformed") == 1, office.why_not_settled()
    assert office.stage(number) is Stage.MERGE_READY
    assert hold_of(office, "claude") is None


def test_a_denied_tool_without_any_outcome_holds_the_agent(office):
    office.hires("claude", denied("Bash"))
    office.configure(agent_of={"worker": "claude"})
    number = office.asks()
    office.settle()
    assert hold_of(office, "claude").kind is FaultKind.SETTINGS
    assert office.task(number).attempts == 0


def test_the_agent_that_takes_over_goes_on_from_the_commits_of_the_one_that_could_not(office):
    office.hires("claude", *writes()[:-1], *refused(429, "You have hit your usage limit"))
    office.hires("second", {"if": {"file:shop.py_has": "sum"}, "then": adds()})
    office.configure(agent_of={"worker": ("claude", "second")})
    number = office.asks()
    office.settle()
    assert office.stage(number) is Stage.MERGE_READY


def test_a_task_that_never_fits_into_the_model_is_a_persons_after_its_attempts_and_holds_no_agent(office):
    office.hires("claude", *refused(400, "Prompt is too long"), {"crash": 1})
    office.configure(agent_of={"worker": "claude"}, limits=Limits(redispatch_cooldown_s=0, attempts=2))
    number = office.asks()
    office.settle()

    assert office.stage(number) is Stage.BLOCKED, office.why_not_settled()
    assert office.decided(number).count("AgentFaulted") == 0
    (comment,) = office.said(number)
    assert "2 of 2 attempts" in comment
    assert hold_of(office, "claude") is None
    assert len(office.engine.desk.journal.load_runs(office.task(number).key)) == 2

    office.hires("claude", *writes())
    office.configure(agent_of={"worker": "claude"})
    other = office.asks()
    office.settle()
    assert office.stage(other) is Stage.MERGE_READY
