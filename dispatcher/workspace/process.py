"""Running a program to its end, within bounds: time, output, the files that it writes, the memory that it takes."""

import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Final

from dispatcher.core.errors import RetryLater

LOCAL_S: Final = 120.0
MOST_BYTES: Final = 100_000_000
_LONGEST_COMPLAINT: Final = 20_000


@dataclass(frozen=True, slots=True)
class Finished:
    """What a finished program left behind; `was_cut` when it had more to say than it was allowed to."""

    code: int
    out: bytes
    err: bytes
    was_cut: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """How one git command differs from the plain one.

    `settings` are configuration for this command alone, `env` further variables, `prefix` a command line put in front,
    `keep_open` descriptors that the child inherits (a lock that must outlive us). Output is read up to `most_bytes`.
    """

    stdin: bytes = b""
    settings: tuple[tuple[str, str], ...] = ()
    env: Mapping[str, str] | None = None
    prefix: tuple[str, ...] = ()
    timeout_s: float = LOCAL_S
    protocols: str = "file"
    keep_open: tuple[int, ...] = ()
    most_bytes: int = MOST_BYTES


def spawn(argv: Sequence[str], folder: Path, env: Mapping[str, str], call: Call) -> Finished:
    """Run a program in a process group that dies as a whole when its time is over. Raises RetryLater then."""
    late = threading.Event()
    with TemporaryFile() as given, TemporaryFile() as complaints:
        given.write(call.stdin)
        given.seek(0)
        with (
            subprocess.Popen(
                argv,
                cwd=folder,
                env=dict(env),
                umask=0o022,  # a sandbox may read our objects as another user; the state folder keeps everybody else out
                stdin=given,
                stdout=subprocess.PIPE,
                stderr=complaints,
                start_new_session=True,
                pass_fds=call.keep_open,
            ) as process
        ):
            alarm = threading.Timer(call.timeout_s, _end_late, (process.pid, late))
            alarm.start()
            assert process.stdout is not None
            try:
                out = process.stdout.read(call.most_bytes + 1)
                if len(out) > call.most_bytes:
                    _kill_group(process.pid)
                process.wait()
            finally:
                alarm.cancel()
        if late.is_set():
            words = [word for word in argv if not word.startswith("-")]
            raise RetryLater(f"{' '.join(words[:3])} did not finish within {call.timeout_s:.0f} s")
        return Finished(
            process.returncode, out[: call.most_bytes], _end_of(complaints), len(out) > call.most_bytes
        )


def _end_late(leader: int, late: threading.Event) -> None:
    late.set()
    _kill_group(leader)


def _kill_group(leader: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)


def _end_of(file: IO[bytes]) -> bytes:
    file.seek(max(0, file.seek(0, os.SEEK_END) - _LONGEST_COMPLAINT))
    return file.read()


def limited(*, file_bytes: int = 0, memory_bytes: int = 0) -> tuple[str, ...]:
    """A command prefix under which no process writes a larger file, or takes more memory; 0 = as much as it likes."""
    if shutil.which("prlimit"):
        sizes = (("--fsize", file_bytes), ("--data", memory_bytes))
        return ("prlimit", *(f"{option}={size}" for option, size in sizes if size), "--")
    # The units that shells give these: POSIX says 512 bytes for files, and everybody counts memory in KiB.
    orders = (
        f"ulimit -f {file_bytes // 512 or 'unlimited'}",
        f"ulimit -d {memory_bytes // 1024 or 'unlimited'}",
    )
    return ("/bin/sh", "-c", f'{orders[0]}; {orders[1]} || :; exec "$@"', "limited")
