"""What the workspaces take from outside, with defaults that work on a plain machine."""

import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from dispatcher.core.rules import HarvestLimits
from dispatcher.workspace.detect import Machine
from dispatcher.workspace.git import Identity
from dispatcher.workspace.sandbox import Confinement, Unconfined

_DOCKER_S: Final = 10.0


def docker_answers() -> bool:
    """Whether a docker daemon can be used from here; takes up to 10 s when it hangs."""
    if not shutil.which("docker"):
        return False
    try:
        asked = subprocess.run(
            ("docker", "info"), env=dict(os.environ), capture_output=True, timeout=_DOCKER_S, check=False
        )
    except (subprocess.TimeoutExpired, OSError):
        return False
    return asked.returncode == 0


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Who we are, what we may use, what must stay secret.

    `token` is asked for each time that the forge is talked to; None means anonymous. `secrets` gives every value
    that must never leave the machine. `pack_bytes` is how much is read of a checkout whose repository may not be watched
    any more. `check_env` are further variables for checks.
    """

    identity: Identity
    token: Callable[[], str] | None = None
    secrets: Callable[[], Sequence[str]] = tuple
    pack_bytes: int = HarvestLimits().pack_bytes
    confinement: Confinement = field(default_factory=Unconfined)
    check_env: tuple[tuple[str, str], ...] = ()
    machine: Machine = field(default_factory=lambda: Machine(docker_works=docker_answers))

    def held_secrets(self) -> tuple[str, ...]:
        """Every secret value of this machine that we know, the forge's token included."""
        return (*self.secrets(), *((self.token(),) if self.token else ()))
