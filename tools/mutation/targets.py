"""What is put to the test: the rules, the probes that tell whether a write already happened, the rules of the simulator."""

from collections.abc import Iterator
from pathlib import Path

from tools.mutation.grow import Operators

RULES = ("core/guards.py", "core/policy.py", "core/claims.py")
PROBES = (
    "forge/writes.py",
    "forge/claims.py",
    "forge/stage.py",
    "forge/known.py",
    "forge/comments.py",
    "engine/executor.py",
    "engine/ledger.py",
    "workspace/publish.py",
    "runs/process_runs.py",
    "runs/launch.py",
    "runs/reports.py",
)
NO_RULES_OF_GITHUB = {
    "__init__.py",
    # shapes: githubkit's models and GitHub's own schema judge them
    "render.py",
    "render_pulls.py",
    "graphql_issues.py",
    "graphql_mutations.py",
    "graphql_nodes.py",
    "graphql_pulls.py",
    "rest_checks.py",
    "rest_git.py",
    "rest_repos.py",
    "box.py",  # the knobs and the looking glass for tests
    "server.py",  # sockets
    "people.py",  # what a test's person does, through the rules
    "scripted_agent.py",
    "faults.py",  # the weather
    "graphql_schema.py",
    # drawers for git; what holds for both kinds is asked of both
    "git_store.py",
    "memory_git.py",
}
TABLE = "core/table.py"


def choose_targets(root: Path) -> Iterator[tuple[str, Operators]]:
    """Every file that gets faults, as a path below `dispatcher/`, and which kinds."""
    for name in (*RULES, *PROBES):
        if (root / "dispatcher" / name).exists():
            yield name, Operators()
    for path in sorted((root / "dispatcher" / "simulator").glob("*.py")):
        if path.name not in NO_RULES_OF_GITHUB:
            yield f"simulator/{path.name}", Operators(statements=True, polish=True)
