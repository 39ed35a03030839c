"""A secret is known again in every usual spelling, and nothing else is taken for one."""

import base64
import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.core.secrecy import know_secrets, secret_variables

TOKEN = "s3cr3t/of+this=machine"


@pytest.mark.parametrize(
    "spelled",
    [
        TOKEN,
        quote(TOKEN, safe=""),
        json.dumps({"key": 'a "quoted" one'})[9:-2],
        base64.b64encode(f"x-access-token:{TOKEN}".encode()).decode(),
        base64.b64encode(f"user=alice&key={TOKEN}&more".encode()).decode(),
        base64.urlsafe_b64encode(f"\xff\xfe{TOKEN}".encode()).decode(),
    ],
)
def test_a_secret_is_found_however_it_is_spelled(spelled):
    secrets = know_secrets([TOKEN, 'a "quoted" one'])
    assert secrets.holds(f"-- {spelled} --")
    assert TOKEN not in secrets.redact(f"-- {spelled} --")
    assert "[secret]" in secrets.redact(f"-- {spelled} --")


@given(before=st.binary(max_size=20), after=st.binary(max_size=20))
def test_base64_hides_it_nowhere(before, after):
    text = base64.b64encode(before + TOKEN.encode() + after).decode()
    assert know_secrets([TOKEN]).holds(text)


def test_the_longer_of_two_secrets_is_replaced_first():
    assert (
        know_secrets(["correct horse", "correct horse battery"]).redact("correct horse battery") == "[secret]"
    )


def test_short_values_and_ordinary_words_are_left_alone():
    secrets = know_secrets(["bot", "", "  "])
    assert secrets.spellings == ()
    assert secrets.redact("the bot and about: both") == "the bot and about: both"
    assert not know_secrets(["a-secret-value"]).holds("nothing of the kind")


def test_what_has_the_shape_of_a_token_is_replaced_without_being_known():
    assert know_secrets([]).redact("ghp_" + "a1B2c3D4e5F6" * 3) == "[secret]"


@given(st.lists(st.text(max_size=30), max_size=4), st.text(max_size=200))
def test_any_text_can_be_cleaned(values, text):
    secrets = know_secrets(values)
    assert (
        not secrets.holds(secrets.redact(text))
        or "[secret]" in " ".join(values)
        or any(value.strip() and value.strip() in "[secret]" for value in secrets.spellings)
    )


def test_which_variables_hold_a_secret():
    variables = {
        "ANTHROPIC_API_KEY": "sk-test-1234",
        "DB_PASSWORD": "correct horse",
        "GOOGLE_APPLICATION_CREDENTIALS": "/etc/google.json",
        "AUTH_URL": "https://login.example.com",
        "AUTH_DSN": "https://me:secret@login.example.com",
        "ODD_NAME": "9f8e7d6c5b4a39281706f5e4d3c2b1a0",
        "LANG": "en_GB.UTF-8",
        "MODEL": "a-model-with-a-very-long-name-indeed",
        "SHORT_KEY": "abc",
    }
    assert set(secret_variables(variables)) == {
        "sk-test-1234",
        "correct horse",
        "https://me:secret@login.example.com",
        "9f8e7d6c5b4a39281706f5e4d3c2b1a0",
    }


def test_a_short_secret_is_not_looked_for_in_scraps_that_any_base64_could_hold():
    short = know_secrets(["abc123"])
    assert short.holds("-- abc123 --")
    assert not short.holds(base64.b64encode(b"xxabc123xx").decode())
