"""Why a run's result may not leave the machine."""

from dispatcher.core.errors import DispatcherError


class Refused(DispatcherError):
    """The commits stay here; `findings` say why, one line each, fit to be shown."""

    def __init__(self, *findings: str) -> None:
        super().__init__("; ".join(findings))
        self.findings = findings
