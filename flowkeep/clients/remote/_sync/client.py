# Made from the file of this name in `_async` by tools/sync_client; do not edit.
"""The client of the service over HTTP."""

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, ParamSpec, Self, TypeVar

import httpx2

from flowkeep.clients.remote._sync.paging import ListMethod, rows
from flowkeep.clients.remote._sync.transport import Transport
from flowkeep.clients.remote.connecting import checked_url, trust
from flowkeep.clients.remote.headers import own_headers

if TYPE_CHECKING:
    from flowkeep.clients.remote._sync.actions import Actions
    from flowkeep.clients.remote._sync.apps import Apps
    from flowkeep.clients.remote._sync.archive import Archive
    from flowkeep.clients.remote._sync.audit import AuditLog
    from flowkeep.clients.remote._sync.definitions import Definitions
    from flowkeep.clients.remote._sync.keys import Keys
    from flowkeep.clients.remote._sync.questions import Questions
    from flowkeep.clients.remote._sync.retention import Retention
    from flowkeep.clients.remote._sync.run_logs import RunLogs
    from flowkeep.clients.remote._sync.runs import Runs
    from flowkeep.clients.remote._sync.schedules import Schedules
    from flowkeep.clients.remote._sync.secrets import Secrets
    from flowkeep.clients.remote._sync.state import State
    from flowkeep.clients.remote._sync.statistics import Statistics
    from flowkeep.clients.remote._sync.tenants import Tenants
    from flowkeep.clients.remote._sync.webhooks import Webhooks
    from flowkeep.clients.remote._sync.workers import Workers

P = ParamSpec("P")
T = TypeVar("T")


class RemoteClient:
    """The nouns of the service over HTTP; close it, or use it as a context manager.

    GET, HEAD, PUT, DELETE, and POST by a key against doing it twice, are repeated after a lost
    connection and after 429, 502, 503 and 504, for as long as `patience_seconds` says. A PATCH is
    not, unless nothing of it was sent or taken.

    Args:
        url: Where the service is, for example `https://flowkeep.example.com`.
        api_key: The key that says who calls; None for a service that is open on this machine.
        tenant: The tenant to act in, for system admins; the key's own when left out.
        timeout_seconds: Longest silence while a request is sent or its answer is awaited.
        connect_timeout_seconds: Longest time to make a connection.
        patience_seconds: Longest time from the first sending of a request to its last; 0 sends
            each once.
        ca_file: Certificates of the authorities that may have signed the service's, in PEM; those
            that httpx trusts when left out.
        http: An HTTP client of one's own, with its base URL set; whoever made it closes it, and
            `url`, both timeouts and `ca_file` are its own.

    Raises:
        InvalidInput: If the URL, key or tenant cannot be used.
        ConfigurationError: If `ca_file` cannot be read.
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:8800",
        *,
        api_key: str | None = None,
        tenant: str | None = None,
        timeout_seconds: float = 60.0,
        connect_timeout_seconds: float = 10.0,
        patience_seconds: float = 10.0,
        ca_file: Path | None = None,
        http: httpx2.Client | None = None,
    ) -> None:
        self._owns_http = http is None
        if http is None:
            http = httpx2.Client(
                base_url=checked_url(url),
                timeout=httpx2.Timeout(timeout_seconds, connect=connect_timeout_seconds, pool=None),
                limits=httpx2.Limits(max_connections=None, max_keepalive_connections=20),
                verify=True if ca_file is None else trust(ca_file),
            )
        headers = own_headers(api_key, tenant)
        self._transport = Transport(http, headers=headers, patience_seconds=patience_seconds)

    @classmethod
    def from_profile(
        cls, name: str | None = None, *, config: Path | None = None, **options: Any
    ) -> Self:
        """Return a client of the service that a profile names.

        Args:
            name: The profile; the one in use when left out.
            config: The file of profiles; `~/.config/flowkeep/config.toml` when left out.
            **options: Arguments of the class, which beat the profile.

        Raises:
            NotFound: If there is no such profile.
            ConfigurationError: If the file cannot be used, or the program with the key fails.
        """
        from flowkeep.clients.profiles import Profiles

        return cls(**{**Profiles.read(config).get(name).options(), **options})

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._transport.place!r})"

    def iterate(self, method: ListMethod[P, T], *args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
        """Yield the rows of all pages of any list, for example `iterate(client.apps.list)`.

        Args:
            method: A method of a noun that returns a page and takes `cursor`.
            *args: What the method takes.
            **kwargs: What the method takes, by name; with `cursor` it begins there.
        """
        return rows(method, *args, **kwargs)

    @cached_property
    def actions(self) -> "Actions":
        """What tasks of definitions can call."""
        from flowkeep.clients.remote._sync.actions import Actions

        return Actions(self._transport)

    @cached_property
    def apps(self) -> "Apps":
        """Containers inside the tenant."""
        from flowkeep.clients.remote._sync.apps import Apps

        return Apps(self._transport)

    @cached_property
    def archive(self) -> "Archive":
        """Runs that move to object storage and back."""
        from flowkeep.clients.remote._sync.archive import Archive

        return Archive(self._transport)

    @cached_property
    def audit(self) -> "AuditLog":
        """Who did what, and who was denied what."""
        from flowkeep.clients.remote._sync.audit import AuditLog

        return AuditLog(self._transport)

    @cached_property
    def definitions(self) -> "Definitions":
        """Stored definitions."""
        from flowkeep.clients.remote._sync.definitions import Definitions

        return Definitions(self._transport)

    @cached_property
    def keys(self) -> "Keys":
        """API keys: what shows who calls."""
        from flowkeep.clients.remote._sync.keys import Keys

        return Keys(self._transport)

    @cached_property
    def questions(self) -> "Questions":
        """Questions of runs to people."""
        from flowkeep.clients.remote._sync.questions import Questions

        return Questions(self._transport)

    @cached_property
    def retention(self) -> "Retention":
        """How long runs are kept, and their removal."""
        from flowkeep.clients.remote._sync.retention import Retention

        return Retention(self._transport)

    @cached_property
    def run_logs(self) -> "RunLogs":
        """What the code of runs logged."""
        from flowkeep.clients.remote._sync.run_logs import RunLogs

        return RunLogs(self._transport)

    @cached_property
    def runs(self) -> "Runs":
        """Executions of workflows and definitions."""
        from flowkeep.clients.remote._sync.runs import Runs

        return Runs(self._transport)

    @cached_property
    def schedules(self) -> "Schedules":
        """What Temporal starts at times."""
        from flowkeep.clients.remote._sync.schedules import Schedules

        return Schedules(self._transport)

    @cached_property
    def secrets(self) -> "Secrets":
        """Secrets with names, never their values."""
        from flowkeep.clients.remote._sync.secrets import Secrets

        return Secrets(self._transport)

    @cached_property
    def state(self) -> "State":
        """Named state that outlives runs."""
        from flowkeep.clients.remote._sync.state import State

        return State(self._transport)

    @cached_property
    def statistics(self) -> "Statistics":
        """Counts and durations of runs."""
        from flowkeep.clients.remote._sync.statistics import Statistics

        return Statistics(self._transport)

    @cached_property
    def tenants(self) -> "Tenants":
        """Tenants as wholes; for system admins."""
        from flowkeep.clients.remote._sync.tenants import Tenants

        return Tenants(self._transport)

    @cached_property
    def webhooks(self) -> "Webhooks":
        """Who is told how runs end."""
        from flowkeep.clients.remote._sync.webhooks import Webhooks

        return Webhooks(self._transport)

    @cached_property
    def workers(self) -> "Workers":
        """Who polls the task queues that the tenant uses."""
        from flowkeep.clients.remote._sync.workers import Workers

        return Workers(self._transport)

    def close(self) -> None:
        """Close the connections, unless they are those of an HTTP client of one's own."""
        if self._owns_http:
            self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
