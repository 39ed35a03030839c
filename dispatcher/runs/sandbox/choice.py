"""Which border a run or a check gets here."""

import os

from dispatcher.core.errors import BadConfig
from dispatcher.core.rules import SandboxKind, SandboxRules
from dispatcher.runs.sandbox.bwrap import Machine
from dispatcher.runs.sandbox.container import Engine, find_engine
from dispatcher.runs.sandbox.trial import try_bwrap

Box = Machine | Engine


def choose_box(rules: SandboxRules) -> Box | None:
    """What to compose for; None means without a sandbox. Raises BadConfig when the one that is asked for does not work here."""
    if rules.kind is SandboxKind.CONTAINER:
        return _choose_engine(rules)
    return choose_machine(rules.kind)


def choose_machine(kind: SandboxKind) -> Machine | None:
    """The machine to compose for; None means without a sandbox. Raises BadConfig when the one that is asked for does not work."""
    if kind is SandboxKind.NONE:
        return None
    trial = try_bwrap()
    if trial.machine is None and kind is SandboxKind.BWRAP:
        raise BadConfig(
            f'[sandbox] kind = "bwrap", but no sandbox can be started here: {trial.why}', trial.cure
        )
    return trial.machine


def _choose_engine(rules: SandboxRules) -> Engine:
    if not rules.container_image:
        raise BadConfig(
            '[sandbox] kind = "container", but container_image is empty.',
            "Name an image that holds the agent's program, python3 and git.",
        )
    program = find_engine()
    if not program:
        raise BadConfig(
            '[sandbox] kind = "container", but neither docker nor podman answers this user.',
            "Start one of them, or let this user use it.",
        )
    return Engine(
        program, rules.container_image, os.geteuid(), keeps_id=program == "podman" and os.geteuid() != 0
    )
