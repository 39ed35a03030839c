"""The log's cap, byte by byte."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatcher.runs.runlog import CappedLog


def written(path: Path, cap_bytes: int, chunks: list[bytes]) -> bytes:
    log = CappedLog(str(path), cap_bytes)
    for chunk in chunks:
        log.write(chunk)
    log.close()
    return path.read_bytes()


def test_a_short_log_is_whole(tmp_path: Path) -> None:
    assert written(tmp_path / "log", 100, [b"one ", b"", b"two"]) == b"one two"


def test_a_log_at_the_cap_is_whole(tmp_path: Path) -> None:
    assert written(tmp_path / "log", 10, [b"0123456789"]) == b"0123456789"


@pytest.mark.parametrize("size", [11, 15, 16, 100])
def test_a_long_log_keeps_both_ends_and_says_what_is_missing(tmp_path: Path, size: int) -> None:
    text = bytes(48 + number % 10 for number in range(size))
    note = b"\n[... %d bytes left out here ...]\n" % (size - 10)
    assert written(tmp_path / "log", 10, [text]) == text[:5] + note + text[-5:]
    assert [path.name for path in tmp_path.iterdir()] == ["log"]


@settings(derandomize=True, database=None, deadline=None, max_examples=60)
@given(chunks=st.lists(st.binary(max_size=40)), cap_bytes=st.integers(2, 60))
def test_whatever_is_printed_the_ends_are_right(
    tmp_path_factory: pytest.TempPathFactory, chunks: list[bytes], cap_bytes: int
) -> None:
    folder = tmp_path_factory.mktemp("log")
    kept, whole, half = written(folder / "log", cap_bytes, chunks), b"".join(chunks), cap_bytes // 2
    assert kept[:half] == whole[:half]
    assert kept[-half:] == whole[-half:]
    assert len(kept) <= cap_bytes + 60


def test_the_beginning_is_on_disk_while_the_run_goes_on(tmp_path: Path) -> None:
    log = CappedLog(str(tmp_path / "log"), 100)
    log.write(b"early")
    assert (tmp_path / "log").read_bytes() == b"early"
    log.close()
