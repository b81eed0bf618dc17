"""The client of the service over HTTP."""

from collections.abc import AsyncIterator
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, ParamSpec, Self, TypeVar

import httpx2

from flowkeep.clients.remote._async.paging import AsyncListMethod, rows
from flowkeep.clients.remote._async.transport import AsyncTransport
from flowkeep.clients.remote.connecting import checked_url, trust
from flowkeep.clients.remote.headers import own_headers

if TYPE_CHECKING:
    from flowkeep.clients.remote._async.actions import AsyncActions
    from flowkeep.clients.remote._async.apps import AsyncApps
    from flowkeep.clients.remote._async.archive import AsyncArchive
    from flowkeep.clients.remote._async.audit import AsyncAuditLog
    from flowkeep.clients.remote._async.definitions import AsyncDefinitions
    from flowkeep.clients.remote._async.keys import AsyncKeys
    from flowkeep.clients.remote._async.questions import AsyncQuestions
    from flowkeep.clients.remote._async.retention import AsyncRetention
    from flowkeep.clients.remote._async.run_logs import AsyncRunLogs
    from flowkeep.clients.remote._async.runs import AsyncRuns
    from flowkeep.clients.remote._async.schedules import AsyncSchedules
    from flowkeep.clients.remote._async.secrets import AsyncSecrets
    from flowkeep.clients.remote._async.state import AsyncState
    from flowkeep.clients.remote._async.statistics import AsyncStatistics
    from flowkeep.clients.remote._async.tenants import AsyncTenants
    from flowkeep.clients.remote._async.webhooks import AsyncWebhooks
    from flowkeep.clients.remote._async.workers import AsyncWorkers

P = ParamSpec("P")
T = TypeVar("T")


class AsyncRemoteClient:
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
        http: httpx2.AsyncClient | None = None,
    ) -> None:
        self._owns_http = http is None
        if http is None:
            http = httpx2.AsyncClient(
                base_url=checked_url(url),
                timeout=httpx2.Timeout(timeout_seconds, connect=connect_timeout_seconds, pool=None),
                limits=httpx2.Limits(max_connections=None, max_keepalive_connections=20),
                verify=True if ca_file is None else trust(ca_file),
            )
        headers = own_headers(api_key, tenant)
        self._transport = AsyncTransport(http, headers=headers, patience_seconds=patience_seconds)

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

    def iterate(
        self, method: AsyncListMethod[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> AsyncIterator[T]:
        """Yield the rows of all pages of any list, for example `iterate(client.apps.list)`.

        Args:
            method: A method of a noun that returns a page and takes `cursor`.
            *args: What the method takes.
            **kwargs: What the method takes, by name; with `cursor` it begins there.
        """
        return rows(method, *args, **kwargs)

    @cached_property
    def actions(self) -> "AsyncActions":
        """What tasks of definitions can call."""
        from flowkeep.clients.remote._async.actions import AsyncActions

        return AsyncActions(self._transport)

    @cached_property
    def apps(self) -> "AsyncApps":
        """Containers inside the tenant."""
        from flowkeep.clients.remote._async.apps import AsyncApps

        return AsyncApps(self._transport)

    @cached_property
    def archive(self) -> "AsyncArchive":
        """Runs that move to object storage and back."""
        from flowkeep.clients.remote._async.archive import AsyncArchive

        return AsyncArchive(self._transport)

    @cached_property
    def audit(self) -> "AsyncAuditLog":
        """Who did what, and who was denied what."""
        from flowkeep.clients.remote._async.audit import AsyncAuditLog

        return AsyncAuditLog(self._transport)

    @cached_property
    def definitions(self) -> "AsyncDefinitions":
        """Stored definitions."""
        from flowkeep.clients.remote._async.definitions import AsyncDefinitions

        return AsyncDefinitions(self._transport)

    @cached_property
    def keys(self) -> "AsyncKeys":
        """API keys: what shows who calls."""
        from flowkeep.clients.remote._async.keys import AsyncKeys

        return AsyncKeys(self._transport)

    @cached_property
    def questions(self) -> "AsyncQuestions":
        """Questions of runs to people."""
        from flowkeep.clients.remote._async.questions import AsyncQuestions

        return AsyncQuestions(self._transport)

    @cached_property
    def retention(self) -> "AsyncRetention":
        """How long runs are kept, and their removal."""
        from flowkeep.clients.remote._async.retention import AsyncRetention

        return AsyncRetention(self._transport)

    @cached_property
    def run_logs(self) -> "AsyncRunLogs":
        """What the code of runs logged."""
        from flowkeep.clients.remote._async.run_logs import AsyncRunLogs

        return AsyncRunLogs(self._transport)

    @cached_property
    def runs(self) -> "AsyncRuns":
        """Executions of workflows and definitions."""
        from flowkeep.clients.remote._async.runs import AsyncRuns

        return AsyncRuns(self._transport)

    @cached_property
    def schedules(self) -> "AsyncSchedules":
        """What Temporal starts at times."""
        from flowkeep.clients.remote._async.schedules import AsyncSchedules

        return AsyncSchedules(self._transport)

    @cached_property
    def secrets(self) -> "AsyncSecrets":
        """Secrets with names, never their values."""
        from flowkeep.clients.remote._async.secrets import AsyncSecrets

        return AsyncSecrets(self._transport)

    @cached_property
    def state(self) -> "AsyncState":
        """Named state that outlives runs."""
        from flowkeep.clients.remote._async.state import AsyncState

        return AsyncState(self._transport)

    @cached_property
    def statistics(self) -> "AsyncStatistics":
        """Counts and durations of runs."""
        from flowkeep.clients.remote._async.statistics import AsyncStatistics

        return AsyncStatistics(self._transport)

    @cached_property
    def tenants(self) -> "AsyncTenants":
        """Tenants as wholes; for system admins."""
        from flowkeep.clients.remote._async.tenants import AsyncTenants

        return AsyncTenants(self._transport)

    @cached_property
    def webhooks(self) -> "AsyncWebhooks":
        """Who is told how runs end."""
        from flowkeep.clients.remote._async.webhooks import AsyncWebhooks

        return AsyncWebhooks(self._transport)

    @cached_property
    def workers(self) -> "AsyncWorkers":
        """Who polls the task queues that the tenant uses."""
        from flowkeep.clients.remote._async.workers import AsyncWorkers

        return AsyncWorkers(self._transport)

    async def close(self) -> None:
        """Close the connections, unless they are those of an HTTP client of one's own."""
        if self._owns_http:
            await self._transport.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()
