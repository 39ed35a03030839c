"""One run's supervisor: a small process of its own that outlives the dispatcher. Standard library only.

It holds a lock on the run folder for as long as it lives: that lock, not a pid, is what "running" means. It starts the
agent, keeps its log under a cap, notes progress, enforces the limits, ends the whole process tree, commits
what the agent left uncommitted, and writes `exit.json` once, atomically. The order and every path come from one file.
"""

# ruff: noqa: PTH110, PTH116, PTH123
import errno
import importlib
import json
import os
import select
import signal
import time

from dispatcher.runs import proctree, spawn
from dispatcher.runs.cgroup import RunGroup, limits_of_group
from dispatcher.runs.doorkeeper import Doorkeeper
from dispatcher.runs.errand import Order, load_order, split_words, write_atomically
from dispatcher.runs.filechanges import newest_change
from dispatcher.runs.runlock import take_lock
from dispatcher.runs.runlog import CappedLog
from dispatcher.runs.screening import Screen
from dispatcher.runs.watching import FILES_TOO_LARGE, Watch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dispatcher.runs.eventlog import EventLog

LOCK_IS_TAKEN = 75
"""Exit code of a supervisor that found another one at work."""

_LOOK_S = 0.2
_CLOSING_S = 60.0
_GONE_S = 10.0
_OUTPUT_FACTOR = 50  # a run that prints so many times its log's cap is ended; the cap alone only cuts the log
_PROGRESS_NOTE_S = 1.0
_ASIDE_S = 1.0
_CHUNKS_PER_LOOK = 64
_NOTHING_TO_CLOSE = {"", "could-not-start", FILES_TOO_LARGE}  # a commit of it all would take the same again


def main(order_path: str) -> int:
    """Take the run's lock, go into the background, supervise. Returns in the foreground process only.

    With `--probe` it only tells, by exit code 0, whether agents can have a process namespace of their own here.
    """
    if order_path == "--probe":
        return 0 if spawn.can_isolate() else 1
    order = load_order(order_path)
    if take_lock(order.lock_path) is None:
        return LOCK_IS_TAKEN
    if os.path.exists(order.started_path) or os.path.exists(order.exit_path):
        return 0
    launcher = proctree.load_process(os.getpid())
    secrets, words = split_words(spawn.read_to_end(0))
    if os.fork():
        return 0  # the child goes on with the lock: it belongs to the open file, not to a process
    Supervisor(order, launcher, Doorkeeper(order, words), Screen(secrets)).run()
    os._exit(0)


class Supervisor:
    """The single-threaded loop around one agent."""

    def __init__(
        self, order: Order, launcher: proctree.Process | None, doorkeeper: Doorkeeper, screen: Screen
    ) -> None:
        self.order = order
        self.launcher = launcher
        self.doorkeeper = doorkeeper
        self.screen = screen
        self.log = CappedLog(order.log_path, order.log_bytes)
        self.output_read, self.output_write = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self.output_read, False)
        self.wake_read, self.wake_write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self.child: spawn.Spawned | None = None
        self.group = RunGroup(order.group_path)
        self.watch = Watch(order, self.group)
        self.isolation_used = spawn.PLAIN
        self.exit_code: int | None = None
        self.doorkeeper_is_lost = False
        self.began_at = time.time()
        self.began_s = self.heard_s = time.monotonic()
        self.noted_s = 0.0
        self.out_seen = _modified(order.out_path)
        self.because = ""
        self.detail = ""
        self.signalled_to_stop = False
        self.events: EventLog | None = None
        self.heard_at = 0.0
        self.looked_aside_s = 0.0
        self.pending_signals: list[int] = []
        self.next_signal_s = 0.0

    def run(self) -> None:
        """The whole life of the run; whatever happens, `exit.json` is written."""
        for step in (
            self._listen,
            self.doorkeeper.start,
            self._supervise,
            self._end_everything,
            self._close_work,
            self.group.remove,
            self._drain,
            self._let_go_of_the_rest,
            self.log.close,
            self._close_events,
        ):
            try:
                step()
            except Exception as error:  # noqa: BLE001 - a fault of ours must not look like a run that never ends
                self._conclude("lost", f"the supervisor failed: {type(error).__name__}: {error}")
        self._write_exit()

    # --- the agent's life

    def _supervise(self) -> None:
        spawn.become_subreaper()
        self.group.make(limits_of_group(self.order.memory_bytes, self.order.processes))
        self._read_stop_request()
        if self.because:
            return
        if not self._start(self.order.argv, dict(os.environ), self.order.stdin_path, note=True):
            return
        self._open_events()
        while self.exit_code is None:
            self._wait_a_little()
            self._drain()
            self._collect()
            if self.exit_code is None:
                self._judge(time.monotonic())
        if not self.because:
            because, words = self.watch.explain_end(self.exit_code)
            lost = "its doorkeeper ended before it: there was no way out any more"
            self._conclude(because or "exited", lost if self.doorkeeper_is_lost and not because else words)

    def _start(self, argv: list[str], environment: dict[str, str], stdin_path: str, *, note: bool) -> bool:
        program = spawn.Program(argv, environment, self.order.checkout, stdin_path, self.output_write)
        try:
            self.child = spawn.spawn(program, self.order.isolation)
        except OSError as error:
            self._conclude("could-not-start", f"no process could be made: {error.strerror}")
            return False
        self.exit_code = None
        self.group.take_in(self.child.pid)
        if note:
            self.isolation_used = self.child.isolation
            self._write_started(self.child.pid)
            self.began_s = self.heard_s = time.monotonic()
        why = self.child.release()
        if why:
            self._conclude("could-not-start", why)
        return not why

    def _judge(self, now_s: float) -> None:
        """Look whether a limit is reached or a stop is asked, and send what is due."""
        self._read_stop_request()
        if not self.because and not os.path.exists(self.order.lock_path):
            # Nobody can find this run any more, to stop it or to hear of its end.
            self._begin_ending("stopped", "the run's folder is gone")
            self.pending_signals.clear()
        if not self.because:
            self._check_limits(now_s)
        if self.because and now_s >= self.next_signal_s:
            self._press(now_s)

    def _check_limits(self, now_s: float) -> None:
        order = (
            self.order
        )  # times are monotonic: they stand still while a laptop sleeps, and so do the limits
        if now_s - self.began_s >= order.wall_s:
            self._begin_ending("timed-out", f"the limit of {order.wall_s:g} s was over")
        elif now_s - self.heard_s >= order.silence_s and not self._work_changed():
            self._begin_ending(
                "stalled", f"silent for {now_s - self.heard_s:.0f} s, the limit is {order.silence_s:g} s"
            )
        elif self.log.total_bytes > order.log_bytes * _OUTPUT_FACTOR:
            self._begin_ending("output-too-large", f"printed {self.log.total_bytes} bytes")
        else:
            self._check_share(now_s)

    def _check_share(self, now_s: float) -> None:
        is_boxed = bool(self.child and self.child.isolation in {spawn.SANDBOX, spawn.CONTAINER})
        because, words = self.watch.find_excess(now_s, self.doorkeeper.pid, is_boxed=is_boxed)
        if because:
            self._begin_ending(because, words)
            self.pending_signals.clear()  # every second of grace makes it worse for everybody else

    def _begin_ending(self, because: str, detail: str) -> None:
        self._conclude(because, detail)
        if self.events:
            self.events.is_being_ended = True
        self.pending_signals = list(self.order.stop_signals)
        self.next_signal_s = 0.0

    def _press(self, now_s: float) -> None:
        """Send the next signal of the ladder; after the last one KILL, as often as it takes."""
        if self.pending_signals:
            self._signal_tree(self.pending_signals.pop(0))
            self.next_signal_s = now_s + self.order.grace_s
        else:
            self._signal_tree(signal.SIGKILL)
            self._remove_container()
            self.next_signal_s = now_s + _LOOK_S

    def _read_stop_request(self) -> None:
        """Begin to end the run when a stop is asked; "at once" leaves out what is still pending before KILL."""
        try:
            with open(self.order.stop_path, encoding="utf-8") as file:
                request = json.load(file)
        except (OSError, ValueError):
            request = {"why": "the supervisor was told to end"} if self.signalled_to_stop else None
        if not isinstance(request, dict):
            return
        if not self.because:
            self._begin_ending("stopped", str(request.get("why", "")))
        if request.get("at_once") and self.pending_signals:
            self.pending_signals.clear()
            self.next_signal_s = 0.0

    # --- processes

    def _listen(self) -> None:
        signal.set_wakeup_fd(self.wake_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(signum, self._remember_stop)

    def _remember_stop(self, *_: object) -> None:
        self.signalled_to_stop = True

    def _wait_a_little(self) -> None:
        poll = select.poll()
        poll.register(self.output_read, select.POLLIN)
        poll.register(self.wake_read, select.POLLIN)
        for descriptor, _ in poll.poll(_LOOK_S * 1000):
            if descriptor == self.wake_read:
                _read_available(self.wake_read)

    def _collect(self) -> None:
        """Take in every dead child; the one that matters leaves its exit code."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if self.child and pid == self.child.pid:
                self.exit_code = spawn.exit_code_of(status)
            elif pid == self.doorkeeper.pid and self.exit_code is None:
                self.doorkeeper_is_lost = True

    def _signal_tree(self, signum: int) -> None:
        """An init hands INT and TERM on to everything; KILL of it ends the namespace, which no process in it survives."""
        isolation = self.child.isolation if self.child else spawn.PLAIN
        if self.child and isolation in {spawn.NAMESPACE, spawn.CONTAINER}:
            os.kill(self.child.pid, signum)
            return
        for process in self._find_tree():
            # The sandbox's outer end would die of the signal, and take everything with it before it can end by itself.
            if isolation != spawn.SANDBOX or self._is_init(process) or signum == signal.SIGKILL:
                proctree.send_signal(process, signum)

    def _remove_container(self) -> None:
        """The engine, not we, is the parent of what runs in a container."""
        if self.order.kill_argv and self.child and self.child.isolation == spawn.CONTAINER:
            spawn.run_quietly(self.order.kill_argv, dict(os.environ))

    def _is_init(self, process: proctree.Process) -> bool:
        return self.child is not None and process.parent == self.child.pid

    def _find_tree(self) -> list[proctree.Process]:
        mine = {p.pid: p for p in proctree.find_descendants(os.getpid())}
        mine |= {p.pid: p for p in proctree.find_marked(self.order.mark) if p.pid != os.getpid()}
        if self.launcher and self.launcher.is_same_as(mine.get(self.launcher.pid)):
            del mine[self.launcher.pid]  # our own foreground half, on its way out
        return list(mine.values())

    def _end_everything(self) -> None:
        self._remove_container()
        self.group.kill()
        left = proctree.kill_until_gone(self._find_tree, _GONE_S, self._collect)
        if left:
            self.detail = f"{self.detail}; {left} processes could not be killed".strip("; ")

    def _close_work(self) -> None:
        """Commit what the agent left uncommitted: in its own environment, without its secrets, for a minute at most."""
        if not self.order.closing_argv or self.because in _NOTHING_TO_CLOSE or self.child is None:
            return
        exit_code = self.exit_code
        environment = {k: v for k, v in os.environ.items() if k not in self.order.secret_names}
        deadline_s = time.monotonic() + _CLOSING_S
        has_started = self._start(self.order.closing_argv, environment, os.devnull, note=False)
        while has_started and self.exit_code is None and time.monotonic() < deadline_s:
            self._wait_a_little()
            self._drain()
            self._collect()
        self._end_everything()
        self.exit_code = exit_code

    # --- what is written

    def _conclude(self, because: str, detail: str) -> None:
        self.because = self.because or because
        self.detail = self.detail or detail

    def _drain(self) -> None:
        """Keep what was printed, and note progress: what counts as such is the event log's business, and any change in `out/`."""
        is_progress = False
        for _ in range(_CHUNKS_PER_LOOK):
            chunk = _read_available(self.output_read)
            if not chunk:
                break
            is_progress = self._keep(self.screen.feed(chunk)) or is_progress
        now_s = time.monotonic()
        if self.events and now_s - self.looked_aside_s >= _ASIDE_S:
            self.looked_aside_s = now_s
            is_progress = self.events.look_aside() or is_progress
        if self.events:
            self.events.save(now_s)
        seen = _modified(self.order.out_path)
        if is_progress or seen != self.out_seen:
            self.out_seen = seen
            self._note_progress(now_s)

    def _keep(self, shown: bytes) -> bool:
        """Write output down that holds no secret of ours any more; whether it shows progress."""
        self.log.write(shown)
        return self.events.feed(shown) if self.events else True

    def _let_go_of_the_rest(self) -> None:
        """What was held back because it could have become a secret."""
        if rest := self.screen.flush():
            self._keep(rest)

    def _note_progress(self, now_s: float) -> None:
        self.heard_s, self.heard_at = now_s, time.time()
        if now_s - self.noted_s >= _PROGRESS_NOTE_S:
            self.noted_s = now_s
            with open(self.order.progress_path, "w", encoding="ascii") as file:
                file.write(repr(time.time()))

    def _work_changed(self) -> bool:
        """Whether a program without a stream of events changed files since it was last heard; only looked at when its silence is over."""
        if self.events and self.events.has_stream:
            return False
        newest_at = newest_change(self.order.checkout)
        if newest_at <= self.heard_at:
            return False
        self._note_progress(time.monotonic())
        self.heard_at = max(self.heard_at, newest_at)
        return True

    def _open_events(self) -> None:
        # The agent already works: what this needs is loaded beside it. Without it the run goes on, and any output counts.
        eventlog = importlib.import_module("dispatcher.runs.eventlog")
        kind = importlib.import_module(self.order.kind_module).KIND
        self.events = eventlog.EventLog(self.order, kind, self.screen.mask)

    def _close_events(self) -> None:
        if self.events:
            self.events.close()

    def _write_started(self, pid: int) -> None:
        supervisor, agent = proctree.load_process(os.getpid()), proctree.load_process(pid)
        fields = {
            "at": self.began_at,
            "boot_id": proctree.load_boot_id(),
            "isolation": self.isolation_used,
            "group": self.group.path,
            "supervisor": [supervisor.pid, supervisor.started_ticks] if supervisor else [],
            "agent": [agent.pid, agent.started_ticks] if agent else [],
        }
        write_atomically(self.order.started_path, fields, durable=False)

    def _write_exit(self) -> None:
        fields = {
            "run_id": self.order.run_id,
            "because": self.because,
            "detail": self.detail,
            "exit_code": self.exit_code,
            "started_at": self.began_at,
            "ended_at": time.time(),
            "isolation": self.isolation_used,
            "output_bytes": self.log.total_bytes,
        }
        write_atomically(self.order.exit_path, fields, durable=True)


def _read_available(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65_536)
    except OSError as error:
        if error.errno == errno.EAGAIN:
            return b""
        raise


def _modified(path: str) -> int:
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return 0
