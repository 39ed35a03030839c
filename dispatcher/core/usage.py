"""What runs use: tokens and money, as the agent programs report them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens so far, and US dollars; `cost_usd` is None where the program reports no money.

    No token is counted twice: `input_tokens` were read for the first time (those written to the vendor's cache included),
    `cached_tokens` came out of that cache, `output_tokens` were written, thinking included.
    """

    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float | None = None

    @property
    def tokens(self) -> int:
        """All of them."""
        return self.input_tokens + self.cached_tokens + self.output_tokens
