"""Git's smart HTTP: `git http-backend` as a CGI program behind the forge's tokens and permissions."""

from __future__ import annotations

import base64
import binascii
import gzip
import re
import subprocess
import zlib

from dispatcher.simulator.access import Caller, can_see, require_read, require_write
from dispatcher.simulator.exchange import Answer, Request
from dispatcher.simulator.git_store import BareGit, clean_environment
from dispatcher.simulator.model import Level, Repo
from dispatcher.simulator.pulls import synchronise
from dispatcher.simulator.refusals import Refused
from dispatcher.simulator.world import World

_PATH = re.compile(
    r"^/(?P<owner>[^/]+)/(?P<name>[^/]+?)(?:\.git)?/(?P<rest>info/refs|git-(?:upload|receive)-pack)$"
)
_ASK = {"WWW-Authenticate": 'Basic realm="GitHub"', "Content-Type": "text/plain; charset=utf-8"}


def is_git(path: str) -> bool:
    """Say whether a path belongs to git's protocol."""
    return _PATH.match(path) is not None


def secret_of(header: str) -> str | None:
    """Get the token from an Authorization header: Basic with the token as password (or as user), Bearer, token."""
    scheme, _, rest = header.partition(" ")
    if scheme.lower() in {"bearer", "token"}:
        return rest.strip()
    if scheme.lower() != "basic":
        return None
    try:
        user, _, password = base64.b64decode(rest).decode().partition(":")
    except (binascii.Error, ValueError):
        return ""
    return user if password in {"", "x-oauth-basic"} else password


def serve(world: World, git: BareGit, caller: Caller | None, request: Request) -> Answer:
    """Serve one request of a clone, fetch or push; after a push the pull requests follow."""
    match = _PATH.match(request.path)
    if match is None:
        return Answer(404, b"Not Found\n")
    pushing = "receive-pack" in (request.query.get("service", "") + match["rest"])
    with world.lock:
        repo = world.find_repo(f"{match['owner']}/{match['name']}")
        moved = world.find_moved_repo(f"{match['owner']}/{match['name']}") if repo is None else None
        if moved is not None:
            query = f"?{request.query_text}" if request.query_text else ""
            target = f"/{world.full_name(moved)}.git/{match['rest']}{query}"
            return Answer(301, b"", {"Location": target})
        refused = _refusal(world, caller, repo, pushing=pushing)
    if refused is not None or repo is None:
        return refused or Answer(404, b"Repository not found.\n")
    answer = _run_backend(git, repo, request, match["rest"], "" if caller is None else caller.account.login)
    if match["rest"] == "git-receive-pack" and caller is not None:
        with world.lock:
            git.forget_refs(repo.id)
            if repo.id in world.repos:
                synchronise(world, repo, caller.account)
    return answer


def _refusal(world: World, caller: Caller | None, repo: Repo | None, *, pushing: bool) -> Answer | None:
    if caller is None:
        anonymous = repo is not None and not repo.private and not pushing
        return None if anonymous else Answer(401, b"Authentication required.\n", dict(_ASK))
    if repo is None or not can_see(world, caller, repo):
        return Answer(404, b"Repository not found.\n", {"Content-Type": "text/plain; charset=utf-8"})
    try:
        if pushing:
            require_write(world, caller, repo, "contents", Level.WRITE)
        else:
            require_read(world, caller, repo, "contents")
    except Refused:
        text = f"Permission to {world.full_name(repo)}.git denied to {caller.account.login}.\n"
        return Answer(403, text.encode(), {"Content-Type": "text/plain; charset=utf-8"})
    return None


def _run_backend(git: BareGit, repo: Repo, request: Request, rest: str, login: str) -> Answer:
    try:
        body = (
            gzip.decompress(request.body)
            if request.headers.get("content-encoding") == "gzip"
            else request.body
        )
    except (OSError, zlib.error):
        return Answer(400, b"Bad gzip body.\n")
    path = git.path(repo.id)
    environment = clean_environment() | {
        "GIT_PROJECT_ROOT": str(path.parent),
        "GIT_HTTP_EXPORT_ALL": "1",
        "PATH_INFO": f"/{path.name}/{rest}",
        "REQUEST_METHOD": request.method,
        "QUERY_STRING": request.query_text,
        "CONTENT_TYPE": request.headers.get("content-type", ""),
        "CONTENT_LENGTH": str(len(body)),
        "GIT_PROTOCOL": request.headers.get("git-protocol", ""),
        "REMOTE_USER": login,
        "REMOTE_ADDR": "127.0.0.1",
    }
    done = subprocess.run(
        ["git", "http-backend"], env=environment, input=body, capture_output=True, check=False
    )
    head, gap, content = done.stdout.partition(b"\r\n\r\n")
    if not gap:
        return Answer(500, done.stderr or b"git http-backend gave no answer\n")
    fields = [line.partition(":") for line in head.decode("latin-1").split("\r\n")]
    headers = {name: value.strip() for name, _, value in fields}
    status = int(headers.pop("Status", "200").split()[0])
    return Answer(status, content, headers)
