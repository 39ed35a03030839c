"""Who may see and do what, without HTTP: the ways to a place in a repository, and what each kind of token leaves of it."""

from __future__ import annotations

import pytest

from dispatcher.simulator import Scene, caller_of, scene_in_memory
from dispatcher.simulator.access import (
    area_of,
    assignable,
    association,
    can_see,
    level_of,
    may,
    require_read,
    require_write,
)
from dispatcher.simulator.model import Level, TokenKind
from dispatcher.simulator.refusals import Forbidden, NotFound
from tests.simulator.conftest import TestClock

OPEN, SECRET = "acme/shop", "acme/secret"


@pytest.fixture
def scene() -> Scene:
    """An organization with a public and a private repository, and people at different distances from it."""
    made = scene_in_memory(TestClock())
    for login in ("boss", "member", "mate", "helper", "stranger"):
        made.add_user(login)
    made.add_app("ci")
    made.add_org("acme", members=("member",), teams={"core": ("mate",)})
    for name, private in ((OPEN, False), (SECRET, True)):
        made.add_repo(name, collaborators={"helper": "write"}, teams={"core": "maintain"}, private=private)
    made.world.account("boss").site_admin = True
    return made


def level(scene: Scene, login: str, repo: str) -> Level:
    return level_of(scene.world, scene.world.account(login), scene.world.repo(repo))


def test_a_place_comes_from_the_organization_a_team_an_invitation_or_the_public(scene):
    logins = ("acme", "boss", "member", "mate", "helper", "stranger")
    assert [level(scene, login, SECRET) for login in logins] == [
        Level.ADMIN, Level.ADMIN, Level.READ, Level.MAINTAIN, Level.WRITE, Level.NONE,
    ]  # fmt: skip
    assert [level(scene, login, OPEN) for login in logins] == [
        Level.ADMIN, Level.ADMIN, Level.READ, Level.MAINTAIN, Level.WRITE, Level.READ,
    ]  # fmt: skip


def test_a_team_that_the_organization_does_not_have_gives_no_place(scene):
    scene.world.repo(SECRET).team_levels["gone"] = Level.ADMIN
    assert level(scene, "stranger", SECRET) is Level.NONE


def sees(scene: Scene, token: str, repo: str) -> bool:
    return can_see(scene.world, caller_of(scene.world, token), scene.world.repo(repo))


def test_what_a_token_shows(scene):
    classic, narrow = scene.add_token("helper", "repo"), scene.add_token("helper", "public_repo")
    everything = scene.add_fine_grained_token("helper")
    one = scene.add_fine_grained_token("helper", only=(SECRET,))
    other = scene.add_fine_grained_token("helper", only=(OPEN,))
    assert [sees(scene, token, SECRET) for token in (classic, narrow, everything, one, other)] == [
        True, False, True, True, False,
    ]  # fmt: skip
    assert [sees(scene, token, OPEN) for token in (classic, narrow, everything, one, other)] == [True] * 5
    assert not sees(scene, scene.add_token("stranger"), SECRET)


def allows(scene: Scene, token: str, repo: str, area: str = "issues", wanted: Level = Level.WRITE) -> bool:
    caller, found = caller_of(scene.world, token), scene.world.repo(repo)
    allowed = may(scene.world, caller, found, area, wanted)
    try:
        require_write(scene.world, caller, found, area, wanted)
    except (NotFound, Forbidden):
        assert not allowed
        return False
    assert allowed
    return True


def test_what_a_token_lets_one_write(scene):
    assert allows(scene, scene.add_token("helper", "repo"), SECRET)
    assert not allows(scene, scene.add_token("helper", "public_repo"), SECRET)
    assert allows(scene, scene.add_token("helper", "public_repo"), OPEN)
    assert not allows(scene, scene.add_token("helper", "notifications"), OPEN)
    assert allows(scene, scene.add_fine_grained_token("helper"), OPEN)
    assert not allows(scene, scene.add_fine_grained_token("helper", only=(SECRET,)), OPEN)
    assert not allows(scene, scene.add_fine_grained_token("helper", {"issues": "read"}), OPEN)
    assert not allows(scene, scene.add_fine_grained_token("helper", {"contents": "write"}), OPEN)
    assert not allows(scene, scene.add_token("stranger"), OPEN)
    assert allows(scene, scene.add_token("stranger"), OPEN, wanted=Level.READ)
    assert not allows(scene, scene.add_token("helper"), OPEN, wanted=Level.ADMIN)


def test_a_person_in_the_browser_needs_no_token(scene):
    caller = scene.person("helper").caller
    assert caller.kind is None
    assert may(scene.world, caller, scene.world.repo(SECRET), "contents", Level.WRITE)
    assert not may(scene.world, caller, scene.world.repo(SECRET), "administration", Level.ADMIN)
    require_read(scene.world, caller, scene.world.repo(SECRET), "contents")


@pytest.mark.parametrize(
    ("wanted", "says"),
    [(Level.ADMIN, "admin rights"), (Level.WRITE, "write access"), (Level.TRIAGE, "write access")],
)
def test_a_refusal_says_what_is_missing(scene, wanted, says):
    caller = scene.person("stranger").caller
    with pytest.raises(Forbidden, match=says):
        require_write(scene.world, caller, scene.world.repo(OPEN), "issues", wanted)


def test_a_narrow_token_does_not_read_what_it_was_not_given(scene):
    world, secret = scene.world, scene.world.repo(SECRET)
    narrow = caller_of(world, scene.add_fine_grained_token("helper", {"issues": "read"}))
    assert narrow.kind is TokenKind.FINE_GRAINED
    require_read(world, narrow, secret)
    require_read(world, narrow, secret, "issues")
    with pytest.raises(Forbidden):
        require_read(world, narrow, secret, "contents")
    require_read(world, narrow, world.repo(OPEN), "contents")
    require_read(world, caller_of(world, scene.add_token("helper")), secret, "contents")
    with pytest.raises(NotFound):
        require_read(world, scene.person("stranger").caller, secret)


def test_issues_and_pull_requests_are_permissions_of_their_own(scene):
    helper = scene.person("helper")
    number = helper.open_issue(OPEN, "Bug")
    helper.push(OPEN, "fix", {"a.txt": "1\n"}, base="main")
    pull = helper.open_pull(OPEN, "fix", "Fix")
    assert [area_of(scene.issue(OPEN, one)) for one in (number, pull)] == ["issues", "pull_requests"]


def test_who_can_be_assigned(scene):
    def can_be(login: str, repo: str) -> bool:
        return assignable(scene.world, scene.world.repo(repo), scene.world.account(login))

    assert [can_be(login, OPEN) for login in ("boss", "member", "mate", "helper", "stranger", "ci[bot]", "acme")] == [
        True, True, True, True, False, False, False,
    ]  # fmt: skip
    assert [can_be(login, SECRET) for login in ("boss", "member", "helper", "stranger")] == [
        False, True, True, False,
    ]  # fmt: skip
    scene.add_repo("helper/own")
    assert can_be("helper", "helper/own")


def test_how_an_author_is_related_to_the_repository(scene):
    repo = scene.world.repo(OPEN)
    repo.contributor_ids.add(scene.world.account("boss").id)
    logins = ("acme", "member", "helper", "boss", "stranger")
    assert [association(scene.world, repo, scene.world.account(login).id) for login in logins] == [
        "OWNER", "MEMBER", "COLLABORATOR", "CONTRIBUTOR", "NONE",
    ]  # fmt: skip
