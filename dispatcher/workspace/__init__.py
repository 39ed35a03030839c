"""git: mirrors, checkouts, harvest, checks, pushes."""

from dispatcher.workspace.git import Identity
from dispatcher.workspace.sandbox import Confinement, Reach, Unconfined
from dispatcher.workspace.surroundings import Surroundings
from dispatcher.workspace.workspaces import RULES_PATH, GitWorkspaces

__all__ = [
    "RULES_PATH",
    "Confinement",
    "GitWorkspaces",
    "Identity",
    "Reach",
    "Surroundings",
    "Unconfined",
]
