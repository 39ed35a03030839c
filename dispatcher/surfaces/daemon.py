"""`dispatcher run` and `once`: the loop, and what it says on the terminal."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress

from dispatcher.config import Settings
from dispatcher.core.errors import RetryLater
from dispatcher.surfaces.parts import Parts
from dispatcher.surfaces.screen import Screen


def run_daemon(parts: Parts, settings: Settings, screen: Screen) -> None:
    """Work until stopped. Raises AlreadyRunning, BadCredential; an outage at the start is waited out."""
    with _leaving_politely() as was_asked, closing(parts.build_engine(settings)) as engine:
        with suppress(RetryLater):
            _try_credential(parts, settings)
        screen.show(
            f"Working for {_repos(settings)}; state in {settings.state_dir}. Stop with Ctrl-C: runs go on."
        )
        if not was_asked():
            engine.run()


def run_once(parts: Parts, settings: Settings, screen: Screen) -> None:
    """One round. Raises AlreadyRunning, BadCredential, RetryLater."""
    with screen.progress("One round ..."), closing(parts.build_engine(settings)) as engine:
        _try_credential(parts, settings)
        engine.once()


@contextmanager
def _leaving_politely() -> Iterator[Callable[[], bool]]:
    """SIGTERM and SIGINT end the command with exit code 0 also while it still starts; the loop has its own way to stop.

    Yields whether that was asked: where the signal comes while Python clears up an object, what the handler raises gets lost.
    """
    asked = False
    if threading.current_thread() is not threading.main_thread():
        yield lambda: asked
        return

    def leave(_signal: int, _frame: object) -> None:
        nonlocal asked
        asked = True
        raise SystemExit(0)

    before = {number: signal.signal(number, leave) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield lambda: asked
    except Exception:
        if asked:  # raised in the middle of somebody else's code, the exit may come out as another error
            raise SystemExit(0) from None
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _try_credential(parts: Parts, settings: Settings) -> None:
    """Ask the forge who we are: a token that is refused ends the command, instead of being offered again and again."""
    with (
        closing(parts.open_journal(settings)) as journal,
        closing(parts.connect_forge(settings, journal)) as forge,
    ):
        forge.fetch_identity()


def _repos(settings: Settings) -> str:
    names = [repo.full_name for repo in settings.repos]
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
