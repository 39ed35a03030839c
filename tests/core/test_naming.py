"""Branch names: readable, short, and never a problem for git."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.core.naming import branch_name, branch_prefix, kept_branch

_SAFE = re.compile(r"bot/[a-z0-9/]+(?:-[a-z0-9]+)*")


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("Fix the login page", "bot/7-fix-the-login-page"),
        ("  Crash: `None` has no attribute 'x' (again!)  ", "bot/7-crash-none-has-no-attribute-x-again"),
        ("Größe ändern – für Café", "bot/7-grosse-andern-fur-cafe"),
        ("", "bot/7-change"),
        ("🚀🔥", "bot/7-change"),
        ("\x00\x1b[31m..@{~^:?*\\", "bot/7-31m"),
        ("../../.git/hooks/x.lock", "bot/7-git-hooks-x-lock"),
    ],
)
def test_the_title_becomes_words_of_a_ref(title, expected):
    assert branch_name(7, title) == expected


def test_a_long_title_is_cut_between_words():
    name = branch_name(7, "one two three four five six seven eight nine ten eleven twelve thirteen")
    assert name == "bot/7-one-two-three-four-five-six-seven-eight-nine-ten"


def test_one_endless_word_is_cut_where_it_must():
    assert branch_name(7, "x" * 500) == "bot/7-" + "x" * 54


@given(number=st.integers(1, 10**12), title=st.text(max_size=300))
def test_every_name_is_a_safe_ref_that_begins_with_its_issue(number, title):
    name = branch_name(number, title)
    assert len(name) <= 60
    assert _SAFE.fullmatch(name)
    assert name.startswith(branch_prefix(number))
    assert not name.endswith((".lock", "-", "/"))
    assert branch_name(number, title) == name


@given(st.text(max_size=200))
def test_a_kept_result_has_a_safe_branch_whatever_its_run_is_called(run_id):
    assert re.fullmatch(r"bot/kept/[a-z0-9]+(?:-[a-z0-9]+)*", kept_branch(run_id))
