"""What git says about a push, line by line, and what is made of it."""

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest

from dispatcher.core.errors import DispatcherError, NeedsPerson
from dispatcher.workspace.publish import fetch_head, push

STORE = SimpleNamespace(
    ensure=lambda _head: Path("staging"), url="https://forge.invalid/acme/shop.git", mirror=Path("mirror")
)


@dataclass
class Says:
    """A git that fails, and what it prints."""

    out: str = ""
    err: str = ""
    code: int = 1

    def network(self, *_: object) -> SimpleNamespace:
        return SimpleNamespace(code=self.code, out=self.out.encode(), err=self.err.encode())

    def said(self, _done: object) -> str:
        return self.err


def test_a_refusal_of_the_forge_is_told_in_its_own_words_and_no_others():
    git = Says(
        "To https://forge.invalid/acme/shop.git\n!\tabc:refs/heads/bot/1\t[remote rejected] (push declined)\nDone\n",
        "Enumerating objects: 5\nremote: error: GH006: Protected branch\nremote: update failed\nerror: failed to push\n",
    )
    with pytest.raises(NeedsPerson) as told:
        push(git, STORE, "bot/1", "a" * 40, "")
    assert "[remote rejected] (push declined) error: GH006: Protected branch update failed" in str(told.value)
    assert "Enumerating" not in str(told.value)


def test_a_forge_that_cannot_be_asked_is_no_branch_that_is_not_there():
    assert fetch_head(Says(f"{'a' * 40}\trefs/heads/bot/1\n", code=0), STORE, "bot/1") == "a" * 40
    assert fetch_head(Says(code=0), STORE, "bot/1") == ""
    with pytest.raises(DispatcherError):
        fetch_head(Says(err="fatal: unable to access: Could not resolve host", code=128), STORE, "bot/1")
