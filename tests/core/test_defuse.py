"""What an agent writes calls nobody, closes nothing, hides nothing, and ends what it opens."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatcher.core.defuse import BREAK, defuse, defuse_line
from dispatcher.core.intake import find_mention
from dispatcher.core.prose import read_prose

CLOSES = re.compile(r"\b(?:close[sd]?|fix(?:e[sd])?|resolve[sd]?)\b\W{0,9}#\d", re.IGNORECASE)


@pytest.mark.parametrize(
    ("text", "harmless"),
    [
        ("thanks @alice", "thanks @~alice"),
        ("_@alice_ \\@bob @org/team me@x.org", "_@~alice_ \\@~bob @~org/team me@~x.org"),
        ("&#64;alice &#x40;bob &commat;eve", "@~alice @~bob @~eve"),
        ("`@alice`", "`@~alice`"),
        ("an @ alone", "an @ alone"),
        ("Fixes #12", "F~ixes #12"),
        ("closed: acme/shop#12", "c~losed: acme/shop#12"),
        ("resolves GH-12", "r~esolves GH-12"),
        ("fix https://github.example/acme/shop/issues/12", "f~ix https://github.example/acme/shop/issues/12"),
        ("resolve\n\n**#12**", "r~esolve\n\n**#12**"),
        ("close &num;12", "c~lose #12"),
        ("see #12", "see #12"),
        ("this fixes the sum", "this fixes the sum"),
        ("prefixes #12", "prefixes #12"),
        ("a<!-- hidden -->b", "ab"),
        ("a<!-- dispatcher:claim v1 {} -->", "a"),
        ("a<!-->b", "ab"),
        ("a <!-- never ends", "a &lt;!-- never ends"),
        ("<!-<!-- x -->- @y -->", "&lt;!-- @~y -->"),
        ("red \x1b[31m\x00alert", "red alert"),
    ],
)
def test_words_that_do_something_are_broken(text, harmless):
    assert defuse(text) == harmless.replace("~", BREAK)


def test_code_in_a_fence_keeps_every_character():
    code = "Like this:\n\n```python\n@property\ndef fixes(self): ...  # 12 fixes #12\n```"
    assert defuse(code) == code


@pytest.mark.parametrize(
    "text",
    [
        "- ```\n```\n@bot",
        "  ```\n@bot\n  ```",
        "> ```\n```\n@bot\n```",
        "<div>\n```\n@bot\n```",
        "- <div>\n\n```\n@bot\n```",
        "```a`b\n@bot",
        "```@bot\n```",
        "```\nx\n```\n@bot",
    ],
)
def test_what_only_may_be_code_is_taken_for_prose(text):
    assert "@bot" not in defuse(text)


def test_a_fence_that_is_left_open_is_closed():
    assert defuse("```py\nx = 1") == "```py\nx = 1\n```"
    assert defuse("~~~~\n~~~\n```") == "~~~~\n~~~\n```\n~~~~"
    assert defuse("```\nx\n```") == "```\nx\n```"


def test_a_cut_text_ends_its_fence_too():
    cut = defuse("```\n" + "x\n" * 1_000, 500)
    assert len(cut) <= 500
    assert cut.endswith("[cut here: the text had 2,004 characters]\n```")


def test_a_fence_too_long_to_close_is_no_fence():
    assert defuse("`" * 200 + "\nx") == "``\nx"


def test_a_title_is_one_line_without_a_note():
    assert defuse_line("Fix  #12:\n@alice <!-- x -->sees", 250) == f"F{BREAK}ix #12: @{BREAK}alice sees"
    assert defuse_line("x" * 300, 250) == "x" * 250


PIECES = [
    *"@bot `~>-*+1.#<\n\t ",
    *(
        "@bot",
        "fixes #1",
        "```",
        "```\n",
        "~~~\n",
        "\n",
        "\n\n",
        "- ",
        "> ",
        "    ",
        "<div>",
        "<pre>",
        "</pre>",
        "<!--",
        "-->",
    ),
]


@settings(max_examples=400)
@given(st.lists(st.sampled_from(PIECES), max_size=40).map("".join), st.sampled_from([300, 60_000]))
def test_whatever_the_text_it_comes_out_harmless(text, limit):
    harmless = defuse(text, limit)
    assert len(harmless) <= limit
    assert not find_mention(harmless, "bot")
    assert not CLOSES.search(read_prose(harmless))
    assert "<!--" not in harmless


@given(
    st.lists(
        st.sampled_from([piece for piece in PIECES if "<" not in piece and piece not in "> -+*1."]),
        max_size=40,
    )
)
def test_what_follows_is_never_swallowed(pieces):
    assert "our words" in read_prose(defuse("".join(pieces)) + "\n\nour words")
