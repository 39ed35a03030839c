"""The folder on which everything is played: private, and gone afterwards unless somebody wants to look at it."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dispatcher.core.errors import DispatcherError


@contextmanager
def stage_folder(name: str, *, keep: bool) -> Iterator[Path]:
    """A new folder under the temporary one, readable for its owner only; removed at the end unless `keep`.

    Raises DispatcherError when something in it resists removal.
    """
    # An agent's sandbox sees resolved paths: a temporary folder behind a link would be two different ones.
    folder = Path(tempfile.mkdtemp(prefix=f"dispatcher-{name}-")).resolve()
    try:
        yield folder
    finally:
        if not keep:
            remove(folder)


def remove(folder: Path) -> None:
    """Remove a folder and everything below, also what an agent made read-only. Raises DispatcherError."""
    for place, _, _ in os.walk(folder):
        Path(place).chmod(0o700)
    shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():
        raise DispatcherError(f"{folder} could not be removed; remove it by hand.")
