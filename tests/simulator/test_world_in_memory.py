"""The same rules without HTTP and without real git, fast enough for simulations of many thousand steps."""

from __future__ import annotations

import pytest

from dispatcher.simulator import Finding, Scene, scene_in_memory
from dispatcher.simulator.git_store import BareGit
from dispatcher.simulator.pulls import changed_files, mergeable
from dispatcher.simulator.refusals import Invalid
from dispatcher.simulator.world import Settings, World
from tests.simulator.conftest import REPO, TestClock


@pytest.fixture(params=["memory", "real git"])
def scene(request, tmp_path) -> Scene:
    """Everything in this file holds for both kinds of git."""
    settings = Settings(mergeable_unknown_reads=0)
    if request.param == "memory":
        made = scene_in_memory(TestClock(), settings)
    else:
        made = Scene(World(TestClock(), BareGit(tmp_path), settings))
    made.add_user("alice")
    made.add_user("bot")
    made.add_repo(REPO, {"a.txt": "one\ntwo\n", "b.txt": "b\n"}, collaborators={"bot": "write"})
    return made


def test_from_issue_to_merge(scene):
    alice, bot = scene.person("alice"), scene.person("bot")
    number = alice.open_issue(REPO, "Bug", "@bot", labels=("bot",))
    bot.push(REPO, "bot/1", {"a.txt": "one\n2\n", "new/c.txt": "c\n"})
    pull = bot.open_pull(REPO, "bot/1", "Fix", f"Closes #{number}")
    changes = changed_files(scene.world, scene.issue(REPO, pull))
    assert [(c.path, c.status, c.additions, c.deletions) for c in changes] == [
        ("a.txt", "modified", 1, 1),
        ("new/c.txt", "added", 1, 0),
    ]
    with pytest.raises(Invalid):
        alice.review(REPO, pull, "COMMENT", "x", (Finding("a.txt", "no such line", 7),))
    alice.review(REPO, pull, "REQUEST_CHANGES", "x", (Finding("a.txt", "two was fine", 2),))
    bot.push(REPO, "bot/1", {"a.txt": "one\ntwo!\n", "b.txt": None})
    alice.approve(REPO, pull)
    alice.merge(REPO, pull)
    assert not scene.issue(REPO, number).is_open
    assert (scene.read_file(REPO, "a.txt"), scene.read_file(REPO, "b.txt")) == (b"one\ntwo!\n", None)
    assert [thread.number for thread in bot.inbox()] == [pull, number]


def test_a_conflict_appears_when_the_base_moves(scene):
    alice, bot = scene.person("alice"), scene.person("bot")
    bot.push(REPO, "bot/1", {"a.txt": "one\n2\n"})
    pull = bot.open_pull(REPO, "bot/1", "Fix")
    alice.push(REPO, "main", {"b.txt": "other\n"})
    assert mergeable(scene.world, scene.issue(REPO, pull)) is True
    alice.push(REPO, "main", {"a.txt": "eins\nzwei\n"})
    assert mergeable(scene.world, scene.issue(REPO, pull)) is False


def test_a_forced_push_starts_again_from_the_base(scene):
    bot = scene.person("bot")
    bot.push(REPO, "bot/1", {"a.txt": "1\n"})
    pull = bot.open_pull(REPO, "bot/1", "Fix")
    sha = bot.push(REPO, "bot/1", {"b.txt": "2\n"}, base="main", force=True)
    issue = scene.issue(REPO, pull)
    assert issue.pull is not None
    assert issue.pull.head_sha == sha
    assert [change.path for change in changed_files(scene.world, issue)] == ["b.txt"]


def test_a_fork_is_compared_with_its_origin(scene):
    scene.add_user("mallory")
    mallory = scene.person("mallory")
    copy = mallory.fork(REPO)
    mallory.push(copy, "idea", {"idea.md": "!\n"})
    number = mallory.open_pull(REPO, "mallory:idea", "Idea")
    assert [change.path for change in changed_files(scene.world, scene.issue(REPO, number))] == ["idea.md"]
