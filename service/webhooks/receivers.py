"""Which receivers may be called: no address inside, however it is written, unless the settings allow it.

A URL is read once, here, and called as it was read. Knows URLs and addresses; resolves nothing, and sends nothing.
"""

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

import httpx

from contract.loopback import is_loopback

Address = IPv4Address | IPv6Address
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# Of the IANA special-purpose address registries (RFC 6890 and its updates), every block that is not globally reachable
# or leads elsewhere, and the multicast, reserved and class E space.
_FORBIDDEN_V4 = [
    ipaddress.IPv4Network(block)
    for block in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",  # shared by carriers, and Alibaba's metadata
        "127.0.0.0/8",
        "168.63.129.16/32",  # Azure's host, on an address that looks like any other
        "169.254.0.0/16",  # link-local, and most clouds' metadata
        "172.16.0.0/12",
        "192.0.0.0/24",  # protocols, and Oracle's metadata
        "192.0.2.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "192.175.48.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
]
# All that is global is in 2000::/3: outside are ::, ::1, the mapped, compatible and NAT64 forms of IPv4, unique local,
# site-local, link-local and multicast addresses.
_GLOBAL_V6 = ipaddress.IPv6Network("2000::/3")
_FORBIDDEN_V6 = [
    ipaddress.IPv6Network(block)
    for block in (
        "2001::/23",  # protocols: Teredo, benchmarks, ORCHID
        "2001:db8::/32",
        "2002::/16",  # 6to4, which holds an IPv4 address
        "2620:4f:8000::/48",
        "3fff::/20",
    )
]

_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
"""What makes a resolver take a host that ends in it for an address (WHATWG URL, "ends in a number")."""
_MAX_NAME_LENGTH = 253
_PORTS = {"http": 80, "https": 443}


class ReceiverRefused(Exception):
    """Not to be called. The message says why, without a word of the URL."""


@dataclass(frozen=True)
class AllowedReceivers:
    """What may be called although it is inside, and over http."""

    names: frozenset[str] = frozenset()
    networks: tuple[_Network, ...] = ()

    def has_name(self, host: str) -> bool:
        return host in self.names

    def has_address(self, address: Address) -> bool:
        return any(address in network for network in self.networks)


@dataclass(frozen=True)
class Receiver:
    """Whom a URL names: `host` in its one spelling, and its `address` where the host is one."""

    url: httpx.URL
    host: str
    port: int
    address: Address | None

    def url_of(self, host: str) -> httpx.URL:
        """The same with another host."""
        return self.url.copy_with(host=host)


def read_allowed(text: str) -> AllowedReceivers:
    """From comma-separated names, addresses and networks. Raises ValueError."""
    names, networks = set(), []
    for entry in filter(None, (part.strip().lower() for part in text.split(","))):
        try:
            networks.append(ipaddress.ip_network(entry))
        except ValueError as error:
            name = entry.removesuffix(".")
            if not _is_name(name):
                raise ValueError(f"{entry!r} is no host name, address or network") from error
            names.add(name)
    return AllowedReceivers(frozenset(names), tuple(networks))


def read_receiver(text: str, allowed: AllowedReceivers) -> Receiver:
    """Whom a URL names. Raises ReceiverRefused for what can be judged without asking the DNS."""
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL:
        raise ReceiverRefused("must be a URL") from None
    if url.scheme not in _PORTS:
        raise ReceiverRefused("must begin with https:// or http://")
    if "@" in re.split("[/?#]", text.partition("://")[2])[0]:
        raise ReceiverRefused("must not hold a user name or password")
    if "#" in text:
        raise ReceiverRefused("must not have a fragment")
    port = _PORTS[url.scheme] if url.port is None else url.port
    if not 0 < port < 65536:
        raise ReceiverRefused("must name a port from 1 to 65535")
    host, address = _read_host(url.raw_host.decode())
    receiver = Receiver(url, host, port, address)
    _judge(receiver, allowed)
    return receiver


def check_addresses(receiver: Receiver, addresses: Iterable[Address], allowed: AllowedReceivers) -> None:
    """Of what its name leads to, one forbidden address is one too many: the next lookup might give that one alone.

    Raises ReceiverRefused.
    """
    if not allowed.has_name(receiver.host):
        for address in addresses:
            _check_address(address, allowed)


def _read_host(raw: str) -> tuple[str, Address | None]:
    if ":" in raw:
        try:
            if "%" in raw:  # a zone: an interface of this machine
                raise ValueError
            address: Address = IPv6Address(raw)
        except ValueError:
            raise ReceiverRefused("must name a host or an address without a zone") from None
        return str(address), address
    host = raw.lower().removesuffix(".")
    if _is_name(host):
        return host, None
    try:
        address = IPv4Address(host)
    except ValueError:
        raise ReceiverRefused("must name a host, or an address as 192.0.2.1 or [2001:db8::1]") from None
    return str(address), address


def _is_name(host: str) -> bool:
    labels = host.split(".")
    return len(host) <= _MAX_NAME_LENGTH and all(map(_LABEL.fullmatch, labels)) and not _NUMBER.fullmatch(labels[-1])


def _judge(receiver: Receiver, allowed: AllowedReceivers) -> None:
    if receiver.address is None:
        listed = allowed.has_name(receiver.host)
        if not listed and (is_loopback(receiver.host) or receiver.host.endswith(".localhost")):
            raise ReceiverRefused("must not name this machine")
    else:
        listed = allowed.has_address(receiver.address)
        _check_address(receiver.address, allowed)
    if receiver.url.scheme == "http" and not listed:
        raise ReceiverRefused("must begin with https://")


def _check_address(address: Address, allowed: AllowedReceivers) -> None:
    if _is_forbidden(address) and not allowed.has_address(address):
        raise ReceiverRefused("must not lead to a private, local or reserved address")


def _is_forbidden(address: Address) -> bool:
    if isinstance(address, IPv4Address):
        return any(address in block for block in _FORBIDDEN_V4)
    return address not in _GLOBAL_V6 or any(address in block for block in _FORBIDDEN_V6)
