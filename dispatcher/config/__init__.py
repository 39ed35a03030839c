"""The configuration: one TOML file, read and checked once into frozen values."""

from dispatcher.config.load import load_settings
from dispatcher.config.places import find_config
from dispatcher.config.problems import ConfigProblems
from dispatcher.config.settings import Settings, TokenSource

__all__ = ["ConfigProblems", "Settings", "TokenSource", "find_config", "load_settings"]
