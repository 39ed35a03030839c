"""Small values that everything else leans on: errors, settings, names."""

import pytest

from dispatcher.core.errors import BadConfig, NeedsPerson, QuotaSpent, RetryLater
from dispatcher.core.naming import issue_of_branch
from dispatcher.core.rules import LabelNames, RepoRules
from tests.core.situations import NOW


def test_an_error_that_passes_knows_when_to_try_again():
    assert RetryLater("the forge is slow").until is None
    assert QuotaSpent("no requests left", NOW).until == NOW


def test_an_error_for_a_person_ends_with_the_cure():
    error = BadConfig("config.toml: poll_s = 0, but it must be 1 or more.", "Set poll_s = 15.")
    assert isinstance(error, NeedsPerson)
    assert str(error) == "config.toml: poll_s = 0, but it must be 1 or more. Set poll_s = 15."
    assert str(NeedsPerson("the disk is full")) == "the disk is full"


def test_every_label_that_we_write_is_known():
    names = LabelNames(turn="robot")
    assert names.stage_labels == {"needs-review", "needs-rework", "merge-ready"}
    assert names.ours == names.stage_labels | {"robot", "needs-human"}


def test_a_repository_knows_its_name_and_its_agents():
    rules = RepoRules("shop", "acme", "shop", agents=(("worker", ("claude", "codex")),))
    assert rules.full_name == "acme/shop"
    assert rules.agents_for("worker") == ("claude", "codex")
    assert rules.agents_for("reviewer") == ()


@pytest.mark.parametrize(
    ("branch", "issue"), [("bot/7-fix-it", 7), ("main", None), ("robot/7-x", None), ("bot/x-7", None)]
)
def test_a_branch_of_ours_names_its_issue(branch, issue):
    assert issue_of_branch(branch) == issue
