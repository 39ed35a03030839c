"""Where the configuration file and the state folder are."""

import tomllib
from collections.abc import Mapping
from pathlib import Path

import platformdirs

from dispatcher.core.errors import BadConfig

PROGRAM = "dispatcher"
FILE_NAME = "config.toml"


def config_candidates(environ: Mapping[str, str]) -> tuple[Path, ...]:
    """Where a configuration is looked for, best first: DISPATCHER_CONFIG alone where it is set."""
    if named := environ.get("DISPATCHER_CONFIG"):
        return (Path(named).expanduser(),)
    return (Path.cwd() / FILE_NAME, platformdirs.user_config_path(PROGRAM) / FILE_NAME)


def find_config(environ: Mapping[str, str]) -> Path:
    """The configuration file. Raises BadConfig that says where it was looked for."""
    candidates = config_candidates(environ)
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    looked = " nor ".join(str(candidate) for candidate in candidates)
    raise BadConfig(
        f"No configuration: there is no {looked}.",
        "`dispatcher init` writes one; --config FILE names another.",
    )


def choose_state_dir(configured: str, base: Path, environ: Mapping[str, str]) -> Path:
    """The state folder: DISPATCHER_STATE_DIR, systemd's STATE_DIRECTORY, the file's word, the platform's place."""
    if ours := environ.get("DISPATCHER_STATE_DIR"):
        return Path(ours).expanduser().absolute()
    if systemd := environ.get("STATE_DIRECTORY"):
        return Path(systemd.split(":")[0])
    if configured:
        return resolve(configured, base)
    return platformdirs.user_state_path(PROGRAM)


def resolve(text: str, base: Path) -> Path:
    """A path of the file: `~` is the home folder, a relative one starts at the file's folder."""
    return base / Path(text).expanduser()


def guess_state_dir(file: Path, environ: Mapping[str, str]) -> Path:
    """The state folder of a file that may be broken: as `choose_state_dir`, with what can still be read of it."""
    try:
        configured = tomllib.loads(file.read_text("utf-8-sig")).get("paths", {}).get("state_dir", "")
    except (OSError, ValueError, AttributeError, RecursionError):
        configured = ""
    word = configured if isinstance(configured, str) else ""
    return choose_state_dir(word, file.absolute().parent, environ)
