"""New comments of repositories that listen for a trigger pattern: nothing else would tell of a comment without a mention."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from dispatcher.core.model import ItemKey
from dispatcher.forge.client import Connection
from dispatcher.forge.polling import Trail, all_pages
from dispatcher.ports import Clock, Repo, Wake

FIRST_LOOK_BACK = timedelta(minutes=30)
"""Who installs the dispatcher may have written a trigger just before it started; older comments were not meant for it."""


@dataclass(slots=True)
class CommentLists:
    """One conditional request per repository that has a `trigger_regex`; the others cost nothing."""

    connection: Connection
    clock: Clock
    trail: Trail

    def look(self, repos: Sequence[Repo]) -> tuple[Wake, ...]:
        """Items with comments that are new or edited since the last look; the first look goes `FIRST_LOOK_BACK` back."""
        return tuple(wake for repo in repos if repo.rules.trigger_regex for wake in self._look_at(repo))

    def _look_at(self, repo: Repo) -> tuple[Wake, ...]:
        since_name, etag_name = f"comments:{repo.id}", f"comments-etag:{repo.id}"
        since = self.trail.load(since_name) or f"{self.clock.now() - FIRST_LOOK_BACK:%Y-%m-%dT%H:%M:%SZ}"
        path = f"/repositories/{repo.id}/issues/comments"
        params = {"since": since, "sort": "updated", "direction": "desc", "per_page": "100"}
        etag = self.trail.load(etag_name)
        answer = self.connection.get(path, params, {"If-None-Match": etag} if etag else {})
        if answer.status == 304:
            return ()
        nodes = all_pages(self.connection, path, params, answer, 100)
        self.trail.propose(etag_name, answer.headers.get("etag", ""))
        if not nodes:
            self.trail.propose(since_name, since)
            return ()
        newest = max(node.moment("updated_at") for node in nodes)
        # Times are whole seconds: the newest one stays inside, and what was heard of it is not heard twice.
        stamp = min(newest, self.clock.now() - timedelta(seconds=2)).strftime("%Y-%m-%dT%H:%M:%SZ")
        if stamp > since:
            self.trail.propose(since_name, stamp)
            self.trail.propose(etag_name, "")
        found = {int(node.text("issue_url").rpartition("/")[2]) for node in nodes}
        return tuple(
            Wake(ItemKey(repo.id, number), repo.full_name, "", "comment", newest) for number in sorted(found)
        )
