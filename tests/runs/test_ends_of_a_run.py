"""Limits, stops, and what is left alive afterwards: nothing."""

import fcntl
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dispatcher.core.rules import Limits, SandboxKind, SandboxRules
from dispatcher.runs import proctree, supervisor
from dispatcher.runs.folder import load_json, write_json
from dispatcher.runs.runlock import is_locked, take_lock
from tests.runs.conftest import DONE, Desk, until

FRONT_DOOR = Path(supervisor.__file__).with_name("supervise.py")
DAEMON = {"daemon": "daemon.pid"}


def is_alive(pid_file: Path) -> bool:
    """Whether the daemon still holds the lock on its file."""
    with pid_file.open("r+") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def supervisor_of(desk: Desk, run_id: str) -> int:
    until(desk.folder(run_id).started.exists)
    started = load_json(desk.folder(run_id).started)
    assert started
    pids = started["supervisor"]
    assert isinstance(pids, list)
    return int(pids[0])


def kill_supervisor(desk: Desk, run_id: str) -> None:
    os.kill(supervisor_of(desk, run_id), signal.SIGKILL)
    until(lambda: desk.runs.report(run_id).state != "running")


def test_the_wall_limit_ends_a_run_that_keeps_talking(any_desk: Desk) -> None:
    any_desk.wall_s = 0.4
    any_desk.shell("while :; do echo still here; sleep 0.02; done")
    report = any_desk.finished()
    assert report.ended_because == "timed-out"
    assert report.detail == "the limit of 0.4 s was over"
    until(lambda: not any_desk.living(report.run_id))


def test_the_silence_limit_ends_a_run_that_says_nothing(any_desk: Desk) -> None:
    any_desk.silence_s = 0.3
    any_desk.script({"print": "thinking"}, {"hang": True})
    report = any_desk.finished()
    assert report.ended_because == "stalled"
    assert "the limit is 0.3 s" in report.detail


def test_an_agent_that_gives_signs_of_life_is_not_silent(desk: Desk) -> None:
    desk.silence_s = 1.5
    desk.shell('for i in 1 2 3 4 5 6 7 8; do sleep 0.25; : > "$DISPATCHER_RUN_DIR/out/note-$i"; done')
    assert desk.finished().ended_because == "exited"


def test_an_endless_printer_is_ended(desk: Desk) -> None:
    desk.limits = Limits(log_bytes=1000)
    desk.shell("yes")
    assert desk.finished().ended_because == "output-too-large"


def test_a_stop_gives_the_agent_time_to_finish(any_desk: Desk) -> None:
    any_desk.grace_s = 20
    any_desk.shell("trap 'echo packing up; exit 3' INT TERM; echo up; while :; do sleep 0.01; done")
    run_id = any_desk.started()
    until(lambda: "up" in any_desk.log(run_id))
    any_desk.runs.stop(run_id, "the label went away")
    report = any_desk.finished(run_id)
    assert (report.ended_because, report.detail, report.exit_code) == ("stopped", "the label went away", 3)
    assert "packing up" in any_desk.log(run_id)


def test_a_stop_at_once_gives_none(any_desk: Desk) -> None:
    any_desk.grace_s = 300
    any_desk.script({"ignore": ["INT", "TERM"]}, {"print": "up"}, {"hang": True})
    run_id = any_desk.started()
    until(lambda: "up" in any_desk.log(run_id))
    any_desk.runs.stop(run_id, "please")
    any_desk.runs.stop(run_id, "now", at_once=True)
    report = any_desk.finished(run_id)
    assert (report.ended_because, report.detail) == ("stopped", "please")


def test_a_stop_before_the_start_starts_nothing(desk: Desk) -> None:
    desk.script({"print": "began"})
    order = desk.prepared()
    desk.runs.stop(order.run.id, "changed my mind")
    desk.runs.start(order)
    report = desk.finished(order.run.id)
    assert (report.ended_because, report.detail) == ("stopped", "changed my mind")
    assert desk.log(order.run.id) == ""


def test_a_stop_of_a_run_that_is_not_there_does_nothing(desk: Desk) -> None:
    desk.runs.stop("nobody", "why not")
    assert desk.runs.report("nobody").state == "absent"


def test_a_daemon_that_left_its_session_and_ignores_term_dies_with_its_agent(any_desk: Desk) -> None:
    any_desk.script(DAEMON, {"outcome": DONE})
    report = any_desk.finished()
    assert report.ended_because == "exited"
    assert not is_alive(any_desk.folder(report.run_id).checkout / "daemon.pid")
    until(lambda: not any_desk.living(report.run_id))


def test_such_a_daemon_dies_when_its_run_is_stopped(any_desk: Desk) -> None:
    any_desk.script({"ignore": ["INT", "TERM"]}, DAEMON, {"hang": True})
    run_id = any_desk.started()
    pid_file = any_desk.folder(run_id).checkout / "daemon.pid"
    until(pid_file.exists)
    any_desk.runs.stop(run_id, "the reaper came")
    assert any_desk.finished(run_id).ended_because == "stopped"
    assert not is_alive(pid_file)


def test_a_daemon_without_any_environment_dies_as_well(any_desk: Desk) -> None:
    any_desk.shell(
        "(env -i /bin/sh -c 'trap \"\" TERM; exec 9>lock; flock 9; echo up; exec sleep 600' > up &) ; while ! [ -s up ]; do :; done"
    )
    report = any_desk.finished()
    held = subprocess.run(
        ["flock", "-n", any_desk.folder(report.run_id).checkout / "lock", "true"], check=False
    )
    assert held.returncode == 0


def test_work_that_was_cut_off_is_kept(any_desk: Desk) -> None:
    any_desk.script({"write": "half.py", "text": "x"}, {"print": "written"}, {"hang": True})
    run_id = any_desk.started()
    until(lambda: "written" in any_desk.log(run_id))
    any_desk.runs.stop(run_id, "enough", at_once=True)
    any_desk.finished(run_id)
    assert "half.py" in any_desk.git(run_id, "show", "--name-only", "HEAD")


def test_a_supervisor_that_was_killed_leaves_a_lost_run_and_reaping_ends_the_rest(desk: Desk) -> None:
    desk.isolation = "plain"
    desk.script(DAEMON, {"hang": True})
    run_id = desk.started()
    pid_file = desk.folder(run_id).checkout / "daemon.pid"
    until(pid_file.exists)
    kill_supervisor(desk, run_id)
    report = desk.runs.report(run_id)
    assert (report.state, report.ended_because) == ("lost", "lost")
    assert is_alive(pid_file)
    desk.runs.reap(run_id)
    assert not is_alive(pid_file)
    until(lambda: not desk.living(run_id))
    assert desk.runs.report(run_id).state == "lost"


@pytest.mark.parametrize("kind", [SandboxKind.NONE, SandboxKind.AUTO])
def test_in_a_namespace_everything_dies_with_the_supervisor(desk: Desk, kind: SandboxKind) -> None:
    desk.sandbox = SandboxRules(kind)
    desk.script(DAEMON, {"hang": True})
    run_id = desk.started()
    pid_file = desk.folder(run_id).checkout / "daemon.pid"
    until(pid_file.exists)
    started = load_json(desk.folder(run_id).started)
    if not started or started["isolation"] == "plain":
        pytest.skip("no process namespaces here")
    kill_supervisor(desk, run_id)
    until(lambda: not is_alive(pid_file))


DIES_WHILE_IT_LETS_GO = """
import os, signal, sys, threading
from dispatcher.runs.spawn import Program, become_subreaper, spawn
become_subreaper()
argv, isolation = ["/bin/sh", "-c", "touch began; exec sleep 3600"], sys.argv[2]
child = spawn(Program(argv, {"PATH": os.environ["PATH"]}, sys.argv[1], os.devnull, os.open(os.devnull, os.O_WRONLY)), isolation)
os.kill(child.pid, signal.SIGSTOP)
print(child.pid, flush=True)
write, has_let_go = os.write, threading.Event()
os.write = lambda *words: (write(*words), has_let_go.set())
threading.Thread(target=child.release).start()
has_let_go.wait()
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("isolation", ["plain", "auto"])
def test_a_supervisor_that_dies_in_the_moment_of_letting_go_leaves_no_agent(
    tmp_path: Path, isolation: str
) -> None:
    argv = [sys.executable, "-c", DIES_WHILE_IT_LETS_GO, str(tmp_path), isolation]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as short_lived:
        assert short_lived.stdout
        child = proctree.load_process(int(short_lived.stdout.readline()))
        assert short_lived.wait(20) == -signal.SIGKILL
    assert child
    proctree.send_signal(child, signal.SIGCONT)
    until(lambda: not proctree.send_signal(child, 0))
    assert not (tmp_path / "began").exists()


def test_an_exit_file_that_the_agent_forged_ends_nothing(desk: Desk) -> None:
    desk.shell(
        """echo '{"because": "exited", "exit_code": 0}' > ../exit.json; echo up; while ! [ -e go ]; do sleep 0.01; done; exit 5"""
    )
    run_id = desk.started()
    until(lambda: "up" in desk.log(run_id))
    assert desk.runs.report(run_id).state == "running"
    (desk.folder(run_id).checkout / "go").touch()
    assert desk.finished(run_id).exit_code == 5


def test_a_lost_run_is_never_started_again(desk: Desk) -> None:
    desk.script({"print": "began"}, {"hang": True})
    order = desk.prepared()
    desk.runs.start(order)
    until(lambda: "began" in desk.log(order.run.id))
    kill_supervisor(desk, order.run.id)
    desk.runs.start(order)
    assert desk.runs.report(order.run.id).state == "lost"
    assert desk.log(order.run.id) == "began\n"


def test_reaping_a_run_that_lives_does_not_touch_it(desk: Desk) -> None:
    desk.script({"print": "up"}, {"wait_for": "go"})
    run_id = desk.started()
    desk.runs.reap(run_id)
    assert desk.runs.report(run_id).state == "running"
    (desk.folder(run_id).checkout / "go").touch()
    assert desk.finished(run_id).ended_because == "exited"


@pytest.fixture
def bystander() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "600"]) as process:
        yield process
        process.kill()


def test_reaping_spares_a_stranger_who_got_the_pid(desk: Desk, bystander: subprocess.Popen[bytes]) -> None:
    order = desk.prepared()
    folder = desk.folder(order.run.id)
    write_json(
        folder.started, {"boot_id": proctree.load_boot_id(), "agent": [bystander.pid, 1], "supervisor": []}
    )
    desk.runs.reap(order.run.id)
    assert bystander.poll() is None


def test_reaping_spares_the_pids_of_another_boot(desk: Desk, bystander: subprocess.Popen[bytes]) -> None:
    process = proctree.load_process(bystander.pid)
    assert process
    order = desk.prepared()
    write_json(
        desk.folder(order.run.id).started,
        {"boot_id": "long ago", "agent": [bystander.pid, process.started_ticks]},
    )
    desk.runs.reap(order.run.id)
    assert bystander.poll() is None


def test_reaping_ends_the_recorded_agent_even_without_a_mark(
    desk: Desk, bystander: subprocess.Popen[bytes]
) -> None:
    process = proctree.load_process(bystander.pid)
    assert process
    order = desk.prepared()
    recorded = {"boot_id": proctree.load_boot_id(), "agent": [bystander.pid, process.started_ticks]}
    write_json(desk.folder(order.run.id).started, recorded)
    desk.runs.reap(order.run.id)
    assert bystander.wait(10) == -signal.SIGKILL


def test_a_signal_never_reaches_the_next_owner_of_a_pid(bystander: subprocess.Popen[bytes]) -> None:
    process = proctree.load_process(bystander.pid)
    assert process
    earlier = proctree.Process(process.pid, "S", process.parent, process.started_ticks - 1)
    assert not proctree.send_signal(earlier, signal.SIGKILL)
    assert bystander.poll() is None


def test_a_supervisor_that_is_told_to_end_ends_the_run(desk: Desk) -> None:
    desk.script({"print": "up"}, {"hang": True})
    run_id = desk.started()
    until(lambda: "up" in desk.log(run_id))
    os.kill(supervisor_of(desk, run_id), signal.SIGTERM)
    assert desk.finished(run_id).ended_because == "stopped"


def test_a_supervisor_at_work_turns_a_second_one_away(desk: Desk) -> None:
    order = desk.prepared()
    folder = desk.folder(order.run.id)
    held = take_lock(str(folder.lock))
    assert held is not None
    try:
        assert take_lock(str(folder.lock)) is None
        assert is_locked(str(folder.lock))
        desk.runs.start(order)
        assert not folder.started.exists()
    finally:
        os.close(held)
    assert not is_locked(str(folder.lock))


def test_the_exit_file_is_whole_or_absent(desk: Desk) -> None:
    run_id = desk.finished().run_id
    exit_file = json.loads(desk.folder(run_id).exit.read_text())
    assert exit_file["run_id"] == run_id
    assert [p.name for p in desk.folder(run_id).path.iterdir() if p.name.startswith("exit.json.")] == []


def test_supervisors_are_light(desk: Desk) -> None:
    desk.script({"print": "up"}, {"wait_for": "go"})
    run_id = desk.started()
    status = Path(f"/proc/{supervisor_of(desk, run_id)}/status").read_text()
    resident_kb = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
    (desk.folder(run_id).checkout / "go").touch()
    desk.finished(run_id)
    assert resident_kb < 20_000, sys.version


def test_a_supervisor_loads_nothing_heavy() -> None:
    look = (
        f"import sys; sys.path.append({str(Path(__file__).parents[2])!r}); import dispatcher.runs.supervisor; "
        "print(*sorted(m for m in sys.modules if m.startswith('dispatcher') "
        "or m in {'dataclasses', 'typing', 'pathlib', 'subprocess', 'threading', 'logging', 'site'}))"
    )
    loaded = subprocess.run(
        [sys.executable, "-I", "-S", "-E", "-c", look], capture_output=True, text=True, check=True
    )
    ours = "cgroup diskuse doorkeeper errand filechanges proctree runlock runlog screening spawn supervisor watching"
    assert loaded.stdout.split() == [
        "dispatcher",
        "dispatcher.runs",
        *(f"dispatcher.runs.{name}" for name in ours.split()),
    ]


def test_a_supervisor_that_fails_says_so_and_leaves_nothing_alive(any_desk: Desk) -> None:
    any_desk.script(DAEMON, {"print": "up"}, {"hang": True})
    order = any_desk.prepared()
    any_desk.folder(order.run.id).progress.mkdir()
    any_desk.runs.start(order)
    report = any_desk.finished(order.run.id)
    assert report.ended_because == "lost"
    assert report.detail.startswith("the supervisor failed: IsADirectoryError")
    until(lambda: not any_desk.living(order.run.id))


def test_an_order_that_nobody_can_read_is_told(tmp_path: Path) -> None:
    order = tmp_path / "run.json"
    order.write_text('{"run_id": 7}')
    done = subprocess.run([sys.executable, FRONT_DOOR, order], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "run.json: run_id must be a string" in done.stderr
