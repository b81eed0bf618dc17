"""TCP ports on the loopback address."""

import socket

from flowkeep.errors import ConfigurationError

HOST = "127.0.0.1"


def free_port() -> int:
    """Return a port that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def is_free(port: int) -> bool:
    """Tell whether a server could listen on the port.

    Args:
        port: 1 to 65535.
    """
    with socket.socket() as probe:
        # As servers do; else connections that linger after a restart would count as in use.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def require_free(port: int, server: str, option: str) -> None:
    """Check a port that the user asked for.

    Args:
        port: 1 to 65535.
        server: What wants to listen there, for the message.
        option: The option that names the port, for the message.

    Raises:
        ConfigurationError: If it is out of range or in use.
    """
    if not 0 < port < 65536:
        raise ConfigurationError(
            f"port {port} for {server} is out of range", hint=f"give {option} 1 to 65535"
        )
    if not is_free(port):
        raise ConfigurationError(
            f"port {port} on {HOST} for {server} is in use or not allowed",
            hint=f"free it, give another {option}, or leave {option} out for a free port",
        )
