"""One seed from beginning to end: most on a journal in memory, every tenth on the real one in a file."""

from contextlib import ExitStack
from pathlib import Path

from dispatcher.journal.store import SqlJournal
from dispatcher.ports import Journal
from tests.simulation.memory_journal import MemoryJournal
from tests.simulation.simulation import Simulation

DEFAULT_STEPS = 400
"""Steps of trouble in one world; the calm at the end comes on top."""
SQLITE_EVERY = 10


def is_on_sqlite(seed: int) -> bool:
    """Whether this seed's journals are the real ones."""
    return seed % SQLITE_EVERY == SQLITE_EVERY - 1


def simulate(seed: int, folder: Path, steps: int = DEFAULT_STEPS, *, keeps_trace: bool = False) -> Simulation:
    """Run one world; what it came to."""
    with ExitStack() as stack:

        def journal(name: str) -> Journal:
            if is_on_sqlite(seed):
                return stack.enter_context(SqlJournal(folder / f"{name}.sqlite3"))
            return MemoryJournal()

        world = Simulation(seed, folder, journal, keeps_trace=keeps_trace)
        world.run(steps)
        return world
