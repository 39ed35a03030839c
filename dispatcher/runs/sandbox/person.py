"""Whose home it is that a sandbox keeps out of sight, and where their logins and caches lie."""

import os
import pwd
from collections.abc import Mapping
from pathlib import Path
from typing import Final

NOBODYS_HOME: Final = Path("/nonexistent")
"""Of a user without an entry in the user database: nothing is there to be found or to be hidden."""


def home_of_person(host: Mapping[str, str]) -> Path:
    """HOME of these variables; without one, what the user database says of the user that we are."""
    if named := host.get("HOME"):
        return Path(named)
    try:
        return Path(pwd.getpwuid(os.geteuid()).pw_dir)
    except KeyError:
        return NOBODYS_HOME
