"""What a prompt can name. The engine's context, parsed once, becomes one text per variable."""

from collections.abc import Mapping, Sequence

from dispatcher.core.model import Role
from dispatcher.runs.folder import RunFolder
from dispatcher.runs.quoting import DIFF_LIMIT_CHARS, clean, plain_inline, quote_block, quote_inline

VARIABLES = {
    "attempt": "number of the attempt at this step, from 1",
    "author": "who wrote the issue, as `@login`",
    "base": "branch into which the work is to be merged; the checkout has it as `origin/<base>`",
    "branch": "local branch on which the checkout stands",
    "changed_since": "what changed on the branch since the last review, fenced; empty when nothing did, or there was none",
    "check_command": "the configured check, as code; empty when it is detected or off",
    "checkout": "path of the working copy",
    "comments": "comments of people who may ask, each attributed and fenced",
    "diff": "the change under review, fenced; empty for a worker",
    "diff_stat": "the changed files, fenced",
    "found_before": "reviewer only: what was found in the round before, or sent the work back; each fenced",
    "head": "commit under review",
    "issue": "title and text of the issue, attributed and fenced",
    "mention": "the comment that asked, attributed and fenced",
    "minutes": "time limit of the run",
    "network": "what the run may reach of the network and read of the forge, where that is limited or offered; empty otherwise",
    "outcome_file": "path of the file that the agent must write",
    "outcome_schema": "path of that file's JSON schema",
    "pull": "title and text of the pull request, fenced",
    "repair_error": "repair only: what is wrong with the outcome file, fenced",
    "repair_outcome": "repair only: that outcome file as it is, fenced",
    "repo": "`owner/name`",
    "repo_rules": "the repository's own rules for agents, from its base branch",
    "role": "worker, reviewer or responder",
    "round": "number of the round, from 1",
    "rules": "the rules for agents in WORKFLOW.md",
    "run_id": "the run's id",
    "task": "`owner/repo#n`",
    "title": "title of the issue, as code",
    "told": "what sent the work back: findings, the end of a red check, a person's words; each fenced",
    "withheld": "a line that counts the comments that were left out; empty when there are none",
}
"""Every name that a template may use, and what it becomes."""


def render_variable_reference() -> str:
    """The table of variables for the documentation, as Markdown."""
    rows = [f"| `{name}` | {meaning} |" for name, meaning in VARIABLES.items()]
    return "\n".join(["| variable | becomes |", "|---|---|", *rows, ""])


def render_variables(
    context: Mapping[str, object], folder: RunFolder, role: Role, rules: str
) -> dict[str, str]:
    """One text per name in `VARIABLES`. Keys that the context lacks become empty texts; nothing here is read as a template again."""
    own = {
        name: plain_inline(_text(context, name))
        for name in ("attempt", "base", "branch", "head", "minutes", "repo", "round", "run_id", "task")
    }
    return own | {
        "author": _login(_text(context, "author")),
        "changed_since": quote_block(
            _text(context, "changed_since"), by="What changed since", language="diff", limit_chars=60_000
        ),
        "check_command": quote_inline(_text(context, "check_command")),
        "checkout": str(folder.checkout),
        "comments": _render_comments(context.get("comments")),
        "diff": quote_block(
            _text(context, "diff"), by="The diff", language="diff", limit_chars=DIFF_LIMIT_CHARS
        ),
        "diff_stat": quote_block(_text(context, "diff_stat"), by="Changed files"),
        "found_before": _render_told(context.get("found_before")),
        "issue": _render_item(context, "issue_body", "title", "Issue"),
        "mention": quote_block(_text(context, "mention"), by=f"What {_asker(context)} wrote"),
        "network": _render_network(context.get("network"), _text(context, "repo")),
        "outcome_file": str(folder.outcome),
        "outcome_schema": str(folder.schema),
        "pull": _render_item(context, "pull_body", "pull_title", "Pull request"),
        "repair_error": quote_block(_text(context, "repair_error"), by="What is wrong with it"),
        "repair_outcome": quote_block(
            _text(context, "repair_outcome"),
            by="The outcome file as it is",
            language="json",
            limit_chars=20_000,
        ),
        "repo_rules": clean(_text(context, "repo_rules")).strip(),
        "role": role.value,
        "rules": rules,
        "title": quote_inline(_text(context, "title")),
        "told": _render_told(context.get("told")),
        "withheld": _render_withheld(context.get("withheld_comments")),
    }


def _text(context: Mapping[str, object], name: str) -> str:
    value = context.get(name)
    return "" if value is None else str(value)


def _login(login: str) -> str:
    name = plain_inline(login).lstrip("@")
    return f"@{name}" if name else ""


def _asker(context: Mapping[str, object]) -> str:
    return _login(_text(context, "mention_author")) or "the person"


def _render_item(context: Mapping[str, object], body: str, title: str, kind: str) -> str:
    heading = plain_inline(_text(context, title))
    whole = f"Title: {heading}\n\n{_text(context, body)}" if heading else _text(context, body)
    who = _login(_text(context, "author")) if kind == "Issue" else ""
    return quote_block(whole, by=f"{kind} by {who}" if who else kind)


def _render_comments(comments: object) -> str:
    if not isinstance(comments, Sequence) or isinstance(comments, str):
        return ""
    blocks = [_render_comment(entry) for entry in comments if isinstance(entry, Mapping)]
    return "\n\n".join(block for block in blocks if block)


def _render_comment(comment: Mapping[str, object]) -> str:
    by = f"Comment by {_login(_text(comment, 'author')) or 'an unknown person'}"
    if at := plain_inline(_text(comment, "at")):
        by += f", {at}"
    if path := plain_inline(_text(comment, "path")):
        line = plain_inline(_text(comment, "line"))
        by += f", on {quote_inline(path + (f':{line}' if line else ''))}"
    return quote_block(_text(comment, "body"), by=by)


def _render_told(told: object) -> str:
    if isinstance(told, str):
        told = [told]
    if not isinstance(told, Sequence):
        return ""
    blocks = [quote_block(str(text), by=f"Point {number}") for number, text in enumerate(told, 1)]
    return "\n\n".join(block for block in blocks if block)


def _render_network(facts: object, repo: str) -> str:
    if not isinstance(facts, Mapping):
        return ""
    lines: list[str] = []
    match facts.get("access"):
        case "off":
            lines.append("There is no network.")
        case "allow-list":
            hosts = ", ".join(quote_inline(str(host)) for host in facts.get("hosts", ())) or "nothing"
            lines.append(
                f"Beside your model you reach {hosts}, through the proxy that your environment names. Everything else is refused and "
                "written down: do not look for ways around it; say in your outcome what you would have needed."
            )
        case _:
            pass
    if reads := facts.get("forge_reads"):
        name = facts.get("forge_variable")
        lines.append(
            f"To read this repository on the forge (issues, comments, diffs, files, logs of CI) there is `GET "
            f"${name}/repos/{plain_inline(repo)}/...`, in the shapes of its REST API, {reads} times in this run. It needs no token."
        )
    return "\n".join(lines)


def _render_withheld(count: object) -> str:
    if not isinstance(count, int) or count < 1:
        return ""
    what = "1 comment was" if count == 1 else f"{count} comments were"
    return f"({what} left out: written by people without access to this repository.)"
