"""Rehearses on the real source of a published package: its sdist under git, its own tests as the check.

    python tools/rehearse_package.py

The package is inflection 0.5.1, pure Python with 455 tests that need only pytest. The change is a real one:
`camelize("", False)` ends with an IndexError. The agent follows a script; it edits, runs the package's tests and commits.
Exit code 0 when the pull request was merge-ready. Needs pip's index for the download, which is pinned by its hash.
"""

import json
import shlex
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Final

PACKAGE: Final = "inflection==0.5.1"
SHA256: Final = "1a29730d366e996aaacffb2f1f1cb9593dc38e2ddd30c91250c6dde09ea9b417"
# -B: the package ignores no files, and its compiled modules would become part of the change.
CHECK: Final = (sys.executable, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_inflection.py")

ISSUE: Final = """\
# camelize("", False) raises IndexError

`camelize("")` returns the empty string, but `camelize("", False)` ends with

    IndexError: string index out of range

Both should return the empty string.
"""

NEW_TEST: Final = """

def test_camelize_with_lower_leaves_the_empty_string_alone():
    assert '' == inflection.camelize('', False)
"""

DONE: Final = {
    "outcome": "done",
    "title": "Let camelize() take an empty string in lower camel case too",
    "body": "`string[0]` needs a first letter; a slice does not.",
    "tested": "pytest test_inflection.py",
}

SCRIPT: Final = {
    "worker": [
        [
            {
                "replace": "inflection/__init__.py",
                "old": "return string[0].lower() + camelize(string)[1:]",
                "new": "return string[:1].lower() + camelize(string)[1:]",
            },
            {"append": "test_inflection.py", "text": NEW_TEST},
            {"run": ["{python}", *CHECK[1:]]},
            {"commit": "Let camelize() take an empty string in lower camel case too"},
            {"outcome": DONE},
        ]
    ],
    "reviewer": [
        [
            {"run": ["{python}", *CHECK[1:]]},
            {
                "if": {"diff_has": "def test_"},
                "then": [
                    {"outcome": {"outcome": "approve", "summary": "Right, and tested.", "findings": []}}
                ],
                "else": [
                    {
                        "outcome": {
                            "outcome": "request-changes",
                            "summary": "A test is missing.",
                            "findings": [],
                        }
                    }
                ],
            },
        ]
    ],
}


def main() -> int:
    """Download, unpack, commit, rehearse; returns the rehearsal's exit code."""
    with tempfile.TemporaryDirectory(prefix="rehearse-package-") as name:
        folder = Path(name)
        repo = unpack(download(folder), folder)
        put_under_git(repo)
        (folder / "issue.md").write_text(ISSUE, encoding="utf-8")
        (folder / "script.json").write_text(json.dumps(SCRIPT), encoding="utf-8")
        return rehearse(repo, folder)


def download(folder: Path) -> Path:
    """The sdist, checked against its hash."""
    wanted = folder / "wanted.txt"
    wanted.write_text(f"{PACKAGE} --hash=sha256:{SHA256}\n", encoding="utf-8")
    pip = (sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check")
    subprocess.run(
        (*pip, "--no-deps", "--no-binary", ":all:", "-r", str(wanted), "-d", str(folder)), check=True
    )
    return next(folder.glob("*.tar.gz"))


def unpack(sdist: Path, folder: Path) -> Path:
    """The source folder."""
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    return folder / sdist.name.removesuffix(".tar.gz")


def put_under_git(repo: Path) -> None:
    """One commit of everything, by nobody in particular."""
    who = ("-c", "user.name=rehearsal", "-c", "user.email=rehearsal@localhost", "-c", "commit.gpgSign=false")
    for command in (("init", "--quiet", "-b", "main"), ("add", "-A"), ("commit", "--quiet", "-m", PACKAGE)):
        subprocess.run(("git", *who, *command), cwd=repo, check=True)


def rehearse(repo: Path, folder: Path) -> int:
    """`dispatcher rehearse` on it, with what it prints."""
    program = (sys.executable, "-c", "from dispatcher.surfaces.cli import main; main()", "rehearse")
    wish = ("--repo", str(repo), "--issue", str(folder / "issue.md"), "--script", str(folder / "script.json"))
    return subprocess.run((*program, *wish, "--check", shlex.join(CHECK)), check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
