"""The check: exactly this commit, a clean place, nothing left alive, an output that people can read."""

import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.core.errors import ProgramAbsent, RetryLater
from dispatcher.core.events import CheckFailed, CheckPassed
from dispatcher.workspace import watcher
from dispatcher.workspace.check_output import TAIL_BYTES, Tail, fingerprint
from tests.workspace.shop import TOKEN


def wait_until(condition, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.01)


def alive(mark):
    """Pids of living processes with this word in their command line."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes()
            state = (process / "stat").read_bytes().rpartition(b")")[2].split()[0]
        except OSError:
            continue
        if mark.encode() in words and state != b"Z" and int(process.name) != os.getpid():
            found.append(int(process.name))
    return found


@pytest.fixture
def mark():
    """A word that no other process of this machine has in its command line."""
    return f"mark-{uuid4().hex}"


def test_a_green_check_sees_exactly_the_commit(shop):
    shop.check_with(
        "sh", "-c", 'test "$(cat x)" = committed && test -z "$(git status --porcelain)" && ! test -e stray'
    )
    checkout = shop.checkout()
    shop.agent_commits(checkout, {"x": "committed"})
    (checkout / "x").write_text("changed afterwards")
    (checkout / "stray").write_text("never committed")
    assert isinstance(shop.harvest(checkout), CheckPassed)


def test_a_red_check_tells_the_end_of_its_output(shop):
    shop.check_with("sh", "-c", "echo first; echo 'E  assert 1 == 2' >&2; exit 3")
    event = shop.delivered({"x": "1"})
    assert isinstance(event, CheckFailed)
    assert event.tail == "first\nE  assert 1 == 2\nthe check ended with exit code 3"
    assert event.run_id == "r1"
    assert re.fullmatch("[0-9a-f]{64}", event.fingerprint)


def test_the_same_failure_has_the_same_fingerprint_whatever_the_folder_and_the_time(shop):
    shop.check_with("sh", "-c", "pwd; date +%N; echo pid $$ at 0x7f$$a; echo FAILED test_login; exit 1")
    prints = {shop.delivered({"x": text}).fingerprint for text in ("1", "2")}
    assert len(prints) == 1
    shop.check_with("sh", "-c", "pwd; date +%N; echo pid $$ at 0x7f$$a; echo FAILED test_logout; exit 1")
    assert shop.delivered({"x": "3"}).fingerprint not in prints


def test_a_long_output_is_cut_at_the_front_and_made_printable(shop):
    shop.check_with(
        "sh", "-c", r"yes 0123456789 | head -n 100000; printf '\033[31mred\033[0m\007\r\n\000end\n'; exit 1"
    )
    tail = shop.delivered({"x": "1"}).tail
    assert len(tail.encode()) < TAIL_BYTES + 100
    assert tail.startswith("0123456789\n")
    assert tail.endswith("red\nend\nthe check ended with exit code 1")


def test_the_secrets_of_this_machine_are_not_in_the_output(shop):
    shop.secrets.append("hunter2hunter2")
    shop.check_with("sh", "-c", f"echo pw=hunter2hunter2 {TOKEN}; exit 1")
    assert "pw=[secret] [secret]" in shop.delivered({"x": "1"}).tail


def test_the_check_gets_a_small_environment_of_its_own(shop, monkeypatch):
    monkeypatch.setenv("GH_TOKEN", "from-the-host")
    monkeypatch.setenv("SOMETHING_ELSE", "x")
    shop.check_with("sh", "-c", 'env; ls -A "$HOME"; touch "$TMPDIR/ok" && exit 1')
    tail = shop.delivered({"x": "1"}).tail
    assert "from-the-host" not in tail
    assert "SOMETHING_ELSE" not in tail
    assert "GIT_CONFIG_VALUE" not in tail
    assert str(shop.folder / "state" / "scratch") in tail


def test_a_check_that_takes_too_long_is_killed_and_says_so(shop, mark):
    shop.check_with("sh", "-c", f"echo begun; sleep 600; : {mark}", limit_s=1)
    event = shop.delivered({"x": "1"})
    assert event.tail == "begun\nthe check did not finish within 1 s and was killed"
    assert alive(mark) == []


DAEMON = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
signal.signal(signal.SIGHUP, signal.SIG_IGN)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execve(sys.executable, [sys.executable, "-S", "-c", "import time; time.sleep(600)", "%s"], {})
    os._exit(0)
os.wait()
print("left a daemon behind", flush=True)
%s
"""


@pytest.mark.samples(1)
@pytest.mark.parametrize("then", ["", "time.sleep(600)"], ids=["and ends", "and goes on for ever"])
def test_a_daemon_that_a_check_leaves_behind_dies_with_it(shop, then, mark):
    shop.check_with("python3", "-c", DAEMON % (mark, then), limit_s=1 if then else 60)
    event = shop.delivered({"x": "1"})
    assert isinstance(event, CheckFailed if then else CheckPassed)
    assert alive(mark) == []


def test_a_program_that_is_not_there_is_a_matter_of_the_set_up(shop):
    shop.check_with("no-such-program-anywhere")
    with pytest.raises(ProgramAbsent, match="needs `no-such-program-anywhere`, which is not installed here"):
        shop.delivered({"x": "1"})


def test_a_program_that_is_missing_from_the_checkout_is_the_commits_matter(shop):
    shop.check_with("./prove.sh")
    assert "could not be started: No such file" in shop.delivered({"x": "1"}).tail


def test_a_check_that_kills_itself(shop):
    shop.check_with("sh", "-c", "kill -9 $$")
    assert shop.delivered({"x": "1"}).tail == "the check was killed by signal 9"


def test_a_check_without_write_permissions_is_cleaned_up(shop):
    shop.check_with("sh", "-c", "mkdir -p a/b && touch a/b/c && chmod 500 a/b && chmod 000 a")
    shop.delivered({"x": "1"})
    assert list((shop.folder / "state" / "scratch").iterdir()) == []


def test_stopping_ends_a_running_check_and_the_task_is_tried_later(shop, mark):
    shop.check_with("sh", "-c", f"sleep 600; : {mark}")
    checkout = shop.checkout()
    shop.agent_commits(checkout, {"x": "1"})
    with ThreadPoolExecutor(1) as pool:
        harvest = pool.submit(shop.harvest, checkout)
        wait_until(lambda: alive(mark))
        shop.workspaces.stop()
        with pytest.raises(RetryLater):
            harvest.result(20)
    assert alive(mark) == []
    with pytest.raises(RetryLater, match="stopping"):
        shop.harvest(checkout)


DISPATCHER = """
import sys
from pathlib import Path
from dispatcher.core.model import Permission
from dispatcher.core.rules import RepoRules
from dispatcher.ports import Repo
from dispatcher.workspace import GitWorkspaces, Identity, Surroundings

state, url, head, mark = sys.argv[1:]
rules = RepoRules("shop", "acme", "shop", check=("sh", "-c", f"sleep 600; : {mark}"))
repo = Repo(1, "acme/shop", "main", rules, Permission.WRITE, url)
GitWorkspaces(Path(state), Surroundings(Identity("b", "b@x.org"))).check_head(repo, "main", head)
"""


def test_a_check_ends_when_the_dispatcher_is_killed(shop, mark):
    words = (str(shop.folder / "state"), shop.url, shop.on_forge("main"), mark)
    dispatcher = subprocess.Popen((sys.executable, "-c", DISPATCHER, *words))
    wait_until(lambda: set(alive(mark)) - {dispatcher.pid})
    dispatcher.kill()
    dispatcher.wait()
    wait_until(lambda: not alive(mark))
    shop.workspaces.clear_scratch()
    assert list((shop.folder / "state" / "scratch").iterdir()) == []


def test_the_check_can_be_switched_off(shop):
    shop.configure(check=(), check_is_off=True)
    assert (
        shop.delivered({"Makefile": "test:\n\tfalse\n"}).note
        == "the check is switched off for this repository"
    )


def test_the_end_of_a_stream_is_kept_however_it_is_cut():
    whole, pieces = Tail(), Tail()
    text = "".join(f"line {n}\n" for n in range(20_000)).encode()
    whole.add(text)
    for start in range(0, len(text), 777):
        pieces.add(text[start : start + 777])
    assert whole.text() == pieces.text()
    assert whole.text().endswith("line 19999")
    assert whole.text().startswith("line ")


@given(st.binary(max_size=20_000))
def test_any_output_gives_a_printable_tail(output):
    tail = Tail()
    tail.add(output)
    assert all(one.isprintable() or one in "\n\t" or ord(one) > 127 for one in tail.text())
    assert len(tail.text().encode()) <= TAIL_BYTES


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("took 1.23s", "took 14.5s"),
        ("at 0x7f00aa: boom", "at 0xdead: boom"),
        ("/build/a1/b/test_x.py:10: E", "/other/place/test_x.py:99: E"),
        ("commit d670460b4b4a failed", "commit 0123abcd45ef failed"),
        ("===== 1 failed =====", "=== 2 failed ==="),
    ],
)
def test_what_varies_does_not_count(one, other):
    assert fingerprint(one, "exit 1") == fingerprint(other, "exit 1")
    assert fingerprint(one, "exit 1") != fingerprint(one, "exit 2")


def test_the_watcher_needs_nothing_of_the_installed_package(tmp_path):
    copy = tmp_path / "watcher.py"
    copy.write_text(Path(watcher.__file__).read_text())
    command = ("python3", "-I", "-S", str(copy), "20", "1", "sh", "-c", "echo hello")
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.read() == b"hello\nexit 0"
