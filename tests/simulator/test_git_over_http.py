"""Real git clones from the box and pushes to it; tokens decide."""

from __future__ import annotations

import base64
import os
import subprocess
from pathlib import Path

import pytest
import requests

from dispatcher.simulator import GitHubBox
from dispatcher.simulator.exchange import Request
from dispatcher.simulator.git_store import GitFailed
from tests.simulator.conftest import REPO


@pytest.fixture
def box(real_box):
    return real_box


class Git:
    """A person's own git, with nothing of this machine's configuration."""

    def __init__(self, home: Path, token: str | None) -> None:
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            **{
                f"GIT_{role}_{part}": "bot@x.invalid"
                for role in ("AUTHOR", "COMMITTER")
                for part in ("NAME", "EMAIL")
            },
        }
        if token is not None:
            secret = base64.b64encode(f"x-access-token:{token}".encode()).decode()
            self.environment |= {
                "GIT_CONFIG_COUNT": "1",
                "GIT_CONFIG_KEY_0": "http.extraHeader",
                "GIT_CONFIG_VALUE_0": f"AUTHORIZATION: basic {secret}",
            }

    def __call__(self, *arguments: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["git", *map(str, arguments)],
            env=self.environment,
            cwd=cwd,
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture
def git(street, tmp_path) -> Git:
    return Git(tmp_path, street.scene.add_token("bot"))


@pytest.fixture
def checkout(street, git, tmp_path) -> Path:
    done = git("clone", "-q", street.box.clone_url(REPO), tmp_path / "checkout")
    assert done.returncode == 0, done.stderr
    return tmp_path / "checkout"


def commit(git: Git, checkout: Path, branch: str, name: str = "new.txt", text: str = "new\n") -> str:
    git("checkout", "-q", "-B", branch, cwd=checkout)
    (checkout / name).write_text(text)
    git("add", "-A", cwd=checkout)
    git("commit", "-q", "-m", "Change", cwd=checkout)
    return git("rev-parse", "HEAD", cwd=checkout).stdout.strip()


def test_a_push_makes_a_branch_and_moves_the_pull_request(street, bot, git, checkout, api):
    sha = commit(git, checkout, "bot/1")
    assert git("push", "-q", "origin", "bot/1", cwd=checkout).returncode == 0
    assert street.scene.head(REPO, "bot/1") == sha
    number = bot.open_pull(REPO, "bot/1", "Fix")
    second = commit(git, checkout, "bot/1", "more.txt")
    git("push", "-q", "origin", "bot/1", cwd=checkout)
    assert api.get(f"/repos/{REPO}/pulls/{number}").json()["head"]["sha"] == second
    rewritten = commit(git, checkout, "bot/1", "third.txt")
    git("reset", "-q", "--soft", "HEAD~2", cwd=checkout)
    git("commit", "-q", "-m", "Squashed", cwd=checkout)
    refused = git("push", "-q", "origin", "bot/1", cwd=checkout)
    assert refused.returncode != 0
    forced = git("push", "-q", f"--force-with-lease=bot/1:{second}", "origin", "bot/1", cwd=checkout)
    assert forced.returncode == 0, forced.stderr
    assert street.scene.head(REPO, "bot/1") != rewritten
    events = [entry["event"] for entry in api.get(f"/repos/{REPO}/issues/{number}/events").json()]
    assert events == ["head_ref_force_pushed"]


def test_the_head_of_a_pull_request_can_be_fetched_by_its_number(street, bot, git, checkout):
    sha = bot.push(REPO, "bot/1", {"x": "1\n"})
    number = bot.open_pull(REPO, "bot/1", "Fix")
    assert git("fetch", "-q", "origin", f"refs/pull/{number}/head", cwd=checkout).returncode == 0
    assert git("rev-parse", "FETCH_HEAD", cwd=checkout).stdout.strip() == sha


def test_a_head_pushed_into_the_base_by_hand_shows_as_merged(street, alice, bot, git, checkout, tmp_path):
    alice.open_issue(REPO, "Bug")
    commit(git, checkout, "bot/1")
    git("push", "-q", "origin", "bot/1", cwd=checkout)
    number = bot.open_pull(REPO, "bot/1", "Fix", "Fixes #1")
    owner = Git(tmp_path, street.scene.add_token("alice"))
    assert owner("push", "-q", "origin", "bot/1:main", cwd=checkout).returncode == 0
    assert street.scene.issue(REPO, number).pull.merged_at is not None
    assert not street.scene.issue(REPO, 1).is_open


@pytest.mark.parametrize("case", ["nobody", "wrong", "read-only scope", "stranger", "narrow"])
def test_who_may_not_push(street, git, checkout, tmp_path, case):
    tokens = {
        "nobody": lambda: None,
        "wrong": lambda: "ghp_wrong",
        "read-only scope": lambda: street.scene.add_token("bot", "notifications"),
        "stranger": lambda: street.scene.add_token("mallory"),
        "narrow": lambda: street.scene.add_fine_grained_token(
            "bot", {"contents": "read", "metadata": "read"}
        ),
    }
    commit(git, checkout, "bot/1")
    refused = Git(tmp_path, tokens[case]())("push", "-q", "origin", "bot/1", cwd=checkout)
    assert refused.returncode != 0
    assert street.scene.head(REPO, "bot/1") is None


def test_a_private_repository_is_cloned_with_a_token_only(street, tmp_path):
    street.scene.add_repo("alice/secret", private=True)
    url = street.box.clone_url("alice/secret")
    assert Git(tmp_path, None)("clone", "-q", url, tmp_path / "a").returncode != 0
    stranger = Git(tmp_path, street.scene.add_token("mallory"))("clone", "-q", url, tmp_path / "b")
    assert "not found" in stranger.stderr
    assert Git(tmp_path, street.scene.add_token("alice"))("clone", "-q", url, tmp_path / "c").returncode == 0


def test_the_token_may_also_stand_in_the_address(street, tmp_path):
    street.scene.add_repo("alice/secret", private=True)
    token = street.scene.add_token("alice")
    url = street.box.clone_url("alice/secret").replace("://", f"://x-access-token:{token}@")
    assert Git(tmp_path, None)("clone", "-q", url, tmp_path / "a").returncode == 0


def test_a_protected_branch_takes_no_direct_push(street, git, checkout):
    street.scene.protect(REPO)
    commit(git, checkout, "main")
    refused = git("push", "origin", "main", cwd=checkout)
    assert refused.returncode != 0
    assert "GH006" in refused.stderr


def test_a_renamed_repository_still_clones_by_its_old_name(street, alice, git, tmp_path):
    alice.rename_repo(REPO, "store")
    assert git("clone", "-q", street.box.clone_url(REPO), tmp_path / "moved").returncode == 0


def test_a_large_push_arrives_in_chunks(street, git, checkout):
    (checkout / "big.bin").write_bytes(os.urandom(3_000_000))
    sha = commit(git, checkout, "bot/big")
    done = git("push", "-q", "origin", "bot/big", cwd=checkout)
    assert done.returncode == 0, done.stderr
    assert street.scene.head(REPO, "bot/big") == sha


def test_a_repository_made_from_a_clone_keeps_its_history(street, git, checkout):
    commit(git, checkout, "trunk")
    street.scene.add_repo("alice/copy", folder=checkout)
    repo = street.scene.world.repo("alice/copy")
    assert repo.default_branch == "trunk"
    assert street.scene.head("alice/copy", "trunk") == git("rev-parse", "trunk", cwd=checkout).stdout.strip()


def test_a_repository_made_from_a_worktree_or_a_detached_head_has_its_commit(street, git, checkout, tmp_path):
    git("worktree", "add", "-q", "--detach", tmp_path / "tree", cwd=checkout)
    street.scene.add_repo("alice/detached", folder=tmp_path / "tree")
    assert street.scene.read_file("alice/detached", "README.md") == b"# Shop\n"


def test_a_repository_made_from_a_shallow_clone_can_be_cloned(street, git, checkout, tmp_path):
    commit(git, checkout, "main")
    assert git("clone", "-q", "--depth=1", f"file://{checkout}", tmp_path / "shallow").returncode == 0
    street.scene.add_repo("alice/shallow", folder=tmp_path / "shallow")
    again = git("clone", "-q", street.box.clone_url("alice/shallow"), tmp_path / "again")
    assert again.returncode == 0, again.stderr


def test_a_folder_without_commits_is_refused_by_name(street, git, tmp_path):
    git("init", "-q", tmp_path / "empty")
    with pytest.raises(GitFailed, match="without any commit"):
        street.scene.add_repo("alice/empty", folder=tmp_path / "empty")


def test_a_repository_made_from_a_plain_folder_has_its_files(street, tmp_path):
    (tmp_path / "src" / "deep").mkdir(parents=True)
    (tmp_path / "src" / "deep" / "a.txt").write_text("a")
    street.scene.add_repo("alice/plain", folder=tmp_path / "src")
    assert street.scene.read_file("alice/plain", "deep/a.txt") == b"a"


def test_two_boxes_at_once_do_not_meet(tmp_path):
    with GitHubBox(tmp_path / "one") as one, GitHubBox(tmp_path / "two") as two:
        assert one.url != two.url
        one.scene.add_user("alice")
        assert two.scene.world.find_account("alice") is None


# ---------------------------------------------------------------- who gets what answer, without git as the client


REFS = "/info/refs?service=git-upload-pack"


def refs(street, name: str, token: str = "", scheme: str = "Bearer") -> requests.Response:
    headers = {"Authorization": f"{scheme} {token}"} if token else {}
    return requests.get(street.box.clone_url(name) + REFS, headers=headers, timeout=20, allow_redirects=False)


def test_without_a_good_token_git_is_asked_for_one(street):
    street.scene.add_repo("alice/secret", private=True)
    for answer in (
        refs(street, "alice/secret"),
        refs(street, "alice/nothing"),
        refs(street, REPO, "ghp_wrong"),
        refs(street, REPO, street.scene.add_token("bot"), "Digest"),
    ):
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == 'Basic realm="GitHub"'
    assert refs(street, "alice/secret").headers["Content-Type"] == "text/plain; charset=utf-8"


def test_what_a_token_does_not_reach_is_not_found_and_what_it_may_not_read_is_denied(street):
    street.scene.add_repo("alice/secret", private=True, collaborators={"bot": "read"})
    stranger = refs(street, "alice/secret", street.scene.add_token("mallory"))
    narrow = refs(street, "alice/secret", street.scene.add_fine_grained_token("bot", {"issues": "read"}))
    assert (stranger.status_code, stranger.text) == (404, "Repository not found.\n")
    assert (narrow.status_code, narrow.text) == (403, "Permission to alice/secret.git denied to bot.\n")
    assert stranger.headers["Content-Type"] == narrow.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert refs(street, "alice/secret", street.scene.add_token("bot")).status_code == 200


def test_everybody_reads_a_public_repository_and_reading_is_no_push(street, clock):
    before = street.scene.world.repo(REPO).pushed_at
    clock.advance(60)
    assert (
        refs(street, REPO).status_code
        == refs(street, REPO, street.scene.add_token("mallory")).status_code
        == 200
    )
    assert street.scene.world.repo(REPO).pushed_at == before


def test_a_new_repository_under_an_old_name_is_served_itself(street, alice):
    alice.rename_repo(REPO, "store")
    assert refs(street, REPO).headers["Location"] == "/alice/store.git" + REFS
    street.scene.add_repo(REPO)
    assert refs(street, REPO).status_code == 200


def test_what_the_backend_says_about_its_answer_is_passed_on_as_it_is(street):
    path, _, query = REFS.partition("?")
    answer = street.box.door.answer(Request("GET", f"/{REPO}.git{path}", query, {}, b""))
    assert answer.headers["Content-Type"] == "application/x-git-upload-pack-advertisement"
