"""The parts that need nobody: secrets, the gate, diffs."""

from datetime import timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.core.errors import BadCredential, QuotaSpent
from dispatcher.core.model import Finding, HoldKind
from dispatcher.forge.credentials import Secret, TokenSources, ask_gh, find_token, redact
from dispatcher.forge.diff import parse_new_lines, split_findings
from dispatcher.forge.gate import Gate

TOKEN = "ghp_0123456789abcdefghijABCDEF"

# ---------------------------------------------------------------- secrets


def test_a_secret_does_not_show_itself():
    secret = Secret(TOKEN)
    for shown in (
        repr(secret),
        str(secret),
        f"{secret}",
        f"{secret:>20}",
        "%s" % (secret,),  # noqa: UP031 - as logging does it
        repr({"a": [secret]}),
    ):
        assert TOKEN not in shown
    assert secret.reveal() == TOKEN
    assert secret == Secret(TOKEN)
    assert secret not in {Secret("x"), TOKEN}
    assert len({secret, Secret(TOKEN)}) == 1
    assert secret.fingerprint not in TOKEN


def test_a_secret_is_not_pickled():
    import pickle

    with pytest.raises(TypeError):
        pickle.dumps(Secret(TOKEN))


@pytest.mark.parametrize(
    "text",
    [
        f"token {TOKEN} refused",
        "github_pat_11ABCDEFG0123456789_abcdefghijkl leaked",
        f"https://x-access-token:{TOKEN}@github.com/acme/shop",
        "https://user:hunter2hunter2@host/x",
        "Authorization: Bearer abcdefgh.12345678",
        "authorization: basic eC1hY2Nlc3MtdG9rZW46Z2hwXzAx",
        "gho_16C7e42F292c6912E7710c838347Ae178B4a",
    ],
)
def test_whatever_looks_like_a_token_is_taken_out(text):
    clean = redact(text)
    assert "[secret]" in clean
    for part in (TOKEN, "github_pat_", "hunter2", "abcdefgh.12345678", "eC1hY2Nlc3", "gho_16C7"):
        assert part not in clean


def test_a_known_secret_of_any_shape_is_taken_out_also_as_basic_auth():
    import base64

    secret = Secret("an-odd-enterprise-secret")
    basic = base64.b64encode(b"x-access-token:an-odd-enterprise-secret").decode()
    assert redact(f"a {secret.reveal()} b {basic} c", secret) == "a [secret] b [secret] c"


def test_innocent_text_stays():
    text = "see https://github.com/acme/shop/pull/7 and gh_pages, ghp_short, foo:bar@example"
    assert redact(text, Secret("")) == text


def sources(tmp_path=None, gh=None, **environment):
    return TokenSources(environment, tmp_path, gh)


def test_the_first_source_wins_and_is_named():
    both = sources(GITHUB_TOKEN="b" * 20, DISPATCHER_GITHUB_TOKEN="a" * 20)
    found = find_token(both)
    assert found.token.reveal() == "a" * 20
    assert found.source == "environment variable DISPATCHER_GITHUB_TOKEN"
    assert "aaaa" not in repr(found)
    assert "aaaa" not in repr(both)
    assert find_token(sources(GITHUB_TOKEN="b" * 20)).token.reveal() == "b" * 20


def test_a_file_and_gh_are_asked_in_turn(tmp_path):
    path = tmp_path / "token"
    path.write_text(f"{TOKEN}\n")
    path.chmod(0o600)
    assert find_token(sources(path, lambda host: "never")).token.reveal() == TOKEN
    found = find_token(sources(None, lambda host: f"gho_for_{host}"))
    assert (found.token.reveal(), found.source) == ("gho_for_github.com", "gh auth token")
    assert find_token(sources(GITHUB_TOKEN="github_pat_abc")).is_fine_grained


@pytest.mark.parametrize("content", ["", "two words", "snow\u2603man", "a\nb"])
def test_a_token_file_that_holds_no_token_is_named(tmp_path, content):
    path = tmp_path / "token"
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(BadCredential, match="token:"):
        find_token(sources(path))


def test_a_token_file_that_others_can_read_is_refused(tmp_path):
    path = tmp_path / "token"
    path.write_text(TOKEN)
    path.chmod(0o644)
    with pytest.raises(BadCredential, match="chmod 600"):
        find_token(sources(path))


def test_a_token_file_that_is_missing_or_a_folder_is_named(tmp_path):
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(BadCredential, match="cannot be read"):
            find_token(sources(path))


@pytest.mark.parametrize(
    ("script", "token"), [("echo gho_from_gh", "gho_from_gh"), ("exit 1", None), ("true", None)]
)
def test_gh_is_really_asked(tmp_path, monkeypatch, script, token):
    program = tmp_path / "gh"
    program.write_text(f'#!/bin/sh\n[ "$*" = "auth token --hostname ghe.example" ] || exit 9\n{script}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert ask_gh("ghe.example") == token


def test_no_gh_is_no_token(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert ask_gh("github.com") is None


def test_no_token_at_all_says_where_it_looked():
    with pytest.raises(BadCredential, match="DISPATCHER_GITHUB_TOKEN, GITHUB_TOKEN, gh auth token"):
        find_token(sources(None, lambda host: None))


# ---------------------------------------------------------------- the gate


def headers(clock, remaining, reset_s=600, resource="core"):
    return {
        "x-ratelimit-limit": "5000",
        "x-ratelimit-remaining": str(remaining),
        "x-ratelimit-reset": str(int(clock.now().timestamp()) + reset_s),
        "x-ratelimit-resource": resource,
    }


def test_a_spent_quota_closes_its_resource_until_the_reset(clock):
    gate = Gate(clock)
    gate.note("core", headers(clock, 0))
    with pytest.raises(QuotaSpent) as caught:
        gate.check("core")
    assert caught.value.until == clock.now() + timedelta(seconds=600)
    gate.check("graphql")
    assert gate.hold().kind is HoldKind.QUOTA
    clock.passes(600)
    gate.check("core")
    assert gate.hold() is None


def test_a_quota_that_is_left_closes_nothing(clock):
    gate = Gate(clock)
    gate.note("core", headers(clock, 1))
    gate.check("core")
    gate.note("core", {"x-ratelimit-remaining": "what"})
    gate.check("core")


def test_refusals_without_a_time_pause_longer_and_longer(clock):
    gate = Gate(clock)
    pauses = []
    for _ in range(6):
        until = gate.refuse("core", {})
        pauses.append((until - clock.now()).total_seconds())
        clock.passes(pauses[-1])
    assert pauses == [60, 120, 240, 480, 900, 900]
    gate.welcome()
    assert (gate.refuse("core", {}) - clock.now()).total_seconds() == 60


def test_a_secondary_limit_closes_every_resource(clock):
    gate = Gate(clock)
    gate.refuse("graphql", {"retry-after": "30"})
    with pytest.raises(QuotaSpent):
        gate.check("core")
    clock.passes(30)
    gate.check("core")


def test_retry_after_may_be_a_date(clock):
    gate = Gate(clock)
    moment = clock.now() + timedelta(seconds=90)
    assert gate.refuse("core", {"retry-after": format_datetime(moment, usegmt=True)}) == moment
    assert gate.refuse("core", {"retry-after": "soon"}) == clock.now() + timedelta(seconds=60)


def test_a_primary_limit_waits_for_its_reset(clock):
    gate = Gate(clock)
    assert gate.refuse("core", headers(clock, 0)) == clock.now() + timedelta(seconds=600)
    gate.check("graphql")


# ---------------------------------------------------------------- diffs

PATCH = "@@ -1,3 +1,4 @@\n one\n-two\n+TWO\n+more\n three\n@@ -40,2 +41,2 @@ def f():\n x\n-y\n+z\n\\ No newline at end of file"


def test_the_new_side_of_every_hunk_can_be_commented():
    assert parse_new_lines(PATCH) == {1, 2, 3, 4, 41, 42}


def test_new_deleted_and_binary_files():
    assert parse_new_lines("@@ -0,0 +1 @@\n+only") == {1}
    assert parse_new_lines("@@ -1,2 +0,0 @@\n-a\n-b") == frozenset()
    assert parse_new_lines("") == frozenset()


def test_a_line_that_looks_like_a_header_is_only_a_line():
    assert parse_new_lines("@@ -1 +1,2 @@\n-x\n+@@ -9,9 +9,9 @@\n+y") == {1, 2}


@given(st.text(alphabet="+- @0123456789,\n\\a", max_size=300))
def test_no_patch_breaks_the_parser(patch):
    assert all(line >= 0 for line in parse_new_lines(patch))


def test_findings_are_split_by_the_diff():
    inside, outside = Finding("a", "nit", "f.py", 2), Finding("b", "nit", "f.py", 9)
    lost = Finding("c", "nit", "g.py", 2)
    assert split_findings((inside, outside, lost), {"f.py": frozenset({2})}) == ((inside,), (outside, lost))
