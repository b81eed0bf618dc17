# Made from the file of this name in `_async` by tools/sync_client; do not edit.
"""The archive: runs that move to object storage and back."""

from uuid import UUID

from pydantic import TypeAdapter

from flowkeep.clients.remote._sync.transport import Transport
from flowkeep.contracts.api.archive import BundlePublishing, BundleRestoration, PublishedBundles
from flowkeep.contracts.api.listing import Listing
from flowkeep.contracts.archive import (
    Bundle,
    BundleCheck,
    BundleDeletion,
    BundleRestore,
    BundleStatus,
)

_BUNDLE = TypeAdapter(Bundle)
_BUNDLES = TypeAdapter(Listing[Bundle])
_PUBLISHED = TypeAdapter(PublishedBundles)
_CHECK = TypeAdapter(BundleCheck)
_DELETION = TypeAdapter(BundleDeletion)
_RESTORE = TypeAdapter(BundleRestore)
_NOTHING = TypeAdapter(None)
_ALL = BundleRestoration()
_PATH = "/archive/bundles"


class Archive:
    """The archive; it is `client.archive`. For admins of the tenant.

    Args:
        transport: Sends the requests.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(
        self,
        *,
        status: BundleStatus | None = None,
        limit: int = 20,
        cursor: UUID | None = None,
    ) -> Listing[Bundle]:
        """Return a page of bundles, newest first."""
        query = {
            "status": None if status is None else BundleStatus(status).value,
            "limit": limit,
            "cursor": cursor,
        }
        return self._transport.call("GET", _PATH, _BUNDLES, query=query)

    def get(self, bundle_id: UUID) -> Bundle:
        """Return a bundle."""
        return self._transport.call("GET", f"{_PATH}/{bundle_id}", _BUNDLE)

    def publish(self, publishing: BundlePublishing) -> PublishedBundles:
        """Write ended runs into bundles, bundle by bundle until the time is up."""
        return self._transport.call("POST", _PATH, _PUBLISHED, body=publishing)

    def verify(self, bundle_id: UUID) -> BundleCheck:
        """Read all of a bundle back and compare it with the ledger."""
        return self._transport.call("POST", f"{_PATH}/{bundle_id}/verify", _CHECK)

    def delete(self, bundle_id: UUID) -> BundleDeletion:
        """Take the runs of a verified bundle out of the tables."""
        return self._transport.call("POST", f"{_PATH}/{bundle_id}/delete", _DELETION)

    def restore(self, bundle_id: UUID, restoration: BundleRestoration = _ALL) -> BundleRestore:
        """Bring runs of a bundle back into the tables, exactly as they were, with a hold."""
        path = f"{_PATH}/{bundle_id}/restore"
        return self._transport.call("POST", path, _RESTORE, body=restoration)

    def discard(self, bundle_id: UUID) -> None:
        """Remove a bundle that no archived run needs, with its objects."""
        self._transport.call("DELETE", f"{_PATH}/{bundle_id}", _NOTHING)
