"""Which hosts `core.http` may reach.

A server inside a cloud can ask a link-local address for the credentials of its machine. A
definition must not: neither by that address, nor by a name that stands for it, nor by a redirect.
"""

import asyncio
import socket
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

from flowkeep.definitions.action_context import ActionError
from flowkeep.errors import ConfigurationError

_ALWAYS_REFUSED = (
    "169.254.0.0/16",  # link-local (RFC 3927), with the metadata service of most clouds
    "fe80::/10",  # link-local (RFC 4291)
    "fd00:ec2::254",  # Amazon's metadata service
    "fd20:ce::254",  # Google's
    "100.100.100.200",  # Alibaba's
    "192.0.0.192",  # Oracle's
    "168.63.129.16",  # Azure's agent
    "224.0.0.0/4",  # multicast
    "ff00::/8",
    "64:ff9b:1::/48",  # somebody's own translation to IPv4 (RFC 8215), whatever address it hides
)
PRIVATE = (
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "240.0.0.0/4",
    "::/96",
    "::ffff:0:0:0/96",
    "fc00::/7",
    "fec0::/10",
)
"""Networks that are nobody's in the internet (RFC 6890, RFC 3879): somebody's own, or a machine
itself."""
_NAT64 = IPv6Network("64:ff9b::/96")


class HostRules:
    """Tells which hosts may be reached, by name and by the address behind it.

    Args:
        allow: Names, patterns like `*.example.com`, addresses and networks; null for all that are
            not refused. A network here may also lie in what is refused without it.
        refuse: The same, for what must not be reached; link-local addresses and metadata services
            always are.

    Raises:
        ConfigurationError: If one is neither.
    """

    def __init__(self, allow: Sequence[str] | None = None, refuse: Sequence[str] = ()) -> None:
        self._allow = None if allow is None else _Patterns(allow)
        self._refuse = _Patterns([*_ALWAYS_REFUSED, *refuse])

    def check(self, host: str, address: str) -> None:
        """Check one address of a host.

        Args:
            host: As the URL names it.
            address: What it stands for.

        Raises:
            ActionError: If it must not be reached; code `HOST_REFUSED`.
        """
        meant = _embedded(ip_address(address.partition("%")[0]))
        if self._allow is not None and self._allow.hold_address(meant):
            return
        allowed = self._allow is None or self._allow.hold_name(host)
        if self._refuse.hold_address(meant) or self._refuse.hold_name(host) or not allowed:
            raise ActionError(
                f"core.http must not reach {host}",
                code="HOST_REFUSED",
                hint="the operator of the worker decides which hosts are allowed",
                retryable=False,
            )

    async def addresses(self, host: str, port: int) -> list[str]:
        """Return the addresses of a host, all of them checked.

        Raises:
            ActionError: If one of them must not be reached, or the name is not known.
        """
        try:
            found = await asyncio.get_running_loop().getaddrinfo(
                host, port, type=socket.SOCK_STREAM
            )
        except (OSError, UnicodeError):
            raise ActionError(
                f"the host {host} is not known", code="HTTP_CONNECTION", hint="check its name"
            ) from None
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        for address in addresses:
            self.check(host, address)
        return addresses


class _Patterns:
    def __init__(self, texts: Iterable[str]) -> None:
        self._networks = []
        self._names = []
        for text in texts:
            try:
                self._networks.append(ip_network(text, strict=False))
            except ValueError:
                if not text or "/" in text or ":" in text:
                    raise ConfigurationError(
                        f"{text!r} is neither a host nor a network",
                        hint="write api.example.com, *.example.com, 10.0.0.7 or 10.0.0.0/8",
                    ) from None
                self._names.append(text.lower().rstrip("."))

    def hold_address(self, address: IPv4Address | IPv6Address) -> bool:
        """Tell whether an address lies in one of the networks."""
        return any(address in network for network in self._networks)

    def hold_name(self, host: str) -> bool:
        """Tell whether a name is one of them."""
        name = host.lower().rstrip(".")
        return any(fnmatchcase(name, pattern) for pattern in self._names)


def _embedded(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """Return the IPv4 address that an IPv6 address stands for (RFC 4291, 3056, 6052)."""
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address
