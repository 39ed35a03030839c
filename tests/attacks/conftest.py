"""Grounds on which attacks take place: one office for many, so that they stay cheap."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from dispatcher.core.rules import Caps, Limits, NetworkAccess, SandboxKind, SandboxRules
from dispatcher.runs.sandbox.trial import try_bwrap
from tests.attacks.ground import Ground
from tests.story.office import opened

CAPS = Caps(live_runs=4, runs_per_hour=10_000, batch_pause_s=0)
LIMITS = Limits(redispatch_cooldown_s=60)


@contextmanager
def ground_at(root: Path, **settings: Any) -> Iterator[Ground]:
    """An office with room for many runs, for as long as the block lasts."""
    with opened(root, **{"caps": CAPS, "limits": LIMITS} | settings) as office:
        yield Ground(office)


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    with ground_at(tmp_path) as one:
        yield one


def boxed() -> dict[str, Any]:
    """Rules of a repository whose agents work in a sandbox without network; skipped by name where none works."""
    trial = try_bwrap()
    if trial.machine is None:
        pytest.skip(f"no sandbox works here: {trial.why}")
    return {"sandbox": SandboxRules(SandboxKind.BWRAP, NetworkAccess.OFF)}


def unboxed() -> dict[str, Any]:
    """Rules without a sandbox: what an attack reaches where nothing defends."""
    return {"sandbox": SandboxRules(SandboxKind.NONE)}
