"""A transport of httpx2 that connects to checked addresses only."""

import ssl

import httpx2

from flowkeep.definitions.builtin.http_hosts import HostRules


class CheckedTransport(httpx2.AsyncBaseTransport):
    """Looks each host up itself and connects to the address it has checked.

    Were the name looked up again for the connection, it could stand for another address by then.

    Args:
        rules: Which hosts may be reached.
        tls: Which certificates are trusted.
    """

    def __init__(self, rules: HostRules, tls: ssl.SSLContext) -> None:
        self._rules = rules
        self._inner = httpx2.AsyncHTTPTransport(verify=tls, trust_env=False)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request to the first address of its host that takes a connection.

        Raises:
            ActionError: If the host must not be reached.
        """
        host = request.url.raw_host.decode("ascii")
        port = request.url.port or (443 if request.url.scheme == "https" else 80)
        addresses = await self._rules.addresses(host, port)
        for number, address in enumerate(addresses, 1):
            directed = httpx2.Request(
                request.method,
                request.url.copy_with(host=address.partition("%")[0]),
                headers=request.headers,
                stream=request.stream,
                extensions={**request.extensions, "sni_hostname": host},
            )
            try:
                return await self._inner.handle_async_request(directed)
            except (httpx2.ConnectError, httpx2.ConnectTimeout):
                if number == len(addresses):
                    raise
        raise httpx2.ConnectError("the host has no address")

    async def aclose(self) -> None:
        """Close all connections."""
        await self._inner.aclose()
