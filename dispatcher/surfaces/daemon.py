"""`dispatcher run` and `once`: the loop, and what it says on the terminal."""

from contextlib import closing

from dispatcher.config import Settings
from dispatcher.surfaces.parts import Parts
from dispatcher.surfaces.screen import Screen


def run_daemon(parts: Parts, settings: Settings, screen: Screen) -> None:
    """Work until stopped. Raises AlreadyRunning, BadCredential."""
    with closing(parts.build_engine(settings)) as engine:
        screen.show(
            f"Working for {_repos(settings)}; state in {settings.state_dir}. Stop with Ctrl-C: runs go on."
        )
        engine.run()


def run_once(parts: Parts, settings: Settings, screen: Screen) -> None:
    """One round. Raises AlreadyRunning, BadCredential."""
    with screen.progress("One round ..."), closing(parts.build_engine(settings)) as engine:
        engine.once()


def _repos(settings: Settings) -> str:
    names = [repo.full_name for repo in settings.repos]
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
