"""Who runs without a sandbox."""

from dispatcher.core.rules import (
    NetworkAccess,
    RepoRules,
    RoleSandbox,
    SandboxKind,
    SandboxRules,
)
from dispatcher.core.unboxed import is_unboxed, warn_of_sandboxes

AUTO = RepoRules("shop", "acme", "shop")
BARE_REVIEWER = RepoRules(
    "shop", "acme", "shop", sandbox=SandboxRules(roles=(("reviewer", RoleSandbox(SandboxKind.NONE)),))
)
NONE = RepoRules("shop", "acme", "shop", sandbox=SandboxRules(SandboxKind.NONE))
CONTAINER = RepoRules("shop", "acme", "shop", sandbox=SandboxRules(SandboxKind.CONTAINER))


def warnings(rules: RepoRules, *, has_sandbox: bool) -> list[str]:
    return list(warn_of_sandboxes([rules], has_sandbox=has_sandbox))


def test_where_a_sandbox_works_auto_is_one():
    assert warnings(AUTO, has_sandbox=True) == []
    assert not is_unboxed(AUTO, has_sandbox=True)


def test_where_none_works_auto_is_none_and_everybody_is_named():
    [words] = warnings(AUTO, has_sandbox=False)
    assert words.startswith("acme/shop: worker, reviewer, responder, check run without a sandbox")
    assert is_unboxed(AUTO, has_sandbox=False)


def test_none_is_named_wherever_it_is_set():
    assert warnings(NONE, has_sandbox=True) == warnings(AUTO, has_sandbox=False)
    [words] = warnings(BARE_REVIEWER, has_sandbox=True)
    assert words.startswith("acme/shop: reviewer run without")


def test_a_container_needs_no_bubblewrap():
    assert warnings(CONTAINER, has_sandbox=False) == []


def test_a_role_differs_in_what_is_set_for_it_alone():
    rules = SandboxRules(
        SandboxKind.BWRAP,
        NetworkAccess.ON,
        roles=(("reviewer", RoleSandbox(network=NetworkAccess.OFF)),),
    )
    reviewer, worker = rules.for_role("reviewer"), rules.for_role("worker")
    assert (reviewer.kind, reviewer.network) == (SandboxKind.BWRAP, NetworkAccess.OFF)
    assert (worker.kind, worker.network) == (SandboxKind.BWRAP, NetworkAccess.ON)
    assert rules.for_check().network is NetworkAccess.OFF
