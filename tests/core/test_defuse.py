"""What an agent writes calls nobody, closes nothing, hides nothing, and ends what it opens."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatcher.core.defuse import BREAK, defuse, defuse_commit, defuse_line
from dispatcher.core.intake import find_mention
from dispatcher.core.prose import read_prose
from dispatcher.core.rules import AgentText

CLOSES = re.compile(r"\b(?:close[sd]?|fix(?:e[sd])?|resolve[sd]?)\b\W{0,9}#\d", re.IGNORECASE)


@pytest.mark.parametrize(
    ("text", "harmless"),
    [
        ("thanks @alice", "thanks @~alice"),
        ("_@alice_ \\@bob @org/team me@x.org", "_@~alice_ \\@~bob @~org/team me@~x.org"),
        ("&#64;alice &#x40;bob &commat;eve", "@~alice @~bob @~eve"),
        ("`@alice`", "`@~alice`"),
        ("an @ alone", "an @ alone"),
        ("Fixes #12", "F~ixes #~12"),
        ("closed: acme/shop#12", "c~losed: acme/shop#~12"),
        ("resolves GH-12", "r~esolves GH-~12"),
        (
            "fix https://github.example/acme/shop/issues/12",
            "f~ix https:~//github.example/acme/shop/issues/~12",
        ),
        ("resolve\n\n**#12**", "r~esolve\n\n**#~12**"),
        ("close &num;12", "c~lose #~12"),
        ("see #12 and other/repo#3", "see #~12 and other/repo#~3"),
        ("this fixes the sum", "this fixes the sum"),
        ("prefixes 12", "prefixes 12"),
        ("x](y) and `a[0]: 1`", "x](y) and `a[0]~: 1`"),
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


@pytest.mark.parametrize(
    ("text", "harmless"),
    [
        ("[log in](https://evil.example/x)", "[log in]~(https:~//evil.example/x)"),
        ("![](https://evil.example/pixel.png)", "![]~(https:~//evil.example/pixel.png)"),
        ("<https://evil.example>", "<~https:~//evil.example>"),
        ("see https://evil.example and www.evil.example", "see https:~//evil.example and www~.evil.example"),
        ("[a][b]\n\n[b]: https://evil.example", "[a][b]\n\n[b]~: https:~//evil.example"),
        ("[a](//evil.example) [b](/\\evil.example)", "[a]~(//evil.example) [b]~(/\\evil.example)"),
        ("[a](javascript:alert) [b](ftp://x.org)", "[a]~(javascript:alert) [b]~(ftp:~//x.org)"),
        ("https&colon;&#47;/evil.example", "https:~//evil.example"),
        ('<img src="https://evil.example/p">', '<~img src="https:~//evil.example/p">'),
        ('<a href="//evil.example">x</a>', '<~a href="//evil.example">x<~/a>'),
        ("<details><summary>x</summary>", "<~details><~summary>x<~/summary>"),
        ("https://git.example@evil.example/x", "https:~//[secret]@~evil.example/x"),
        ("https://git.example.evil.example/x", "https:~//git.example.evil.example/x"),
        ("[a](https://git.example.evil.example/)", "[a]~(https:~//git.example.evil.example/)"),
    ],
)
def test_links_and_images_to_outside_hosts_are_kept_as_text(text, harmless):
    allowed = AgentText(links=("git.example",))
    assert defuse(text, allowed=allowed) == harmless.replace("~", BREAK)
    assert defuse(text, allowed=AgentText(mentions=True, links=("*",))) != harmless.replace("~", BREAK)


@pytest.mark.parametrize(
    "text",
    [
        "[the code](https://git.example/acme/shop/blob/main/a.py#L3)",
        "https://Git.Example/acme/shop",
        "[the docs](docs/how-to.md) and [above](#top) and ![a plan](./plan.png)",
        "H<sub>2</sub>O, <b>bold</b><br/>",
        "1 < 2 and a <- b",
    ],
)
def test_links_to_the_forge_itself_stay(text):
    assert defuse(text, allowed=AgentText(links=("git.example",))) == text


def test_what_is_allowed_stays_but_nothing_ever_closes_an_issue():
    allowed = AgentText(mentions=True, references=True, links=("*",))
    text = "@alice, see #12 and [this](https://elsewhere.example)."
    assert defuse(text, allowed=allowed) == text
    assert defuse("fixes #12", allowed=allowed) == f"f{BREAK}ixes #12"


@pytest.mark.parametrize(
    ("message", "harmless"),
    [
        ("Sum up\n\nFixes #9, thanks @alice\n", "Sum up\n\nF~ixes #~9, thanks @~alice\n"),
        ("x\n\nCo-authored-by: Eve <eve@x.org>\n", "x\n\nCo-authored-by~: Eve <eve@~x.org>\n"),
        ("x\n\nSigned-off-by : Eve\nskip-checks: true", "x\n\nSigned-off-by~ : Eve\nskip-checks~: true"),
        ("all is well [skip ci]", "all is well [~skip ci]"),
        ("[ci skip] [no ci] [skip actions] [x]", "[~ci skip] [~no ci] [~skip actions] [x]"),
        ("a<!-- dispatcher:key v1 {} -->b \x1b[31mred", "ab red"),
        (
            "fix: keep [links](https://x.org)\n\nNote: as it is\n",
            "fix: keep [links](https://x.org)\n\nNote: as it is\n",
        ),
    ],
)
def test_a_commit_message_credits_nobody_and_closes_nothing(message, harmless):
    assert defuse_commit(message) == harmless.replace("~", BREAK)


@given(st.text(max_size=200))
def test_a_commit_message_that_was_defused_stays_as_it_is(message):
    once = defuse_commit(message)
    assert defuse_commit(once) == once


def test_a_title_gives_no_orders_to_ci():
    assert defuse_line("Mend it [skip ci]", 250) == f"Mend it [{BREAK}skip ci]"


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
    assert (
        defuse_line("Fix  #12:\n@alice <!-- x -->sees", 250) == f"F{BREAK}ix #{BREAK}12: @{BREAK}alice sees"
    )
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
