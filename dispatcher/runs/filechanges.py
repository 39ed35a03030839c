"""When something below a folder last changed. Standard library only (the supervisor's part)."""

import os


def newest_change(top: str) -> float:
    """When a file or folder below `top` last changed (seconds since 1970); looks at 50,000 entries at most."""
    newest_at, left, waiting = 0.0, 50_000, [top]
    while waiting and left > 0:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    left -= 1
                    newest_at = max(newest_at, entry.stat(follow_symlinks=False).st_mtime)
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
        except OSError:
            continue
    return newest_at
