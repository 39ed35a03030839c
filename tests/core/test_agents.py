"""Who is tried for a run, and how long an agent that could not work is left alone."""

from dataclasses import replace
from datetime import timedelta

import pytest

from dispatcher.core.agents import (
    AgentHold,
    candidates,
    choose_agent,
    hold_after,
    vendor_of,
    with_own_table,
)
from dispatcher.core.faults import Fault, FaultKind
from dispatcher.core.model import Hold, HoldKind, LabelEvent, Role, Stage
from dispatcher.core.observe import people_to_judge
from dispatcher.core.rules import AgentConfig, RepoRules
from tests.core.situations import (
    ANNA,
    BEN,
    EARLIER,
    MALLORY,
    NAMES,
    NOW,
    item,
    labelled,
    look,
    pull,
    shows,
    task_in,
)

AGENTS = {
    name: AgentConfig(name, kind)
    for name, kind in (("claude", "claude"), ("codex", "codex"), ("haiku", "claude"), ("mine", "command"))
}
RULES = RepoRules(
    "shop",
    "acme",
    "shop",
    agents=(
        ("worker", ("claude", "codex")),
        ("reviewer", ("claude", "haiku", "codex")),
        ("responder", ("haiku",)),
    ),
)
QUOTA = Fault(FaultKind.QUOTA, "claude: usage limit reached")
LOGIN = Fault(FaultKind.LOGIN, "claude: 401 from the API")


def tried(role: Role, **changes: object) -> tuple[str, ...]:
    return candidates(task_in(Stage.QUEUED, **changes), role, RULES, AGENTS)


# ---------------------------------------------------------------- who is tried


def test_the_list_of_a_role_is_tried_in_its_order():
    assert tried(Role.WORKER) == ("claude", "codex")
    assert tried(Role.RESPONDER) == ("haiku",)


def test_a_label_names_the_agent_that_is_tried_first_and_the_list_is_the_fail_over():
    assert tried(Role.WORKER, agent_wish="codex") == ("codex", "claude")
    assert tried(Role.RESPONDER, agent_wish="mine") == ("mine", "haiku")


def test_a_label_that_names_no_agent_changes_nothing():
    assert tried(Role.WORKER, agent_wish="codxe") == ("claude", "codex")


def test_a_reviewer_is_of_another_vendor_than_the_worker_where_there_is_one():
    assert tried(Role.REVIEWER, worked_by="claude") == ("codex", "claude", "haiku")
    assert tried(Role.REVIEWER, worked_by="codex") == ("claude", "haiku", "codex")


def test_a_reviewer_of_code_by_nobody_we_know_is_the_first_of_the_list():
    assert tried(Role.REVIEWER, worked_by="") == ("claude", "haiku", "codex")
    assert tried(Role.REVIEWER, worked_by="gone") == ("claude", "haiku", "codex")


def test_the_label_does_not_choose_who_reviews():
    assert tried(Role.REVIEWER, agent_wish="codex", worked_by="codex")[0] == "claude"


@pytest.mark.parametrize(
    ("agent", "vendor"),
    [
        (AgentConfig("a", "claude"), "anthropic"),
        (AgentConfig("a", "codex", model="gpt-5"), "openai"),
        (AgentConfig("a", "opencode", model="anthropic/claude-sonnet-4"), "anthropic"),
        (AgentConfig("a", "opencode", model="openrouter/google/gemini-2.5-pro"), "google"),
        (AgentConfig("a", "aider", model="mistral/devstral"), "mistral"),
        (AgentConfig("a", "aider", model="o3"), "openai"),
        (AgentConfig("a", "copilot"), "copilot"),
        (AgentConfig("a", "claude", vendor="acme"), "acme"),
    ],
)
def test_the_vendor_is_who_makes_the_model(agent, vendor):
    assert vendor_of(agent) == vendor


# ---------------------------------------------------------------- who put the label there


def agent_label(name: str, by: object, minutes: int = 0) -> LabelEvent:
    return labelled(by, EARLIER + timedelta(minutes=minutes), f"agent:{name}")


def test_only_a_label_by_somebody_who_may_ask_counts_and_the_newest_of_them():
    events = (
        labelled(),
        agent_label("codex", ANNA),
        agent_label("haiku", BEN, 1),
        agent_label("mine", MALLORY, 2),
    )
    issue = item(labels="bot agent:codex agent:haiku agent:mine", label_events=events)
    assert MALLORY in people_to_judge(task_in(Stage.QUEUED), shows(issue), NAMES)
    assert look(task_in(Stage.QUEUED), shows(issue)).agent_wish == "haiku"


def test_a_label_that_was_taken_off_is_no_wish_any_more():
    issue = item(labels="bot", label_events=(labelled(), agent_label("codex", ANNA)))
    assert look(task_in(Stage.QUEUED, agent_wish="codex"), shows(issue)).agent_wish == ""


def test_a_newer_label_on_the_pull_request_counts_more_than_that_on_the_issue():
    issue = item(labels="agent:codex", label_events=(agent_label("codex", ANNA),))
    front = pull(labels="bot needs-review agent:haiku")
    front = replace(front, item=replace(front.item, label_events=(agent_label("haiku", ANNA, 1),)))
    assert look(task_in(Stage.NEEDS_REVIEW), shows(issue, front)).agent_wish == "haiku"


def test_a_turn_label_of_that_form_is_no_wish():
    issue = item(labels="bot", label_events=(labelled(),))
    assert look(task_in(Stage.QUEUED), shows(issue)).agent_wish == ""


# ---------------------------------------------------------------- holds


def held(agent: str, minutes: int | None) -> AgentHold:
    until = None if minutes is None else NOW + timedelta(minutes=minutes)
    return AgentHold(agent, FaultKind.QUOTA, "usage limit", EARLIER, until)


def test_the_next_one_takes_over_from_one_on_hold():
    assert choose_agent(("claude", "codex"), {"claude": held("claude", 5)}, NOW) == "codex"
    assert choose_agent(("claude", "codex"), {"claude": held("claude", 0)}, NOW) == "claude", "it is over"


def test_when_all_are_on_hold_the_wait_ends_with_the_first_that_comes_back():
    holds = {"claude": held("claude", 60), "codex": held("codex", 5), "haiku": held("haiku", None)}
    hold = choose_agent(("claude", "codex", "haiku"), holds, NOW)
    assert isinstance(hold, Hold)
    assert (hold.kind, hold.until) == (HoldKind.AGENTS_ON_HOLD, NOW + timedelta(minutes=5))
    assert "claude: usage limit; codex" in hold.ends_with


def test_a_wait_for_a_person_has_no_end_of_its_own():
    hold = choose_agent(("haiku",), {"haiku": held("haiku", None)}, NOW)
    assert isinstance(hold, Hold)
    assert hold.until is None


def test_no_agent_at_all_is_a_hold_and_no_crash():
    hold = choose_agent((), {}, NOW)
    assert isinstance(hold, Hold)
    assert hold.ends_with == "an agent for it being configured"


def test_a_quota_is_waited_for_until_the_time_that_the_program_names():
    reset_at = NOW + timedelta(hours=3)
    assert hold_after(replace(QUOTA, reset_at=reset_at), "claude", None, NOW).until == reset_at


def test_a_reset_time_that_is_over_is_not_believed_at_once():
    hold = hold_after(replace(QUOTA, reset_at=NOW - timedelta(hours=1)), "claude", None, NOW)
    assert hold.until == NOW + timedelta(minutes=1)


@pytest.mark.parametrize("kind", [FaultKind.LOGIN, FaultKind.SETTINGS])
def test_what_waiting_does_not_cure_waits_for_a_person(kind):
    hold = hold_after(Fault(kind, "no"), "claude", None, NOW)
    assert hold.until is None
    assert hold.holds_at(NOW + timedelta(days=900))


@pytest.mark.parametrize(
    ("kind", "pauses_min"),
    [
        (FaultKind.QUOTA, [30, 60, 120, 240, 360, 360, 360, 360, None]),
        (FaultKind.RATE_LIMIT, [2, 4, 8, 16, 32, 60, 60, 60, None]),
        (FaultKind.OVERLOAD, [2, 4, 8, 16, 32, 60, 60, 60, None]),
        (FaultKind.CRASH, [5, 10, 20, None]),
    ],
)
def test_pauses_grow_and_in_the_end_a_person_is_asked(kind, pauses_min):
    hold, now, seen = None, NOW, []
    for _ in pauses_min:
        hold = hold_after(Fault(kind, "again"), "claude", hold, now)
        seen.append(None if hold.until is None else int((hold.until - now).total_seconds() // 60))
        now = hold.until or now
    assert seen == pauses_min


def test_ten_runs_that_meet_the_same_trouble_make_one_pause():
    first = hold_after(QUOTA, "claude", None, NOW)
    assert hold_after(QUOTA, "claude", first, NOW + timedelta(minutes=1)) == first


def test_a_later_word_may_only_make_the_wait_longer():
    first = hold_after(QUOTA, "claude", None, NOW)
    late = NOW + timedelta(hours=5)
    assert hold_after(replace(QUOTA, reset_at=late), "claude", first, NOW).until == late
    assert hold_after(replace(QUOTA, reset_at=NOW), "claude", first, NOW) == first
    assert hold_after(LOGIN, "claude", first, NOW).until is None
    waits = hold_after(LOGIN, "claude", None, NOW)
    assert hold_after(QUOTA, "claude", waits, NOW) == waits


def test_another_trouble_begins_with_a_short_pause_again():
    before = replace(held("claude", 0), times=4)
    assert hold_after(Fault(FaultKind.OVERLOAD, "529"), "claude", before, NOW).times == 1


def test_agents_with_a_table_of_their_own_are_those_that_say_more_than_a_kind_does():
    agents = {
        "claude": AgentConfig("claude", "claude"),
        "cheap": AgentConfig("cheap", "claude", model="haiku"),
    }
    assert with_own_table(agents) == ("cheap",)
