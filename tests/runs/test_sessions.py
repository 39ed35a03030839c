"""A repair run goes on with the session of the run that it repairs, where the program can; nobody else ever does."""

import json
from pathlib import Path

import pytest

from dispatcher.core.model import Role
from dispatcher.core.rules import AgentConfig
from dispatcher.runs.agents.registry import kind_named
from dispatcher.runs.folder import RunFolder
from dispatcher.runs.sessions import take_session_over
from tests.runs.conftest import Desk

SESSION = "0f0e0d0c-1111-2222-3333-444455556666"


def a_claude(folder: Path) -> AgentConfig:
    """Tells its session, keeps it where Claude Code does, writes down its arguments, and says nothing usable."""
    program = folder / "claude"
    init = json.dumps({"type": "system", "subtype": "init", "session_id": SESSION})
    program.write_text(
        "#!/bin/sh\n"
        'printf "%s " "$@" > "$DISPATCHER_RUN_DIR/out/args"\n'
        'place="$HOME/.claude/projects/$(pwd | sed "s/[^A-Za-z0-9]/-/g")"\n'
        f'mkdir -p "$place"; ls "$place" > "$DISPATCHER_RUN_DIR/out/seen"; echo "{{}}" >> "$place/{SESSION}.jsonl"\n'
        f"echo '{init}'\n"
    )
    program.chmod(0o755)
    return AgentConfig("agent", "claude", argv=(str(program),))


def repaired(desk: Desk, broken: str) -> RunFolder:
    """The folder of a repair run, which is over."""
    order = desk.order(repairs=broken, repair_error="no outcome")
    desk.runs.prepare(order)
    desk.runs.start(order)
    return desk.folder(desk.finished(order.run.id).run_id)


def test_a_repair_goes_on_with_the_session_of_its_run(desk: Desk, tmp_path: Path) -> None:
    desk.config = a_claude(tmp_path)
    first = desk.finished()
    assert first.session_id == SESSION
    assert "--resume" not in (desk.folder(first.run_id).out / "args").read_text()

    repair = repaired(desk, first.run_id)
    assert f"--resume {SESSION}" in (repair.out / "args").read_text()
    assert (repair.out / "seen").read_text().strip() == f"{SESSION}.jsonl"


def test_every_other_run_is_a_fresh_session(desk: Desk, tmp_path: Path) -> None:
    desk.config = a_claude(tmp_path)
    desk.finished()
    again = desk.finished()
    assert "--resume" not in (desk.folder(again.run_id).out / "args").read_text()


def test_another_role_or_another_agent_never_goes_on_with_a_session(desk: Desk, tmp_path: Path) -> None:
    desk.config = a_claude(tmp_path)
    first = desk.finished()
    desk.role = Role.REVIEWER
    assert "--resume" not in (repaired(desk, first.run_id).out / "args").read_text()


@pytest.fixture
def old(tmp_path: Path) -> RunFolder:
    folder = RunFolder(tmp_path / "old")
    place = folder.home / ".codex/sessions/2026/11/21"
    place.mkdir(parents=True)
    (place / f"rollout-2026-{SESSION}.jsonl").write_text("{}\n")
    return folder


def test_codex_goes_on_by_a_subcommand(old: RunFolder, tmp_path: Path) -> None:
    kind, new = kind_named("codex"), RunFolder(tmp_path / "new")
    assert take_session_over(kind, SESSION, old, new) == SESSION
    assert (new.home / f".codex/sessions/2026/11/21/rollout-2026-{SESSION}.jsonl").read_text() == "{}\n"
    call = kind.resume(kind.compose(AgentConfig("c", "codex"), new, "prompt"), SESSION)
    assert call.argv[-3:] == ("resume", SESSION, "-")


@pytest.mark.parametrize("told", ["", "--dangerously-bypass", "../../etc", "a" * 200, "another-session-id"])
def test_what_is_no_session_of_that_run_makes_a_fresh_one(old: RunFolder, tmp_path: Path, told: str) -> None:
    assert take_session_over(kind_named("codex"), told, old, RunFolder(tmp_path / "new")) == ""


def test_a_link_that_the_agent_planted_is_not_followed(old: RunFolder, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("host")
    place = next((old.home / ".codex/sessions/2026/11/21").iterdir())
    place.unlink()
    place.symlink_to(secret)
    assert take_session_over(kind_named("codex"), SESSION, old, RunFolder(tmp_path / "new")) == ""


def test_a_kind_that_cannot_go_on_begins_anew(old: RunFolder, tmp_path: Path) -> None:
    assert take_session_over(kind_named("command"), SESSION, old, RunFolder(tmp_path / "new")) == ""
