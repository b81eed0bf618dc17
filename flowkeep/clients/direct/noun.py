"""What the nouns of the direct client share."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flowkeep.clients.direct.access import Access
    from flowkeep.clients.direct.client import DirectClient
    from flowkeep.clients.direct.journal import Journal
    from flowkeep.statestore.store import Store


class Noun:
    """One noun of the service.

    Args:
        client: The client it belongs to.
    """

    def __init__(self, client: "DirectClient") -> None:
        self._client = client

    @property
    def _store(self) -> "Store":
        return self._client.store

    @property
    def _access(self) -> "Access":
        return self._client.access

    @property
    def _journal(self) -> "Journal":
        return self._client.journal

    @property
    def _tenant(self) -> str:
        return self._client.access.tenant_id
