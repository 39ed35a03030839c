"""The agent that follows a script instead of a model."""

import sys
from pathlib import Path

from dispatcher.core.rules import AgentConfig
from dispatcher.simulator import scripted_agent


def scripted(script: Path) -> AgentConfig:
    """An agent of the kind `command`, started like any other program; `script` is absolute."""
    return AgentConfig(
        "scripted", "command", (sys.executable, "-I", "-S", scripted_agent.__file__, str(script))
    )
