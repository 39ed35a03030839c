"""REST: repositories and the people with access to them."""

from __future__ import annotations

from dispatcher.simulator import repos
from dispatcher.simulator.access import level_of, require_read, require_write
from dispatcher.simulator.exchange import Answer, Json
from dispatcher.simulator.model import Account, AccountKind, Level
from dispatcher.simulator.refusals import Forbidden, NotFound
from dispatcher.simulator.rest_call import Call

_LEGACY = {Level.TRIAGE: "read", Level.MAINTAIN: "write"}


def get_repo(call: Call) -> Answer:
    """GET the repository."""
    return Answer(200, call.show.full_repo(call.repo))


def delete_repo(call: Call) -> Answer:
    """DELETE the repository: administrators only."""
    require_write(call.world, call.caller, call.repo, "administration", Level.ADMIN)
    call.world.remove_repo(call.repo)
    return Answer(204)


def create_fork(call: Call) -> Answer:
    """POST forks."""
    copy = repos.fork(call.world, call.caller.account, call.repo)
    return Answer(202, call.show.full_repo(copy))


# -- people ------------------------------------------------------------------------------------------------------


def _permissions(level: Level) -> Json:
    names = {"pull": Level.READ, "triage": Level.TRIAGE, "push": Level.WRITE, "maintain": Level.MAINTAIN}
    return {name: level >= floor for name, floor in names.items()} | {"admin": level >= Level.ADMIN}


def get_permission(call: Call) -> Answer:
    """GET collaborators/{user}/permission: the legacy word, and the true role as `role_name`."""
    require_read(call.world, call.caller, call.repo)
    if level_of(call.world, call.caller.account, call.repo) < Level.WRITE:
        raise Forbidden("Must have push access to view collaborator permission.")
    account = call.world.account(call.args["login"])
    level = level_of(call.world, account, call.repo)
    shown: Json = {
        "permission": _LEGACY.get(level, level.word),
        "role_name": level.word,
        "user": _collaborator(call, account),
    }
    return Answer(200, shown)


def _collaborator(call: Call, account: Account) -> Json:
    level = level_of(call.world, account, call.repo)
    return call.show.user(account) | {"permissions": _permissions(level), "role_name": level.word}


def people_of(call: Call) -> list[Account]:
    """List the accounts with a place in the repository."""
    owner = call.world.accounts[call.repo.owner_id]
    ids = {*call.repo.collaborators, *owner.member_ids}
    ids |= {owner.id} if owner.kind is AccountKind.USER else set()
    ids |= {i for slug in call.repo.team_levels if slug in owner.teams for i in owner.teams[slug].member_ids}
    return [call.world.accounts[account_id] for account_id in sorted(ids)]


def list_collaborators(call: Call) -> Answer:
    """GET collaborators: needs push access."""
    if level_of(call.world, call.caller.account, call.repo) < Level.WRITE:
        raise Forbidden("Must have push access to view repository collaborators.")
    return call.page(people_of(call), lambda account: _collaborator(call, account))


def check_collaborator(call: Call) -> Answer:
    """GET collaborators/{user}: 204 or 404."""
    if call.world.account(call.args["login"]) not in people_of(call):
        raise NotFound
    return Answer(204)
