"""Starts one program inside a process namespace of its own, where the kernel allows it. Standard library only.

In the namespace a small init of ours is process 1: it hands INT and TERM on to everything, and when the program
ends the kernel kills whatever else is left. It dies with the supervisor. Where namespaces are not allowed the
program is a plain child, and `proctree` finds the rest by parentage and by mark.
"""

# ruff: noqa: PTH208
import ctypes
import os
import resource
import select
import signal

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_CHILD_SUBREAPER = 36
_CLONE_NEWNS, _CLONE_NEWUSER, _CLONE_NEWPID = 0x00020000, 0x10000000, 0x20000000
_MS_NOSUID, _MS_NODEV, _MS_NOEXEC, _MS_REC, _MS_PRIVATE = 2, 4, 8, 0x4000, 0x40000

AUTO, PLAIN, NAMESPACE, SANDBOX, CONTAINER = "auto", "plain", "namespace", "sandbox", "container"
"""How to isolate: `auto` takes a namespace when there can be one, `plain` never does. With `sandbox` and `container` the command line
itself makes the border, with an init of ours inside; a sandbox's tells on descriptor 3 that it stands."""

WORDS_FD = 3
_READY = b"ready"


class Program:
    """What to start: argv, environment, folder, file for stdin, descriptor for stdout and stderr."""

    __slots__ = ("argv", "environment", "folder", "output", "stdin_path")

    def __init__(
        self, argv: list[str], environment: dict[str, str], folder: str, stdin_path: str, output: int
    ) -> None:
        self.argv = argv
        self.environment = environment
        self.folder = folder
        self.stdin_path = stdin_path
        self.output = output


class Spawned:
    """A child that waits for `release`. `pid` is the namespace's init, the sandbox's outer end, or the program itself."""

    __slots__ = ("_go", "_words", "isolation", "pid")

    def __init__(self, pid: int, go: int, words: int, isolation: str) -> None:
        self.pid = pid
        self.isolation = isolation
        self._go = go
        self._words = words

    def release(self) -> str:
        """Let the program start; returns "" or why it could not."""
        os.write(self._go, b"g")
        os.close(self._go)
        why = read_to_end(self._words)
        os.close(self._words)
        if self.isolation == SANDBOX:
            if not why.startswith(_READY):
                told = why.decode("utf-8", "replace").strip()
                return f"the sandbox could not be started: {told or 'agent.log says why'}"
            why = why[len(_READY) :].strip()
        return why.decode("utf-8", "replace")


def become_subreaper() -> None:
    """Orphans among our descendants come to us from now on."""
    _libc().prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def spawn(program: Program, isolation: str) -> Spawned:
    """Make a child that is ready to become the program, in a namespace when `isolation` and the kernel allow it."""
    if isolation == AUTO:
        spawned = _spawn_in_namespace(program)
        if spawned:
            return spawned
    return _spawn_plain(program, isolation if isolation != AUTO else PLAIN)


def run_quietly(argv: list[str], environment: dict[str, str]) -> None:
    """Run a short command of ours to its end; nothing is heard of it."""
    pid = os.fork()
    if pid == 0:
        silence = os.open(os.devnull, os.O_RDWR)
        close_all_but({silence})
        _become(Program(argv, environment, "/", os.devnull, silence), silence)
    os.waitpid(pid, 0)


def can_isolate() -> bool:
    """Whether a process namespace really works here: makes one and lets it go. Forks: for a small process only."""
    become_subreaper()
    output = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    try:
        spawned = _spawn_in_namespace(Program(["/bin/sh", "-c", ":"], {}, "/", os.devnull, output))
        if spawned is None:
            return False
        why = spawned.release()
        os.waitpid(spawned.pid, 0)
        return not why
    finally:
        os.close(output)


def _spawn_plain(program: Program, isolation: str) -> Spawned:
    go_read, go_write = os.pipe2(os.O_CLOEXEC)
    words_read, words_write = os.pipe2(os.O_CLOEXEC)
    pid = os.fork()
    if pid == 0:
        close_all_but({program.output, go_read, words_write})
        if os.read(go_read, 1):
            _die_with_parent(words_write)
            if isolation == SANDBOX:
                words_write = _hand_in(program, words_write)
            _become(program, words_write)
        os._exit(1)
    os.close(go_read)
    os.close(words_write)
    return Spawned(pid, go_write, words_read, isolation)


def _hand_in(program: Program, words: int) -> int:
    """Let the program itself have the descriptor for words, under its fixed number."""
    if program.output == WORDS_FD:
        program.output = os.dup(program.output)
    if words != WORDS_FD:
        os.dup2(words, WORDS_FD, inheritable=True)
        os.close(words)
    os.set_inheritable(WORDS_FD, True)  # noqa: FBT003 - the function's shape
    return WORDS_FD


def _spawn_in_namespace(program: Program) -> Spawned | None:
    go_read, go_write = os.pipe2(os.O_CLOEXEC)
    words_read, words_write = os.pipe2(os.O_CLOEXEC)
    pids_read, pids_write = os.pipe2(os.O_CLOEXEC)
    maker = os.fork()
    if maker == 0:
        _make_namespace(program, go_read, words_write, pids_write)
    for end in (go_read, words_write, pids_write):
        os.close(end)
    os.waitpid(maker, 0)
    words = read_to_end(pids_read).split()
    os.close(pids_read)
    pid = next((int(word) for word in words if word.isdigit()), 0)
    if pid and _READY in words:
        return Spawned(pid, go_write, words_read, NAMESPACE)
    os.close(go_write)
    os.close(words_read)
    if pid:
        os.waitpid(pid, 0)
    return None


def _make_namespace(program: Program, go: int, words: int, pids: int) -> None:
    # The maker cannot stay: only its children are in the new namespace. It leaves, and init becomes ours.
    try:
        _enter_namespaces()
        init = os.fork()
    except OSError:
        os._exit(1)
    if init == 0:
        _be_init(program, go, words, pids)
    os.write(pids, b"%d " % init)
    os._exit(0)


def _enter_namespaces() -> None:
    flags = _CLONE_NEWPID | _CLONE_NEWNS
    uid, gid = os.geteuid(), os.getegid()
    if uid == 0:
        _check(_libc().unshare(flags))
        return
    _check(_libc().unshare(flags | _CLONE_NEWUSER))
    for name, line in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
        handle = os.open(f"/proc/self/{name}", os.O_WRONLY | os.O_CLOEXEC)
        os.write(handle, line.encode("ascii"))
        os.close(handle)


def _be_init(program: Program, go: int, words: int, pids: int) -> None:
    try:
        close_all_but({program.output, go, words, pids})
        _check(_libc().mount(None, b"/", None, _MS_REC | _MS_PRIVATE, None))
        _check(_libc().mount(b"proc", b"/proc", b"proc", _MS_NOSUID | _MS_NODEV | _MS_NOEXEC, None))
    except OSError:
        os._exit(1)
    os.write(pids, _READY + b" ")
    os.close(pids)
    if not os.read(go, 1):
        os._exit(1)
    _die_with_parent(words)
    signal.set_wakeup_fd(-1)
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, _hand_on)
    # Our memory is the supervisor's, with what it must not let out; without a sandbox the agent is the same user.
    _libc().prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    agent = os.fork()
    if agent == 0:
        _become(program, words)
    close_all_but(set())
    os._exit(_wait_for(agent))


def _hand_on(signum: int, _frame: object) -> None:
    try:
        os.kill(-1, signum)
    except OSError:
        return


def _wait_for(agent: int) -> int:
    while True:
        pid, status = os.waitpid(-1, 0)
        if pid == agent:
            return exit_code_of(status)


def exit_code_of(status: int) -> int:
    """A wait status as shells show it: 128 + n for signal n."""
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _become(program: Program, words: int) -> None:
    trying = program.folder
    try:
        os.setsid()
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a dump in the checkout would be committed
        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD, signal.SIGPIPE):
            signal.signal(signum, signal.SIG_DFL)
        os.chdir(program.folder)
        trying = program.stdin_path
        os.dup2(os.open(program.stdin_path, os.O_RDONLY), 0)
        os.dup2(program.output, 1)
        os.dup2(program.output, 2)
        trying = program.argv[0]
        os.execvpe(program.argv[0], program.argv, program.environment)  # noqa: S606
    except OSError as error:
        os.write(words, f"{trying}: {error.strerror}".encode())
    os._exit(127)


def _die_with_parent(words: int) -> None:
    """From now on a dead supervisor means a dead child; one that died before now has let go of the other end of `words`."""
    _libc().prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    other_end = select.poll()
    other_end.register(words, 0)
    if other_end.poll(0):
        os._exit(1)


def close_all_but(kept: set[int]) -> None:
    """Let go of every inherited descriptor but these and the standard three."""
    # Without an exec nothing closes by itself: the supervisor's lock must not live on in a child.
    for name in os.listdir("/proc/self/fd"):
        descriptor = int(name)
        if descriptor > 2 and descriptor not in kept:
            try:
                os.close(descriptor)
            except OSError:
                continue


def read_to_end(descriptor: int) -> bytes:
    """Everything that comes until the other side closes."""
    whole = b""
    while piece := os.read(descriptor, 4096):
        whole += piece
    return whole


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _check(result: int) -> None:
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
