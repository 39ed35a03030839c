"""Control groups: against a hierarchy of plain files in the kernel's shape, and the part that works here against the kernel itself."""

import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dispatcher.core.rules import Limits, SandboxKind, SandboxRules
from dispatcher.runs.cgroup import RunGroup, limits_of_group
from dispatcher.runs.folder import load_json
from dispatcher.runs.sandbox.grouping import Grouping, Kernel, find_grouping
from tests.runs.conftest import Desk, until

LIMITS = limits_of_group(150_000_000, 40)


@pytest.fixture
def kernel(tmp_path: Path) -> Kernel:
    """A service of systemd whose main process was put into a group below the one that was given away."""
    tree = tmp_path / "cgroup"
    service = tree / "system.slice" / "dispatcher.service"
    (service / "main").mkdir(parents=True)
    for group in (service, service / "main"):
        (group / "cgroup.procs").write_text("")
        (group / "cgroup.controllers").write_text("cpu memory pids\n")
        (group / "cgroup.subtree_control").write_text("")
    own, mounts = tmp_path / "own", tmp_path / "mounts"
    own.write_text("12:pids:/elsewhere\n0::/system.slice/dispatcher.service/main\n")
    mounts.write_text(
        f"30 1 0:26 / /sys rw - sysfs sysfs rw\n35 30 0:30 / {tree} rw,relatime shared:4 - cgroup2 cgroup2 rw\n"
    )
    return Kernel(own, mounts, is_given=lambda group: group == service)


def service_of(kernel: Kernel) -> Path:
    place = find_grouping(replace(kernel, is_given=lambda _group: True)).place
    assert place
    return place


def test_runs_become_siblings_of_the_dispatcher_in_the_group_that_was_given_to_it(kernel: Kernel) -> None:
    found = find_grouping(kernel)
    assert found.place
    assert found.place.name == "dispatcher.service"
    assert (found.place / "cgroup.subtree_control").read_text() == "+memory +pids"
    assert found.group_of("r-1") == f"{found.place}/run-r-1"


def test_what_is_divided_already_is_left_as_it_is(kernel: Kernel) -> None:
    control = service_of(kernel) / "cgroup.subtree_control"
    control.write_text("pids memory\n")
    assert find_grouping(kernel).place
    assert control.read_text() == "pids memory\n"


def test_a_hierarchy_that_is_mounted_from_its_middle_is_understood(kernel: Kernel) -> None:
    service = service_of(kernel)
    kernel.mounts.write_text(
        f"35 30 0:30 /system.slice/dispatcher.service {service} rw - cgroup2 cgroup2 rw\n"
    )
    assert find_grouping(kernel).place == service
    kernel.mounts.write_text(f"35 30 0:30 /user.slice {service} rw - cgroup2 cgroup2 rw\n")
    assert find_grouping(kernel).place is None


def only_version_1(kernel: Kernel) -> Kernel:
    kernel.own.write_text("4:memory:/x\n")
    return kernel


def in_the_topmost(kernel: Kernel) -> Kernel:
    kernel.own.write_text("0::/\n")
    return kernel


def without_delegation(kernel: Kernel) -> Kernel:
    return replace(kernel, is_given=lambda _group: False)


def with_company(kernel: Kernel) -> Kernel:
    (service_of(kernel) / "cgroup.procs").write_text("17\n")
    return kernel


def without_memory(kernel: Kernel) -> Kernel:
    (service_of(kernel) / "cgroup.controllers").write_text("cpu pids\n")
    return kernel


def refusing(kernel: Kernel) -> Kernel:
    control = service_of(kernel) / "cgroup.subtree_control"
    control.unlink()
    control.mkdir()
    return kernel


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (only_version_1, "no group of version 2"),
        (in_the_topmost, "the topmost one"),
        (without_delegation, "was not given to this user"),
        (with_company, "other processes are in the group above ours"),
        (without_memory, "no control of memory"),
        (refusing, "cgroup.subtree_control: Is a directory"),
    ],
)
def test_where_it_cannot_be_it_is_said_why(
    kernel: Kernel, spoil: Callable[[Kernel], Kernel], why: str
) -> None:
    found = find_grouping(spoil(kernel))
    assert (found.place, found.group_of("r-1")) == (None, "")
    assert why in found.why


def test_here_it_works_or_it_is_said_why_not() -> None:
    found = find_grouping()
    assert bool(found.place) != bool(found.why)


# ---------------------------------------------------------------- a run in its group


@pytest.fixture
def grouped(desk: Desk, tmp_path: Path) -> Desk:
    (tmp_path / "groups").mkdir()
    desk.grouping = lambda: Grouping(tmp_path / "groups")
    desk.limits = Limits(memory_bytes=150_000_000, processes=40)
    return desk


def test_the_first_process_is_in_the_group_before_it_does_anything_and_the_group_is_ended_with_the_run(
    grouped: Desk, tmp_path: Path
) -> None:
    grouped.shell(f"cat {tmp_path}/groups/run-*/cgroup.procs; echo; echo up; exec sleep 60")
    grouped.sandbox = SandboxRules(SandboxKind.NONE)
    run_id = grouped.started()
    group = tmp_path / "groups" / f"run-{run_id}"
    until(lambda: "up" in grouped.log(run_id))
    started = load_json(grouped.folder(run_id).started) or {}
    assert started["group"] == str(group)
    agent = started["agent"]
    assert isinstance(agent, list)
    assert grouped.log(run_id).split()[0] == str(agent[0])
    assert {name: (group / name).read_text() for name in LIMITS} == LIMITS
    assert (group / "memory.swap.max").read_text() == "0"
    grouped.runs.stop(run_id, "enough", at_once=True)
    grouped.finished(run_id)
    assert (group / "cgroup.kill").read_text() == "1"


@pytest.mark.parametrize(
    ("file", "text", "because", "words"),
    [
        ("memory.events", "low 0\noom 1\noom_kill 1\n", "out-of-memory", "the kernel ended it: its memory reached the limit of 150 MB"),
        ("pids.events", "max 3\n", "exited", "it reached the limit of 40 processes and threads at once"),
        ("pids.events", "max 0\n", "exited", ""),
        ("memory.events", "a b c\n", "exited", ""),
    ],
)  # fmt: skip
def test_what_the_kernel_counted_is_named(
    grouped: Desk, tmp_path: Path, file: str, text: str, because: str, words: str
) -> None:
    grouped.sandbox = SandboxRules(SandboxKind.NONE)
    grouped.shell(f"printf '{text}' > {tmp_path}/groups/run-$DISPATCHER_RUN_ID/{file}; exit 1")
    report = grouped.finished()
    assert (report.ended_because, report.detail) == (because, words)


def test_where_a_group_cannot_be_made_the_run_goes_on_without(grouped: Desk) -> None:
    grouped.grouping = lambda: Grouping(Path("/proc/nowhere"))
    report = grouped.finished()
    assert report.ended_because == "exited"
    assert (load_json(grouped.folder(report.run_id).started) or {})["group"] == ""


@pytest.fixture
def real_group() -> Iterator[RunGroup]:
    """A group of the kernel's: any will do for what needs no controller."""
    lines = (line.split() for line in Path("/proc/self/mountinfo").read_text().splitlines())
    tops = [Path(fields[4]) for fields in lines if "cgroup2" in fields]
    name = f"dispatcher-test-{os.getpid()}"
    group = RunGroup(str(tops[0] / name) if tops else "")
    group.make({})
    if not group.path:
        pytest.skip("skipped: no control group of version 2 can be made here by this user")
    yield group
    group.kill()
    group.remove()


def test_the_kernel_ends_all_that_is_in_a_group_and_lets_it_be_removed(real_group: RunGroup) -> None:
    path = Path(real_group.path)
    forks = "sleep 60 & (setsid sleep 60 &) ; read word; setsid sh -c 'sleep 60' & wait"
    with subprocess.Popen(["/bin/sh", "-c", forks], stdin=subprocess.PIPE) as agent:
        real_group.take_in(agent.pid)
        assert agent.stdin
        agent.stdin.write(b"go\n")
        agent.stdin.flush()
        until(lambda: len((path / "cgroup.procs").read_text().split()) >= 2)
        real_group.kill()
        assert agent.wait(20) == -9
    until(lambda: not (path / "cgroup.procs").read_text())
    real_group.remove()
    assert not path.exists()
    assert real_group.path == ""


def test_what_a_dead_supervisor_left_of_a_group_is_ended_and_removed(
    real_group: RunGroup, desk: Desk
) -> None:
    order = desk.prepared()
    folder = desk.folder(order.run.id)
    with subprocess.Popen(["/bin/sleep", "60"]) as left:
        real_group.take_in(left.pid)
        folder.order.write_text(f'{{"group": "{real_group.path}"}}')
        desk.runs.reap(order.run.id)
        assert left.wait(20) == -9
    assert not Path(real_group.path).exists()


def test_a_limit_that_the_kernel_does_not_know_means_no_group(real_group: RunGroup) -> None:
    inner = RunGroup(f"{real_group.path}/inner")
    inner.make({"no.such.limit": "1"})
    assert inner.path == ""
    assert not Path(f"{real_group.path}/inner").exists()
