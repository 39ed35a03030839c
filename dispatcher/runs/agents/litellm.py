"""What programs that ask by way of LiteLLM (Aider, mini-swe-agent) have in common: how its errors read."""

import re
from typing import Final

STATUSES: Final = {
    "AuthenticationError": 401,
    "PermissionDeniedError": 403,
    "NotFoundError": 404,
    "RateLimitError": 429,
}
"""The API's answer behind an error that is the caller's fault."""

OWN_PRICES: Final = (("LITELLM_LOCAL_MODEL_COST_MAP", "True"),)
"""Its list of prices is the one that it came with; else it asks a public address for a newer one at each start."""

_ERROR = re.compile(r"litellm\.(?:exceptions\.)?(\w+Error)\b")


def find_error(line: str) -> str:
    """The name of LiteLLM's error that a line tells; "" for none."""
    found = _ERROR.search(line)
    return found[1] if found else ""
