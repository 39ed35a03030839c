"""What the engine needs of the outside world. Each protocol has one real part, named only in `app`."""

from dispatcher.ports.clock import Clock
from dispatcher.ports.forge import (
    ClaimOrder,
    Forge,
    Intake,
    ItemOrder,
    Look,
    OpenedPull,
    PullOrder,
    Repo,
    RepoTrouble,
    ReviewOrder,
    StageOrder,
    Wake,
    Written,
)
from dispatcher.ports.journal import Cursors, Decided, DecisionRecord, Journal, Order, RunRecord, StoredEffect
from dispatcher.ports.runs import AgentTrial, RunOrder, RunReport, Runs
from dispatcher.ports.words import Words
from dispatcher.ports.workspaces import CheckoutOrder, HarvestOrder, Kept, Workspaces

__all__ = [
    "AgentTrial",
    "CheckoutOrder",
    "ClaimOrder",
    "Clock",
    "Cursors",
    "Decided",
    "DecisionRecord",
    "Forge",
    "HarvestOrder",
    "Intake",
    "ItemOrder",
    "Journal",
    "Kept",
    "Look",
    "OpenedPull",
    "Order",
    "PullOrder",
    "Repo",
    "RepoTrouble",
    "ReviewOrder",
    "RunOrder",
    "RunRecord",
    "RunReport",
    "Runs",
    "StageOrder",
    "StoredEffect",
    "Wake",
    "Words",
    "Workspaces",
    "Written",
]
