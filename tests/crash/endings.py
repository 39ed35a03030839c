"""What is there in the end, without what differs from life to life: run ids, commits, times."""

import re
from collections import Counter
from typing import Any

from dispatcher.core.markers import parse_markers, strip_markers
from dispatcher.core.model import Task
from dispatcher.ports import Journal
from dispatcher.simulator.box import Scene
from dispatcher.simulator.model import EventKind
from tests.story.office import SHOP

End = dict[str, Any]

_CHANGES_OF_LABELS_AND_PEOPLE = (
    EventKind.LABELED,
    EventKind.UNLABELED,
    EventKind.ASSIGNED,
    EventKind.UNASSIGNED,
)
_CHANGING = re.compile(
    r"shop-\d+-(worker|reviewer|responder)-[0-9a-f]{8}|\b[0-9a-f]{7,40}\b|\d\d:\d\d|\$\d+\.\d\d|[\d,]+(?= tokens)"
)
"""What differs from life to life; what an agent spends too, as it depends on how many steps it makes."""


def end_of(scene: Scene, journal: Journal, task: Task, agents: list[str]) -> End:
    """Labels, people, comments, reviews and how often each was written; pull requests, branches, files; runs, agents, attempts.

    `agents` are the run ids of the agents that really began, in order.
    """
    pulls = [pull.number for pull in scene.pulls(SHOP)]
    world = scene.world
    runs = Counter((str(record.run.role), record.result.partition(" (")[0]) for record in journal.load_runs())
    return {
        "stage": task.stage,
        "counts": (task.rounds, task.attempts, task.same_check_failures),
        "pulls": pulls,
        "branches": sorted(clean(ref) for ref in world.git.refs(world.repo(SHOP).id)),
        "files": [scene.read_file(SHOP, name, task.branch) for name in ("shop.py", "README.md")],
        "agents": [clean(run) for run in agents],
        "began twice": [run for run, times in Counter(agents).items() if times > 1],
        "runs": runs,
        # Each start says anew whether the bot could merge by itself.
        "notes": sorted(clean(what) for _at, what in journal.load_notes() if "could push to it" not in what),
        "pending": [stored.effect.key for stored in journal.load_effects()],
    } | {f"#{number}": _item(scene, number) for number in (task.key.number, *pulls)}


def _item(scene: Scene, number: int) -> End:
    issue = scene.issue(SHOP, number)
    return {
        "labels": scene.labels(SHOP, number),
        "assignees": scene.assignees(SHOP, number),
        "comments": [clean(comment.body) for comment in scene.comments(SHOP, number)],
        "reviews": [clean(review.body) for review in scene.reviews(SHOP, number)],
        "written": Counter(
            (event.kind.value, event.label.name if event.label else event.subject_id)
            for event in issue.events
            if event.kind in _CHANGES_OF_LABELS_AND_PEOPLE
        ),
    }


def clean(text: str) -> str:
    """The text without what is another in each life; a status comment says that it is one."""
    kind = "status: " if parse_markers(text).status_of is not None else ""
    return kind + _CHANGING.sub(lambda found: found[1] or "~", strip_markers(text))


def describe_difference(wanted: End, found: End) -> str:
    """In words, part by part; "" if there is none."""
    parts = [name for name in {**wanted, **found} if wanted.get(name) != found.get(name)]
    return "\n".join(f"  {name}: {found.get(name)} instead of {wanted.get(name)}" for name in parts)
