"""Sudden death of a dispatcher, at a boundary that was chosen beforehand.

Three things touch what outlives a dispatcher: its journal, its runs and workspaces, and its requests to the forge. The parts
in front of the first two are replaced by subclasses that tell a `Fate` before and after every call that writes; requests tell it
from the simulator's door, pushes of git included. Where the fate says so the call raises `Killed`, and from then on every call does,
on every thread: what is dead does nothing more.
"""

import inspect
import re
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import wraps
from typing import Any
from unittest import mock

from dispatcher import app, ports
from dispatcher.journal.store import SqlJournal
from dispatcher.ports import Decided
from dispatcher.runs.process_runs import ProcessRuns
from dispatcher.simulator.faults import Fault, Faults, What
from dispatcher.workspace.workspaces import GitWorkspaces

READS = re.compile(
    r"(load|fetch|find|count|sum|take|choose)_|report$|known$|folder$|shared_paths$|quota_hold$"
)
"""How the ports name what writes nothing: the verb tells the I/O."""


PARTS = {SqlJournal: ports.Journal, ProcessRuns: ports.Runs, GitWorkspaces: ports.Workspaces}


class Killed(BaseException):
    """The dispatcher is gone; nobody handles that."""


@dataclass
class Fate:
    """Counts the boundaries that a dispatcher crosses and ends it at the one that is named in `ends_at`."""

    ends_at: str = ""
    crossed: list[str] = field(default_factory=list)
    is_dead: bool = False
    deaths: list[str] = field(default_factory=list)
    decides: Callable[[str], bool] | None = None
    _times: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def meet(self, boundary: str) -> bool:
        """Cross a boundary; whether the dispatcher is dead from here on."""
        with self._lock:
            if self.is_dead:
                return True
            self._times[boundary] += 1
            name = f"{boundary} #{self._times[boundary]}"
            self.crossed.append(name)
            if name == self.ends_at or (self.decides and self.decides(name)):
                self.is_dead = True
                self.deaths.append(name)
            return self.is_dead

    def cross(self, boundary: str) -> None:
        if self.meet(boundary):
            raise Killed(boundary)

    def live(self) -> None:
        """Anything that writes nothing: done by the living only."""
        if self.is_dead:
            raise Killed

    def revive(self) -> None:
        """A new process; it meets what the old one did not reach."""
        self.is_dead = False
        self.ends_at = ""

    def spares(self) -> None:
        """Nobody dies any more."""
        self.revive()
        self.decides = None

    def holds(self, stack: ExitStack) -> None:
        """Every dispatcher that is put together from now on is mortal."""
        for kind, port in PARTS.items():
            stack.enter_context(mock.patch.object(app, kind.__name__, self._mortal(kind, port)))

    def _mortal(self, kind: type, port: type) -> type:
        names = [name for name, _ in inspect.getmembers(port, inspect.isfunction) if not name.startswith("_")]
        room = port.__name__.lower()
        return type(kind.__name__, (kind,), {name: self._calls(getattr(kind, name), room) for name in names})

    def _calls(self, act: Callable[..., Any], room: str) -> Callable[..., Any]:
        name = act.__name__

        @wraps(act)
        def call(one: Any, *args: Any, **named: Any) -> Any:
            if READS.match(name):
                self.live()
                return act(one, *args, **named)
            what = f"{room}.{name} {_told(args)}".strip()
            self.cross(f"before {what}")
            done = act(one, *args, **named)
            self.cross(f"after {what}")
            return done

        return call


def _told(args: tuple[Any, ...]) -> str:
    """What a call is about, the same in every life."""
    first = args[0] if args else None
    if isinstance(first, Decided):
        return type(first.event).__name__
    run = getattr(first, "run", None)
    return str(run.role) if run else ""


@dataclass(slots=True)
class Door(Faults):
    """The simulator's fault rules; a dead dispatcher's requests get lost, before or after they were acted on."""

    fate: Fate = field(default_factory=Fate)
    token: str = ""

    def take(self, method: str, path: str, body: bytes = b"") -> dict[What, Fault]:
        wrong = Faults.take(self, method, path, body)
        if self.fate.is_dead:
            return wrong | {What.DROP_BEFORE: Fault(What.DROP_BEFORE)}
        if not (what := _written(method, path, body)):
            return wrong
        if self.fate.meet(f"before {what}"):
            return wrong | {What.DROP_BEFORE: Fault(What.DROP_BEFORE)}
        if self.fate.meet(f"after {what}"):
            return wrong | {What.DROP_AFTER: Fault(What.DROP_AFTER)}
        return wrong


def _written(method: str, path: str, body: bytes) -> str:
    """What a request changes, by name; "" for one that only reads."""
    if path.endswith("/git-receive-pack"):
        return "forge push"
    if path.endswith("/git-upload-pack") or method == "GET":
        return ""
    if path.startswith("/graphql"):
        found = re.search(rb'"mutation (\w+)', body)
        return f"forge {found[1].decode()}" if found else ""
    return f"forge {method} {re.sub('[0-9]+', '*', path.partition('?')[0])}"
