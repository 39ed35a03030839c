"""Secrets that are known by their shape alone: wherever they come from, they are not repeated."""

import re
from typing import Final

MASK: Final = "[secret]"

_TOKEN: Final = re.compile(
    r"""
      gh[pousr]_ [\w.\-]{16,}                                       # GitHub: personal, OAuth, user, server, refresh
    | github_pat_ \w{16,}                                           # GitHub: fine-grained
    | \b glpat- [\w\-]{16,}                                         # GitLab
    | \b sk- [\w\-]{16,}                                            # Anthropic, OpenAI and others that followed
    | \b AIza [\w\-]{30,}                                           # Google
    | \b (?:AKIA | ASIA) [0-9A-Z]{16} \b                            # AWS
    | \b xox[abeoprs]- [\w\-]{10,}                                  # Slack
    | \b eyJ [\w\-]{8,300} \. eyJ [\w\-]{8,} \. [\w\-]+             # JSON web token; a header is short
    | -----BEGIN\ [A-Z ]*PRIVATE\ KEY----- .*? (?: -----END\ [A-Z ]*PRIVATE\ KEY----- | \Z)
    | (?<= :// ) [^\s/@"']+ (?= @ )                                 # user:password@ in an address
    | (?P<before> authorization ["']? \s* [:=] \s* ["']? (?: (?: basic | bearer | token ) \s+ )? ) [^\s"',]+
    """,
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)


def hide_tokens(text: str) -> str:
    """The text with whatever has the shape of a token, a private key or a password in an address replaced by `[secret]`."""
    return _TOKEN.sub(lambda found: (found["before"] or "") + MASK, text)
