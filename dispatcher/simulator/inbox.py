"""Notifications: who is told what, why, and when it shows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from dispatcher.simulator.access import Caller, level_of
from dispatcher.simulator.model import Account, Event, EventKind, InboxThread, Issue, Level, Reason
from dispatcher.simulator.world import World

_NOT_PROSE = re.compile(r"```.*?(?:```|\Z)|~~~.*?(?:~~~|\Z)|`[^`\n]+`|<!--.*?(?:-->|\Z)", re.DOTALL)
_MENTION = re.compile(r"(?<![\w@/.-])@([a-z\d](?:[a-z\d-]*[a-z\d])?)(?:/([a-z\d_-]+))?", re.IGNORECASE)


def mentioned(world: World, text: str | None) -> dict[int, Reason]:
    """Find whom a text mentions outside of code; quotes count, as on GitHub."""
    found: dict[int, Reason] = {}
    for login, slug in _MENTION.findall(_NOT_PROSE.sub(" ", text or "")):
        account = world.find_account(login)
        if account is None:
            continue
        if not slug:
            found[account.id] = Reason.MENTION
        elif slug.lower() in account.teams:
            for member_id in account.teams[slug.lower()].member_ids:
                found.setdefault(member_id, Reason.TEAM_MENTION)
    return found


def tell(
    world: World,
    issue: Issue,
    actor: Account,
    called: dict[int, Reason] | None = None,
    comment_id: int | None = None,
) -> None:
    """Notify everybody who follows the issue, and those who are `called` by name; the actor is never told.

    The reason for which a person follows an issue sticks until they are called again for another one.
    """
    repo = world.repos[issue.repo_id]
    for account_id, reason in (called or {}).items():
        account = world.accounts[account_id]
        if level_of(world, account, repo) >= Level.READ:
            issue.subscribers[account_id] = reason
            if reason in (Reason.MENTION, Reason.TEAM_MENTION):
                issue.events.append(Event(world.new_id(), EventKind.MENTIONED, account_id, world.now()))
    audience: dict[int, Reason] = dict.fromkeys(repo.watcher_ids, Reason.SUBSCRIBED) | issue.subscribers
    for account_id, reason in audience.items():
        if account_id != actor.id:
            _deliver(world, issue, account_id, reason, comment_id)


def call(world: World, issue: Issue, actor: Account, called: dict[int, Reason]) -> None:
    """Notify only those who are called (assigned, asked for a review, newly mentioned by an edit)."""
    for account_id, reason in called.items():
        issue.subscribers[account_id] = reason
        if account_id != actor.id:
            _deliver(world, issue, account_id, reason, None)


def _deliver(world: World, issue: Issue, account_id: int, reason: Reason, comment_id: int | None) -> None:
    faults = world.inbox_faults
    if faults.lose > 0:
        faults.lose -= 1
        return
    wait_s = world.settings.notification_delay_s
    if faults.late > 0:
        faults.late -= 1
        wait_s += faults.late_s
    copies = 1
    if faults.double > 0:
        faults.double -= 1
        copies = 2
    threads = world.inbox.setdefault(account_id, {})
    found = threads.setdefault((issue.repo_id, issue.number), [])
    now = world.now()
    while len(found) < copies:
        found.append(InboxThread(world.new_id(), account_id, issue.repo_id, issue.number, reason, now, now))
    for thread in found[:copies]:
        thread.reason, thread.unread, thread.updated_at = reason, True, now
        thread.visible_at = now + timedelta(seconds=wait_s)
        thread.latest_comment_id = comment_id or thread.latest_comment_id


def every_thread(world: World, account_id: int) -> Iterator[InboxThread]:
    """Walk over a person's threads, those that do not show yet included."""
    return (thread for found in world.inbox.get(account_id, {}).values() for thread in found)


def fetch_threads(world: World, account: Account) -> list[InboxThread]:
    """List what shows in a person's inbox now, newest first."""
    settle(world)
    now = world.now()
    shown = [t for t in every_thread(world, account.id) if t.visible_at <= now]
    return sorted(shown, key=lambda t: (t.updated_at, t.id), reverse=True)


def mark_read(world: World, caller: Caller, until: datetime) -> bool:
    """Mark everything up to a time as read; False when the forge will only do so later."""
    delay_s = world.settings.mark_read_delay_s
    if delay_s is not None:
        world.read_later.append((world.now() + timedelta(seconds=delay_s), caller.account.id, until))
        return False
    _read(world, every_thread(world, caller.account.id), until)
    return True


def _read(world: World, threads: Iterable[InboxThread], until: datetime) -> None:
    for thread in threads:
        if thread.updated_at <= until and thread.visible_at <= world.now():
            thread.unread, thread.last_read_at = False, until


def settle(world: World) -> None:
    """Do the marking as read that was promised for a time that has come."""
    now = world.now()
    due = [job for job in world.read_later if job[0] <= now]
    world.read_later = [job for job in world.read_later if job[0] > now]
    for _, account_id, until in due:
        _read(world, every_thread(world, account_id), until)
