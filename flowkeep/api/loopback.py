"""Whether a host is this machine itself."""

from ipaddress import ip_address


def is_loopback(host: str | None) -> bool:
    """Return whether a host name or address leads nowhere but to this machine.

    Args:
        host: Without a port; IPv6 without brackets. Names are not looked up: of these only
            `localhost` and what is below it counts (RFC 6761, section 6.3).
    """
    if not host:
        return False
    name = host.casefold().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False
