"""What programs that ask by way of LiteLLM (Aider, mini-swe-agent) have in common: how its errors read."""

import re
from typing import Final

from dispatcher.runs.agents.faults import error_of_status, error_of_text
from dispatcher.runs.agents.telling import Told

_STATUSES: Final = {
    "BadRequestError": 400,
    "AuthenticationError": 401,
    "PermissionDeniedError": 403,
    "NotFoundError": 404,
    "UnprocessableEntityError": 422,
    "RateLimitError": 429,
    "InternalServerError": 500,
    "BadGatewayError": 502,
    "ServiceUnavailableError": 503,
}
"""The API's answer behind an error; the others are understood by their words."""

OWN_PRICES: Final = (("LITELLM_LOCAL_MODEL_COST_MAP", "True"),)
"""Its list of prices is the one that it came with; else it asks a public address for a newer one at each start."""

# As the library words it, at the beginning of a line or behind the name that ends a traceback: not wherever a file speaks of it.
_ERROR = re.compile(r"(?:[\w.]+: )?litellm\.(?:exceptions\.)?(\w+Error|Timeout): ")


def names_error(line: str) -> bool:
    """Whether a line begins as an error of LiteLLM's does."""
    return _ERROR.match(line) is not None


def tell_error(kind: str, said: str) -> Told:
    """What an error of LiteLLM's means."""
    found = _ERROR.match(said)
    status = _STATUSES.get(found[1]) if found else None
    return error_of_status(kind, status, said) if status else error_of_text(kind, said)
