"""Whatever name an agent signs with, what is published is ours: it credits nobody, calls nobody, closes nothing."""

import pytest

from dispatcher.core.defuse import BREAK
from dispatcher.core.events import CheckPassed, NothingNew
from dispatcher.core.housekeeping import KeepOrder
from dispatcher.core.rules import AgentText
from dispatcher.workspace import Surroundings
from dispatcher.workspace.attic import GitAttic
from tests.workspace.shop import BOT, BRANCH, commit, git, write

EVE = {
    "GIT_AUTHOR_NAME": "Eve",
    "GIT_AUTHOR_EMAIL": "alice@example.com",
    "GIT_COMMITTER_NAME": "GitHub",
    "GIT_COMMITTER_EMAIL": "noreply@github.com",
    "GIT_AUTHOR_DATE": "1700000000 +0200",
    "GIT_COMMITTER_DATE": "1700000001 +0200",
}
WHO = "%an <%ae> %ad|%cn <%ce> %cd"


def eve_commits(checkout, message, **files):
    write(checkout, files or {"x": "1"})
    return commit(checkout, message, **EVE)


def in_vault(shop, head, form):
    return git(
        shop.folder / "state" / "repos" / "1" / "vault.git",
        "log",
        "-1",
        "--date=raw",
        f"--format={form}",
        head,
    )


def published(shop, checkout):
    event = shop.harvest(checkout)
    assert isinstance(event, CheckPassed), event
    return event.head


def test_a_forged_author_and_committer_are_replaced_and_the_times_stay(shop):
    checkout = shop.checkout()
    theirs = eve_commits(checkout, "work")
    ours = published(shop, checkout)
    assert ours != theirs
    assert (
        in_vault(shop, ours, WHO)
        == f"{BOT.name} <{BOT.email}> 1700000000 +0200|{BOT.name} <{BOT.email}> 1700000001 +0200"
    )
    assert in_vault(shop, ours, "%T") == git(checkout, "log", "-1", "--format=%T")
    shop.workspaces.push(shop.repo, BRANCH, ours, "")
    assert shop.on_forge() == ours


def test_commits_in_our_name_stay_the_same_commits(shop):
    checkout = shop.checkout()
    ours = shop.agent_commits(
        checkout, {"x": "1"}, "Sum up\n\nNothing that does something: a list[int], 12 of 40."
    )
    assert published(shop, checkout) == ours


def test_the_whole_new_history_is_signed_in_its_order(shop):
    checkout = shop.checkout()
    first = eve_commits(checkout, "first", a="1")
    shop.agent_commits(checkout, {"b": "1"}, "second")
    git(checkout, "checkout", "-q", "-b", "side", first)
    eve_commits(checkout, "aside", c="1")
    git(checkout, "checkout", "-q", BRANCH)
    git(checkout, "-c", "user.name=Eve", "-c", "user.email=e@x.org", "merge", "-q", "-m", "together", "side")
    ours = published(shop, checkout)
    vault = shop.folder / "state" / "repos" / "1" / "vault.git"
    assert (
        git(vault, "log", "--topo-order", "--format=%s", f"{shop.start}..{ours}").split("\n")[0] == "together"
    )
    assert set(git(vault, "log", "--format=%an %cn", f"{shop.start}..{ours}").split("\n")) == {
        f"{BOT.name} {BOT.name}"
    }
    assert git(vault, "rev-parse", f"{ours}^{{tree}}") == git(checkout, "rev-parse", "HEAD^{tree}")
    assert len(git(vault, "rev-list", f"{shop.start}..{ours}").split()) == 4


def test_the_same_work_harvested_twice_is_the_same_commit(shop):
    checkout = shop.checkout()
    eve_commits(checkout, "fixes #9")
    once = published(shop, checkout)
    shop.open()
    assert published(shop, checkout) == once


def test_a_rework_goes_on_from_what_was_signed(shop):
    checkout = shop.checkout()
    eve_commits(checkout, "work")
    first = published(shop, checkout)
    shop.workspaces.push(shop.repo, BRANCH, first, "")
    again = shop.checkout(head=first)
    eve_commits(again, "more", y="2")
    second = published_after(shop, again, first)
    assert in_vault(shop, second, "%P") == first
    shop.workspaces.push(shop.repo, BRANCH, second, first)
    assert shop.on_forge() == second


def published_after(shop, checkout, expected):
    event = shop.harvest(checkout, expected=expected)
    assert isinstance(event, CheckPassed), event
    return event.head


def test_a_persons_commits_on_the_branch_keep_their_name(shop):
    theirs = shop.person_pushes({"p": "1"}, branch=BRANCH)
    checkout = shop.checkout(head=theirs)
    eve_commits(checkout, "more")
    head = published_after(shop, checkout, theirs)
    assert in_vault(shop, head, "%P") == theirs
    assert in_vault(shop, theirs, "%an") == "A"


def test_words_that_do_something_are_broken_in_messages(shop):
    checkout = shop.checkout()
    eve_commits(
        checkout,
        "Fixes #9 [skip ci]\n\nThanks @alice.\n\nCo-authored-by: Alice <alice@example.com>\nskip-checks: true",
    )
    message = in_vault(shop, published(shop, checkout), "%B")
    assert message == (
        "F~ixes #~9 [~skip ci]\n\nThanks @~alice.\n\nCo-authored-by~: Alice <alice@~example.com>\nskip-checks~: true"
    ).replace("~", BREAK)
    trailers = in_vault(shop, published(shop, checkout), "%(trailers)")
    assert not trailers


def test_what_is_allowed_for_the_repository_stays(shop):
    shop.configure(agent_text=AgentText(mentions=True, references=True))
    checkout = shop.checkout()
    eve_commits(checkout, "See #9, @alice")
    assert in_vault(shop, published(shop, checkout), "%B") == "See #9, @alice"


def test_signatures_and_odd_headers_go_and_an_odd_encoding_is_read(shop):
    checkout = shop.checkout()
    tree = git(checkout, "rev-parse", "HEAD^{tree}")
    write(checkout, {"x": "1"})
    git(checkout, "add", "x")
    tree = git(checkout, "write-tree")
    raw = (
        f"tree {tree}\nparent {shop.start}\nauthor E <e@x> 1700000000 +0000\ncommitter E <e@x> 1700000000 +0000\n"
        "encoding latin-1\ngpgsig -----BEGIN PGP SIGNATURE-----\n \n forged\n -----END PGP SIGNATURE-----\nx-hidden a note\n\n"
    ).encode() + "gr\u00fcn\n".encode("latin-1")
    (shop.folder / "raw").write_bytes(raw)
    sha = git(checkout, "hash-object", "-t", "commit", "-w", str(shop.folder / "raw"))
    git(checkout, "update-ref", f"refs/heads/{BRANCH}", sha)
    git(checkout, "reset", "-q", "--hard")
    vault = shop.folder / "state" / "repos" / "1" / "vault.git"
    written = git(vault, "cat-file", "commit", published(shop, checkout))
    assert "gpgsig" not in written
    assert "x-hidden" not in written
    assert "encoding" not in written
    assert written.endswith("gr\u00fcn")


def test_nothing_new_is_still_nothing_new(shop):
    assert isinstance(shop.harvest(shop.checkout()), NothingNew)


@pytest.mark.parametrize("is_pushed", [True, False])
def test_published_work_is_not_kept_a_second_time(shop, is_pushed, tmp_path):
    """The agent's own commit is on no forge, but its content is: that is no unpublished work."""
    checkout = shop.checkout()
    eve_commits(checkout, "work")
    ours = published(shop, checkout)
    if is_pushed:
        shop.workspaces.push(shop.repo, BRANCH, ours, "")
        shop.workspaces.find_branch(shop.repo, BRANCH)
    attic = GitAttic(shop.folder / "state", Surroundings(BOT))
    order = KeepOrder(1, "r1", checkout, BRANCH, (), tmp_path / "b.bundle", tmp_path / "none")
    assert attic.bundle(order) is not is_pushed
    attic.forget_checkout(checkout)
    assert not list((shop.folder / "state" / "checkouts").iterdir())


def test_a_head_that_was_shown_counts_even_when_its_branch_is_gone(shop, tmp_path):
    checkout = shop.checkout()
    eve_commits(checkout, "work")
    ours = published(shop, checkout)
    attic = GitAttic(shop.folder / "state", Surroundings(BOT))
    order = KeepOrder(1, "r1", checkout, BRANCH, (ours,), tmp_path / "b.bundle", tmp_path / "none")
    assert not attic.bundle(order)
