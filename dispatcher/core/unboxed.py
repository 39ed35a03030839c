"""Who runs without a sandbox, in words for people."""

from collections.abc import Iterable, Iterator
from typing import Final

from dispatcher.core.rules import RepoRules, SandboxKind

ROLES: Final = ("worker", "reviewer", "responder")


def kind_for(rules: RepoRules, role: str) -> SandboxKind:
    """The sandbox that this role's runs are to get."""
    return rules.sandbox.for_role(role).kind


def is_unboxed(rules: RepoRules, *, has_sandbox: bool) -> bool:
    """Whether anything of this repository, its check among it, runs with the dispatcher's own rights."""
    return bool(_named(rules, has_sandbox=has_sandbox))


def warn_of_sandboxes(repos: Iterable[RepoRules], *, has_sandbox: bool) -> Iterator[str]:
    """One sentence for every repository of which something runs without a sandbox."""
    for rules in repos:
        if names := _named(rules, has_sandbox=has_sandbox):
            yield f"{rules.full_name}: {', '.join(names)} run without a sandbox, with all rights of the dispatcher's user"


def _named(rules: RepoRules, *, has_sandbox: bool) -> list[str]:
    bare = {SandboxKind.NONE} if has_sandbox else {SandboxKind.NONE, SandboxKind.AUTO}
    named = [role for role in ROLES if kind_for(rules, role) in bare]
    return [*named, "check"] if rules.sandbox.kind in bare else named
