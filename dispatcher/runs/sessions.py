"""Going on with a program's own session: for a repair run only, which continues the very run whose outcome did not fit."""

import re
from typing import Final

from dispatcher.runs.agents.kind import AgentKind
from dispatcher.runs.folder import RunFolder
from dispatcher.runs.sidefiles import find_files, load_file

_SESSION_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{7,80}")
_SESSION_BYTES: Final = 50_000_000
"""The largest session that is taken over; one of a run of an hour has a few million bytes."""


def take_session_over(kind: AgentKind, session_id: str, old: RunFolder, new: RunFolder) -> str:
    """Copy the session from the old run's HOME into the new one's; the session's id, or "" for a fresh one.

    Id and files are what the agent made of them: the id must look like one, no link is followed, and the files go into the HOME
    of the same role's repair, which may know all that they hold.
    """
    if not kind.session_files or not _SESSION_ID.fullmatch(session_id):
        return ""
    copied = False
    for name in find_files(str(old.home), kind.session_files):
        file = name.rpartition("/")[2]
        content = load_file(str(old.home), name, _SESSION_BYTES) if session_id in file else None
        if content is None:
            continue
        place = new.home / kind.session_place(name, new.checkout)
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        place.write_bytes(content)
        copied = True
    return session_id if copied else ""
