"""An outcome is found at the end of what an agent printed."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.core.outcomes import last_json_block

DONE = '{"outcome": "answer", "text": "a } and a \\" and a {"}'


@pytest.mark.parametrize(
    "log",
    [
        DONE,
        f"thinking...\n{DONE}\nbye\n",
        f"Result: {DONE} tokens: {{}}",
        f"void main() {{\n  and so on\n{DONE}\n",
        f"void main() {{ {DONE} }}",
        f'{{"outcome": "answer", "text": "an earlier one"}}\n{DONE}\n{{"tokens": 5}}',
        f"```json\n{DONE}\n```\n",
        f"```json\n{{}}\n```\n~~~ JSON\n{DONE}\n~~~\nThat is all.",
        f"```json\n{DONE}\n",
        f'```json\n{{"outcome": "work"}}\n```\nor rather {DONE}',
        f'say "{{"\n{DONE}',
        f'}} }} "\n{DONE}',
        f"{{ 'no': json }}\n{DONE}\n{{'nor': this}}",
    ],
    ids=range(13),
)
def test_the_last_outcome_is_found(log):
    assert last_json_block(log) == DONE


def test_without_an_outcome_the_last_json_is_taken_so_that_the_error_can_name_it():
    assert last_json_block('{"a": 1}\n{"b": {"c": 2}}\n') == '{"b": {"c": 2}}'
    assert last_json_block('```json\n{"a": 1,}\n```') == '{"a": 1,}'


def test_an_object_of_many_lines_is_taken_whole():
    log = '{\n  "outcome": "approve",\n  "findings": [\n    {"text": "x"}\n  ]\n}'
    assert last_json_block(f"```\nhello\n```\n{log}\n") == log


@pytest.mark.parametrize(
    "log", ["", "no braces", "{ }", "{'a': 1}", '{"a": 1', '{"a":' * 2_000 + "1" + "}" * 2_000]
)
def test_nothing_is_found_where_nothing_is(log):
    found = last_json_block(log)
    assert found is None or len(found) < len(log)


@pytest.mark.parametrize(
    "unit",
    ['{"', '{"a":', '{"a":[1,', '{"a":1}', '{"a":{"b":1},', '{ "', '"\\"', "```json\n", "{}", '{"a":[}'],
)
def test_a_long_log_takes_no_longer_per_character_than_a_short_one(unit):
    def measure(size):
        began = time.process_time()
        last_json_block(unit * (size // len(unit)))
        return time.process_time() - began

    assert measure(200_000) < 40 * max(measure(20_000), 0.002)


def test_work_on_braces_that_hold_no_json_ends():
    nested = '{"a": x ' * 30_000 + "}" * 30_000
    assert last_json_block(nested) is None


@given(st.text(alphabet='{}"\\:a\n`~json1,'))
def test_no_log_breaks_the_search(log):
    found = last_json_block(log)
    assert found is None or found in log
