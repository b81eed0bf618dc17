"""TCP ports on the loopback address."""

import socket
from pathlib import Path

from flowkeep.errors import ConfigurationError

HOST = "127.0.0.1"
PORTS = 65_536


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


def pick_port(memory: Path) -> int:
    """Return the port of the last time, so that clients find the server again, or a free one.

    Args:
        memory: File that holds the last port.
    """
    try:
        last = int(memory.read_text())
    except (FileNotFoundError, ValueError):
        return free_port()
    return last if 0 < last < PORTS and is_free(last) else free_port()


def require_free(port: int, server: str, option: str) -> None:
    """Check a port that the user asked for.

    Args:
        port: 1 to 65535.
        server: What wants to listen there, for the message.
        option: The option that names the port, for the message.

    Raises:
        ConfigurationError: If it is out of range or in use.
    """
    if not 0 < port < PORTS:
        raise ConfigurationError(
            f"port {port} for {server} is out of range", hint=f"give {option} 1 to 65535"
        )
    if not is_free(port):
        raise ConfigurationError(
            f"port {port} on {HOST} for {server} is in use or not allowed",
            hint=f"free it, give another {option}, or leave {option} out for a free port",
        )
