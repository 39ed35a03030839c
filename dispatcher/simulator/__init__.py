"""A GitHub in a box: HTTP and git on loopback."""

from dispatcher.simulator.box import GitHubBox, Scene, caller_of, scene_in_memory
from dispatcher.simulator.faults import Fault, What
from dispatcher.simulator.people import Person
from dispatcher.simulator.reviews import Finding
from dispatcher.simulator.world import InboxFaults, Settings

__all__ = [
    "Fault",
    "Finding",
    "GitHubBox",
    "InboxFaults",
    "Person",
    "Scene",
    "Settings",
    "What",
    "caller_of",
    "scene_in_memory",
]
