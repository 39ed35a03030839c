"""One run from its folder to its exit file, with real processes."""

import json
import stat
from dataclasses import replace

import pytest

from dispatcher.core.errors import BadConfig, RetryLater
from dispatcher.core.events import ReviewRejected, WorkDelivered
from dispatcher.core.model import Role
from dispatcher.core.rules import Limits, SandboxKind, SandboxRules
from dispatcher.runs.folder import load_json
from dispatcher.runs.launch import can_isolate
from tests.runs.conftest import DONE, WRITE_DONE, Desk, make_checkout, until


def test_a_worker_edits_commits_and_says_so(any_desk: Desk) -> None:
    any_desk.script(
        {"write": "sort.py", "text": ["def sort(): ..."]},
        {"commit": "Sort"},
        {"print": "all good"},
        {"outcome": DONE},
    )
    report = any_desk.finished()
    assert (report.ended_because, report.exit_code) == ("exited", 0)
    assert report.started_at
    assert report.ended_at
    assert report.started_at <= report.ended_at
    assert any_desk.log(report.run_id) == "all good\n"
    assert (
        any_desk.git(report.run_id, "log", "--format=%s %an %ae")
        == "Sort shop-bot bot@shop.invalid\nBegin ann@shop.invalid ann@shop.invalid\n"
    )
    delivered = any_desk.runs.load_outcome(report.run_id, Role.WORKER)
    assert delivered == WorkDelivered(report.run_id, "Sort", "Sorted.", "pytest: 3 passed")


def test_a_run_that_nobody_prepared_is_absent(desk: Desk) -> None:
    assert desk.runs.report("never-heard-of").state == "absent"
    assert desk.runs.known() == ()


def test_a_prepared_run_is_absent_until_it_starts(desk: Desk) -> None:
    order = desk.prepared()
    assert desk.runs.report(order.run.id).state == "absent"
    assert desk.runs.known() == (order.run.id,)


def test_a_run_waits_for_its_checkout(desk: Desk) -> None:
    order = desk.order()
    desk.runs.prepare(order)
    with pytest.raises(RetryLater, match="checkout is not there yet"):
        desk.runs.start(order)


def test_starting_twice_starts_once(any_desk: Desk) -> None:
    any_desk.shell(f"echo began; {WRITE_DONE}")
    order = any_desk.prepared()
    any_desk.runs.start(order)
    any_desk.runs.start(order)
    ended = any_desk.finished(order.run.id)
    any_desk.runs.start(order)
    any_desk.runs.prepare(order)
    assert any_desk.finished(order.run.id) == ended, "the same beginning, the same end"
    assert any_desk.log(order.run.id) == "began\n"


def test_what_a_run_was_told_is_not_written_anew_once_it_has_started(desk: Desk) -> None:
    desk.shell(WRITE_DONE)
    order = desk.prepared()
    desk.runs.start(order)
    told = desk.folder(order.run.id).prompt.read_text()
    desk.runs.prepare(replace(order, context=order.context | {"task": "acme/shop#8"}))
    assert desk.folder(order.run.id).prompt.read_text() == told
    assert told.startswith("# Task: acme/shop#7")


def test_preparing_twice_changes_nothing_but_keeps_the_checkout(desk: Desk) -> None:
    order = desk.prepared()
    (desk.folder(order.run.id).checkout / "kept").touch()
    assert desk.runs.prepare(order) == desk.folder(order.run.id).checkout
    assert (desk.folder(order.run.id).checkout / "kept").exists()


def test_the_folder_is_for_its_owner_only_and_complete(desk: Desk) -> None:
    folder = desk.folder(desk.prepared().run.id)
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700
    assert json.loads(folder.schema.read_text())["$schema"]
    context = json.loads(folder.context.read_text())
    assert context["task"] == "acme/shop#7"
    assert context["role"] == "worker"
    assert len(context["prompt_digest"]) == 16


def test_a_dispatcher_that_was_restarted_adopts_what_runs(any_desk: Desk) -> None:
    any_desk.script({"print": "began"}, {"wait_for": "go"}, {"outcome": DONE})
    run_id = any_desk.started()
    assert any_desk.runs.report(run_id).state == "running"
    until(lambda: any_desk.runs.report(run_id).last_progress_at)
    (any_desk.folder(run_id).checkout / "go").touch()
    assert any_desk.finished(run_id).ended_because == "exited"
    assert isinstance(any_desk.runs.load_outcome(run_id, Role.WORKER), WorkDelivered)


def test_an_agent_that_crashes_has_an_exit_code(any_desk: Desk) -> None:
    any_desk.script({"print": "oh no"}, {"crash": 42})
    assert any_desk.finished().exit_code == 42


def test_an_agent_that_dies_of_a_signal_shows_it_as_shells_do(any_desk: Desk) -> None:
    any_desk.shell("kill -SEGV $$")
    assert any_desk.finished().exit_code == 128 + 11


def test_a_program_that_is_not_there_could_not_start(any_desk: Desk) -> None:
    any_desk.config = replace(any_desk.config, argv=("no-such-agent-anywhere",))
    report = any_desk.finished()
    assert report.ended_because == "could-not-start"
    assert report.detail == "no-such-agent-anywhere: No such file or directory"


def test_an_agent_nobody_configured_is_named(desk: Desk) -> None:
    order = desk.order()
    other = replace(order, run=replace(order.run, agent="claud"))
    with pytest.raises(BadConfig, match=r"no agent `claud` is configured\. Known agents: agent"):
        desk.runs.prepare(other)


def test_an_id_that_is_a_path_is_refused(desk: Desk) -> None:
    with pytest.raises(ValueError, match="cannot be a run id"):
        desk.runs.folder("../elsewhere")


def test_uncommitted_work_is_committed_without_the_droppings(any_desk: Desk) -> None:
    any_desk.shell(
        "mkdir -p __pycache__; echo x > __pycache__/a.pyc; echo new > new.txt; : > .git/index.lock"
    )
    run_id = any_desk.finished().run_id
    assert (
        any_desk.git(run_id, "show", "--format=%s|%an", "--name-only", "HEAD")
        == "Keep work that was not committed|shop-bot\n\nnew.txt\n"
    )


def test_a_repository_cloned_into_the_checkout_stays_out(desk: Desk) -> None:
    desk.shell("git init -q lib/other; git -C lib/other commit -q --allow-empty -m x; echo new > lib/new.txt")
    run_id = desk.finished().run_id
    assert desk.git(run_id, "show", "--format=", "--name-only", "HEAD") == "lib/new.txt\n"


def test_a_clean_checkout_gets_no_commit_of_ours(desk: Desk) -> None:
    desk.shell("true")
    assert desk.git(desk.finished().run_id, "log", "--format=%s") == "Begin\n"


def test_hooks_that_the_agent_planted_do_not_run_when_its_work_is_kept(desk: Desk) -> None:
    hook = "printf '#!/bin/sh\\ntouch ../hooked\\n' > .git/hooks/{0}; chmod +x .git/hooks/{0}; "
    desk.shell(hook.format("pre-commit") + hook.format("post-commit") + "echo new > new.txt")
    run_id = desk.finished().run_id
    assert "new.txt" in desk.git(run_id, "show", "--name-only", "HEAD")
    assert not (desk.folder(run_id).path / "hooked").exists()


def test_what_a_reviewer_leaves_in_the_checkout_is_not_kept(desk: Desk) -> None:
    desk.role = Role.REVIEWER
    desk.shell("echo scratch > scratch.txt")
    assert desk.git(desk.finished().run_id, "log", "--format=%s") == "Begin\n"


def test_a_scripted_reviewer_rejects_a_change_without_a_test(desk: Desk) -> None:
    desk.role = Role.REVIEWER
    desk.context |= {"diff": "+++ b/sort.py\n+def sort(): ..."}
    no_test = {
        "outcome": "request-changes",
        "summary": "No test.",
        "findings": [{"severity": "major", "text": "Write one."}],
    }
    approve = {"outcome": "approve", "summary": "Fine.", "findings": []}
    desk.script(
        {"if": {"diff_lacks": "test_"}, "then": [{"outcome": no_test}], "else": [{"outcome": approve}]}
    )
    verdict = desk.runs.load_outcome(desk.finished().run_id, Role.REVIEWER)
    assert isinstance(verdict, ReviewRejected)
    assert verdict.head == "c0ffee"


def test_a_scripted_worker_does_something_else_in_its_second_round(desk: Desk) -> None:
    desk.context |= {"round": 2}
    desk.script(worker=[[{"print": "first"}], [{"print": "second"}]])
    assert desk.log(desk.finished().run_id) == "second\n"


def test_a_script_with_an_unknown_verb_says_which(desk: Desk) -> None:
    desk.script({"dance": 1})
    report = desk.finished()
    assert report.exit_code == 2
    assert 'no known verb in {"dance": 1}' in desk.log(report.run_id)


def test_the_log_keeps_its_beginning_and_its_end(any_desk: Desk) -> None:
    any_desk.limits = Limits(log_bytes=2000)
    any_desk.script({"print": "the beginning"}, {"print": "x" * 99, "times": 500}, {"print": "the end"})
    log = any_desk.log(any_desk.finished().run_id)
    assert log.startswith("the beginning\n")
    assert log.endswith("the end\n")
    assert "bytes left out here" in log
    assert len(log) < 2100


def test_a_run_remembers_how_it_was_isolated(desk: Desk) -> None:
    if not can_isolate():
        pytest.skip("no process namespaces here")
    desk.sandbox = SandboxRules(SandboxKind.NONE)
    run_id = desk.finished().run_id
    started = load_json(desk.folder(run_id).started)
    assert started
    assert started["isolation"] == "namespace"


def test_a_namespace_hides_the_processes_of_the_host(desk: Desk) -> None:
    if not can_isolate():
        pytest.skip("no process namespaces here")
    desk.sandbox = SandboxRules(SandboxKind.NONE)
    desk.shell("ls -d /proc/[0-9]* | wc -l")
    assert int(desk.log(desk.finished().run_id)) < 8


def test_a_repair_run_takes_the_checkout_over_and_sees_what_was_wrong(desk: Desk) -> None:
    desk.script(
        {"write": "sort.py", "text": "x"}, {"commit": "Sort"}, {"outcome_text": '{"outcome": "dnoe"}'}
    )
    broken = desk.finished().run_id
    order = desk.order(repairs=broken, repair_error="`dnoe` is no outcome")
    checkout = desk.runs.prepare(order)
    assert (checkout / "sort.py").exists()
    assert not desk.folder(broken).checkout.exists()
    prompt = desk.folder(order.run.id).prompt.read_text()
    assert "`dnoe` is no outcome" in prompt
    assert '{"outcome": "dnoe"}' in prompt
    desk.runs.prepare(order)
    desk.script(repair=[[{"outcome": DONE}]], worker=[[{"print": "wrong steps"}]])
    desk.runs.start(order)
    desk.finished(order.run.id)
    assert isinstance(desk.runs.load_outcome(order.run.id, Role.WORKER), WorkDelivered)


def test_a_repair_run_does_not_take_the_checkout_of_a_run_that_lives(desk: Desk) -> None:
    desk.script({"hang": True})
    living = desk.started()
    with pytest.raises(RetryLater, match="still runs"):
        desk.runs.prepare(desk.order(repairs=living))
    desk.runs.stop(living, "enough", at_once=True)
    desk.finished(living)


def test_a_repair_of_a_run_that_left_nothing_begins_without_a_checkout(desk: Desk) -> None:
    order = desk.order(repairs="run-that-is-gone", repair_error="no JSON")
    assert not desk.runs.prepare(order).exists()
    assert "no JSON" in desk.folder(order.run.id).prompt.read_text()


def test_a_supervisor_that_cannot_start_says_why(desk: Desk) -> None:
    order = desk.order()
    runs = desk.runs
    make_checkout(runs.prepare(order))
    runs.settings = replace(runs.settings, python="/nowhere/python3")
    with pytest.raises(RetryLater, match="/nowhere/python3"):
        runs.start(order)
    assert runs.report(order.run.id).state == "absent"
