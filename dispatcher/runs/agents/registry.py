"""The agent kinds by name. A new agent is one file and one line here."""

import difflib

from dispatcher.core.errors import BadConfig
from dispatcher.runs.agents import aider, claude, codex, command, copilot, gemini, mini_swe_agent, opencode
from dispatcher.runs.agents.kind import AgentKind

_FILES = (command, claude, codex, opencode, gemini, copilot, aider, mini_swe_agent)

KINDS: dict[str, AgentKind] = {file.KIND.name: file.KIND for file in _FILES}


def kind_named(name: str) -> AgentKind:
    """The kind by that name; raises BadConfig that names the nearest one."""
    if name in KINDS:
        return KINDS[name]
    near = difflib.get_close_matches(name, KINDS, n=1)
    hint = f"did you mean `{near[0]}`?" if near else f"known kinds: {', '.join(sorted(KINDS))}."
    raise BadConfig(f"unknown agent kind `{name}`;", hint)
