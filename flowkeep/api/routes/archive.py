"""`/archive`."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import TypeAdapter

from flowkeep.api.answers import as_page
from flowkeep.api.context import Client, Limit
from flowkeep.api.problems import documented
from flowkeep.contracts.api.archive import BundlePublishing, BundleRestoration, PublishedBundles
from flowkeep.contracts.api.listing import Listing
from flowkeep.contracts.archive import (
    Bundle,
    BundleCheck,
    BundleDeletion,
    BundleRestore,
    BundleStatus,
)
from flowkeep.errors import Conflict, Incomplete

router = APIRouter(prefix="/archive/bundles", tags=["archive"], responses=documented())

Status = Annotated[BundleStatus | None, Query(description="Only those that stand there.")]
BundleCursor = Annotated[UUID | None, Query(description="`next` of the page before.")]

_BUNDLES = TypeAdapter(Listing[Bundle])


@contextmanager
def undamaged() -> Iterator[None]:
    """Answer for a bundle that is not whole with 409: the service itself is well."""
    try:
        yield
    except Incomplete as error:
        raise Conflict(error.message, hint=error.hint, code=error.code) from error


@router.get("", response_model=Listing[Bundle])
async def list_bundles(
    request: Request,
    client: Client,
    status: Status = None,
    limit: Limit = 20,
    cursor: BundleCursor = None,
) -> Response:
    """List bundles, newest first."""
    page = await client.archive.list(status=status, limit=limit, cursor=cursor)
    return as_page(request, _BUNDLES, page)


@router.post("", responses=documented(409))
async def publish_bundles(client: Client, body: BundlePublishing) -> PublishedBundles:
    """Write ended runs into bundles in object storage; the tables keep them.

    Where `more` is true the time was up before all were written: ask again.
    """
    return await client.archive.publish(body)


@router.get("/{bundle_id}")
async def get_bundle(client: Client, bundle_id: UUID) -> Bundle:
    """Return a bundle."""
    return await client.archive.get(bundle_id)


@router.delete("/{bundle_id}", status_code=204, response_class=Response, responses=documented(409))
async def discard_bundle(client: Client, bundle_id: UUID) -> None:
    """Remove a bundle that no archived run needs, with its objects."""
    await client.archive.discard(bundle_id)


@router.post("/{bundle_id}/verify", responses=documented(409))
async def verify_bundle(client: Client, bundle_id: UUID) -> BundleCheck:
    """Read all of a bundle back and compare it with the ledger."""
    with undamaged():
        return await client.archive.verify(bundle_id)


@router.post("/{bundle_id}/delete", responses=documented(409))
async def delete_runs_of_bundle(client: Client, bundle_id: UUID) -> BundleDeletion:
    """Take the runs of a verified bundle out of the tables; those that changed stay."""
    with undamaged():
        return await client.archive.delete(bundle_id)


@router.post("/{bundle_id}/restore", responses=documented(409))
async def restore_bundle(
    client: Client, bundle_id: UUID, body: BundleRestoration | None = None
) -> BundleRestore:
    """Bring runs of a bundle back into the tables, exactly as they were, with a hold."""
    with undamaged():
        return await client.archive.restore(bundle_id, body or BundleRestoration())
