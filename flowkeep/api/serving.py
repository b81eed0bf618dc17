"""Serving the REST API: a socket, uvicorn on it, signals, and an end without lost answers."""

import asyncio
import logging
import multiprocessing
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_network

import uvicorn

from flowkeep import telemetry
from flowkeep.api.app import build_app
from flowkeep.api.loopback import is_loopback
from flowkeep.errors import ConfigurationError, FlowkeepError
from flowkeep.settings import ApiSettings, Settings
from flowkeep.supervisor import supervise
from flowkeep.telemetry.metrics import Meter

BACKLOG = 2048
"""Connections that wait to be accepted."""

_KEEP_ALIVE_SECONDS = 65
"""Longer than common proxies keep a connection that rests, so that they never use a closed one."""
_GRACE_SECONDS = 10.0
"""Beyond the time that requests get to finish, before a process is killed."""
_FAILED = 3
_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def check_serving(api: ApiSettings) -> None:
    """Refuse settings under which the service would trust whom nobody meant.

    Raises:
        ConfigurationError: If it is open to other machines, or believes every proxy.
    """
    if api.open and not is_loopback(api.host):
        raise ConfigurationError(
            f"an open service cannot listen on {api.host}",
            hint="leave --open out and use keys, or listen on 127.0.0.1",
        )
    if api.open and api.trusted_proxies:
        raise ConfigurationError(
            "an open service cannot stand behind a proxy",
            hint="unset FLOWKEEP_API_OPEN or FLOWKEEP_API_TRUSTED_PROXIES",
        )
    for proxy in api.trusted_proxies:
        try:
            ip_network(proxy)
        except ValueError:
            raise ConfigurationError(
                f"FLOWKEEP_API_TRUSTED_PROXIES holds {proxy!r}, which is no address or network",
                hint="for example 10.0.0.0/8",
            ) from None


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that queues connections from now on.

    Args:
        host: Name or address of this machine.
        port: 0 takes a free one.

    Raises:
        ConfigurationError: If nothing can listen there.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(BACKLOG)
        except BaseException:
            listener.close()
            raise
    except OSError as error:
        raise ConfigurationError(
            f"the service cannot listen on {host}, port {port}: {error.strerror or error}",
            hint="give --host and --port, or FLOWKEEP_API_HOST and FLOWKEEP_API_PORT",
        ) from None
    listener.setblocking(False)  # noqa: FBT003 - the name of the argument is nobody's
    return listener


def url_of(listener: socket.socket) -> str:
    """Return the URL under which this machine reaches a listener."""
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class ApiServer(uvicorn.Server):
    """The service on a socket; `serve` it until `stop`.

    Args:
        settings: How the service behaves.
        meter: Measures requests; None measures nothing.

    Raises:
        ConfigurationError: If the settings let in whom nobody meant.
    """

    def __init__(self, settings: Settings, meter: Meter | None = None) -> None:
        api = settings.api
        check_serving(api)
        self.app = build_app(settings, meter)
        super().__init__(
            uvicorn.Config(
                self.app,
                http="httptools",
                ws="none",
                lifespan="on",
                log_config=None,
                log_level="warning",
                access_log=False,  # the service writes its own
                server_header=False,
                proxy_headers=bool(api.trusted_proxies),
                forwarded_allow_ips=list(api.trusted_proxies),
                timeout_keep_alive=_KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=api.shutdown_seconds,  # type: ignore[arg-type]
            )
        )

    def stop(self) -> None:
        """Accept nothing more and let requests finish; called once more, end at once."""
        if self.should_exit:
            self.force_exit = True
            for connection in list(self.server_state.connections):
                connection.transport.abort()
            for task in list(self.server_state.tasks):
                task.cancel()
        self.should_exit = True

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to whoever serves."""
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End streams of events, then let requests finish, then close what the service opened."""
        self.app.state.operations.end_streams()
        await super().shutdown(sockets)


def serve(settings: Settings, listener: socket.socket, workers: int = 1) -> None:
    """Serve until SIGTERM or SIGINT, in this process or in several spawned ones.

    Args:
        settings: How the service behaves.
        listener: All processes accept connections from it.
        workers: How many processes.

    Raises:
        ConfigurationError: If a process ends again and again before it gets to work.
    """
    telemetry.configure(settings.telemetry, process="api")
    supervise(
        serve_process,
        args=(settings, listener),
        processes=workers,
        grace_seconds=settings.api.shutdown_seconds + _GRACE_SECONDS,
        name="api",
    )


async def serve_process(settings: Settings, listener: socket.socket) -> None:
    """Serve in this process until it is told to stop; importable, to be spawned.

    Args:
        settings: How the service behaves.
        listener: Where connections come from.
    """
    spawned = multiprocessing.parent_process() is not None
    name = multiprocessing.current_process().name.removeprefix("flowkeep-") if spawned else "api"
    number = name.rpartition("-")[2]
    telemetry.configure(settings.telemetry, process=name)
    telemetry.start_tracing(settings.telemetry)
    try:
        offset = int(number) if number.isdecimal() else 0
        telemetry.start_core(settings.telemetry.metrics_address, port_offset=offset)
        server = ApiServer(settings, Meter.of_process())
    except FlowkeepError as error:
        if not spawned:
            raise
        # Nobody above tells it: the parent only sees the exit code.
        logging.getLogger(__name__).error("%s: %s", error.code, error)
        sys.exit(_FAILED)
    loop = asyncio.get_running_loop()
    for one in _SIGNALS:
        # Ctrl-C reaches every process of a terminal: only the parent hears it, and says SIGTERM.
        ignored = spawned and one is signal.SIGINT
        loop.add_signal_handler(one, (lambda: None) if ignored else server.stop)
    await server.serve(sockets=[listener])
