"""The public keys of an OpenID provider (RFC 7517), fetched when needed and kept for a while."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import httpx2
import structlog
from jwt import PyJWK, PyJWTError

from flowkeep.errors import SourceUnavailable

_log = structlog.get_logger(__name__)

KEPT_SECONDS = 300.0
"""How long fetched keys are taken for the provider's."""
PAUSE_SECONDS = 10.0
"""Least time between two fetches, whatever keys tokens name and whether the provider answers."""
LONGEST_SECONDS = 3600.0
"""How long keys serve while the provider is away."""
_TIMEOUT_SECONDS = 5.0
_DISCOVERY = "/.well-known/openid-configuration"
_ASYMMETRIC = ("RSA", "EC", "OKP")


class ProviderKeys:
    """Keys by their id; an unknown id is reason to look for new ones.

    Args:
        issuer: The provider.
        url: Where its keys are; null asks the provider's discovery document.
        clock: Seconds that only grow.
    """

    def __init__(
        self, issuer: str, url: str | None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._issuer = issuer
        self._url = url
        self._clock = clock
        self._http = httpx2.AsyncClient(timeout=_TIMEOUT_SECONDS)
        self._keys: list[dict[str, Any]] = []
        self._parsed: dict[tuple[str | None, str], PyJWK] = {}
        self._fetched = self._tried = float("-inf")
        self._fetching = asyncio.Lock()

    async def find(self, key_id: str | None, algorithm: str) -> PyJWK | None:
        """Return the key that a token names; None if the provider has no such key.

        Args:
            key_id: The token's `kid`; without one, the provider's only key is meant.
            algorithm: The token's `alg`.

        Raises:
            SourceUnavailable: If the provider cannot be reached and was not for long.
        """
        await self._refresh(KEPT_SECONDS)
        found = self._pick(key_id, algorithm)
        if found is None:
            await self._refresh(PAUSE_SECONDS)
            found = self._pick(key_id, algorithm)
        return found

    def _pick(self, key_id: str | None, algorithm: str) -> PyJWK | None:
        place = (key_id, algorithm)
        if place not in self._parsed:
            fitting = [key for key in self._keys if key_id is None or key.get("kid") == key_id]
            if len(fitting) != 1 or fitting[0].get("alg", algorithm) != algorithm:
                return None
            try:
                self._parsed[place] = PyJWK(fitting[0], algorithm)
            except (PyJWTError, ValueError):  # not a key for this algorithm
                return None
        return self._parsed[place]

    async def _refresh(self, oldest: float) -> None:
        """Fetch the keys again if they are older than some seconds."""
        if self._clock() - self._fetched < oldest:
            return
        async with self._fetching:
            now = self._clock()
            if now - self._fetched < oldest:
                return
            failed: Exception | None = None
            if now - self._tried >= PAUSE_SECONDS:
                self._tried = now
                try:
                    self._keys, self._parsed = await self._fetch(), {}
                    self._fetched = self._clock()
                    return
                except (httpx2.HTTPError, httpx2.InvalidURL, ValueError) as error:
                    failed = error
                    _log.warning("keys of the OpenID provider not fetched", error=repr(error))
        if self._clock() - self._fetched > LONGEST_SECONDS:
            raise SourceUnavailable(
                f"the OpenID provider {self._issuer} cannot be asked for its keys",
                hint="check that FLOWKEEP_API_OIDC_ISSUER names it and that it runs",
            ) from failed

    async def _fetch(self) -> list[dict[str, Any]]:
        url = self._url
        if url is None:  # OpenID Connect Discovery 1.0, section 4
            told = await self._document(self._issuer.rstrip("/") + _DISCOVERY)
            if told.get("issuer") != self._issuer:
                raise ValueError("the discovery document is another issuer's")
            url = str(told.get("jwks_uri"))
        keys = (await self._document(url)).get("keys")
        if not isinstance(keys, list):
            raise ValueError("the key set has no keys")
        return [
            key
            for key in keys
            if isinstance(key, dict)
            and key.get("kty") in _ASYMMETRIC
            and key.get("use", "sig") == "sig"
        ]

    async def _document(self, url: str) -> dict[str, Any]:
        answer = await self._http.get(url, headers={"Accept": "application/json"})
        answer.raise_for_status()
        content = answer.json()
        if not isinstance(content, dict):
            raise ValueError("the provider's document is no object")
        return content

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()
