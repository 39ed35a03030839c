"""The bot account and what its token can do: identity, scopes, how new work is found, which repositories are usable."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from dispatcher.core.errors import BadCredential, NeedsPerson
from dispatcher.core.model import Person
from dispatcher.core.rules import RepoRules
from dispatcher.forge import graphql
from dispatcher.forge.client import Answer, Connection
from dispatcher.forge.known import Memory
from dispatcher.forge.refusals import explain_graphql
from dispatcher.forge.wire import Node, parse_permission, parse_rest_person
from dispatcher.ports import Intake, Repo, RepoTrouble

_REPOS_PER_REQUEST = 50
_SEARCH_WHY = "this token cannot read notifications ({reason}), so every owner is searched once a minute"
_LISTS_WHY = "a classic token: notifications wake, one list of labelled items decides"


@dataclass(slots=True)
class Account:
    """Answers about the credential are asked for once and kept."""

    connection: Connection
    memory: Memory
    expected_login: str | None = None
    _user: Answer | None = None
    _intake: Intake | None = field(default=None)

    def fetch_identity(self) -> Person:
        """Who the token belongs to. Raises BadCredential when that is not the account of the configuration."""
        answer = self._fetch_user()
        person = parse_rest_person(answer.node)
        self.memory.keep_user(person.login, answer.node.text("node_id"))
        expected = self.expected_login
        if expected and expected.lower() != person.login.lower():
            raise BadCredential(
                f"the token belongs to {person.login}, but the configuration says that the bot is {expected}.",
                "Correct the one or the other.",
            )
        return person

    @property
    def scopes(self) -> tuple[str, ...] | None:
        """The classic token's scopes, or None for a token that has none (known after `fetch_identity`)."""
        header = self._user.headers.get("x-oauth-scopes") if self._user else None
        return None if header is None else tuple(s.strip() for s in header.split(",") if s.strip())

    def choose_intake(self) -> Intake:
        """How new work is found with this token. Raises BadCredential that names the scope that is missing."""
        if self._intake is None:
            self._fetch_user()
            self._intake = self._choose()
        return self._intake

    def _choose(self) -> Intake:
        if self.connection.token.reveal().startswith("github_pat_"):
            return Intake("search", _SEARCH_WHY.format(reason="it is a fine-grained one"))
        if self.scopes is not None:
            _check_scopes(frozenset(self.scopes))
            return Intake("lists", _LISTS_WHY)
        try:
            self.connection.get("/notifications", {"participating": "true", "per_page": "1"})
        except NeedsPerson:
            return Intake("search", _SEARCH_WHY.format(reason="GitHub refused it"))
        return Intake("lists", "GitHub lets this token read notifications")

    def _fetch_user(self) -> Answer:
        if self._user is None:
            try:
                self._user = self.connection.get("/user")
            except NeedsPerson as error:
                if "not accessible by" not in str(error):
                    raise
                raise BadCredential(
                    "this token belongs to an App, not to an account.",
                    "Use a token of the bot account: an App cannot be assigned.",
                ) from None
        return self._user

    def fetch_repos(self, rules: Sequence[RepoRules]) -> tuple[tuple[Repo, ...], tuple[RepoTrouble, ...]]:
        """Look repositories up, fifty per request; what cannot be used comes back as a trouble."""
        repos: dict[int, Repo] = {}
        troubles: list[RepoTrouble] = []
        for start in range(0, len(rules), _REPOS_PER_REQUEST):
            chunk = rules[start : start + _REPOS_PER_REQUEST]
            for rule, node in zip(chunk, self._fetch_chunk(chunk), strict=True):
                found = _judge_repo(rule, node)
                if isinstance(found, Repo) and found.id in repos:
                    first = repos[found.id].rules.full_name
                    found = RepoTrouble(
                        rule.full_name, f"is the same repository as {first}; take one of them out"
                    )
                if isinstance(found, RepoTrouble):
                    troubles.append(found)
                    continue
                repos[found.id] = found
                self.memory.keep_repo(found.id, found.full_name)
                self.memory.label_names[found.id] = tuple(sorted(rule.labels.ours))
        return tuple(repos.values()), tuple(troubles)

    def _fetch_chunk(self, rules: Sequence[RepoRules]) -> list[Node | None]:
        variables: dict[str, object] = {}
        for i, rule in enumerate(rules):
            variables |= {f"owner{i}": rule.owner, f"name{i}": rule.name}
        answer = self.connection.query("Repos", graphql.repos_query(len(rules)), variables)
        for error in answer.errors:
            if error.kind not in {"NOT_FOUND", "FORBIDDEN"}:
                raise explain_graphql(error.kind, error.message, "Repos")
        return [answer.data.child(f"repo{i}") for i in range(len(rules))]


def _judge_repo(rules: RepoRules, node: Node | None) -> Repo | RepoTrouble:
    name = rules.full_name
    if node is None:
        return RepoTrouble(name, "GitHub does not show it to this token: misspelt, deleted, or no access")
    if node.flag("isArchived"):
        return RepoTrouble(name, "it is archived; unarchive it or take it out of the configuration")
    permission = parse_permission(node.text("viewerPermission", "none"))
    if not permission.allows_write:
        return RepoTrouble(name, f"the bot account may only {permission} there; give it write access")
    branch = node.child("defaultBranchRef")
    if branch is None:
        return RepoTrouble(name, "it has no commit yet; push a first one")
    return Repo(
        id=node.number("databaseId"),
        full_name=node.text("nameWithOwner"),
        default_branch=branch.text("name"),
        rules=rules,
        permission=permission,
        clone_url=node.text("url") + ".git",
    )


def _check_scopes(scopes: frozenset[str]) -> None:
    wanted = []
    if not scopes & {"repo", "public_repo"}:
        wanted.append("`repo` (or `public_repo` if all repositories are public)")
    elif not scopes & {"repo", "notifications"}:
        wanted.append("`notifications`")
    if wanted:
        raise BadCredential(
            f"the token lacks the scope {wanted[0]}; it has {', '.join(sorted(scopes)) or 'none'}.",
            "Add it in the token's settings at GitHub (Settings, Developer settings, Tokens (classic)).",
        )
