"""Running `demo` and `rehearse` as a person does: a real process, an empty HOME, a temporary folder of its own."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

PROGRAM = (sys.executable, "-c", "from dispatcher.surfaces.cli import main; main()")
PATIENCE_S = 120


@dataclass(frozen=True)
class House:
    """A machine's corner: nothing of the person who runs the tests is in it."""

    root: Path

    @property
    def tmp(self):
        return self.root / "tmp"

    @property
    def environment(self):
        ours = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        return ours | {"HOME": str(self.root / "home"), "TMPDIR": str(self.tmp), "COLUMNS": "100"}

    def build(self):
        for name in ("tmp", "home"):
            (self.root / name).mkdir()
        return self

    def run(self, *arguments, **changes):
        return subprocess.run(
            (*PROGRAM, *arguments),
            env=self.environment | changes,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )

    def start(self, *arguments, stdout=subprocess.PIPE, **changes):
        return subprocess.Popen(
            (*PROGRAM, *arguments),
            env=self.environment | changes,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.PIPE,
        )

    def processes(self):
        """The command lines of all processes that have something to do with this corner."""
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if str(self.tmp) in line:
                found.append(line)
        return found


def in_order(text, *parts):
    """Whether the parts stand in the text in this order; the first that does not is returned, else ''."""
    at = 0
    for part in parts:
        at = text.find(part, at)
        if at < 0:
            return part
        at += len(part)
    return ""
