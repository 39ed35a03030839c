"""What GitHub must show for a task's stage: the one place that knows which labels and assignees a stage means."""

from dispatcher.core.model import ItemKey, Stage, Task
from dispatcher.core.rules import RepoRules
from dispatcher.ports import ItemOrder, StageOrder

BOTS_TURN = {
    Stage.QUEUED,
    Stage.WORKING,
    Stage.NEEDS_REVIEW,
    Stage.REVIEWING,
    Stage.NEEDS_REWORK,
    Stage.REWORKING,
}
BOT_ASSIGNED = {Stage.WORKING, Stage.REVIEWING, Stage.REWORKING, Stage.ANSWERING}
HANDED_OVER = {Stage.MERGE_READY, Stage.BLOCKED}
KEEPS_LABELS = {Stage.NEW, Stage.ASKED, Stage.ANSWERING}


def people_to_hand_to(task: Task, rules: RepoRules) -> tuple[str, ...]:
    """Who gets the task when it is a person's turn: who asked, else the repository's reviewers; logins."""
    if task.requester and not task.requester.is_bot:
        return (task.requester.login,)
    return tuple(name for name in rules.reviewers if not name.startswith("@"))


def stage_order(task: Task, rules: RepoRules, bot_login: str, status_text: str) -> StageOrder:
    """The labels and assignees of both items, and the status comment, for the task's stage."""
    issue_key = None if task.began_as_pull else task.key
    pull_key = ItemKey(task.key.repo_id, task.pull) if task.pull else None
    front = _front_order(task, task.front, rules, bot_login)
    behind = _issue_behind(task, issue_key, rules, bot_login) if issue_key and pull_key else None
    issue, pull = (behind, front) if pull_key else (front, None)
    return StageOrder(task.repo, issue, pull, status_text, task.key, task.status_comment_id)


def _front_order(task: Task, key: ItemKey, rules: RepoRules, bot_login: str) -> ItemOrder:
    """The item that carries the stage."""
    names, stage = rules.labels, task.stage
    wanted: set[str] = set()
    if stage in BOTS_TURN:
        wanted.add(names.turn)
    if stage in {Stage.NEEDS_REVIEW, Stage.REVIEWING}:
        wanted.add(names.needs_review)
    elif stage in {Stage.NEEDS_REWORK, Stage.REWORKING}:
        wanted.add(names.needs_rework)
    elif stage is Stage.MERGE_READY:
        wanted.add(names.merge_ready)
    elif stage is Stage.BLOCKED:
        wanted.add(names.needs_human)
    people = people_to_hand_to(task, rules) if stage in HANDED_OVER else ()
    ours = (bot_login,) if stage in BOT_ASSIGNED else ()
    released = () if stage in HANDED_OVER | KEEPS_LABELS | {Stage.DONE, Stage.DROPPED} else task.handed_to
    return ItemOrder(
        key,
        add_labels=frozenset() if stage in KEEPS_LABELS else frozenset(wanted),
        remove_labels=frozenset() if stage in KEEPS_LABELS else _removable(task, rules) - wanted,
        assign=(*people, *ours),
        unassign=tuple(
            login for login in (*(() if ours else (bot_login,)), *released) if login not in people
        ),
    )


def _removable(task: Task, rules: RepoRules) -> frozenset[str]:
    """A merged or closed pull request keeps `merge-ready` as history; everything else of ours goes.

    A mention that is answered had no turn label: one that is there by now is a person's next wish.
    """
    is_history = task.stage is Stage.DONE or (task.stage is Stage.DROPPED and not task.is_open)
    is_answered = task.stage is Stage.DONE and task.is_open
    kept = {rules.labels.merge_ready} if is_history else set()
    return rules.labels.ours - kept - ({rules.labels.turn} if is_answered else set())


def _issue_behind(task: Task, key: ItemKey, rules: RepoRules, bot_login: str) -> ItemOrder:
    """The issue of a pull request: the turn has moved on, the bot stays assigned so that people see who has it."""
    names = rules.labels
    if task.stage in {Stage.DONE, Stage.DROPPED}:
        return ItemOrder(key, remove_labels=frozenset({names.turn, names.needs_human}), unassign=(bot_login,))
    return ItemOrder(key, remove_labels=frozenset({names.turn, names.needs_human}), assign=(bot_login,))
