"""An agent owns its checkout. Nothing that it plants there runs, and no link leads us out of it."""

import os
import shutil

import pytest

from dispatcher.core.events import CheckPassed, HarvestRefused
from tests.workspace.shop import BRANCH, Shop, commit, git, write

HOOKS = (
    "post-checkout",
    "pre-push",
    "pre-commit",
    "post-merge",
    "reference-transaction",
    "post-index-change",
    "post-rewrite",
)


def plant(checkout, mark):
    """Everything that git would run in this folder."""
    bomb = f"touch {mark}"
    script = checkout / ".git" / "bomb"
    script.write_text(f"#!/bin/sh\n{bomb}\ncat\n")
    script.chmod(0o755)
    for hook in HOOKS:
        write(checkout / ".git" / "hooks", {hook: f"#!/bin/sh\n{bomb}\n"})
        (checkout / ".git" / "hooks" / hook).chmod(0o755)
    write(checkout, {".gitattributes": "* filter=evil diff=evil merge=evil\n"})
    config = checkout / ".git" / "config"
    config.write_text(
        config.read_text()
        + f"""
[core]
    fsmonitor = {script}
    sshCommand = {script}
    pager = {script}
    editor = {script}
    hooksPath = {checkout}/.git/hooks
    alternateRefsCommand = {script}
    gitProxy = {script}
[gpg]
    program = {script}
[commit]
    gpgSign = true
[filter "evil"]
    smudge = {script}
    clean = {script}
    process = {script}
    required = true
[diff "evil"]
    textconv = {script}
    command = {script}
[diff]
    external = {script}
[merge "evil"]
    driver = {script}
[uploadpack]
    packObjectsHook = {script}
[credential]
    helper = !{script}
[remote "origin"]
    url = ext::{script}
    uploadpack = {script}
    promisor = true
[extensions]
    partialClone = origin
[include]
    path = {checkout}/.git/more
"""
    )


def test_nothing_that_was_planted_runs(shop):
    checkout = shop.checkout()
    head = shop.agent_commits(checkout, {"x": "1"})
    mark = shop.folder / "executed"
    plant(checkout, mark)
    event = shop.harvest(checkout)
    assert event == CheckPassed(head, shop.start, "r1", "`true`, as configured")
    shop.workspaces.push(shop.repo, BRANCH, head, "")
    assert not mark.exists()
    git(checkout, "status", check=False)
    assert mark.exists(), "the trap was not armed"


def test_planted_filters_in_the_tree_do_not_run_in_later_checkouts(shop):
    checkout = shop.checkout()
    head = shop.agent_commits(checkout, {".gitattributes": "* filter=evil\n", "x": "$Id$"})
    shop.harvest(checkout)
    assert (shop.checkout(head=head) / "x").read_text() == "$Id$"


@pytest.fixture
def private(tmp_path):
    """Another repository on this machine, with something in it that the agent must not get."""
    other = tmp_path / "private"
    other.mkdir()
    git(other, "init", "-q", "-b", "main")
    write(other, {"secret.txt": "not for you\n"})
    commit(other, "private")
    return other


def swap(checkout, other, way):
    inside, theirs = checkout / ".git", other / ".git"
    match way:
        case "gitfile":
            shutil.rmtree(inside)
            inside.write_text(f"gitdir: {theirs}\n")
        case "link to .git":
            shutil.rmtree(inside)
            inside.symlink_to(theirs)
        case "alternates":
            with (inside / "objects" / "info" / "alternates").open("a") as file:
                file.write(f"{theirs}/objects\n")
        case "alternates gone":
            (inside / "objects" / "info" / "alternates").unlink()
        case "alternates link":
            (inside / "objects" / "info" / "alternates").unlink()
            (inside / "objects" / "info" / "alternates").symlink_to(
                theirs / "objects" / "info" / "alternates"
            )
        case "objects link":
            shutil.rmtree(inside / "objects")
            (inside / "objects").symlink_to(theirs / "objects")
        case "object links":
            for folder in (theirs / "objects").glob("??"):
                (inside / "objects" / folder.name).mkdir(exist_ok=True)
                for one in folder.iterdir():
                    (inside / "objects" / folder.name / one.name).symlink_to(one)
        case "folder link":
            folder = next((theirs / "objects").glob("??"))
            shutil.rmtree(inside / "objects" / folder.name, ignore_errors=True)
            (inside / "objects" / folder.name).symlink_to(folder)
        case "commondir":
            (inside / "commondir").write_text(f"{theirs}\n")
        case "refs link":
            shutil.rmtree(inside / "refs")
            (inside / "refs").symlink_to(theirs / "refs")
        case "HEAD link":
            (inside / "HEAD").unlink()
            (inside / "HEAD").symlink_to(theirs / "HEAD")
        case "HEAD pipe":
            (inside / "HEAD").unlink()
            os.mkfifo(inside / "HEAD")
        case "nothing":
            shutil.rmtree(inside)
        case _:
            raise AssertionError(way)


@pytest.mark.parametrize(
    "way",
    [
        "gitfile", "link to .git", "alternates", "alternates gone", "alternates link", "objects link", "object links",
        "folder link", "commondir", "refs link", "HEAD link", "HEAD pipe", "nothing",
    ],
)  # fmt: skip
def test_a_checkout_that_leads_elsewhere_is_refused(shop, private, way):
    checkout = shop.checkout()
    shop.agent_commits(checkout, {"x": "1"})
    swap(checkout, private, way)
    event = shop.harvest(checkout)
    assert isinstance(event, HarvestRefused)
    assert "checkout's" in event.findings[0]


def test_a_branch_that_names_an_object_of_another_repository_gets_nothing(shop, private):
    checkout = shop.checkout()
    foreign = git(private, "rev-parse", "HEAD")
    write(checkout / ".git", {f"refs/heads/{BRANCH}": f"{foreign}\n"})
    event = shop.harvest(checkout)
    assert "could not take the commits over" in event.findings[0]
    assert str(shop.folder) not in event.findings[0]


@pytest.mark.parametrize(
    "content", ["", "ref: ../../../etc/passwd\n", "ref: refs/heads/../../HEAD\n", "x" * 100, "\0\xff"]
)
def test_nonsense_in_head_is_no_result(shop, content):
    checkout = shop.checkout()
    (checkout / ".git" / "HEAD").write_text(content)
    assert type(shop.harvest(checkout)).__name__ == "NothingNew"


def test_a_damaged_object_is_refused(shop):
    checkout = shop.checkout()
    shop.agent_commits(checkout, {"x": "1"})
    blob = git(checkout, "rev-parse", "HEAD:x")
    path = checkout / ".git" / "objects" / blob[:2] / blob[2:]
    path.chmod(0o644)
    path.write_bytes(b"nonsense")
    assert isinstance(shop.harvest(checkout), HarvestRefused)


def test_a_tree_that_would_write_into_git_is_refused(shop):
    checkout = shop.checkout()
    blob = git(checkout, "rev-parse", "HEAD:README")
    inner = _make_tree(checkout, f"100644 blob {blob}\tconfig\n")
    outer = _make_tree(checkout, f"040000 tree {inner}\t.GIT\n")
    made = git(checkout, "commit-tree", outer, "-p", "HEAD", "-m", "evil")
    write(checkout / ".git", {f"refs/heads/{BRANCH}": f"{made}\n"})
    assert "hasDotgit" in shop.harvest(checkout).findings[0]


def _make_tree(checkout, lines):
    (checkout.parent / "lines").write_text(lines)
    return git(checkout.parent, "-C", str(checkout), "-c", "alias.mk=!git mktree < ../lines", "mk")


def test_a_tree_that_unfolds_without_end_is_refused(shop):
    checkout = shop.checkout()
    blob = git(checkout, "rev-parse", "HEAD:README")
    tree = _make_tree(checkout, "".join(f"100644 blob {blob}\tf{n}\n" for n in range(10)))
    for _ in range(9):
        tree = _make_tree(checkout, "".join(f"040000 tree {tree}\td{n}\n" for n in range(10)))
    made = git(checkout, "commit-tree", tree, "-p", "HEAD", "-m", "10,000,000,000 files in 11 objects")
    write(checkout / ".git", {f"refs/heads/{BRANCH}": f"{made}\n"})
    assert "too many" in shop.harvest(checkout).findings[0]


def test_indexes_that_lie_about_the_objects_are_not_believed(shop):
    checkout = shop.checkout()
    head = shop.agent_commits(checkout, {"x": "1"})
    write(checkout / ".git" / "objects" / "info", {"commit-graph": b"CGPH" + b"\1" * 2000})
    write(checkout / ".git" / "objects" / "pack", {"multi-pack-index": b"MIDX" + b"\1" * 2000})
    assert shop.harvest(checkout).head == head


def test_the_mirror_is_not_written_by_anything_in_the_checkout(shop):
    checkout = shop.checkout()
    mirror = shop.folder / "state" / "repos" / "1" / "mirror.git"
    before = sorted(str(path) for path in mirror.rglob("*"))
    shop.agent_commits(checkout, {"x": "1"})
    git(checkout, "gc", "-q", "--prune=now")
    assert sorted(str(path) for path in mirror.rglob("*")) == before


class Recorded:
    """A sandbox that only takes notes."""

    def __init__(self):
        self.asked = []

    def wrap(self, argv, reach):
        self.asked.append((tuple(argv), reach))
        return ("env", "IN_SANDBOX=1", *argv)

    def enclose(self, argv, reach, _rules):
        return self.wrap(argv, reach)


def test_a_sandbox_wraps_what_reads_the_agents_files_and_the_check(tmp_path):
    sandbox = Recorded()
    shop = Shop(tmp_path, confinement=sandbox)
    shop.check_with("sh", "-c", "test $IN_SANDBOX = 1 && touch proof")
    checkout = shop.checkout()
    shop.agent_commits(checkout, {"x": "1"})
    assert isinstance(shop.harvest(checkout), CheckPassed)
    (reading, can_read), (checking, can_check) = sandbox.asked
    assert reading == ("git", "upload-pack")
    assert checkout / ".git" / "objects" in can_read.readable
    assert can_read.writable == ()
    assert checking[0] == "sh"
    assert checkout not in can_check.writable
