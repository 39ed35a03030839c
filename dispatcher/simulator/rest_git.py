"""REST: branches, refs, commits, comparisons and contents."""

from __future__ import annotations

import base64
import hashlib
import re

from dispatcher.simulator import pulls, repos
from dispatcher.simulator.access import require_read, require_write
from dispatcher.simulator.exchange import Answer, Json
from dispatcher.simulator.git_port import Entry, Writing
from dispatcher.simulator.model import Level, Protection
from dispatcher.simulator.refusals import Conflict, Invalid, NotFound
from dispatcher.simulator.render_pulls import (
    commit_json,
    file_json,
)
from dispatcher.simulator.rest_call import Call

_REF = re.compile(r"refs/(?:heads|tags)/(?!.*(?:\.\.|//|@\{|/\.|\.lock$|[/.]$))[^\s~^:?*\[\\\x7f]+")


def commit_sha(call: Call, area: str = "contents") -> str:
    """Find the commit that the path's `ref` names; raises Invalid when there is none."""
    require_read(call.world, call.caller, call.repo, area)
    sha = call.world.git.resolve(call.repo.id, call.args["ref"])
    if sha is None:
        raise Invalid(f"No commit found for SHA: {call.args['ref']}")
    return sha


def _branch_sha(call: Call) -> str:
    require_read(call.world, call.caller, call.repo, "contents")
    sha = call.world.git.refs(call.repo.id).get(f"refs/heads/{call.args['branch']}")
    if sha is None:
        raise NotFound("Branch not found")
    return sha


def _branch_json(call: Call, name: str, sha: str) -> Json:
    url = call.show.repo_url(call.repo)
    return {
        "name": name,
        "commit": {"sha": sha, "url": f"{url}/commits/{sha}"},
        "protected": name in call.repo.protections,
        "protection": {"enabled": name in call.repo.protections},
        "protection_url": f"{url}/branches/{name}/protection",
    }


def list_branches(call: Call) -> Answer:
    """GET branches."""
    require_read(call.world, call.caller, call.repo, "contents")
    refs = call.world.git.refs(call.repo.id)
    found = sorted(ref.removeprefix("refs/heads/") for ref in refs if ref.startswith("refs/heads/"))
    return call.page(found, lambda name: _branch_json(call, name, refs[f"refs/heads/{name}"]))


def get_branch(call: Call) -> Answer:
    """GET branches/{b}."""
    sha, name = _branch_sha(call), call.args["branch"]
    url = f"{call.show.repo_url(call.repo)}/branches/{name}"
    facts = commit_json(call.show, call.repo, call.world.git.commit(call.repo.id, sha))
    links = {"self": url, "html": f"{call.show.repo_page(call.repo)}/tree/{name}"}
    return Answer(200, _branch_json(call, name, sha) | {"commit": facts, "_links": links})


def get_protection(call: Call) -> Answer:
    """GET branches/{b}/protection: administrators only."""
    _branch_sha(call)
    require_write(call.world, call.caller, call.repo, "administration", Level.ADMIN)
    rules = call.repo.protections.get(call.args["branch"])
    if rules is None:
        raise NotFound("Branch not protected")
    url = f"{call.show.repo_url(call.repo)}/branches/{call.args['branch']}/protection"
    shown: Json = {
        "url": url,
        "enforce_admins": {"url": f"{url}/enforce_admins", "enabled": rules.enforce_admins},
    }
    if rules.required_contexts:
        shown["required_status_checks"] = {
            "url": f"{url}/required_status_checks",
            "strict": rules.strict,
            "contexts": list(rules.required_contexts),
            "contexts_url": f"{url}/required_status_checks/contexts",
            "checks": [{"context": context, "app_id": None} for context in rules.required_contexts],
        }
    if rules.required_approvals:
        shown["required_pull_request_reviews"] = {
            "url": f"{url}/required_pull_request_reviews",
            "dismiss_stale_reviews": False,
            "require_code_owner_reviews": False,
            "required_approving_review_count": rules.required_approvals,
            "require_last_push_approval": False,
        }
    return Answer(200, shown)


def list_rules(call: Call) -> Answer:
    """GET rules/branches/{b}: what anybody may read of the rulesets; a branch's protection is not among them."""
    require_read(call.world, call.caller, call.repo)
    rules = call.repo.protections.get(call.args["branch"], Protection())
    found: list[Json] = []
    if not rules.is_ruleset:
        return call.page(found, lambda rule: rule)
    if rules.requires_pull:
        review = {
            "required_approving_review_count": rules.required_approvals,
            "dismiss_stale_reviews_on_push": False,
            "require_code_owner_review": False,
            "require_last_push_approval": False,
            "required_review_thread_resolution": False,
        }
        found.append({"type": "pull_request", "parameters": review})
    if rules.required_contexts:
        contexts = [{"context": context} for context in rules.required_contexts]
        checks = {"strict_required_status_checks_policy": rules.strict, "required_status_checks": contexts}
        found.append({"type": "required_status_checks", "parameters": checks})
    if rules.writers is not None:
        found.append({"type": "update"})
    source = {
        "ruleset_source_type": "Repository",
        "ruleset_source": call.world.full_name(call.repo),
        "ruleset_id": _ruleset_id(call, call.args["branch"]),
    }
    return call.page(found, lambda rule: rule | source)


def _ruleset_id(call: Call, branch: str) -> int:
    return sorted(call.repo.protections).index(branch) + 1


def get_ruleset(call: Call) -> Answer:
    """GET rulesets/{id}: with what the caller may bypass; the list of all who may is for administrators."""
    require_read(call.world, call.caller, call.repo)
    number = int(call.args["ruleset_id"])
    branches = [name for name, rules in sorted(call.repo.protections.items()) if rules.is_ruleset]
    branch = next((name for name in branches if _ruleset_id(call, name) == number), None)
    if branch is None:
        raise NotFound
    rules = call.repo.protections[branch]
    shown: Json = {
        "id": number,
        "name": f"rules of {branch}",
        "target": "branch",
        "source_type": "Repository",
        "source": call.world.full_name(call.repo),
        "enforcement": "active",
        "conditions": {"ref_name": {"include": [f"refs/heads/{branch}"], "exclude": []}},
        "current_user_can_bypass": rules.bypass.get(call.caller.account.id, "never"),
    }
    return Answer(200, shown)


def _ref_json(call: Call, ref: str, sha: str) -> Json:
    url = f"{call.show.repo_url(call.repo)}/git"
    return {
        "ref": ref,
        "node_id": f"REF_{call.repo.id}_{ref}",
        "url": f"{url}/{ref}",
        "object": {"sha": sha, "type": "commit", "url": f"{url}/commits/{sha}"},
    }


def get_ref(call: Call) -> Answer:
    """GET git/ref/{ref} (`heads/main`)."""
    require_read(call.world, call.caller, call.repo, "contents")
    ref = "refs/" + call.args["ref"]
    sha = call.world.git.refs(call.repo.id).get(ref)
    if sha is None:
        raise NotFound
    return Answer(200, _ref_json(call, ref, sha))


def list_matching_refs(call: Call) -> Answer:
    """GET git/matching-refs/{ref}: every ref that starts so."""
    require_read(call.world, call.caller, call.repo, "contents")
    start = "refs/" + call.args["ref"]
    found = [(ref, sha) for ref, sha in call.world.git.refs(call.repo.id).items() if ref.startswith(start)]
    return call.page(found, lambda pair: _ref_json(call, *pair))


def create_ref(call: Call) -> Answer:
    """POST git/refs."""
    require_write(call.world, call.caller, call.repo, "contents", Level.WRITE)
    ref, sha = call.text("ref"), call.text("sha")
    if not _REF.fullmatch(ref):
        raise Invalid("Reference name is not valid")
    if ref in call.world.git.refs(call.repo.id):
        raise Invalid("Reference already exists")
    if len(sha) != 40 or call.world.git.resolve(call.repo.id, sha) is None:
        raise Invalid("Object does not exist")
    call.world.git.set_ref(call.repo.id, ref, sha)
    pulls.synchronise(call.world, call.repo, call.caller.account)
    return Answer(201, _ref_json(call, ref, sha))


def change_ref(call: Call) -> Answer:
    """PATCH git/refs/{ref}: fast-forward only, unless forced."""
    require_write(call.world, call.caller, call.repo, "contents", Level.WRITE)
    ref, sha, git = "refs/" + call.args["ref"], call.text("sha"), call.world.git
    old = git.refs(call.repo.id).get(ref)
    if old is None:
        raise Invalid("Reference does not exist")
    if len(sha) != 40 or git.resolve(call.repo.id, sha) is None:
        raise Invalid("Object does not exist")
    if not call.json.get("force") and git.merge_base(call.repo.id, old, sha) != old:
        raise Invalid("Update is not a fast forward")
    git.set_ref(call.repo.id, ref, sha)
    pulls.synchronise(call.world, call.repo, call.caller.account)
    return Answer(200, _ref_json(call, ref, sha))


def delete_ref(call: Call) -> Answer:
    """DELETE git/refs/{ref}."""
    repos.delete_branch(call.world, call.caller, call.repo, call.args["ref"].removeprefix("heads/"))
    return Answer(204)


# -- commits and contents ----------------------------------------------------------------------------------------


def get_commit(call: Call) -> Answer:
    """GET commits/{ref}."""
    git, sha = call.world.git, commit_sha(call)
    facts = git.commit(call.repo.id, sha)
    files = git.changes(call.repo.id, facts.parents[0], sha) if facts.parents else ()
    plus, minus = sum(c.additions for c in files), sum(c.deletions for c in files)
    extra = {
        "stats": {"additions": plus, "deletions": minus, "total": plus + minus},
        "files": [file_json(call.show, call.repo, sha, change) for change in files],
    }
    return Answer(200, commit_json(call.show, call.repo, facts) | extra)


def compare(call: Call) -> Answer:
    """GET compare/{base}...{head}."""
    require_read(call.world, call.caller, call.repo, "contents")
    git, repo_id = call.world.git, call.repo.id
    ends = [git.resolve(repo_id, name.rpartition(":")[2]) for name in call.args["basehead"].split("...")]
    if len(ends) != 2 or ends[0] is None or ends[1] is None:
        raise NotFound
    base, head = ends[0], ends[1]
    origin = git.merge_base(repo_id, base, head)
    if origin is None:
        raise NotFound("No common ancestor between the two.")
    ahead, behind = git.commits(repo_id, base, head), git.commits(repo_id, head, base)
    state = {(True, True): "diverged", (True, False): "ahead", (False, True): "behind"}
    url = f"{call.show.repo_url(call.repo)}/compare/{call.args['basehead']}"
    page = f"{call.show.repo_page(call.repo)}/compare/{call.args['basehead']}"
    shown = {
        "url": url,
        "html_url": page,
        "permalink_url": page,
        "diff_url": f"{page}.diff",
        "patch_url": f"{page}.patch",
        "base_commit": commit_json(call.show, call.repo, git.commit(repo_id, base)),
        "merge_base_commit": commit_json(call.show, call.repo, git.commit(repo_id, origin)),
        "status": state.get((bool(ahead), bool(behind)), "identical"),
        "ahead_by": len(ahead),
        "behind_by": len(behind),
        "total_commits": len(ahead),
        "commits": [commit_json(call.show, call.repo, facts) for facts in ahead],
        "files": [file_json(call.show, call.repo, head, c) for c in git.changes(repo_id, base, head)],
    }
    return Answer(200, shown)


def _content_json(call: Call, entry: Entry, ref: str) -> Json:
    url = f"{call.show.repo_url(call.repo)}/contents/{entry.path}?ref={ref}"
    kind = "blob" if entry.kind == "file" else "tree"
    git_url = f"{call.show.repo_url(call.repo)}/git/{kind}s/{entry.sha}"
    page = f"{call.show.repo_page(call.repo)}/{kind}/{ref}/{entry.path}"
    download = f"{call.show.repo_page(call.repo)}/raw/{ref}/{entry.path}" if kind == "blob" else None
    return {
        "type": entry.kind,
        "name": entry.path.rpartition("/")[2],
        "path": entry.path,
        "sha": entry.sha,
        "size": entry.size,
        "url": url,
        "html_url": page,
        "git_url": git_url,
        "download_url": download,
        "_links": {"self": url, "git": git_url, "html": page},
    }


def get_contents(call: Call) -> Answer:
    """GET contents/{path}?ref: a file in base64 (or raw), or the listing of a folder."""
    require_read(call.world, call.caller, call.repo, "contents")
    ref, path = call.query("ref") or call.repo.default_branch, call.args.get("path", "").strip("/")
    sha = call.world.git.resolve(call.repo.id, ref)
    found = None if sha is None else call.world.git.read(call.repo.id, sha, path)
    if found is None:
        raise NotFound
    if isinstance(found, tuple):
        return Answer(200, [_content_json(call, entry, ref) for entry in found])
    if "raw" in call.request.headers.get("accept", ""):
        return Answer(200, found, {"Content-Type": "application/vnd.github.raw; charset=utf-8"})
    encoded = {"encoding": "base64", "content": base64.encodebytes(found).decode()}
    return Answer(200, _content_json(call, Entry(path, "file", _blob_sha(found), len(found)), ref) | encoded)


def _blob_sha(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def put_contents(call: Call) -> Answer:
    """PUT contents/{path}: one commit; changing a file needs the sha of what is replaced."""
    require_write(call.world, call.caller, call.repo, "contents", Level.WRITE)
    git, repo, path = call.world.git, call.repo, call.args["path"]
    branch = call.text_or_none("branch") or repo.default_branch
    parent = git.refs(repo.id).get(f"refs/heads/{branch}")
    before = None if parent is None else git.read(repo.id, parent, path)
    if isinstance(before, bytes) and call.json.get("sha") != _blob_sha(before):
        raise Conflict(f"{path} does not match {call.json.get('sha')}")
    try:
        content = base64.b64decode(call.text("content"))
    except ValueError as error:
        raise Invalid("content is not valid Base64") from error
    author = call.world.signature(call.caller.account)
    sha = git.write(repo.id, Writing(branch, {path: content}, call.text("message"), author, parent))
    pulls.synchronise(call.world, repo, call.caller.account)
    entry = Entry(path, "file", _blob_sha(content), len(content))
    commit = commit_json(call.show, repo, git.commit(repo.id, sha))["commit"] | {"sha": sha}
    shown = {"content": _content_json(call, entry, branch), "commit": commit}
    return Answer(200 if before is not None else 201, shown)
