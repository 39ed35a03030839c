"""When the base moves, the branch follows by itself where git can."""

import pytest

from dispatcher.core.errors import ClaimLost
from dispatcher.core.events import Rebased, RebaseFailed
from tests.workspace.shop import BRANCH, git, write

LONG = "".join(f"line {n}\n" for n in range(40))


@pytest.fixture
def delivered(shop):
    """A branch on the forge that changes line 20 of a file; returns its head."""
    shop.person_pushes({"long.txt": LONG})
    head = shop.delivered({"long.txt": LONG.replace("line 20\n", "LINE 20\n")}).head
    shop.workspaces.push(shop.repo, BRANCH, head, "")
    return head


def rebase(shop, head):
    return shop.workspaces.rebase(shop.repo, "main", BRANCH, head)


def test_a_base_that_moved_elsewhere_keeps_the_patch(shop, delivered):
    base = shop.person_pushes({"README": "newer\n"})
    event = rebase(shop, delivered)
    assert event == Rebased(delivered, shop.on_forge(), same_patch=True)
    assert git(shop.forge, "rev-parse", f"{BRANCH}^") == base


def test_the_same_change_at_another_line_is_the_same_patch(shop, delivered):
    shop.person_pushes({"long.txt": "a new first line\n" + LONG})
    assert rebase(shop, delivered).same_patch


def test_a_change_next_to_it_makes_another_patch(shop, delivered):
    shop.person_pushes({"long.txt": LONG.replace("line 22\n", "line twenty-two\n")})
    event = rebase(shop, delivered)
    assert isinstance(event, Rebased)
    assert not event.same_patch


def test_white_space_next_to_it_makes_another_patch(shop, delivered):
    shop.person_pushes({"long.txt": LONG.replace("line 22\n", "  line 22\n")})
    assert not rebase(shop, delivered).same_patch


def test_authors_committers_and_dates_stay(shop, delivered):
    shop.person_pushes({"README": "newer\n"})
    shown = "--format=%an %ae %at %cn %ce %ct %s"
    before = git(shop.forge, "log", "-1", shown, BRANCH)
    rebase(shop, delivered)
    assert git(shop.forge, "log", "-1", shown, BRANCH) == before


def test_a_conflict_names_the_files_and_changes_nothing(shop, delivered):
    shop.person_pushes({"long.txt": LONG.replace("line 20\n", "somebody else\n")})
    event = rebase(shop, delivered)
    assert event == RebaseFailed(delivered, "conflicts with the base in: long.txt")
    assert shop.on_forge() == delivered


def test_a_check_that_is_red_on_the_new_base_is_not_pushed(shop, delivered):
    shop.person_pushes({"README": "newer\n"})
    shop.check_with("sh", "-c", "echo broken by the base; ! grep newer README")
    event = rebase(shop, delivered)
    assert isinstance(event, RebaseFailed)
    assert "broken by the base" in event.why
    assert shop.on_forge() == delivered


def test_a_rebase_that_was_pushed_but_not_noted_is_found_again(shop, delivered):
    shop.person_pushes({"README": "newer\n"})
    first = rebase(shop, delivered)
    shop.open()
    assert rebase(shop, delivered) == first
    shop.person_pushes({"README": "newest\n"})
    assert rebase(shop, delivered) == first


def test_a_branch_that_somebody_moved_is_left_alone(shop, delivered):
    git(shop.person, "fetch", "-q", "origin", f"{BRANCH}:{BRANCH}")
    theirs = shop.person_pushes({"x": "theirs"}, branch=BRANCH)
    with pytest.raises(ClaimLost):
        rebase(shop, delivered)
    assert shop.on_forge() == theirs


def test_a_branch_that_is_up_to_date_stays_as_it_is(shop, delivered):
    assert rebase(shop, delivered) == Rebased(delivered, delivered, same_patch=True)


def test_a_commit_that_the_base_has_already_is_left_out(shop):
    checkout = shop.checkout()
    shop.agent_commits(checkout, {"common": "1\n"})
    head = shop.agent_commits(checkout, {"own": "1\n"})
    shop.harvest(checkout)
    shop.workspaces.push(shop.repo, BRANCH, head, "")
    base = shop.person_pushes({"common": "1\n"})
    assert isinstance(rebase(shop, head), Rebased)
    assert git(shop.forge, "rev-list", "--count", f"{base}..{BRANCH}") == "1"


def test_a_branch_with_merges_gets_the_base_merged_in(shop, delivered):
    shop.person_pushes({"README": "newer\n"})
    checkout = shop.checkout(head=delivered)
    git(checkout, "merge", "-q", "--no-edit", "origin/main")
    merged = git(checkout, "rev-parse", "HEAD")
    assert shop.harvest(checkout, expected=delivered).head == merged
    shop.workspaces.push(shop.repo, BRANCH, merged, delivered)

    newest = shop.person_pushes({"README": "newest\n"})
    event = rebase(shop, merged)
    assert event == Rebased(merged, shop.on_forge(), same_patch=True)
    assert (
        git(shop.forge, "log", "-1", "--format=%P|%an|%cn", BRANCH) == f"{merged} {newest}|shop-bot|shop-bot"
    )


def test_hooks_and_drivers_of_the_repository_do_not_run(shop, delivered):
    shop.person_pushes({".gitattributes": "* merge=evil filter=evil\n"})
    write(shop.folder, {".gitconfig": '[filter "evil"]\n\tsmudge = false\n\trequired = true\n'})
    assert isinstance(rebase(shop, delivered), Rebased)
