"""A reviewer's findings name files and lines: none of them leads out of the diff, and none takes the review down with it."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.attacks.conftest import ground_at
from tests.attacks.ground import Ground, shell
from tests.story.office import SHOP, Steps

CANARY = "host-file-canary"

# Findings that the outcome's schema may take: each must be posted, at a line only where the diff has that line.
ODD = {
    "a file that is not there": ("no/such/file.py", 1),
    "a file of the base": ("README.md", 1),
    "a line far behind the end": ("shop.py", 1_000_000),
    "a line that did not change": ("shop.py", 900),
    "a folder": ("src", 1),
    "git's own file": (".git/config", 1),
    "a link out of the tree": ("passwd", 1),
    "a path with signs": ("a`b<!-- x -->@bob.py", 1),
    "a path in other letters": ("SHOP.PY", 2),
    "a url": ("https:/evil.invalid/x", 1),
}
# Findings that no schema should take: the whole outcome is refused, and nothing of it is done.
BAD: dict[str, tuple[Any, Any]] = {
    "up and out": ("../../../etc/passwd", 1),
    "from the root": ("/etc/passwd", 1),
    "up in the middle": ("src/../../x", 1),
    "with a line break": ("shop.py\n::error::x", 1),
    "no text at all": (["shop.py"], 1),
    "line 0": ("shop.py", 0),
    "a negative line": ("shop.py", -5),
    "a line that is no number": ("shop.py", "2; rm"),
    "a line beyond all numbers": ("shop.py", 10**30),
    "a longer path than there is": ("x/" * 5000, 1),
}


def finding(text: str, path: Any, line: Any) -> dict[str, Any]:
    return {"severity": "nit", "text": text, "path": path, "line": line}


def review(*findings: dict[str, Any]) -> Steps:
    return [{"outcome": {"outcome": "approve", "summary": "Read.", "findings": list(findings)}}]


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """One pull request with every odd finding in one review, and one for each bad finding."""
    root = tmp_path_factory.mktemp("paths")
    (root / "canary").write_text(CANARY)
    with ground_at(root) as ground:
        odd = [finding(f"finding: {name}", path, line) for name, (path, line) in ODD.items()]
        ground.plan("odd", reviewer=[[*shell(f"ln -s {root}/canary passwd; true"), *review(*odd)]])
        for name, (path, line) in BAD.items():
            ground.plan(name, reviewer=[review(finding("finding: bad", path, line))])
        ground.go()
        yield ground


@pytest.mark.parametrize("name", ODD)
def test_a_finding_takes_the_review_down(read: Ground, name: str) -> None:
    assert f"finding: {name}" in read.said("odd")
    assert "merge-ready" in read.shown("odd")


def test_a_finding_is_put_at_a_line_outside_of_the_diff(read: Ground) -> None:
    pull = read.office.box.scene.issue(SHOP, read.pull("odd") or 0).pull
    assert pull
    assert all(one.path == "shop.py" for one in pull.line_comments)


def test_a_path_of_a_finding_shows_a_file_of_this_machine(read: Ground) -> None:
    assert CANARY not in read.published()
    assert "root:" not in read.published()


@pytest.mark.parametrize("name", BAD)
def test_a_path_or_line_that_is_none_counts_as_a_verdict(read: Ground, name: str) -> None:
    pull = read.pull(name)
    assert pull
    assert len(read.runs(name, "reviewer")) == 2, "one repair run"
    assert read.office.times_labelled(pull, "merge-ready") == 0
    assert "finding: bad" not in "\n".join(one.body for one in read.office.box.scene.reviews(SHOP, pull))
    assert "needs-human" in read.shown(name)
