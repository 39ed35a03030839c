"""Whether the bot could change a base branch by itself, asked of GitHub with the bot's own token."""

from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import quote

from dispatcher.core.errors import Gone, NeedsPerson
from dispatcher.core.guarding import BaseGuard, BaseRule, Bypass, judge_base
from dispatcher.core.model import Permission
from dispatcher.forge.client import Connection
from dispatcher.forge.wire import Node
from dispatcher.ports import Repo

_CLASSIC: Final = "the branch's protection"
_QUERY: Final = """\
query BaseGuard($owner: String!, $name: String!, $ref: String!) {
  repository(owner: $owner, name: $name) {
    ref(qualifiedName: $ref) { refUpdateRule { viewerCanPush requiredApprovingReviewCount } }
  }
}
"""


@dataclass(frozen=True, slots=True)
class Guards:
    """Reads what a token without administration can see: GraphQL's `refUpdateRule`, and the rulesets that apply."""

    connection: Connection

    def fetch(self, repo: Repo, branch: str) -> BaseGuard:
        """Two requests, and one per ruleset. Raises RetryLater, QuotaSpent, BadCredential."""
        if repo.permission is Permission.ADMIN or not repo.permission.allows_write:
            return judge_base(branch, repo.permission, ())
        rules = (*self._fetch_protection(repo, branch), *self._fetch_rulesets(repo.id, branch))
        return judge_base(branch, repo.permission, rules)

    def _fetch_protection(self, repo: Repo, branch: str) -> tuple[BaseRule, ...]:
        owner, _, name = repo.full_name.partition("/")
        variables = {"owner": owner, "name": name, "ref": f"refs/heads/{branch}"}
        answer = self.connection.query("BaseGuard", _QUERY, variables)
        if answer.errors:
            return (BaseRule(_CLASSIC, asks_pull=True, approvals=1, bypass=Bypass.UNKNOWN),)
        found = answer.data.child("repository")
        ref = found.child("ref") if found else None
        rule = ref.child("refUpdateRule") if ref else None
        if rule is None:
            return ()
        approvals = rule.number("requiredApprovingReviewCount", -1)
        return (
            BaseRule(
                _CLASSIC,
                asks_pull=approvals >= 0,
                approvals=max(approvals, 0),
                stops_all=not rule.flag("viewerCanPush"),
            ),
        )

    def _fetch_rulesets(self, repo_id: int, branch: str) -> tuple[BaseRule, ...]:
        path = f"/repositories/{repo_id}/rules/branches/{quote(branch, safe='/')}"
        try:
            nodes = self.connection.get(path, {"per_page": "100"}).nodes
        except Gone:  # a server that is too old to know rulesets
            return ()
        except NeedsPerson:
            return (BaseRule("the rulesets", asks_pull=True, approvals=1, bypass=Bypass.UNKNOWN),)
        bypasses: dict[int, Bypass] = {}
        rules = []
        for node in nodes:
            rule, ruleset = _parse_rule(node), node.number("ruleset_id", 0)
            if rule is None:
                continue
            if ruleset not in bypasses:
                bypasses[ruleset] = self._fetch_bypass(repo_id, ruleset)
            rules.append(replace(rule, bypass=bypasses[ruleset]))
        return tuple(rules)

    def _fetch_bypass(self, repo_id: int, ruleset: int) -> Bypass:
        try:
            node = self.connection.get(f"/repositories/{repo_id}/rulesets/{ruleset}").node
        except NeedsPerson:
            return Bypass.UNKNOWN
        said = node.text("current_user_can_bypass", "")
        if said == "exempt":
            return Bypass.ALWAYS
        return Bypass(said) if said in set(Bypass) else Bypass.UNKNOWN


def _parse_rule(node: Node) -> BaseRule | None:
    """Only what keeps a push or a merge from the bot: statuses it could write itself, and force pushes are no matter."""
    source = f"ruleset {node.number('ruleset_id', 0)} of {node.text('ruleset_source', '?')}"
    match node.text("type", ""):
        case "pull_request":
            parameters = node.child("parameters")
            approvals = parameters.number("required_approving_review_count", 0) if parameters else 0
            return BaseRule(source, asks_pull=True, approvals=approvals)
        case "update":
            return BaseRule(source, stops_all=True)
        case _:
            return None
