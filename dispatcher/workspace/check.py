"""Running the check on exactly one commit, in a clean checkout, and nothing of it survives."""

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

from dispatcher.core.errors import ProgramAbsent, RetryLater
from dispatcher.core.rules import RepoRules
from dispatcher.workspace import watcher
from dispatcher.workspace.check_output import Tail, fingerprint
from dispatcher.workspace.redact import redact
from dispatcher.workspace.sandbox import Confinement, Reach

_PASSED_ON: Final = ("PATH", "LANG", "DOCKER_HOST", "SSL_CERT_FILE", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY")
_PATIENCE_S: Final = 30.0
_PIPE_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a check ended. `tail` is the last 8 KB of its output, printable; `fingerprint` names the way it failed."""

    is_green: bool
    tail: str = ""
    fingerprint: str = ""


@dataclass(frozen=True, slots=True)
class CheckRun:
    """One check to run. `home` is an empty private folder, `readable` what the checkout borrows from; without `rules` no sandbox."""

    argv: tuple[str, ...]
    checkout: Path
    home: Path
    limit_s: float
    readable: tuple[Path, ...] = ()
    env: tuple[tuple[str, str], ...] = ()
    rules: RepoRules | None = None


@dataclass(slots=True)
class CheckRunner:
    """Runs checks; `stop` ends those that run now. Safe to use from several threads."""

    confinement: Confinement
    secrets: Callable[[], Sequence[str]] = tuple
    _lifelines: set[int] = field(default_factory=set)
    _guard: threading.Lock = field(default_factory=threading.Lock)
    _is_stopped: bool = False

    def run(self, order: CheckRun) -> Verdict:
        """Run the check to its end. Raises RetryLater when the dispatcher stops, or the watcher was killed; ProgramAbsent."""
        must_be_installed(order.argv, _environment(order)["PATH"])
        tail = Tail()
        said = self._watch(order, tail)
        text = redact(tail.text(), self.secrets())
        match said.split(" ", 1):
            case ["exit", "0"]:
                return Verdict(is_green=True, tail=text)
            case ["exit", code]:
                return _red(text, f"the check ended with exit code {code}")
            case ["signal", number]:
                return _red(text, f"the check was killed by signal {number}")
            case ["absent", why]:
                return _red(text, f"the check could not be started: {why}")
            case [watcher.TIMEOUT]:
                return _red(text, f"the check did not finish within {order.limit_s:.0f} s and was killed")
            case _:
                raise RetryLater("the check was interrupted")

    def stop(self) -> None:
        """End every check that runs now, and every later one at once; used when the daemon stops."""
        with self._guard:
            self._is_stopped = True
            for lifeline in self._lifelines:
                os.close(lifeline)
            self._lifelines.clear()

    def _watch(self, order: CheckRun, tail: Tail) -> str:
        """Run the watcher; fills `tail`, returns the watcher's report, "" when it had no chance to write one."""
        report, report_in = os.pipe()
        lifeline_out, lifeline = os.pipe()
        try:
            self._hold(lifeline)
            process = self._start(order, report_in, lifeline_out)
        except BaseException:
            os.close(report)
            self._let_go(lifeline)
            raise
        finally:
            os.close(report_in)
            os.close(lifeline_out)
        try:
            _read_to_end(process, tail, order.limit_s + _PATIENCE_S)
            return _read_report(report)
        finally:
            self._let_go(lifeline)

    def _start(self, order: CheckRun, report: int, lifeline: int) -> subprocess.Popen[bytes]:
        reach = Reach(readable=order.readable, writable=(order.checkout, order.home))
        command = self.confinement.enclose(order.argv, reach, order.rules) if order.rules else order.argv
        program = (sys.executable, "-I", "-S", str(Path(watcher.__file__)), f"{order.limit_s:g}", str(report))
        return subprocess.Popen(
            (*program, *command),
            cwd=order.checkout,
            env=_environment(order),
            stdin=lifeline,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=(report,),
        )

    def _hold(self, lifeline: int) -> None:
        with self._guard:
            self._lifelines.add(lifeline)
            stopped = self._is_stopped
        if stopped:
            raise RetryLater("the dispatcher is stopping")

    def _let_go(self, lifeline: int) -> None:
        with self._guard:
            if lifeline in self._lifelines:
                self._lifelines.remove(lifeline)
                os.close(lifeline)


def must_be_installed(argv: Sequence[str], path: str) -> None:
    """Raises ProgramAbsent when the check's program is not there: no commit can mend that. One in the checkout is a commit's matter."""
    program = argv[0]
    is_in_checkout = "/" in program and not Path(program).is_absolute()
    if not is_in_checkout and shutil.which(program, path=path) is None:
        raise ProgramAbsent(f"the check `{' '.join(argv)}` needs `{program}`, which is not installed here.")


def _read_to_end(process: subprocess.Popen[bytes], tail: Tail, patience_s: float) -> None:
    """Read until the watcher is gone. The reader is a thread: where orphans cannot be adopted, one may hold the pipe open."""
    assert process.stdout is not None
    reader = threading.Thread(target=_drain, args=(process.stdout, tail), daemon=True)
    reader.start()
    try:
        process.wait(patience_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    reader.join(_PIPE_S)
    if not reader.is_alive():
        process.stdout.close()


def _drain(stream: IO[bytes], tail: Tail) -> None:
    while chunk := os.read(stream.fileno(), 65536):
        tail.add(chunk)


def _read_report(descriptor: int) -> str:
    with os.fdopen(descriptor, "rb") as file:
        return file.read(1000).decode(errors="replace")


def _environment(order: CheckRun) -> dict[str, str]:
    ours = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    private = {
        "HOME": str(order.home),
        "TMPDIR": str(order.home / "tmp"),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
    }
    return {"PATH": os.defpath, **ours, **private, **dict(order.env)}


def _red(text: str, ending: str) -> Verdict:
    return Verdict(is_green=False, tail=f"{text}\n{ending}".strip(), fingerprint=fingerprint(text, ending))
