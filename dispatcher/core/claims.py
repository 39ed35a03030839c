"""Whether a claim that was written and read back holds (spec section 6). Pure."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from dispatcher.core.model import ClaimMarker, Item, LiveRun, Role, Snapshot, Stage, Task
from dispatcher.core.observe import Eyes, stage_shown
from dispatcher.core.policy import longest_claim

CLOCK_SKEW = timedelta(minutes=5)
"""How much later than its expiry a foreign claim still counts: the other machine's clock may be behind."""

CLAIM_WRITTEN_WITHIN = timedelta(minutes=15)
"""How long after its decision a claim may reach the forge, retries and clocks that differ included."""


def rival(snapshot: Snapshot, instance: str, now: datetime) -> ClaimMarker | None:
    """The oldest live claim of another instance, if there is one."""
    live = [
        m for m in snapshot.markers if m.instance != instance and m.expires_at + CLOCK_SKEW > now and m.run_id
    ]
    return min(live, key=_age, default=None)


def unexplained_assignment(
    front: Item | None, markers: Iterable[ClaimMarker], bot_id: int
) -> datetime | None:
    """When the bot assigned itself, if it still is and no claim tells why: somebody deleted the comment of one.

    None: it is not assigned, a person's hand did it, or a claim from about then explains it.
    """
    if front is None or not any(person.id == bot_id for person in front.assignees):
        return None
    hands = [event for event in front.assign_events if event.assignee.id == bot_id and event.added]
    last = max(hands, key=lambda event: event.at, default=None)
    if last is None or last.actor is None or last.actor.id != bot_id:
        return None
    is_explained = any(marker.created_at >= last.at - CLOCK_SKEW for marker in markers)
    return None if is_explained else last.at


def held_silently_until(task: Task, snapshot: Snapshot, bot_id: int, now: datetime) -> datetime | None:
    """Until when the item of a task that has no run here is another dispatcher's without a claim; None: it is nobody's.

    Where this dispatcher claimed the item itself at about that time, the assignment is its own; so it is under an approval
    that waits for its gates: a hand-over that is taken back shows the bot again, without a claim.
    """
    if task.stage is Stage.REVIEWING and task.approved_head:
        return None
    at = unexplained_assignment(snapshot.front, snapshot.markers, bot_id)
    if at is None or (task.claimed_at is not None and abs(at - task.claimed_at) <= CLAIM_WRITTEN_WITHIN):
        return None
    until = at + longest_claim(task)
    return until if until + CLOCK_SKEW > now else None


def why_claim_fails(
    task: Task, run: LiveRun, snapshot: Snapshot, eyes: Eyes, instance: str, now: datetime
) -> str:
    """Why we must let go after reading everything back, in words; "" if the claim holds.

    Each instance keeps a status comment of its own. The forge's time of the claim decides, then the comment's id, which
    the forge gives out: the older claim wins, and both sides see the same.
    """
    front = snapshot.front
    if front is None or (not front.is_open and run.role is not Role.RESPONDER):
        return "the item is closed or gone"
    # what an earlier run of ours left behind claims nothing
    ours = next((m for m in snapshot.markers if m.instance == instance and m.run_id == run.id), None)
    other = rival(snapshot, instance, now)
    if other and (ours is None or _age(other) < _age(ours)):
        return f"another dispatcher ({other.instance}) holds it until {other.expires_at:%H:%M} UTC"
    if run.role is Role.RESPONDER:
        return ""
    people = [person.login for person in front.assignees if person.id != eyes.bot.id]
    if people:
        return f"@{people[0]} is assigned"
    if snapshot.pull and task.head and snapshot.pull.head not in {task.head, task.replaced_head}:
        return "the pull request's head moved"
    if stage_shown(snapshot, eyes) is not task.stage:
        return "its labels changed meanwhile"
    return ""


def _age(marker: ClaimMarker) -> tuple[datetime, int]:
    return marker.created_at, marker.comment_id
