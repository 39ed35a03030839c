"""Ends what a dead supervisor left behind."""

import os
import subprocess

from dispatcher.core.errors import RetryLater
from dispatcher.runs import proctree
from dispatcher.runs.cgroup import RunGroup
from dispatcher.runs.folder import RunFolder, load_json
from dispatcher.runs.runlock import take_lock

_PATIENCE_S = 5.0
_ENGINE_S = 20.0


def kill_leftovers(folder: RunFolder, mark: str) -> None:
    """Kill everything that belongs to a run without a supervisor; nothing at all when one lives.

    What belongs to it: whatever carries the mark, and the recorded agent with its descendants, if pid, start time and boot
    are still the recorded ones. Raises RetryLater when something is left after five seconds.
    """
    lock = take_lock(str(folder.lock))
    if lock is None:
        return
    group = RunGroup(str((load_json(folder.order) or {}).get("group") or ""))
    try:
        group.kill()
        _remove_container(folder)
        left = proctree.kill_until_gone(
            lambda: _find_leftovers(folder, mark), _PATIENCE_S, _nothing_to_collect
        )
    finally:
        os.close(lock)
    group.remove()
    if left:
        raise RetryLater(f"{left} processes of run {folder.path.name} could not be killed yet")


def _remove_container(folder: RunFolder) -> None:
    """The engine is the parent of what runs in a container: it has to be told. Raises RetryLater when it does not answer."""
    argv = (load_json(folder.order) or {}).get("kill_argv")
    if isinstance(argv, list) and argv:
        try:
            subprocess.run(
                [str(word) for word in argv],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_ENGINE_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise RetryLater(
                f"the container of run {folder.path.name} could not be removed yet: {error}"
            ) from error


def _find_leftovers(folder: RunFolder, mark: str) -> list[proctree.Process]:
    found = {process.pid: process for process in proctree.find_marked(mark)}
    agent = _load_recorded_agent(folder)
    if agent:
        found |= {process.pid: process for process in (agent, *proctree.find_descendants(agent.pid))}
    found.pop(os.getpid(), None)
    return list(found.values())


def _load_recorded_agent(folder: RunFolder) -> proctree.Process | None:
    started = load_json(folder.started) or {}
    recorded = started.get("agent")
    if (
        started.get("boot_id") != proctree.load_boot_id()
        or not isinstance(recorded, list)
        or len(recorded) != 2
    ):
        return None
    present = proctree.load_process(int(recorded[0]))
    return present if present and present.is_alive and present.started_ticks == recorded[1] else None


def _nothing_to_collect() -> None:
    """The leftovers are no children of ours: whoever adopted them collects them."""
