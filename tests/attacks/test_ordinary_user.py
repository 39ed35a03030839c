"""Where the tests run as root, the attacks on the host once more as an ordinary user, whose sandbox is made in another way."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parents[2]
SOMEBODY = 1_834_567_891
LOCKED = "tests/runs/test_watching.py::test_nobody_hides_in_a_folder_that_is_locked"
PROBE = "import pytest, sys; from dispatcher.runs.sandbox.trial import try_bwrap; trial = try_bwrap(); print(trial.why); sys.exit(bool(trial.why))"
PATIENCE_S = 150


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder that another user may reach: those of the tests are for nobody else's eyes."""
    folder = Path(tempfile.mkdtemp(prefix="dispatcher-somebody-"))
    os.chown(folder, SOMEBODY, SOMEBODY)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def as_somebody(python: str, home: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    packages = [entry for entry in sys.path if entry.endswith("site-packages")]
    variables = {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "HOME": str(home),
        "TMPDIR": str(home),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": os.pathsep.join([*packages, str(HERE)]),
    }
    return subprocess.run(
        (python, *words),
        cwd=HERE,
        env=variables,
        user=SOMEBODY,
        group=SOMEBODY,
        extra_groups=[],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


def find_python(home: Path) -> str:
    """A Python of our version that somebody else can start, with a sandbox that works for them; skipped by name without one."""
    why = "no Python of this version is open to them"
    for python in dict.fromkeys((sys.executable, f"/usr/bin/python3.{sys.version_info.minor}")):
        try:
            done = as_somebody(python, home, "-c", PROBE)
        except OSError as error:
            why = str(error)
            continue
        if done.returncode == 0:
            return python
        why = (done.stdout + done.stderr).strip().rpartition("\n")[2]
    return pytest.skip(f"skipped: another user cannot try it here: {why}")


@pytest.mark.skipif(os.geteuid() != 0, reason="skipped: all the others ran as an ordinary user already")
def test_an_agent_of_an_ordinary_user_reaches_the_host(home: Path) -> None:
    python = find_python(home)
    chosen = ("tests/attacks/test_host.py", LOCKED, "-m", "not control")
    done = as_somebody(
        python, home, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", f"--basetemp={home}/t", *chosen
    )  # fmt: skip
    told = re.search(r"(\d+) attacks ran, 0 got through, 0 skipped", done.stdout)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]
    assert told, done.stdout[-2000:]
    assert int(told[1]) > 50
    assert " skipped in" not in done.stdout.splitlines()[-1], "nor was the locked folder left out"
