"""Secrets in a stream, however it is cut."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatcher.core.rules import NetworkAccess, SandboxKind, SandboxRules
from dispatcher.runs.censor import Censor
from dispatcher.runs.screening import MASK, Screen
from tests.runs.conftest import Desk, until

SECRETS = [b"hunter2-hunter2", b"hunter2", b"2-hunter9-long", b"ababab"]


def shown(screen: Screen, *chunks: bytes) -> bytes:
    return b"".join(map(screen.feed, chunks)) + screen.flush()


@settings(derandomize=True, database=None, deadline=None, max_examples=150)
@given(
    pieces=st.lists(st.sampled_from([*SECRETS, b"hunter", b"ab", b"2-", b"\n", b"words "]), max_size=12),
    cuts=st.lists(st.integers(0, 60), max_size=6),
)
def test_wherever_it_is_cut_what_is_shown_holds_no_secret_and_nothing_else_is_lost(
    pieces: list[bytes], cuts: list[int]
) -> None:
    text = b"".join(pieces)
    places = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    chunks = [text[begin:end] for begin, end in pairwise(places)]
    told = shown(Screen(SECRETS), *chunks)
    assert not any(secret in told for secret in SECRETS)
    if not any(secret in text for secret in SECRETS):
        assert told == text


@pytest.mark.parametrize("cut", range(1, len(SECRETS[0])))
def test_a_secret_in_two_halves_is_one_mask(cut: int) -> None:
    secret = SECRETS[0]
    assert shown(Screen(SECRETS), b"it is " + secret[:cut], secret[cut:] + b".") == b"it is " + MASK + b"."


def test_what_cannot_become_a_secret_is_not_held_back() -> None:
    screen = Screen(SECRETS)
    assert screen.feed(b"a line\n") == b"a line\n"
    assert screen.feed(b"it is hunt") == b"it is "
    assert screen.feed(b"ing season\n") == b"hunting season\n"


def test_secrets_that_overlap_without_end_are_not_held_back_for_ever() -> None:
    screen = Screen([b"aaaaaaaa"])
    for _ in range(100):
        screen.feed(b"a" * 1000)
    assert len(screen.flush()) < 100


def test_without_secrets_everything_goes_through() -> None:
    assert shown(Screen(), b"one", b"two") == b"onetwo"


@pytest.mark.parametrize("kind", [SandboxKind.NONE, SandboxKind.AUTO])
def test_a_secret_that_an_agent_prints_in_two_halves_is_in_no_file_of_its_run(
    desk: Desk, kind: SandboxKind
) -> None:
    """One that the agent was given, and one that it found; each half is on the disk's side before the other one is printed."""
    given_key, found_key = "sk-given-0123456789", "found-9876543210"
    desk.sandbox = SandboxRules(kind, NetworkAccess.OFF)
    desk.host |= {"SHOP_API_KEY": given_key}
    desk.config = replace(desk.config, pass_env=("SHOP_API_KEY",))
    desk.censor = Censor(values=lambda: (found_key,))
    desk.shell(
        'echo first; printf "%s" "${SHOP_API_KEY%9}"; until [ -e $TMPDIR/go ]; do sleep 0.01; done; echo "9 and"; '
        "printf found-98; sleep 0.05; echo 76543210; echo 'in base64:'; printf %s $SHOP_API_KEY | base64"
    )
    run_id = desk.started()
    folder = desk.folder(run_id)
    until(lambda: "first" in desk.log(run_id))
    (folder.tmp / "go").touch()
    desk.finished(run_id)
    assert desk.log(run_id).startswith("first\n[secret] and\n[secret]\nin base64:\n[secret]")
    kept = b"".join(path.read_bytes() for path in folder.path.rglob("*") if path.is_file())
    assert b"[secret] and" in kept
    assert given_key[:-1].encode() not in kept
    assert found_key.encode() not in kept
