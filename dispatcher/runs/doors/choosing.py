"""From a repository's rules to the doors of one run. The daemon's part."""

from collections.abc import Mapping

from dispatcher.core.rules import NetworkAccess, SandboxRules
from dispatcher.ports import RunOrder
from dispatcher.runs.agents.kind import AgentKind
from dispatcher.runs.doors.doorway import FORGE_VARIABLE, Doorway, ForgeReads, Outfit, plan_egress
from dispatcher.runs.doors.parent import find_parent


def settle_access(asked: NetworkAccess, *, has_sandbox: bool) -> NetworkAccess:
    """What the network is for a run: `auto` is an allow-list where a sandbox can hold the agent to it."""
    if asked is not NetworkAccess.AUTO:
        return asked
    return NetworkAccess.ALLOW_LIST if has_sandbox else NetworkAccess.ON


def describe_network(order: RunOrder, *, has_sandbox: bool) -> dict[str, object]:
    """What the agent is told of its network, as facts for its context."""
    rules = order.rules
    access = settle_access(rules.sandbox.for_role(order.role.value).network, has_sandbox=has_sandbox)
    facts: dict[str, object] = {"access": access.value}
    if access is NetworkAccess.ALLOW_LIST:
        facts["hosts"] = list(rules.sandbox.allow_hosts)
    if rules.forge_proxy:
        facts |= {"forge_variable": FORGE_VARIABLE, "forge_reads": rules.limits.forge_reads}
    return facts


def choose_doorway(
    rules: SandboxRules,
    kind: AgentKind,
    outfit: Outfit,
    forge: ForgeReads | None,
    host: Mapping[str, str],
    *,
    has_sandbox: bool,
) -> Doorway | None:
    """The doors; None when there are none. Without a sandbox they are an offer: nothing keeps the agent from other ways."""
    access = settle_access(rules.network, has_sandbox=has_sandbox)
    has_own_network = has_sandbox and access is not NetworkAccess.ON
    parent = find_parent(host)
    if access is not NetworkAccess.ALLOW_LIST:
        return Doorway(None, (), forge, has_own_network, parent) if forge else None
    kept, hosts = plan_egress(kind.vendors, kind.login_hosts, outfit, keeps_keys=rules.keys_outside)
    listed = tuple(dict.fromkeys([*rules.allow_hosts, *hosts]))
    return Doorway(listed, kept, forge, has_own_network, parent)
