"""What agents say that they did: accepted exactly as the schema says, refused with the exact reason."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from dispatcher.core.events import (
    Answered,
    GaveUp,
    NothingToDo,
    OutcomeMalformed,
    QuestionAsked,
    ReviewApproved,
    ReviewRejected,
    WorkDelivered,
    WorkWanted,
)
from dispatcher.core.model import Finding, Role
from dispatcher.core.outcomes import OUTCOME_LIMIT, parse_outcome, schema_for, texts_of

WORKER, REVIEWER, RESPONDER = Role.WORKER, Role.REVIEWER, Role.RESPONDER


def said(role, **fields):
    return parse_outcome(role, "r1", "abc", json.dumps(fields))


def error_of(role, text):
    event = parse_outcome(role, "r1", "abc", text)
    assert isinstance(event, OutcomeMalformed)
    assert event.run_id == "r1"
    return event.error


def finding_error(**fields):
    finding = {"severity": "minor", "text": "x"} | fields
    outcome = {"outcome": "request-changes", "summary": "no", "findings": [finding]}
    assert not VALIDATORS[REVIEWER].is_valid(outcome)
    return error_of(REVIEWER, json.dumps(outcome))


# --- every outcome becomes its event ---


def test_a_worker_says_one_of_four_things():
    assert said(WORKER, outcome="done", title="Fix\n the  sum", body="b", tested="t") == WorkDelivered(
        "r1", "Fix the sum", "b", "t"
    )
    assert said(WORKER, outcome="question", text="Which one?") == QuestionAsked("r1", "Which one?")
    assert said(WORKER, outcome="cannot", why="no network") == GaveUp("r1", "no network")
    assert said(WORKER, outcome="nothing-to-do", why="it works") == NothingToDo("r1", "it works")


def test_a_reviewer_approves_or_asks_for_changes():
    assert said(REVIEWER, outcome="approve", summary="good") == ReviewApproved("r1", "abc", "good")
    nit = {"severity": "nit", "text": "a space"}
    assert said(REVIEWER, outcome="approve", summary="good", findings=[nit]) == ReviewApproved(
        "r1", "abc", "good", (Finding("a space", "nit"),)
    )
    found = [
        {"path": "./src//sum.py", "line": 3.0, "severity": "blocker", "text": "wrong"},
        {"path": None, "line": None, "severity": "major", "text": "no test"},
        {"path": "a..b/..c", "severity": "minor", "text": "odd"},
    ]
    assert said(REVIEWER, outcome="request-changes", summary="no", findings=found) == ReviewRejected(
        "r1",
        "abc",
        "no",
        (
            Finding("wrong", "blocker", "src/sum.py", 3),
            Finding("no test", "major"),
            Finding("odd", "minor", "a..b/..c"),
        ),
    )


def test_a_responder_answers_or_wants_work():
    assert said(RESPONDER, outcome="answer", text="42") == Answered("r1", "42")
    assert said(RESPONDER, outcome="work", text="add it") == WorkWanted("r1", "add it")


def test_texts_come_clean():
    assert said(RESPONDER, outcome="answer", text=" \x1b[1mfour\x1b[0m\x00\r\ntwo \ud800") == Answered(
        "r1", "four\ntwo"
    )


def test_a_byte_order_mark_is_no_fault():
    assert parse_outcome(WORKER, "r1", "", '\ufeff{"outcome": "cannot", "why": "x"}') == GaveUp("r1", "x")


# --- everything else is refused by name ---


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "the outcome is empty, but it must be one JSON object"),
        (" \n", "the outcome is empty, but it must be one JSON object"),
        ("[1, 2]", "the outcome is a list of 2, but it must be one JSON object"),
        ('"done"', 'the outcome is "done", but it must be one JSON object'),
        ("null", "the outcome is null, but it must be one JSON object"),
        ("{'a': 1}", "not valid JSON: Expecting property name enclosed in double quotes at line 1, column 2"),
        ('{\n"a": }', "not valid JSON: Expecting value at line 2, column 6"),
        ('{"why": NaN}', "not valid JSON: NaN is no JSON number"),
        ('{"why": -Infinity}', "not valid JSON: -Infinity is no JSON number"),
        ('{"why": ' + "9" * 5_000 + "}", "not valid JSON: a number in it has too many digits"),
        ("[" * 100_000, "the JSON is nested too deeply; an outcome has at most two levels of objects"),
        ('{"a":' * 100_000, "the JSON is nested too deeply; an outcome has at most two levels of objects"),
        ('{"why": "a", "why": "b"}', 'the key "why" stands twice in one object'),
        (
            "x" * (OUTCOME_LIMIT + 1),
            "the outcome has 1,000,001 characters, but at most 1,000,000 are allowed",
        ),
        ("{}", "outcome is missing; it must be one of: done, question, cannot, nothing-to-do"),
        (
            '{"outcome": 1e400}',
            "outcome = Infinity, but it must be one of: done, question, cannot, nothing-to-do",
        ),
        (
            '{"outcome": {}}',
            "outcome = an object, but it must be one of: done, question, cannot, nothing-to-do",
        ),
        (
            '{"outcome": "approve"}',
            'outcome = "approve", but it must be one of: done, question, cannot, nothing-to-do',
        ),
        (
            '{"outcome": "Done"}',
            'outcome = "Done", but it must be one of: done, question, cannot, nothing-to-do; did you mean `done`?',
        ),
        ('{"outcome": "cannot"}', "why is missing; it must be a text of at most 10,000 characters"),
        ('{"outcome": "cannot", "why": 7}', "why = 7, but it must be a text"),
        ('{"outcome": "cannot", "why": true}', "why = true, but it must be a text"),
        ('{"outcome": "cannot", "why": " "}', 'why = " ", but it must say something'),
        ('{"outcome": "cannot", "why": "\\u0000"}', 'why = "\\u0000", but it must say something'),
        (
            json.dumps({"outcome": "cannot", "why": "x" * 10_001}),
            "why has 10,001 characters, but at most 10,000 are allowed",
        ),
        (
            '{"outcome": "cannot", "wy": "x"}',
            'unknown key "wy" in an outcome "cannot", which may have: outcome, why. Did you mean `why`?',
        ),
        (
            '{"outcome": "cannot", "zzz": 1, "yyy": 2}',
            'unknown key "zzz" (and 1 more) in an outcome "cannot", which may have: outcome, why.',
        ),
        (
            json.dumps({"outcome": "cannot", "k" * 500: 1}),
            f'unknown key "{"k" * 60}"... in an outcome "cannot", which may have: outcome, why.',
        ),
    ],
    ids=range(28),
)
def test_what_is_no_outcome_is_refused_with_the_place_the_value_and_the_cure(text, error):
    assert error_of(WORKER, text) == error


@pytest.mark.parametrize(
    ("findings", "error"),
    [
        ([], 'findings is empty, but "request-changes" needs at least 1'),
        ({}, "findings = an object, but it must be a list"),
        ([7], "findings[0] = 7, but it must be an object"),
        ([{}] * 100_000, "findings has 100,000 entries, but at most 50 are allowed"),
    ],
    ids=["none", "an object", "a number", "too many"],
)
def test_findings_are_a_list_of_some(findings, error):
    outcome = {"outcome": "request-changes", "summary": "no", "findings": findings}
    assert error_of(REVIEWER, json.dumps(outcome)) == error


def test_changes_are_not_requested_without_saying_which():
    assert (
        error_of(REVIEWER, '{"outcome": "request-changes", "summary": "no"}')
        == 'findings is missing; "request-changes" needs at least 1'
    )


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        (
            {"severity": "critical"},
            'findings[0].severity = "critical", but it must be one of: blocker, major, minor, nit',
        ),
        (
            {"severity": None},
            "findings[0].severity = null, but it must be one of: blocker, major, minor, nit",
        ),
        ({"text": []}, "findings[0].text = a list of 0, but it must be a text"),
        (
            {"file": "a"},
            'unknown key "file" in findings[0], which may have: path, line, severity, text.',
        ),
        ({"line": 3}, "findings[0].line = 3, but there is no path that it belongs to"),
        ({"path": "a", "line": 0}, "findings[0].line = 0, but it must be a line number from 1 on"),
        ({"path": "a", "line": True}, "findings[0].line = true, but it must be a line number from 1 on"),
        ({"path": "a", "line": 2.5}, "findings[0].line = 2.5, but it must be a line number from 1 on"),
        ({"path": "a", "line": "3"}, 'findings[0].line = "3", but it must be a line number from 1 on'),
        (
            {"path": "a", "line": 10**30},
            "findings[0].line = a huge number, but it must be a line number from 1 on",
        ),
        ({"path": 7}, "findings[0].path = 7, but it must be a text"),
        ({"path": "a" * 1_001}, "findings[0].path has 1,001 characters, but at most 1,000 are allowed"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_finding_is_refused_by_field(fields, error):
    assert finding_error(**fields) == error


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/etc/passwd",
        "..",
        "../a",
        "a/../../b",
        "a/..",
        "a/",
        "C:\\a",
        "a\nb",
        "a\n",
        "a\tb",
        "a\x00",
        ".\u202e./a",
    ],
)
def test_a_path_stays_inside_the_repository(path):
    assert finding_error(path=path) == (
        f"findings[0].path = {json.dumps(path)}, but it must be a file's path from the repository's root, without `..`"
    )


# --- parser and schema agree ---

VALIDATORS = {role: Draft202012Validator(schema_for(role)) for role in Role}

texts = st.text(max_size=20) | st.sampled_from(["ok", " ", "", "\x00", "\x1b[0m", "x" * 300, "x" * 41_000])
severities = st.sampled_from(["blocker", "major", "minor", "nit", "huge", None])
paths = st.sampled_from(
    ["a.py", "./b//c", "../d", "/e", "f/", "g/../h", "i\n", "", "..", ".", "j\u202e", None, 7]
)
lines = st.sampled_from([1, 2.0, 0, -1, 1.5, True, None, "4", 10**9, float("1e300")])
findings = st.lists(
    st.fixed_dictionaries(
        {"severity": severities, "text": texts}, optional={"path": paths, "line": lines, "odd": st.none()}
    )
    | st.sampled_from([None, "x", []]),
    max_size=3,
) | st.sampled_from([None, [{"severity": "nit", "text": "x"}] * 50, [{"severity": "nit", "text": "x"}] * 51])
names = st.sampled_from(
    [
        "done",
        "question",
        "cannot",
        "nothing-to-do",
        "approve",
        "request-changes",
        "answer",
        "work",
        "maybe",
        None,
    ]
)
outcomes = st.fixed_dictionaries(
    {"outcome": names},
    optional={
        name: texts | st.integers() for name in ("title", "body", "tested", "text", "why", "summary", "odd")
    }
    | {"findings": findings},
)
VALID = {
    WORKER: [
        {"outcome": "done", "title": "t", "body": "b", "tested": "t"},
        {"outcome": "question", "text": "q"},
        {"outcome": "cannot", "why": "w"},
        {"outcome": "nothing-to-do", "why": "w"},
    ],
    REVIEWER: [
        {"outcome": "approve", "summary": "s"},
        {"outcome": "request-changes", "summary": "s", "findings": [{"severity": "nit", "text": "x"}]},
    ],
    RESPONDER: [{"outcome": "answer", "text": "a"}, {"outcome": "work", "text": "w"}],
}


@st.composite
def mutated(draw):
    """A valid outcome of a role, with up to two of its fields replaced or taken out, or one put in."""
    role = draw(st.sampled_from(list(Role)))
    outcome = dict(draw(st.sampled_from(VALID[role])))
    for key in draw(st.lists(st.sampled_from([*outcome, "findings"]), max_size=2)):
        if draw(st.booleans()):
            outcome[key] = draw(findings if key == "findings" else texts | names)
        else:
            outcome.pop(key, None)
    return role, outcome


def assert_agreement(role, outcome):
    text = json.dumps(outcome)
    fits = VALIDATORS[role].is_valid(json.loads(text))
    event = parse_outcome(role, "r1", "abc", text)
    is_blank_after_cleaning = isinstance(event, OutcomeMalformed) and "must say something" in event.error
    assert fits == (not isinstance(event, OutcomeMalformed)) or (fits and is_blank_after_cleaning)


@pytest.mark.parametrize("role", Role)
def test_the_schema_is_one_and_every_valid_outcome_fits_it(role):
    Draft202012Validator.check_schema(schema_for(role))
    assert json.loads(json.dumps(schema_for(role))) == schema_for(role)
    for outcome in VALID[role]:
        assert VALIDATORS[role].is_valid(outcome)
        assert not isinstance(said(role, **outcome), OutcomeMalformed)


@given(st.sampled_from(list(Role)), outcomes)
def test_schema_and_parser_agree_on_any_outcome(role, outcome):
    assert_agreement(role, outcome)


@given(mutated())
def test_schema_and_parser_agree_on_a_damaged_outcome(case):
    assert_agreement(*case)


@given(findings)
def test_schema_and_parser_agree_on_findings(found):
    assert_agreement(REVIEWER, {"outcome": "request-changes", "summary": "s", "findings": found})


@given(st.text() | st.text(alphabet='{}[]",:\\ ntrue019.e-'))
def test_no_text_breaks_the_parser(text):
    assert parse_outcome(REVIEWER, "r1", "abc", text)


def test_every_text_of_an_outcome_can_be_looked_through():
    delivered = said(Role.WORKER, outcome="done", title="A title", body="one\ntwo", tested="by hand")
    assert dict(texts_of(delivered)) == {
        "`title` of the outcome": "A title",
        "`body` of the outcome": "one\ntwo",
        "`tested` of the outcome": "by hand",
    }
    finding = {"severity": "major", "text": "wrong", "path": "a.py"}
    rejected = said(Role.REVIEWER, outcome="request-changes", summary="no", findings=[finding, finding])
    assert list(texts_of(rejected)) == [
        ("`summary` of the outcome", "no"),
        ("finding 1", "a.py\nwrong"),
        ("finding 2", "a.py\nwrong"),
    ]
