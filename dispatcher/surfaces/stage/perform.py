"""Following a play to its end, or to where somebody ends it."""

from dispatcher.core.errors import DispatcherError
from dispatcher.surfaces.stage.play import Bell, Moment, Play
from dispatcher.surfaces.stage.view import View


class Interrupted(DispatcherError):
    """Somebody pressed Ctrl-C, or ended the process."""


def perform(play: Play, view: View, bell: Bell, patience_s: float | None = None) -> Moment:
    """Show round after round until it is over or the patience is; the last moment. Raises Interrupted."""
    last: Moment | None = None
    for moment in play.watch():
        last = moment
        view.follow(moment)
        if bell.has_rung:
            break
        if patience_s is not None and moment.at_s > patience_s:
            break
    if bell.has_rung or last is None:
        raise Interrupted("Interrupted: the runs were ended and nothing was published.")
    return last
