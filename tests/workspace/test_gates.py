"""What may not leave the machine stays here, and the reason is named."""

import os
import shutil
from base64 import b64encode
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.core.events import CheckPassed, HarvestRefused
from dispatcher.core.secrecy import as_basic
from dispatcher.workspace.paths import is_protected, shadows_protected
from dispatcher.workspace.secret_scan import added_lines, scan
from tests.workspace.shop import BRANCH, TOKEN, commit, git, write

# Put together at run time, so that no scanner mistakes this file for a leak.
GITHUB = "ghp_" + "a1B2c3D4e5F6" * 3
AWS = "AKIA" + "Q3EGRIZ7UNRJ5BXA"
STRIPE = "sk_live_" + "4eC39HqLyjWDarjtT1zdp7dc"
SLACK = "xoxb-" + "123456789012-" * 2 + "abcdefghijklmnopqrstuvwx"
PEM = "-----BEGIN RSA " + "PRIVATE KEY-----"


def in_base64(secret):
    return b64encode(f"user=alice&pw={secret}&more".encode()).decode()


def refused(event):
    assert isinstance(event, HarvestRefused), event
    return "\n".join(event.findings)


def test_a_workflow_is_protected(shop):
    said = refused(shop.delivered({".github/workflows/ci.yml": "on: push\n"}))
    assert ".github/workflows/ci.yml is protected" in said


def test_a_workflow_that_is_added_and_taken_back_is_still_refused(shop):
    checkout = shop.checkout()
    added = shop.agent_commits(checkout, {".github/workflows/ci.yml": "on: push\n", "x": "1"})
    shop.agent_commits(checkout, {".github/workflows/ci.yml": None})
    said = refused(shop.harvest(checkout))
    assert f".github/workflows/ci.yml is protected (commit {added[:12]}" in said


@pytest.mark.parametrize("way", ["delete", "rename", "capitals", "link instead of the folder"])
def test_ways_around_a_protected_path(shop, way):
    shop.person_pushes({".github/workflows/ci.yml": "on: push\n"})
    checkout = shop.checkout()
    workflow = checkout / ".github" / "workflows" / "ci.yml"
    match way:
        case "delete":
            workflow.unlink()
        case "rename":
            workflow.rename(checkout / "ci.yml")
        case "capitals":
            write(checkout, {".GitHub/Workflows/more.yml": "on: push\n"})
        case _:
            git(checkout, "rm", "-rq", ".github")
            write(checkout, {"elsewhere/workflows/ci.yml": "on: push\n"})
            (checkout / ".github").symlink_to("elsewhere")
    commit(checkout, "sly")
    assert "protected" in refused(shop.harvest(checkout))


def test_a_merge_that_takes_back_what_the_base_did_to_a_workflow(shop):
    shop.person_pushes({".github/workflows/ci.yml": "on: push\n"})
    checkout = shop.checkout()
    shop.agent_commits(checkout, {"x": "1"})
    newer = shop.person_pushes({".github/workflows/ci.yml": "on: [push, pull_request]\n"})
    shop.checkout()  # the mirror has the newer base now
    git(checkout, "-c", "user.name=A", "merge", "-q", "-s", "ours", "-m", "merge", newer)
    assert "the result differs from the base" in refused(shop.harvest(checkout))


def test_a_merge_of_the_base_brings_no_blame(shop):
    checkout = shop.checkout()
    shop.agent_commits(checkout, {"x": "1"})
    newer = shop.person_pushes({".github/workflows/ci.yml": "on: push\n", "token.txt": GITHUB})
    shop.checkout()
    git(checkout, "merge", "-q", "--no-edit", newer)
    assert isinstance(shop.harvest(checkout), CheckPassed)


def test_something_protected_that_slips_in_with_a_merge(shop):
    checkout = shop.checkout()
    shop.agent_commits(checkout, {"x": "1"})
    newer = shop.person_pushes({"README": "newer\n"})
    shop.checkout()
    git(checkout, "merge", "-q", "--no-commit", newer)
    shop.agent_commits(checkout, {".github/workflows/ci.yml": "on: push\n"}, "evil merge")
    assert "protected" in refused(shop.harvest(checkout))


def test_a_workflow_that_a_person_pushed_to_the_branch_is_not_held_against_the_agent(shop):
    theirs = shop.person_pushes({".github/workflows/ci.yml": "on: push\n"}, branch=BRANCH)
    checkout = shop.checkout(head=theirs)
    shop.agent_commits(checkout, {"x": "1"})
    assert isinstance(shop.harvest(checkout, expected=theirs), CheckPassed)


def test_rewriting_what_was_reviewed_is_refused(shop):
    reviewed = shop.delivered({"x": "1"}).head
    shop.workspaces.push(shop.repo, BRANCH, reviewed, "")
    checkout = shop.checkout(head=reviewed)
    write(checkout, {"x": "2"})
    git(checkout, "commit", "-q", "-a", "--amend", "-m", "as if it had always been so")
    assert f"history was rewritten: {reviewed[:12]}" in refused(shop.harvest(checkout, expected=reviewed))


def test_an_unrelated_history_is_refused(shop):
    checkout = shop.checkout()
    git(checkout, "checkout", "-q", "--orphan", "new-world")
    commit(checkout, "in the beginning")
    git(checkout, "branch", "-f", BRANCH)
    assert "no history" in refused(shop.harvest(checkout))


@pytest.mark.parametrize(
    "secret", [GITHUB, AWS, STRIPE, SLACK, PEM], ids=["github", "aws", "stripe", "slack", "key"]
)
def test_a_secret_in_the_diff_is_refused_and_not_repeated(shop, secret):
    said = refused(shop.delivered({"src/settings.py": f"# keys\nKEY = '{secret}'\n"}))
    assert "src/settings.py:2 holds what looks like a secret" in said
    assert secret not in said


@pytest.mark.parametrize(
    "files",
    [
        {"binary.dat": b"\0\1\2" + GITHUB.encode() + b"\0"},
        {".gitattributes": "* binary -diff\n", "hidden.txt": GITHUB},
        {"utf16.txt": GITHUB.encode("utf-16")},
        {f"{GITHUB}.txt": "the name tells it\n"},
        {"long.txt": "//" * 100_000 + GITHUB},
    ],
    ids=["binary", "attributes", "utf-16", "file name", "long line"],
)
def test_hiding_places_of_secrets(shop, files):
    assert "GitHub Token" in refused(shop.delivered(files))


def test_the_line_of_a_secret_is_counted_in_the_file_as_it_will_be(shop):
    shop.person_pushes({"settings.py": "".join(f"line {n}\n" for n in range(20))})
    checkout = shop.checkout()
    lines = (checkout / "settings.py").read_text().splitlines(keepends=True)
    changed = "".join([*lines[:3], "one more\n", *lines[3:15], f"KEY = '{GITHUB}'\n", *lines[17:]])
    shop.agent_commits(checkout, {"settings.py": changed})
    assert "settings.py:17 holds what looks like a secret: GitHub Token" in refused(shop.harvest(checkout))


def test_a_secret_in_the_name_of_a_file_is_not_repeated_either(shop):
    said = refused(shop.delivered({f"{GITHUB}.txt": "the name tells it\n"}))
    assert "[secret] holds what looks like a secret: GitHub Token" in said
    assert GITHUB not in said


def test_a_branch_whose_name_tells_a_secret_is_not_pushed(shop):
    shop.secrets.append("7-fix-it")
    assert "the branch's name holds what looks like a secret" in refused(shop.delivered({"x": "1"}))


@pytest.mark.parametrize(
    "spell", [lambda one: one, as_basic, quote_plus, in_base64], ids=["plain", "basic", "address", "base64"]
)
def test_our_own_secrets_are_found_in_other_spellings(shop, spell):
    shop.secrets.append("correct/horse=battery+staple")
    said = refused(shop.delivered({"x": f"pw: {spell('correct/horse=battery+staple')}\n"}))
    assert "x:1 holds what looks like a secret: a secret of this machine" in said


def test_a_new_executable_where_ci_starts_programs_is_refused(shop):
    shop.person_pushes({".ci/run": "make test\n", ".ci/notes": "text\n"})
    (shop.person / ".ci" / "run").chmod(0o755)
    shop.person_pushes({})
    checkout = shop.checkout()
    shop.agent_commits(checkout, {".ci/run": "make check test\n", "bin/tool": "x\n"})
    (checkout / "bin" / "tool").chmod(0o755)
    commit(checkout, "a tool of our own, and more for CI")
    assert isinstance(shop.harvest(checkout), CheckPassed)
    (checkout / ".ci" / "notes").chmod(0o755)
    commit(checkout, "notes that run")
    assert ".ci/notes is a new executable in a folder of CI" in refused(shop.harvest(checkout))
    shop.configure(ci_paths=())
    assert isinstance(shop.harvest(checkout), CheckPassed)


def test_a_secret_in_a_commit_message_or_an_intermediate_commit(shop):
    assert "the commit message" in refused(shop.delivered({"x": "1"}, f"use {GITHUB}"))
    checkout = shop.checkout()
    shop.agent_commits(checkout, {"x": GITHUB})
    shop.agent_commits(checkout, {"x": "nothing to see\n"})
    assert "GitHub Token" in refused(shop.harvest(checkout))


def test_the_secrets_of_this_machine_are_known_by_value(shop):
    shop.secrets.append("correct horse battery staple")
    assert "a secret of this machine" in refused(shop.delivered({"x": "pw = correct horse battery staple\n"}))
    assert "a secret of this machine" in refused(shop.delivered({"x": f"curl -u bot:{TOKEN}\n"}))


def test_ordinary_code_is_not_suspected(shop):
    ordinary = (
        "password = get_password()\nkey = 'AKIAIOSFODNN7EXAMPLE'\nsha = 'd670460b4b4aece5915caf5c68d12f560a9fe3e4'\n"
        '"integrity": "sha512-v2kDEe57lecTulaDIuNTPy3Ry4gLGJ6Z1O3vE1krgXZNrsQ+LFTGHVxVjcXPs17LhbZVGedAJv8XZ1tvj5Fvg=="\n'
        "https://user:password@example.com/\n"
    )
    assert isinstance(shop.delivered({"x.py": ordinary}), CheckPassed)


def test_a_dummy_token_that_the_base_has_already_may_move(shop):
    shop.person_pushes({"tests/a.py": f"T = '{GITHUB}'\n"})
    assert isinstance(shop.delivered({"tests/b.py": f"other = '{GITHUB}'\n"}), CheckPassed)


def test_a_submodule_is_refused(shop):
    checkout = shop.checkout()
    git(checkout, "update-index", "--add", "--cacheinfo", f"160000,{shop.start},lib")
    git(checkout, "commit", "-q", "-m", "a submodule")
    assert "lib adds, changes or removes a submodule" in refused(shop.harvest(checkout))


@pytest.mark.parametrize("target", ["/etc/passwd", "../../outside", ".git/config", "src/../../x"])
def test_a_link_that_leaves_the_repository_is_refused(shop, target):
    checkout = shop.checkout()
    (checkout / "link").symlink_to(target)
    commit(checkout, "a link")
    assert "link is a link that leaves the repository" in refused(shop.harvest(checkout))


def test_a_link_within_the_repository_is_fine(shop):
    checkout = shop.checkout()
    (checkout / "src" / "readme").symlink_to("../README")
    commit(checkout, "a link")
    assert isinstance(shop.harvest(checkout), CheckPassed)


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({"commits": 1}, "2 commits, but at most 1"),
        ({"files": 2}, "3 files changed, but at most 2"),
        ({"file_bytes": 100}, "c has 5,000 bytes, but a file may have at most 100"),
        ({"total_bytes": 100}, "5,002 bytes added, but at most 100"),
    ],
)
def test_too_much_at_once_is_refused(shop, limits, words):
    shop.limit_harvest(**limits)
    checkout = shop.checkout()
    shop.agent_commits(checkout, {"a": "1", "b": "2"})
    shop.agent_commits(checkout, {"c": "x" * 5000})
    assert words in refused(shop.harvest(checkout))


def test_a_flood_is_stopped_while_it_is_taken_over(shop):
    shop.limit_harvest(pack_bytes=100_000)
    checkout = shop.checkout()
    shop.agent_commits(checkout, {"noise": os.urandom(1_000_000)})
    assert "larger than 100,000 bytes" in refused(shop.harvest(checkout))


@pytest.mark.parametrize(("size", "passes"), [(10_000, True), (1_000_000, False)])
def test_the_same_limit_where_prlimit_is_missing(shop, monkeypatch, size, passes):
    shop.limit_harvest(pack_bytes=100_000)
    checkout = shop.checkout()
    shop.agent_commits(checkout, {"noise": os.urandom(size)})
    (shop.folder / "programs").mkdir()
    for name in ("git", "true"):
        (shop.folder / "programs" / name).symlink_to(shutil.which(name))
    monkeypatch.setenv("PATH", str(shop.folder / "programs"))
    event = shop.harvest(checkout)
    assert isinstance(event, CheckPassed) if passes else "larger than 100,000 bytes" in refused(event)


def test_a_long_list_of_refusals_is_cut(shop):
    event = shop.delivered({f".github/workflows/{n}.yml": "x" for n in range(50)})
    assert len(event.findings) == 21
    assert event.findings[-1] == "and 30 more"


@pytest.mark.parametrize(
    ("path", "pattern", "expected"),
    [
        (".github/workflows/a.yml", ".github/workflows/**", True),
        (".github/workflows/deep/a.yml", ".github/workflows/**", True),
        (".github/workflows", ".github/workflows/**", False),
        (".github/dependabot.yml", ".github/workflows/**", False),
        ("x/.github/workflows/a.yml", ".github/workflows/**", False),
        ("a/b/secrets/c", "**/secrets/**", True),
        ("secrets/c", "**/secrets/**", True),
        ("deploy/prod.tf", "deploy/*.tf", True),
        ("deploy/eu/prod.tf", "deploy/*.tf", False),
        ("deploy/eu/prod.tf", "deploy", True),
        ("sub/CODEOWNERS", "CODEOWNERS", True),
        ("Makefile", "/Makefile", True),
        ("sub/Makefile", "/Makefile", False),
        ("a1.txt", "a[0-9].txt", True),
        ("ax.txt", "a[!0-9].txt", True),
        ("a+b(c).txt", "a+b(c).txt", True),
        ("with\nbreak/x", "with*/x", True),
    ],
)
def test_globs(path, pattern, expected):
    assert is_protected(path, (pattern,)) is expected


@given(st.text(max_size=30), st.text(max_size=30))
def test_no_pattern_of_a_configuration_breaks_the_matcher(path, pattern):
    is_protected(path, (pattern,))
    shadows_protected(path, (pattern,))


@pytest.mark.parametrize("hostile", ["//", "sk-", "xoxb-1-", "aws", "npm_", "T3BlbkFJ"])
def test_a_long_hostile_line_is_scanned_in_one_pass(hostile):
    """A pattern that tries again from every place would take hours for this."""
    scan(f"+{hostile * (1_000_000 // len(hostile))}", ("some secret",))


def test_a_patch_full_of_different_secrets_is_not_counted_to_its_end():
    lines = [f"+token = 'ghp_{number:036d}'" for number in range(20_000)]
    found = scan("diff --git a/x b/x\n+++ b/x\n@@ -0,0 +1,20000 @@\n" + "\n".join(lines), ())
    assert len(found) == 200
    assert found[0].line == 1


@given(st.text(max_size=300))
def test_no_patch_breaks_the_scan(patch):
    scan(patch, ("some secret",))
    list(added_lines(patch))
