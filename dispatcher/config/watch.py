"""The configuration while the daemon runs: a good edit is taken over, a bad one changes nothing and is told."""

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from dispatcher.config.document import load_text
from dispatcher.config.load import parse_config
from dispatcher.config.settings import Settings
from dispatcher.core.errors import BadConfig

_FIXED = {
    "state_dir": "paths.state_dir",
    "base_url": "forge.base_url",
    "bot_login": "forge.bot_login",
    "token": "forge.token_file and forge.use_gh",
    "poll_interval_s": "poll_interval_s",
    "list_poll_interval_s": "list_poll_interval_s",
    "write_pause_s": "forge.write_pause_s",
    "timeout_s": "forge.timeout_s",
    "prompts_dir": "paths.prompts_dir",
    "log_level": "log_level",
}


class ConfigFile:
    """The last good settings of one file. The first reading raises BadConfig; later ones never raise."""

    def __init__(self, file: Path, environ: Mapping[str, str] | None = None) -> None:
        self._file = file
        self._environ = dict(os.environ if environ is None else environ)
        self._text = load_text(file)
        self._settings = parse_config(self._text, file, self._environ).settings
        self._problem = ""
        self._unread = ""

    @property
    def settings(self) -> Settings:
        """The last good settings."""
        return self._settings

    @property
    def problem(self) -> str:
        """Why the file as it stands is not in force, or not wholly; "" when it is."""
        return self._unread or self._problem

    def reload(self) -> bool:
        """Look at the file again; whether the settings changed. A few kilobytes are read, so every edit is seen."""
        try:
            text = load_text(self._file)
        except BadConfig as error:
            self._unread = f"{error} The last good settings stay in force."
            return False
        self._unread = ""
        if text == self._text:
            return False
        self._text = text
        return self._take_over(text)

    def _take_over(self, text: str) -> bool:
        try:
            new = parse_config(text, self._file, self._environ).settings
        except BadConfig as error:
            self._problem = f"{error}\nThe last good settings stay in force."
            return False
        old = self._settings
        late = [key for field, key in _FIXED.items() if getattr(new, field) != getattr(old, field)]
        self._problem = (
            f"{self._file.name}: {', '.join(late)} changed: in force after a restart." if late else ""
        )
        self._settings = replace(
            new, state_dir=old.state_dir, base_url=old.base_url, bot_login=old.bot_login, token=old.token
        )
        return self._settings != old
