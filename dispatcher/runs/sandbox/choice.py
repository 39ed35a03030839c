"""Which border a run or a check gets here."""

from dispatcher.core.errors import BadConfig
from dispatcher.core.rules import SandboxKind
from dispatcher.runs.sandbox.bwrap import Machine
from dispatcher.runs.sandbox.trial import try_bwrap


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
