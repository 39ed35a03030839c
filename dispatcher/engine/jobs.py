"""Slow work beside the loop: clone, check, push. A job is known by its effect's id; its result waits to be collected."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import TypeVar

from dispatcher.core.events import Event

Found = TypeVar("Found")
Work = Callable[[], Sequence[Event]]


@dataclass(slots=True)
class Jobs:
    """A small pool. Nothing here is durable: after a restart the effect is still pending, and is begun again."""

    width: int = 4
    _pool: ThreadPoolExecutor = field(init=False)
    _running: dict[int, Future[Sequence[Event]]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._pool = ThreadPoolExecutor(self.width, thread_name_prefix="job")

    def begin(self, effect_id: int, work: Work) -> None:
        """Start the work, unless it is under way."""
        if effect_id not in self._running:
            self._running[effect_id] = self._pool.submit(work)

    def aside(self, work: Callable[[], Found]) -> "Future[Found]":
        """Do something that no effect asked for, such as housekeeping; whoever asks keeps the future."""
        return self._pool.submit(work)

    def is_known(self, effect_id: int) -> bool:
        """Whether the work was begun and not yet collected."""
        return effect_id in self._running

    def is_done(self, effect_id: int) -> bool:
        """Whether the result waits."""
        return effect_id in self._running and self._running[effect_id].done()

    def collect(self, effect_id: int) -> Sequence[Event]:
        """The result, once; raises what the work raised."""
        return self._running.pop(effect_id).result()

    def keep_only(self, effect_ids: set[int]) -> None:
        """Forget work whose effect was crossed off meanwhile; whatever it still finds means nothing."""
        for effect_id in self._running.keys() - effect_ids:
            del self._running[effect_id]

    def settle(self, timeout_s: float) -> bool:
        """Wait until everything under way is done; False if it is not by then."""
        return not wait(self._running.values(), timeout=timeout_s).not_done

    def __len__(self) -> int:
        return len(self._running)

    def close(self) -> None:
        """Stop taking work; what is under way is left to finish by itself."""
        self._pool.shutdown(wait=False, cancel_futures=True)
