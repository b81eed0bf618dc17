"""Requests to the service: headers, retries, answers."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeVar
from uuid import uuid4

import httpx2
from pydantic import BaseModel, TypeAdapter

from flowkeep.clients.remote.answers import error_of, lost, place_of, read, redirected
from flowkeep.clients.remote.headers import IDEMPOTENCY_KEY, REQUEST_ID
from flowkeep.clients.remote.patience import Patience
from flowkeep.errors import ConfigurationError, FlowkeepError, InvalidInput

T = TypeVar("T")

PREFIX = "/api/v1"
_MOST_REDIRECTS = 5


class AsyncTransport:
    """Sends requests and reads answers.

    Args:
        http: A client with a base URL.
        headers: Headers of every request. They hold the key, so nothing shows them.
        patience_seconds: Longest time from the first sending of a request to its last; 0 sends it
            once.

    Attributes:
        place: Scheme, host and port of the service.
    """

    def __init__(
        self,
        http: httpx2.AsyncClient,
        *,
        headers: Mapping[str, str] | None = None,
        patience_seconds: float = 10.0,
    ) -> None:
        self.place = place_of(http.base_url)
        self._http = http
        self._headers = dict(headers or {})
        self._patience_seconds = patience_seconds

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.place!r})"

    async def call(
        self,
        method: str,
        path: str,
        kind: TypeAdapter[T],
        *,
        query: Mapping[str, Any] | None = None,
        body: BaseModel | Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> T:
        """Send a request and return its answer.

        A POST gets an idempotency key of its own, so it is repeated as safely as a GET: the
        service carries it out once.

        Args:
            method: The HTTP method.
            path: Below `/api/v1`, with what is variable quoted.
            kind: What the answer is to be.
            query: Values that are None are left out.
            body: Sent as JSON; of a model, the fields that were set.
            headers: More headers.

        Raises:
            FlowkeepError: What the service answered.
            ServiceUnavailable: If it cannot be reached.
            ConfigurationError: If what answers is not the service.
        """
        content = None
        if isinstance(body, BaseModel):
            content = body.model_dump(mode="json", exclude_unset=True)
        elif body is not None:
            content = dict(body)
        more = dict(headers or {})
        if method == "POST":
            more.setdefault(IDEMPOTENCY_KEY, str(uuid4()))
        request = self._request(method, path, query, more, json=content)
        patience = Patience(request, self._patience_seconds)
        answer = await self._answer(request, patience)
        try:
            return read(answer, kind)
        except FlowkeepError as error:
            raise patience.tell(error) from None

    @asynccontextmanager
    async def stream(
        self,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        silence_seconds: float | None = None,
    ) -> AsyncGenerator[httpx2.Response]:
        """Open an answer that is read piece by piece: a download, or server-sent events.

        Args:
            path: Below `/api/v1`, with what is variable quoted.
            query: Values that are None are left out.
            headers: More headers.
            silence_seconds: Longest time between two pieces; the client's own when left out.

        Raises:
            FlowkeepError: What the service answered.
            ServiceUnavailable: If it cannot be reached, or not any more; what was read before
                that is not repeated.
        """
        options: dict[str, Any] = {}
        if silence_seconds is not None:
            timeout = {**self._http.timeout.as_dict(), "read": silence_seconds}
            options["timeout"] = httpx2.Timeout(**timeout)
        request = self._request("GET", path, query, headers, **options)
        patience = Patience(request, self._patience_seconds)
        answer = await self._answer(request, patience, stream=True)
        try:
            if not answer.is_success:
                await answer.aread()
                raise error_of(answer)
            yield answer
        except httpx2.RequestError as error:
            raise lost(error, request) from error
        finally:
            await answer.aclose()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    def _request(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None,
        headers: Mapping[str, str] | None,
        **options: Any,
    ) -> httpx2.Request:
        given = {name: value for name, value in (query or {}).items() if value is not None}
        all_headers = {REQUEST_ID: str(uuid4()), **self._headers, **(headers or {})}
        try:
            return self._http.build_request(
                method, f"{PREFIX}{path}", params=given, headers=all_headers, **options
            )
        except (httpx2.InvalidURL, UnicodeEncodeError) as error:
            raise InvalidInput(
                "a name or value cannot be sent in a URL or header",
                hint=f"it is too long or no text: {type(error).__name__}",
            ) from None

    async def _answer(
        self, request: httpx2.Request, patience: Patience, *, stream: bool = False
    ) -> httpx2.Response:
        """Return the answer that stands, after as many tries as patience has."""
        while True:
            try:
                answer = await self._send(request, stream)
            except httpx2.RequestError as error:
                wait = patience.after_loss(error)
                if wait is None:
                    raise lost(error, request) from error
            else:
                wait = patience.after_answer(answer)
                if wait is None:
                    return answer
                await answer.aclose()
            await asyncio.sleep(wait)

    async def _send(self, request: httpx2.Request, stream: bool) -> httpx2.Response:
        """Send a request once, and on to where the same service redirects it."""
        for _ in range(_MOST_REDIRECTS):
            answer = await self._http.send(request, stream=stream, follow_redirects=False)
            try:
                following = redirected(answer)
            except ConfigurationError:
                await answer.aclose()
                raise
            if following is None:
                return answer
            await answer.aclose()
            request = following
        raise ConfigurationError(
            f"{self.place} redirects without end", hint="check what stands before the service"
        )
