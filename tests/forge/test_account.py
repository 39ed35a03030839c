"""Tokens and what they can do: each that cannot be used says why and what to change."""

import pytest

from dispatcher.core.errors import BadConfig, BadCredential, Gone, NeedsPerson
from dispatcher.core.model import Permission
from dispatcher.core.rules import RepoRules
from dispatcher.forge.credentials import Secret
from dispatcher.forge.github_forge import GitHubForge

SHOP = "acme/shop"


def test_the_token_belongs_to_the_bot(office):
    me = office.forge.fetch_identity()
    assert (me.login, me.is_bot) == ("bot", False)
    with office.box.watching() as seen:
        office.forge.fetch_identity()
    assert seen == []


def test_a_broken_token_says_so_and_does_not_show_itself(office):
    forge = office.start("ghp_wrong0123456789abcdefghij")
    with pytest.raises(BadCredential) as caught:
        forge.fetch_identity()
    assert "refuses the token" in str(caught.value)
    assert "ghp_wrong" not in str(caught.value)
    assert caught.value.cure


def test_a_revoked_token_is_noticed_on_the_next_call(office):
    number = office.issue()
    office.box.scene.revoke_token(office.token)
    with pytest.raises(BadCredential):
        office.look_at(number)


@pytest.mark.parametrize(
    ("scopes", "missing"),
    [(("notifications",), "`repo`"), (("public_repo",), "`notifications`"), (("read:org",), "`repo`")],
)
def test_a_token_without_a_scope_names_it_and_the_cure(office, scopes, missing):
    forge = office.start(office.box.scene.add_token("bot", *scopes))
    with pytest.raises(BadCredential) as caught:
        forge.choose_intake()
    assert missing in str(caught.value)
    assert "settings" in caught.value.cure


@pytest.mark.parametrize("scopes", [("repo",), ("public_repo", "notifications")])
def test_enough_scopes_mean_lists(office, scopes):
    forge = office.start(office.box.scene.add_token("bot", *scopes))
    assert forge.choose_intake().kind == "lists"
    assert set(forge.scopes) == set(scopes)


def test_a_token_of_another_account_than_the_configured_one_is_refused(office):
    forge = office.start(bot_login="robot")
    with pytest.raises(BadCredential, match="belongs to bot"):
        forge.fetch_identity()
    assert office.start(bot_login="BOT").fetch_identity().login == "bot"


def test_an_app_cannot_be_the_bot(office):
    office.box.scene.add_app("builder")
    forge = office.start(office.box.scene.add_app_token("builder"))
    with pytest.raises(BadCredential, match="cannot be assigned"):
        forge.choose_intake()


def test_repositories_come_with_branch_rights_and_address(office):
    (repo,) = office.watch()
    assert (repo.id, repo.full_name, repo.default_branch) == (office.shop.id, SHOP, "main")
    assert repo.permission is Permission.WRITE
    assert repo.clone_url == office.box.clone_url(SHOP)


def test_sixty_repositories_are_two_requests(office):
    names = [f"acme/r{i}" for i in range(60)]
    for name in names:
        office.box.scene.add_repo(name, collaborators={"bot": "write"})
    with office.box.watching() as seen:
        assert len(office.watch(*names)) == 60
    assert len(seen) == 2


def test_repositories_that_cannot_be_used_are_troubles_and_the_others_go_on(office):
    scene = office.box.scene
    scene.add_repo("acme/old", collaborators={"bot": "write", "ann": "admin"})
    office.ann.archive_repo("acme/old")
    scene.add_repo("acme/readonly", collaborators={"bot": "read"})
    scene.add_repo("acme/hidden", private=True)
    names = ["acme/old", "acme/readonly", "acme/hidden", "acme/none", SHOP, "ACME/Shop"]
    rules = [RepoRules(name, *name.split("/")) for name in names]
    repos, troubles = office.forge.fetch_repos(rules)
    assert [repo.full_name for repo in repos] == [SHOP]
    why = {trouble.full_name: trouble.why for trouble in troubles}
    assert set(why) == set(names) - {SHOP}
    assert "archived" in why["acme/old"]
    assert "write access" in why["acme/readonly"]
    assert "no access" in why["acme/hidden"]
    assert "same repository" in why["ACME/Shop"]


def test_a_renamed_repository_comes_back_under_its_new_name(office):
    office.ann.rename_repo(SHOP, "store")
    (repo,) = office.watch()
    assert (repo.full_name, repo.rules.full_name) == ("acme/store", SHOP)


def test_the_enterprise_form_of_the_address_works(office):
    forge = GitHubForge(office.box.enterprise_url, Secret(office.token), office.clock, office.drawer)
    office.forges.append(forge)
    number = office.issue()
    assert forge.fetch_snapshot(office.repo, office.task(number)).issue.key.number == number
    assert forge.choose_intake().kind == "lists"


@pytest.mark.parametrize("url", ["http://github.example/api/v3", "ftp://x", "github.com", "http://"])
def test_a_token_never_travels_unencrypted(office, url):
    with pytest.raises(BadConfig, match="base_url"):
        GitHubForge(url, Secret("t"), office.clock, office.drawer)


def test_githubs_clock_can_be_compared_with_ours(office):
    assert office.forge.fetch_time().tzinfo is not None


def test_writing_where_the_bot_may_only_read_is_a_persons_matter(office):
    number = office.issue()
    office.look_at(number)
    office.ann.invite(SHOP, "bot", "read")
    with pytest.raises((NeedsPerson, Gone)):
        office.forge.create_labels(office.watch(SHOP)[0] if office.watch(SHOP) else _with_label(office))


def _with_label(office):
    from dataclasses import replace

    labels = replace(office.repo.rules.labels, turn="brand-new")
    return replace(office.repo, rules=replace(office.repo.rules, labels=labels))
