"""What an agent in a sandbox sees, what it can do, and how it ends. Needs a bubblewrap that works here."""

import os
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from dispatcher.core.rules import NetworkAccess, SandboxKind, SandboxRules
from dispatcher.runs.folder import load_json
from dispatcher.runs.sandbox.trial import try_bwrap
from tests.runs.conftest import Desk, until

pytestmark = pytest.mark.skipif(try_bwrap().machine is None, reason=f"no sandbox here: {try_bwrap().why}")


@pytest.fixture
def boxed(desk: Desk) -> Desk:
    desk.sandbox = SandboxRules(SandboxKind.BWRAP, NetworkAccess.OFF)
    return desk


def said(desk: Desk, script: str) -> str:
    desk.shell(script)
    return desk.log(desk.finished().run_id)


def test_a_run_says_that_it_was_in_a_sandbox(boxed: Desk) -> None:
    folder = boxed.folder(boxed.finished().run_id)
    assert (load_json(folder.started) or {})["isolation"] == "sandbox"
    assert (load_json(folder.exit) or {})["isolation"] == "sandbox"


def test_other_runs_the_folders_of_the_dispatcher_and_of_people_are_not_there(
    boxed: Desk, tmp_path: Path
) -> None:
    home = tmp_path / "person"
    (home / ".ssh").mkdir(parents=True)
    (home / ".ssh" / "id").write_text("key")
    (tmp_path / "journal.sqlite3").write_text("secret")
    boxed.host |= {"HOME": str(home)}
    boxed.finished()
    mine = boxed.prepared()
    boxed.shell(
        f"ls -A {boxed.root}; ls -A {tmp_path}; ls {home}; ls -d /root/.ssh /home/* /etc/shadow /run/docker.sock"
    )
    boxed.runs.start(mine)
    boxed.finished(mine.run.id)
    words = boxed.log(mine.run.id).split("\n")
    assert words[0] == mine.run.id
    assert words[1] == "runs"
    assert all("No such file" in word for word in words[2:] if word)


def test_only_the_runs_own_folders_can_be_written(boxed: Desk) -> None:
    written = said(
        boxed,
        "for path in . $DISPATCHER_RUN_DIR/out $HOME $TMPDIR /tmp $DISPATCHER_RUN_DIR $DISPATCHER_RUN_DIR/net / /usr /etc /dev /var /run; do"
        " (echo x > $path/probe) 2> /dev/null && echo yes || echo no; done; echo x >> $DISPATCHER_RUN_DIR/prompt.md || echo no",
    )
    assert [word for word in written.split("\n") if word in {"yes", "no"}] == ["yes"] * 5 + ["no"] * 9


def test_no_kernel_setting_can_be_opened_for_writing(boxed: Desk) -> None:
    written = said(
        boxed,
        "for path in $(find /proc/sys /proc/sysrq-trigger /proc/irq -type f 2> /dev/null); do [ -w $path ] && echo $path; done; id -u",
    )
    assert len(written.split()) == 1
    assert written.strip() != "0"


def test_it_has_no_right_left_and_can_get_none(boxed: Desk) -> None:
    lines = dict(
        line.split(":\t", 1) for line in said(boxed, "cat /proc/self/status").splitlines() if ":\t" in line
    )
    assert (lines["CapEff"], lines["CapPrm"], lines["CapAmb"]) == ("0" * 16,) * 3
    assert lines["NoNewPrivs"] == "1"


def test_the_host_s_processes_are_not_to_be_seen(boxed: Desk) -> None:
    assert int(said(boxed, "ls -d /proc/[0-9]* | wc -l")) < 6


def test_process_1_knows_no_more_than_the_agent(boxed: Desk) -> None:
    boxed.host |= {"DISPATCHER_GITHUB_TOKEN": "hidden-token", "OTHER": "hidden-too"}
    assert "hidden" not in said(boxed, "cat /proc/*/environ /proc/*/cmdline | tr '\\0' '\\n'")


def test_with_the_network_off_there_is_loopback_and_nothing_else(boxed: Desk) -> None:
    assert (
        said(boxed, "ls /sys/class/net 2> /dev/null; tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '")
        == "lo\n"
    )


def test_with_the_network_off_a_server_of_the_host_cannot_be_reached(boxed: Desk) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        reach = f"python3 -c \"import socket; socket.create_connection(('127.0.0.1', {port}), 2); print('in')\" 2>&1 | tail -1"
        assert "refused" in said(boxed, reach)
        boxed.sandbox = SandboxRules(SandboxKind.BWRAP, NetworkAccess.ON)
        assert said(boxed, reach) == "in\n"


def test_a_socket_in_the_net_folder_can_be_reached(boxed: Desk) -> None:
    order = boxed.prepared()
    boxed.shell(
        "cd $DISPATCHER_RUN_DIR/net; /usr/bin/python3 -c \"import socket; s = socket.socket(socket.AF_UNIX); s.connect('s');"
        ' print(s.recv(9))"'
    )
    path = boxed.folder(order.run.id).net / "s"
    with socket.socket(socket.AF_UNIX) as server:
        here = os.open(path.parent, os.O_PATH)
        server.bind(f"/proc/self/fd/{here}/s")  # a path of any length
        os.close(here)
        path.chmod(0o666)
        server.listen()
        boxed.runs.start(order)
        server.settimeout(20)
        guest, _ = server.accept()
        with guest:
            guest.sendall(b"welcome")
    boxed.finished(order.run.id)
    assert "welcome" in boxed.log(order.run.id)


def test_a_program_that_is_not_there_is_named(boxed: Desk) -> None:
    boxed.config = boxed.config.__class__("agent", "command", ("no-such-agent",))
    report = boxed.finished()
    assert report.ended_because == "could-not-start"
    assert "no-such-agent" in report.detail


def test_an_interrupt_reaches_the_agent_before_anything_is_killed(boxed: Desk) -> None:
    boxed.grace_s = 20
    boxed.shell("trap 'echo tidied up; exit 7' INT; echo up; while :; do sleep 0.02; done")
    run_id = boxed.started()
    until(lambda: "up" in boxed.log(run_id))
    boxed.runs.stop(run_id, "enough")
    report = boxed.finished(run_id)
    assert (report.ended_because, report.exit_code) == ("stopped", 7)
    assert "tidied up" in boxed.log(run_id)


def test_what_was_left_uncommitted_is_committed_inside_as_well(boxed: Desk) -> None:
    boxed.shell(
        "echo new > new.txt; git config filter.spy.clean 'sh -c \"ls -A $DISPATCHER_RUN_DIR /root /home > $HOME/seen 2>&1; cat\"';"
        " echo '*.txt filter=spy' > .git/info/attributes"
    )
    run_id = boxed.finished().run_id
    assert "new.txt" in boxed.git(run_id, "show", "--name-only", "HEAD")
    seen = (boxed.folder(run_id).home / "seen").read_text()
    assert "agent.log" not in seen
    assert "prompt.md" not in seen


FORKS = """
import os, time
made = 0
try:
    for made in range(99):
        if os.fork() == 0:
            time.sleep(60)
except BlockingIOError:
    print("refused after", made)
"""


def test_a_fork_bomb_is_refused_at_the_limit_and_nothing_of_it_is_left(boxed: Desk) -> None:
    boxed.limits = replace(boxed.limits, processes=20)
    boxed.config = replace(boxed.config, argv=("/usr/bin/python3", "-c", FORKS))
    report = boxed.finished()
    assert report.ended_because == "exited"
    assert int(boxed.log(report.run_id).split()[-1]) < 20
    assert boxed.living(report.run_id) == []


def test_a_file_that_grows_without_end_is_named(boxed: Desk) -> None:
    boxed.limits = replace(boxed.limits, file_bytes=2_000_000)
    boxed.shell("exec dd if=/dev/zero of=big bs=1M count=9")
    report = boxed.finished()
    assert report.detail == "a file grew beyond the limit of 2 MB"
    assert (boxed.folder(report.run_id).checkout / "big").stat().st_size == 2_000_000


def test_memory_is_counted_over_the_whole_tree_and_named(desk: Desk) -> None:
    desk.limits = replace(desk.limits, memory_bytes=150_000_000)
    hold = "import time; held = b'x' * 60_000_000; time.sleep(60)"
    desk.shell(f'for n in 1 2 3 4; do /usr/bin/python3 -c "{hold}" & done; wait')
    report = desk.finished()
    assert report.ended_because == "out-of-memory"
    assert "MB of memory, the limit is 150 MB" in report.detail


def test_a_program_whose_installation_holds_something_private_names_that_and_the_cure(
    boxed: Desk, tmp_path: Path
) -> None:
    own = tmp_path / "own"
    for name in ("bin", "lib"):
        (own / name).mkdir(parents=True)
    (own / "config.toml").write_text("# ours")
    (own / "lib" / "agent").write_text("#!/bin/sh\necho up\n")
    program = own / "bin" / "agent"
    program.write_text('#!/bin/sh\nexec /bin/sh "$(dirname "$0")/../lib/agent"\n')
    program.chmod(0o755)
    boxed.private = (own / "config.toml",)
    boxed.config = replace(boxed.config, argv=(str(program),))
    report = boxed.finished()
    assert report.exit_code != 0
    assert (
        f"does not show {own}, to which the program belongs, because {own}/config.toml lies in it"
        in report.detail
    )
    assert "`readable` of [sandbox]" in report.detail
    boxed.sandbox = replace(boxed.sandbox, readable=(str(own / "lib"),))
    report = boxed.finished()
    assert boxed.log(report.run_id) == "up\n"
    assert "does not show" not in report.detail


def test_a_program_that_cannot_start_for_another_reason_is_told_no_such_thing(boxed: Desk) -> None:
    boxed.shell("exit 127")
    assert boxed.finished().detail == ""
