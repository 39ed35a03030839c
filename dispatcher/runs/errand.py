"""What a supervisor is told and what it writes. Standard library only (the supervisor's part)."""

# ruff: noqa: PTH105, PTH120, PTH123
import json
import os
import signal
from collections.abc import Iterable, Mapping


def load_order(path: str) -> "Order":
    """Read an order. Raises KeyError, TypeError or ValueError for one that `launch` did not write."""
    with open(path, encoding="utf-8") as file:
        return Order(json.load(file))


class Order:
    """What `run.json` says. Times in seconds, sizes in bytes."""

    def __init__(self, fields: dict[str, object]) -> None:
        self.run_id = _text(fields, "run_id")
        self.mark = _text(fields, "mark")
        self.argv = _texts(fields, "argv")
        self.closing_argv = _texts(fields, "closing_argv")
        self.secret_names = set(_texts(fields, "secret_names"))
        self.stop_signals = [int(signal.Signals[name]) for name in _texts(fields, "stop_signals")]
        self.isolation = _text(fields, "isolation")
        self.checkout = _text(fields, "checkout")
        self.stdin_path = _text(fields, "stdin")
        self.wall_s = _number(fields, "wall_s")
        self.silence_s = _number(fields, "silence_s")
        self.grace_s = _number(fields, "grace_s")
        self.log_bytes = int(_number(fields, "log_bytes"))
        self.memory_bytes = int(_number(fields, "memory_bytes"))
        self.disk_bytes = int(_number(fields, "disk_bytes"))
        self.processes = int(_number(fields, "processes"))
        self.group_path = _text(fields, "group")
        self.file_bytes = int(_number(fields, "file_bytes"))
        self.kill_argv = _texts(fields, "kill_argv")
        self.lock_path = _text(fields, "lock")
        self.started_path = _text(fields, "started")
        self.exit_path = _text(fields, "exit")
        self.stop_path = _text(fields, "stop")
        self.progress_path = _text(fields, "progress")
        self.log_path = _text(fields, "log")
        self.events_path = _text(fields, "events")
        self.told_path = _text(fields, "told")
        self.home = _text(fields, "home")
        self.tmp = _text(fields, "tmp")
        self.kind_module = _text(fields, "kind_module")
        self.hints = _object(fields, "hints")
        self.out_path = _text(fields, "out")
        self.door_descriptors = [int(one) for one in _texts(fields, "door_descriptors")]


def split_words(words: bytes) -> tuple[list[bytes], bytes]:
    """What comes through the pipe of a supervisor's start: the secrets that it must not write down, and the doorkeeper's words."""
    first, _, rest = words.partition(b"\n")
    return [str(one).encode() for one in json.loads(first or b"[]")], rest


def render_words(secrets: Iterable[str], doors: bytes) -> bytes:
    """The same, from the other end: never for a file or an argument."""
    return json.dumps(list(secrets)).encode() + b"\n" + doors


def write_atomically(path: str, fields: Mapping[str, object], *, durable: bool) -> None:
    """Write JSON so that a reader sees all of it or none; `durable` also survives a power cut."""
    temporary = f"{path}.{os.getpid()}"
    with open(temporary, "w", encoding="utf-8") as file:
        json.dump(fields, file)
        file.flush()
        if durable:
            os.fsync(file.fileno())
    os.replace(temporary, path)
    if durable:
        folder = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY)
        os.fsync(folder)
        os.close(folder)


def _text(fields: dict[str, object], name: str) -> str:
    value = fields[name]
    if not isinstance(value, str):
        raise TypeError(f"run.json: {name} must be a string")
    return value


def _texts(fields: dict[str, object], name: str) -> list[str]:
    value = fields[name]
    if not isinstance(value, list):
        raise TypeError(f"run.json: {name} must be a list")
    return [str(entry) for entry in value]


def _object(fields: dict[str, object], name: str) -> dict[str, object]:
    value = fields[name]
    if not isinstance(value, dict):
        raise TypeError(f"run.json: {name} must be an object")
    return value


def _number(fields: dict[str, object], name: str) -> float:
    value = fields[name]
    if not isinstance(value, int | float):
        raise TypeError(f"run.json: {name} must be a number")
    return float(value)
