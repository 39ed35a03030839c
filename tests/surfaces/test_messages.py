"""Every text that a person reads on the forge, word for word."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from inspect import cleandoc, signature

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatcher.core.causes import BlockCause, render_why
from dispatcher.core.effects import CommentKind
from dispatcher.core.intake import find_mention
from dispatcher.core.model import Finding, ItemKey, LiveRun, Person, Role, Stage, Task
from dispatcher.core.rules import LabelNames
from dispatcher.ports import Words
from dispatcher.surfaces.messages import PLEAS, STAGE_WORDS, Messages, render_used

NOW = datetime(2026, 3, 2, 14, 14, tzinfo=UTC)
WORDS = Messages(lambda: "bot")
RUN = LiveRun("r-1", Role.WORKER, "claude", "abc", NOW - timedelta(minutes=12))
TASK = Task(ItemKey(1, 7), "acme/shop", title="The sum is wrong", requester=Person(1, "alice"))


def blocked(cause, detail="", **changes):
    task = replace(TASK, stage=Stage.BLOCKED, blocked_why=render_why(cause, detail), **changes)
    return WORDS.blocked(task)


@pytest.mark.parametrize("name", [name for name in vars(Words) if not name.startswith("_")])
def test_the_messages_are_the_words_that_the_engine_asks_for(name):
    asked = signature(getattr(Words, name)).parameters
    offered = signature(getattr(Messages, name)).parameters
    assert list(offered)[: len(asked)] == list(asked)
    assert all(parameter.default is not parameter.empty for parameter in list(offered.values())[len(asked) :])


# --- the status comment ---


def test_the_status_of_a_rework_says_who_works_and_what_was_used():
    task = replace(
        TASK, stage=Stage.REWORKING, pull=12, branch="bot/7-sum", attempts=1, rounds=1, run=RUN, cost_usd=0.42
    )
    assert WORDS.status(task, NOW) == cleandoc("""
        **Being reworked**

        | | |
        |---|---|
        | Stage | `reworking` |
        | Who works | worker (`claude`) |
        | Run | `r-1` |
        | Since | 2026-03-02 14:02 UTC |
        | Round | 2 of 5 |
        | Attempts used | 1 of 3 |
        | Branch | `bot/7-sum` |
        | Pull request | #12 |
        | Used | $0.42 of $5.00 |

        **Next:** I check the new commits, then a fresh reviewer reads them.
    """)


def test_the_status_of_a_waiting_task_names_the_end_of_its_cooldown():
    task = replace(TASK, stage=Stage.QUEUED, step_started_at=NOW, cooldown_until=NOW + timedelta(minutes=30))
    assert WORDS.status(task, NOW) == cleandoc("""
        **In the queue**

        | | |
        |---|---|
        | Stage | `queued` |
        | Since | 2026-03-02 14:14 UTC |
        | Round | 1 of 5 |
        | Attempts used | 0 of 3 |

        **Next:** A fresh worker starts as soon as a slot is free. Not before 2026-03-02 14:44 UTC.
    """)
    assert "Not before" not in WORDS.status(task, NOW + timedelta(hours=1))
    assert "Not before" not in WORDS.status(replace(task, stage=Stage.WORKING), NOW)


def test_a_repair_and_the_last_round_are_told():
    status = WORDS.status(
        replace(TASK, stage=Stage.REWORKING, rounds=5, run=replace(RUN, is_repair=True)), NOW
    )
    assert "| Who works | worker (`claude`, repairing its result) |" in status
    assert "| Round | 5 of 5 |" in status


@pytest.mark.parametrize("stage", Stage)
def test_every_stage_has_its_words(stage):
    headline, following = STAGE_WORDS[stage]
    status = WORDS.status(replace(TASK, stage=stage), NOW)
    assert status.startswith(f"**{headline}**")
    assert status.endswith(following.replace("{turn}", "bot"))


def test_labels_have_the_names_of_the_repository():
    words = Messages(lambda: "helper", lambda repo: LabelNames(turn=f"go-{repo}"))
    assert "put the label `go-acme/shop` back on" in words.status(replace(TASK, stage=Stage.DROPPED), NOW)
    assert "Comment `@helper retry`, or put the label `go-acme/shop`" in words.blocked(TASK, "stopped")


@pytest.mark.parametrize(
    ("facts", "used"),
    [
        ({"tokens": 1500}, "cost unknown, 1,500 tokens"),
        ({"tokens": 1500, "cost_usd": 0.42}, "$0.42 of $5.00, 1,500 tokens"),
        ({}, "$0.00 of $5.00"),
        (
            {"tokens": 1500, "cost_usd": 0.42, "granted_at_usd": 0.42, "granted_at_tokens": 1500},
            "$0.00 of $5.00, 0 tokens ($0.42 in all)",
        ),
        (
            {"tokens": 1500, "cost_usd": 0.42, "granted_at_usd": 0.42, "granted_at_tokens": 1000},
            "cost unknown, 500 tokens ($0.42 in all)",
        ),
    ],
    ids=["no price", "priced", "nothing used", "granted anew", "no price since it was granted anew"],
)
def test_tokens_without_a_known_cost_are_not_told_as_free(facts, used):
    assert render_used(replace(TASK, **facts)) == used


# --- when it is a person's turn ---


def test_a_question_is_quoted_and_says_how_to_answer():
    assert blocked(BlockCause.QUESTION, "Net or gross?\n\nAsk @alice.", rounds=1, cost_usd=0.5) == cleandoc("""
        **I have a question before I go on.**

        > Net or gross?
        >
        > Ask @\u200balice.

        What you can do:
        - Answer in a comment that mentions `@bot`: a fresh agent goes on with your answer.
        - Comment `@bot stop` to let it go.

        <sub>So far: 1 of 5 rounds, $0.50 of $5.00.</sub>
    """)


def test_used_up_attempts_name_the_limit_and_show_what_went_wrong():
    told = "The check failed. The end of its output:\n```\nE assert 3 == 4 <!-- dispatcher:key"
    assert blocked(BlockCause.ATTEMPTS, "3 of 3 attempts used", told=("earlier", told)) == cleandoc("""
        **All attempts are used up.**

        The limit is `attempts` = 3: so many runs of one step ended without a result.

        `3 of 3 attempts used`

        <details><summary>The last thing that went wrong</summary>

        ````
        The check failed. The end of its output:
        ```
        E assert 3 == 4 < !-- dispatcher:key
        ````

        </details>

        What you can do:
        - Tell me how to go on in a comment that mentions `@bot`: the count starts afresh.
        - Comment `@bot retry`, or put the label `bot` back on: the count starts afresh.
        - Finish it yourself: it is assigned to you, and I leave it alone.

        <sub>So far: 0 of 5 rounds.</sub>
    """)


def test_refused_commits_are_listed_one_by_one():
    text = blocked(
        BlockCause.REFUSED, ".github/workflows/ci.yml: protected path\n\nsrc/a.py:3: looks like a `secret`"
    )
    assert (
        "They hold something that must not leave by itself:\n\n"
        "- `.github/workflows/ci.yml: protected path`\n- `src/a.py:3: looks like a 'secret'`\n\n"
    ) in text


def test_an_edit_by_a_stranger_names_them_without_calling_them():
    assert "somebody who may not ask me:\n\n`mallory`" in blocked(BlockCause.EDITED, "mallory")


def test_an_unknown_cause_still_says_something():
    text = WORDS.blocked(replace(TASK, blocked_why="moonlight: too bright"))
    assert text.startswith(
        "**I cannot go on by myself.**\n\nWhat happened:\n\n`moonlight: too bright`\n\nWhat you can do:"
    )


@pytest.mark.parametrize("cause", BlockCause)
def test_every_cause_says_what_happened_and_what_to_do_and_speaks_to_nobody_else(cause):
    text = blocked(cause, "why @bot\n@alice fixes #9")
    assert text.startswith(f"**{PLEAS[cause].headline}**\n\n")
    assert "What you can do:\n- " in text
    assert "{" not in text
    assert not find_mention(text, "bot")
    assert not find_mention(text, "alice")


def test_there_is_a_plea_for_every_cause_and_no_more():
    assert set(PLEAS) == set(BlockCause)


# --- comments by kind ---


def test_comments_are_worded_by_kind():
    task = replace(TASK, blocked_why="stopped")
    assert WORDS.comment(task, CommentKind.ANSWER, "It is 42, @alice.") == "It is 42, @\u200balice."
    assert WORDS.comment(task, CommentKind.BLOCKED, "stopped").startswith("**I stopped, as I was told.**")
    assert WORDS.comment(task, CommentKind.NOTHING_TO_DO, "It works.").startswith(
        "**I found nothing to change.**\n\nThe worker says why:\n\n> It works.\n\nWhat you can do:"
    )


# --- the pull request ---


def test_a_pull_request_closes_its_issue_first_of_all():
    task = replace(TASK, pull_body="Adds a test.\n\nFixes #9 <!-- x -->", tested="`pytest`: 3 passed")
    assert WORDS.pull_body(task) == cleandoc("""
        Closes #7

        Adds a test.

        F\u200bixes #\u200b9

        ### What was tested

        `pytest`: 3 passed
    """)


def test_a_pull_request_without_an_issue_closes_none():
    assert WORDS.pull_body(replace(TASK, began_as_pull=True, pull_body="Done.")) == "Done."


def test_a_title_is_the_workers_else_the_issues_else_made_up():
    assert WORDS.pull_title(replace(TASK, pull_title="Add\nit, fixes #9")) == "Add it, f\u200bixes #\u200b9"
    assert WORDS.pull_title(TASK) == "The sum is wrong"
    assert WORDS.pull_title(replace(TASK, title="<!-- -->")) == "Work on #7"


# --- the review ---


def test_a_review_says_its_verdict_then_its_reasons():
    assert (
        WORDS.review(TASK, approved=True, summary="Well tested.", findings=())
        == "**Approved.**\n\nWell tested."
    )
    found = [Finding("no test\nfor the empty list", "major"), Finding("too long", "nit", "src/a.py")]
    assert WORDS.review(TASK, approved=False, summary="Not yet.", findings=found) == cleandoc("""
        **Changes requested.**

        Not yet.

        On the whole:

        - **major**: no test
          for the empty list
        - **nit** `src/a.py`: too long
    """)


def test_a_superseded_result_says_where_it_is():
    assert WORDS.kept("bot/7-kept", "PersonTookOver") == (
        "While an agent was at work, a person took over. Its commits are not lost, and not forced onto anything: "
        "they are on the branch `bot/7-kept`."
    )
    assert "While an agent was at work, the base went away." in WORDS.kept("b", "the base went away")
    assert "goes on" not in WORDS.comment(TASK, CommentKind.KEPT, "bot/kept/r1\nBudgetSpent")
    assert WORDS.comment(TASK, CommentKind.KEPT, "bot/kept/r1\nBudgetSpent\ncontinued").endswith(
        "they are on the branch `bot/kept/r1`. The next worker goes on from there."
    )


# --- all of them ---


@settings(derandomize=True, database=None, deadline=None, max_examples=25)
@given(
    st.lists(
        st.sampled_from(["@bot ", "fixes #1 ", "```", "\n", "- ", "> ", "<pre>", "<!--", "x" * 30_000]),
        max_size=8,
    )
)
def test_no_text_of_an_agent_gets_out_of_hand(pieces):
    text = "".join(pieces)
    task = replace(TASK, pull_body=text, tested=text, told=(text,), blocked_why=f"cannot: {text}", branch="b")
    findings = [Finding(text, "nit", text[:50])] * 50
    for message in (
        WORDS.pull_body(task),
        WORDS.blocked(task),
        WORDS.blocked(task, f"attempts: {text}"),
        WORDS.review(TASK, approved=True, summary=text, findings=findings),
        WORDS.answer(TASK, text),
        WORDS.kept(text, text),
    ):
        assert len(message) <= 60_000
        assert "<!--" not in message
        assert not find_mention(message, "bot")
