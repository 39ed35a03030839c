"""A run whose processes would not die: told, looked at again after a pause, and in nobody's way."""

from datetime import timedelta

from dispatcher.core.errors import RetryLater
from dispatcher.core.events import OutcomeMalformed
from dispatcher.engine.collecting import RELUCTANT_PAUSE, Collector
from dispatcher.ports import RunReport


def test_what_will_not_die_is_told_once_and_asked_again_after_a_pause(room):
    task = room.begins(room.task(), room.run())
    collector = Collector(room.desk, room.watcher)
    room.runs.instead["report"] = lambda run_id: RunReport(run_id, "lost")
    room.runs.instead["load_outcome"] = lambda run_id, _: OutcomeMalformed(run_id, "nothing", is_absent=True)
    room.runs.fails("reap", RetryLater("1 processes of run run-1 could not be killed yet"))
    for _ in range(5):
        collector.collect()
        room.passes(1)
    assert room.runs.asked["reap"] == 1
    assert [what for _, what in room.journal.load_notes(task.key)] == [
        "1 processes of run run-1 could not be killed yet"
    ]

    room.passes(RELUCTANT_PAUSE / timedelta(seconds=1))
    collector.collect()
    assert room.runs.asked["reap"] == 2
    assert room.known(task).run is not None, "its slot and its claim are still its own"

    room.runs.instead.pop("reap")
    room.passes(RELUCTANT_PAUSE / timedelta(seconds=1))
    collector.collect()
    assert room.known(task).run is None
    assert room.events(task)[-1] == "RunDied"
