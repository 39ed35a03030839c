"""The sandbox made by a container engine: composed everywhere, run where an engine answers."""

import os
import subprocess
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from dispatcher.core.errors import BadConfig
from dispatcher.core.rules import NetworkAccess, SandboxKind, SandboxRules
from dispatcher.runs.sandbox.bwrap import Program
from dispatcher.runs.sandbox.choice import choose_box
from dispatcher.runs.sandbox.container import Engine, compose_container, compose_removal, find_engine
from dispatcher.runs.sandbox.view import Bounds, Relay, View
from tests.runs.conftest import Desk

ENGINE = Engine("docker", "example.invalid/agents:1", 1000)
VIEW = View(
    readable=(Path("/state/prompt.md"),), writable=(Path("/state/checkout"),), folder=Path("/state/checkout")
)
PROGRAM = Program(
    ("agent", "--go"), Bounds(5_000_000, 40, 2_000_000, 60), (Relay(8080, Path("/state/net/s")),)
)


def composed(engine: Engine = ENGINE, view: View = VIEW) -> tuple[str, ...]:
    return compose_container(engine, "dispatcher-run-1", view, PROGRAM, ("HOME", "MODEL_KEY"))


def pairs(words: tuple[str, ...], flag: str) -> list[str]:
    return [after for word, after in pairwise(words) if word == flag]


def test_a_container_has_no_rights_no_network_and_a_root_that_cannot_be_written():
    words = composed()
    assert words[:3] == ("docker", "run", "--rm")
    assert "--read-only" in words
    assert "--privileged" not in words
    assert pairs(words, "--cap-drop") == ["ALL"]
    assert pairs(words, "--security-opt") == ["no-new-privileges"]
    assert pairs(words, "--network") == ["none"]
    assert pairs(words, "--user") == ["1000:1000"]
    assert pairs(words, "--pull") == ["never"]


def test_only_what_the_view_shows_is_mounted_and_read_only_unless_it_says_otherwise():
    volumes = pairs(composed(), "--volume")
    assert "/state/prompt.md:/state/prompt.md:ro" in volumes
    assert "/state/checkout:/state/checkout:rw" in volumes
    assert [one for one in volumes if one.endswith(":rw")] == ["/state/checkout:/state/checkout:rw"]


def test_values_of_variables_are_in_no_command_line():
    assert pairs(composed(), "--env") == ["HOME", "MODEL_KEY"]


def test_bounds_are_the_engines_and_the_program_comes_last():
    words = composed()
    assert (pairs(words, "--memory"), pairs(words, "--pids-limit")) == (["5000000b"], ["40"])
    assert '"RLIMIT_FSIZE": 2000000' in " ".join(words)
    assert '"relays": [[8080, "/state/net/s"]]' in " ".join(words)
    assert words[-2:] == ("agent", "--go")
    assert words.index(ENGINE.image) < words.index("python3")


def test_a_network_that_is_on_is_the_engines_own_never_the_hosts():
    assert pairs(composed(view=replace(VIEW, network=NetworkAccess.ON)), "--network") == ["bridge"]


def test_podman_without_root_keeps_the_user():
    assert pairs(composed(replace(ENGINE, program="podman", keeps_id=True)), "--userns") == ["keep-id"]


def test_a_container_is_removed_with_everything_in_it():
    assert compose_removal(ENGINE, "dispatcher-run-1") == ("docker", "rm", "--force", "dispatcher-run-1")


def test_a_container_without_an_image_is_refused_with_its_cure():
    with pytest.raises(BadConfig, match="container_image is empty"):
        choose_box(SandboxRules(SandboxKind.CONTAINER))


@pytest.mark.skipif(bool(find_engine()), reason="a container engine answers here")
def test_without_an_engine_a_container_is_refused_and_never_replaced_by_nothing():
    with pytest.raises(BadConfig, match="neither docker nor podman answers"):
        choose_box(SandboxRules(SandboxKind.CONTAINER, container_image="example.invalid/x"))


IMAGE = os.environ.get("DISPATCHER_TEST_IMAGE", "")


@pytest.mark.skipif(
    not find_engine() or not IMAGE,
    reason="skipped: no container engine answers, or DISPATCHER_TEST_IMAGE is not set",
)
def test_a_run_in_a_real_container(desk: Desk) -> None:
    desk.sandbox = SandboxRules(SandboxKind.CONTAINER, NetworkAccess.OFF, container_image=IMAGE)
    desk.shell("echo new > new.txt; cat /proc/net/dev | wc -l")
    report = desk.finished()
    assert report.exit_code == 0
    assert desk.log(report.run_id).strip() == "3"
    names = subprocess.run(
        [find_engine(), "ps", "-a", "--format", "{{.Names}}"], capture_output=True, text=True, check=True
    )
    assert report.run_id not in names.stdout
