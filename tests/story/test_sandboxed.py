"""The whole way with runs and checks in their sandboxes. Needs a bubblewrap that works here."""

import sys

import pytest

from dispatcher.core.model import Stage
from dispatcher.core.rules import Limits, NetworkAccess, SandboxKind, SandboxRules
from dispatcher.runs.sandbox.trial import try_bwrap
from tests.story.office import APPROVE, SHOP, opened, rejects

TOLD = "without a sandbox"

pytestmark = pytest.mark.skipif(try_bwrap().machine is None, reason=f"no sandbox here: {try_bwrap().why}")

# Green only where the sandbox is: no other user's processes, no route, nothing of the state folder but this checkout.
LOOKS_AROUND = """
import os, pathlib, shop
assert len([name for name in os.listdir("/proc") if name.isdigit()]) < 6
assert len(pathlib.Path("/proc/net/dev").read_text().splitlines()) == 3
state = pathlib.Path.cwd().parents[3]
assert not (state / "journal.sqlite3").exists(), state
pathlib.Path("made-by-the-check").touch()
"""


def test_from_label_to_merge_ready_with_a_rework_inside_sandboxes(tmp_path):
    sandbox = SandboxRules(SandboxKind.BWRAP, NetworkAccess.OFF)
    with opened(tmp_path, check=(sys.executable, "-c", LOOKS_AROUND), rules={"sandbox": sandbox}) as office:
        office.reviewer(rejects("no test"), [APPROVE])
        number = office.asks()
        office.settle()
        assert office.shown(office.pull(number)) == {"merge-ready", "@alice"}
        assert office.roles() == ["worker", "reviewer", "worker", "reviewer"]
        assert office.engine.desk.accidents == []
        described = office.box.scene.issue(SHOP, office.pull(number)).body or ""
        assert TOLD not in office.status() + office.status_text(number) + described


def test_who_runs_without_a_sandbox_is_told_in_status_the_status_comment_and_the_pull_request(tmp_path):
    """`doctor` is asked in tests/surfaces."""
    with opened(tmp_path, rules={"sandbox": SandboxRules(SandboxKind.NONE)}) as office:
        office.daemon.warn()  # what the program's own loop begins with
        number = office.asks()
        office.settle()
        who = "acme/shop: worker, reviewer, responder, check run without a sandbox"
        assert who in office.status()
        assert f"**{TOLD}**" in office.status_text(number)
        assert f"**{TOLD}**" in (office.box.scene.issue(SHOP, office.pull(number)).body or ""), (
            "who merges reads this"
        )


HUNGRY = 'import sys; sys.path.insert(0, "."); bytearray(900_000_000)'
FULL_OF_THREADS = "import threading, time; [threading.Thread(target=time.sleep, args=(60,), daemon=True).start() for _ in range(99)]"


@pytest.mark.parametrize(
    ("script", "why"),
    [(HUNGRY, "it ran out of memory, as its last words say; the limit is 400 MB"), (FULL_OF_THREADS, "30 processes and threads at once")],
)  # fmt: skip
def test_a_limit_at_which_a_run_failed_is_named_in_explain(tmp_path, script, why):
    sandbox = SandboxRules(SandboxKind.BWRAP, NetworkAccess.OFF)
    limits = Limits(memory_bytes=400_000_000, processes=30, attempts=1)
    with opened(tmp_path, rules={"sandbox": sandbox}, limits=limits) as office:
        office.worker([{"run": ["{python}", "-I", "-S", "-c", script]}])
        number = office.asks()
        office.settle()
        assert office.stage(number) is Stage.BLOCKED
        assert why in office.explained(number)
