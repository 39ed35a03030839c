"""The same over HTTP, with a token, and with a forge that has bad days."""

import os
import shutil

import pytest

from dispatcher.core.errors import BadCredential, ClaimLost, Gone, NeedsPerson, RetryLater
from dispatcher.core.events import CheckPassed, Rebased
from dispatcher.core.model import Permission
from dispatcher.core.rules import RepoRules
from dispatcher.core.secrecy import as_basic
from dispatcher.ports import CheckoutOrder, HarvestOrder, Repo
from dispatcher.simulator import GitHubBox
from dispatcher.simulator.faults import Fault, What
from dispatcher.workspace import GitWorkspaces, Identity, Surroundings
from tests.workspace.shop import BRANCH, commit, write

NAME = "acme/shop"


class Office:
    """A dispatcher with a token, and the box that it talks to."""

    def __init__(self, folder, box):
        self.folder = folder
        self.box = box
        box.scene.add_user("bot")
        box.scene.add_user("alice")
        made = box.scene.add_repo(
            NAME, {"README": "the shop\n"}, collaborators={"bot": "write", "alice": "write"}, private=True
        )
        self.token = box.scene.add_token("bot")
        rules = RepoRules("shop", "acme", "shop", check=("true",))
        self.repo = Repo(made.id, NAME, "main", rules, Permission.WRITE, box.clone_url(NAME))
        self.workspaces = GitWorkspaces(
            folder / "state", Surroundings(Identity("bot", "b@x.org"), token=lambda: self.token)
        )
        self.runs = 0

    def checkout(self):
        self.runs += 1
        place = self.folder / f"r{self.runs}"
        self.start = self.workspaces.make_checkout(CheckoutOrder(self.repo, "main", "", BRANCH, place))
        return place

    def delivered(self, text="1"):
        checkout = self.checkout()
        write(checkout, {"x": text})
        commit(checkout, "work")
        order = HarvestOrder(self.repo, "r1", checkout, "main", BRANCH, self.start, "", "")
        event = self.workspaces.harvest(order)
        assert isinstance(event, CheckPassed)
        return event.head

    def push(self, head, expected=""):
        self.workspaces.push(self.repo, BRANCH, head, expected)

    def on_forge(self, branch=BRANCH):
        return self.box.scene.head(NAME, branch)


@pytest.fixture
def office(tmp_path):
    with GitHubBox(tmp_path / "git") as box:
        yield Office(tmp_path, box)


def test_from_a_private_repository_and_back(office):
    head = office.delivered()
    office.push(head)
    assert office.on_forge() == head

    office.box.scene.person("alice").push(NAME, "main", {"README": "newer\n"})
    event = office.workspaces.rebase(office.repo, "main", BRANCH, head)
    assert event == Rebased(head, office.on_forge(), same_patch=True)


def test_the_token_is_in_one_place_only(office, monkeypatch):
    """Not on disk, not in any command line, in no environment but that of fetch and push."""
    real = shutil.which("git")
    notes = office.folder / "notes"
    shim = office.folder / "bin" / "git"
    write(
        shim.parent,
        {"git": f'#!/bin/sh\n{{ echo "argv $*"; env | sed "s/^/$1 env /"; }} >> {notes}\nexec {real} "$@"\n'},
    )
    shim.chmod(0o755)
    monkeypatch.setenv("PATH", f"{shim.parent}{os.pathsep}{os.environ['PATH']}")
    office.push(office.delivered())

    forms = (office.token, as_basic(office.token))
    held = [line for line in notes.read_text().splitlines() if any(form in line for form in forms)]
    assert {line.split(" ")[0] for line in held} == {"fetch", "push"}
    assert all("env GIT_CONFIG_VALUE_" in line for line in held)
    assert len(held) == 2
    notes.unlink()
    disk = [path for path in office.folder.rglob("*") if path.is_file()]
    assert not [path for path in disk if any(form.encode() in path.read_bytes() for form in forms)]


def test_a_push_whose_connection_dropped_after_it_acted_is_found_done(office):
    head = office.delivered()
    fault = office.box.faults.add(Fault(What.DROP_AFTER, "git-receive-pack$", "POST"))
    office.push(head)
    assert fault.hits == 1
    assert office.on_forge() == head


def test_a_push_that_acted_although_its_answer_was_an_error(office):
    head = office.delivered()
    office.box.faults.add(Fault(What.FAIL_AFTER, "git-receive-pack$", "POST"))
    with pytest.raises(RetryLater):
        office.push(head)
    assert office.on_forge() == head
    office.push(head)


@pytest.mark.parametrize("status", [500, 502, 503])
def test_a_forge_with_a_bad_day_is_asked_again_later(office, status):
    office.box.faults.add(Fault(What.FAIL_BEFORE, "info/refs", status=status))
    with pytest.raises(RetryLater, match=str(status)):
        office.checkout()
    office.runs -= 1
    office.checkout()


def test_a_dropped_connection_is_tried_later(office):
    office.box.faults.add(Fault(What.DROP_BEFORE, "info/refs"))
    with pytest.raises(RetryLater):
        office.checkout()


def test_a_forge_that_is_not_there(office):
    office.box.stop()
    with pytest.raises(RetryLater, match="cannot fetch"):
        office.checkout()


def test_a_revoked_token(office):
    office.box.scene.revoke_token(office.token)
    with pytest.raises(BadCredential, match="token") as caught:
        office.checkout()
    assert office.token not in str(caught.value)


def test_no_right_to_push(office):
    head = office.delivered()
    office.box.scene.person("acme").invite(NAME, "bot", "read")
    with pytest.raises(NeedsPerson, match="write access"):
        office.push(head)


def test_a_repository_that_is_gone(office):
    head = office.delivered()
    office.box.scene.person("acme").delete_repo(NAME)
    with pytest.raises(Gone):
        office.push(head)


def test_a_repository_that_moved_is_not_followed_with_the_token(office):
    head = office.delivered()
    office.box.scene.person("acme").rename_repo(NAME, "store")
    with pytest.raises(RetryLater, match="301"):
        office.push(head)


def test_a_protected_branch_refuses(office):
    head = office.delivered()
    office.box.scene.protect(NAME, BRANCH)
    with pytest.raises(NeedsPerson, match="refused the push") as refused:
        office.push(head)
    said = str(refused.value)
    assert "GH006" in said, "the forge's own words"
    assert "To http" not in said, "and nothing else that git prints"


def test_somebody_else_was_faster(office):
    head = office.delivered()
    office.box.scene.person("alice").push(NAME, BRANCH, {"x": "hers"})
    with pytest.raises(ClaimLost):
        office.push(head)
