"""Secrets are in one place only: a whole life of a task is led, and everything that it left behind is searched."""

from tests.story.leaks import MODEL_KEY, live_a_life, search


def test_no_byte_of_a_secret_is_outside_the_vault_after_a_whole_life(tmp_path):
    findings = live_a_life(tmp_path)
    assert findings.leaks == {}
    assert findings.looked_at > 200, "there was something to look through"


def test_the_search_finds_what_is_there():
    found = search([("a log", f"key={MODEL_KEY}".encode()), ("another", b"nothing")], [MODEL_KEY])
    assert found.leaks == {"a log": len(MODEL_KEY)}
