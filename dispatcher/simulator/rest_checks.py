"""REST: commit statuses and check runs."""

from __future__ import annotations

from dispatcher.simulator import repos
from dispatcher.simulator.exchange import Answer
from dispatcher.simulator.refusals import FieldError, Forbidden, Invalid, NotFound
from dispatcher.simulator.render_pulls import (
    check_run_json,
    combined_status_json,
    status_json,
)
from dispatcher.simulator.rest_call import Call
from dispatcher.simulator.rest_git import commit_sha


def get_combined_status(call: Call) -> Answer:
    """GET commits/{ref}/status."""
    return Answer(200, combined_status_json(call.show, call.repo, commit_sha(call, "statuses")))


def list_statuses(call: Call) -> Answer:
    """GET commits/{ref}/statuses, newest first."""
    sha = commit_sha(call, "statuses")
    found = list(reversed(call.repo.statuses.get(sha, [])))
    return call.page(
        found,
        lambda status: (
            status_json(call.show, call.repo, sha, status)
            | {"creator": call.show.user_by_id(status.creator_id)}
        ),
    )


def create_status(call: Call) -> Answer:
    """POST statuses/{sha}."""
    sha = call.args["ref"]
    report = repos.StatusReport(
        sha,
        call.text("state"),
        call.text_or_none("context") or "default",
        call.text_or_none("description"),
        call.text_or_none("target_url"),
    )
    status = repos.set_status(call.world, call.caller, call.repo, report)
    shown = status_json(call.show, call.repo, sha, status)
    return Answer(201, shown | {"creator": call.show.user_by_id(status.creator_id)})


def list_check_runs(call: Call) -> Answer:
    """GET commits/{ref}/check-runs: the newest of each name unless `filter=all`."""
    sha = commit_sha(call, "checks")
    runs = call.repo.check_runs.get(sha, [])
    if call.query("filter", "latest") == "latest":
        runs = list({run.name: run for run in runs}.values())
    chosen, headers = call.cut(runs)
    shown = [check_run_json(call.show, call.repo, run) for run in chosen]
    return Answer(200, {"total_count": len(runs), "check_runs": shown}, headers)


def create_check_run(call: Call) -> Answer:
    """POST check-runs: Apps only."""
    output = call.json.get("output") or {}
    if not isinstance(output, dict):
        raise Invalid("Invalid request.\n\nFor 'properties/output', it is not an object.")
    report = repos.CheckReport(
        call.text("name"),
        call.text("head_sha"),
        call.text_or_none("status") or "queued",
        call.text_or_none("conclusion"),
        call.text_or_none("details_url"),
        output.get("title"),
        output.get("summary"),
    )
    run = repos.create_check_run(call.world, call.caller, call.repo, report)
    return Answer(201, check_run_json(call.show, call.repo, run))


def change_check_run(call: Call) -> Answer:
    """PATCH check-runs/{id}: Apps only."""
    run_id = int(call.args["run_id"])
    runs = (run for runs in call.repo.check_runs.values() for run in runs)
    run = next((run for run in runs if run.id == run_id), None)
    if run is None:
        raise NotFound
    if call.caller.account.id != run.creator_id:
        raise Forbidden("You must authenticate via a GitHub App.")
    conclusion = call.text_or_none("conclusion") or run.conclusion
    status = call.text_or_none("status") or run.status
    if conclusion not in repos.CONCLUSIONS:
        raise Invalid(errors=(FieldError("CheckRun", "invalid", "conclusion"),))
    run.status, run.conclusion = status, conclusion
    if run.conclusion is not None:
        run.status, run.completed_at = "completed", call.world.now()
    elif run.status not in {"queued", "in_progress"}:
        raise Invalid(errors=(FieldError("CheckRun", "missing_field", "conclusion"),))
    return Answer(200, check_run_json(call.show, call.repo, run))
