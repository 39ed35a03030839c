"""A whole life of a task with every secret in play: how much of one is found outside the vault afterwards."""

import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from tests.story.leaks import live_a_life  # noqa: E402  (needs the line above)

Row = tuple[str, str, str]


def measure() -> list[Row]:
    """Rows of (name, value, goal)."""
    with tempfile.TemporaryDirectory(prefix="bench-leaks-") as folder:
        found = live_a_life(Path(folder))
    for place, leaked_bytes in found.leaks.items():
        print(f"{place}: {leaked_bytes} bytes of a secret", file=sys.stderr)
    return [
        ("bytes of a secret outside the vault after a whole life", str(found.leaked_bytes), "<= 0"),
        ("places that were searched for one", f"{found.looked_at:,}", "-"),
        ("bytes in them", f"{found.bytes_seen:,}", "-"),
    ]
