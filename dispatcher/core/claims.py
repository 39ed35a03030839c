"""Whether a claim that was written and read back holds (spec section 6). Pure."""

from datetime import datetime, timedelta

from dispatcher.core.model import ClaimMarker, LiveRun, Role, Snapshot, Task
from dispatcher.core.observe import Eyes, stage_shown

CLOCK_SKEW = timedelta(minutes=5)
"""How much later than its expiry a foreign claim still counts: the other machine's clock may be behind."""


def rival(snapshot: Snapshot, instance: str, now: datetime) -> ClaimMarker | None:
    """The oldest live claim of another instance, if there is one."""
    live = [
        m for m in snapshot.markers if m.instance != instance and m.expires_at + CLOCK_SKEW > now and m.run_id
    ]
    return min(live, key=_age, default=None)


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
