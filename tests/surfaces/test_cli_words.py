"""The sentences and small readers behind the commands, on values."""

import json
import os
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from dispatcher.config import Settings
from dispatcher.core.model import Hold, HoldKind, ItemKey, LiveRun, Role, Stage, Task
from dispatcher.core.rules import RepoRules
from dispatcher.journal.store import SqlJournal
from dispatcher.surfaces.doctor import Verdict, examine_git, examine_state_dir
from dispatcher.surfaces.exits import UsageProblem
from dispatcher.surfaces.explain import explain_task, parse_item
from dispatcher.surfaces.logs import LogReader, open_log, read_log, render_event
from dispatcher.surfaces.looking import parse_pid
from dispatcher.surfaces.screen import one_line, render_span
from dispatcher.surfaces.setup import Origin, parse_remote, render_new_config

AT_1402 = datetime(2026, 3, 1, 14, 2, tzinfo=UTC)


@pytest.fixture
def utc(monkeypatch):
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def journal(tmp_path):
    with SqlJournal(tmp_path / "journal.sqlite3") as journal:
        yield journal


def explained(task, journal, tmp_path, now=AT_1402 + timedelta(minutes=5)):
    rules = RepoRules("shop", "acme", "shop")
    settings = Settings(tmp_path / "config.toml", tmp_path, (rules,), bot_login="bot")
    told = explain_task(task, journal, settings, now)
    return told.text, told.cure


def a_task(**facts):
    return replace(Task(key=ItemKey(1, 7), repo="acme/shop", stage=Stage.QUEUED), **facts)


def test_a_cooldown(utc, journal, tmp_path):
    hold = Hold(HoldKind.COOLDOWN, "the cooldown", AT_1402 + timedelta(minutes=30))
    text, cure = explained(a_task(hold=hold, attempts=1, rounds=1, cost_usd=0.42), journal, tmp_path)
    assert text == (
        "acme/shop#7 waits: cooldown until 14:32 (last run 14:02, re-dispatch after 30 min). "
        "1 of 3 attempts used, 1 of 5 rounds, $0.42 of $5.00."
    )
    assert cure == 'To start it now: dispatcher retry acme/shop#7, or comment "@bot retry".'


@pytest.mark.parametrize(
    ("facts", "why", "cure"),
    [
        (
            {"hold": Hold(HoldKind.QUOTA, "the quota", AT_1402 + timedelta(days=1))},
            "waits: quota until 2026-03-02 14:02 (the quota)",
            "dispatcher retry",
        ),
        (
            {"hold": Hold(HoldKind.CAP, "one of 2 runs ending")},
            "waits: cap; ends with one of 2 runs ending",
            "retry",
        ),
        (
            {"hold": Hold(HoldKind.ASSIGNED_TO_PERSON, "@eve being unassigned")},
            "ends with @eve being unassigned",
            "To start it: @eve being unassigned.",
        ),
        (
            {"stage": Stage.BLOCKED, "blocked_why": "question: why?"},
            "waits for a person: question: why?",
            "@bot",
        ),
        ({"stage": Stage.MERGE_READY, "pull": 9}, "is merge-ready: PR #9 waits for a person", ""),
        ({"stage": Stage.DONE, "pull": 9}, "is done: merged.", ""),
        ({"stage": Stage.DONE}, "is done: answered.", ""),
        ({"stage": Stage.DROPPED}, "is over: closed", ""),
        (
            {"stage": Stage.WORKING, "run": LiveRun("r1", Role.WORKER, "claude", "", AT_1402)},
            "is working: worker run r1 (claude) for 5 min.",
            "dispatcher logs r1 -f",
        ),
        ({}, "is queued: it is looked at in the next cycle.", "retry"),
    ],
)
def test_every_reason_has_a_sentence(utc, journal, tmp_path, facts, why, cure):
    text, said_cure = explained(a_task(**facts), journal, tmp_path)
    assert why in text
    assert cure in said_cure
    assert bool(cure) == bool(said_cure)


@pytest.mark.parametrize(
    "text",
    [
        "acme/shop#7",
        " acme/shop#7 ",
        "https://github.com/acme/shop/issues/7",
        "https://ghe.example/acme/shop/pull/7/",
    ],
)
def test_items_as_people_write_them(text):
    assert parse_item(text) == ("acme/shop", 7)


@pytest.mark.parametrize(
    "text", ["", "7", "#7", "acme#7", "acme/shop", "acme/shop#", "acme/shop#7x", "a/b/c#7"]
)
def test_what_is_no_item(text):
    with pytest.raises(UsageProblem):
        parse_item(text)


@pytest.mark.parametrize(
    ("address", "origin"),
    [
        ("https://github.com/acme/shop.git\n", Origin("github.com", "acme", "shop")),
        ("https://me:pw@github.com/acme/shop", Origin("github.com", "acme", "shop")),
        ("git@github.com:acme/shop.git", Origin("github.com", "acme", "shop")),
        ("ssh://git@ghe.example:2222/acme/my.shop.git/", Origin("ghe.example", "acme", "my.shop")),
        ("/srv/git/shop.git", None),
        ("file:///srv/git/shop.git", None),
        ("", None),
    ],
)
def test_git_remotes(address, origin):
    assert parse_remote(address) == origin


def test_a_new_configuration_names_only_what_differs():
    text = render_new_config(Origin("github.com", "acme", "my.shop"), "", ("codex",))
    assert text.split("\n", 1)[1] == (
        '\n[agents]\nworker = "codex"\nreviewer = "codex"\nresponder = "codex"\n'
        '\n[repo.my-shop]\nowner = "acme"\nname = "my.shop"\n'
    )
    assert 'reviewer = ["codex", "claude"]' in render_new_config(
        Origin("github.com", "a", "b"), "", ("claude", "codex")
    )


def test_the_locks_text_gives_the_process_away_only_on_its_own_machine():
    assert parse_pid("pid 12 on here since 2026-03-01", "here") == 12
    assert parse_pid("pid 12 on there since 2026-03-01", "here") is None
    assert parse_pid("", "here") is None


def test_one_line_keeps_a_table_a_table():
    assert one_line("a\n\tb\x1b[31mc\u202e") == "a b" + one_line("\x1b[31mc\u202e")
    assert one_line("x" * 500, 10) == "x" * 9 + "…"


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (119, "119 s"), (120, "2 min"), (7200, "2 h"), (172800, "2 d")]
)
def test_spans(seconds, text):
    assert render_span(seconds) == text


def test_a_log_is_followed_until_the_run_ends(tmp_path):
    log = tmp_path / "agent.log"
    log.write_bytes(b"begin\nhalf a l")
    steps = iter([b"ine\nmore \xc3", b"\xa9 text", None])

    def wait(_seconds):
        step = next(steps)
        if step is None:
            (tmp_path / "exit.json").write_text("{}")
        else:
            with log.open("ab") as stream:
                stream.write(step)

    assert list(read_log(LogReader(tmp_path, "agent.log"), follow=True, wait=wait)) == [
        "begin",
        "half a line",
        "more é text",
    ]


def test_a_long_log_is_followed_across_its_pieces(tmp_path):
    """The newest output goes to two segments that take turns; at the end they are put behind the beginning."""
    main, newer, older = (tmp_path / name for name in ("agent.log", "agent.log.newer", "agent.log.older"))
    main.write_bytes(b"one\n")

    def first():
        newer.write_bytes(b"two\n")

    def second():
        newer.rename(older)
        newer.write_bytes(b"three\n")

    def end():
        with main.open("ab") as stream:
            stream.write(b"\n[... 4 bytes left out here ...]\ntwo\nthree\n")
        older.unlink()
        newer.unlink()
        (tmp_path / "exit.json").write_text("{}")

    steps = iter([first, second, end])
    lines = list(read_log(LogReader(tmp_path, "agent.log"), follow=True, wait=lambda _seconds: next(steps)()))
    assert [line for line in lines if line in {"one", "two", "three"}] == ["one", "two", "three"]


def test_a_log_that_is_a_link_is_not_read(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("secret")
    (tmp_path / "agent.log").symlink_to(secret)
    assert list(LogReader(tmp_path, "agent.log").read_lines(is_last=True)) == []
    (tmp_path / "agent.log").unlink()
    os.mkfifo(tmp_path / "agent.log")
    assert list(LogReader(tmp_path, "agent.log").read_lines(is_last=True)) == []


def test_the_state_folder_must_be_writable(tmp_path):
    (tmp_path / "file").touch()
    finding = examine_state_dir(Settings(tmp_path / "config.toml", tmp_path / "file" / "state", ()))
    assert (finding.verdict, finding.cure) == (
        Verdict.BAD,
        "Make it writable for this user, or set paths.state_dir.",
    )


@pytest.mark.parametrize(
    ("printed", "verdict"), [("git version 2.39.5", "fine"), ("git version 2.30.9", "bad"), ("", "bad")]
)
def test_an_old_or_missing_git(tmp_path, monkeypatch, printed, verdict):
    git = tmp_path / "git"
    git.write_text(f"#!/bin/sh\necho '{printed}'\n")
    git.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin" if printed else str(tmp_path / "nowhere"))
    assert examine_git().verdict == verdict


def test_events_are_shown_as_a_person_reads_them():
    def shown(**event):
        return render_event(json.dumps({"at": 0.0} | event))[8:]

    assert shown(type="tool", text="Bash: make test") == "  does      Bash: make test"
    assert shown(type="said", text="One.\nTwo.").splitlines()[1].endswith("  says      Two.")
    counts = {"input_tokens": 100, "cached_tokens": 1000, "output_tokens": 10, "cost_usd": 0.5}
    assert (
        shown(type="usage", **counts)
        == "  used      100 tokens read, 1000 from the cache, 10 written, $0.5000"
    )
    assert shown(type="fault", text="claude: 429", fault="rate-limit") == "  fault     claude: 429"
    assert "\x1b" not in shown(type="said", text="\x1b[2Jgone")
    assert render_event("no event").strip() == "prints    no event"


def test_a_run_without_events_shows_what_was_printed(tmp_path):
    (tmp_path / "agent.log").write_text("one\n")
    assert open_log(tmp_path, raw=False).name == "agent.log"
    (tmp_path / "events.jsonl").write_text("")
    assert open_log(tmp_path, raw=False).name == "events.jsonl"
    assert open_log(tmp_path, raw=True).name == "agent.log"
