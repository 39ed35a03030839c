"""The agent kinds by name. A new agent is one file and one line here."""

import difflib

from dispatcher.core.errors import BadConfig
from dispatcher.runs.agents.claude import ClaudeAgent
from dispatcher.runs.agents.codex import CodexAgent
from dispatcher.runs.agents.command import CommandAgent
from dispatcher.runs.agents.copilot import CopilotAgent
from dispatcher.runs.agents.kind import AgentKind
from dispatcher.runs.agents.mini_swe_agent import MiniSweAgent
from dispatcher.runs.agents.opencode import OpenCodeAgent

KINDS: dict[str, AgentKind] = {
    kind.name: kind
    for kind in (CommandAgent(), ClaudeAgent(), CodexAgent(), OpenCodeAgent(), CopilotAgent(), MiniSweAgent())
}


def kind_named(name: str) -> AgentKind:
    """The kind by that name; raises BadConfig that names the nearest one."""
    if name in KINDS:
        return KINDS[name]
    near = difflib.get_close_matches(name, KINDS, n=1)
    hint = f"did you mean `{near[0]}`?" if near else f"known kinds: {', '.join(sorted(KINDS))}."
    raise BadConfig(f"unknown agent kind `{name}`;", hint)
