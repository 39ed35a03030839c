"""What people order on the command line, carried out by the daemon in its next tick."""

import logging

from dispatcher.core.events import CommandGiven
from dispatcher.core.model import Command, ItemKey
from dispatcher.engine.agents import free_agents
from dispatcher.engine.desk import Desk
from dispatcher.engine.ledger import apply
from dispatcher.ports import Order

FREE_AGENT = "free-agent"
"""The order that takes an agent off hold; its argument is the agent's name."""

log = logging.getLogger(__name__)


def obey(desk: Desk) -> None:
    """Carry out every waiting order once; one that makes no sense is noted and crossed off."""
    for order in desk.journal.take_orders():
        why_not = _carry_out(desk, order)
        if why_not:
            desk.journal.note(None, f"order {order.name} {order.argument}: {why_not}", desk.clock.now())
            log.warning("order %s %s: %s", order.name, order.argument, why_not)
        desk.journal.finish_order(order.id)


def _carry_out(desk: Desk, order: Order) -> str:
    """Do it; returns why not, or ""."""
    if order.name == "drain":
        desk.is_draining = True
        return ""
    if order.name in {"stop", "kill"} and not order.argument:
        desk.stop_asked = True
        desk.kills_on_stop = order.name == "kill"
        return ""
    if order.name == FREE_AGENT:
        return _free_agent(desk, order.argument)
    if order.name not in set(Command):
        return "there is no such order"
    return _command(desk, Command(order.name), order.argument)


def _free_agent(desk: Desk, name: str) -> str:
    if name not in desk.settings.agents:
        return f"there is no agent {name}"
    free_agents(desk, [name])
    return ""


def _command(desk: Desk, command: Command, name: str) -> str:
    key = key_of(desk, name)
    task = desk.journal.load_task(key) if key else None
    if task is None:
        return f"there is no task {name}"
    apply(desk, task, CommandGiven(command))
    return ""


def key_of(desk: Desk, name: str) -> ItemKey | None:
    """`owner/repo#n` as a key; None if the repository is not watched or the text is no such name."""
    full_name, _, number = name.partition("#")
    if not number.isdecimal():
        return None
    ids = [repo.id for repo in desk.repos.values() if repo.full_name.casefold() == full_name.casefold()]
    return ItemKey(ids[0], int(number)) if ids else None
