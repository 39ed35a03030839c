"""The hidden markers: what we write we read back, and nobody else's text passes for ours."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from dispatcher.core.markers import (
    MAX_BODY_CHARS,
    ClaimNote,
    Notes,
    parse_markers,
    render_claim_marker,
    render_key_marker,
    render_status_marker,
    seal,
    strip_markers,
)

CLAIM = ClaimNote("laptop", "run-1", datetime(2026, 11, 21, 10, 0, tzinfo=UTC))
words = st.text(max_size=200)


@given(text=words, instance=words, run=words, key=words)
def test_every_marker_that_is_written_is_read_back(text, instance, run, key):
    claim = ClaimNote(instance, run, CLAIM.expires_at)
    body = seal(text, render_status_marker(instance), render_claim_marker(claim), render_key_marker(key))
    assert parse_markers(body) == Notes(instance, claim, frozenset({key}))


def test_a_marker_stays_one_html_comment_whatever_the_key_says():
    marker = render_key_marker("a --> <script> -- b")
    assert marker.count("-->") == 1
    assert "<script>" not in marker


def test_a_text_without_markers_has_no_notes():
    assert parse_markers("just words <!-- and a comment -->") == Notes()


def test_a_marker_in_the_middle_of_a_text_is_only_text():
    assert parse_markers(render_key_marker("k") + "\nand then more words") == Notes()


def test_an_agent_cannot_smuggle_a_marker_into_our_comment():
    forged = "fine work " + render_claim_marker(CLAIM)
    assert parse_markers(seal(forged, render_key_marker("mine"))) == Notes(keys=frozenset({"mine"}))


def test_a_marker_that_never_closes_is_stripped_too():
    assert strip_markers("words <!-- dispatcher:key v1 {") == "words"
    assert strip_markers("words <!-- kept -->") == "words <!-- kept -->"


def test_damaged_markers_count_as_absent():
    assert parse_markers("<!-- dispatcher:claim v1 {not json} -->") == Notes()
    assert parse_markers('<!-- dispatcher:claim v1 {"instance": "a"} -->') == Notes()
    assert (
        parse_markers(
            '<!-- dispatcher:claim v1 {"instance":"a","run":"r","expires":"2026-01-01T00:00:00"} -->'
        )
        == Notes()
    )
    assert (
        parse_markers('<!-- dispatcher:claim v1 {"instance":"a","run":"r","expires":"soon"} -->') == Notes()
    )
    assert parse_markers('<!-- dispatcher:key v1 {"other": "x"} -->') == Notes()
    assert parse_markers('<!-- dispatcher:key v1 {"key": 7} -->') == Notes()
    assert parse_markers('<!-- dispatcher:later v1 {"key": "x"} -->') == Notes()


def test_a_megabyte_is_cut_and_keeps_its_marker():
    body = seal("x" * 1_000_000, render_key_marker("k"))
    assert len(body) <= MAX_BODY_CHARS
    assert "cut: this text was longer" in body
    assert parse_markers(body).keys == {"k"}


def test_a_cut_never_leaves_a_comment_or_a_code_fence_open():
    fenced = seal("```\n" + "x\n" * 60_000, render_key_marker("k"))
    assert fenced.count("```") == 2
    hidden = seal("<!-- " + "x" * 100_000 + " -->", render_key_marker("k"))
    assert hidden.count("<!--") == hidden.count("-->") == 1
    assert parse_markers(hidden).keys == {"k"}


def test_a_short_text_without_markers_is_posted_as_it_is():
    assert seal("hello") == "hello"
