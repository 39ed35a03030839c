"""Before a run's folder goes: what nobody else has is in a bundle, and nothing of the agent's was run to make it."""

import os
from datetime import UTC, datetime, timedelta

import pytest

from dispatcher.core.errors import NeedsPerson
from dispatcher.core.housekeeping import KeepOrder
from dispatcher.workspace.attic import GitAttic
from dispatcher.workspace.surroundings import Surroundings
from tests.workspace.shop import BOT, BRANCH, commit, git, write


@pytest.fixture
def attic(shop):
    shop.ignored = shop.folder / "ignore"
    shop.ignored.write_text("__pycache__/\n*.pyc\n")
    shop.file = shop.folder / "bundles" / "r1.bundle"
    return GitAttic(shop.folder / "state", Surroundings(BOT))


def keeps(attic, shop, checkout, *shown, repo_id=1):
    return attic.bundle(KeepOrder(repo_id, "r1", checkout, BRANCH, shown, shop.file, shop.ignored))


def unpacked(shop, name="bot/kept/r1"):
    """What a person gets out of the bundle, in a clone of what the forge has."""
    clone = shop.folder / "clone"
    if not clone.exists():
        git(shop.folder, "clone", "-q", str(shop.forge), str(clone))
    git(clone, "fetch", "-q", str(shop.file), name)
    git(clone, "checkout", "-q", "FETCH_HEAD")
    return clone


def test_a_checkout_in_which_nothing_happened_needs_no_bundle(shop, attic):
    assert not keeps(attic, shop, shop.checkout())
    assert not shop.file.parent.exists()
    assert not keeps(attic, shop, shop.folder / "absent")


def test_commits_that_never_left_the_machine_are_kept(shop, attic):
    checkout = shop.checkout()
    head = shop.agent_commits(checkout, {"src/app.py": "mine\n"})

    assert keeps(attic, shop, checkout)

    assert git(unpacked(shop), "rev-parse", "HEAD") == head
    assert shop.file.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in shop.file.parent.iterdir()] == ["r1.bundle"]


def test_commits_that_the_forge_has_or_had_need_no_bundle(shop, attic):
    checkout = shop.checkout()
    head = shop.agent_commits(checkout, {"src/app.py": "mine\n"})
    assert not keeps(attic, shop, checkout, head), "the pull request showed it"

    shop.harvest(checkout)
    shop.workspaces.push(shop.repo, BRANCH, head, "")
    shop.checkout()  # fetches the mirror
    assert not keeps(attic, shop, checkout), "the branch is there"


def test_a_commit_that_this_machine_does_not_know_says_nothing(shop, attic):
    checkout = shop.checkout()
    shop.agent_commits(checkout, {"src/app.py": "mine\n"})
    assert keeps(attic, shop, checkout, "1" * 40, "")


def test_uncommitted_work_is_kept_on_top_of_what_was_committed(shop, attic):
    checkout = shop.checkout()
    head = shop.agent_commits(checkout, {"src/app.py": "mine\n", "gone": "x", "run.sh": "#!/bin/sh\n"})
    (checkout / "gone").unlink()
    (checkout / "run.sh").chmod(0o755)
    write(checkout, {"new/deep.py": "new\n", "src/app.py": "half\n"})
    (checkout / "link").symlink_to("src/app.py")

    assert keeps(attic, shop, checkout)

    clone = unpacked(shop)
    assert git(clone, "rev-parse", "HEAD~") == head
    changes = set(git(clone, "diff", "--name-status", "--no-renames", "HEAD~").splitlines())
    assert changes == {"D\tgone", "M\trun.sh", "A\tnew/deep.py", "M\tsrc/app.py", "A\tlink"}
    assert (clone / "src/app.py").read_text() == "half\n"
    assert os.access(clone / "run.sh", os.X_OK)
    assert (clone / "link").readlink().as_posix() == "src/app.py"


def test_what_git_would_ignore_is_not_kept(shop, attic):
    checkout = shop.checkout()
    shop.agent_commits(checkout, {".gitignore": "node_modules/\n/build\n", "sub/.gitignore": "*.log\n"})
    droppings = {"node_modules/a/b.js": "x", "build": "x", "sub/a.log": "x", "__pycache__/a.pyc": "x"}
    write(checkout, {**droppings, "sub/kept.txt": "x", "a.log": "x"})

    assert keeps(attic, shop, checkout)

    clone = unpacked(shop)
    assert git(clone, "diff", "--name-only", "HEAD~").splitlines() == ["a.log", "sub/kept.txt"]


def test_a_file_that_is_tracked_although_a_pattern_names_it_is_kept(shop, attic):
    checkout = shop.checkout()
    write(checkout, {".gitignore": "out/\n", "out/report": "first\n", "out/other": "x"})
    git(checkout, "add", ".gitignore")
    git(checkout, "add", "-f", "out/report")
    git(checkout, "commit", "-q", "-m", "report")
    write(checkout, {"out/report": "second\n"})

    assert keeps(attic, shop, checkout)

    clone = unpacked(shop)
    assert git(clone, "diff", "--name-only", "HEAD~") == "out/report"


def test_paths_that_git_must_quote(shop, attic):
    checkout = shop.checkout()
    names = ['say "hi"', "two\nlines", "back\\slash", "ümlaut", "tab\tbed"]
    write(checkout, dict.fromkeys(names, "x"))
    (checkout / os.fsdecode(b"not-\xff-text")).write_text("x")

    assert keeps(attic, shop, checkout)

    found = {os.fsencode(entry.name) for entry in unpacked(shop).iterdir()}
    assert {*map(os.fsencode, names), b"not-\xff-text"} <= found


def test_work_on_another_branch_than_head_is_kept_as_well(shop, attic):
    checkout = shop.checkout()
    on_branch = shop.agent_commits(checkout, {"a": "branch\n"})
    git(checkout, "checkout", "-q", "--detach", shop.start)
    on_head = shop.agent_commits(checkout, {"a": "head\n"})

    assert keeps(attic, shop, checkout)

    assert git(unpacked(shop), "rev-parse", "HEAD") == on_head
    assert git(unpacked(shop, "bot/kept/r1-2"), "rev-parse", "HEAD") == on_branch


def test_nothing_that_the_agent_planted_is_run(shop, attic):
    checkout = shop.checkout()
    shop.agent_commits(checkout, {".gitattributes": "* filter=evil diff=evil\n", "a": "x"})
    trap, mark = shop.folder / "trap.sh", shop.folder / "was-run"
    trap.write_text(f"#!/bin/sh\ntouch {mark}\ncat\n")
    trap.chmod(0o755)
    for key in ("core.fsmonitor", "filter.evil.clean", "filter.evil.process", "diff.evil.textconv"):
        git(checkout, "config", key, str(trap))
    hooks = {
        f".git/hooks/{name}": trap.read_text()
        for name in ("pre-commit", "post-index-change", "reference-transaction")
    }
    write(checkout, {**hooks, "a": "changed", "nested/.git/config": "[core]\n\tfsmonitor = " + str(trap)})
    for name in hooks:
        (checkout / name).chmod(0o755)

    assert keeps(attic, shop, checkout)

    assert not mark.exists()
    assert not (unpacked(shop) / "nested").exists()


def test_a_pipe_among_the_files_stops_nobody(shop, attic):
    checkout = shop.checkout()
    write(checkout, {"new": "x"})
    os.mkfifo(checkout / "pipe")
    os.mkfifo(checkout / "src" / ".gitignore")
    assert keeps(attic, shop, checkout)


@pytest.mark.parametrize("trick", ["alternates", "gitfile", "no git", "link"])
def test_a_checkout_that_cannot_be_trusted_stays_and_says_why(shop, attic, trick):
    checkout = shop.checkout()
    shop.agent_commits(checkout, {"a": "x"})
    if trick == "alternates":
        (checkout / ".git/objects/info/alternates").write_text("/elsewhere\n")
    elif trick == "link":
        checkout.rename(shop.folder / "real")
        checkout.symlink_to(shop.folder / "real")
    else:
        (checkout / ".git").rename(shop.folder / "moved")
        if trick == "gitfile":
            (checkout / ".git").write_text("gitdir: ../moved\n")
    with pytest.raises(NeedsPerson, match="remove the run's folder yourself"):
        keeps(attic, shop, checkout)
    assert not shop.file.exists()


def test_without_its_mirror_a_checkout_cannot_be_read(shop, attic):
    with pytest.raises(NeedsPerson, match="the mirror that it borrows from is gone"):
        keeps(attic, shop, shop.checkout(), repo_id=99)


def test_a_head_without_a_commit_is_kept_on_the_commit_that_was_noted(shop, attic):
    checkout = shop.checkout()
    (checkout / ".git/HEAD").write_text("ref: refs/heads/unborn\n")
    (checkout / f".git/refs/heads/{BRANCH}").unlink()
    write(checkout, {"new": "x"})

    assert keeps(attic, shop, checkout)

    assert git(unpacked(shop), "rev-parse", "HEAD~") == shop.start


def test_what_was_noted_about_a_checkout_goes_with_it(shop, attic):
    checkout = shop.checkout()
    notes = shop.folder / "state" / "checkouts"
    assert len(list(notes.iterdir())) == 1
    attic.forget_checkout(checkout)
    attic.forget_checkout(checkout)
    assert list(notes.iterdir()) == []


def test_a_repository_that_nobody_watches_any_more_leaves_only_what_was_never_shown(shop, attic):
    head = shop.delivered({"src/app.py": "mine\n"}).head
    (repo_id,) = attic.stored_repos()
    assert repo_id == 1
    assert datetime.now(UTC) - attic.stored_repos()[1] < timedelta(minutes=5)

    assert attic.forget_repo(1, shop.file)

    assert attic.stored_repos() == {}
    assert git(unpacked(shop, f"refs/harvest/{head}"), "rev-parse", "HEAD") == head


def test_a_repository_without_anything_of_its_own_leaves_nothing(shop, attic):
    head = shop.delivered({"src/app.py": "mine\n"}).head
    shop.workspaces.push(shop.repo, BRANCH, head, "")
    shop.checkout()
    assert not attic.forget_repo(1, shop.file)
    assert not shop.file.exists()


def test_tidying_keeps_what_a_task_still_names(shop, attic):
    heads = [shop.delivered({"src/app.py": f"{word}\n"}).head for word in ("old", "new")]
    attic.tidy(1, {heads[1]})
    vault = shop.folder / "state/repos/1/vault.git"
    assert git(vault, "for-each-ref", "--format=%(objectname)") == heads[1]


def test_a_submodule_is_neither_gone_nor_new(shop, attic):
    checkout = shop.checkout()
    git(checkout, "update-index", "--add", "--cacheinfo", f"160000,{shop.start},lib")
    git(checkout, "commit", "-q", "-m", "module")
    head = git(checkout, "rev-parse", "HEAD")
    assert keeps(attic, shop, checkout)
    assert git(unpacked(shop), "rev-parse", "HEAD") == head


def test_too_much_work_stays_where_it_is(shop, attic):
    checkout = shop.checkout()
    with (checkout / "huge").open("wb") as file:
        file.truncate(50_000_001)
    with pytest.raises(NeedsPerson, match="more than 50,000,000 bytes"):
        keeps(attic, shop, checkout)
    assert commit(checkout, "committed after all")
