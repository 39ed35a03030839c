"""A run that gives signs of life is left alone up to its limit, and not a moment longer."""

from tests.runs.conftest import Desk


def test_whoever_still_prints_at_95_percent_of_the_limit_is_alive(desk: Desk) -> None:
    desk.wall_s, desk.silence_s = 1.4, 0.9
    desk.shell("while :; do echo tick; sleep 0.05; done")
    report = desk.finished()
    assert report.ended_because == "timed-out"
    assert report.started_at
    assert report.last_progress_at
    assert (report.last_progress_at - report.started_at).total_seconds() >= 0.3 * desk.wall_s
    assert report.ended_at
    assert (report.ended_at - report.started_at).total_seconds() >= 0.95 * desk.wall_s
