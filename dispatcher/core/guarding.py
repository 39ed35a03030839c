"""What keeps the bot from changing the base by itself: the rules of the branch, as far as the bot's token can see them."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from dispatcher.core.model import Permission


class Bypass(StrEnum):
    """For whom a rule does not hold; `UNKNOWN`: this token cannot see it."""

    NEVER = "never"
    PULLS = "pull_requests_only"
    ALWAYS = "always"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class BaseRule:
    """One rule. `asks_pull`: no direct push; `approvals`: how many people must approve; `stops_all`: the bot may not update."""

    source: str
    asks_pull: bool = False
    approvals: int = 0
    stops_all: bool = False
    bypass: Bypass = Bypass.NEVER


@dataclass(frozen=True, slots=True)
class BaseGuard:
    """Whether the bot could push to a branch or merge into it alone; None: that cannot be seen. `why` says what it rests on."""

    branch: str
    can_push: bool | None
    can_merge: bool | None
    why: str

    @property
    def holds(self) -> bool:
        """Whether it is certain that a person has to act before anything lands."""
        return self.can_push is False and self.can_merge is False


def judge_base(branch: str, permission: Permission, rules: Iterable[BaseRule]) -> BaseGuard:
    """Put the rules together. An administrator can lift every rule, so none of them counts."""
    if permission is Permission.ADMIN:
        return BaseGuard(
            branch,
            can_push=True,
            can_merge=True,
            why="the bot is an administrator there and can lift every rule",
        )
    if not permission.allows_write:
        return BaseGuard(branch, can_push=False, can_merge=False, why="the bot may not write there")
    known = tuple(rules)
    pushes = [rule for rule in known if rule.asks_pull or rule.stops_all]
    merges = [rule for rule in known if rule.approvals or rule.stops_all]
    can_push = _is_free([rule.bypass for rule in pushes], frozenset({Bypass.NEVER, Bypass.PULLS}))
    can_merge = _is_free([rule.bypass for rule in merges], frozenset({Bypass.NEVER}))
    return BaseGuard(branch, can_push, can_merge, _why(known, can_push, can_merge))


def _is_free(bypasses: list[Bypass], binding: frozenset[Bypass]) -> bool | None:
    """False when one of the rules binds the bot for certain, None when one might."""
    if any(bypass in binding for bypass in bypasses):
        return False
    return None if Bypass.UNKNOWN in bypasses else True


def _why(rules: tuple[BaseRule, ...], can_push: bool | None, can_merge: bool | None) -> str:  # noqa: FBT001 - two verdicts
    if not rules:
        return "the branch has no rule that holds for the bot"
    sources = ", ".join(dict.fromkeys(rule.source for rule in rules))
    if can_push is False and can_merge is False:
        return f"kept by {sources}"
    if any(rule.bypass in {Bypass.ALWAYS, Bypass.PULLS} for rule in rules):
        return f"{sources}: the bot may bypass it"
    if any(rule.bypass is Bypass.UNKNOWN for rule in rules):
        return f"{sources}: this token cannot see all of it"
    return (
        f"{sources}: no approval is required"
        if can_push is False
        else f"{sources}: direct pushes are allowed"
    )


def describe_guard(guard: BaseGuard) -> str:
    """What the bot could do, in one sentence."""
    if guard.holds:
        return f"the bot can neither push to `{guard.branch}` nor merge by itself ({guard.why})"
    could = [
        word
        for word, able in (("push to it", guard.can_push), ("merge by itself", guard.can_merge))
        if able is True
    ]
    if could:
        return f"the bot could {' and '.join(could)}: `{guard.branch}`, {guard.why}"
    return f"whether the bot could push to `{guard.branch}` or merge by itself cannot be seen: {guard.why}"


def cure_guard(guard: BaseGuard, repo_url: str) -> str:
    """What to do about it."""
    if guard.holds:
        return ""
    rule = (
        f"Add a rule for `{guard.branch}` that requires a pull request with one approval, without an exception for the bot: "
        f"{repo_url}/settings/rules/new?target=branch"
    )
    if "administrator" in guard.why:
        return f"Give the bot's account the role Write: {repo_url}/settings/access. {rule}"
    return rule
