"""Templates are filled in once; other people's text can hold anything."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatcher.core.errors import BadConfig
from dispatcher.runs.quoting import clean, quote_block, quote_inline
from dispatcher.runs.template import parse_template

SETTLED = settings(derandomize=True, database=None, deadline=None)
KNOWN = ("title", "told", "empty")
VALUES = {"title": "Sort {{ told }} {{# told }}", "told": "a point", "empty": "  "}


def filled(source: str) -> str:
    return parse_template(source, "worker.md", KNOWN).render(VALUES)


def refusal(source: str) -> str:
    with pytest.raises(BadConfig) as caught:
        parse_template(source, "prompts/worker.md", KNOWN)
    return str(caught.value)


def test_a_variable_is_filled_in_once() -> None:
    assert filled("= {{ title }} = {{told}} =") == "= Sort {{ told }} {{# told }} = a point ="


def test_a_part_shows_when_its_variable_is_not_empty() -> None:
    assert filled("a\n{{# told }}\nb {{ told }}\n{{/ told }}\nc\n") == "a\nb a point\nc\n"
    assert filled("a\n{{# empty }}\nb {{ told }}\n{{/ empty }}\nc\n") == "a\nc\n"


def test_the_opposite_of_a_part() -> None:
    assert filled("{{^ empty }}none{{/ empty }}{{^ told }}none{{/ told }}") == "none"


def test_parts_inside_parts() -> None:
    source = "{{# told }}1{{# empty }}2{{# told }}3{{/ told }}4{{/ empty }}5{{/ told }}6"
    assert filled(source) == "156"


def test_windows_line_ends_do_no_harm() -> None:
    assert filled("a\r\n{{# told }}\r\nb\r\n{{/ told }}\r\nc") == "a\nb\nc"


def test_single_braces_and_shell_are_left_alone() -> None:
    assert filled("{ title } ${HOME} {x} }} {") == "{ title } ${HOME} {x} }} {"


def test_an_unknown_variable_is_named_with_its_line_and_the_nearest() -> None:
    assert (
        refusal("one\n\nthree {{ titel }}\n")
        == "prompts/worker.md:3: unknown variable `titel`; did you mean `title`?"
    )


def test_an_unknown_part_is_named_too() -> None:
    assert (
        refusal("{{# zzz }}\n{{/ zzz }}")
        == "prompts/worker.md:1: unknown variable `zzz`; known variables: empty, title, told."
    )


def test_nothing_between_the_braces_is_an_unknown_variable() -> None:
    assert "unknown variable ``" in refusal("{{ }}")


def test_a_part_that_is_never_closed_is_named() -> None:
    assert (
        refusal("a\n{{# told }}\nb") == "prompts/worker.md:2: `{{# told }}` is never closed. Add {{/ told }}."
    )


def test_parts_that_cross_are_named() -> None:
    assert "line" not in refusal("{{# told }}{{# empty }}{{/ told }}{{/ empty }}")
    assert (
        refusal("{{# told }}\n{{# empty }}\n{{/ told }}")
        == "prompts/worker.md:3: `{{/ told }}` closes a part, but `empty` is open."
    )
    assert refusal("{{/ told }}") == "prompts/worker.md:1: `{{/ told }}` closes a part, but nothing is open."


@SETTLED
@given(st.text())
def test_no_value_can_change_what_stands_around_it(text: str) -> None:
    shown = parse_template("<{{ title }}>", "f", KNOWN).render({"title": text, "told": "", "empty": ""})
    assert shown == f"<{text}>"


@SETTLED
@given(st.text(alphabet="`~\n a{}#<>-"), st.integers(0, 12))
def test_no_text_can_leave_its_fence(text: str, backticks: int) -> None:
    block = quote_block(f"{text}\n{'`' * backticks}\nand on", by="Issue")
    _, fence_line, *inside, last = block.split("\n")
    fence = fence_line.removesuffix("text")
    assert last == fence
    assert not [line for line in inside if line.strip().startswith(fence)]


@SETTLED
@given(st.text(alphabet="` a\n"))
def test_no_text_can_leave_its_code_span(text: str) -> None:
    span = quote_inline(text)
    fence = span[: len(span) - len(span.lstrip("`"))]
    assert "\n" not in span
    assert span.endswith(fence)
    assert len(fence) not in [len(run) for run in re.findall("`+", span[len(fence) : len(span) - len(fence)])]


def test_control_characters_escapes_and_invisible_marks_are_taken_out() -> None:
    hostile = "a\x1b[31mred\x1b[0m\x00b\x07 \u202etxt\u202c z\u200bw \x1b]0;title\x07end\r\nnext\ttab"
    assert clean(hostile) == "aredb txt zw end\nnext\ttab"


def test_a_text_that_is_too_long_says_that_it_was_cut() -> None:
    assert clean("x" * 20, 10) == "x" * 10 + "\n[cut here: the text is longer]"


def test_no_text_makes_no_block() -> None:
    assert quote_block(" \n\x00", by="Issue") == ""
    assert quote_inline("\x00 ") == ""
