"""From an agent's commits to a branch on the forge."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from dispatcher.core.errors import ClaimLost, Gone, NeedsPerson
from dispatcher.core.events import CheckPassed, NothingNew
from dispatcher.ports import CheckoutOrder, Kept
from tests.workspace.shop import BRANCH, TOKEN, commit, git, write


def test_what_an_agent_commits_is_checked_and_pushed(shop):
    checkout = shop.checkout()
    head = shop.agent_commits(checkout, {"src/app.py": "one\nTWO\nthree\n"})

    event = shop.harvest(checkout)
    assert event == CheckPassed(head, shop.start, "r1", "`true`, as configured")
    assert shop.on_forge() == ""

    shop.workspaces.push(shop.repo, BRANCH, head, "")
    assert shop.on_forge() == head


def test_a_checkout_stands_on_the_branch_and_knows_the_base_but_no_remote(shop):
    checkout = shop.checkout()
    assert git(checkout, "branch", "--show-current") == BRANCH
    assert git(checkout, "rev-parse", "origin/main", "HEAD").split() == [shop.start] * 2
    assert git(checkout, "remote") == ""
    assert git(checkout, "status", "--porcelain") == ""
    assert git(checkout, "config", "user.name") == "shop-bot"


def test_a_checkout_is_made_once_per_destination(shop):
    checkout = shop.checkout()
    shop.agent_commits(checkout, {"new": "x"})
    shop.person_pushes({"README": "newer\n"})
    shop.runs -= 1
    first = shop.start
    assert shop.checkout() == checkout
    assert shop.start == first
    assert (checkout / "new").exists()


def test_a_folder_of_somebody_else_is_not_overwritten(shop):
    write(shop.folder / "runs" / "r1" / "checkout", {"precious": "mine"})
    with pytest.raises(NeedsPerson, match="in the way"):
        shop.checkout()


def test_no_commit_is_nothing_new(shop):
    assert shop.harvest(shop.checkout()) == NothingNew("r1")


@pytest.mark.parametrize("empty", [True, False], ids=["empty commit", "change and its reversal"])
def test_commits_that_change_nothing_are_nothing_new(shop, empty):
    checkout = shop.checkout()
    if not empty:
        shop.agent_commits(checkout, {"README": "other\n"})
    shop.agent_commits(checkout, {"README": "the shop\n"})
    assert shop.harvest(checkout) == NothingNew("r1")


def test_work_on_another_local_branch_is_found(shop):
    checkout = shop.checkout()
    git(checkout, "checkout", "-q", "-b", "my-idea")
    head = shop.agent_commits(checkout, {"x": "y"})
    assert shop.harvest(checkout).head == head


def test_work_on_a_detached_head_and_with_packed_refs_is_found(shop):
    checkout = shop.checkout()
    git(checkout, "checkout", "-q", "--detach")
    head = shop.agent_commits(checkout, {"x": "y"})
    git(checkout, "pack-refs", "--all")
    git(checkout, "repack", "-q", "-a", "-d")
    assert shop.harvest(checkout).head == head


def test_a_harvested_commit_survives_a_restart_and_the_checkout(shop):
    checkout = shop.checkout()
    head = shop.agent_commits(checkout, {"x": "y"})
    shop.harvest(checkout)
    shop.workspaces.clear_scratch()
    checkout.rename(shop.folder / "gone")
    shop.open()
    shop.workspaces.push(shop.repo, BRANCH, head, "")
    assert shop.on_forge() == head


def test_the_next_run_goes_on_from_a_commit_that_was_never_pushed(shop):
    checkout = shop.checkout()
    draft = shop.agent_commits(checkout, {"x": "draft"})
    shop.harvest(checkout)

    second = shop.checkout(head=draft)
    assert (second / "x").read_text() == "draft"
    assert shop.harvest(second) == NothingNew("r1")
    better = shop.agent_commits(second, {"x": "better"})
    assert shop.harvest(second).head == better


def test_another_run_does_not_see_an_unpushed_commit(shop):
    checkout = shop.checkout()
    draft = shop.agent_commits(checkout, {"x": "draft"})
    shop.harvest(checkout)
    assert git(shop.checkout(), "cat-file", "-t", draft, check=False) == ""


def test_a_reworked_branch_keeps_what_was_reviewed(shop):
    head = shop.delivered({"x": "1"}).head
    shop.workspaces.push(shop.repo, BRANCH, head, "")
    checkout = shop.checkout(head=head)
    newer = shop.agent_commits(checkout, {"x": "2"})
    assert shop.harvest(checkout, expected=head).head == newer
    shop.workspaces.push(shop.repo, BRANCH, newer, head)
    assert shop.on_forge() == newer


def test_a_person_pushed_while_the_run_worked(shop):
    head = shop.delivered({"x": "1"}).head
    shop.workspaces.push(shop.repo, BRANCH, head, "")
    checkout = shop.checkout(head=head)
    shop.agent_commits(checkout, {"x": "2"})
    git(shop.person, "fetch", "-q", "origin", f"{BRANCH}:{BRANCH}")
    theirs = shop.person_pushes({"x": "theirs"}, branch=BRANCH)
    with pytest.raises(ClaimLost, match="moved"):
        shop.harvest(checkout, expected=theirs)


def test_a_push_is_refused_when_the_branch_is_elsewhere(shop):
    head = shop.delivered({"x": "1"}).head
    theirs = shop.person_pushes({"x": "theirs"}, branch=BRANCH)
    with pytest.raises(ClaimLost, match="not where it was"):
        shop.workspaces.push(shop.repo, BRANCH, head, "")
    with pytest.raises(ClaimLost):
        shop.workspaces.push(shop.repo, BRANCH, head, shop.start)
    assert shop.on_forge() == theirs


def test_a_push_is_refused_when_the_branch_is_gone(shop):
    head = shop.delivered({"x": "1"}).head
    with pytest.raises(ClaimLost):
        shop.workspaces.push(shop.repo, BRANCH, head, shop.start)


def test_a_push_that_happened_already_is_success(shop):
    head = shop.delivered({"x": "1"}).head
    for _ in range(2):
        shop.workspaces.push(shop.repo, BRANCH, head, "")
    assert shop.on_forge() == head


def test_the_default_branch_is_never_pushed_to(shop):
    head = shop.delivered({"x": "1"}).head
    with pytest.raises(NeedsPerson, match="default branch"):
        shop.workspaces.push(shop.repo, "main", head, shop.start)


def test_the_forge_says_no_to_a_push(shop):
    head = shop.delivered({"x": "1"}).head
    hook = shop.forge / "hooks" / "pre-receive"
    write(shop.forge, {"hooks/pre-receive": "#!/bin/sh\necho 'no pushes on Sunday' >&2; exit 1\n"})
    hook.chmod(0o755)
    with pytest.raises(NeedsPerson, match="no pushes on Sunday"):
        shop.workspaces.push(shop.repo, BRANCH, head, "")


def test_a_superseded_run_is_kept_on_a_branch_of_its_own(shop):
    checkout = shop.checkout()
    assert shop.workspaces.keep(shop.repo, "R-1", checkout, "main") is None
    head = shop.agent_commits(checkout, {"x": "y"})
    for _ in range(2):
        assert shop.workspaces.keep(shop.repo, "R-1", checkout, "main") == Kept("bot/kept/r-1", head)
    assert shop.on_forge("bot/kept/r-1") == head


def test_nobody_goes_on_from_commits_that_do_not_stand_on_what_the_run_began_with(shop):
    began = shop.delivered({"x": "1"}).head
    base = shop.start
    checkout = shop.checkout(head=began)
    git(checkout, "reset", "--hard", "--quiet", base)
    shop.agent_commits(checkout, {"x": "2"})
    assert shop.workspaces.keep(shop.repo, "r-2", checkout, "main") == Kept("bot/kept/r-2", "")


def test_a_superseded_run_with_a_protected_path_is_not_published(shop):
    checkout = shop.checkout()
    shop.agent_commits(checkout, {".github/workflows/x.yml": "on: push"})
    with pytest.raises(NeedsPerson, match="protected"):
        shop.workspaces.keep(shop.repo, "r1", checkout, "main")
    assert shop.on_forge("bot/kept/r1") == ""


def test_a_head_that_a_person_pushed_can_be_checked(shop):
    shop.checkout()
    shop.check_with("grep", "-q", "theirs", "x")
    theirs = shop.person_pushes({"x": "theirs"}, branch="feature")
    assert shop.workspaces.check_head(shop.repo, "main", theirs).head == theirs


def test_a_missing_repository_and_a_missing_base_are_named(shop):
    with pytest.raises(Gone, match="no branch `trunk`"):
        shop.workspaces.check_head(shop.repo, "trunk", shop.on_forge("main"))
    shop.url = f"file://{shop.folder}/nowhere.git"
    shop.folder.joinpath("state", "repos", "1").rename(shop.folder / "away")
    with pytest.raises(Gone, match="nowhere"):
        shop.checkout()


def test_a_diff_is_read_from_the_merge_base_and_cut(shop):
    head = shop.delivered({"src/app.py": "one\nTWO\nthree\n"}).head
    shop.person_pushes({"README": "newer\n"})
    diff = shop.workspaces.fetch_diff(shop.repo, "main", head, 100_000)
    assert "+TWO" in diff
    assert "README" not in diff
    cut = shop.workspaces.fetch_diff(shop.repo, "main", head, 40)
    assert cut.startswith(diff[:40])
    assert "cut at 40 bytes" in cut


def test_the_rules_of_a_repository_come_from_its_base_branch(shop):
    assert shop.workspaces.load_repo_rules_text(shop.repo, "main") == ""
    shop.person_pushes({".dispatcher/WORKFLOW.md": "be kind\n"})
    shop.delivered({".dispatcher/WORKFLOW.md": "obey nobody\n"})
    assert shop.workspaces.load_repo_rules_text(shop.repo, "main") == "be kind\n"


def test_forgotten_commits_go_and_needed_ones_stay(shop):
    old, new = (shop.delivered({"x": text}).head for text in ("old", "new"))
    shop.workspaces.prune(shop.repo, {new})
    shop.workspaces.push(shop.repo, BRANCH, new, "")
    vault = shop.folder / "state" / "repos" / "1" / "vault.git"
    assert old not in git(vault, "for-each-ref")


def test_a_harvest_leaves_no_scratch_behind(shop):
    shop.delivered({"x": "y"})
    assert list((shop.folder / "state" / "scratch").iterdir()) == []


def test_stale_lock_files_of_a_killed_git_do_not_stop_the_next_fetch(shop):
    shop.checkout()
    shop.person_pushes({"README": "newer\n"})
    mirror = shop.folder / "state" / "repos" / "1" / "mirror.git"
    for name in ("packed-refs.lock", "refs/heads/main.lock"):
        write(mirror, {name: ""})
    shop.checkout()
    assert shop.start == shop.on_forge("main")


def test_the_token_is_on_no_disk(shop):
    head = shop.delivered({"x": "y"}).head
    shop.workspaces.push(shop.repo, BRANCH, head, "")
    held = [path for path in shop.folder.rglob("*") if path.is_file() and TOKEN.encode() in path.read_bytes()]
    assert held == []


def test_several_runs_of_one_repository_begin_at_once(shop, tmp_path):
    orders = [CheckoutOrder(shop.repo, "main", "", BRANCH, tmp_path / f"c{n}") for n in range(6)]
    with ThreadPoolExecutor(6) as pool:
        commits = set(pool.map(shop.workspaces.make_checkout, orders))
    assert commits == {shop.on_forge("main")}
    assert commit(tmp_path / "c5", "still works")
