"""The log tells everything on one line each, and no secret to anybody."""

import base64
import io
import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from dispatcher.log import MASK, LineFormatter, LogRules, Redactor, logging_to

PASSWORD = "correct horse/battery"

Open = Callable[..., io.StringIO]


@pytest.fixture
def open_log() -> Iterator[Open]:
    """Start logging to a string; it ends with the test."""
    with ExitStack() as stack:

        def start(redactor: Redactor | None = None, **rules: object) -> io.StringIO:
            stream = io.StringIO()
            stack.enter_context(logging_to(LogRules(**rules), redactor or Redactor(), stream))  # type: ignore[arg-type]
            return stream

        yield start


room = logging.getLogger("dispatcher.somewhere")


def test_a_record_is_one_line_of_names_and_values(open_log):
    log = open_log()
    room.warning("run %s took %d s", "r-17", 90, extra={"repo": "acme/shop", "number": 7})
    line = log.getvalue()
    at, rest = line.split(" ", 1)
    assert (
        rest == 'level=warning room=dispatcher.somewhere msg="run r-17 took 90 s" repo=acme/shop number=7\n'
    )
    moment = datetime.fromisoformat(at.removeprefix("at="))
    assert moment.utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    "text",
    [
        "two\nlines",
        "back\rspace",
        "bell \a",
        "c1 \x9b31m",
        "separator \u2028",
        "turned \u202e around",
    ],
)
def test_text_from_outside_cannot_break_the_line_nor_the_terminal(open_log, tmp_path, text):
    log = open_log(file=tmp_path / "log")
    room.info(text, extra={"title": text})
    for content in (log.getvalue(), (tmp_path / "log").read_text()):
        assert content.endswith("\n")
        assert content[:-1].isprintable()
        assert 'title="' in content


def test_half_a_character_is_escaped():
    record = logging.makeLogRecord({"msg": "half \ud83d", "levelname": "INFO"})
    assert 'msg="half \\ud83d"' in LineFormatter().format(record)


def test_words_of_other_languages_stay_readable(open_log):
    log = open_log()
    room.info("größer, 大きい, 🚀")
    assert "größer, 大きい, 🚀" in log.getvalue()


def test_an_error_is_on_its_line(open_log):
    log = open_log()
    try:
        int("no such label")
    except ValueError:
        room.exception("the tick failed")
    (line,) = log.getvalue().splitlines()
    assert 'error="Traceback' in line
    assert "ValueError: invalid literal" in line


def test_a_mistake_in_a_log_call_does_not_lose_the_record():
    record = logging.makeLogRecord(
        {"msg": "%d apples for %s", "args": ("many", PASSWORD), "levelname": "INFO"}
    )
    assert Redactor([PASSWORD]).filter(record)
    line = LineFormatter().format(record)
    assert f"%d apples for %s ('many', '{MASK}')" in line


def test_debug_is_told_only_when_asked_for_and_libraries_only_warn(open_log):
    quiet = open_log()
    room.debug("detail")
    assert quiet.getvalue() == ""
    talkative = open_log(level="debug")
    room.debug("detail")
    logging.getLogger("urllib3.connectionpool").debug("GET /notifications")
    assert len(talkative.getvalue().splitlines()) == 1


# ---------------------------------------------------------------- secrets


def test_a_known_secret_is_masked_wherever_it_stands(open_log, tmp_path):
    log = open_log(Redactor([PASSWORD]), file=tmp_path / "log")
    try:
        int(PASSWORD)
    except ValueError:
        room.exception("tried %s", PASSWORD, extra={"argument": {"password": PASSWORD}})
    for content in (log.getvalue(), (tmp_path / "log").read_text()):
        assert "horse" not in content
        assert content.count(MASK) == 3


@pytest.mark.parametrize(
    "spelling",
    [
        "correct%20horse%2Fbattery",
        base64.b64encode(f"x-access-token:{PASSWORD}".encode()).decode(),
        f" {PASSWORD}\n",
    ],
)
def test_a_known_secret_is_masked_in_the_spellings_of_git_and_addresses(spelling):
    assert Redactor([PASSWORD]).redact(f"<{spelling}>") == f"<{spelling.replace(spelling.strip(), MASK)}>"


def test_of_two_secrets_that_begin_alike_nothing_is_left():
    assert Redactor(["abcdef", "abcdefghij"]).redact("abcdefghij abcdef") == f"{MASK} {MASK}"


def test_a_secret_learnt_later_is_masked_from_then_on():
    redactor = Redactor()
    assert redactor.redact("open sesame") == "open sesame"
    redactor.learn("open sesame")
    assert redactor.redact("open sesame") == MASK


@pytest.mark.parametrize("too_short", ["", "  ", "the"])
def test_a_secret_that_is_part_of_ordinary_words_is_not_masked(too_short):
    assert Redactor([too_short]).redact("whether the weather") == "whether the weather"


@pytest.mark.parametrize(
    "token",
    [
        "gh" + "p_" + "a1B2" * 9,
        "gh" + "s_" + "a1B2" * 9,
        "github" + "_pat_" + "11ABCDEFG0" * 4 + "_" + "x" * 20,
        "sk" + "-ant-api03-" + "a1B2-" * 8,
        "sk" + "-proj-" + "a1B2" * 8,
        "AI" + "za" + "Sy" * 18,
        "AK" + "IA" + "ABCDEFGHIJKLMNOP",
        "xo" + "xb-" + "123456789012-abcdef",
        "ey" + "JhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0xyz." + "c2lnbmF0dXJl",
        "-----BEGIN RSA PRIVATE KEY-----\nMIIE\nabcd\n-----END RSA PRIVATE KEY-----",
    ],
)
def test_what_has_the_shape_of_a_token_is_masked_unasked(token):
    assert (
        Redactor().redact(f"the agent printed {token} and went on") == f"the agent printed {MASK} and went on"
    )


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("https://anna:hunter2@forge.test/acme/shop", f"https://{MASK}@forge.test/acme/shop"),
        ("Authorization: Basic Zm9vOmJhcg==", f"Authorization: Basic {MASK}"),
        ("{'authorization': 'token abc123'}", f"{{'authorization': 'token {MASK}'}}"),
        ("http.extraHeader=AUTHORIZATION: bearer abc", f"http.extraHeader=AUTHORIZATION: bearer {MASK}"),
    ],
)
def test_credentials_of_requests_are_masked(text, masked):
    assert Redactor().redact(text) == masked
    assert Redactor().redact(masked) == masked


@pytest.mark.parametrize(
    "text",
    [
        "risk-assessment-of-the-whole-thing",
        "see https://forge.test/acme/shop@v1",
        "commit 3f786850e387550fdab836ed7e6dc881de23001b",
        "the github_pattern",
        "mail anna@forge.test",
    ],
)
def test_ordinary_text_stays_as_it_is(text):
    assert Redactor(["something else"]).redact(text) == text


# ---------------------------------------------------------------- the file


def test_the_file_is_rotated_and_private(open_log, tmp_path):
    file = tmp_path / "dispatcher.log"
    open_log(file=file, file_bytes=2_000, old_files=2)
    for number in range(100):
        room.info("line number %d", number)
    files = sorted(tmp_path.iterdir())
    assert [entry.name for entry in files] == ["dispatcher.log", "dispatcher.log.1", "dispatcher.log.2"]
    assert all(entry.stat().st_size <= 2_000 for entry in files)
    assert {entry.stat().st_mode & 0o777 for entry in files} == {0o600}
    assert "line number 99" in file.read_text()


def test_a_file_that_cannot_be_written_is_told_once_and_tells_no_secret(tmp_path, capsys):
    with logging_to(LogRules(file=Path("/dev/full"), file_bytes=0, to_stderr=False), Redactor()):
        room.info("first %s", "argument")
        room.info("second %s", "argument")
    told = capsys.readouterr().err
    assert told.startswith("/dev/full: the log cannot be written: ")
    assert told.count("\n") == 1
    assert "argument" not in told


def test_a_folder_that_is_not_there_is_an_error_at_once(tmp_path):
    with (
        pytest.raises(OSError, match="absent"),
        logging_to(LogRules(file=tmp_path / "absent" / "log"), Redactor()),
    ):
        pass


def test_a_closed_terminal_stops_nothing(tmp_path):
    stream = io.StringIO()
    with logging_to(LogRules(file=tmp_path / "log"), Redactor(), stream):
        stream.close()
        room.info("still here")
    assert "still here" in (tmp_path / "log").read_text()


def test_afterwards_logging_is_as_it_was(tmp_path):
    root, before = logging.getLogger(), (logging.getLogger().handlers[:], logging.getLogger().level)
    with logging_to(LogRules(file=tmp_path / "log", level="DEBUG"), Redactor()):
        assert root.level == logging.DEBUG
    assert (root.handlers, root.level) == before
    assert logging.getLogger("urllib3").level == logging.NOTSET
