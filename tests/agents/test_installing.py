"""How the real programs get into the clone, and what is said of one that does not."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from secrets import token_hex

import pytest

from tests.agents.lab import INSTALLED, PROGRAMS, Program
from tools.test_agents import install


@pytest.fixture
def absent() -> Iterator[Program]:
    """A program whose package is nowhere."""
    program = replace(PROGRAMS["claude"], kind=f"absent-{token_hex(4)}", packages=("./no-such-package",))
    yield program
    shutil.rmtree(INSTALLED / program.kind, ignore_errors=True)


def is_there(program: Program, packages: str) -> None:
    """As an installation of these packages leaves it."""
    program.path.parent.mkdir(parents=True)
    program.path.touch()
    (INSTALLED / program.kind / "packages.txt").write_text(packages)


def test_a_program_that_cannot_be_installed_is_told_with_the_reason(absent: Program) -> None:
    assert install(absent)
    assert not absent.path.exists()


def test_what_is_there_at_the_pinned_version_is_not_installed_again(absent: Program) -> None:
    is_there(absent, "./no-such-package")
    assert install(absent) == ""


def test_another_version_than_the_pinned_one_is_replaced(absent: Program) -> None:
    is_there(absent, "./an-older-package")
    assert install(absent), "it is tried, and there is no such package"


def test_every_program_is_pinned_to_one_version() -> None:
    for program in PROGRAMS.values():
        sign = "@" if program.source == "npm" else "=="
        assert all(sign in package[1:] for package in program.packages), program.kind
