"""What a sandbox shows, what it hides, and what is brought into it: without starting one."""

import json
import os
import pwd
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from dispatcher.core.rules import CacheSharing, NetworkAccess
from dispatcher.runs.sandbox.bwrap import (
    Machine,
    Program,
    compose_bwrap,
    compose_reader,
    covered,
    without_nested,
)
from dispatcher.runs.sandbox.caches import folder_name, make_caches
from dispatcher.runs.sandbox.dressing import readable_for
from dispatcher.runs.sandbox.logins import Login, copy_logins
from dispatcher.runs.sandbox.person import NOBODYS_HOME, home_of_person
from dispatcher.runs.sandbox.programs import load_program_paths
from dispatcher.runs.sandbox.view import View

MACHINE = Machine(Path("/usr/bin/bwrap"), Path("/usr/bin/python3"), Path("/x/inside.py"))


def words_of(view: View, machine: Machine = MACHINE) -> tuple[str, ...]:
    return compose_bwrap(machine, view, Program(("agent",)))


def after(words: tuple[str, ...], flag: str) -> list[str]:
    return [word for before, word in pairwise(words) if before == flag]


def test_a_user_gets_a_user_namespace_without_further_ones_and_root_becomes_somebody_else():
    own, root = words_of(View()), words_of(View(), replace(MACHINE, user=1_900_000_001, is_root=True))
    assert {"--unshare-user", "--disable-userns"} <= set(own)
    assert "--cap-add" not in own
    assert "--unshare-user" not in root
    assert json.loads(root[-2])["user"] == 1_900_000_001
    for words in (own, root):
        assert after(words, "--cap-drop") == ["ALL"]
        assert {
            "--unshare-pid",
            "--unshare-ipc",
            "--unshare-uts",
            "--new-session",
            "--die-with-parent",
        } <= set(words)


def test_only_a_network_that_is_on_is_the_hosts():
    for access in NetworkAccess:
        assert ("--unshare-net" in words_of(View(network=access))) is (access is not NetworkAccess.ON)


def test_a_reader_of_an_agents_files_has_no_proc_and_no_network():
    words = compose_reader(MACHINE, View(readable=(Path("/a"),)), ("git", "upload-pack"))
    assert "--proc" not in words
    assert "--bind" not in words
    assert "--unshare-net" in words
    assert words[-2:] == ("git", "upload-pack")


def test_what_is_private_is_covered_where_a_readable_folder_holds_it(tmp_path):
    (tmp_path / "home" / ".ssh").mkdir(parents=True)
    view = View(readable=(tmp_path / "home",), hidden=(tmp_path / "home" / ".ssh", tmp_path / "elsewhere"))
    assert list(covered(view)) == [tmp_path / "home" / ".ssh"]
    words = words_of(view)
    assert words.index(str(tmp_path / "home")) < words.index(str(tmp_path / "home" / ".ssh"))
    assert str(tmp_path / "home" / ".ssh") in after(words, "--tmpfs")


def test_a_folder_above_something_private_is_never_shown_by_itself(tmp_path):
    secret, programs = tmp_path / "state", tmp_path / "bin"
    secret.mkdir()
    programs.mkdir()
    found = readable_for(("no-such",), f"{tmp_path}:{programs}", (), (secret,))
    assert programs in found
    assert tmp_path not in found


def test_what_a_person_asks_for_is_shown(tmp_path):
    assert tmp_path in readable_for(("no-such",), "", (str(tmp_path), "/not/there"), ())


def test_nested_paths_count_once():
    assert without_nested([Path("/a/b"), Path("/a"), Path("/c")]) == (Path("/a"), Path("/c"))


def test_a_program_brings_its_links_its_interpreter_and_its_installation(tmp_path):
    package = tmp_path / "node" / "lib" / "node_modules" / "agent"
    package.mkdir(parents=True)
    tool = package / "cli.js"
    tool.write_text("#!/usr/bin/env runner\n")
    tool.chmod(0o755)
    runner = tmp_path / "runner-1" / "bin"
    (tmp_path / "runner-1" / "lib").mkdir(parents=True)
    runner.mkdir()
    (runner / "runner").write_text("#!/bin/sh\n")
    (runner / "runner").chmod(0o755)
    link = tmp_path / "bin"
    link.mkdir()
    (link / "agent").symlink_to(tool)
    paths = load_program_paths("agent", f"{link}:{runner}")
    assert {link / "agent", tool, tmp_path / "node", tmp_path / "runner-1"} <= set(paths)
    assert load_program_paths("nobody", str(link)) == ()


# ---------------------------------------------------------------- logins


@pytest.fixture
def person(tmp_path):
    home = tmp_path / "person"
    (home / ".codex").mkdir(parents=True)
    (home / ".codex" / "auth.json").write_text("login")
    (home / ".codex" / "history.jsonl").write_text("private")
    return home


def test_a_persons_home_is_what_the_user_database_says_where_no_variable_does(monkeypatch):
    of_this_user = Path(pwd.getpwuid(os.geteuid()).pw_dir)
    assert home_of_person({}) == home_of_person({"HOME": ""}) == of_this_user
    assert home_of_person({"HOME": "/somewhere"}) == Path("/somewhere")
    monkeypatch.setattr(os, "geteuid", lambda: 1_987_654_321)
    assert home_of_person({}) == NOBODYS_HOME
    assert copy_logins([CODEX], Path("/nowhere"), {}, {}) == {}


CODEX = Login(".codex", "auth.json", "CODEX_HOME")


def test_a_login_file_is_copied_and_nothing_beside_it(person, tmp_path):
    home = tmp_path / "home"
    assert copy_logins([CODEX], home, {"HOME": str(person)}, {}) == {}
    copy = home / ".codex" / "auth.json"
    assert copy.read_text() == "login"
    assert copy.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in (home / ".codex").iterdir()] == ["auth.json"]


def test_an_agent_with_a_key_gets_no_login(person, tmp_path):
    copy_logins([CODEX], tmp_path / "home", {"HOME": str(person)}, {"OPENAI_API_KEY": "k"})
    assert not (tmp_path / "home").exists()


def test_a_folder_that_a_variable_names_becomes_the_private_one(person, tmp_path):
    named = {"CODEX_HOME": str(person / ".codex"), "HOME": "/nowhere"}
    changed = copy_logins([CODEX], tmp_path / "home", named, named)
    assert changed == {"CODEX_HOME": str(tmp_path / "home" / ".codex")}
    assert (tmp_path / "home" / ".codex" / "auth.json").read_text() == "login"


# ---------------------------------------------------------------- caches


def test_no_caches_unless_asked_for(tmp_path):
    assert make_caches(CacheSharing.OFF, tmp_path, "acme/shop", {}).variables == ()


def test_caches_per_repository_are_never_shared(tmp_path):
    shop = make_caches(CacheSharing.PER_REPO, tmp_path, "acme/shop", {})
    other = make_caches(CacheSharing.PER_REPO, tmp_path, "acme-shop", {})
    assert not set(shop.writable) & set(other.writable)
    assert dict(shop.variables)["PIP_CACHE_DIR"].startswith(str(tmp_path))
    assert folder_name("acme/shop") == folder_name("ACME/Shop")
    assert folder_name("../..").count("/") == 0


def test_a_persons_caches_are_for_reading_and_without_their_logins(tmp_path):
    (tmp_path / ".cargo").mkdir()
    (tmp_path / ".cargo" / "credentials.toml").write_text("secret")
    caches = make_caches(CacheSharing.READ_ONLY, tmp_path / "none", "acme/shop", {"HOME": str(tmp_path)})
    assert (caches.readable, caches.writable) == ((tmp_path / ".cargo",), ())
    assert tmp_path / ".cargo" / "credentials.toml" in caches.hidden
