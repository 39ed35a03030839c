"""A blocked task carries its cause in one line of text."""

import pytest

from dispatcher.core.causes import BlockCause, parse_why, render_why


@pytest.mark.parametrize("cause", BlockCause)
@pytest.mark.parametrize("detail", ["", "why: because", "two\nlines"])
def test_what_is_rendered_is_parsed_again(cause, detail):
    assert parse_why(render_why(cause, f" {detail} ")) == (cause, detail)


def test_an_unknown_cause_keeps_its_text():
    assert parse_why("moonlight: too bright") == (None, "moonlight: too bright")
