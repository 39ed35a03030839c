"""GraphQL (first stub)."""

from __future__ import annotations

from dispatcher.simulator.access import Caller
from dispatcher.simulator.exchange import Answer, Request
from dispatcher.simulator.quota import Window
from dispatcher.simulator.render import Render
from dispatcher.simulator.world import World


class GraphqlApi:
    """Answers GraphQL requests."""

    def answer(self, world: World, caller: Caller, request: Request, show: Render, window: Window) -> Answer:
        """Answer one."""
        return Answer(200, {"data": {}})
