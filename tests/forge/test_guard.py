"""What the bot's own token can see of the rules of a base branch, over real HTTP."""

from dataclasses import replace

import pytest

from tests.forge.conftest import SHOP


def guard_of(office, **rules):
    (repo,) = office.watch()
    return office.forge.fetch_base_guard(replace(repo, rules=replace(repo.rules, **rules)))


def answers(guard):
    return guard.can_push, guard.can_merge


def test_a_branch_without_rules_is_open_to_the_bot(office):
    assert answers(guard_of(office)) == (True, True)


@pytest.mark.parametrize("ruleset", [True, False], ids=["ruleset", "classic"])
def test_a_required_approval_keeps_the_bot_out(office, ruleset):
    office.box.scene.protect(SHOP, approvals=1, ruleset=ruleset)
    assert answers(guard_of(office)) == (False, False)


@pytest.mark.parametrize("ruleset", [True, False], ids=["ruleset", "classic"])
def test_a_pull_request_without_approval_keeps_it_from_pushing_only(office, ruleset):
    office.box.scene.protect(SHOP, approvals=0, ruleset=ruleset)
    assert answers(guard_of(office)) == (False, True)


@pytest.mark.parametrize(("ruleset", "writers"), [(True, ()), (False, ("ann",))], ids=["ruleset", "classic"])
def test_a_branch_that_others_may_update_keeps_it_out(office, ruleset, writers):
    office.box.scene.protect(SHOP, ruleset=ruleset, writers=writers)
    assert answers(guard_of(office)) == (False, False)


@pytest.mark.parametrize(
    ("bypass", "expected"),
    [
        ("always", (True, True)),
        ("pull_requests_only", (False, True)),
        ("never", (False, False)),
        ("exempt", (True, True)),
    ],
)
def test_a_ruleset_that_the_bot_may_bypass_is_none(office, bypass, expected):
    office.box.scene.protect(SHOP, approvals=1, ruleset=True, bypass={"bot": bypass})
    assert answers(guard_of(office)) == expected


def test_an_administrator_is_kept_by_no_rule(office):
    office.box.scene.add_repo("acme/own", collaborators={"bot": "admin"})
    office.box.scene.protect("acme/own", approvals=1)
    (repo,) = office.watch("acme/own")
    assert answers(office.forge.fetch_base_guard(repo)) == (True, True)


def test_the_base_that_is_configured_counts(office):
    office.box.scene.protect(SHOP, approvals=1)
    assert answers(guard_of(office, base="release")) == (True, True)


def test_it_costs_two_requests_and_one_per_ruleset(office):
    office.box.scene.protect(SHOP, approvals=1, ruleset=True)
    (repo,) = office.watch()
    with office.box.watching() as seen:
        office.forge.fetch_base_guard(repo)
    assert len(seen) == 3


def test_where_a_guarded_base_is_asked_for_an_open_one_is_a_trouble(office):
    (repo,) = office.watch()
    wanted = replace(repo.rules, require_protected_base=True)
    repos, (trouble,) = office.forge.fetch_repos([wanted])
    assert repos == ()
    assert trouble.full_name == SHOP
    assert "the bot could push to it and merge by itself" in trouble.why
    assert "settings/rules/new" in trouble.why
    office.box.scene.protect(SHOP, approvals=1)
    repos, troubles = office.forge.fetch_repos([wanted])
    assert [one.full_name for one in repos] == [SHOP]
    assert troubles == ()
