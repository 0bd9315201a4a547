"""Where messages may be sent: hosts that the setting names, at addresses of the internet or such as it names too.

A name that resolves to a private address would let whoever may make a webhook reach into the network behind the service
(server-side request forgery), so that such addresses have to be named themselves.
"""

import socket
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Self
from urllib.parse import SplitResult, urlsplit

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_EMBEDDING = IPv6Network("64:ff9b::/96")  # IPv4 addresses as a NAT64 has them (RFC 6052)


class NotAllowed(Exception):
    """Nothing may be sent there; the message says why."""


@dataclass(frozen=True)
class Destinations:
    """The hosts and addresses that the setting names."""

    names: frozenset[str]
    networks: tuple[Network, ...]

    @classmethod
    def named(cls, setting: str) -> Self:
        """From names (`hooks.example.com`, `*.example.com`), addresses and networks (`10.0.0.0/8`) with commas between.

        Raises `ValueError` for an entry that is none of these.
        """
        names, networks = set(), []
        for entry in filter(None, (part.strip().lower() for part in setting.split(","))):
            try:
                networks.append(ip_network(entry))
            except ValueError:
                if "/" in entry or ":" in entry:
                    raise ValueError(f"{entry!r} is no host name, address or network") from None
                names.add(entry)
        return cls(frozenset(names), tuple(networks))

    def check(self, url: str) -> SplitResult:
        """The parts of an address that may be sent to; raises `NotAllowed`."""
        try:
            parts = urlsplit(url)
            host, _ = parts.hostname or "", parts.port
            host.encode("idna")  # no label empty or of more than 63 letters (RFC 1035, 2.3.4)
        except ValueError as error:
            raise NotAllowed(f"it is no address: {error}") from None
        if parts.username is not None or parts.password is not None or parts.fragment:
            raise NotAllowed("an address with a user, a password or a fragment is not sent to")
        if not self._names(host):
            raise NotAllowed(
                f"{host[:100]!r} is none of the hosts that the service may send to, which "
                "BACKPROPD_WEBHOOK_ALLOWED_HOSTS names"
                + ("" if self.names or self.networks else ": there are none")
            )
        return parts

    def resolve(self, host: str, port: int) -> str:
        """The address to connect to, which may take a while to find; raises `NotAllowed` and `OSError`."""
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = [ip_address(str(each[4][0]).partition("%")[0]) for each in found]
        for address in addresses:
            if not self._may_reach(address):
                raise NotAllowed(
                    f"{host} is at {address}, which is not on the internet and is not allowed by itself"
                )
        return str(addresses[0])

    def _names(self, host: str) -> bool:
        try:
            address = ip_address(host)
        except ValueError:
            parents = {f"*{host[i:]}" for i, letter in enumerate(host) if letter == "."}
            return host in self.names or not self.names.isdisjoint(parents)
        return self._is_listed(address)

    def _is_listed(self, address: Address) -> bool:
        return any(address in network for network in self.networks)

    def _may_reach(self, address: Address) -> bool:
        plain = _plain(address)
        if self._is_listed(address) or self._is_listed(plain):
            return True
        return plain.is_global and not plain.is_multicast


def _plain(address: Address) -> Address:
    """The IPv4 address inside of an IPv6 one, if there is one."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address.sixtofour is not None:
            return address.sixtofour
        if address in _EMBEDDING:
            return IPv4Address(int(address) & 0xFFFFFFFF)
    return address
