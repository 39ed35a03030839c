"""The state folder's owner: one dispatcher per folder, its instance id, and the real clock."""

import fcntl
import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from threading import Event

from dispatcher.core.errors import AlreadyRunning, NeedsPerson


class SystemClock:
    """The machine's time. `stop` ends a wait early and for ever after."""

    def __init__(self) -> None:
        self._stopped = Event()

    def now(self) -> datetime:
        """The present moment, aware, UTC."""
        return datetime.now(UTC)

    def wait(self, seconds: float) -> None:
        """Pause, unless `stop` was or is called."""
        self._stopped.wait(seconds)

    def stop(self) -> None:
        """Wake whoever waits; nobody waits again."""
        self._stopped.set()


def make_state_dir(state_dir: Path) -> None:
    """Create the state folder, readable for its owner only. Raises NeedsPerson if that is impossible."""
    try:
        state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise NeedsPerson(
            f"the state folder {state_dir} cannot be made: {error.strerror}.",
            "Choose another one with `state_dir` in config.toml or DISPATCHER_STATE_DIR.",
        ) from error


@contextmanager
def hold_state_dir(state_dir: Path, now: datetime) -> Iterator[None]:
    """Be the one dispatcher of this folder. Raises AlreadyRunning, naming the holder.

    The lock is the kernel's: it ends with the process, however that ends. The text in the file only tells people who.
    """
    make_state_dir(state_dir)
    path = state_dir / "lock"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.read(descriptor, 500).decode(errors="replace").strip() or "another process"
            raise AlreadyRunning(
                f"{path} is held by {holder}.",
                "Stop it with `dispatcher stop`, or choose another state folder.",
            ) from error
        text = f"pid {os.getpid()} on {socket.gethostname()} since {now:%Y-%m-%d %H:%M:%S} UTC"
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, text.encode(), 0)
        yield
    finally:
        os.close(descriptor)


def load_instance_id(state_dir: Path) -> str:
    """The name under which this folder's dispatcher claims items: made once, kept beside the journal, not in it."""
    path = state_dir / "instance-id"
    try:
        known = path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        known = ""
    if known:
        return known
    made = secrets.token_hex(6)
    path.write_text(made + "\n", encoding="utf-8")
    return made
