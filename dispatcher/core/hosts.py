"""Which hosts an agent may reach: patterns of names, ports and addresses. Nothing is resolved here."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

USUAL_PORTS = frozenset({80, 443})
"""The ports of a pattern that names none."""

_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"(\*\.)?{_LABEL}(\.{_LABEL})*")
_PORT = re.compile(r"(?P<host>\[[^\]]*\]|[^:]*):(?P<port>\d{1,5}|\*)")
_NAT64 = IPv6Network("64:ff9b::/96")


@dataclass(frozen=True, slots=True)
class HostPattern:
    """One entry of a list of hosts: a name (also `*.name`, for everything below it) or a network, and its ports.

    `ports` None means every port.
    """

    name: str
    network: Network | None
    ports: frozenset[int] | None

    @property
    def is_loopback(self) -> bool:
        """Whether the pattern means this very machine and nothing else."""
        if self.network is None:
            return self.name == "localhost"
        return self.network.num_addresses == 1 and self.network.is_loopback

    def allows_port(self, port: int) -> bool:
        """Whether the pattern covers this port."""
        return self.ports is None or port in self.ports

    def covers_name(self, name: str) -> bool:
        """Whether the pattern covers this name; a name covers itself, `*.name` only what is below it."""
        if self.name.startswith("*."):
            return name.endswith(self.name[1:])
        return bool(self.name) and self.name == name

    def covers_address(self, address: Address) -> bool:
        """Whether the pattern names this address, or a network that it is in."""
        return (
            self.network is not None and self.network.version == address.version and address in self.network
        )


@dataclass(frozen=True, slots=True)
class HostRules:
    """A list of hosts. Addresses that are not of the public internet need an entry of their own."""

    patterns: tuple[HostPattern, ...]

    def allows_host(self, host: str, port: int) -> bool:
        """Whether a person listed this host, as it was asked for (a name or an address), with this port."""
        address = parse_address(host)
        name = tidy_name(host)
        return any(
            pattern.allows_port(port)
            and (pattern.covers_name(name) if address is None else pattern.covers_address(address))
            for pattern in self.patterns
        )

    def allows_address(self, address: Address, port: int) -> bool:
        """Whether a connection may really go there, once a listed name was resolved.

        Loopback, link-local and private addresses need an entry with that very address or its network (`localhost` is
        one for loopback): a name that suddenly leads inside the house is refused.
        """
        if is_public(address):
            return True
        return any(
            pattern.allows_port(port)
            and (pattern.covers_address(address) or (pattern.name == "localhost" and address.is_loopback))
            for pattern in self.patterns
        )

    @property
    def loopback_ports(self) -> tuple[int, ...]:
        """The ports of this machine's own loopback that are listed one by one, such as `localhost:11434`; sorted."""
        here = [p for p in self.patterns if p.is_loopback and p.ports is not None and len(p.ports) == 1]
        return tuple(sorted({port for pattern in here for port in pattern.ports or ()}))


def parse_hosts(texts: Iterable[str]) -> HostRules:
    """The rules of a list of patterns. Raises ValueError for one that is none."""
    return HostRules(tuple(parse_host(text) for text in texts))


def parse_host(text: str) -> HostPattern:
    """Read `example.com`, `*.example.com:8443`, `10.1.2.0/24`, `[::1]:8080`, `example.com:*`. Raises ValueError."""
    whole = text.strip().lower()
    host, ports = _split_port(whole)
    network = _parse_network(host)
    if network is not None:
        return HostPattern("", network, ports)
    name = tidy_name(host)
    if not _NAME.fullmatch(name) or len(name) > 253 or name.replace(".", "").isdigit():
        raise ValueError(f"{text!r} is no host: write example.com, *.example.com:8443 or 10.1.2.0/24")
    return HostPattern(name, None, ports)


def parse_address(host: str) -> Address | None:
    """The address that the text is, plainly written, or None. An IPv4 address in IPv6's clothes is unwrapped."""
    try:
        return unwrap(ip_address(host.strip("[]")))
    except ValueError:
        return None


def tidy_name(name: str) -> str:
    """A name as it is compared: lower case, without the root's dot."""
    return name.lower().removesuffix(".")


def unwrap(address: Address) -> Address:
    """The IPv4 address inside a mapped, translated (NAT64) or tunnelled (6to4) one; else the address itself."""
    if not isinstance(address, IPv6Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.sixtofour or address


def is_public(address: Address) -> bool:
    """Whether the address belongs to the public internet, not to this machine, its network or a special use."""
    inner = unwrap(address)
    return inner.is_global and not inner.is_multicast and not inner.is_reserved


def _split_port(text: str) -> tuple[str, frozenset[int] | None]:
    found = _PORT.fullmatch(text)
    if found is None:
        return text, USUAL_PORTS
    if found["port"] == "*":
        return found["host"], None
    port = int(found["port"])
    if not 1 <= port <= 65_535:
        raise ValueError(f"{text!r} names no port: 1 to 65535, or * for all")
    return found["host"], frozenset({port})


def _parse_network(host: str) -> Network | None:
    try:
        return ip_network(host.strip("[]"), strict=False)
    except ValueError:
        return None
