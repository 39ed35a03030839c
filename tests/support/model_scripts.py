"""What the stand-in model does in a shop whose total() is wrong: fix it, be sent back for a test, add one, be approved."""

import json
import re
from shlex import quote

from tests.support.model import Asked, Run, Say, Script, Turn

_OUTCOME = re.compile(r"Write exactly one JSON object to `([^`]+)`")
_WORKER = "You are the worker"
_REVIEWER = "You are the reviewer"
_REWORK = "This is a rework"
REPAIR = "# Mend an outcome file"
_ENDS_BY_COMMAND = "COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT"

FIXED_FILE = "def total(prices):\n    return sum(prices)\n"
TEST_FILE = "from shop import total\n\n\ndef test_total():\n    assert total([1, 2]) == 3\n"
FIX = "printf 'def total(prices):\\n    return sum(prices)\\n' > shop.py && git add -A && git commit -qm 'Add the prices up'"
TEST = "printf 'from shop import total\\n\\n\\ndef test_total():\\n    assert total([1, 2]) == 3\\n' > test_shop.py && git add -A && git commit -qm 'Test total()'"
TRY = "python3 -B -c 'from shop import total; assert total([1, 2]) == 3' && echo fine"
LOOK = "git log --oneline && git show --stat HEAD && ls && env"

DONE = {"outcome": "done", "title": "Add the prices up", "body": "total() adds up now.", "tested": TRY}
APPROVE = {"outcome": "approve", "summary": "Right, and tested.", "findings": []}
REJECT = {
    "outcome": "request-changes",
    "summary": "There is no test.",
    "findings": [{"path": "shop.py", "line": 2, "severity": "major", "text": "No test for total()."}],
}


def good_colleague(asked: Asked) -> Turn:
    """A worker whose first round has no test, and a reviewer who sees that."""
    return _steps(asked, json.dumps(_verdict(asked)))


def _in_prose(asked: Asked, outcome: str) -> Say:
    """The same work as whole files, for a program that runs no commands."""
    files = {}
    if _WORKER in asked.text:
        files = {"test_shop.py": TEST_FILE} if _REWORK in asked.text else {"shop.py": FIXED_FILE}
    blocks = [f"{name}\n```\n{text.rstrip()}\n```" for name, text in files.items()]
    return Say("\n\n".join([*blocks, outcome]))


def mumbler(asked: Asked) -> Turn:
    """Does the work, but its outcome is no JSON."""
    return _steps(asked, "I think it went well { ")


def penitent(asked: Asked) -> Turn:
    """Its outcome is no JSON, until it is asked to mend it."""
    if REPAIR not in asked.text:
        return mumbler(asked) if _WORKER in asked.text else good_colleague(asked)
    if asked.edits_in_prose:
        return Say(json.dumps(DONE))
    place = _OUTCOME.findall(asked.text)[-1]
    mend = f"printf %s {quote(json.dumps(DONE))} > {quote(place)} && echo mended"
    return Say("That is all.") if "mended" in asked.last_output else Run(mend)


def runaway(asked: Asked) -> Turn:
    """Never stops asking for one more command."""
    if asked.edits_in_prose:
        return Say(f"shop.py\n```\nSTEP = {len(asked.text)}\n```")
    return Run(f"echo step {asked.steps}")


def running(command: str) -> Script:
    """One command, then a word."""
    return lambda asked: Run(command) if asked.steps == 0 else Say("done")


def _verdict(asked: Asked) -> dict[str, object]:
    if _WORKER in asked.text:
        return dict(DONE)
    return dict(APPROVE if "test_shop.py" in asked.text else REJECT)


def _steps(asked: Asked, outcome: str) -> Turn:
    found = _OUTCOME.search(asked.text)
    if found is None:
        return Say("There is no task in this.")
    if asked.edits_in_prose:
        return _in_prose(asked, outcome)
    begin = [TEST if _REWORK in asked.text else FIX, TRY] if _WORKER in asked.text else [LOOK]
    commands = [*begin, f"printf %s {quote(outcome)} > {quote(found[1])}"]
    if _ENDS_BY_COMMAND in asked.text:
        commands.append(f"echo {_ENDS_BY_COMMAND}")
    return Run(commands[asked.steps]) if asked.steps < len(commands) else Say("That is all.")
