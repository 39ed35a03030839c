"""What people write, and what we take it for."""

import time
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.core.errors import BadConfig
from dispatcher.core.intake import (
    MARKER,
    TRIGGER_LIMIT,
    HeardKind,
    Trigger,
    clean_text,
    cut_text,
    dealt_with,
    find_mention,
    matches_trigger,
    parse_command,
    read_comments,
)
from dispatcher.core.model import Command, Comment, Person
from dispatcher.core.prose import GAP, read_prose

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
BOT = Person(99, "bot", is_bot=False)
ALICE = Person(1, "alice")

SAID = {
    "first word": "@bot hi",
    "in a sentence": "Hey @bot, please look.",
    "any case": "@BoT",
    "in brackets": "(@bot)",
    "bold": "**@bot** fix this",
    "before dots": "what do you think, @bot...",
    "before a full stop": "ask @bot.",
    "without spaces, as in Chinese": "请@bot看看",
    "heading": "# @bot",
    "bullet": "- @bot look",
    "numbered": "12) @bot look",
    "second item": "1. a\n2. @bot",
    "paragraph of an item": "- a\n\n  @bot",
    "paragraph of an item, far in": "- a\n\n    @bot",
    "under a tabbed item": "-\ta\n\n\t@bot",
    "an empty item before": "-\n\n@bot",
    "an item that begins on its second line": "-\n    @bot",
    "an empty quote in an item": "- >\n\n  @bot",
    "an indented continuation": "a\n    @bot",
    "a number that is no item": "a\n12. @bot",
    "a lone dash that is no item": "a\n-\n@bot",
    "behind a quote": "> said\n\n@bot",
    "an item behind a quote": "> said\n- @bot",
    "a heading behind a quote": "> said\n# @bot",
    "behind a quoted heading": "> # said\n@bot",
    "behind a quoted fence": "> ```\n> said\n> ```\n@bot",
    "behind quoted raw HTML": "> <pre>\n@bot",
    "behind an empty quote": ">\n@bot",
    "behind a rule": "***\n@bot",
    "behind a fence": "```\ncode\n```\n@bot",
    "behind a longer closing fence": "~~~ py\n```\n~~~~~\n@bot",
    "a fence that is none": "```a`b\n@bot",
    "behind code": "`a` @bot",
    "touching code": "`a`@bot",
    "a lone backtick": "` @bot",
    "escaped backticks": "\\`@bot\\`",
    "unequal backticks": "`` @bot `",
    "behind a comment": "<!-- x --> @bot",
    "behind the shortest comment": "<!--> @bot",
    "behind a comment of many lines": "<!--\nx\n\n--> @bot",
    "a comment that never ends, in a sentence": "a <!-- b @bot",
    "behind pre": "<pre>a\n\nb</pre> @bot",
    "behind a pre on one line": "<pre>a</pre>@bot",
    "behind a code tag": "<code>x</code>@bot",
    "behind a code tag of two paragraphs": "a <code>x\n\ny</code> @bot",
    "in details": "<details>\n<summary>more</summary>\n@bot\n</details>",
    "in a table": "| who | what |\n|---|---|\n| @bot | this |",
    "a comparison": "a <b and @bot c> d",
    "Windows line ends": "> q\r\n\r\n@bot\r\n",
    "a fence in an item ends with the item": "- ```\n  code\n\n@bot",
}

SHOWN = {
    "nothing": "",
    "longer login": "@botany",
    "longer login with a dash": "@bot-2",
    "longer login with an underscore": "@bot_2",
    "team": "@org/bot",
    "team of that name": "@bot/team",
    "e-mail": "me@bot",
    "e-mail of a domain": "write to me@bot.com",
    "domain": "@bot.com",
    "other network": "@bot@example.org",
    "the app of that name": "@bot[bot]",
    "address": "see https://example.org/@bot",
    "address in angles": "<https://example.org/@bot>",
    "address of a link": "[here](/@bot)",
    "address without a scheme": "www.example.org/@bot",
    "attribute": '<a title="@bot">x</a>',
    "code": "`@bot`",
    "code with backticks": "``a ` @bot``",
    "code of two lines": "`a\n@bot`",
    "fence": "```\n@bot\n```",
    "fence with a language": "``` python\n@bot\n```",
    "tilde fence": "~~~\n@bot\n~~~",
    "indented fence": "   ```\n   @bot\n   ```",
    "fence that never ends": "```\n@bot",
    "fence with a fence of the other kind inside": "```\n~~~\n@bot\n~~~\n```",
    "closing fence with words is none": "```\n```x\n@bot",
    "closing fence too far in is none": "```\n    ```\n@bot",
    "fence in an item": "1. a\n   - b\n     ```\n     @bot\n     ```",
    "blank lines in a fence in an item": "- ```\n\n  @bot\n  ```",
    "indented": "    @bot",
    "tabbed": "\t@bot",
    "indented in an item": "-     @bot",
    "indented behind an empty item": "-\n\n    @bot",
    "quote": "> @bot",
    "indented quote": "   > @bot",
    "quote without a space": ">@bot",
    "quote in a quote": "> > @bot",
    "quote in an item": "- > @bot",
    "lazily continued quote": "> a\n@bot",
    "lazily continued inner quote": "> > a\n> b\nc @bot",
    "comment": "<!-- @bot -->",
    "comment of many lines": "<!--\n\n@bot\n\n-->",
    "comment that never ends": "<!-- a\n\n@bot",
    "comment inside the name": "@<!-- -->bot",
    "pre": "<pre>\n\n@bot\n</pre>",
    "pre in a sentence": "a <pre>@bot</pre>",
    "code tag": "<code>@bot</code>",
    "code tag over paragraphs": "<code>\n\n@bot\n\n</code>",
    "quote tag": "<blockquote>@bot</blockquote>",
    "too deep to be anything": "> " * 40 + "@bot",
}


@pytest.mark.parametrize("text", SAID.values(), ids=SAID.keys())
def test_a_mention_in_prose_counts(text):
    assert find_mention(text, "bot")


@pytest.mark.parametrize("text", SHOWN.values(), ids=SHOWN.keys())
def test_a_name_that_is_only_shown_does_not_count(text):
    assert not find_mention(text, "bot")


def test_an_app_answers_to_its_name_with_and_without_suffix():
    assert find_mention("@fixer[bot] hi", "fixer[bot]")
    assert find_mention("@fixer hi", "fixer[bot]")
    assert not find_mention("@fixer[bot]s", "fixer[bot]")
    assert not find_mention("@fixers", "fixer[bot]")


def test_what_is_left_out_keeps_its_neighbours_apart():
    assert read_prose("a `b` c\n\n```\nd\n```\ne") == f"a {GAP} c\n\ne"


MARKDOWN = st.lists(
    st.sampled_from([*"@bot `~>-*+1.#<!\n\t\\[]()/=\"'|_:", "<pre>", "</pre>", "-->", "<!--"]), max_size=60
).map("".join)


@given(MARKDOWN)
def test_any_text_can_be_read(text):
    prose = read_prose(text)
    assert read_prose(text + "\n\n") == prose
    assert parse_command(text, "bot") is None or find_mention(text, "bot")


@given(MARKDOWN)
def test_nothing_in_a_fence_is_ever_said(text):
    fence = "`" * (len(text) + 3)
    assert read_prose(f"{fence}\n{text}\n{fence}") == ""


@given(st.text(alphabet="abot @`\n"))
def test_quoting_a_text_takes_every_mention_out_of_it(text):
    quoted = "\n".join(f"> {line}" for line in text.split("\n"))
    assert not find_mention(quoted, "bot")
    assert find_mention(f"{quoted}\n\n@bot", "bot")


@pytest.mark.parametrize(
    "unit",
    [
        "`",
        "` `` ",
        "<",
        "<!-- ",
        "a <!-- ",
        "<code>",
        ">",
        "- + ",
        "\n",
        "> a\n",
        "```\n",
        "@bot ",
        "<a b=\"<a c='",
        "a.",
        "\\`",
        "\t",
        "- ",
        "](",
        "\x1b[",
    ],
)
def test_a_long_text_takes_no_longer_per_character_than_a_short_one(unit):
    def measure(size):
        text = unit * (size // len(unit))
        began = time.process_time()
        find_mention(text, "bot")
        clean_text(text)
        return time.process_time() - began

    assert measure(200_000) < 40 * max(measure(20_000), 0.002)


# --- orders ---


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("@bot retry", Command.RETRY),
        ("@bot: retry.", Command.RETRY),
        ("Thanks! @bot, Review please", Command.REVIEW),
        ("**@bot** **resume**", Command.RESUME),
        ("@bot stop, I do it myself", Command.STOP),
        ("well\n@bot\tstop", Command.STOP),
        ("@bot retry\n@bot stop", Command.STOP),
        ("@bot review\n@bot retry", Command.REVIEW),
        ("@bot please retry", None),
        ("@bot retry?", None),
        ("@bot retry-logic is odd", None),
        ("@bot stop.py is odd", None),
        ("@bot\nretry", None),
        ("@bot `x` stop", None),
        ("`@bot stop`", None),
        ("> @bot stop", None),
        ("stop", None),
    ],
)
def test_an_order_is_the_first_word_behind_a_mention(text, command):
    assert parse_command(text, "bot") is command


# --- triggers ---


def test_a_trigger_is_found_in_prose_line_by_line():
    assert matches_trigger("Hello\nrobot: go", r"^robot: (\w+)$") == Trigger("robot: go", wants_resume=False)
    assert matches_trigger("robot: go and Resume", r"robot: go") == Trigger("robot: go", wants_resume=True)
    assert matches_trigger("> robot: go", r"robot: go") is None
    assert matches_trigger("robot: presumed", r"robot") == Trigger("robot", wants_resume=False)


def test_no_pattern_matches_nothing_and_a_bad_one_is_named():
    assert matches_trigger("anything", "") is None
    with pytest.raises(
        BadConfig, match=r"trigger_regex = '\(' is not a regular expression: .*Correct the pattern"
    ):
        matches_trigger("anything", "(")


def test_a_pattern_sees_only_the_beginning_of_a_huge_comment():
    assert matches_trigger("x " * TRIGGER_LIMIT + "go", "go") is None


# --- comments ---


def comment(body, author=ALICE, number=1):
    return Comment(number, author, body, NOON)


def kinds(*comments, **options):
    return [
        (heard.comment.id, heard.kind, heard.command) for heard in read_comments(comments, BOT, **options)
    ]


def test_only_comments_for_us_are_heard_in_their_order():
    talk = [
        comment("nice", number=1),
        comment("@bot what is this?", number=2),
        comment("@bot retry", number=3),
        comment("fix it: go", number=4),
        comment("@bot fix it: go", number=5),
    ]
    assert kinds(*talk, trigger_regex="fix it") == [
        (2, HeardKind.MENTION, None),
        (3, HeardKind.COMMAND, Command.RETRY),
        (4, HeardKind.TRIGGER, None),
        (5, HeardKind.TRIGGER, None),
    ]


def test_a_comment_says_whether_it_wants_the_existing_branch():
    (heard,) = read_comments([comment("@bot please resume")], BOT)
    assert heard.wants_resume
    (heard,) = read_comments([comment("@bot `resume`")], BOT)
    assert not heard.wants_resume


def test_the_name_that_people_mention_can_differ_from_the_account():
    assert read_comments([comment("@helper hi")], BOT, "helper")
    assert not read_comments([comment("@bot hi")], BOT, "helper")


def test_our_own_comments_are_never_heard():
    renamed = Person(BOT.id, "old-name")
    without_id = Person(0, "Bot")
    marked = f"@bot retry\n\n{MARKER}key v1 {{}} -->"
    assert kinds(comment("@bot retry", renamed)) == []
    assert kinds(comment(marked, without_id)) == []
    assert kinds(comment(marked, ALICE)) == [(1, HeardKind.COMMAND, Command.RETRY)]


def test_other_bots_are_heard_only_when_they_are_listed():
    for author in (Person(5, "renovate[bot]"), Person(5, "renovate", is_bot=True)):
        assert kinds(comment("@bot retry", author)) == []
        assert kinds(comment("@bot retry", author), allowed_bots=["dependabot"]) == []
        assert kinds(comment("@bot retry", author), allowed_bots=["Renovate[bot]"]) != []


# --- cleaning ---


@pytest.mark.parametrize(
    ("dirty", "clean"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1b]8;;http://x\x1b\\link", "link"),
        ("\x9b1mbold", "bold"),
        ("\x1b(Bplain", "plain"),
        ("\x1b]never ends\nnext", "]never ends\nnext"),
        ("a\x00b\x08c\x7fd\x85e", "abcde"),
        ("tab\tstays\r\nand lines\rtoo\u2028so", "tab\tstays\nand lines\ntoo\nso"),
        ("user\u202etxt.exe\u2066", "usertxt.exe"),
        ("half \ud800 a pair", "half  a pair"),
        ("hidden\U000e0041 order", "hidden order"),
        ("👩‍💻 ü 请", "👩‍💻 ü 请"),
    ],
)
def test_what_could_deceive_or_break_a_terminal_goes_away(dirty, clean):
    assert clean_text(dirty) == clean


def test_a_cut_is_noted_and_says_how_much_there_was():
    assert cut_text("x" * 1_000, 100) == "x" * 57 + "\n\n[cut here: the text had 1,000 characters]"
    assert cut_text("x" * 1_000, 10) == "x" * 10


@given(st.text(alphabet=st.characters(codec=None)), st.integers(0, 200))
def test_cleaning_twice_is_cleaning_once_and_stays_within_the_limit(text, limit):
    once = clean_text(text, limit)
    assert len(once) <= limit
    assert clean_text(once, limit) == once
    once.encode()


# ---------------------------------------------------------------- an item that the journal lost


def wrote(body: str, minute: int, by: Person = ALICE, number: int = 1) -> Comment:
    return Comment(number, by, body, NOON + timedelta(minutes=minute))


KEYED, STATUS = "Because. <!-- dispatcher:key v1 {} -->", "Waiting. <!-- dispatcher:status v1 {} -->"


@pytest.mark.parametrize(
    ("said", "ours", "is_old"),
    [
        ("@bot why?", [(KEYED, 5)], True),
        ("@bot why?", [(STATUS, 5)], False),
        ("@bot stop", [(STATUS, 5)], True),
        ("/go", [(STATUS, 5)], True),
        ("@bot stop", [(STATUS, -5)], False),
        ("@bot stop", [("By hand, without a marker.", 5)], False),
        ("@bot stop", [], False),
    ],
)
def test_what_was_said_before_the_bots_last_word_was_dealt_with_in_an_earlier_life(said, ours, is_old):
    """The journal was deleted: old orders would be carried out once more, old questions answered twice."""
    asked = wrote(said, 0)
    thread = [asked, *(wrote(body, minute, BOT, 2 + place) for place, (body, minute) in enumerate(ours))]
    meant = read_comments(thread, BOT, trigger_regex="^/go")
    assert dealt_with(meant, thread, BOT) == ((asked.version,) if is_old else ())
