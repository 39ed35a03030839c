"""Who may see and do what: the person's level in the repository, narrowed by what their token allows."""

from __future__ import annotations

from dataclasses import dataclass

from dispatcher.simulator.model import Account, AccountKind, Issue, Level, Repo, Token, TokenKind
from dispatcher.simulator.refusals import Forbidden, NotFound
from dispatcher.simulator.world import World


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody at the door; without a token it is the person in the browser, who may do all that the account may."""

    account: Account
    token: Token | None = None

    @property
    def kind(self) -> TokenKind | None:
        """Say which kind of token was shown."""
        return None if self.token is None else self.token.kind


def level_of(world: World, account: Account, repo: Repo) -> Level:
    """Work out a person's level: ownership, organization, teams, direct invitation, or a public repository's READ."""
    if account.id == repo.owner_id or account.site_admin:
        return Level.ADMIN
    owner = world.accounts[repo.owner_id]
    levels = [repo.collaborators.get(account.id, Level.NONE), Level.NONE if repo.private else Level.READ]
    if account.id in owner.member_ids:
        levels.append(Level.READ)
    levels += [
        level
        for slug, level in repo.team_levels.items()
        if slug in owner.teams and account.id in owner.teams[slug].member_ids
    ]
    return max(levels)


def _token_reaches(token: Token, repo: Repo) -> bool:
    if token.kind is TokenKind.CLASSIC:
        return not repo.private or "repo" in token.scopes
    return not repo.private or token.repo_ids is None or repo.id in token.repo_ids


def can_see(world: World, caller: Caller, repo: Repo) -> bool:
    """Say whether the repository exists at all for this caller."""
    if level_of(world, caller.account, repo) < Level.READ:
        return False
    return caller.token is None or _token_reaches(caller.token, repo)


def _token_writes(token: Token, repo: Repo, area: str) -> bool:
    if token.kind is TokenKind.CLASSIC:
        return "repo" in token.scopes or (not repo.private and "public_repo" in token.scopes)
    if token.repo_ids is not None and repo.id not in token.repo_ids:
        return False
    return token.permissions.get(area) == "write"


def may(world: World, caller: Caller, repo: Repo, area: str, level: Level) -> bool:
    """Say whether the caller may write in an area (`issues`, `contents`...), which the account may from `level` on."""
    if level_of(world, caller.account, repo) < level:
        return False
    return caller.token is None or _token_writes(caller.token, repo, area)


def require_read(world: World, caller: Caller, repo: Repo, area: str = "metadata") -> None:
    """Raise NotFound for what the caller cannot see, Forbidden for what a narrow token leaves out."""
    if not can_see(world, caller, repo):
        raise NotFound
    token = caller.token
    narrow = token is not None and token.kind is not TokenKind.CLASSIC and repo.private and area != "metadata"
    if narrow and token is not None and area not in token.permissions:
        raise Forbidden


def require_write(world: World, caller: Caller, repo: Repo, area: str, level: Level) -> None:
    """Raise NotFound or Forbidden unless the caller may write here.

    A classic token without the scope gets 404, a fine-grained one without the permission 403, as on GitHub.
    """
    if not can_see(world, caller, repo):
        raise NotFound
    token = caller.token
    if token is not None and not _token_writes(token, repo, area):
        raise NotFound if token.kind is TokenKind.CLASSIC else Forbidden
    if level_of(world, caller.account, repo) < level:
        raise Forbidden(
            "Must have admin rights to Repository." if level >= Level.ADMIN else "Must have write access."
        )
    if repo.archived:
        raise Forbidden("Repository was archived so is read-only.")


def area_of(issue: Issue) -> str:
    """Name the fine-grained permission that covers this thread."""
    return "issues" if issue.pull is None else "pull_requests"


def assignable(world: World, repo: Repo, account: Account) -> bool:
    """Say whether GitHub lets this account be assigned: people with a place in the repository, never Apps."""
    if account.kind is not AccountKind.USER:
        return False
    owner = world.accounts[repo.owner_id]
    member = account.id == repo.owner_id or account.id in owner.member_ids or account.id in repo.collaborators
    return member or (repo.private is False and level_of(world, account, repo) >= Level.TRIAGE)


def association(world: World, repo: Repo, account_id: int) -> str:
    """Render `author_association` for what a person wrote in this repository."""
    if account_id == repo.owner_id:
        return "OWNER"
    if account_id in world.accounts[repo.owner_id].member_ids:
        return "MEMBER"
    if account_id in repo.collaborators:
        return "COLLABORATOR"
    return "CONTRIBUTOR" if account_id in repo.contributor_ids else "NONE"
