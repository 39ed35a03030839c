"""An agent's log under a size cap: the beginning and the end are kept. Standard library only (the supervisor's part)."""

# ruff: noqa: PTH105, PTH108, PTH110, PTH123
import os


class CappedLog:
    """Writes one file up to half of `cap_bytes`, then keeps the newest half in two segments that take turns.

    `close` puts the end behind the beginning and says how much was left out between them.
    """

    __slots__ = ("_file", "_half_bytes", "_path", "_segment_bytes", "_segments", "total_bytes")

    def __init__(self, path: str, cap_bytes: int) -> None:
        self._path = path
        self._half_bytes = max(1, cap_bytes // 2)
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._segments = 0
        self._segment_bytes = 0
        self.total_bytes = 0

    def write(self, chunk: bytes) -> None:
        """Keep a piece of output."""
        self.total_bytes += len(chunk)
        while chunk:
            room = self._half_bytes - self._segment_bytes
            if room <= 0:
                self._turn_over()
                continue
            _write_all(self._file, chunk[:room])
            self._segment_bytes += len(chunk[:room])
            chunk = chunk[room:]

    def close(self) -> None:
        """Finish the file: nothing is written after this."""
        os.close(self._file)
        if not self._segments:
            return
        tail = self._load_tail()
        left_out = self.total_bytes - self._half_bytes - len(tail)
        with open(self._path, "ab") as whole:
            if left_out > 0:
                whole.write(b"\n[... %d bytes left out here ...]\n" % left_out)
            whole.write(tail)
        for name in (self._older, self._newer):
            if os.path.exists(name):
                os.unlink(name)

    @property
    def _older(self) -> str:
        return self._path + ".older"

    @property
    def _newer(self) -> str:
        return self._path + ".newer"

    def _turn_over(self) -> None:
        os.close(self._file)
        if self._segments:
            os.replace(self._newer, self._older)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC
        self._file = os.open(self._newer, flags, 0o600)
        self._segments += 1
        self._segment_bytes = 0

    def _load_tail(self) -> bytes:
        kept = b""
        for name in (self._older, self._newer):
            if os.path.exists(name):
                with open(name, "rb") as segment:
                    kept += segment.read()
        return kept[-self._half_bytes :]


def _write_all(file: int, chunk: bytes) -> None:
    view = memoryview(chunk)
    while view:
        view = view[os.write(file, view) :]
