"""The random first part of a door's path: a port on this machine's loopback is open to everybody on it. Standard library only."""

import hmac

from dispatcher.runs.doors.wire import Refusal


def strip_ticket(target: str, ticket: str) -> str:
    """What follows `/<ticket>` in a request's target. Raises Refusal when the ticket is missing or another."""
    shown, slash, rest = target.removeprefix("/").partition("/")
    if not target.startswith("/") or not hmac.compare_digest(shown.encode(), ticket.encode()):
        raise Refusal(404, "this door opens with the address from the run's environment only")
    return slash + rest
