"""Whether the bot could change the base by itself: every rule that a token can see, and every way around it."""

import pytest

from dispatcher.core.guarding import BaseRule, Bypass, cure_guard, describe_guard, judge_base
from dispatcher.core.model import Permission

PULL = BaseRule("ruleset 1", asks_pull=True)
APPROVED = BaseRule("ruleset 1", asks_pull=True, approvals=1)
LOCKED = BaseRule("ruleset 2", stops_all=True)


def but(rule, bypass):
    return BaseRule(rule.source, rule.asks_pull, rule.approvals, rule.stops_all, bypass)


@pytest.mark.parametrize(
    ("permission", "rules", "can_push", "can_merge"),
    [
        (Permission.WRITE, (), True, True),
        (Permission.READ, (), False, False),
        (Permission.MAINTAIN, (APPROVED,), False, False),
        (Permission.WRITE, (PULL,), False, True),
        (Permission.WRITE, (LOCKED,), False, False),
        (Permission.WRITE, (BaseRule("x"),), True, True),
        (Permission.ADMIN, (APPROVED, LOCKED), True, True),
        (Permission.WRITE, (but(APPROVED, Bypass.ALWAYS),), True, True),
        (Permission.WRITE, (but(APPROVED, Bypass.PULLS),), False, True),
        (Permission.WRITE, (but(APPROVED, Bypass.UNKNOWN),), None, None),
        (Permission.WRITE, (but(APPROVED, Bypass.UNKNOWN), LOCKED), False, False),
        (Permission.WRITE, (but(APPROVED, Bypass.UNKNOWN), PULL), False, None),
    ],
)
def test_what_the_bot_could_do(permission, rules, can_push, can_merge):
    guard = judge_base("main", permission, rules)
    assert (guard.can_push, guard.can_merge) == (can_push, can_merge)
    assert guard.holds is (can_push is False and can_merge is False)
    assert "`main`" in describe_guard(guard)
    assert bool(cure_guard(guard, "https://forge/acme/shop")) is not guard.holds


@pytest.mark.parametrize(
    ("permission", "rules", "words"),
    [
        (Permission.WRITE, (), "could push to it and merge by itself: `main`, the branch has no rule"),
        (Permission.WRITE, (PULL,), "could merge by itself: `main`, ruleset 1: no approval is required"),
        (
            Permission.WRITE,
            (BaseRule("x"),),
            "could push to it and merge by itself: `main`, x: direct pushes are allowed",
        ),
        (Permission.WRITE, (but(APPROVED, Bypass.ALWAYS),), "ruleset 1: the bot may bypass it"),
        (
            Permission.WRITE,
            (but(APPROVED, Bypass.UNKNOWN),),
            "cannot be seen: ruleset 1: this token cannot see all of it",
        ),
        (Permission.WRITE, (APPROVED,), "can neither push to `main` nor merge by itself (kept by ruleset 1)"),
        (Permission.ADMIN, (), "an administrator there and can lift every rule"),
    ],
)
def test_it_is_said_plainly(permission, rules, words):
    assert words in describe_guard(judge_base("main", permission, rules))


def test_the_cure_names_the_page():
    guard = judge_base("main", Permission.ADMIN, ())
    assert "https://forge/acme/shop/settings/access" in cure_guard(guard, "https://forge/acme/shop")
    guard = judge_base("main", Permission.WRITE, ())
    assert "https://forge/acme/shop/settings/rules/new?target=branch" in cure_guard(
        guard, "https://forge/acme/shop"
    )
